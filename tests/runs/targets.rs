//! Fields without a marker: what `targets` name is followed, held and shown as what is marked is.

use serde_json::json;

use crate::support::git;
use crate::world::Bot;

const TARGETS: &str = "policy: {semver: {range: 1.x}}, targets: [{kustomization: apps/kustomization.yaml, image: web}, \
                       {compose: deploy/compose.yml, service: shop}, {yaml: conf/settings.yaml, at: '$.images[0].tag', field: tag}]";

impl Bot {
    /// Somebody commits these three files.
    fn commit_targets(&self, tag: &str) {
        let files = self.targets(tag);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.remote.commit(&files, "somebody's");
    }

    fn targets(&self, tag: &str) -> [(&'static str, String); 3] {
        let image = self.image();
        [
            (
                "apps/kustomization.yaml",
                format!("images:\n  - name: web\n    newName: {image}\n    newTag: {tag}   # kept\n"),
            ),
            ("deploy/compose.yml", format!("services:\r\n  shop: {{image: '{image}:{tag}', ports: [80]}}\r\n")),
            ("conf/settings.yaml", format!("images: [{{name: {image}, tag: \"{tag}\"}}, {{tag: 1.1.0}}]")),
        ]
    }

    #[track_caller]
    fn has(&self, tag: &str) {
        for (path, text) in self.targets(tag) {
            assert_eq!(self.remote.show(&format!("main:{path}")), text, "{path}");
        }
    }
}

#[tokio::test]
async fn what_targets_name_is_written_and_nothing_else() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    bot.commit_targets("1.1.0");
    // The paths of the automation do not have them.
    let automations = bot.reading("[apps/base]", TARGETS);
    bot.remote.commit(&[("apps/base/a.yaml", "a: 1\n")], "a folder");
    let report = bot.once(&automations).await;
    assert_eq!(report.automations[0].outcome.as_str(), "pushed", "{report:?}");
    let head = bot.remote.at("main");
    let changed = git(&bot.remote.bare(), &["diff", "--name-only", &format!("{head}~1"), &head]);
    assert_eq!(changed, "apps/kustomization.yaml\nconf/settings.yaml\ndeploy/compose.yml\n");
    bot.has("1.2.0");
    assert_eq!(report.automations[0].diagnostics, []);
    // The second time there is nothing to do, and a new process finds the same.
    let report = bot.once(&automations).await;
    assert_eq!(report.automations[0].outcome.as_str(), "unchanged", "{report:?}");
}

#[tokio::test]
async fn what_a_person_took_back_stays_without_a_marker_too() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    bot.commit_targets("1.1.0");
    let automations = bot.configuration(TARGETS);
    bot.once(&automations).await;
    bot.has("1.2.0");
    git(&bot.remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
    bot.commit_targets("1.1.0");
    let report = bot.once(&automations).await;
    assert_eq!(report.automations[0].holds.len(), 3, "{report:?}");
    bot.has("1.1.0");
    git(&bot.remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
    bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.3.0".to_owned()));
    bot.once(&automations).await;
    bot.has("1.3.0");
}

#[tokio::test]
async fn what_is_not_there_is_told_and_the_others_are_written() {
    let bot = Bot::start(&["1.1.0", "1.2.0"]).await;
    let image = bot.image();
    let compose = |tag: &str| format!("services: {{shop: {{image: '{image}:{tag}'}}}}\n");
    bot.remote
        .commit(&[("deploy/compose.yml", &compose("1.1.0")), ("conf/settings.yaml", "images: []\n")], "somebody's");
    let report = bot.once(&bot.configuration(TARGETS)).await;
    assert_eq!(bot.remote.show("main:deploy/compose.yml"), compose("1.2.0"));
    let found = &report.automations[0].diagnostics;
    let found: Vec<_> = found.iter().map(|it| (it.file.as_str(), it.code.as_str())).collect();
    assert_eq!(json!(found), json!([["apps/kustomization.yaml", "TW011"], ["conf/settings.yaml", "TW032"]]));
}
