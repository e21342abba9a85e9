//! Two bots with different policies on one field, each with its own memory, mirror and store.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagwright::pass;
use tagwright::run::{Context, Edges, Memory, Mode, Report};
use tagwright::store::Store;
use tagwright_core::automation::Automation;

use crate::support;
use crate::world::{Bot, STABLE};

/// Another bot on the remote and the registry of one.
struct Rival {
    edges: Edges,
    memory: Memory,
    _data: tempfile::TempDir,
}

impl Rival {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let edges = crate::world::edges(data.path());
        Self { edges, memory: Memory::default(), _data: data }
    }

    async fn once(&self, now: Timestamp, automations: &[Arc<Automation>]) -> Report {
        pass::once(
            Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now, summarise: false, gate: None },
            automations,
        )
        .await
    }
}

/// The commits on the branch, and the tag that it has.
fn state(bot: &Bot) -> (usize, String) {
    let count = support::git(&bot.remote.bare(), &["rev-list", "--count", "main"]);
    let file = bot.remote.show("main:app.yaml");
    let tag = file.split(" #").next().unwrap().rsplit(':').next().unwrap().to_owned();
    (count.trim().parse().unwrap(), tag)
}

/// Lets the bots run in turn, a round every ten minutes, and returns how many commits they made.
async fn duel(bot: &mut Bot, rival: &Rival, theirs: &str, others: &str, rounds: usize) -> usize {
    let (ours, others) = (bot.configuration(theirs), bot.configuration(others));
    let (before, _) = state(bot);
    for _ in 0..rounds {
        bot.run(&ours).await;
        rival.once(bot.now, &others).await;
        bot.now += SignedDuration::from_mins(10);
    }
    state(bot).0 - before
}

#[tokio::test]
async fn bots_with_different_policies_do_not_go_to_and_fro() {
    let differing = [
        (STABLE, "policy: {semver: {range: 2.x}}"),
        ("policy: {alphabetical: {order: asc}}", "policy: {alphabetical: {order: desc}}"),
        (STABLE, "policy: {alphabetical: {order: asc}}"),
        ("policy: {semver: {range: '>=1'}}", "policy: {semver: {range: '>=1'}}, exclude: [2.0.0]"),
    ];
    for (theirs, others) in differing {
        let mut bot = Bot::start(&["1.1.0", "1.5.0", "2.0.0"]).await;
        let rival = Rival::new();
        let commits = duel(&mut bot, &rival, theirs, others, 40).await;
        assert!((1..=4).contains(&commits), "{theirs} and {others}: {commits} commits in seven hours");
        let (count, _) = state(&bot);
        duel(&mut bot, &rival, theirs, others, 3).await;
        assert_eq!(state(&bot).0, count, "{theirs} and {others}: it is over");
    }
}

#[tokio::test]
async fn bots_with_the_same_policy_converge_and_hold_nothing() {
    let mut bot = Bot::start(&["1.1.0", "1.5.0", "2.0.0"]).await;
    let rival = Rival::new();
    assert_eq!(duel(&mut bot, &rival, STABLE, STABLE, 3).await, 1);
    bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("1.6.0".to_owned()));
    assert_eq!(duel(&mut bot, &rival, STABLE, STABLE, 3).await, 1);
    let report = rival.once(bot.now, &bot.configuration(STABLE)).await;
    assert_eq!(report.automations[0].outcome.as_str(), "unchanged");
}

#[tokio::test]
async fn the_bot_that_waits_says_who_moved_the_field_and_what_ends_that() {
    let mut bot = Bot::start(&["1.1.0", "1.5.0", "2.0.0"]).await;
    let rival = Rival::new();
    let stable = bot.configuration(STABLE);
    duel(&mut bot, &rival, STABLE, "policy: {semver: {range: 2.x}}", 1).await;
    let held = bot.run(&stable).await.0;
    let hold = &held.automations[0].holds[0].hold;
    assert_eq!(hold.code(), "contested");
    let sentence = hold.to_string();
    let begins = format!("a bot with another policy moved it from {0}:1.5.0 to {0}:2.0.0 in commit ", bot.image());
    assert!(sentence.starts_with(&begins), "{sentence}");
    assert!(sentence.contains("`tagwright release default:app` is called"), "{sentence}");
    // It costs no more than looking, and a person can end it.
    bot.edges.store.release("default:app", bot.now).unwrap();
    assert_eq!(bot.run(&stable).await.0.automations[0].outcome.as_str(), "pushed");
    assert_eq!(state(&bot).1, "1.5.0");
}

/// Who excludes a bad release wants it gone at once: the bot knows its own commit, or does not know whose it is.
#[tokio::test]
async fn a_policy_that_was_changed_is_no_rival() {
    for forgets in [false, true] {
        let mut bot = Bot::start(&["1.1.0", "1.5.0"]).await;
        let open = bot.configuration("policy: {semver: {range: '>=1'}}");
        bot.run(&open).await;
        bot.now += SignedDuration::from_mins(5);
        bot.registry.change(|world| world.repositories.get_mut("team/app").unwrap().push("2.0.0".to_owned()));
        bot.run(&open).await;
        assert_eq!(state(&bot).1, "2.0.0");
        bot.now += SignedDuration::from_mins(1);
        if forgets {
            bot.edges.store = Store::in_memory();
            bot.memory = Memory::default();
        }
        let excluded = bot.configuration("policy: {semver: {range: '>=1'}}, exclude: [2.0.0]");
        let report = bot.run(&excluded).await.0;
        assert_eq!(report.automations[0].outcome.as_str(), "pushed", "{forgets}: {report:?}");
        assert_eq!(state(&bot).1, "1.5.0");
    }
}
