//! Generated histories: bots with any policies, registries that lie, people who write, take back and release, in any order.
//! Whatever happens, a bot's commit goes forward in the order of its policy, writes nothing that a person took back, and what
//! a bot does when it is asked again is nothing.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tagwright::pass;
use tagwright::run::{Context, Edges, Memory, Mode};
use tagwright_core::automation::{Automation, ImagePolicy};

use crate::support::{self, git_at};
use crate::world::Bot;

const TAGS: [&str; 8] = ["1.0.0", "1.1.0", "v1.1.0", "1.1.0-rc.1", "1.2.0", "2.0.0", "2.1.0", "9999999999"];

const POLICIES: [&str; 7] = [
    "policy: {semver: {range: 1.x}}",
    "policy: {semver: {range: '>=1'}}",
    "policy: {semver: {range: '>=1.0.0-0'}}",
    "policy: {semver: {range: 2.x}}",
    "policy: {semver: {range: '>=1'}}, exclude: [2.1.0]",
    "policy: {alphabetical: {order: asc}}",
    "policy: {alphabetical: {order: desc}}",
];

#[derive(Debug, Clone)]
enum Event {
    /// The registry lists these, by bits.
    Lists(u8),
    /// One of the bots runs, twice.
    Runs(usize),
    /// A person writes a tag, in a commit that says that it is so many hours from now.
    Writes(usize, i64),
    /// Somebody releases what was taken back, on one of the bots.
    Releases(usize),
    /// A bot forgets everything but its store.
    Restarts(usize),
    /// Hours pass.
    Waits(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => any::<u8>().prop_map(Event::Lists),
        6 => (0..2_usize).prop_map(Event::Runs),
        3 => (0..TAGS.len(), prop_oneof![Just(0), Just(-100_000), Just(100_000)])
            .prop_map(|(tag, off)| Event::Writes(tag, off)),
        1 => (0..2_usize).prop_map(Event::Releases),
        1 => (0..2_usize).prop_map(Event::Restarts),
        1 => (1..30_i64).prop_map(Event::Waits),
    ]
}

/// One of two bots on the remote.
struct One {
    edges: Edges,
    memory: Memory,
    automations: Vec<Arc<Automation>>,
    _data: tempfile::TempDir,
    /// The tags that a person took away after a bot had written them, and that nobody released on this bot.
    taken: Vec<&'static str>,
}

impl One {
    fn new(bot: &Bot, policy: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let edges = crate::world::edges(data.path());
        let automations = bot.configuration(policy);
        Self { edges, memory: Memory::default(), automations, _data: data, taken: Vec::new() }
    }

    fn policy(&self) -> &ImagePolicy {
        &self.automations[0].policies[0]
    }

    async fn run(&self, now: Timestamp) {
        let context =
            Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now, summarise: false, gate: None };
        pass::once(context, &self.automations).await;
    }
}

/// The tag on the branch.
fn tag(bot: &Bot) -> &'static str {
    let file = bot.remote.show("main:app.yaml");
    TAGS.into_iter().find(|tag| file == bot.file(tag)).unwrap_or_else(|| panic!("{file}"))
}

/// Runs a bot; returns whether it wrote something, which has to go forward.
async fn step(bot: &Bot, one: &One) -> Result<bool, TestCaseError> {
    let before = tag(bot);
    one.run(bot.now).await;
    let after = tag(bot);
    if after != before {
        let policy = one.policy();
        prop_assert!(policy.could_select(after), "{before} -> {after}");
        if policy.could_select(before) {
            prop_assert_eq!(policy.policy.compare(after, before), Some(Ordering::Greater), "{} -> {}", before, after);
        }
        prop_assert!(!one.taken.contains(&after), "{before} -> {after}, which was taken back");
    }
    Ok(after != before)
}

async fn check(policies: (usize, usize), events: &[Event]) -> Result<(), TestCaseError> {
    let mut bot = Bot::start(&[TAGS[0], TAGS[1]]).await;
    let mut bots = [One::new(&bot, POLICIES[policies.0]), One::new(&bot, POLICIES[policies.1])];
    let mut written_by_bot = false;
    for event in events {
        match event {
            Event::Lists(bits) => {
                let listed = TAGS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
                let listed: Vec<String> = listed.map(|(_, tag)| (*tag).to_owned()).collect();
                bot.registry.change(|world| *world.repositories.get_mut("team/app").unwrap() = listed);
            }
            Event::Runs(which) => {
                // A list that is doubted is believed when it is seen again.
                written_by_bot |= step(&bot, &bots[*which]).await? | step(&bot, &bots[*which]).await?;
                prop_assert!(!step(&bot, &bots[*which]).await?, "asked again, it does more");
            }
            Event::Writes(new, hours) => {
                let (before, new) = (tag(&bot), TAGS[*new]);
                if before == new {
                    continue;
                }
                let work = tempfile::tempdir().unwrap();
                let bare = bot.remote.bare();
                support::git(work.path(), &["clone", "-q", "--branch", "main", bare.to_str().unwrap(), "."]);
                std::fs::write(work.path().join("app.yaml"), bot.file(new)).unwrap();
                let date = bot.now.as_second() + hours * 3600;
                git_at(work.path(), date, &["commit", "-q", "-a", "-F", "-"], b"By hand\n");
                support::git(work.path(), &["push", "-q", "origin", "HEAD:main"]);
                for one in &mut bots {
                    one.taken.retain(|taken| *taken != new);
                    if written_by_bot {
                        one.taken.push(before);
                    }
                }
                written_by_bot = false;
            }
            Event::Releases(which) => {
                let one = &mut bots[*which];
                one.edges.store.release("default:app", bot.now).unwrap();
                one.taken.clear();
                // It is obeyed before anybody does anything else.
                bot.now += SignedDuration::from_mins(1);
                written_by_bot |= step(&bot, one).await?;
            }
            Event::Restarts(which) => bots[*which].memory = Memory::default(),
            Event::Waits(hours) => bot.later(*hours),
        }
        bot.now += SignedDuration::from_mins(1);
    }
    Ok(())
}

#[test]
fn nothing_goes_backwards_or_sideways_and_what_was_taken_back_stays() {
    // The same histories every time, unless somebody asks for others: `PROPTEST_CASES=1000`.
    let has_cases = std::env::var_os("PROPTEST_CASES").is_some();
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = match has_cases {
        true => TestRunner::new(config),
        false => {
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            TestRunner::new_with_rng(Config { cases: 16, ..config }, rng)
        }
    };
    let strategy = ((0..POLICIES.len(), 0..POLICIES.len()), prop::collection::vec(event(), 4..24));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let result = runner.run(&strategy, |(policies, events)| runtime.block_on(check(policies, &events)));
    result.unwrap_or_else(|error| panic!("{error}"));
}
