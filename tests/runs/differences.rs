//! Messages that tell what changed in the image, in whole runs.

use serde_json::json;

use crate::simulated::Fault;
use crate::world::{Bot, STABLE};

impl Bot {
    /// Somebody pushes an image that was built from a commit.
    fn push_built(&self, tag: &str, revision: &str, source: &str) {
        let labels = json!({"org.opencontainers.image.source": source, "org.opencontainers.image.revision": revision,
            "tier": revision});
        let config = json!({"os": "linux", "architecture": "amd64", "config": {"Labels": labels}});
        self.registry.change(|world| drop(world.push("team/app", tag, &config)));
    }

    /// What a run says in its commit.
    async fn message(&self, template: &str) -> String {
        let text = self
            .text("[]", STABLE)
            .replace("branch: main,", &format!("branch: main, commit: {{message: {template:?}}},"));
        let automations = tagwright::config::parse("configuration.yaml", &text).unwrap().automations;
        let report = self.once(&automations).await;
        assert_eq!(report.automations[0].outcome.as_str(), "pushed", "{:?}", report.automations[0].outcome);
        report.automations[0].message.split("\n\nTagwright-").next().unwrap().to_owned()
    }
}

const EACH: &str = "{{ range .Changed.Changes }}{{ .Compare }}|{{ .Source }}|{{ .OldRevision }}|{{ .Revision }}|{{ .Details }}{{ end }}";

#[tokio::test]
async fn a_message_tells_the_commits_between_two_images() {
    let bot = Bot::start(&[]).await;
    let source = "https://github.com/acme/app.git";
    bot.push_built("1.1.0", "0a1b2c3", source);
    bot.push_built("1.2.0", "4d5e6f7", source);
    let link = "https://github.com/acme/app/compare/0a1b2c3...4d5e6f7";
    let expect =
        format!("{link}|https://github.com/acme/app|0a1b2c3|4d5e6f7|[commits: {link} label tier: 0a1b2c3 -> 4d5e6f7]");
    assert_eq!(bot.message(EACH).await, expect);
}

#[tokio::test]
async fn nobody_is_asked_by_a_message_that_does_not_tell() {
    let bot = Bot::start(&[]).await;
    bot.push_built("1.1.0", "0a1b2c3", "https://github.com/acme/app");
    bot.push_built("1.2.0", "4d5e6f7", "https://github.com/acme/app");
    bot.manifests();
    bot.message("{{ .Summary }}").await;
    assert_eq!(bot.manifests(), 0);
}

/// What cannot be had is left out, and the commit is made.
#[tokio::test]
async fn an_old_image_that_is_gone_holds_up_no_commit() {
    let bot = Bot::start(&[]).await;
    bot.push_built("1.2.0", "4d5e6f7", "https://github.com/acme/app");
    bot.registry.change(|world| drop(world.broken.insert("manifests/1.1.0".to_owned(), Fault::status(403))));
    let expect = "|https://github.com/acme/app||4d5e6f7|[built from https://github.com/acme/app at 4d5e6f7]";
    assert_eq!(bot.message(EACH).await, expect);
    bot.push_built("1.3.0", "b8", "javascript:alert(1)");
    bot.registry.change(|world| drop(world.broken.insert("manifests/1.3.0".to_owned(), Fault::status(403))));
    assert_eq!(bot.message(EACH).await, "||||[]");
}
