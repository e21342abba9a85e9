//! `tagwright check`: a wrong and a right example of every finding, as a user sees them.
//!
//! A case is a folder below `fixtures/check` with two worlds, `wrong/` and `right/`, and beside them what the command
//! says there, `wrong.txt` and `right.txt`. The command line is in `arguments`, where it is another than
//! [`ARGUMENTS`]. A file `grow` in a world names files that are padded to a size. With `UPDATE_FIXTURES=1` in the
//! environment the texts are written anew.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "support/git.rs"]
mod git;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tagwright_core::change::{Code, Severity};
use tempfile::TempDir;

const ARGUMENTS: &str = "check --config policies repository";

#[test]
fn every_finding_is_shown_wrong_and_right() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        let wrong = say(&case, "wrong");
        let right = say(&case, "right");
        if let Some(code) = Code::ALL.into_iter().find(|code| name.starts_with(code.as_str())) {
            let expected = if code.severity() == Severity::Note { "exit 0\n" } else { "exit 3\n" };
            assert!(wrong.starts_with(expected), "{name}/wrong:\n{wrong}");
            assert!(wrong.contains(code.as_str()), "{name}/wrong:\n{wrong}");
            assert!(right.starts_with("exit 0\n") && right.contains("no findings"), "{name}/right:\n{right}");
            shown.insert(code);
        }
    }
    // It takes a remote with two branches: tests/runs/branches.rs.
    shown.insert(Code::PushBranchLeft);
    // It takes a registry: tests/cli/diff.rs.
    shown.insert(Code::WouldUpdate);
    assert_eq!(shown, BTreeSet::from(Code::ALL), "every code has a case");
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// Runs a case in one of its worlds, and holds what it says against the text beside it.
fn say(case: &Path, side: &str) -> String {
    let world = tempfile::tempdir().unwrap();
    copy(&case.join(side), world.path());
    let grow = fs::read_to_string(world.path().join("grow")).unwrap_or_default();
    for (path, bytes) in grow.lines().filter_map(|line| line.split_once(' ')) {
        pad(&world.path().join(path), bytes.parse().unwrap());
    }
    let arguments = fs::read_to_string(case.join("arguments")).unwrap_or_else(|_| ARGUMENTS.to_owned());
    let output = tagwright(world.path(), &arguments.split_whitespace().collect::<Vec<_>>());
    let said = format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    let said = said.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    expect(&case.join(format!("{side}.txt")), &said);
    said
}

/// Holds a text against the one in a file.
fn expect(file: &Path, said: &str) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(file, said).unwrap();
    }
    let known = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(said, known, "{}", file.display());
}

/// The example on top of the documents' findings is the first of a case.
#[test]
fn the_documents_show_what_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reference/findings.md")).unwrap();
    let (_, example) = page.split_once("$ tagwright check\n").unwrap();
    let (example, _) = example.split_once("\nchecked ").unwrap();
    let said = fs::read_to_string(root.join("fixtures/check/TW001-unknown-policy/wrong.txt")).unwrap();
    assert!(said.replace("repository/", "").contains(example), "{example}");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn pad(path: &Path, bytes: usize) {
    let mut text = fs::read(path).unwrap();
    let line = b"# ------------------------------------------------------------\n";
    while text.len() + 2 * line.len() < bytes {
        text.extend_from_slice(line);
    }
    text.resize(bytes - 1, b'#');
    text.push(b'\n');
    fs::write(path, text).unwrap();
}

fn tagwright(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tagwright"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .output()
        .unwrap()
}

/// The members that SARIF 2.1.0 requires and allows, for each kind of object that is written.
///
/// `fixtures/check/sarif-2.1.0.json` is cut out of the official schema.
#[test]
fn sarif_has_the_shape_of_its_schema() {
    let world = tempfile::tempdir().unwrap();
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/output-sarif/wrong");
    copy(&case, world.path());
    let output = tagwright(world.path(), &["check", "--config", "policies", "repository", "--output", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = fs::read_to_string("fixtures/check/sarif-2.1.0.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    conforms(&log, &schema, &schema["sarifLog"], "log");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "TW014");
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let rule = &log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
    }
}

/// Checks a value against a definition: members, types, enumerations, smallest numbers.
fn conforms(value: &Value, schema: &Value, definition: &Value, path: &str) {
    if let Some(name) = definition["$ref"].as_str() {
        return conforms(value, schema, &schema[name], path);
    }
    if let Some(allowed) = definition["enum"].as_array() {
        assert!(allowed.contains(value), "{path}: {value} is none of {allowed:?}");
    }
    if let Some(least) = definition["minimum"].as_i64() {
        assert!(value.as_i64().unwrap() >= least, "{path}: {value} < {least}");
    }
    match definition["type"].as_str() {
        Some("object") => {
            let members = value.as_object().unwrap_or_else(|| panic!("{path} is no object"));
            for required in definition["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(required.as_str().unwrap()), "{path} lacks {required}");
            }
            for (name, member) in members {
                let known = &definition["properties"][name];
                assert!(!known.is_null(), "{path} has {name}, which the schema does not know");
                conforms(member, schema, known, &format!("{path}.{name}"));
            }
        }
        Some("array") => {
            for (at, item) in value.as_array().unwrap_or_else(|| panic!("{path} is no array")).iter().enumerate() {
                conforms(item, schema, &definition["items"], &format!("{path}[{at}]"));
            }
        }
        Some("string") => assert!(value.is_string(), "{path} is no string"),
        Some("integer") => assert!(value.is_i64() || value.is_u64(), "{path} is no integer"),
        _ => {}
    }
}

/// A bare repository with the files of a case, and the case's configuration that names it.
fn remote(case: &str) -> TempDir {
    let world = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check").join(case);
    copy(&fixture, world.path());
    let work = world.path().join("repository");
    git::git(&work, &["init", "--quiet", "--initial-branch=main"]);
    git::git(&work, &["add", "."]);
    git::git(&work, &["commit", "--quiet", "--message=first"]);
    git::git(world.path(), &["clone", "--quiet", "--bare", "repository", "remote.git"]);
    let policies = world.path().join("policies/shop.yaml");
    let url = world.path().join("remote.git").display().to_string();
    let text = fs::read_to_string(&policies).unwrap().replace("https://git.example.com/acme/config.git", &url);
    fs::write(policies, text).unwrap();
    world
}

#[test]
fn remotes_are_read_as_a_run_reads_them() {
    let world = remote("TW001-unknown-policy/wrong");
    fs::remove_dir_all(world.path().join("repository")).unwrap();
    let output = tagwright(world.path(), &["check", "--remote", "--config", "policies", "--output", "json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<&str> = json["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["TW001", "TW001", "TW001"]);
    assert_eq!(json["findings"][0]["file"], "apps/web.yaml");
    assert!(json["findings"][0]["remote"].as_str().unwrap().ends_with("remote.git"));
}

#[test]
fn a_remote_that_cannot_be_read_is_a_failure() {
    let world = remote("TW001-unknown-policy/right");
    fs::remove_dir_all(world.path().join("remote.git")).unwrap();
    let output = tagwright(world.path(), &["check", "--remote", "--config", "policies"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() != Some(0) && output.status.code() != Some(3), "{said}");
    assert!(said.contains("default/shop"), "{said}");
}

/// The repositories of `fixtures/mark`, marked, are as `check` wants them.
#[test]
fn what_mark_writes_has_no_findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mark");
    let cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("repo")).collect();
    assert!(cases.len() >= 6);
    for case in cases {
        let world = tempfile::tempdir().unwrap();
        fs::create_dir(world.path().join("repo")).unwrap();
        copy(&case, &world.path().join("repo"));
        let mark = "mark repo --write --offline --track-digests --git-url https://git.example.com/a/b.git --config policies.yaml";
        let marked = tagwright(world.path(), &mark.split(' ').collect::<Vec<_>>());
        assert!(marked.status.success(), "{}", String::from_utf8_lossy(&marked.stderr));
        let checked = tagwright(world.path(), &["check", "repo", "--config", "policies.yaml"]);
        let found = String::from_utf8(checked.stdout).unwrap();
        // That an image has moved elsewhere is no fault of what was written.
        let faults: Vec<&str> =
            found.lines().filter(|line| line.contains("[TW") && !line.contains("[TW028]")).collect();
        assert_eq!(faults, [""; 0], "{}", case.display());
        let is_clean = checked.status.code() == Some(0);
        assert_eq!(is_clean, found.is_empty(), "{}: {found}", case.display());
    }
}

#[test]
fn a_single_file_is_checked_by_its_path() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/TW017-unreachable-value");
    let world = tempfile::tempdir().unwrap();
    copy(&case.join("wrong"), world.path());
    let folder = world.path().join("repository");
    let output = tagwright(&folder, &["check", "apps/web.yaml", "--config", "../policies", "--output", "github"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said.lines().count() == 3 && said.lines().all(|line| line.starts_with("::warning file=apps/web.yaml,")),
        "{said}"
    );
}

/// In a checkout of a remote that automations name, only these count, and a folder of it is enough.
#[test]
fn a_folder_of_a_checkout_is_checked_by_its_place() {
    let world = remote("TW001-unknown-policy/right");
    let policies = world.path().join("policies/other.yaml");
    let other = fs::read_to_string(world.path().join("policies/shop.yaml")).unwrap();
    let other =
        other.replace("name: shop", "name: other").replace("name: web", "name: api").replace("remote.git", "x.git");
    fs::write(policies, other).unwrap();
    git::git(world.path(), &["clone", "--quiet", "remote.git", "checkout"]);
    for directory in ["checkout", "checkout/apps", "checkout/apps/web.yaml"] {
        let output = tagwright(world.path(), &["check", directory]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{directory}");
    }
    let output = tagwright(world.path(), &["check", "repository"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "automations of both remotes are checked:\n{said}");
}
