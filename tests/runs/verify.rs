//! Signatures that a policy requires, in whole runs: from a registry with images of several signers to a pushed commit.
//!
//! Images and signatures are those of `fixtures/trust`, which cosign made: an image is made here as it was there, so that it has the
//! digest that was signed.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tagwright::run::{Lack, Memory, Report};
use tagwright_core::automation::Automation;

use crate::simulated::Fault;
use crate::simulated::artifacts::Api;
use crate::world::Bot;

const APP: &str = "team/app";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const VERSIONS: &str = "policy: {semver: {range: 1.x}}, digestReflectionPolicy: Always";

fn read(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/trust");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// A text as YAML has it on one line.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn key(name: &str) -> String {
    format!("key: {}", quoted(&read(&format!("keys/{name}.pub"))))
}

impl Bot {
    /// Somebody pushes the image of a recorded case.
    fn push_recorded(&self, tag: &str, case: &str) -> String {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Labels": {"label": case}},
            "rootfs": {"type": "layers", "diff_ids": []}});
        let mut digest = String::new();
        self.registry.change(|world| digest = world.push(APP, tag, &config));
        let recorded: Value = serde_json::from_str(&read(&format!("cases/{case}.json"))).unwrap();
        assert_eq!(recorded["image"], json!(digest), "{case}");
        digest
    }

    /// Somebody leaves the evidence of a recorded case at an image.
    fn leave(&self, digest: &str, case: &str) {
        let recorded: Value = serde_json::from_str(&read(&format!("cases/{case}.json"))).unwrap();
        self.registry.change(|world| match recorded.get("bundle") {
            Some(bundle) => drop(world.artifacts.put_referrer(APP, digest, BUNDLE, bundle.to_string())),
            None => {
                let payload = STANDARD.decode(recorded["simple"]["payload"].as_str().unwrap()).unwrap();
                let layer = (SIMPLE, payload, recorded["simple"]["annotations"].clone());
                drop(world.artifacts.put_layers(APP, &format!("{}.sig", digest.replace(':', "-")), &[layer]));
            }
        });
    }

    fn push_signed(&self, tag: &str, case: &str) -> String {
        let digest = self.push_recorded(tag, case);
        self.leave(&digest, case);
        digest
    }

    fn verifying(&self, verify: &str) -> Vec<Arc<Automation>> {
        self.configuration(&format!("verify: {{{verify}}}, {VERSIONS}"))
    }

    /// What the policy selects now, and what is said of what is passed over.
    async fn chooses(&self, automations: &[Arc<Automation>]) -> (String, Option<String>) {
        let report = self.run(automations).await.0;
        (chosen(&report), report.policies[0].hold.as_ref().map(ToString::to_string))
    }
}

fn chosen(report: &Report) -> String {
    match &report.policies[0].selection {
        Ok(reference) => reference.to_string().rsplit_once('/').unwrap().1.to_owned(),
        Err(lack) => format!("nothing: {lack}"),
    }
}

fn better(tag: &str, digest: &str, why: &str) -> Option<String> {
    Some(format!("{tag} is better, but {} is not verified: {why}", &digest[..19]))
}

#[tokio::test]
async fn from_signed_and_unsigned_tags_to_a_commit() {
    for api in [Api::Whole, Api::Paged(1), Api::None] {
        let bot = Bot::start(&[]).await;
        bot.registry.change(|world| world.artifacts.api = api);
        let good = bot.push_signed("1.2.0", "key-p256-bundle");
        let other = bot.push_signed("1.4.0", "key-other-bundle");
        // Others may have said something of it: it is passed over, and what it is about is another image.
        bot.leave(&good, "key-sbom");
        bot.leave(&good, "key-other-bundle");
        let automations = bot.verifying(&key("p256"));
        let expect = (format!("app:1.2.0@{good}"), better("1.4.0", &other, "its signature was made with another key"));
        assert_eq!(bot.chooses(&automations).await, expect, "{api:?}");
        let file = bot.remote.show("main:app.yaml");
        assert!(file.contains(&format!(":1.2.0@{good} ")), "{file}");

        let unsigned = bot.push_recorded("1.5.0", "key-p256-simple");
        let expect = (format!("app:1.2.0@{good}"), better("1.5.0", &unsigned, "it has no signature"));
        assert_eq!(bot.chooses(&automations).await, expect, "{api:?}");
        // A signature comes after its image.
        bot.leave(&unsigned, "key-p256-simple");
        assert_eq!(bot.chooses(&automations).await, (format!("app:1.5.0@{unsigned}"), None), "{api:?}");
        let file = bot.remote.show("main:app.yaml");
        assert!(file.contains(&format!(":1.5.0@{unsigned} ")), "{file}");
    }
}

#[tokio::test]
async fn what_is_not_verified_can_hold_the_policy() {
    let bot = Bot::start(&[]).await;
    bot.push_signed("1.2.0", "key-p256-bundle");
    let unsigned = bot.push_recorded("1.3.0", "key-p256-simple");
    let automations = bot.verifying(&format!("{}, onUnverified: hold", key("p256")));
    let report = bot.run(&automations).await.0;
    let Err(Lack::Waiting(why)) = &report.policies[0].selection else { panic!("{report:?}") };
    let short = &unsigned[..19];
    let expect = format!("none of 2 tags can be selected: 1.3.0 ({short}) is not verified: it has no signature");
    assert_eq!(*why, expect);
    assert_eq!(report.policies[0].hold.as_ref().unwrap().code(), "unverified");
    assert!(bot.remote.show("main:app.yaml").contains(":1.1.0 "), "nothing is written");
    bot.leave(&unsigned, "key-p256-simple");
    assert_eq!(bot.chooses(&automations).await, (format!("app:1.3.0@{unsigned}"), None));
}

#[tokio::test]
async fn an_answer_is_kept_for_what_was_required() {
    let mut bot = Bot::start(&[]).await;
    let good = bot.push_signed("1.2.0", "key-p256-bundle");
    let automations = bot.verifying(&key("p256"));
    let selected = (format!("app:1.2.0@{good}"), None);
    assert_eq!(bot.chooses(&automations).await, selected);
    let asked = |bot: &Bot| bot.registry.take_lines().iter().filter(|line| line.contains("/referrers/")).count();
    assert_eq!(asked(&bot), 1);
    bot.memory = Memory::default();
    assert_eq!(bot.chooses(&automations).await, selected);
    assert_eq!(asked(&bot), 0, "it is kept, also for another process");
    let others = bot.verifying(&key("other"));
    let (nothing, _) = bot.chooses(&others).await;
    assert!(nothing.starts_with("nothing: the only tag cannot be selected: 1.2.0"), "{nothing}");
    assert_eq!(asked(&bot), 1, "what one key says is nothing that another says");
}

#[tokio::test]
async fn a_registry_that_does_not_answer_makes_nothing_worse_be_selected() {
    let bot = Bot::start(&[]).await;
    bot.push_signed("1.2.0", "key-p256-bundle");
    let best = bot.push_signed("1.3.0", "key-p256-simple");
    bot.registry.change(|world| drop(world.broken.insert(format!("referrers/{best}"), Fault::status(403))));
    let report = bot.run(&bot.verifying(&key("p256"))).await.0;
    assert!(
        matches!(&report.policies[0].selection, Err(Lack::NoAnswer(why)) if why.contains("the signatures of ")),
        "{report:?}"
    );
    assert!(bot.remote.show("main:app.yaml").contains(":1.1.0 "), "nothing is written");
    // What is broken of the evidence alone is evidence that will not do.
    let broken = Fault::body("garbage");
    bot.registry.change(|world| {
        world.broken.clear();
        drop(world.broken.insert(format!("referrers/{best}"), broken));
    });
    assert_eq!(
        bot.chooses(&bot.verifying(&key("p256"))).await.0,
        format!("app:1.3.0@{best}"),
        "its tag has a signature"
    );
}

#[tokio::test]
async fn without_a_key() {
    let bot = Bot::start(&[]).await;
    let good = bot.push_signed("1.2.0", "keyless-bundle");
    let evil = bot.push_signed("1.3.0", "keyless-evil");
    let late = bot.push_signed("1.4.0", "keyless-expired");
    let issuer = "https://token.actions.githubusercontent.com";
    let pattern = r"https://github\.com/acme/app/\.github/workflows/release\.yml@refs/heads/.+";
    let keyless = format!("keyless: {{identityPattern: '{pattern}', issuer: {issuer}}}");
    let root = quoted(&read("trusted_root.json"));
    let automations = bot.verifying(&format!("{keyless}, trustedRoot: {root}"));
    let report = bot.run(&automations).await.0;
    assert_eq!(chosen(&report), format!("app:1.2.0@{good}"));
    let told: Vec<String> = report.policies[0].passed_over.iter().map(ToString::to_string).collect();
    let expired = "its signature was logged at 2026-01-16T12:00:00Z, outside the time of its certificate \
        (2026-01-15T12:00:00Z to 2026-01-15T12:10:00Z)";
    let other = "its signature was made by https://evil.example/https://github.com/acme/app/.github/workflows/release.yml\
        @refs/heads/main.evil, which is not the identity that is required";
    assert_eq!(told, [better("1.4.0", &late, expired).unwrap(), better("1.3.0", &evil, other).unwrap()]);
    let newer = bot.push_signed("1.5.0", "keyless-simple");
    assert_eq!(bot.chooses(&automations).await, (format!("app:1.5.0@{newer}"), None));
}

#[tokio::test]
async fn only_what_was_built_from_a_branch() {
    let bot = Bot::start(&[]).await;
    let good = bot.push_signed("1.2.0", "keyless-provenance");
    let feature = bot.push_signed("1.3.0", "keyless-feature");
    let borrowed = bot.push_signed("1.4.0", "keyless-borrowed");
    let signed = bot.push_signed("1.5.0", "keyless-bundle");
    let keyless =
        "keyless: {identityPattern: 'https://github.com/acme/.*', issuer: https://token.actions.githubusercontent.com}";
    let root = quoted(&read("trusted_root.json"));
    let built = "builtFrom: {repository: https://github.com/acme/app, branch: main}";
    let report = bot.run(&bot.verifying(&format!("{keyless}, trustedRoot: {root}, {built}"))).await.0;
    assert_eq!(chosen(&report), format!("app:1.2.0@{good}"));
    let told: Vec<String> = report.policies[0].passed_over.iter().map(ToString::to_string).collect();
    let expect = [
        better(
            "1.5.0",
            &signed,
            "it has no provenance, only statements of other kinds (https://sigstore.dev/cosign/sign/v1)",
        ),
        better(
            "1.4.0",
            &borrowed,
            "its provenance says that it was built from https://github.com/acme/app at refs/heads/main, but was signed by a run of https://github.com/acme/app at refs/heads/feature",
        ),
        better(
            "1.3.0",
            &feature,
            "its provenance says that it was built from https://github.com/acme/app at refs/heads/feature",
        ),
    ];
    assert_eq!(told, expect.map(Option::unwrap));
}

#[tokio::test]
async fn others_can_add_what_they_like_and_no_more_is_read_than_is_needed() {
    let bot = Bot::start(&[]).await;
    let good = bot.push_recorded("1.2.0", "key-p256-bundle");
    flood(&bot, &good, 20);
    bot.leave(&good, "key-p256-bundle");
    assert_eq!(bot.chooses(&automations_of(&bot)).await, (format!("app:1.2.0@{good}"), None), "all are read");

    let bot = Bot::start(&[]).await;
    let good = bot.push_recorded("1.2.0", "key-p256-bundle");
    flood(&bot, &good, 500);
    bot.leave(&good, "key-p256-bundle");
    let (nothing, _) = bot.chooses(&automations_of(&bot)).await;
    let why = "each of its 64 signatures cannot be read: it is no bundle of one signature (line 1, column 1)";
    assert!(nothing.ends_with(&format!("is not verified: {why}")), "{nothing}");
    assert!(bot.registry.seen().len() < 200, "{} requests", bot.registry.seen().len());

    // A list without end is a clear sentence, and nothing is chosen.
    bot.registry.change(|world| world.artifacts.api = Api::Endless);
    let (nothing, _) = bot.chooses(&automations_of(&bot)).await;
    assert!(nothing.contains("answered with more than 1000 referrers"), "{nothing}");
}

fn automations_of(bot: &Bot) -> Vec<Arc<Automation>> {
    bot.verifying(&key("p256"))
}

/// Somebody leaves what is no signature at an image.
fn flood(bot: &Bot, image: &str, count: usize) {
    bot.registry.change(|world| {
        (0..count)
            .for_each(|number| drop(world.artifacts.put_referrer(APP, image, BUNDLE, format!("garbage {number}"))));
    });
}

/// An image that was signed long ago is as old as its signature, when a log says so; and by that, the newest is told.
#[tokio::test]
async fn the_time_of_a_signature_is_an_age() {
    let issuer = "https://token.actions.githubusercontent.com";
    let root = quoted(&read("trusted_root.json"));
    let keyless = format!(
        "keyless: {{identityPattern: 'https://github\\.com/acme/app/.*', issuer: {issuer}}}, trustedRoot: {root}"
    );
    let mut bot = Bot::start(&[]).await;
    let logged = bot.push_signed("1.2.0", "keyless-bundle");
    let waiting = bot.configuration(&format!("minimumAge: 72h, verify: {{{keyless}}}, {VERSIONS}"));
    assert_eq!(bot.chooses(&waiting).await, (format!("app:1.2.0@{logged}"), None), "seen now, and signed in January");
    // What has no signature waits for its age, and is looked at for one once.
    let unsigned = bot.push_recorded("1.3.0", "key-p256-simple");
    let chosen = bot.chooses(&waiting).await;
    assert_eq!(chosen.0, format!("app:1.2.0@{logged}"));
    assert!(chosen.1.unwrap().contains("has not been known for 72h yet"));
    bot.registry.take_lines();
    bot.chooses(&waiting).await;
    let asked = bot.registry.take_lines().into_iter().filter(|line| line.contains("referrers")).count();
    assert_eq!(asked, 0, "of an image that waits");
    bot.later(72);
    let expect = (format!("app:1.2.0@{logged}"), better("1.3.0", &unsigned, "it has no signature"));
    assert_eq!(bot.chooses(&waiting).await, expect);

    // A key alone has no time.
    let bot = Bot::start(&[]).await;
    bot.push_signed("1.2.0", "key-p256-bundle");
    let by_key = bot.configuration(&format!("minimumAge: 72h, verify: {{{}}}, {VERSIONS}", key("p256")));
    assert!(bot.chooses(&by_key).await.0.starts_with("nothing: "));

    let bot = Bot::start(&[]).await;
    bot.push_signed("main-a", "keyless-bundle");
    let newest =
        bot.configuration(&format!("verify: {{{keyless}}}, filterTags: {{pattern: ^main-}}, policy: {{newest: {{}}}}"));
    let report = bot.run(&newest).await.0;
    let expect = "it was signed at 2026-01-15T12:01:00Z, as the log or the timestamp of its signature says";
    assert_eq!(report.policies[0].dated.as_deref(), Some(expect));
}
