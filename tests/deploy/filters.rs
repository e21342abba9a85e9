//! The filters for other pipelines hold back the bot's commits and nobody else's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use regex::Regex;
use tagwright_core::message::{self, Facts};

use crate::tree::{File, items};

/// A commit message, and which of the filters has to hold it back.
struct Message {
    text: String,
    /// Holds KubeVela's text.
    kubevela: bool,
    /// Is the bot's, by any sign.
    bot: bool,
}

fn messages() -> Vec<Message> {
    let native = |text: &str| {
        let facts = Facts {
            automation_namespace: "default",
            automation_name: "shop",
            values: &BTreeMap::new(),
            changes: &[],
            images: &BTreeMap::new(),
        };
        message::with_trailers(text, &facts)
    };
    let kubevela = "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n";
    [
        ("Update image automatically.", true, true),
        (kubevela, true, true),
        (message::DEFAULT_MESSAGE, false, true),
        (&native(message::DEFAULT_MESSAGE), false, true),
        (&native("shop: new tags\n\nAs every day.\n"), false, true),
        ("Fix the build", false, false),
        ("docs: what Tagwright-Automation: means", false, false),
        ("Revert the update of the image\n\nIt broke the shop.\n", false, false),
    ]
    .map(|(text, kubevela, bot)| Message { text: text.to_owned(), kubevela, bot })
    .into()
}

/// Checks a filter by text, which knows KubeVela's messages alone.
#[track_caller]
fn check_text(holds_back: impl Fn(&str) -> bool) {
    for message in messages() {
        assert_eq!(holds_back(&message.text), message.kubevela, "{:?}", message.text);
    }
}

/// Checks a filter that knows the other signs as well.
#[track_caller]
fn check(holds_back: impl Fn(&str) -> bool) {
    for message in messages() {
        assert_eq!(holds_back(&message.text), message.bot, "{:?}", message.text);
    }
}

/// The first group of the only match of a pattern.
#[track_caller]
fn the(text: &str, pattern: &str) -> String {
    let found: Vec<_> = Regex::new(pattern).unwrap().captures_iter(text).map(|it| it[1].to_owned()).collect();
    assert_eq!(found.len(), 1, "{pattern}: {found:?}");
    found[0].clone()
}

#[test]
fn github_actions() {
    let workflow = File::read("deploy/filters/github-actions.yml").document();
    let condition = workflow["jobs"]["publish"]["if"].as_str().unwrap();
    let text = the(condition, r"^!contains\(github\.event\.head_commit\.message, '([^']+)'\)$");
    check_text(|message| message.contains(&text));

    let job = &workflow["jobs"]["publish-unless-bot"];
    assert_eq!(job["if"].as_str(), Some("needs.whose.outputs.bot == 'false'"));
    assert_eq!(job["needs"].as_str(), Some("whose"));
}

/// Takes the place of docker: what follows the image's name goes to the binary of this build.
const DOCKER: &str = "#!/bin/sh\nwhile [ \"$1\" != skip ]; do shift; done\nexec \"$TAGWRIGHT\" \"$@\"\n";

#[test]
fn github_actions_asks_tagwright() {
    let workflow = File::read("deploy/filters/github-actions.yml").document();
    let script = items(&workflow["jobs"]["whose"]["steps"])[0]["run"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    std::fs::write(&docker, DOCKER).unwrap();
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = folder.path().join("output");
    check(|message| {
        std::fs::write(&output, "").unwrap();
        // As the runner does it: stop at the first error, in pipes too.
        let mut step = Command::new("bash");
        step.args(["-eo", "pipefail", "-c", script])
            .env("PATH", &path)
            .env("TAGWRIGHT", env!("CARGO_BIN_EXE_tagwright"));
        assert!(step.env("MESSAGE", message).env("GITHUB_OUTPUT", &output).output().unwrap().status.success());
        match std::fs::read_to_string(&output).unwrap().as_str() {
            "bot=true\n" => true,
            "bot=false\n" => false,
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn gitlab_ci() {
    let pipeline = File::read("deploy/filters/gitlab-ci.yml").document();
    let rules = items(&pipeline["workflow"]["rules"]);
    let (last, never) = rules.split_last().unwrap();
    assert_eq!((last["when"].as_str(), last["if"].is_badvalue()), (Some("always"), true));
    let patterns: Vec<Regex> = never
        .iter()
        .map(|rule| {
            assert_eq!(rule["when"].as_str(), Some("never"));
            let pattern = the(rule["if"].as_str().unwrap(), r"^\$CI_COMMIT_MESSAGE =~ /(.+)/$");
            Regex::new(&pattern).unwrap()
        })
        .collect();
    check(|message| patterns.iter().any(|pattern| pattern.is_match(message)));
}

#[test]
fn jenkins() {
    let pipeline = File::read("deploy/filters/Jenkinsfile").text;
    // Jenkins looks for the pattern in the lines of each message of the build.
    let pattern = the(&pipeline, r"when \{ not \{ changelog '([^']+)' \} \}");
    let pattern = Regex::new(&format!("(?m){pattern}")).unwrap();
    check_text(|message| pattern.is_match(message));
    the(&pipeline, r"sh\(script: '(tagwright skip HEAD)', returnStatus: true\) == 1");
    assert_eq!(pipeline.matches('{').count(), pipeline.matches('}').count());
}

#[test]
fn tekton() {
    let trigger = File::read("deploy/filters/tekton.yaml").document();
    let interceptors = items(&trigger["spec"]["interceptors"]);
    assert_eq!(interceptors.len(), 1);
    let filter = &items(&interceptors[0]["params"])[0];
    assert_eq!(filter["name"].as_str(), Some("filter"));
    let expression = filter["value"].as_str().unwrap();
    let all = |pattern: &str| -> Vec<String> {
        Regex::new(pattern).unwrap().captures_iter(expression).map(|it| it[1].replace("\\n", "\n")).collect()
    };
    // In CEL `\n` inside quotes is a line feed.
    let starts = all(r"&& !body\.head_commit\.message\.startsWith\('([^']+)'\)");
    let contains = all(r"&& !body\.head_commit\.message\.contains\('([^']+)'\)");
    assert_eq!(expression.matches("head_commit.message").count(), starts.len() + contains.len());
    assert!(!expression.contains("||"));
    check(|message| {
        starts.iter().any(|text| message.starts_with(text)) || contains.iter().any(|text| message.contains(text))
    });
}
