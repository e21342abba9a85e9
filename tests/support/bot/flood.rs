//! Webhooks by the thousand, sent whether or not earlier ones were answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Shape;
use super::hooked::{Hooked, TOKEN};
use super::image::allocator;
use crate::remote::git;

/// How long what was accepted may take to be committed, on a machine that does much else.
const COMMITTED_WITHIN: Duration = Duration::from_secs(120);

/// How long to wait between two looks at the branch.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) images: usize,
    pub(crate) automations: usize,
    /// How many webhooks in all, each of the next tag of the next image.
    pub(crate) webhooks: usize,
    /// From one to the next.
    pub(crate) pause: Duration,
    /// How many may wait for their answers at once.
    pub(crate) at_once: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    /// How many answers there were of each status; 0 is none.
    pub(crate) answers: BTreeMap<u16, usize>,
    /// How long each answer took.
    pub(crate) took: Vec<Duration>,
    /// Images of which what was accepted last is not in the branch in the end.
    pub(crate) lost: usize,
    /// From the first webhook to the last that was sent.
    pub(crate) sending: Duration,
    /// From the last webhook until everything that was accepted was committed.
    pub(crate) settled: Duration,
    /// The most resident memory, before and in the end, in KiB.
    pub(crate) memory: [u64; 2],
    /// What the registry was asked meanwhile: questions about one tag, and lists.
    pub(crate) heads: usize,
    pub(crate) lists: usize,
    pub(crate) commits: usize,
    /// Whatever was not as it must be.
    pub(crate) faults: Vec<String>,
}

/// Sends them all to a bot, and waits until what it has accepted is committed.
pub(crate) fn run(flow: Flow) -> Flood {
    let mut hooked =
        Hooked::start_with(Shape::new(flow.images, flow.automations, super::hooked::INTERVAL), "", |world| {
            let mut command = world.quiet_command("bot");
            command.args(["--listen", "127.0.0.1:0"]).envs(allocator());
            command
        });
    let mut flood = Flood { memory: [peak(&hooked), 0], ..Flood::default() };
    let start = Instant::now();
    let answers = hooked.world.block_on(send(&hooked, flow));
    flood.sending = start.elapsed();
    let mut wanted = vec![0; flow.images];
    for (number, status, took) in answers {
        *flood.answers.entry(status).or_default() += 1;
        flood.took.push(took);
        if status == 202 {
            let (image, patch) = told(flow, number);
            wanted[image] = patch.max(wanted[image]);
        }
    }
    flood.took.sort_unstable();
    let end = Instant::now();
    let lost = || patches(&hooked).iter().zip(&wanted).filter(|(patch, wanted)| patch < wanted).count();
    while lost() > 0 && end.elapsed() < COMMITTED_WITHIN {
        std::thread::sleep(BETWEEN_LOOKS);
    }
    flood.settled = end.elapsed();
    flood.lost = lost();
    hooked.at_rest();
    flood.memory[1] = peak(&hooked);
    let seen = hooked.world.registry.seen();
    let since = seen.iter().filter(|seen| seen.at > start);
    flood.heads = since.clone().filter(|seen| seen.method == "HEAD").count();
    flood.lists = since.filter(|seen| seen.path.ends_with("/tags/list")).count();
    flood.faults.extend(hooked.bot.complaints().iter().map(|line| format!("complaint: {line}")));
    if !hooked.bot.stop().success() {
        flood.faults.push("the bot did not end well".to_owned());
    }
    let history = hooked.world.history();
    flood.commits = history.updates();
    flood.faults.extend(history.faults());
    flood
}

/// Which image and patch a webhook tells of.
fn told(flow: Flow, number: usize) -> (usize, usize) {
    (number % flow.images, number / flow.images + 1)
}

/// Sends each at its time; returns its number, the status of the answer, and how long that took.
async fn send(hooked: &Hooked, flow: Flow) -> Vec<(usize, u16, Duration)> {
    let mut sent = JoinSet::new();
    let places = Arc::new(Semaphore::new(flow.at_once));
    let mut ticks = tokio::time::interval(flow.pause.max(Duration::from_micros(1)));
    let url = format!("http://{}/hooks/default/ci", hooked.address);
    for number in 0..flow.webhooks {
        ticks.tick().await;
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (image, patch) = told(flow, number);
        assert_eq!(hooked.world.release(image), patch);
        let body = json!({"image": hooked.world.image(image), "tag": format!("1.0.{patch}")}).to_string();
        let request = hooked.client.post(&url).bearer_auth(TOKEN).body(body);
        sent.spawn(async move {
            let start = Instant::now();
            let status = match request.send().await {
                Ok(response) => response.status().as_u16(),
                Err(_) => 0,
            };
            drop(place);
            (number, status, start.elapsed())
        });
    }
    sent.join_all().await
}

/// The patch of each image in the branch.
fn patches(hooked: &Hooked) -> Vec<usize> {
    let fields = git(&hooked.world.remote.bare(), &["grep", "-h", "--fixed-strings", ":tag\"}", "main", "--"]);
    let mut patches = vec![0; hooked.world.shape.images];
    for line in fields.lines() {
        let patch = line.strip_prefix("tag: 1.0.").and_then(|rest| rest.split(' ').next());
        let image = line.split_once("default:app-").and_then(|(_, rest)| rest.split(':').next());
        patches[image.unwrap().parse::<usize>().unwrap()] = patch.unwrap().parse().unwrap();
    }
    patches
}

/// The most memory that the bot had at once so far.
fn peak(hooked: &Hooked) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", hooked.bot.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
