//! The scripts that test, and what they say at last.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

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
    for name in [".ci/run", "tests/run", "fuzz/seed"] {
        let path = root().join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name} is not executable");
        let parsed = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(parsed.status.success(), "{name}: {}", String::from_utf8_lossy(&parsed.stderr));
    }
}

#[test]
fn the_last_line_counts_what_either_runner_says() {
    for (has_nextest, arguments, asked, counted, code) in [
        ("no", &["--locked"][..], &["test --features real-servers --locked"][..], "6 passed, 1 failed", 101),
        (
            "yes",
            &["--locked"],
            &["nextest run --features real-servers --locked", "test --doc --features real-servers --locked"],
            "6 passed, 1 failed",
            100,
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
        ("yes", &["-p", "tagwright"], &["test --features real-servers -p tagwright"], "6 passed, 1 failed", 101),
    ] {
        let programs = tempfile::tempdir().unwrap();
        program(programs.path(), "cargo", CARGO);
        // Nothing is missing, so that nothing is installed.
        for needed in needed() {
            program(programs.path(), &needed, "#!/bin/sh\nexit 1\n");
        }
        let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(root().join("tests/run"));
        let run = command.args(arguments).env("PATH", path).env("HAS_NEXTEST", has_nextest).env_remove("NEXTEST");
        let output = run.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let seen: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("asked: ")).collect();
        assert_eq!(seen, asked, "{text}");
        assert_eq!(text.lines().last(), Some(format!("tests: {counted}").as_str()), "{text}");
        assert_eq!(output.status.code(), Some(code), "{text}");
    }
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

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
