//! `newest`, in whole runs: by which clock, bounded, and never backwards.

use serde_json::json;
use tagwright::run::{Lack, Memory};

use crate::admission::{at, selected};
use crate::simulated::Fault;
use crate::world::Bot;

const NEWEST: &str = "filterTags: {pattern: ^main-}, policy: {newest: {}}";

impl Bot {
    /// Somebody pushes an image that says when it was created.
    fn push_created(&self, tag: &str, created: &str) -> String {
        let config =
            json!({"os": "linux", "architecture": "amd64", "created": created, "config": {"Labels": {"tag": tag}}});
        let mut digest = String::new();
        self.registry.change(|world| digest = world.push("team/app", tag, &config));
        digest
    }

    fn delete(&self, tag: &str) {
        self.registry.change(|world| world.repositories.get_mut("team/app").unwrap().retain(|known| known != tag));
    }
}

#[tokio::test]
async fn what_was_there_goes_by_what_it_says_and_what_comes_by_when_it_came() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    bot.push_created("main-c3", "2026-01-01T00:00:00Z");
    bot.push_created("main-a1", "2026-01-03T00:00:00Z");
    bot.push_created("main-b2", "2026-01-02T00:00:00Z");
    bot.push_created("other", "2026-01-09T00:00:00Z");
    bot.commit("main-c3");
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), "main-a1");
    let dated = report.policies[0].dated.clone().unwrap();
    let expect = "it was created at 2026-01-03T00:00:00Z, as it says itself, and nothing else tells when it came";
    assert_eq!(dated, expect);
    assert_eq!(report.policies[0].remarks(), [expect]);
    assert!(bot.remote.show("main:app.yaml").contains(":main-a1 "), "written");
    // Nobody asks again what is known.
    bot.manifests();
    bot.memory = Memory::default();
    bot.once(&automations).await;
    let asked = bot.manifests();
    assert!(asked <= 3, "{asked} were asked for: the digests alone");
    // What comes is newer than all that was there, whatever it says.
    bot.later(1);
    bot.push_created("main-0", "1970-01-01T00:00:00Z");
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), "main-0");
    let dated = report.policies[0].dated.clone().unwrap();
    assert!(dated.starts_with("it came at ") && dated.ends_with(", when it was first seen"), "{dated}");
    // A claim of the future gets nobody ahead of what comes later.
    bot.later(1);
    bot.push_created("main-1", "2099-01-01T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, "main-1");
    bot.later(1);
    bot.push_created("main-2", "2026-01-01T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, "main-2");
}

#[tokio::test]
async fn a_claim_of_the_future_is_no_later_than_when_it_was_seen() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    bot.push_created("main-a", "2099-01-01T00:00:00Z");
    bot.push_created("main-b", "2026-01-01T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, "main-a");
    bot.later(1);
    bot.push_created("main-c", "2026-01-02T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, "main-c");
}

#[tokio::test]
async fn those_that_come_together_go_by_what_they_say() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    bot.push_created("main-a", "2026-01-01T00:00:00Z");
    bot.once(&automations).await;
    bot.later(1);
    bot.push_created("main-z", "2026-02-01T00:00:00Z");
    bot.push_created("main-b", "2026-02-02T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, "main-b");
}

#[tokio::test]
async fn a_tag_that_is_pushed_again_comes_again() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(&format!("{NEWEST}, pin: digest"));
    bot.push_created("main-a", "2026-01-01T00:00:00Z");
    let newest = bot.push_created("main-b", "2026-01-02T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, at("main-b", &newest));
    bot.later(1);
    let again = bot.push_created("main-a", "2025-01-01T00:00:00Z");
    assert_eq!(bot.selects(&automations).await.0, at("main-a", &again));
}

/// Hundreds of images are asked a few at a time, and nothing is selected before all are known.
#[tokio::test]
async fn many_are_asked_over_several_polls() {
    let bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    for day in 1..=27 {
        for hour in 0..3 {
            bot.push_created(&format!("main-{:02}{hour}", 30 - day), &format!("2026-01-{day:02}T{hour:02}:00:00Z"));
        }
    }
    for left in [49, 17] {
        bot.manifests();
        let report = bot.once(&automations).await;
        assert!(matches!(report.policies[0].selection, Err(Lack::Waiting(_))), "{report:?}");
        let sentence = selected(&report);
        assert!(
            sentence.contains(&format!("it is not known yet when {left} of 81 tags came; 32 are asked")),
            "{sentence}"
        );
        let asked = bot.manifests();
        assert!(asked <= 32 * 2 + 24, "{asked} requests");
    }
    assert_eq!(bot.selects(&automations).await.0, "main-032");
    // More than can be asked at all are said to be too many.
    bot.registry.change(|world| {
        let tags = (0..1_100).map(|number| format!("main-x{number}"));
        world.repositories.entry("team/app".to_owned()).or_default().extend(tags);
    });
    let fresh = Bot { memory: Memory::default(), edges: bot.edges, ..bot };
    let store = tagwright::store::Store::in_memory();
    let fresh = Bot { edges: tagwright::run::Edges { store, ..fresh.edges }, ..fresh };
    let report = fresh.once(&automations).await;
    assert!(matches!(report.policies[0].selection, Err(Lack::NoTag(_))), "{report:?}");
    let sentence = selected(&report);
    assert!(
        sentence.contains("of 1181 tags nothing tells when they came") && sentence.contains("`filterTags`"),
        "{sentence}"
    );
}

#[tokio::test]
async fn nothing_goes_backwards() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    bot.push_created("main-a", "2026-01-01T00:00:00Z");
    bot.push_created("main-b", "2026-01-02T00:00:00Z");
    bot.once(&automations).await;
    bot.later(1);
    bot.push_created("main-0", "2026-01-03T00:00:00Z");
    bot.once(&automations).await;
    assert!(bot.remote.show("main:app.yaml").contains(":main-0 "));
    // The registry throws it away; the list is believed when it says so twice.
    bot.delete("main-0");
    bot.once(&automations).await;
    bot.later(1);
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), "main-b");
    assert!(bot.remote.show("main:app.yaml").contains(":main-0 "), "it stays");
    assert_eq!(report.automations[0].holds[0].hold.code(), "downgrade");
    // Where going back is allowed, it goes.
    let back = bot.configuration(&format!("{NEWEST}, allowDowngrade: true"));
    bot.once(&back).await;
    assert!(bot.remote.show("main:app.yaml").contains(":main-b "));
}

#[tokio::test]
async fn who_does_not_answer_makes_nothing_older_selected_and_what_is_broken_comes_last() {
    let bot = Bot::start(&[]).await;
    let automations = bot.configuration(NEWEST);
    bot.push_created("main-a", "2026-01-01T00:00:00Z");
    bot.push_created("main-b", "2026-01-02T00:00:00Z");
    bot.registry.change(|world| {
        world.broken.insert("manifests/main-a".to_owned(), Fault::status(403));
        // It lists one that is no image of anything.
        let body = json!({"schemaVersion": 1, "tag": "main-z"}).to_string();
        world.artifacts.put("team/app", Some("main-z"), crate::simulated::artifacts::OCI_MANIFEST, body);
        world.repositories.get_mut("team/app").unwrap().push("main-z".to_owned());
    });
    let report = bot.once(&automations).await;
    assert!(matches!(report.policies[0].selection, Err(Lack::NoAnswer(_))), "{report:?}");
    bot.registry.change(|world| world.broken.clear());
    let report = bot.once(&automations).await;
    assert_eq!(selected(&report), "main-b");
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// Where the registry's list says when tags were pushed, no image is asked.
#[tokio::test]
async fn the_time_of_a_push_that_the_registry_tells_is_the_clock() {
    let bot = Bot::start(&["main-a", "main-b", "main-c"]).await;
    let day = |days: i64| bot.now.as_millisecond() - days * 24 * 3_600_000;
    let pushed =
        [("main-a", 2), ("main-b", 1), ("main-c", 3)].map(|(tag, days)| (format!("team/app:{tag}"), day(days)));
    bot.registry.change(|world| world.pushed.extend(pushed));
    bot.manifests();
    let report = bot.once(&bot.configuration(NEWEST)).await;
    assert_eq!(selected(&report), "main-b");
    let dated = report.policies[0].dated.clone().unwrap();
    assert!(dated.starts_with("it was pushed at ") && dated.ends_with(", as the registry says"), "{dated}");
    assert_eq!(bot.manifests(), 3, "their digests alone");
}

#[tokio::test]
async fn with_a_minimum_age_the_newest_that_is_old_enough() {
    let mut bot = Bot::start(&[]).await;
    let automations = bot.configuration(&format!("{NEWEST}, minimumAge: 72h"));
    bot.push_created("main-a", "2026-01-01T00:00:00Z");
    bot.once(&automations).await;
    bot.later(48);
    bot.push_created("main-0", "2026-01-01T00:00:00Z");
    assert!(bot.selects(&automations).await.0.starts_with("nothing: "));
    bot.later(24);
    assert_eq!(bot.selects(&automations).await.0, "main-a");
    bot.later(48);
    assert_eq!(bot.selects(&automations).await.0, "main-0");
}
