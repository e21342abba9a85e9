//! What goes into one commit: what one automation changes, or what all do that share the branch.

use std::sync::Arc;

use tagwright::config;
use tagwright_core::automation::Automation;

use crate::world::Bot;

/// Three automations, each with a file of its own; `cart` and `till` commit alike.
fn automations(bot: &Bot, batch: &str) -> Vec<Arc<Automation>> {
    let document = |name: &str, message: &str| {
        format!(
            "---\napiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}}}\n\
             spec:\n  batch: {batch}\n  git:\n    url: '{}'\n    branch: main\n    paths: [{name}.yaml]\n    \
             commit: {{message: '{message}'}}\n  images:\n  \
             - {{name: {name}, image: {}, policy: {{semver: {{range: 1.x}}}}}}\n",
            bot.server.url(),
            bot.image()
        )
    };
    let subject = "Update {{ range .Changed.Changes }}{{ .NewValue }} {{ end }}";
    let text = ["cart", "till"].map(|name| document(name, subject)).concat() + &document("desk", "Update the desk");
    config::parse("configuration.yaml", &text).unwrap().automations
}

async fn pushed(batch: &str) -> (Bot, Vec<String>) {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let file = |name: &str| format!("image: {}:1.0.0 # {{\"$imagepolicy\": \"default:{name}\"}}\n", bot.image());
    for name in ["cart", "desk", "till"] {
        bot.remote.commit(&[(&format!("{name}.yaml"), &file(name))], "a file");
    }
    let automations = automations(&bot, batch);
    let before = bot.remote.at("main");
    let (report, _) = bot.run(&automations).await;
    assert!(report.automations.iter().all(|it| it.outcome.as_str() == "pushed"), "{report:?}");
    for name in ["cart", "desk", "till"] {
        assert_eq!(bot.remote.show(&format!("main:{name}.yaml")), file(name).replace("1.0.0", "1.1.0"));
    }
    bot.remote.fsck();
    let log = crate::support::git(&bot.remote.bare(), &["log", "--format=%B%x01", &format!("{before}..main")]);
    let messages = log.split('\u{1}').map(|message| message.trim().to_owned()).filter(|message| !message.is_empty());
    let messages = messages.collect();
    assert_eq!(bot.run(&automations).await.0.automations.iter().filter(|it| !it.edits.is_empty()).count(), 0);
    (bot, messages)
}

#[tokio::test]
async fn one_commit_for_each_automation() {
    let (_, messages) = pushed("perAutomation").await;
    let automations: Vec<_> = messages.iter().map(|message| message.matches("Tagwright-Automation").count()).collect();
    assert_eq!(automations, [1, 1, 1], "{messages:?}");
}

#[tokio::test]
async fn one_commit_for_automations_that_commit_alike() {
    let (bot, messages) = pushed("perBranch").await;
    let image = bot.image();
    let trailers = |name: &str| format!("Tagwright-Automation: default/{name}\nTagwright-Policy: default:{name}");
    assert_eq!(
        messages,
        [
            format!("Update {image}:1.1.0 {image}:1.1.0\n\n{}\n{}", trailers("cart"), trailers("till")),
            format!("Update the desk\n\n{}", trailers("desk")),
        ]
    );
}

/// Three automations with one message, which fails for more than two changes: the third does not fit, and says so.
#[tokio::test]
async fn one_that_does_not_fit_into_the_common_message() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let names = ["cart", "desk", "till"];
    let message = "Update{{ if gt (len .Changed.FileChanges) 2 }}{{ fail \"too many\" }}{{ end }}";
    let document = |name: &str| {
        format!(
            "---\napiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}}}\n\
             spec:\n  batch: perBranch\n  git:\n    url: '{}'\n    branch: main\n    paths: [{name}.yaml]\n    \
             commit: {{message: '{message}'}}\n  images:\n  \
             - {{name: {name}, image: {}, policy: {{semver: {{range: 1.x}}}}}}\n",
            bot.server.url(),
            bot.image()
        )
    };
    let file = |name: &str| format!("image: {}:1.0.0 # {{\"$imagepolicy\": \"default:{name}\"}}\n", bot.image());
    for name in names {
        bot.remote.commit(&[(&format!("{name}.yaml"), &file(name))], "a file");
    }
    let automations = config::parse("configuration.yaml", &names.map(document).concat()).unwrap().automations;
    let before = bot.remote.at("main");
    let (report, _) = bot.run(&automations).await;
    let outcomes: Vec<_> = report.automations.iter().map(|it| it.outcome.as_str()).collect();
    assert_eq!(outcomes, ["pushed", "pushed", "failed"], "{report:?}");
    let show = |name: &str| bot.remote.show(&format!("main:{name}.yaml"));
    assert_eq!(names.map(|name| show(name).contains(":1.1.0")), [true, true, false]);
    bot.remote.fsck();
    let log = crate::support::git(&bot.remote.bare(), &["log", "--format=%b", &format!("{before}..main")]);
    let authors: Vec<_> = log.lines().filter(|line| line.starts_with("Tagwright-Automation")).collect();
    assert_eq!(authors, ["Tagwright-Automation: default/cart", "Tagwright-Automation: default/desk"]);
}

/// Two automations that change the same file, of which the second one stands on the first one's commit.
#[tokio::test]
async fn automations_that_share_a_file() {
    for batch in ["perAutomation", "perBranch"] {
        let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
        let line = |name: &str, tag: &str| {
            format!("{name}: {}:{tag} # {{\"$imagepolicy\": \"default:{name}\"}}\n", bot.image())
        };
        let file = |tag: &str| line("cart", tag) + &line("till", tag);
        bot.remote.commit(&[("cart.yaml", &file("1.0.0")), ("till.yaml", "")], "a file for both");
        let automations = automations(&bot, batch);
        let both: Vec<_> = automations[..2]
            .iter()
            .map(|automation| {
                let mut text = bot.text("[cart.yaml]", "policy: {semver: {range: 1.x}}");
                text = text.replace("name: shop", &format!("name: {}", automation.id.name));
                text = text.replace("name: app", &format!("name: {}", automation.id.name));
                text.replace("interval: 5m", &format!("interval: 5m\n  batch: {batch}"))
            })
            .collect();
        let both = config::parse("configuration.yaml", &both.join("---\n")).unwrap().automations;
        let (report, _) = bot.run(&both).await;
        assert!(report.automations.iter().all(|it| it.outcome.as_str() == "pushed"), "{report:?}");
        assert_eq!(bot.remote.show("main:cart.yaml"), file("1.1.0"));
        bot.remote.fsck();
    }
}

/// The second destination that all of them name is pushed once.
#[tokio::test]
async fn one_push_to_the_second_destination() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let document = |name: &str| {
        format!(
            "---\napiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}}}\nspec:\n  git:\n    \
             url: '{}'\n    branch: main\n    paths: [{name}.yaml]\n    \
             push: {{refspec: 'refs/heads/main:refs/heads/staging'}}\n  images:\n  \
             - {{name: {name}, image: {}, policy: {{semver: {{range: 1.x}}}}}}\n",
            bot.server.url(),
            bot.image()
        )
    };
    let names = ["cart", "desk", "till"];
    for name in names {
        let text = format!("image: {}:1.0.0 # {{\"$imagepolicy\": \"default:{name}\"}}\n", bot.image());
        bot.remote.commit(&[(&format!("{name}.yaml"), &text)], "a file");
    }
    let automations = config::parse("configuration.yaml", &names.map(document).concat()).unwrap().automations;
    let _earlier = bot.server.seen();
    let report = tagwright::pass::once(bot.context(), &automations).await;
    assert!(report.automations.iter().all(|it| it.outcome.as_str() == "pushed"), "{report:?}");
    assert_eq!(bot.remote.at("staging"), bot.remote.at("main"));
    let pushes = bot.server.seen().into_iter().filter(|seen| seen.line.contains("service=git-receive-pack"));
    assert_eq!(pushes.count(), 2, "one to each");
}

/// Their plans together would take several times what the files have, so that one automation waits for the next push.
#[tokio::test]
async fn large_files_are_planned_in_turn_and_are_in_no_report() {
    let bot = Bot::start(&["1.0.0", "1.1.0"]).await;
    let padding = format!("# {}\n", "x".repeat(998)).repeat(13_000);
    let file = |name: &str, tag: &str| {
        format!("image: {}:{tag} # {{\"$imagepolicy\": \"default:{name}\"}}\n{padding}", bot.image())
    };
    for name in ["cart", "desk", "till"] {
        bot.remote.commit(&[(&format!("{name}.yaml"), &file(name, "1.0.0"))], "a file");
    }
    let (report, requests) = bot.run(&automations(&bot, "perAutomation")).await;
    assert!(report.automations.iter().all(|it| it.outcome.as_str() == "pushed"), "{requests}");
    // Each push is one request for references and one for the pack.
    assert!(requests > 5, "{requests}");
    for name in ["cart", "desk", "till"] {
        assert!(bot.remote.show(&format!("main:{name}.yaml")) == file(name, "1.1.0"), "{name}");
    }
    for edit in report.automations.iter().flat_map(|it| &it.edits) {
        assert_eq!((edit.old.len(), edit.new.len(), edit.changes.len()), (0, 0, 1));
    }
}
