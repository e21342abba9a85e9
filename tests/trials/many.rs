//! Several bots with data folders of their own on one branch: they converge and never undo each other's work.
//!
//! Their interval is long, and they look when they are told to, all at once. What counts is how often they had to look,
//! however long that took.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::bot::{Bot, Chance, SOMEBODY, Shape, World, eventually};

/// How many tags are released in one trial.
const RELEASES: usize = 100;

/// How many of them before the bots look.
const TOGETHER: usize = 5;

/// How often bots may look until the branch has a release, or something newer.
const MOST_POLLS: usize = 2;

/// How long a look may take.
const LOOKS_WITHIN: Duration = Duration::from_secs(180);

/// Nothing is done by itself.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn two_bots() {
    share_a_branch(2);
}

#[test]
fn five_bots() {
    share_a_branch(5);
}

fn share_a_branch(count: usize) {
    let world = World::start(Shape::new(10, 2, INTERVAL));
    let mut chance = Chance::new(count as u64);
    let names: Vec<String> = (0..count).map(|n| format!("bot-{n}")).collect();
    let mut bots: Vec<(&str, Bot)> = names.iter().map(|name| (name.as_str(), world.named_bot(name))).collect();
    bots.iter().for_each(|(name, _)| done_since(&world, name, Timestamp::UNIX_EPOCH));
    let mut polls_until_committed: BTreeMap<usize, usize> = BTreeMap::new();
    for round in 0..RELEASES / TOGETHER {
        for _ in 0..TOGETHER {
            world.release(chance.below(world.shape.images));
        }
        let mut polls = 0;
        while !world.is_current() {
            polls += 1;
            assert!(
                polls <= MOST_POLLS,
                "round {round}: the branch is not current after {MOST_POLLS} polls of each bot"
            );
            look(&world, &mut bots, round);
        }
        *polls_until_committed.entry(polls).or_default() += TOGETHER;
    }
    for (_, bot) in &mut bots {
        assert!(bot.stop().success());
    }
    world.remote.fsck();
    let history = world.history();
    assert_eq!(history.faults(), Vec::<String>::new());
    let somebodys = history.commits.iter().filter(|commit| commit.author == SOMEBODY).count();
    assert!(somebodys > RELEASES / TOGETHER, "what somebody pushed stays");
    let commits = history.updates();
    eprintln!(
        "{count} bots, {RELEASES} releases, {commits} commits, by polls until committed: {polls_until_committed:?}"
    );
}

/// Lets all bots look at once, while somebody pushes too, and waits until each has done what there was to do.
fn look(world: &World, bots: &mut [(&str, Bot)], round: usize) {
    let begin = Timestamp::now();
    std::thread::scope(|scope| {
        bots.iter().for_each(|(_, bot)| bot.signal("USR1"));
        scope.spawn(|| world.somebody("README", &format!("note {round} at {begin}")));
    });
    for (name, bot) in bots {
        bot.is_alive();
        done_since(world, name, begin);
    }
}

/// Waits until a bot has polled and run everything since a moment, and nothing is under way.
fn done_since(world: &World, name: &str, begin: Timestamp) {
    let since = |row: &Value, when: &str| {
        row[when].as_str().and_then(|time| time.parse::<Timestamp>().ok()).is_some_and(|time| time > begin)
    };
    eventually(&format!("{name} has looked"), LOOKS_WITHIN, || {
        let Some(status) = world.status(name) else { return false };
        let all = |rows: &str, when: &str| {
            status[rows].as_array().is_some_and(|rows| rows.iter().all(|row| since(row, when)))
        };
        all("policies", "lastPoll") && all("automations", "lastRun") && status["work"] == serde_json::json!([])
    });
}
