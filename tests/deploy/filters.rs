//! The filters for other pipelines hold back the bot's commits and nobody else's.

use std::collections::BTreeMap;
use std::process::Command;

use regex::Regex;
use tagwright_core::message::{self, Author, Criteria, Facts};

use crate::program::{on_path, program};
use crate::tree::{File, items};

/// A commit, and whether the filters have to hold it back.
struct Commit {
    message: String,
    author: &'static str,
    /// Is the bot's, by any sign.
    bot: bool,
}

const ADA: &str = "ada@example.com";

fn commits() -> Vec<Commit> {
    let native = |text: &str| {
        let facts = Facts {
            automation_namespace: "default",
            automation_name: "shop",
            group: "",
            values: &BTreeMap::new(),
            changes: &[],
            images: &BTreeMap::new(),
            differences: &BTreeMap::new(),
        };
        message::with_trailers(text, &facts)
    };
    let kubevela = "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n";
    let squashed = "Shop (#12)\n\n* Rewrite it\n\n* Update web\n\nTagwright-Automation: default/shop\n\n* Fix tests\n";
    let own = message::DEFAULT_AUTHOR.email;
    [
        ("Update image automatically.", ADA, true),
        (kubevela, ADA, true),
        (message::DEFAULT_MESSAGE, ADA, true),
        ("Update from image update automation (#7)\n\nMerged.\n", ADA, true),
        ("Update from image update automation\n\nMerged.\n", ADA, true),
        (&native(message::DEFAULT_MESSAGE), own, true),
        (&native("Update podinfo to 6.7.1 (+1 more)"), own, true),
        (&native("shop: new tags\n\nAs every day.\n"), own, true),
        (&native("shop: new tags\n\nSigned-off-by: Ada <ada@example.com>\n"), own, true),
        ("Fix the build", ADA, false),
        ("docs: what Tagwright-Automation: means", ADA, false),
        ("Revert the update of the image\n\nIt broke the shop.\n", ADA, false),
        ("Revert \"Update image automatically.\"\n\nThis reverts commit 1234567.\n", ADA, false),
        ("Revert \"Update from image update automation\"\n\nThis reverts commit 1234567.\n", ADA, false),
        ("Update image automatically, say the docs", ADA, false),
        ("Update from image update automations are bad", ADA, false),
        (squashed, ADA, false),
        (&format!("{squashed}\nCo-authored-by: Ada <ada@example.com>\n"), ADA, false),
        ("Say how\n\nTagwright-Automation: default/shop\nis what it writes.\n", ADA, false),
        ("Say how\n\nTagwright-Automation: hello world\n", ADA, false),
        ("Tagwright-Automation: default/shop", ADA, false),
    ]
    .map(|(message, author, bot)| Commit { message: message.to_owned(), author, bot })
    .into()
}

/// Checks a filter on all of them.
#[track_caller]
fn check(holds_back: impl Fn(&Commit) -> bool) {
    for commit in commits() {
        assert_eq!(holds_back(&commit), commit.bot, "{:?}", commit.message);
    }
}

#[test]
fn skip_says_the_same() {
    check(|commit| {
        let author = Author { name: "", email: commit.author };
        message::recognise(&commit.message, &author, &Criteria::default()).is_some()
    });
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
    // JSON's `\n` is a line feed, and upper and lower case are the same.
    let start =
        Regex::new(r#"^!startsWith\(github\.event\.head_commit\.message, (?:'([^']+)'|fromJSON\('("[^']+")'\))\)$"#)
            .unwrap();
    let equal = Regex::new(r"^github\.event\.head_commit\.(message|author\.email) != '([^']+)'$").unwrap();
    let part = |text: &str, commit: &Commit| {
        let message = commit.message.to_lowercase();
        if let Some(found) = start.captures(text) {
            let json = found.get(2).map(|json| serde_json::from_str::<String>(json.as_str()).unwrap());
            let text = json.unwrap_or_else(|| found.get(1).unwrap().as_str().to_owned());
            return message.starts_with(&text.to_lowercase());
        }
        let found = equal.captures(text).unwrap_or_else(|| panic!("{text}"));
        let value = if &found[1] == "message" { &message } else { commit.author };
        value == found[2].to_lowercase()
    };
    check(|commit| condition.split(" && ").any(|text| part(text.trim(), commit)));

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
    program(folder.path(), "docker", DOCKER);
    let output = folder.path().join("output");
    // It is asked about the message alone.
    check(|Commit { message, .. }| {
        std::fs::write(&output, "").unwrap();
        // As the runner does it: stop at the first error, in pipes too.
        let mut step = Command::new("bash");
        step.args(["-eo", "pipefail", "-c", script])
            .env("PATH", on_path(folder.path()))
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
    check(|commit| patterns.iter().any(|pattern| pattern.is_match(&commit.message)));
}

#[test]
fn jenkins() {
    let pipeline = File::read("deploy/filters/Jenkinsfile").text;
    // In Groovy's strings backslashes are doubled. The pattern has to fit all of a message.
    let pattern = the(&pipeline, r"when \{ not \{ changelog '([^']+)' \} \}").replace(r"\\", r"\");
    let pattern = Regex::new(&format!(r"\A(?:{pattern})\z")).unwrap();
    check(|commit| pattern.is_match(&commit.message));
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
        Regex::new(pattern).unwrap().captures_iter(expression).map(|it| it[1].to_owned()).collect()
    };
    let starts = all(r"&& !body\.head_commit\.message\.startsWith\('([^']+)'\)");
    // In CEL's raw strings a backslash is one.
    let patterns = all(r"&& !body\.head_commit\.message\.matches\(r'([^']+)'\)");
    assert_eq!(expression.matches("head_commit.message").count(), starts.len() + patterns.len());
    assert!(!expression.contains("||"));
    let patterns: Vec<Regex> = patterns.iter().map(|pattern| Regex::new(pattern).unwrap()).collect();
    check(|Commit { message, .. }| {
        starts.iter().any(|text| message.starts_with(text)) || patterns.iter().any(|pattern| pattern.is_match(message))
    });
}
