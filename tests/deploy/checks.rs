//! `check` in the pipelines of others: the action, the component and the hooks, each run as its forge would run it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use yaml_rust2::Yaml;

use crate::program::{on_path, program};
use crate::tree::{File, entries, items};

/// Takes the place of docker: the folder that is mounted becomes the current one, what follows the image goes to the binary.
const DOCKER: &str = "#!/bin/sh\nwhile [ \"$1\" != check ]; do shift; done\nexec tagwright \"$@\"\n";

/// A repository with one marker of a policy that exists, and one of nobody's.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "apps/web.yaml",
        "a: web:1 # {\"$imagepolicy\": \"default:web\"}\nb: web:1 # {\"$imagepolicy\": \"default:wen\"}\n",
    );
    write(
        "rules/web.yaml",
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: web}\nspec:\n  git: {url: \
         https://git.example.com/acme/config.git}\n  images:\n  - {name: web, image: web, policy: {semver: {range: '*'}}}\n",
    );
    write("empty/none.yaml", "");
    folder
}

/// Runs a script with the binary, and docker's stand-in, in the place of the real ones.
fn bash(folder: &Path, script: &str, environment: &[(&str, &str)]) -> Output {
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tagwright"), programs.path().join("tagwright")).unwrap();
    program(programs.path(), "docker", DOCKER);
    let mut command = Command::new("bash");
    command.args(["-eo", "pipefail", "-c", script]).env("PATH", on_path(programs.path())).env("NO_COLOR", "1");
    command.envs(environment.iter().copied()).current_dir(folder).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn default<'y>(inputs: &'y Yaml, name: &str) -> &'y str {
    inputs[name]["default"].as_str().unwrap_or_else(|| panic!("{name} has no default"))
}

#[test]
fn the_action_shows_findings_beside_the_lines() {
    let action = File::read("deploy/check/action.yml").document();
    let step = &items(&action["runs"]["steps"])[0];
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    let script = step["run"].as_str().unwrap();
    assert!(!script.contains("${{"), "inputs come by `env`");
    // Each input is a variable of the step.
    let variables: Vec<&str> = entries(&step["env"]).iter().map(|(_, value)| value.as_str().unwrap()).collect();
    for (name, _) in entries(&action["inputs"]) {
        assert!(variables.contains(&format!("${{{{ inputs.{name} }}}}").as_str()), "{name}");
    }
    let inputs = &action["inputs"];
    let run = |directory: &str, config: &str| {
        let environment = [
            ("DIRECTORY", directory),
            ("CONFIG", config),
            ("SUGGEST", default(inputs, "suggest")),
            ("IMAGE", default(inputs, "image")),
        ];
        bash(repository().path(), script, &environment)
    };
    let found = run(default(inputs, "directory"), "rules");
    assert_eq!(found.status.code(), Some(3), "{}", text(&found));
    assert!(text(&found).contains("::error file=apps/web.yaml,line=2,"), "{}", text(&found));
    // Several paths, and none.
    assert_eq!(run("apps", "rules empty").status.code(), Some(3));
    assert_eq!(run("apps", default(inputs, "config")).status.code(), Some(0));
}

#[test]
fn the_component_checks_with_its_inputs() {
    let documents = File::read("deploy/check/gitlab/templates/check.yml").documents();
    let [spec, jobs] = &documents[..] else { panic!("a specification and the jobs") };
    let inputs = &spec["spec"]["inputs"];
    let text_of_jobs = format!("{jobs:?}");
    for (name, _) in entries(inputs) {
        assert!(text_of_jobs.contains(&format!("$[[ inputs.{name} ]]")), "{name} is used");
    }
    let lines = items(&jobs["tagwright-check"]["script"]);
    let script: String = lines.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
    let run = |directory: &str, config: &str| {
        bash(repository().path(), &script, &[("CHECK_DIRECTORY", directory), ("CHECK_CONFIG", config)])
    };
    let found = run(default(inputs, "directory"), "rules");
    assert!(found.status.code() == Some(3) && text(&found).contains("TW001"), "{}", text(&found));
    assert_eq!(run("apps", default(inputs, "config")).status.code(), Some(0));
}

#[test]
fn the_hooks_check_the_whole_repository() {
    let hooks = File::read(".pre-commit-hooks.yaml").document();
    let mut languages = Vec::new();
    for hook in items(&hooks) {
        let (entry, language) = (hook["entry"].as_str().unwrap(), hook["language"].as_str().unwrap());
        assert_eq!(hook["pass_filenames"].as_bool(), Some(false));
        languages.push(language);
        let entry = if language == "docker_image" { format!("docker run {entry}") } else { entry.to_owned() };
        let found = bash(repository().path(), &format!("{entry} --config rules"), &[]);
        assert!(found.status.code() == Some(3) && text(&found).contains("TW001"), "{language}: {}", text(&found));
    }
    assert_eq!(languages, ["rust", "docker_image", "system"]);
}
