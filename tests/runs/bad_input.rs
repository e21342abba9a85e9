//! What a registry has that is not what it should be: a clear error, and nothing is selected.

use serde_json::{Value, json};
use tagwright::run::Lack;

use crate::simulated::Fault;
use crate::simulated::artifacts::{OCI_INDEX, OCI_MANIFEST};
use crate::world::Bot;

const APP: &str = "team/app";

/// A policy that has to look into images.
const LOOKING: &str = "platforms: [linux/amd64], policy: {semver: {range: 1.x}}, pin: digest";

impl Bot {
    /// Somebody pushes a manifest under a tag.
    fn put(&self, tag: &str, media_type: &str, body: impl Into<Vec<u8>>) -> String {
        let mut digest = String::new();
        self.registry.change(|world| {
            digest = world.artifacts.put(APP, Some(tag), media_type, body);
            world.repositories.entry(APP.to_owned()).or_default().push(tag.to_owned());
        });
        digest
    }

    /// Nothing is selected, nothing is written, and the reason has these words.
    async fn refuses(&self, images: &str, words: &str) {
        let report = self.once(&self.configuration(images)).await;
        let Err(Lack::NoAnswer(reason)) = &report.policies[0].selection else { panic!("{report:?}") };
        assert!(reason.contains(words), "{reason}");
        assert!(!report.failures.is_empty());
        assert!(self.remote.show("main:app.yaml").contains(":1.1.0 "), "the field stays");
    }
}

fn index(entries: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string()
}

fn entry(media_type: &str, digest: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest, "size": 1})
}

#[tokio::test]
async fn a_manifest_that_is_too_large() {
    let bot = Bot::start(&[]).await;
    bot.push("1.1.0", 1);
    let digest = bot.push("1.2.0", 2);
    let large = Fault::body(vec![b' '; 5 << 20]);
    bot.registry.change(|world| drop(world.broken.insert(format!("manifests/{digest}"), large)));
    bot.refuses(LOOKING, "answered with more than 4194304 bytes").await;
}

#[tokio::test]
async fn an_index_within_an_index_within_an_index() {
    let bot = Bot::start(&[]).await;
    bot.push("1.1.0", 1);
    let mut inner = bot.push("0.0.0", 2);
    let mut media_type = OCI_MANIFEST;
    for depth in 0..4 {
        let body = index(&[entry(media_type, &inner)]);
        let mut digest = String::new();
        bot.registry.change(|world| digest = world.artifacts.put(APP, None, OCI_INDEX, body.clone()));
        (inner, media_type) = (digest, OCI_INDEX);
        if depth == 3 {
            bot.put("1.2.0", OCI_INDEX, body);
        }
    }
    bot.refuses(LOOKING, "more than 3 indexes one within the other").await;
}

#[tokio::test]
async fn an_index_without_end() {
    let bot = Bot::start(&[]).await;
    let image = bot.push("1.1.0", 1);
    bot.put("1.2.0", OCI_INDEX, index(&vec![entry(OCI_MANIFEST, &image); 1_001]));
    bot.refuses(LOOKING, "more than 1000 entries of an index").await;
}

#[tokio::test]
async fn something_else_than_its_digest_says() {
    let bot = Bot::start(&[]).await;
    let other = bot.push("1.1.0", 1);
    let digest = bot.push("1.2.0", 2);
    bot.registry.change(|world| {
        let (kind, body) = world.artifacts.manifest(APP, &other).unwrap();
        let fault = Fault::Answer(200, vec![("content-type", kind)], body);
        world.broken.insert(format!("manifests/{digest}"), fault);
    });
    bot.refuses(LOOKING, "digest").await;
}

#[tokio::test]
async fn a_type_that_is_no_image() {
    let bot = Bot::start(&[]).await;
    bot.push("1.1.0", 1);
    let body = json!({"schemaVersion": 2, "mediaType": "application/vnd.acme.recipe+json", "layers": []}).to_string();
    bot.put("1.2.0", OCI_MANIFEST, body);
    bot.refuses(LOOKING, "application/vnd.acme.recipe+json").await;
}

/// A list that leads on and on is no list of signatures: the image is not verified, and no more than so much is read.
#[tokio::test]
async fn signatures_without_end() {
    let bot = Bot::start(&[]).await;
    let digest = bot.push("1.2.0", 2);
    bot.registry.change(|world| {
        for number in 0..3 {
            let body = number.to_string();
            world.artifacts.put_referrer(APP, &digest, "application/vnd.dev.sigstore.bundle.v0.3+json", body);
        }
        world.artifacts.api = crate::simulated::artifacts::Api::Endless;
    });
    let key = std::fs::read_to_string("fixtures/trust/keys/p256.pub").unwrap();
    let verify = format!("verify: {{key: {key:?}}}, policy: {{semver: {{range: 1.x}}}}, pin: digest");
    bot.registry.take_lines();
    let (selection, _) = bot.selects(&bot.configuration(&verify)).await;
    assert!(selection.contains("answered with more than 20 pages"), "{selection}");
    assert!(selection.starts_with("nothing: "), "{selection}");
    let asked = bot.registry.take_lines().len();
    assert!(asked < 40, "{asked} requests");
}

/// An image whose configuration is no such thing says nothing, and so names nothing that it fixes.
#[tokio::test]
async fn a_configuration_that_cannot_be_read_takes_no_fast_lane() {
    let bot = Bot::start(&[]).await;
    bot.registry.change(|world| {
        let mut config = world.artifacts.put_blob(APP, "application/vnd.oci.image.config.v1+json", "[]");
        config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        let body = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}).to_string();
        world.artifacts.put(APP, Some("1.2.0"), OCI_MANIFEST, body);
        world.repositories.entry(APP.to_owned()).or_default().push("1.2.0".to_owned());
    });
    let lane = "fastLane: {}, minimumAge: 72h, policy: {semver: {range: 1.x}}, pin: digest";
    let (selection, code) = bot.selects(&bot.configuration(lane)).await;
    assert!(selection.starts_with("nothing: ") && code == Some("too-young"), "{selection}");
}
