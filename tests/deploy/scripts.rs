//! The scripts that test, and what they say at last.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::program::{on_path, program};
use crate::tree::{File, root};

/// A cargo that tests nothing and says what the real one would: 5 of 6 tests pass, a doctest too. It fails as the real one.
const CARGO: &str = r#"#!/bin/sh
echo "asked: $*"
case "$1 $2" in
  "nextest --version") test "$HAS_NEXTEST" = yes; exit ;;
  "nextest run")
    printf '     Summary [   1.234s] 6 tests run: 5 passed (1 slow), 1 failed, 3 skipped\n'
    exit 100 ;;
  "test --doc")
    printf 'test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s\n' ;;
  *)
    printf 'test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n'
    printf 'test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.10s\n'
    printf 'test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s\n'
    exit 101 ;;
esac
"#;

#[test]
fn the_scripts_can_be_run() {
    for name in [
        ".ci/run",
        "tests/run",
        "tests/apiserver/provide",
        "tests/tools/provide",
        "tests/browser/provide",
        "tests/python/provide",
        "tests/forges/provide",
        "fuzz/seed",
    ] {
        let path = root().join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name} is not executable");
        let parsed = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(parsed.status.success(), "{name}: {}", String::from_utf8_lossy(&parsed.stderr));
    }
}

/// A folder of programs in which `tests/run` finds all that it needs, so that nothing is installed or built.
fn programs() -> tempfile::TempDir {
    let programs = tempfile::tempdir().unwrap();
    program(programs.path(), "cargo", CARGO);
    for needed in needed() {
        program(programs.path(), &needed, "#!/bin/sh\nexit 1\n");
    }
    for other in ["kube-apiserver", "etcd", "kubectl", "helm"] {
        program(programs.path(), other, "#!/bin/sh\nexit 1\n");
    }
    programs
}

/// A command of the repository that sees these programs first, and nothing of what the environment says of an API server.
fn script(name: &str, programs: &Path) -> Command {
    let mut command = Command::new(root().join(name));
    let path = on_path(programs);
    let others =
        std::env::split_paths(&path).filter(|folder| folder == programs || !folder.join("kube-apiserver").exists());
    command.env("PATH", std::env::join_paths(others).unwrap()).env("CARGO_TARGET_DIR", programs.join("target"));
    for variable in [
        "NEXTEST",
        "KUBEBUILDER_ASSETS",
        "TAGWRIGHT_TEST_TOOLS",
        "TAGWRIGHT_WITHOUT_CLUSTER",
        "TAGWRIGHT_TEST_BROWSER",
        "TAGWRIGHT_TEST_PYTHON",
        "TAGWRIGHT_TEST_FORGES",
    ] {
        command.env_remove(variable);
    }
    // What these need is installed, or not: nothing of that is to happen here.
    command.env("TAGWRIGHT_WITHOUT_BROWSER", "1").env("TAGWRIGHT_WITHOUT_PYTHON", "1");
    command.env("TAGWRIGHT_WITHOUT_DESCRIPTIONS", "1");
    command
}

/// What cargo was asked by `tests/run`, its last line, and its exit code.
fn asked(command: &mut Command) -> (Vec<String>, String, Option<i32>) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let asked = text.lines().filter_map(|line| line.strip_prefix("asked: ")).map(str::to_owned).collect();
    (asked, text.lines().last().unwrap_or_default().to_owned(), output.status.code())
}

#[test]
fn the_last_line_counts_what_either_runner_says() {
    for (has_nextest, arguments, expected, counted, code) in [
        (
            "no",
            &["--locked"][..],
            &[
                "test --features real-servers,real-cluster --locked",
                "test --features real-servers,real-cluster --test git --test mirror --test runs --locked",
            ][..],
            "12 passed, 2 failed",
            101,
        ),
        (
            "yes",
            &["--locked"],
            &[
                "nextest run --features real-servers,real-cluster --filterset not binary(cluster) --locked",
                "test --features real-servers,real-cluster --test cluster --locked",
                "test --doc --features real-servers,real-cluster --locked",
                "test --features real-servers,real-cluster --test git --test mirror --test runs --locked",
            ],
            "18 passed, 3 failed",
            101,
        ),
        (
            "yes",
            &["--test", "servers", "push::"],
            &["nextest run --features real-servers --test servers push::"],
            "5 passed, 1 failed",
            100,
        ),
        (
            "yes",
            &["--test", "trials", "--", "--nocapture"],
            &["test --features real-servers --test trials -- --nocapture"],
            "6 passed, 1 failed",
            101,
        ),
        (
            "yes",
            &["--test", "cluster", "selfcheck"],
            &["test --features real-servers,real-cluster --test cluster selfcheck"],
            "6 passed, 1 failed",
            101,
        ),
        (
            "yes",
            &["-p", "tagwright"],
            &["test --features real-servers,real-cluster -p tagwright"],
            "6 passed, 1 failed",
            101,
        ),
    ] {
        let programs = programs();
        let run = asked(script("tests/run", programs.path()).args(arguments).env("HAS_NEXTEST", has_nextest));
        let expected = expected.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(run, (expected, format!("tests: {counted}"), Some(code)), "{arguments:?}");
    }
}

#[test]
fn the_tests_of_a_cluster_are_left_out_aloud_or_not_at_all() {
    let programs = programs();
    std::fs::remove_file(programs.path().join("etcd")).unwrap();
    // A Go that is too old for the modules.
    program(programs.path(), "go", "#!/bin/sh\necho go1.19.8\n");
    let refused = script("tests/run", programs.path()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("no kube-apiserver: set KUBEBUILDER_ASSETS, or install Go 1.26"), "{said}");
    assert_eq!((refused.status.code(), refused.stdout.is_empty()), (Some(1), true), "nothing is tested");

    let mut without = script("tests/run", programs.path());
    without.env("TAGWRIGHT_WITHOUT_CLUSTER", "1").env("HAS_NEXTEST", "no");
    let said = String::from_utf8(without.output().unwrap().stderr).unwrap();
    assert!(said.contains("THE TESTS OF A CLUSTER DO NOT RUN"), "{said}");
    let again = "test --features real-servers --test git --test mirror --test runs";
    assert_eq!(asked(&mut without).0, ["test --features real-servers", again]);
    let wants_one =
        script("tests/run", programs.path()).args(["--test", "servers"]).env("HAS_NEXTEST", "no").output().unwrap();
    assert!(
        !String::from_utf8(wants_one.stderr).unwrap().contains("cluster"),
        "who needs no API server is not asked for one"
    );
}

#[test]
fn a_browser_and_python_are_worth_having_and_left_out_aloud() {
    let programs = programs();
    let others = tempfile::tempdir().unwrap();
    for name in ["chromium", "node", "bin/python"] {
        std::fs::create_dir_all(others.path().join("bin")).unwrap();
        program(others.path(), name, "#!/bin/sh\nexit 0\n");
    }
    for package in ["playwright-core", "axe-core"] {
        std::fs::create_dir_all(others.path().join("node_modules").join(package)).unwrap();
    }
    for description in ["openapi/generated/api.github.com.json", "graphql-schema/schema.json"] {
        let path = others.path().join("node_modules/@octokit").join(description);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
    }
    let run = |arguments: &[&str], folder: &Path| {
        let mut command = script("tests/run", programs.path());
        for what in ["BROWSER", "PYTHON", "DESCRIPTIONS"] {
            command.env_remove(format!("TAGWRIGHT_WITHOUT_{what}"));
        }
        command.env("TAGWRIGHT_TEST_FORGES", folder);
        command.env("TAGWRIGHT_TEST_BROWSER", folder).env("TAGWRIGHT_TEST_PYTHON", folder);
        let output = command.args(arguments).env("HAS_NEXTEST", "no").output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (out.lines().find_map(|line| line.strip_prefix("asked: test --features ")).unwrap().to_owned(), err)
    };
    let all = "real-servers,real-browser,real-python,real-descriptions,real-cluster --locked";
    assert_eq!(run(&["--locked"], others.path()), (all.to_owned(), String::new()));
    let one = "real-servers,real-browser --test browser search";
    assert_eq!(run(&["--test", "browser", "search"], others.path()), (one.to_owned(), String::new()));
    let (asked, said) = run(&["--locked"], programs.path());
    assert_eq!(asked, "real-servers,real-cluster --locked");
    let parts = ["THE TESTS IN A BROWSER", "SCHEMATHESIS AND PROMETHEUS-CLIENT", "REQUESTS TO FORGES ARE NOT HELD"];
    for what in parts {
        assert!(said.contains(what), "{said}");
    }
}

/// What `tests/apiserver/provide` prints, says and ends with.
fn provided(command: &mut Command) -> (String, String, Option<i32>) {
    let output = command.output().unwrap();
    let [told, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (told.trim_end().to_owned(), said, output.status.code())
}

#[test]
fn an_api_server_is_named_or_on_the_path_or_built_once() {
    const SCRIPT: &str = "tests/apiserver/provide";
    let programs = programs();
    let named = provided(script(SCRIPT, programs.path()).env("KUBEBUILDER_ASSETS", programs.path()));
    assert_eq!(named, (programs.path().display().to_string(), String::new(), Some(0)));
    let empty = tempfile::tempdir().unwrap();
    let (_, said, code) = provided(script(SCRIPT, programs.path()).env("KUBEBUILDER_ASSETS", empty.path()));
    assert!(code == Some(1) && said.contains("no kube-apiserver and etcd in KUBEBUILDER_ASSETS="), "{said}");
    let (folder, _, code) = provided(&mut script(SCRIPT, programs.path()));
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_link(Path::new(&folder).join("etcd")).unwrap(), programs.path().join("etcd"));

    // A Go that builds a file of a line, and fails where it is told to.
    let builds = tempfile::tempdir().unwrap();
    let go = r#"#!/bin/sh
test "$1" = env && { echo go1.26.8; exit; }
echo "$PWD $GOFLAGS" >> "$LOG"
test "$(basename "$PWD")" = "$BREAKS" && exit 1
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\n' > "$2" && chmod +x "$2"
"#;
    program(builds.path(), "go", go);
    let build = |breaks: &str| {
        let mut command = script(SCRIPT, builds.path());
        provided(command.env("LOG", builds.path().join("log")).env("BREAKS", breaks))
    };
    let left = || std::fs::read_dir(builds.path().join("target/cluster")).unwrap().count();
    assert_eq!((build("apiserver").2, left()), (Some(1), 0), "half a build leaves nothing");
    let (folder, said, code) = build("");
    assert!(code == Some(0) && Path::new(&folder).join("kube-apiserver").is_file(), "{said}");
    let log = std::fs::read_to_string(builds.path().join("log")).unwrap();
    assert_eq!((log.lines().count(), log.lines().all(|line| line.ends_with(" -mod=readonly"))), (4, true), "{log}");
    assert_eq!(build("apiserver"), (folder, String::new(), Some(0)), "what is there is not built again");
}

/// The programs that `tests/run` looks for.
fn needed() -> Vec<String> {
    let script = File::read("tests/run").text;
    let list = script.split_once("needed=(").and_then(|(_, rest)| rest.split_once("\n)")).unwrap().0;
    let programs = list.lines().filter_map(|line| line.trim().strip_prefix('"')?.split(' ').next());
    let programs: Vec<String> = programs.map(str::to_owned).collect();
    assert!(programs.len() > 5);
    programs
}
