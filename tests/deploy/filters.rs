//! The filters for other pipelines hold back the bot's commits and nobody else's.

use regex::Regex;

use crate::tree::{File, items};

/// A commit message, and which of the filters has to hold it back.
struct Message {
    text: &'static str,
    /// Holds KubeVela's text.
    kubevela: bool,
    /// Is the bot's, by any sign.
    bot: bool,
}

const MESSAGES: &[Message] = &[
    Message { text: "Update image automatically.", kubevela: true, bot: true },
    Message {
        text: "Update image automatically.\nImage: ghcr.io/fogdong/test-fog:master-6e9b0f9-1656569910\n",
        kubevela: true,
        bot: true,
    },
    Message {
        text: "Update from image update automation\n\nTagwright-Automation: default/shop\nTagwright-Policy: default:app\n",
        kubevela: false,
        bot: true,
    },
    Message { text: "shop: new tags\n\nTagwright-Automation: default/shop\n", kubevela: false, bot: true },
    Message { text: "Fix the build", kubevela: false, bot: false },
    Message { text: "docs: what Tagwright-Automation: means", kubevela: false, bot: false },
    Message { text: "Revert the update of the image\n\nIt broke the shop.\n", kubevela: false, bot: false },
];

/// Checks a filter by text, which knows KubeVela's messages alone.
#[track_caller]
fn check_text(holds_back: impl Fn(&str) -> bool) {
    for message in MESSAGES {
        assert_eq!(holds_back(message.text), message.kubevela, "{:?}", message.text);
    }
}

/// Checks a filter that knows the trailer as well.
#[track_caller]
fn check(holds_back: impl Fn(&str) -> bool) {
    for message in MESSAGES {
        assert_eq!(holds_back(message.text), message.bot, "{:?}", message.text);
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
    let starts = the(expression, r"!body\.head_commit\.message\.startsWith\('([^']+)'\)");
    // In CEL `\n` inside quotes is a line feed.
    let contains = the(expression, r"!body\.head_commit\.message\.contains\('([^']+)'\)").replace("\\n", "\n");
    assert_eq!(expression.matches("||").count(), 0);
    check(|message| message.starts_with(&starts) || message.contains(&contains));
}
