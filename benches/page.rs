//! The page and the API: how fast 2,000 policies are shown, and what 200 requests a second do to the work of 500 automations.
//!
//! `cargo bench --bench page`; needs git. One bot as a process with 2,000 images and 500 automations on one remote, which polls and runs
//! when it is asked to.
//!
//! - **First byte and whole page** of the views, one request at a time over a connection that stays; the median of 50, and its bytes as
//!   gzip has them. The numbers to hold are those of the issue that asked for the page: 30 ms, 60 KiB.
//! - **Under load**: 200 requests a second, spread over the views and the API, whether or not earlier ones were answered, while everything
//!   is polled and run again and again. The 99th of 100 answers in order of their times; and how long a wave of all polls and runs takes
//!   from the order to the last run, beside the same without the load.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

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

const IMAGES: usize = 2_000;
const AUTOMATIONS: usize = 500;

/// Nothing is due by itself while it is measured.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// How long a wave may take.
const WAVE: Duration = Duration::from_secs(600);

/// How often each view is asked for.
const ROUNDS: usize = 50;

/// The first byte and the compressed page, of any view.
const FIRST_BYTE: Duration = Duration::from_millis(30);
const PAGE: u64 = 60;

/// From one request to the next under load.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest that 99 of 100 answers may take under load.
const P99: Duration = Duration::from_millis(250);

/// How much longer a wave may take under load.
const SLOWER: f64 = 1.5;

struct Site {
    world: World,
    bot: Bot,
    base: String,
    client: reqwest::Client,
}

fn main() {
    let site = Site::start();
    table::head();
    for path in ["/", "/policies", "/policies?page=20", "/policies/default/app-7", "/automations", "/history", "/holds"]
    {
        site.view(path);
    }
    let alone = site.wave();
    let (busy, answers) = site.under_load();
    let mut times: Vec<Duration> = answers.iter().copied().flatten().collect();
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    println!("{} answers under load, the longest after {:?}:", times.len(), times.last().unwrap());
    table::amount("  requests without an answer", (answers.len() - times.len()) as u64, 0, "");
    table::bounded("  99 of 100 answers, 200 requests a second", p99, P99);
    table::row("  polls and runs of 500 automations meanwhile", busy, "without requests", alone, SLOWER);
    println!("{} KiB in use, {:?} of CPU", child::memory(site.bot.id()), child::cpu(site.bot.id()));
}

impl Site {
    fn start() -> Self {
        let world = World::start(Shape::new(IMAGES, AUTOMATIONS, INTERVAL));
        let mut command = world.quiet_command("page");
        let bot = Bot::start(command.envs(bot::allocator()).args(["--listen", "127.0.0.1:0"]));
        let started = bot.wait_for(0, WAVE, |line| line["message"] == "started").unwrap();
        let base = format!("http://{}", started["listen"].as_str().unwrap());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let site = Self { world, bot, base, client };
        bot::eventually("everything has run once", WAVE, || site.runs_since("").is_some());
        site
    }

    fn json(&self, path: &str) -> Value {
        let text = self.world.block_on(async {
            let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
            response.text().await.unwrap()
        });
        serde_json::from_str(&text).unwrap()
    }

    /// When the last automation has run, if all have since then.
    fn runs_since(&self, time: &str) -> Option<()> {
        let status = self.json("/api/v1/automations");
        let has_run = |row: &Value| row["lastRun"].as_str().is_some_and(|ran| ran > time);
        status["automations"].as_array().unwrap().iter().all(has_run).then_some(())
    }

    /// Asks for a view, and prints its first byte and its size.
    fn view(&self, path: &str) {
        let (mut first, mut whole, mut size) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let (head, text) = self.world.block_on(async {
                let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
                assert!(response.status().is_success(), "{path}");
                let head = start.elapsed();
                (head, response.bytes().await.unwrap())
            });
            first.push(head);
            whole.push(start.elapsed());
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            gzip.write_all(&text).unwrap();
            size = gzip.finish().unwrap().len();
        }
        first.sort();
        whole.sort();
        table::bounded(&format!("first byte of {path}"), first[ROUNDS / 2], FIRST_BYTE);
        table::bounded("  the whole", whole[ROUNDS / 2], 2 * FIRST_BYTE);
        table::amount("  compressed", size.div_ceil(1024) as u64, PAGE, "KiB");
    }

    /// Has everything polled and run, with a release for each automation; returns how long that takes.
    fn wave(&self) -> Duration {
        for n in 0..AUTOMATIONS {
            self.world.release(n);
        }
        let before = self.json("/api/v1/status")["written"].as_str().unwrap().to_owned();
        let start = Instant::now();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.args(["poll", "--data-dir"]).arg(self.world.data("page"));
        assert!(command.output().unwrap().status.success());
        bot::eventually("all have run", WAVE, || self.runs_since(&before).is_some());
        start.elapsed()
    }

    /// The same while requests come in; returns the times of the answers, too, where there was one.
    fn under_load(&self) -> (Duration, Vec<Option<Duration>>) {
        let stop = Arc::new(AtomicBool::new(false));
        let load = {
            let (stop, client, base) = (Arc::clone(&stop), self.client.clone(), self.base.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(requests(&client, &base, &stop))
            })
        };
        let took = self.wave();
        stop.store(true, Ordering::Release);
        (took, load.join().unwrap())
    }
}

/// Sends a request every [`PAUSE`] until it is told to stop; returns how long each answer took. Too much to do, said with 503, is none.
async fn requests(client: &reqwest::Client, base: &str, stop: &AtomicBool) -> Vec<Option<Duration>> {
    let mut tasks = tokio::task::JoinSet::new();
    let mut ticks = tokio::time::interval(PAUSE);
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        ticks.tick().await;
        number += 1;
        let app = number * 7 % IMAGES;
        let path = match number % 10 {
            0 => "/".to_owned(),
            1 | 2 => format!("/policies?page={}", number % 20),
            3 => format!("/policies/default/app-{app}"),
            4 => format!("/automations/default/shop-{}", app % AUTOMATIONS),
            5 => "/history".to_owned(),
            6 | 7 => format!("/api/v1/policies/default/app-{app}"),
            8 => format!("/api/v1/policies/default/app-{app}/tags"),
            _ => "/api/v1/holds".to_owned(),
        };
        let request = client.get(format!("{base}{path}"));
        tasks.spawn(async move {
            let start = Instant::now();
            let response = request.send().await.ok()?.error_for_status().ok()?;
            response.bytes().await.ok()?;
            Some(start.elapsed())
        });
    }
    tasks.join_all().await
}
