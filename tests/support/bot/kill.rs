//! A busy bot that is killed again and again on the same data folder.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::child::stage;
use super::{Bot, Chance, Releases, Shape, World, eventually};

/// The phases that kills are aimed at.
pub(crate) const PHASES: [&str; 9] =
    ["start", "poll", "advertise", "fetch", "plan", "history", "push", "record", "idle"];

/// The longest time that a bot lives when its end is not aimed at a phase, in milliseconds.
const LONGEST_LIFE: usize = 1_500;

/// The longest time between the beginning of a phase and the kill that is aimed at it, in microseconds.
const LONGEST_DELAY: usize = 15_000;

/// How long to wait for a phase to come.
const PHASE_WITHIN: Duration = Duration::from_secs(20);

/// How long the last bot may take until the branch is current.
const CURRENT_WITHIN: Duration = Duration::from_secs(120);

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Kills by what the bot had logged last.
    pub(crate) kills: BTreeMap<String, usize>,
    pub(crate) releases: usize,
    pub(crate) commits: usize,
    /// Whatever was not as it must be.
    pub(crate) faults: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} releases, {} commits, kills by phase:", self.releases, self.commits)?;
        self.kills.iter().try_for_each(|(phase, kills)| write!(f, " {phase} {kills}"))
    }
}

/// Kills a bot this often, lets a last one finish the work, and judges.
pub(crate) fn run(seed: u64, kills: usize) -> Tally {
    let world = World::start(Shape::new(20, 4, Duration::from_secs(1)));
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let releases = Releases::start(scope, &world, seed, Duration::from_millis(40));
        let mut chance = Chance::new(seed);
        for kill in 0..kills {
            // Otherwise there is nothing to fetch but what the bot itself has pushed.
            world.somebody("README", &format!("note {kill}"));
            let mut bot = world.bot("bot");
            live(&mut bot, &mut chance);
            bot.kill();
            *tally.kills.entry(bot.stage()).or_default() += 1;
            tally.faults.extend(repairs(&bot));
        }
        tally.releases = releases.stop();
    });
    let mut last = world.bot("bot");
    eventually("the branch is current", CURRENT_WITHIN, || world.is_current());
    let status = last.stop();
    if !status.success() {
        tally.faults.push(format!("the last bot ended with {status}"));
    }
    tally.faults.extend(repairs(&last));
    world.remote.fsck();
    let history = world.history();
    tally.commits = history.updates();
    tally.faults.extend(history.faults());
    tally
}

/// Lets a bot live until a random moment: every other time it is one shortly after a phase began.
fn live(bot: &mut Bot, chance: &mut Chance) {
    let microseconds = if chance.below(2) == 0 {
        chance.below(LONGEST_LIFE * 1_000)
    } else {
        let phase = chance.pick(&PHASES);
        if phase != "start" {
            bot.wait_for(0, PHASE_WITHIN, |line| stage(line) == Some(phase));
        }
        chance.below(LONGEST_DELAY)
    };
    std::thread::sleep(Duration::from_micros(microseconds as u64));
    bot.is_alive();
}

/// Whatever a bot complained about: a kill must leave nothing that the next start has to repair.
fn repairs(bot: &Bot) -> impl Iterator<Item = String> {
    bot.complaints().into_iter().map(|line| format!("complaint: {line}"))
}
