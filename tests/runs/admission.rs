//! What a policy requires of the image behind a tag, in whole runs: which candidate is asked, admitted, written and kept.

use std::sync::Arc;

use serde_json::json;
use tagwright::run::{Lack, Memory, Report};
use tagwright_core::automation::Automation;

use crate::simulated::Fault;
use crate::simulated::artifacts::{OCI_INDEX, OCI_MANIFEST};
use crate::world::Bot;

/// The name of the repository in the simulated registry.
pub(crate) const APP: &str = "team/app";

/// A policy for one tag that moves.
const MAIN: &str = "filterTags: {pattern: ^main$}, policy: {alphabetical: {}}, digestReflectionPolicy: Always";

/// A policy for versions.
const VERSIONS: &str = "policy: {semver: {range: 1.x}}, digestReflectionPolicy: Always";

impl Bot {
    /// Somebody pushes a tag; the digest. The image is told by its number.
    pub(crate) fn push(&self, tag: &str, number: u32) -> String {
        let config =
            json!({"os": "linux", "architecture": "amd64", "config": {"Labels": {"number": number.to_string()}}});
        let mut digest = String::new();
        self.registry.change(|world| digest = world.push(APP, tag, &config));
        digest
    }

    /// What the policy selects now, `tag@digest`, and the code of what is passed over.
    pub(crate) async fn selects(&self, automations: &[Arc<Automation>]) -> (String, Option<&'static str>) {
        let report = self.once(automations).await;
        (selected(&report), report.policies[0].hold.as_ref().map(|hold| hold.code()))
    }

    /// How often the registry was asked for manifests since the last time.
    pub(crate) fn manifests(&self) -> usize {
        self.registry.take_lines().iter().filter(|line| line.contains("/manifests/")).count()
    }
}

pub(crate) fn selected(report: &Report) -> String {
    match &report.policies[0].selection {
        Ok(reference) => {
            let digest = reference.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
            format!("{}{digest}", reference.tag.as_ref().unwrap())
        }
        Err(lack) => format!("nothing: {lack}"),
    }
}

pub(crate) fn at(tag: &str, digest: &str) -> String {
    format!("{tag}@{digest}")
}

#[tokio::test]
async fn a_tag_that_is_pushed_again_does_not_restart_the_wait_of_what_was_before() {
    let mut bot = Bot::start(&["main"]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {MAIN}"));
    let first = bot.push("main", 1);
    let report = bot.once(&automations).await;
    assert!(matches!(report.policies[0].selection, Err(Lack::Waiting(_))), "{report:?}");
    // Every day something else is pushed: no digest is ever the tag's for three days.
    let mut digests = vec![first];
    for day in 1..=10_u32 {
        bot.later(24);
        digests.push(bot.push("main", day + 1));
        // Nothing of it is lost with the process.
        bot.memory = Memory::default();
        let (selection, code) = bot.selects(&automations).await;
        assert_eq!(code, Some("too-young"));
        match usize::try_from(day).unwrap().checked_sub(3) {
            Some(old) => assert_eq!(selection, at("main", &digests[old]), "day {day}"),
            None => assert!(selection.starts_with("nothing: "), "day {day}: {selection}"),
        }
    }
    let file = bot.remote.show("main:app.yaml");
    assert!(file.contains(&at(":main", &digests[7])), "{file}");
    // What comes back is as old as it was.
    bot.push("main", 9);
    let (selection, code) = bot.selects(&automations).await;
    assert_eq!((selection.as_str(), code), (at("main", &digests[7]).as_str(), Some("too-young")));
    bot.push("main", 8);
    assert_eq!(bot.selects(&automations).await, (at("main", &digests[7]), None));
}

#[tokio::test]
async fn a_digest_that_is_excluded_is_passed_over_for_what_was_before() {
    let bot = Bot::start(&["1.0.0"]).await;
    let automations = bot.configuration(VERSIONS);
    let (old, good) = (bot.push("1.0.0", 1), bot.push("1.1.0", 2));
    assert_eq!(bot.selects(&automations).await, (at("1.1.0", &good), None));
    let bad = bot.push("1.1.0", 3);
    assert_eq!(bot.selects(&automations).await, (at("1.1.0", &bad), None));
    let denying = bot.configuration(&format!("excludeDigests: ['{bad}'], {VERSIONS}"));
    let report = bot.once(&denying).await;
    assert_eq!(selected(&report), at("1.1.0", &good), "the tag had that before");
    let short = &bad[..19];
    let hold = report.policies[0].hold.as_ref().unwrap();
    assert_eq!(hold.to_string(), format!("1.1.0 points to {short} now, which is named by `excludeDigests`"));
    assert_eq!(hold.code(), "denied-digest");
    let file = bot.remote.show("main:app.yaml");
    assert!(file.contains(&at(":1.1.0", &good)), "{file}");
    let both = bot.configuration(&format!("excludeDigests: ['{bad}', '{good}'], {VERSIONS}"));
    assert_eq!(bot.selects(&both).await, (at("1.0.0", &old), Some("denied-digest")));
    // Without digests in the field, only what a tag has now can be selected.
    let tags = bot.configuration(&format!("excludeDigests: ['{bad}'], policy: {{semver: {{range: 1.x}}}}"));
    assert_eq!(bot.selects(&tags).await, ("1.0.0".to_owned(), Some("denied-digest")));
}

/// Ten releases a day with three days to wait: nothing starves, and what waits is asked for once.
#[tokio::test]
async fn new_tags_are_asked_for_as_they_come_and_then_left_alone() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {VERSIONS}"));
    let mut pushed = Vec::new();
    for day in 0..12_u32 {
        for number in 0..10 {
            let digest = bot.push(&format!("1.{day}.{number}"), day * 10 + number);
            pushed.push(at(&format!("1.{day}.{number}"), &digest));
        }
        bot.manifests();
        let (selection, _) = bot.selects(&automations).await;
        let asked = bot.manifests();
        // The ten new ones, the best eight among them, and the one that is selected with as many as its like.
        assert!((10..=20).contains(&asked), "day {day}: {asked} were asked for");
        match usize::try_from(day).unwrap().checked_sub(3) {
            Some(old) => assert_eq!(selection, pushed[old * 10 + 9], "day {day}"),
            None => assert!(selection.starts_with("nothing: none of "), "{selection}"),
        }
        bot.later(24);
    }
}

#[tokio::test]
async fn a_registry_that_does_not_answer_makes_nothing_worse_selected() {
    let mut bot = Bot::start(&[]).await;
    let (_, new) = (bot.push("1.0.0", 1), bot.push("1.1.0", 2));
    let denied = bot.push("1.2.0", 3);
    let automations = bot.configuration(&format!("excludeDigests: ['{denied}'], {VERSIONS}"));
    bot.registry.change(|world| {
        world.broken.insert("manifests/1.1.0".to_owned(), Fault::status(403));
    });
    let report = bot.once(&automations).await;
    assert!(matches!(report.policies[0].selection, Err(Lack::NoAnswer(_))), "{report:?}");
    assert_eq!(report.failures.len(), 1);
    // A tag without an image is no failure: it cannot be pulled.
    bot.registry.change(|world| {
        world.broken.clear();
        world.broken.insert("manifests/1.2.0".to_owned(), Fault::error(404, "MANIFEST_UNKNOWN", "manifest unknown"));
    });
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), at("1.1.0", &new));
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let hold = report.policies[0].hold.as_ref().unwrap().to_string();
    assert_eq!(hold, "1.2.0 is better, but it is listed by the registry, which has no image behind it");
    bot.later(1);
}

/// Hundreds of images that are excluded are not asked for without end.
#[tokio::test]
async fn a_walk_ends() {
    let bot = Bot::start(&[]).await;
    let digests: Vec<String> = (0..100).map(|number| bot.push(&format!("1.{number}.0"), number)).collect();
    let denied = digests[1..].iter().map(|digest| format!("'{digest}'")).collect::<Vec<_>>().join(", ");
    let automations = bot.configuration(&format!("excludeDigests: [{denied}], {VERSIONS}"));
    bot.manifests();
    let (selection, _) = bot.selects(&automations).await;
    assert_eq!(bot.manifests(), 32);
    assert!(
        selection.starts_with("nothing: none of 100 tags can be selected: 32 are passed over, such as 1.99.0 ("),
        "{selection}"
    );
    assert!(selection.contains("1.67.0 is asked for at one of the next polls"), "{selection}");
}

/// A clock that was a year ahead does not make a digest wait for a year; one that goes back makes none older.
#[tokio::test]
async fn clocks_that_were_wrong_are_survived() {
    let mut bot = Bot::start(&["main"]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {MAIN}"));
    let right = bot.now;
    bot.later(24 * 365);
    let first = bot.push("main", 1);
    bot.once(&automations).await;
    bot.now = right;
    assert!(bot.selects(&automations).await.0.starts_with("nothing: "));
    bot.later(71);
    assert!(bot.selects(&automations).await.0.starts_with("nothing: "));
    bot.later(1);
    assert_eq!(bot.selects(&automations).await.0, at("main", &first));
}

/// An index for several platforms, as builders write it, with an attestation in it.
pub(crate) fn index(bot: &Bot, tag: &str, number: u32, platforms: &[(&str, &str)]) -> String {
    let mut digest = String::new();
    bot.registry.change(|world| {
        let mut entries = Vec::new();
        for (os, architecture) in platforms {
            let config = json!({"os": os, "architecture": architecture, "number": number});
            let image = world.artifacts.put_image(APP, None, &config);
            entries.push(json!({"mediaType": OCI_MANIFEST, "digest": image, "size": 1,
                "platform": {"os": os, "architecture": architecture}}));
        }
        let attestation = world.artifacts.put_image(APP, None, &json!({"os": "unknown", "architecture": "unknown"}));
        entries.push(json!({"mediaType": OCI_MANIFEST, "digest": attestation, "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"}}));
        let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
        digest = world.artifacts.put(APP, Some(tag), OCI_INDEX, body);
        world.repositories.entry(APP.to_owned()).or_default().push(tag.to_owned());
    });
    digest
}

#[tokio::test]
async fn an_image_must_be_for_the_platforms_that_are_named() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(&format!("platforms: [linux/amd64, linux/arm64], {VERSIONS}"));
    let both = index(&bot, "1.0.0", 1, &[("linux", "amd64"), ("linux", "arm64")]);
    let one = index(&bot, "1.1.0", 2, &[("linux", "amd64")]);
    let (selection, code) = bot.selects(&automations).await;
    assert_eq!((selection, code), (at("1.0.0", &both), Some("lacks-platform")));
    // What a digest stands for never changes, so that nothing but the digests of tags is asked for again.
    bot.manifests();
    bot.memory = Memory::default();
    let report = bot.once(&automations).await;
    assert_eq!(bot.manifests(), 2);
    let hold = report.policies[0].hold.as_ref().unwrap().to_string();
    assert_eq!(hold, format!("1.1.0 is better, but {} is not there for linux/arm64", &one[..19]));
    // One image says itself what it is for.
    let alone = bot.configuration(&format!("platforms: [linux/amd64], {VERSIONS}"));
    let image = bot.push("1.2.0", 3);
    assert_eq!(bot.selects(&alone).await, (at("1.2.0", &image), None));
    let arm = bot.configuration(&format!("platforms: [linux/arm64], {VERSIONS}"));
    assert_eq!(bot.selects(&arm).await, (at("1.0.0", &both), Some("lacks-platform")));
    let none = bot.configuration(&format!("platforms: [windows/amd64], {VERSIONS}"));
    let (selection, _) = bot.selects(&none).await;
    assert!(selection.contains("3 are passed over, such as 1.2.0 ("), "{selection}");
    assert!(selection.ends_with("which is not there for windows/amd64"), "{selection}");
    bot.later(1);
}

#[tokio::test]
async fn a_tag_counts_once_all_mirrors_have_it() {
    let bot = Bot::start(&[]).await;
    let mirror = format!("{}/mirror/app", bot.registry.host());
    let automations = bot.configuration(&format!("pullable: {{mirrors: ['{mirror}']}}, {VERSIONS}"));
    let old = index(&bot, "1.0.0", 1, &[("linux", "amd64")]);
    // No mirror, and so no image in it.
    let (selection, code) = bot.selects(&automations).await;
    assert!(selection.ends_with(&format!("cannot be pulled from {mirror} yet")), "{selection}");
    assert_eq!(code, Some("not-pullable"));
    let copy = |digest: &str, parts: bool| {
        bot.registry.change(|world| {
            world.repositories.entry("mirror/app".to_owned()).or_default();
            let (kind, body) = world.artifacts.manifest(APP, digest).unwrap();
            let index: serde_json::Value = serde_json::from_slice(&body).unwrap();
            for part in index["manifests"].as_array().into_iter().flatten().filter(|_| parts) {
                let (kind, body) = world.artifacts.manifest(APP, part["digest"].as_str().unwrap()).unwrap();
                world.artifacts.put("mirror/app", None, &kind, body);
            }
            world.artifacts.put("mirror/app", None, &kind, body);
        });
    };
    // The index alone is not all of it.
    copy(&old, false);
    assert_eq!(bot.selects(&automations).await.1, Some("not-pullable"));
    copy(&old, true);
    assert_eq!(bot.selects(&automations).await, (at("1.0.0", &old), None));
    let new = index(&bot, "1.1.0", 2, &[("linux", "amd64")]);
    assert_eq!(bot.selects(&automations).await, (at("1.0.0", &old), Some("not-pullable")));
    copy(&new, true);
    assert_eq!(bot.selects(&automations).await, (at("1.1.0", &new), None));
    // That all of it was there is not asked for again.
    bot.manifests();
    bot.selects(&automations).await;
    assert_eq!(bot.manifests(), 1);
    // A mirror that does not answer makes nothing worse selected.
    let next = index(&bot, "1.2.0", 3, &[("linux", "amd64")]);
    bot.registry.change(|world| drop(world.broken.insert(format!("mirror/app/manifests/{next}"), Fault::status(403))));
    let report = bot.once(&automations).await;
    assert!(matches!(report.policies[0].selection, Err(Lack::NoAnswer(_))), "{report:?}");
}

/// What a tag had before may be gone by the time it is old enough.
#[tokio::test]
async fn an_image_that_the_registry_has_thrown_away_is_not_selected() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(&format!("minimumAge: 72h, {MAIN}"));
    let (first, second) = (bot.push("main", 1), {
        bot.once(&automations).await;
        bot.later(24);
        bot.push("main", 2)
    });
    bot.once(&automations).await;
    bot.later(24);
    bot.push("main", 3);
    bot.once(&automations).await;
    bot.later(48);
    assert_eq!(bot.selects(&automations).await.0, at("main", &second));
    bot.registry.change(|world| {
        drop(world.broken.insert(format!("manifests/{second}"), Fault::error(404, "MANIFEST_UNKNOWN", "")))
    });
    assert_eq!(bot.selects(&automations).await.0, at("main", &first));
    bot.registry.change(|world| {
        drop(world.broken.insert(format!("manifests/{first}"), Fault::error(404, "MANIFEST_UNKNOWN", "")))
    });
    assert!(bot.selects(&automations).await.0.starts_with("nothing: the only tag cannot be selected: main ("));
}

/// What is not as it should be makes nothing selected, and says so.
#[tokio::test]
async fn hostile_manifests_are_refused() {
    let deep = {
        let inner = json!({"mediaType": OCI_INDEX, "digest": format!("sha256:{}", "0".repeat(64)), "size": 1});
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": vec![inner; 40]}).to_string()
    };
    let cases: [(&str, String); 4] = [
        ("deep", deep),
        ("large", format!("{{\"schemaVersion\": 2, \"x\": \"{}\"}}", "a".repeat(5 << 20))),
        (
            "both",
            json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "config": {}, "layers": []})
                .to_string(),
        ),
        ("none", "[]".to_owned()),
    ];
    for (name, body) in cases {
        let bot = Bot::start(&[]).await;
        bot.push("1.0.0", 1);
        bot.registry.change(|world| {
            world.artifacts.put(APP, Some("1.1.0"), OCI_INDEX, body);
            world.repositories.get_mut(APP).unwrap().push("1.1.0".to_owned());
        });
        let automations = bot.configuration(&format!("platforms: [linux/amd64], {VERSIONS}"));
        let report = bot.once(&automations).await;
        assert!(matches!(report.policies[0].selection, Err(Lack::NoAnswer(_))), "{name}: {report:?}");
        assert_eq!(report.failures.len(), 1, "{name}");
        assert!(report.failures[0].chain().len() < 600, "{name}: {}", report.failures[0].chain());
    }
}

/// Two images that move only together, `app` and `worker`, each with a field.
fn pair(bot: &Bot, image: &str) -> Vec<Arc<Automation>> {
    let more = format!("  - {{name: worker, image: {}/team/worker, {image}}}\n", bot.registry.host());
    tagwright::config::parse("configuration.yaml", &(bot.text("[]", image) + &more)).unwrap().automations
}

fn fields(bot: &Bot, tag: &str) -> String {
    let (app, host) = (bot.image(), bot.registry.host());
    format!(
        "a: {app}:{tag} # {{\"$imagepolicy\": \"default:app\"}}\n\
         b: {host}/team/worker:{tag} # {{\"$imagepolicy\": \"default:worker\"}}\n"
    )
}

#[tokio::test]
async fn what_belongs_together_moves_together() {
    let bot = Bot::start(&["1.1.0"]).await;
    bot.registry.change(|world| drop(world.repositories.insert("team/worker".to_owned(), vec!["1.1.0".to_owned()])));
    let list = |name: &'static str, tags: &[&str]| {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        bot.registry.change(|world| drop(world.repositories.insert(name.to_owned(), tags)));
    };
    bot.somebody_writes(&fields(&bot, "1.1.0"), "Both");
    let automations = pair(&bot, "together: backend, policy: {semver: {range: 1.x}}");
    assert_eq!(bot.once(&automations).await.automations[0].outcome.as_str(), "unchanged");

    // One is there first.
    list(APP, &["1.1.0", "1.2.0"]);
    let report = &bot.once(&automations).await.automations[0];
    assert_eq!(report.outcome.as_str(), "held", "{report:?}");
    let hold = &report.holds[0];
    assert_eq!((hold.hold.code(), hold.policy()), ("together", "default:app"));
    let expect =
        "1.2.0 waits for default:worker, which cannot select it yet; the policies of 'backend' move only together";
    assert_eq!(hold.hold.to_string(), expect);
    assert_eq!(bot.remote.show("main:app.yaml"), fields(&bot, "1.1.0"));
    // Known by now, and told again.
    let report = &bot.once(&automations).await.automations[0];
    assert_eq!(report.holds.len(), 1, "{report:?}");

    // The other comes, and the first has gone on: what both have is written, and what one has alone waits.
    list("team/worker", &["1.1.0", "1.2.0"]);
    list(APP, &["1.1.0", "1.2.0", "1.3.0"]);
    let report = &bot.once(&automations).await.automations[0];
    assert_eq!(report.outcome.as_str(), "pushed", "{report:?}");
    assert_eq!(bot.remote.show("main:app.yaml"), fields(&bot, "1.2.0"));
    let report = &bot.once(&automations).await.automations[0];
    assert_eq!((report.outcome.as_str(), report.holds.len()), ("held", 1), "{report:?}");

    // One whose registry does not answer holds back the other.
    list("team/worker", &["1.1.0", "1.2.0", "1.3.0"]);
    bot.registry.change(|world| world.faults.push_back(("team/worker/tags/list".to_owned(), Fault::status(403))));
    let report = bot.once(&automations).await;
    assert_eq!(bot.remote.show("main:app.yaml"), fields(&bot, "1.2.0"));
    assert_eq!(report.automations[0].holds.len(), 1, "{report:?}");
    assert_eq!(bot.once(&automations).await.automations[0].outcome.as_str(), "pushed");
    assert_eq!(bot.remote.show("main:app.yaml"), fields(&bot, "1.3.0"));

    // Without a word about it, each goes its way.
    list(APP, &["1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
    let alone = pair(&bot, "policy: {semver: {range: 1.x}}");
    bot.once(&alone).await;
    let expect = fields(&bot, "1.3.0").replace("team/app:1.3.0", "team/app:1.4.0");
    assert_eq!(bot.remote.show("main:app.yaml"), expect);
}

#[tokio::test]
async fn what_belongs_together_is_admitted_together() {
    let bot = Bot::start(&[]).await;
    let denied = bot.push("1.2.0", 2);
    let mut digests = vec![bot.push("1.1.0", 1)];
    bot.registry.change(|world| {
        for number in [1, 2] {
            let config = json!({"os": "linux", "architecture": "amd64", "worker": number});
            digests.push(world.push("team/worker", &format!("1.{number}.0"), &config));
        }
    });
    bot.somebody_writes(&fields(&bot, "1.0.0"), "Both");
    let image = format!("together: backend, excludeDigests: ['{denied}'], {VERSIONS}");
    let automations = pair(&bot, &image);
    let report = &bot.once(&automations).await.automations[0];
    assert_eq!(report.outcome.as_str(), "pushed", "{report:?}");
    let file = bot.remote.show("main:app.yaml");
    assert!(file.contains(&format!("team/app:{} ", at("1.1.0", &digests[0]))), "{file}");
    assert!(file.contains(&format!("team/worker:{} ", at("1.1.0", &digests[1]))), "{file}");
    let waits: Vec<_> = report.holds.iter().map(|held| (held.policy(), held.hold.code())).collect();
    assert_eq!(waits, [("default:worker", "together")], "{report:?}");
}

/// Somebody cannot wait: what is there when it is said is selected, what comes later waits, and it is told by whose word.
#[tokio::test]
async fn what_cannot_wait_is_let_through_by_hand() {
    for image in [MAIN, "policy: {alphabetical: {}}"] {
        let mut bot = Bot::start(&[]).await;
        let automations = bot.configuration(&format!("minimumAge: 72h, {image}"));
        let first = bot.push("main", 1);
        assert!(bot.selects(&automations).await.0.starts_with("nothing: "), "{image}");
        bot.later(24);
        let ordered = bot.now;
        bot.edges.store.hurry("default:app", Some("fixes CVE-2026-1234"), ordered).unwrap();
        // Pushed just before, and not seen yet.
        bot.now += jiff::SignedDuration::from_mins(5);
        let second = bot.push("main", 2);
        let report = bot.once(&automations).await;
        let digests = image == MAIN;
        assert_eq!(selected(&report), if digests { at("main", &second) } else { "main".to_owned() });
        let hurried = report.policies[0].hurried.clone().unwrap();
        assert!(hurried.starts_with("known since 20"), "{hurried}");
        let by = format!("it need not become older, as ordered by hand at {ordered:.0} (fixes CVE-2026-1234)");
        assert!(hurried.ends_with(&by), "{hurried}");
        assert!(report.policies[0].hold.is_none());
        // What is pushed later waits, and nothing goes back.
        bot.later(1);
        bot.push("main", 3);
        let (selection, code) = bot.selects(&automations).await;
        assert_eq!(
            (selection, code),
            if digests { (at("main", &second), Some("too-young")) } else { ("main".to_owned(), None) }
        );
        // Old enough by itself, nobody's word is needed.
        bot.later(80);
        assert_eq!(bot.once(&automations).await.policies[0].hurried, None);
        assert_ne!(first, second);
    }
}

/// Google's lists say what each tag points to, and when that was pushed.
#[tokio::test]
async fn a_time_of_the_list_is_about_the_image_that_the_list_names() {
    for is_moved in [false, true] {
        let bot = Bot::start(&["1.2.0"]).await;
        let pushed = bot.now.as_millisecond() - 100 * 24 * 3_600_000;
        bot.registry.change(|world| world.pushed.extend([(format!("{APP}:1.2.0"), pushed)]));
        if is_moved {
            bot.push("1.2.0", 1);
        }
        let (selection, code) = bot.selects(&bot.configuration(&format!("minimumAge: 72h, {VERSIONS}"))).await;
        match is_moved {
            false => assert!(selection.starts_with("1.2.0@sha256:") && code.is_none(), "{selection} {code:?}"),
            true => assert!(selection.starts_with("nothing: ") && code == Some("too-young"), "{selection} {code:?}"),
        }
    }
}

/// What is in use is what was admitted, and not what tags alone would select.
#[tokio::test]
async fn a_list_without_the_image_that_is_in_use_is_doubted() {
    let mut bot = Bot::start(&[]).await;
    let old = bot.push("1.0.0", 1);
    let automations = bot.configuration(&format!("minimumAge: 72h, {VERSIONS}"));
    bot.once(&automations).await;
    bot.later(72);
    bot.push("1.2.0", 2);
    assert_eq!(bot.selects(&automations).await, (at("1.0.0", &old), Some("too-young")));
    let polled = |report: &Report| {
        let mut polls = tagwright::observe::Polls::default();
        report.policies.iter().for_each(|policy| polls.take(policy));
        polls
    };
    let before = polled(&bot.once(&automations).await);
    bot.registry.change(|world| world.repositories.get_mut(APP).unwrap().retain(|tag| tag != "1.0.0"));
    let policies = &automations[0].policies;
    let poll = tagwright::observe::poll(bot.context(), &policies[0].repository, policies, &before).await;
    let hold = poll.policies[0].hold.as_ref().unwrap().to_string();
    assert!(hold.starts_with("the registry does not list 1.0.0 any more, which is in use"), "{hold}");
    // That something younger is gone is nobody's concern.
    let bot = Bot { memory: Memory::default(), ..bot };
    bot.registry.change(|world| *world.repositories.get_mut(APP).unwrap() = vec!["1.0.0".to_owned()]);
    bot.once(&automations).await;
    let poll = tagwright::observe::poll(bot.context(), &policies[0].repository, policies, &before).await;
    assert!(poll.policies[0].hold.is_none(), "{:?}", poll.policies[0].hold);
}
