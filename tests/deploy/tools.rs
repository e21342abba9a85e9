//! Where the tests find kubectl and helm.

use std::path::Path;
use std::process::Command;

use crate::program::program;
use crate::tree::root;

/// What `tests/tools/provide` itself runs.
const NEEDED: [&str; 13] =
    ["bash", "sh", "env", "dirname", "mkdir", "sed", "sha256sum", "cut", "cat", "mktemp", "mv", "rm", "ln"];

/// A Go that builds a file of a line, and fails where it is told to.
const GO: &str = r#"#!/bin/sh
test "$1" = env && { echo go1.26.8; exit; }
for last; do :; done
echo "$last $GOFLAGS" >> "$LOG"
test "$last" = "$BREAKS" && exit 1
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\n' > "$2" && /bin/chmod +x "$2"
"#;

/// A folder of programs without kubectl and helm, whatever the machine has.
fn programs() -> tempfile::TempDir {
    let programs = tempfile::tempdir().unwrap();
    for name in NEEDED {
        let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
        let place = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(place.trim(), programs.path().join(name)).unwrap();
    }
    programs
}

/// What the script prints, says and ends with, where only these programs are there.
fn provided(programs: &Path, environment: &[(&str, &Path)]) -> (String, String, Option<i32>) {
    let mut command = Command::new(root().join("tests/tools/provide"));
    command.env("PATH", programs).env("CARGO_TARGET_DIR", programs.join("target"));
    command.env_remove("TAGWRIGHT_TEST_TOOLS").envs(environment.iter().copied());
    let output = command.output().unwrap();
    let [told, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (told.trim_end().to_owned(), said, output.status.code())
}

#[test]
fn kubectl_and_helm_are_named_or_on_the_path() {
    let programs = programs();
    let here = programs.path();
    let (_, said, code) = provided(here, &[]);
    assert!(code == Some(3) && said.contains("or install Go 1.26"), "{said}");
    let (_, said, code) = provided(here, &[("TAGWRIGHT_TEST_TOOLS", here)]);
    assert!(code == Some(1) && said.contains("no kubectl and helm in TAGWRIGHT_TEST_TOOLS="), "{said}");
    program(here, "kubectl", "#!/bin/sh\n");
    assert_eq!(provided(here, &[]).2, Some(3), "one of both is not enough");
    program(here, "helm", "#!/bin/sh\n");
    let named = provided(here, &[("TAGWRIGHT_TEST_TOOLS", here)]);
    assert_eq!(named, (here.display().to_string(), String::new(), Some(0)));
    let (folder, _, code) = provided(here, &[]);
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_link(Path::new(&folder).join("helm")).unwrap(), here.join("helm"));
}

#[test]
fn kubectl_and_helm_are_built_once() {
    let programs = programs();
    let here = programs.path();
    program(here, "go", GO);
    let log = here.join("log");
    let build = |breaks: &str| provided(here, &[("LOG", &log), ("BREAKS", Path::new(breaks))]);
    let left = || std::fs::read_dir(here.join("target/tools")).unwrap().count();
    let helm = "helm.sh/helm/v4/cmd/helm";
    assert_eq!((build(helm).2, left()), (Some(1), 0), "half a build leaves nothing");
    let (folder, said, code) = build("");
    assert!(code == Some(0) && Path::new(&folder).join("kubectl").is_file(), "{said}");
    let built = std::fs::read_to_string(&log).unwrap();
    let built: Vec<&str> = built.lines().collect();
    let once = ["./kubectl -mod=readonly", "helm.sh/helm/v4/cmd/helm -mod=readonly"];
    assert_eq!(built, [once, once].concat());
    assert_eq!(build(helm), (folder, String::new(), Some(0)), "what is there is not built again");
}
