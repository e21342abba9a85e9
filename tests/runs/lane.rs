//! `fastLane`, in whole runs: what passes `minimumAge` by what, and that it passes nothing else.

use serde_json::json;
use tagwright::config;
use tagwright::store::{Event, Filter};

use crate::admission::{at, selected};
use crate::world::Bot;

const WAITING: &str = "policy: {semver: {range: 1.x}}, pin: digest, minimumAge: 72h";

impl Bot {
    /// Somebody pushes an image with a label.
    fn push_labelled(&self, tag: &str, label: (&str, &str)) -> String {
        let labels = json!({label.0: label.1, "tag": tag});
        let config = json!({"os": "linux", "architecture": "amd64", "config": {"Labels": labels}});
        let mut digest = String::new();
        self.registry.change(|world| digest = world.push("team/app", tag, &config));
        digest
    }

    /// A policy that goes by this document, with what else it says.
    fn documented(
        &self,
        document: &serde_json::Value,
        more: &str,
    ) -> Vec<std::sync::Arc<tagwright_core::automation::Automation>> {
        let folder = self.data.path();
        std::fs::create_dir_all(folder.join("security")).unwrap();
        std::fs::write(folder.join("security/advisory.json"), document.to_string()).unwrap();
        let lane = "fastLane: {documents: [security/advisory.json]}";
        std::fs::write(folder.join("shop.yaml"), self.text("[]", &format!("{lane}, {WAITING}{more}"))).unwrap();
        let sources = config::Sources { paths: vec![folder.join("shop.yaml")], ..config::Sources::default() };
        let loaded = config::load(&sources).unwrap();
        assert_eq!(loaded.beside, [folder.join("security/advisory.json")]);
        loaded.automations
    }

    fn osv(&self, fixed: &str) -> serde_json::Value {
        json!({"id": "GHSA-2c4m-59x9-fr2g", "aliases": ["CVE-2026-1234"], "affected": [{
            "package": {"ecosystem": "OCI", "name": self.image()},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]})
    }
}

#[tokio::test]
async fn the_release_that_a_document_names_need_not_wait() {
    let mut bot = Bot::start(&[]).await;
    let old = bot.push("1.1.0", 1);
    let automations = bot.documented(&bot.osv("1.2.4"), "");
    bot.once(&automations).await;
    bot.later(72);
    assert_eq!(bot.selects(&automations).await.0, at("1.1.0", &old));
    // The fix, and the release after it, which waits as any other.
    let fix = bot.push("1.2.4", 2);
    bot.push("1.3.0", 3);
    bot.later(1);
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), at("1.2.4", &fix));
    let expect = "it need not become older, since it fixes CVE-2026-1234, as security/advisory.json says";
    assert_eq!(report.policies[0].remarks(), [expect]);
    assert!(bot.remote.show("main:app.yaml").contains(&at(":1.2.4", &fix)));
    // It stays in the history, by what.
    let records = bot.edges.store.records(&Filter::default()).unwrap();
    let pushed = records.iter().find(|record| matches!(record.event, Event::Pushed { .. })).unwrap();
    assert_eq!(pushed.remarks, [format!("default:app: {expect}")]);
    // The next one comes when it is old enough.
    bot.later(72);
    assert!(bot.selects(&automations).await.0.starts_with("1.3.0@"));
}

#[tokio::test]
async fn it_passes_its_age_and_nothing_else() {
    let bot = Bot::start(&[]).await;
    let fix = bot.push("1.2.4", 2);
    let denied = bot.documented(&bot.osv("1.2.4"), &format!(", excludeDigests: ['{fix}']"));
    assert_eq!(bot.selects(&denied).await.1, Some("denied-digest"));
    let elsewhere = bot.documented(&bot.osv("1.2.4"), ", platforms: [linux/arm64]");
    assert_eq!(bot.selects(&elsewhere).await.1, Some("lacks-platform"));
    let excluded = bot.documented(&bot.osv("1.2.4"), ", exclude: [1.2.4]");
    assert!(bot.selects(&excluded).await.0.starts_with("nothing: "));
    let passing = bot.documented(&bot.osv("1.2.4"), ", platforms: [linux/amd64]");
    assert_eq!(bot.selects(&passing).await, (at("1.2.4", &fix), None));
}

/// A tag that was pushed again is not the release any more that was fixed before.
#[tokio::test]
async fn a_vex_document_names_the_image_itself() {
    let bot = Bot::start(&[]).await;
    let fix = bot.push("1.2.4", 2);
    let purl = format!("pkg:oci/app@{}?repository_url={}", fix.replace(':', "%3A"), bot.image());
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [
        {"vulnerability": {"name": "CVE-2026-2000"}, "products": [{"@id": purl}], "status": "fixed"}]});
    let automations = bot.documented(&vex, "");
    assert_eq!(bot.selects(&automations).await.0, at("1.2.4", &fix));
    bot.push("1.2.4", 3);
    assert!(bot.selects(&automations).await.0.starts_with("nothing: "), "another image of that tag waits");
}

#[tokio::test]
async fn a_label_counts_where_the_configuration_says_so() {
    let bot = Bot::start(&[]).await;
    let fix = bot.push_labelled("1.2.4", ("dev.tagwright.fixes", "CVE-2026-7"));
    let lane = |lane: &str| bot.configuration(&format!("{lane}{WAITING}"));
    assert!(bot.selects(&lane("")).await.0.starts_with("nothing: "), "without a lane");
    let report = bot.once(&lane("fastLane: {}, ")).await;
    assert_eq!(selected(&report), at("1.2.4", &fix));
    let expect = "it need not become older, since it fixes CVE-2026-7, as its label dev.tagwright.fixes says";
    assert_eq!(report.policies[0].remarks(), [expect]);
    assert!(bot.selects(&lane("fastLane: {label: com.acme.fixes}, ")).await.0.starts_with("nothing: "), "another");
    bot.push_labelled("1.2.5", ("com.acme.fixes", "yes"));
    assert!(bot.selects(&lane("fastLane: {label: com.acme.fixes}, ")).await.0.starts_with("nothing: "), "no name");
    // What waits is asked once what it says, and its digest as the others' are.
    let waiting = lane("fastLane: {}, minimumAge: 72h, ".replace("minimumAge: 72h, ", "").as_str());
    bot.once(&waiting).await;
    bot.manifests();
    bot.once(&waiting).await;
    assert_eq!(bot.manifests(), 2, "two digests");
}

#[tokio::test]
async fn where_tags_alone_are_written_too() {
    let mut bot = Bot::start(&[]).await;
    bot.push("1.1.0", 1);
    let automations = bot.configuration("fastLane: {}, policy: {semver: {range: 1.x}}, minimumAge: 72h");
    bot.once(&automations).await;
    bot.later(72);
    assert_eq!(bot.selects(&automations).await.0, "1.1.0");
    bot.push("1.3.0", 3);
    bot.push_labelled("1.2.4", ("dev.tagwright.fixes", "CVE-2026-7 CVE-2026-8"));
    assert_eq!(bot.selects(&automations).await, ("1.2.4".to_owned(), Some("too-young")));
}
