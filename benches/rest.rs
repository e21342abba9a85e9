//! A bot with nothing to do: the memory it keeps, and what its polls cost.
//!
//! `cargo bench --bench rest`; needs git, and curl for a yardstick. Two sizes on one remote, at an interval of five minutes. The first wave is what comes
//! before: all images are polled, and all automations run once. What is measured is the process of `tagwright run`, from
//! outside, with what the image tells the allocator: `VmRSS`, and the time that the kernel says it has used, over a minute in
//! which nothing changes.
//!
//! `cargo bench --bench rest -- small` leaves the large one out, which takes some minutes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::process::Command;
use std::time::{Duration, Instant};

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "support/child.rs"]
mod child;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use bot::{Bot, Shape, World};

/// How often images are polled and automations run.
const INTERVAL: Duration = Duration::from_secs(300);

/// How long the process is looked at.
const WATCHED: Duration = Duration::from_secs(60);

/// How long it must have been at rest before that.
const AT_REST: Duration = Duration::from_secs(3);

/// A process that uses less of a core than this is at rest.
const RESTING_SHARE: f64 = 0.05;

/// How long the first wave may take.
const FIRST_WAVE: Duration = Duration::from_secs(1_200);

/// The largest memory wanted of 2,000 images and 500 automations, in KiB.
const MEMORY: u64 = 40 << 10;

/// What an image more may need, in KiB.
const PER_IMAGE: u64 = 4;

/// What a poll may cost, in microseconds of CPU.
const PER_POLL: u64 = 500;

/// The largest share of a core, in thousandths.
const SHARE: u64 = 5;

fn main() {
    let only_small = std::env::args().any(|argument| argument == "small");
    table::head();
    let small = measure(2_000, 500);
    table::amount("memory at rest, 2,000 images, 500 automations", small.memory, MEMORY, "KiB");
    if only_small {
        return;
    }
    let large = measure(20_000, 5_000);
    let more = large.memory.saturating_sub(small.memory) / 18_000;
    table::amount("memory of an image more, up to 20,000", more, PER_IMAGE, "KiB");
    let ten_times = small.first_wave * 10;
    table::row("CPU of the first wave, 20,000 images", large.first_wave, "ten times that of 2,000", ten_times, 1.2);
}

/// What was seen of a bot.
struct Rest {
    /// Resident memory in KiB.
    memory: u64,
    /// The CPU time until it was at rest.
    first_wave: Duration,
}

fn measure(images: usize, automations: usize) -> Rest {
    let world = World::start(Shape::new(images, automations, INTERVAL));
    let bot = Bot::start(world.quiet_command("rest").envs(bot::allocator()));
    bot::eventually("all images were polled", FIRST_WAVE, || world.registry.seen().len() >= images);
    let first_wave = settle(&bot);
    world.registry.take_lines();
    let (start, before) = (Instant::now(), child::cpu(bot.id()));
    std::thread::sleep(WATCHED);
    let (used, polls) = (child::cpu(bot.id()).saturating_sub(before), world.registry.take_lines().len() as u64);
    let memory = child::memory(bot.id());
    println!("{images} images, {automations} automations, {polls} polls in {} s:", WATCHED.as_secs());
    let share = used.as_secs_f64() / start.elapsed().as_secs_f64();
    table::amount("  thousandths of a core at rest", (share * 1e3).round() as u64, SHARE, "");
    table::amount("  CPU of a poll", u64::try_from(used.as_micros()).unwrap() / polls.max(1), PER_POLL, "us");
    drop(bot);
    match of_curl(&world, polls.max(1)) {
        Some(request) => println!("  {} us a request of curl, at that pace over one connection", request.as_micros()),
        None => table::not_measured("  a request of curl", "needs the Debian package curl, 7.84 or newer"),
    }
    println!("  {} ms of CPU for the first wave, {memory} KiB resident", first_wave.as_millis());
    Rest { memory, first_wave }
}

/// The CPU time of a request of curl that asks for the same lists as a bot, as often; none where there is no curl that can. A process that wakes up now and then finds
/// nothing in the caches of the processor, so that this is more than it costs in a row, and about the least that a poll can cost.
fn of_curl(world: &World, a_minute: u64) -> Option<Duration> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--output", "/dev/null", "--rate", &format!("{a_minute}/m")]);
    curl.arg(format!("http://{}/v2/shop/app-[0-{}]/tags/list?n=1000", world.registry.host(), a_minute * 2));
    let mut curl = curl.spawn().ok()?;
    std::thread::sleep(AT_REST);
    let before = child::cpu(curl.id());
    world.registry.take_lines();
    std::thread::sleep(WATCHED);
    let used = child::cpu(curl.id()).saturating_sub(before);
    let requests = u32::try_from(world.registry.take_lines().len()).unwrap();
    curl.kill().unwrap();
    curl.wait().unwrap();
    used.checked_div(requests)
}

/// Waits until a bot is at rest; returns the CPU time that it took until then.
fn settle(bot: &Bot) -> Duration {
    let (mut used, deadline) = (child::cpu(bot.id()), Instant::now() + FIRST_WAVE);
    loop {
        std::thread::sleep(AT_REST);
        let before = std::mem::replace(&mut used, child::cpu(bot.id()));
        if (used - before).as_secs_f64() < RESTING_SHARE * AT_REST.as_secs_f64() {
            return before;
        }
        assert!(Instant::now() < deadline, "the first wave is not over after {FIRST_WAVE:?}");
    }
}
