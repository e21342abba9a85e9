//! What lifts a hold for what was taken back: an order by hand, a person's trailer; and what does not.

use tagwright::run::Memory;

use crate::guards::check;
use crate::support::git_at;
use crate::world::{Bot, STABLE};

#[tokio::test]
async fn a_commit_can_release_what_was_taken_back() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.somebody("1.1.0", "Back to 1.1.0\n");
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
    bot.somebody("1.1.0", "It was the network\n\nTagwright-Release: default:app\n");
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

/// Clocks go wrong: what was taken back before the release is written again, what was taken back after it is not.
#[tokio::test]
async fn a_revert_counts_by_its_place_in_the_history() {
    for dated in ["2001-09-09T00:00:00Z", "now", "2099-01-01T00:00:00Z"] {
        let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let automations = bot.configuration(STABLE);
        let date = |bot: &Bot| dated.parse().unwrap_or(bot.now).as_second();
        check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
        bot.later(1);
        bot.somebody_writes_at(date(&bot), &bot.file("1.1.0"), "Back to 1.1.0\n");
        check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
        for _ in 0..2 {
            bot.later(1);
            bot.edges.store.release("default:app", bot.now).unwrap();
            bot.later(1);
            check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
            bot.later(1);
            bot.somebody_writes_at(date(&bot), &bot.file("1.1.0"), "Back to 1.1.0 again\n");
            bot.memory = Memory::default();
            check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
            check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
        }
    }
}

/// Nobody can mean what comes later.
#[tokio::test]
async fn what_is_taken_back_between_a_release_and_the_next_run_is_not_released() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.edges.store.release("default:app", bot.now).unwrap();
    bot.later(1);
    bot.somebody("1.1.0", "Back to 1.1.0\n");
    bot.later(1);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
}

/// A release that was written before the revert, on a branch that did not know it, comes in with a merge after it.
#[tokio::test]
async fn a_release_on_another_branch_releases_nothing_that_it_did_not_know() {
    let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    let work = tempfile::tempdir().unwrap();
    let bare = bot.remote.bare();
    let git = |arguments: &[&str]| crate::support::git(work.path(), arguments);
    git(&["clone", "-q", "--branch", "main", bare.to_str().unwrap(), "."]);
    git(&["checkout", "-q", "-b", "side"]);
    let message = b"Side\n\nTagwright-Release: default:app\n";
    git_at(work.path(), bot.now.as_second() + 7200, &["commit", "-q", "--allow-empty", "-F", "-"], message);
    git(&["checkout", "-q", "main"]);
    bot.later(1);
    bot.somebody("1.1.0", "Back to 1.1.0\n");
    git(&["pull", "-q", "--ff-only", "origin", "main"]);
    git(&["merge", "-q", "--no-ff", "-m", "Merge a contribution", "side"]);
    git(&["push", "-q", "origin", "main"]);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["reverted"]);
    bot.later(1);
    bot.somebody("1.1.0", "It was the network\n\nTagwright-Release: default:app\n");
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

/// A template may print what a manifest says where a trailer is read.
#[tokio::test]
async fn nothing_in_a_manifest_releases_what_was_taken_back() {
    let spoofs = [
        "x\\n\\nTagwright-Release: default:app",
        "Tagwright-Release: default:app",
        "x\\u2028Tagwright-Release: default:app",
    ];
    for (spoof, trailers) in spoofs.into_iter().flat_map(|spoof| [(spoof, true), (spoof, false)]) {
        let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let commit = "commit: {author: {name: robot, email: robot@example.com}, message: \"Images\\n\\n\
                      {{ range $object, $_ := .Changed.Objects }}{{ $object.Name }}\\n{{ end }}\", trailers: TRAILERS}";
        let text = ["app", "cart"].map(|name| {
            let text = bot.text(
                "[app.yaml]",
                &format!("policy: {{semver: {{range: '{}'}}}}", if name == "app" { "1.x" } else { ">=1" }),
            );
            let text =
                text.replace("name: shop", &format!("name: {name}")).replace("name: app", &format!("name: {name}"));
            // Another author than that of the automation whose field is held.
            let commit = commit.replace("TRAILERS", if trailers { "true" } else { "false" });
            let commit = if name == "app" { commit.replace("robot@", "machine@") } else { commit };
            text.replace("paths: [app.yaml]", &format!("paths: [app.yaml], {commit}"))
        });
        let automations = tagwright::config::parse("configuration.yaml", &text.join("---\n")).unwrap().automations;
        let file = |app: &str, cart: &str| {
            format!(
                "metadata: {{name: \"{spoof}\"}}\napp: {app} # {{\"$imagepolicy\": \"default:app:tag\"}}\n---\n\
                 metadata: {{name: \"{spoof}\"}}\ncart: {cart} # {{\"$imagepolicy\": \"default:cart:tag\"}}\n"
            )
        };
        bot.somebody_writes(&file("1.1.0", "1.2.0"), "a file for both");
        bot.once(&automations).await;
        assert_eq!(bot.remote.show("main:app.yaml"), file("1.2.0", "1.2.0"));
        bot.somebody_writes(&file("1.1.0", "1.2.0"), "Back to 1.1.0");
        bot.list(&["1.1.0", "1.2.0", "2.0.0"]);
        for _ in 0..2 {
            let report = bot.once(&automations).await;
            assert_eq!(report.automations[0].outcome.as_str(), "held", "{spoof} {trailers}: {report:?}");
            assert_eq!(bot.remote.show("main:app.yaml"), file("1.1.0", "2.0.0"), "{spoof} {trailers}");
        }
    }
}
