//! What fails outside: for each fault what is committed meanwhile, what is logged, and when it is over.
//!
//! Every case has a world of its own with a running bot whose branch is current. The fault begins; the log has to say so;
//! the branch must not get anything wrong; the fault ends, and within so many polls or waves the branch is current.

mod descriptors;
mod disk;
mod registry;
mod remote;

use std::time::{Duration, Instant};

use crate::bot::{Bot, Line, Proxy, Shape, World, eventually};

/// How long anything that must come about may take.
const WITHIN: Duration = Duration::from_secs(90);

/// An answer that takes longer than this is a fault.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The image whose registry fails, where one does.
const FAILING: usize = 0;

/// The image whose registry does not.
const HEALTHY: usize = 1;

/// A fault.
struct Case {
    name: &'static str,
    begin: fn(&mut Trial),
    end: fn(&mut Trial),
    /// What the bot logs, in this order.
    says: &'static [&'static str],
    meanwhile: Meanwhile,
    /// When the branch is current again.
    over: Over,
}

/// What is committed during a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// Nothing.
    Nothing,
    /// What the other image needs, and nothing for the one that fails.
    Others,
    /// Whatever can be; it is right.
    Anything,
}

/// When the branch is current after a fault.
#[derive(Debug, Clone, Copy)]
enum Over {
    /// The release is selected after at most so many polls of the image that failed. How long its commit takes then is
    /// the machine's business.
    Polls(usize),
    /// After the remote was asked for its references at most so often.
    Waves(usize),
}

/// A world with a bot and a line to the remote.
struct Trial {
    world: World,
    proxy: Proxy,
    bot: Bot,
    /// What a fault keeps to end it.
    kept: Vec<String>,
}

impl Trial {
    fn start() -> Self {
        Self::with(|world| world.bot("bot"))
    }

    fn with(start: impl FnOnce(&World) -> Bot) -> Self {
        let interval = Duration::from_secs(1);
        let world = World::start(Shape { timeout: TIMEOUT, ..Shape::new(2, 1, interval) });
        let proxy = world.block_on(Proxy::start(world.server.address()));
        world.configure(&format!("http://{}/repo.git", proxy.address));
        let bot = start(&world);
        let trial = Self { world, proxy, bot, kept: Vec::new() };
        for image in [FAILING, FAILING, FAILING, HEALTHY] {
            trial.world.release(image);
            trial.eventually("the branch is current", || trial.world.is_current());
        }
        // The branch moves before the bot has the answer to its push.
        trial.eventually("the last push is over", || trial.pushes() >= trial.world.history().updates());
        trial
    }

    /// How many pushes the bot knows to have gone well.
    fn pushes(&self) -> usize {
        self.bot.log().iter().filter(|line| line["git.commit"].is_string()).count()
    }

    /// Waits for a condition; shows the log when it does not come about.
    #[track_caller]
    fn eventually(&self, what: &str, is: impl FnMut() -> bool) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| eventually(what, WITHIN, is)));
        if let Err(panic) = result {
            eprintln!("{}", self.log());
            std::panic::resume_unwind(panic);
        }
    }

    /// The log as people see it.
    fn log(&self) -> String {
        let log = self.bot.log();
        log.iter().filter(|line| is_shown(line)).map(|line| format!("{line}\n")).collect()
    }

    fn head(&self) -> String {
        self.world.remote.at("main")
    }
}

/// Runs one case.
fn check(case: &Case, mut trial: Trial) {
    eprintln!("case: {}", case.name);
    let (before, from) = (trial.head(), trial.bot.position());
    let said = trial.world.newest()[FAILING];
    (case.begin)(&mut trial);
    trial.world.release(HEALTHY);
    for says in case.says {
        let line = trial.bot.wait_for(from, WITHIN, |line| texts(line).any(|text| text.contains(says)));
        assert!(line.is_some(), "{}: {says:?} is not logged:\n{}", case.name, trial.log());
    }
    meanwhile(case, &trial, &before, said);
    (case.end)(&mut trial);
    trial.world.server.seen();
    let (end, from) = (Instant::now(), trial.bot.position());
    let tag = format!(":1.0.{}", trial.world.release(FAILING));
    let is_selected = |line: &serde_json::Value| {
        line["message"] == "selects another tag" && line["selected"].as_str().is_some_and(|it| it.ends_with(&tag))
    };
    let selected = trial.bot.wait_for(from, WITHIN, is_selected);
    assert!(selected.is_some(), "{}: {tag} is not selected:\n{}", case.name, trial.log());
    let polls = trial.world.polls(FAILING, end);
    trial.eventually("the branch is current after the fault", || trial.world.is_current());
    let waves = trial.world.server.seen().iter().filter(|seen| seen.is_listing).count();
    eprintln!("{}: over after {polls} polls and {waves} waves", case.name);
    let is_over = match case.over {
        Over::Polls(most) => polls <= most,
        Over::Waves(most) => waves <= most,
    };
    assert!(is_over, "{}: over after {polls} polls and {waves} waves, expected {:?}", case.name, case.over);
    trial.bot.is_alive();
    assert!(trial.bot.stop().success(), "{}", case.name);
    trial.world.remote.fsck();
    assert_eq!(trial.world.history().faults(), Vec::<String>::new(), "{}", case.name);
}

/// The texts of a line that people read in the normal log.
fn texts(line: &serde_json::Value) -> impl Iterator<Item = &str> {
    let fields = line.as_object().filter(|_| is_shown(line)).into_iter().flatten();
    fields.filter_map(|(_, value)| value.as_str())
}

fn is_shown(line: &serde_json::Value) -> bool {
    matches!(line["level"].as_str(), Some("INFO" | "WARN" | "ERROR"))
}

fn meanwhile(case: &Case, trial: &Trial, before: &str, said: usize) {
    match case.meanwhile {
        Meanwhile::Nothing => assert_eq!(trial.head(), before, "{}", case.name),
        Meanwhile::Anything => {}
        Meanwhile::Others => {
            let newest = trial.world.newest()[HEALTHY];
            trial.eventually("the other image goes on", || trial.world.says(HEALTHY, newest));
            assert!(trial.world.says(FAILING, said), "{}: the image that fails was changed", case.name);
        }
    }
}
