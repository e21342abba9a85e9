//! The workflows, ours and those to copy: no more rights than needed, actions pinned, nothing expanded into a shell.

use regex::Regex;
use yaml_rust2::Yaml;

use crate::arguments::assert_understood;
use crate::tree::{File, entries, files, items};

/// The forge's workflows, and the files to copy that are such workflows.
fn workflows() -> Vec<File> {
    let copies = files("deploy").into_iter().filter(|file| file.name.ends_with("github-actions.yml"));
    let found: Vec<File> = files(".github/workflows").into_iter().chain(copies).collect();
    assert!(found.len() >= 4);
    found
}

/// Every job of every workflow, with a name for messages.
fn each_job(mut look: impl FnMut(&str, &Yaml)) {
    for file in workflows() {
        let workflow = file.document();
        for (name, job) in entries(&workflow["jobs"]) {
            look(&format!("{}: {name}", file.name), job);
        }
    }
}

#[test]
fn every_yaml_file_parses() {
    // What helm renders is YAML only then.
    let is_template = |name: &str| name.contains("/templates/") && name.starts_with("deploy/helm/");
    for file in files("deploy").iter().chain(&files(".github")).filter(|file| !is_template(&file.name)) {
        if file.name.ends_with(".yaml") || file.name.ends_with(".yml") {
            assert!(!file.documents().is_empty(), "{}", file.name);
        }
    }
}

#[test]
fn a_workflow_begins_without_rights_and_every_job_names_its_own() {
    for file in workflows() {
        let permissions = &file.document()["permissions"];
        assert_eq!(permissions.as_hash().map(|it| it.len()), Some(0), "{}", file.name);
    }
    each_job(|name, job| assert!(job["permissions"].as_hash().is_some(), "{name} names no permissions"));
}

#[test]
fn every_action_is_pinned_to_a_commit_with_its_version() {
    let pinned = Regex::new(r"^\s*(- )?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$").unwrap();
    let mut versions = std::collections::BTreeMap::new();
    for file in files("deploy").iter().chain(&files(".github")) {
        for line in file.text.lines().filter(|line| line.contains("uses:") && !line.starts_with('#')) {
            assert!(pinned.is_match(line), "{}: {line}", file.name);
            let (action, version) = line.split_once('@').unwrap();
            let action = action.trim_start().trim_start_matches("- ").to_owned();
            let known = versions.entry(action).or_insert_with(|| version.to_owned());
            assert_eq!(known, version, "{}: another version than elsewhere", file.name);
        }
    }
    assert!(!versions.is_empty());
}

#[test]
fn a_checkout_leaves_no_token_behind() {
    each_job(|name, job| {
        for step in items(&job["steps"]) {
            if step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@")) {
                assert_eq!(step["with"]["persist-credentials"].as_bool(), Some(false), "{name}");
            }
        }
    });
}

#[test]
fn nothing_is_expanded_into_a_script() {
    each_job(|name, job| {
        for step in items(&job["steps"]) {
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: pass it by `env`: {script}");
        }
    });
}

#[test]
fn one_job_waits_for_all_others() {
    let workflow = File::read(".github/workflows/ci.yml").document();
    let gate = &workflow["jobs"]["all-green"];
    assert_eq!(gate["if"].as_str(), Some("always()"));
    let mut waits: Vec<&str> = items(&gate["needs"]).iter().map(|job| job.as_str().unwrap()).collect();
    let mut jobs: Vec<&str> = entries(&workflow["jobs"]).into_iter().map(|(name, _)| name).collect();
    jobs.retain(|job| *job != "all-green");
    waits.sort_unstable();
    jobs.sort_unstable();
    assert_eq!(waits, jobs);
}

/// The toolchain that `rust-version` of the manifest names.
const MINIMUM: &str = concat!(env!("CARGO_PKG_RUST_VERSION"), ".0");

#[test]
fn the_toolchain_is_the_manifest_s() {
    let toolchain = Regex::new(r"toolchain install (\S+)").unwrap();
    for file in files(".github/workflows") {
        for found in toolchain.captures_iter(&file.text) {
            assert!(&found[1] == MINIMUM || &found[1] == "\"$TOOLCHAIN\"", "{}: {}", file.name, &found[1]);
        }
    }
}

/// What a job of the CI workflow is run with, one for each entry of its matrix.
fn matrix(job: &str, key: &str) -> Vec<String> {
    let workflow = File::read(".github/workflows/ci.yml").document();
    let entries = items(&workflow["jobs"][job]["strategy"]["matrix"]["include"]);
    entries.iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_tests_run_on_both_processors_and_with_both_ends_of_the_toolchains() {
    let systems: Vec<_> = matrix("systems", "runner").into_iter().zip(matrix("systems", "toolchain")).collect();
    let wanted = [("ubuntu-24.04-arm", MINIMUM), ("ubuntu-24.04", "stable")];
    assert_eq!(systems, wanted.map(|(runner, toolchain)| (runner.to_owned(), toolchain.to_owned())));
}

#[test]
fn the_tests_run_with_the_git_of_the_image_and_with_that_of_the_next_debian() {
    assert_eq!(matrix("debian", "git"), ["2.39", "2.47"]);
    let releases = ["bookworm", "trixie"].map(|release| format!("docker.io/library/rust:{MINIMUM}-slim-{release}"));
    assert_eq!(matrix("debian", "image"), releases);
    assert!(File::read("Dockerfile").text.contains(&format!("FROM {} AS build", releases[0])));
}

#[test]
fn the_scheduled_jobs_run_once_and_take_credentials_from_the_environment() {
    let by_value = Regex::new(r"--env TAGWRIGHT_GIT_\w+=").unwrap();
    for file in files("deploy/scheduled") {
        assert!(file.text.contains("run --once --config"), "{}", file.name);
        // Without the host, whoever changes the configuration says where the token goes.
        for variable in ["TAGWRIGHT_GIT_USERNAME", "TAGWRIGHT_GIT_TOKEN", "TAGWRIGHT_GIT_HOST"] {
            assert!(file.text.contains(variable), "{}: {variable}", file.name);
        }
        assert!(!by_value.is_match(&file.text), "{}: a secret in argv", file.name);
    }
}

#[test]
fn jenkins_runs_what_the_program_understands() {
    let pipeline = File::read("deploy/scheduled/Jenkinsfile").text;
    assert_eq!(pipeline.matches('{').count(), pipeline.matches('}').count());
    let command = pipeline.lines().find_map(|line| line.trim().strip_prefix("tagwright ")).unwrap();
    assert_understood(&command.split(' ').collect::<Vec<_>>());
    // One line of cron, whose `H` is Jenkins' own.
    let cron = Regex::new(r"cron\('([^']+)'\)").unwrap();
    assert_eq!(cron.captures(&pipeline).unwrap()[1].split(' ').count(), 5);
}
