//! A bot under a steady stream of releases, looked at from outside: memory, files, descriptors, children.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tagwright::store::{Event, MAX_RECORDS, Opened, Record, Store};
use tagwright::wire::ChangedField;

use super::{Bot, Chance, Shape, World, eventually};
use crate::remote::Behaviour;

/// What git's credential helper of the bot answers; the remote wants it, so that each login is a child process.
const AUTHORIZATION: &str = "Basic Ym90OnNlY3JldA==";
const HELPER: &str = "[credential]\n\thelper = \"!f() { echo username=bot; echo password=secret; }; f\"\n";

/// How long what is missing at the end may take.
const CURRENT_WITHIN: Duration = Duration::from_secs(120);

/// What was seen of a bot at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
    /// Child processes, also those that have ended and were not waited for.
    pub(crate) children: u64,
    /// Bytes in mirrors.
    pub(crate) mirrors: u64,
    /// Bytes in the data folder besides mirrors.
    pub(crate) state: u64,
    /// Files in the data folder.
    pub(crate) files: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Soak {
    /// One after each release.
    pub(crate) samples: Vec<Sample>,
    /// When the branch was current and nothing was left to do.
    pub(crate) last: Sample,
    pub(crate) commits: usize,
    /// Whatever was not as it must be.
    pub(crate) faults: Vec<String>,
}

impl Soak {
    /// The samples of one quarter, from 0.
    pub(crate) fn quarter(&self, n: usize) -> &[Sample] {
        let length = self.samples.len() / 4;
        &self.samples[n * length..(n + 1) * length]
    }
}

/// Releases so many tags, one every `pause`.
pub(crate) fn run(seed: u64, releases: usize, pause: Duration) -> Soak {
    let world = World::start(Shape::new(20, 4, Duration::from_secs(1)));
    fs::write(world.path(".gitconfig"), HELPER).unwrap();
    world.server.behave(Behaviour { authorization: Some(AUTHORIZATION.to_owned()), ..Behaviour::default() });
    fill(&world);
    let mut soak = Soak::default();
    let mut chance = Chance::new(seed);
    let mut bot = world.bot("bot");
    // What a bot needs once, it has after its first wave.
    (0..world.shape.images).for_each(|image| _ = world.release(image));
    eventually("the branch is current", CURRENT_WITHIN, || world.is_current());
    let start = Instant::now();
    for number in 0..releases {
        world.release(chance.below(world.shape.images));
        std::thread::sleep((pause * number as u32).saturating_sub(start.elapsed()));
        bot.is_alive();
        soak.samples.push(sample(&bot, &world.data("bot")));
    }
    eventually("the branch is current", CURRENT_WITHIN, || world.is_current());
    // A wave may still be writing down what it did.
    eventually("no child process is left", CURRENT_WITHIN, || sample(&bot, &world.data("bot")).children == 0);
    soak.last = sample(&bot, &world.data("bot"));
    soak.faults.extend(bot.complaints().iter().map(|line| format!("complaint: {line}")));
    if !bot.stop().success() {
        soak.faults.push("the bot did not end well".to_owned());
    }
    world.remote.fsck();
    let history = world.history();
    soak.commits = history.updates();
    soak.faults.extend(history.faults());
    soak
}

/// Gives the bot the history of a long life, as much of it as is kept: what grows from here on does not end to grow.
fn fill(world: &World) {
    let Opened::Ready { store, notice: None } = Store::open(&world.data("bot")) else { panic!("a new store opens") };
    let change = |image: usize, number: usize| ChangedField {
        policy: format!("default:app-{image}"),
        file: world.file(image),
        line: 3,
        old: format!("{}:1.0.{number}", world.image(image)),
        new: format!("{}:1.0.{}", world.image(image), number + 1),
    };
    let record = |number: usize| {
        let time = jiff::Timestamp::from_second(1_700_000_000 + number as i64).unwrap();
        let event = Event::Pushed { commit: format!("{number:040x}"), missed: None };
        Record {
            automation: format!("default/shop-{}", number % world.shape.automations),
            url: world.server.url(),
            branch: "main".to_owned(),
            changes: vec![change(number % world.shape.images, number); 2],
            ..Record::of(time, event, "pushed a commit".to_owned())
        }
    };
    store.record((0..MAX_RECORDS).map(record).collect()).unwrap();
}

fn sample(bot: &Bot, data: &Path) -> Sample {
    let process = format!("/proc/{}", bot.id());
    let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let descriptors = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count) as u64;
    let mut sample =
        Sample { memory: memory.unwrap_or(0), descriptors, children: children(bot.id()), ..Sample::default() };
    weigh(data, false, &mut sample);
    sample
}

/// How many processes have this parent.
fn children(parent: u32) -> u64 {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    // The name may hold spaces and parentheses; the parent is the second word after it.
    let parents = stats.filter_map(|stat| stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok());
    parents.filter(|it| *it == parent).count() as u64
}

/// Adds the files below a folder. Those that vanish meanwhile do not count.
fn weigh(folder: &Path, is_mirror: bool, sample: &mut Sample) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_mirror = is_mirror || entry.file_name() == "mirrors";
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => weigh(&entry.path(), is_mirror, sample),
            Ok(metadata) => {
                sample.files += 1;
                *(if is_mirror { &mut sample.mirrors } else { &mut sample.state }) += metadata.len();
            }
            Err(_) => {}
        }
    }
}
