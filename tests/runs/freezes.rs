//! Freezes in whole runs: nothing is pushed, what waits is known, and exceptions are few.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagwright::config;
use tagwright::run::Memory;
use tagwright::store::Store;
use tagwright_core::automation::Automation;
use tagwright_core::freeze::{Calendar, Order, Period, Selector};

use crate::guards::check;
use crate::world::{Bot, STABLE};

const NOON: &str = "2026-11-20T12:00:00Z";

async fn start(tags: &[&str]) -> Bot {
    let mut bot = Bot::start(tags).await;
    bot.now = NOON.parse().unwrap();
    bot
}

impl Bot {
    fn freeze(&self, selector: &str, until: Option<Timestamp>) {
        let order = Order { since: self.now, until, reason: Some("the fair".into()) };
        let selector = Selector::parse(selector).unwrap();
        self.edges
            .store
            .change_freezes(self.now, |it| drop(it.frozen.insert(selector.clone(), order.clone())))
            .unwrap();
    }

    fn unfreeze(&self, selector: &str) {
        let selector = Selector::parse(selector).unwrap();
        self.edges.store.change_freezes(self.now, |it| drop(it.frozen.remove(&selector))).unwrap();
    }

    fn except(&self, selector: &str, hours: i64) {
        let until = Some(self.now + SignedDuration::from_hours(hours));
        let order = Order { since: self.now, until, reason: Some("CVE".into()) };
        let selector = Selector::parse(selector).unwrap();
        self.edges
            .store
            .change_freezes(self.now, |it| drop(it.exceptions.insert(selector.clone(), order.clone())))
            .unwrap();
    }

    /// The configuration with these lines below `spec`.
    fn with(&self, lines: &str) -> Vec<Arc<Automation>> {
        let text = self.text("[]", STABLE).replace("interval: 5m\n", &format!("interval: 5m\n  {lines}\n"));
        config::parse("configuration.yaml", &text).unwrap().automations
    }
}

#[tokio::test]
async fn while_something_is_frozen_it_is_polled_and_not_written() {
    for selector in ["*", "default/*", "default/shop", "default:app"] {
        let mut bot = start(&["1.1.0", "1.2.0"]).await;
        let automations = bot.configuration(STABLE);
        bot.freeze(selector, Some(bot.now + SignedDuration::from_hours(2)));
        let frozen = bot.once(&automations).await;
        check(&bot, &frozen, "held", "1.1.0", &["frozen"]);
        let lifts = if selector == "*" { String::new() } else { format!(" {selector}") };
        assert_eq!(
            frozen.automations[0].holds[0].hold.to_string(),
            format!(
                "frozen by hand since 2026-11-20T12:00:00Z until 2026-11-20T14:00:00Z (the fair); `tagwright \
                 unfreeze{lifts}` lifts it"
            )
        );
        // What is selected is known all the time, and written as soon as the freeze is over.
        bot.list(&["1.1.0", "1.2.0", "1.3.0"]);
        bot.later(1);
        check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
        bot.later(1);
        check(&bot, &bot.once(&automations).await, "pushed", "1.3.0", &[]);
        check(&bot, &bot.once(&automations).await, "unchanged", "1.3.0", &[]);
    }
}

#[tokio::test]
async fn what_nobody_has_frozen_is_written() {
    let bot = start(&["1.1.0", "1.2.0"]).await;
    for selector in ["other/*", "default/other", "default:other", "other:app"] {
        bot.freeze(selector, None);
    }
    check(&bot, &bot.once(&bot.configuration(STABLE)).await, "pushed", "1.2.0", &[]);
}

#[tokio::test]
async fn a_freeze_without_an_end_is_lifted_by_hand() {
    let mut bot = start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    for selector in ["*", "default:app"] {
        bot.freeze(selector, None);
    }
    bot.later(10_000);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    bot.unfreeze("*");
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    bot.unfreeze("default:app");
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

#[tokio::test]
async fn a_calendar_freezes_and_an_exception_writes_all_the_same() {
    let mut bot = start(&["1.1.0", "1.2.0"]).await;
    let automations =
        bot.with("freeze: [{from: 2026-11-20, to: 2026-11-21, reason: the fair, timeZone: Europe/Berlin}]");
    let frozen = bot.once(&automations).await;
    check(&bot, &frozen, "held", "1.1.0", &["frozen"]);
    assert_eq!(
        frozen.automations[0].holds[0].hold.to_string(),
        "frozen by the calendar until 2026-11-21T23:00:00Z (the fair); `tagwright unfreeze default/shop --break-glass \
         --reason TEXT` writes all the same"
    );
    bot.except("default/shop", 1);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
    bot.list(&["1.1.0", "1.2.0", "1.3.0"]);
    bot.later(1);
    check(&bot, &bot.once(&automations).await, "held", "1.2.0", &["frozen"]);
    // Midnight in Berlin, to the second.
    bot.now = "2026-11-21T22:59:59Z".parse().unwrap();
    check(&bot, &bot.once(&automations).await, "held", "1.2.0", &["frozen"]);
    bot.now = "2026-11-21T23:00:00Z".parse().unwrap();
    check(&bot, &bot.once(&automations).await, "pushed", "1.3.0", &[]);
}

#[tokio::test]
async fn an_exception_for_a_policy_writes_that_alone() {
    let bot = start(&["1.1.0", "1.2.0"]).await;
    let second = format!("  - {{name: other, image: {}, policy: {{semver: {{range: 1.x}}}}}}\n", bot.image());
    let text = bot.text("[]", STABLE) + &second;
    let automations = config::parse("configuration.yaml", &text).unwrap().automations;
    let both = |app: &str, other: &str| bot.file(app) + &bot.file(other).replace("default:app", "default:other");
    bot.somebody_writes(&both("1.1.0", "1.1.0"), "both");
    bot.freeze("*", None);
    bot.except("default:other", 1);
    let report = bot.once(&automations).await;
    assert_eq!(report.automations[0].outcome.as_str(), "pushed", "{report:?}");
    assert_eq!(bot.remote.show("main:app.yaml"), both("1.1.0", "1.2.0"));
    assert_eq!(report.automations[0].holds.len(), 1);
}

#[tokio::test]
async fn a_run_that_breaks_the_glass_writes_everything() {
    let bot = start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    bot.freeze("*", None);
    bot.freeze("default:app", None);
    bot.memory.break_glass(Order { since: bot.now, until: None, reason: Some("CVE".into()) });
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}

/// The run begins before the freeze and would push within it.
#[tokio::test]
async fn a_freeze_that_begins_during_a_run_stops_its_push() {
    let bot = start(&["1.1.0", "1.2.0"]).await;
    let automations = bot.configuration(STABLE);
    let from = bot.now + SignedDuration::from_nanos(1);
    let period = Period { from, to: from + SignedDuration::from_hours(1), reason: None };
    bot.memory.take_calendar(Calendar::new(vec![period]));
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
}

#[tokio::test]
async fn the_next_process_goes_on_to_be_frozen() {
    let mut bot = start(&["1.1.0", "1.2.0"]).await;
    let folder = tempfile::tempdir().unwrap();
    let open = || match Store::open(folder.path()) {
        tagwright::store::Opened::Ready { store, notice: None } => store,
        other => panic!("{other:?}"),
    };
    bot.edges.store = open();
    let automations = bot.configuration(STABLE);
    bot.freeze("*", Some(bot.now + SignedDuration::from_hours(2)));
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    bot.edges.store = Store::in_memory();
    (bot.edges.store, bot.memory) = (open(), Memory::default());
    check(&bot, &bot.once(&automations).await, "held", "1.1.0", &["frozen"]);
    bot.later(2);
    check(&bot, &bot.once(&automations).await, "pushed", "1.2.0", &[]);
}
