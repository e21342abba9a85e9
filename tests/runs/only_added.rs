//! `ignoreAttestationOnly`, and tags of releases that moved, in whole runs.

use serde_json::{Value, json};
use tagwright::store::{Event, Filter};

use crate::admission::{at, selected};
use crate::simulated::Fault;
use crate::simulated::artifacts::{OCI_INDEX, OCI_MANIFEST};
use crate::world::Bot;

const APP: &str = "team/app";
const IGNORING: &str =
    "ignoreAttestationOnly: true, filterTags: {pattern: ^main$}, policy: {alphabetical: {}}, pin: digest";

impl Bot {
    /// Somebody pushes an index: images by platform and number, and so many attestations.
    fn push_index(&self, tag: &str, images: &[(&str, u32)], attestations: u32) -> String {
        let mut digest = String::new();
        self.registry.change(|world| {
            let mut entries: Vec<Value> = Vec::new();
            let attested = (0..attestations).map(|number| ("unknown", number));
            for (architecture, number) in images.iter().copied().chain(attested) {
                let os = if architecture == "unknown" { "unknown" } else { "linux" };
                let config = json!({"os": os, "architecture": architecture, "number": number});
                let image = world.artifacts.put_image(APP, None, &config);
                entries.push(json!({"mediaType": OCI_MANIFEST, "digest": image, "size": 1,
                    "platform": {"os": os, "architecture": architecture}}));
            }
            let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
            digest = world.artifacts.put(APP, Some(tag), OCI_INDEX, body);
            let tags = world.repositories.entry(APP.to_owned()).or_default();
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        });
        digest
    }
}

#[tokio::test]
async fn an_index_that_only_gained_something_is_no_update() {
    let bot = Bot::start(&[]).await;
    let (ignoring, plain) = (bot.configuration(IGNORING), bot.configuration(&IGNORING.replace("true", "false")));
    let first = bot.push_index("main", &[("amd64", 1)], 0);
    assert_eq!(bot.selects(&ignoring).await, (at("main", &first), None));
    let attested = bot.push_index("main", &[("amd64", 1)], 1);
    let report = bot.once(&ignoring).await;
    assert_eq!(selected(&report), at("main", &first), "an attestation");
    let hold = report.policies[0].hold.as_ref().unwrap();
    let expect = format!(
        "main points to {} now, which has the same images as before and only adds platforms or attestations, which \
         `ignoreAttestationOnly` says is no update",
        &attested[..19]
    );
    assert_eq!((hold.to_string(), hold.code()), (expect, "only-added"));
    bot.push_index("main", &[("amd64", 1), ("arm64", 1)], 2);
    assert_eq!(bot.selects(&ignoring).await.0, at("main", &first), "a platform, and one more attestation");
    // An image that is another one is an update, and so is one that is gone.
    let second = bot.push_index("main", &[("amd64", 2), ("arm64", 1)], 2);
    assert_eq!(bot.selects(&ignoring).await, (at("main", &second), None));
    let fewer = bot.push_index("main", &[("amd64", 2)], 2);
    assert_eq!(bot.selects(&ignoring).await, (at("main", &fewer), None));
    // Whoever does not ask for it gets every digest.
    let last = bot.push_index("main", &[("amd64", 2)], 3);
    assert_eq!(bot.selects(&plain).await, (at("main", &last), None));
}

/// What was before may be thrown away, and may never have been selected.
#[tokio::test]
async fn what_was_before_has_to_be_there() {
    let bot = Bot::start(&[]).await;
    let ignoring = bot.configuration(IGNORING);
    let first = bot.push_index("main", &[("amd64", 1)], 0);
    bot.once(&ignoring).await;
    let attested = bot.push_index("main", &[("amd64", 1)], 1);
    let denying = bot.configuration(&format!("excludeDigests: ['{first}'], {IGNORING}"));
    assert_eq!(bot.selects(&denying).await, (at("main", &attested), None));
    assert_eq!(bot.selects(&ignoring).await.0, at("main", &first));
    bot.registry.change(|world| {
        drop(world.broken.insert(format!("manifests/{first}"), Fault::error(404, "MANIFEST_UNKNOWN", "")));
    });
    assert_eq!(bot.selects(&ignoring).await, (at("main", &attested), None));
}

#[tokio::test]
async fn the_tag_of_a_release_that_moves_is_told() {
    let bot = Bot::start(&[]).await;
    let automations = bot.configuration("policy: {semver: {range: 1.x}}, pin: digest");
    let before = bot.push("1.2.3", 1);
    assert!(bot.once(&automations).await.policies[0].moved.is_empty());
    let now = bot.push("1.2.3", 2);
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), at("1.2.3", &now));
    let moved = report.policies[0].remarks();
    let (image, before, now) = (bot.image(), &before[..19], &now[..19]);
    assert_eq!(moved, [format!("{image}:1.2.3 moved from {before} to {now}, though tags like it name one release")]);
    assert!(bot.once(&automations).await.policies[0].moved.is_empty(), "once");
    let records = bot.edges.store.records(&Filter { policy: Some("default:app".to_owned()), ..Filter::default() });
    let records = records.unwrap();
    let told: Vec<&str> =
        records.iter().filter(|it| matches!(it.event, Event::TagMoved { .. })).map(|it| it.message.as_str()).collect();
    assert_eq!(told, moved);
    // Tags that are made to move are no news.
    let latest = bot.configuration("filterTags: {pattern: ^latest$}, policy: {alphabetical: {}}, pin: digest");
    bot.push("latest", 1);
    bot.once(&latest).await;
    bot.push("latest", 2);
    assert!(bot.once(&latest).await.policies[0].moved.is_empty());
}
