//! What a release publishes has the names that the workflow says, and everything in it.

use std::process::Command;

use regex::Regex;
use yaml_rust2::Yaml;

use crate::tree::{File, entries, files, items, root};

const WORKFLOW: &str = ".github/workflows/release.yml";

/// The script of a step.
fn script(job: &str, step: &str) -> String {
    let workflow = File::read(WORKFLOW).document();
    let steps: Vec<Yaml> = items(&workflow["jobs"][job]["steps"]).to_vec();
    let found = steps.iter().find(|it| it["name"].as_str() == Some(step)).unwrap_or_else(|| panic!("no step {step}"));
    found["run"].as_str().unwrap().to_owned()
}

fn image() -> String {
    File::read(WORKFLOW).document()["env"]["IMAGE"].as_str().unwrap().to_owned()
}

/// Runs a script for the tag `v1.2.3` in a folder that has what a checkout has.
fn run(script: &str, changelog: &str) -> (tempfile::TempDir, bool) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["LICENSE", "NOTICE", "README.md"] {
        std::fs::copy(root().join(name), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("CHANGELOG.md"), changelog).unwrap();
    std::fs::create_dir_all(folder.path().join("target/dist")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_tagwright"), folder.path().join("target/dist/tagwright")).unwrap();
    let mut command = Command::new("bash");
    command.args(["-eo", "pipefail", "-c", script]).current_dir(folder.path());
    command.env("GITHUB_REF_NAME", "v1.2.3").env("ARCHITECTURE", "x86_64").env("IMAGE", image());
    let done = command.output().unwrap().status.success();
    (folder, done)
}

const CHANGELOG: &str =
    "# Changelog\n\n## 1.2.3 - 2027-01-02\n\n### Added\n\n- This.\n\n## 1.2.2 - 2026-12-01\n\n- That.\n";

#[test]
fn the_notes_name_what_has_changed_and_what_is_published() {
    let notes = script("notes", "Write what has changed, and what is published");
    let (folder, done) = run(&notes, CHANGELOG);
    assert!(done);
    let text = std::fs::read_to_string(folder.path().join("notes.md")).unwrap();
    assert!(text.contains("- This.") && !text.contains("That") && !text.contains("1.2.2"), "{text}");
    for name in
        ["tagwright-1.2.3-x86_64-linux.tar.gz", "tagwright-1.2.3-aarch64-linux.tar.gz", &format!("{}:1.2.3", image())]
    {
        assert!(text.contains(&format!("`{name}`")), "{name}: {text}");
        assert!(File::read(WORKFLOW).text.contains(name), "the workflow's own list has {name}");
    }
    let (_folder, done) = run(&notes, "# Changelog\n\n## Unreleased\n\n- This.\n");
    assert!(!done, "a version without a section is no release");
}

#[test]
fn an_archive_has_the_binary_its_manual_pages_and_completions() {
    let (folder, done) = run(&script("binaries", "Pack"), CHANGELOG);
    assert!(done);
    let name = "tagwright-1.2.3-x86_64-linux";
    let archive = folder.path().join(format!("dist/{name}.tar.gz"));
    let list = Command::new("tar").arg("--list").arg("--file").arg(&archive).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let has = |file: &str| list.lines().any(|line| line == format!("{name}/{file}"));
    for file in [
        "tagwright",
        "LICENSE",
        "NOTICE",
        "README.md",
        "CHANGELOG.md",
        "man/man1/tagwright.1",
        "man/man1/tagwright-run.1",
    ] {
        assert!(has(file), "{file}: {list}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(has(&format!("completions/tagwright.{shell}")), "{shell}: {list}");
    }
    assert!(archive.with_extension("gz.sha256").exists());
}

#[test]
fn what_is_copied_takes_the_image_that_is_published() {
    let mention = Regex::new(r"ghcr\.io/tagwright/[\w./-]+").unwrap();
    for file in files("deploy").into_iter().chain([File::read(".pre-commit-hooks.yaml")]) {
        for found in mention.find_iter(&file.text) {
            assert_eq!(found.as_str(), image(), "{}", file.name);
        }
    }
    assert_eq!(entries(&File::read(WORKFLOW).document()["jobs"]).len(), 3);
}

/// `cargo install --locked` takes the lock file as it is.
#[test]
fn the_lock_file_fits_the_manifest() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version=1", "--no-deps"]).current_dir(root());
    let run = cargo.output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(File::read("README.md").text.contains("\ncargo install --locked --path .\n"));
}
