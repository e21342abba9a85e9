//! Several bots with data folders of their own on one branch: they converge and never undo each other's work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::bot::{Bot, Chance, History, SOMEBODY, Shape, World, eventually};

/// How many tags are released in one trial.
const RELEASES: usize = 100;

/// The most polls of one bot between a release and its commit, the one that saw it included.
const MOST_POLLS: usize = 2;

/// How long the bots may take for what is still missing at the end.
const CURRENT_WITHIN: Duration = Duration::from_secs(120);

/// What a shape of the world is polled with. Long beside what a run takes, so that polls count runs, not the machine's load.
const INTERVAL: Duration = Duration::from_secs(3);

/// The longest time between two releases.
const LONGEST_PAUSE: usize = 600_000;

#[test]
fn two_bots() {
    share_a_branch(2);
}

#[test]
fn five_bots() {
    share_a_branch(5);
}

struct Release {
    at: Instant,
    image: usize,
    patch: usize,
}

fn share_a_branch(count: usize) {
    let world = World::start(Shape::new(10, 2, INTERVAL));
    let mut chance = Chance::new(count as u64);
    let names: Vec<String> = (0..count).map(|n| format!("bot-{n}")).collect();
    let mut bots: Vec<Bot> = Vec::new();
    for name in &names {
        bots.push(world.named_bot(name));
        // Their polls fall on different moments of the interval.
        std::thread::sleep(Duration::from_micros(chance.below(LONGEST_PAUSE) as u64));
    }
    let mut releases = Vec::new();
    for number in 0..RELEASES {
        let image = chance.below(world.shape.images);
        let patch = world.release(image);
        releases.push(Release { at: Instant::now(), image, patch });
        std::thread::sleep(Duration::from_micros(chance.below(LONGEST_PAUSE) as u64));
        if number % 10 == 0 {
            world.somebody("README", &format!("note {number}"));
        }
        bots.iter_mut().for_each(Bot::is_alive);
    }
    eventually("the branch is current", CURRENT_WITHIN, || world.is_current());
    for bot in &mut bots {
        assert!(bot.stop().success());
    }
    world.remote.fsck();
    let history = world.history();
    assert_eq!(history.faults(), Vec::<String>::new());
    let somebodys = history.commits.iter().filter(|commit| commit.author == SOMEBODY).count();
    assert_eq!(somebodys, 1 + RELEASES / 10, "what somebody pushed stays");
    let delays = delays(&world, &history, &releases, &names);
    eprintln!("{count} bots, {RELEASES} releases, {} commits, by polls until committed: {delays:?}", history.updates());
    let late: usize = delays.range(MOST_POLLS + 1..).map(|(_, releases)| releases).sum();
    assert_eq!(late, 0, "releases by polls until they were committed: {delays:?}");
}

/// How many releases waited for so many polls of one bot until the branch had them, or something newer.
fn delays(world: &World, history: &History, releases: &[Release], bots: &[String]) -> BTreeMap<usize, usize> {
    let heads = world.server.heads();
    let polls = world.registry.seen();
    let mut delays = BTreeMap::new();
    for release in releases {
        let commit = history.first(&world.file(release.image), release.patch).expect("a commit of each release");
        let there = heads.iter().find(|(_, head)| history.position(head) >= Some(commit));
        let (committed, _) = there.expect("each commit was pushed");
        let path = |bot: &String| format!("/{bot}/v2/shop/app-{}/tags/list", release.image);
        let waited = |path: String| {
            polls.iter().filter(|poll| poll.path == path && release.at < poll.at && poll.at < *committed).count()
        };
        *delays.entry(bots.iter().map(path).map(waited).max().unwrap_or_default()).or_default() += 1;
    }
    delays
}
