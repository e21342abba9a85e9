//! Many objects at once, good ones and bad ones.
//!
//! `TAGWRIGHT_OBJECTS` makes it as many objects as it says, with as much more time.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use kube::api::{DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};

use super::world::{Kind, World, unready};
use crate::cluster::{Cluster, eventually};
use crate::world::condition;

/// How many objects there are where nobody says so: half of them image repositories, half policies.
const OBJECTS: usize = 2_000;

/// One of so many is bad, in a way that the API server cannot tell.
const BAD: usize = 5;

/// How many are made at once.
const AT_ONCE: usize = 16;

/// A time in which all of them are worked on, by a program with all its checks on a busy machine.
const DONE_WITHIN: Duration = Duration::from_secs(200);

/// How long to wait between two looks, at least.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The most memory that the bot may have taken, in KiB: what the manifests give it.
const MEMORY: u64 = 256 << 10;

/// The largest annotations that an API server takes are 256 KiB in all.
const LARGE: usize = 250 << 10;

/// How many objects have such.
const LARGE_ONES: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_objects_at_once() {
    let world = World::new(Cluster::shared(), 1).await;
    world.populate().await;
    let mut bot = world.bot().await;
    world.settles(&mut bot, "at first").await;

    let many = std::env::var("TAGWRIGHT_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(OBJECTS) / 2;
    let started = Instant::now();
    let objects = (0..many).flat_map(|n| [(Kind::Repository, n), (Kind::Policy, n)]);
    let made = stream::iter(objects).map(|(kind, n)| make(&world, kind, n)).buffer_unordered(AT_ONCE);
    made.collect::<Vec<()>>().await;
    let (created, within) = (started.elapsed(), DONE_WITHIN * u32::try_from(many * 2 / OBJECTS + 1).unwrap());
    loop {
        let looked = Instant::now();
        let left = unsaid(&world, Kind::Repository, many).await + unsaid(&world, Kind::Policy, many).await;
        if left == 0 {
            break;
        }
        bot.is_alive();
        assert!(started.elapsed() < within, "of {left} nothing is said: {:?}", bot.complaints().last());
        // Looking at thousands of them is work too, for the API server that the bot waits for.
        tokio::time::sleep(BETWEEN_LOOKS.max(looked.elapsed() * 3)).await;
    }
    let writes = world.space.cluster.asked_by(&world.space.user("tagwright"));
    let writes = writes.iter().filter(|asked| asked.is_write() && asked.resource != "events").count();
    println!(
        "{} objects: created in {created:?}, all is said after {:?}; {writes} writes, {} MiB at most, CPU {:?}",
        many * 2,
        started.elapsed(),
        peak(bot.id()) >> 10,
        cpu(bot.id())
    );

    // What else there is goes on meanwhile and afterwards.
    world.release(0);
    world.settles(&mut bot, "among many").await;
    let memory = peak(bot.id());
    assert!(memory < MEMORY, "the bot has taken {memory} KiB");
    assert!(bot.stop().success());
}

/// An object that is looked at once, and not again; some have annotations that nobody reads.
async fn make(world: &World<'_>, kind: Kind, n: usize) {
    let name = format!("many-{n}");
    let mut spec = match kind {
        Kind::Repository => json!({"image": world.image(0), "interval": "1h", "insecure": true}),
        // Each has an image repository of its own, as is usual; a bad one is to be bad by itself.
        _ => {
            let of = if is_bad(n) { "app-0".to_owned() } else { name.clone() };
            json!({"imageRepositoryRef": {"name": of}, "policy": {"semver": {"range": "1.x"}}})
        }
    };
    if is_bad(n) {
        match kind {
            Kind::Repository => spec["exclusionList"] = json!(["("]),
            _ => spec["filterTags"] = json!({"pattern": "("}),
        }
    }
    let mut object = DynamicObject::new(&name, &kind.resource()).data(json!({"spec": spec}));
    if n < LARGE_ONES {
        let large = "x".repeat(LARGE);
        object.metadata.annotations = Some([("example.com/large".to_owned(), large)].into());
    }
    world.api(kind).create(&PostParams::default(), &object).await.unwrap();
}

fn is_bad(n: usize) -> bool {
    n.is_multiple_of(BAD)
}

/// Of how many nothing is said yet: the good ones become ready, and the bad ones say what is wrong.
///
/// The list is the API server's cache, which is cheap, and may not have the newest yet: those are unsaid too.
async fn unsaid(world: &World<'_>, kind: Kind, many: usize) -> usize {
    let all = ListParams::default().match_any();
    let list = eventually("objects are listed", || async { world.api(kind).list(&all).await.ok() }).await;
    let number = |object: &DynamicObject| object.metadata.name.as_ref()?.strip_prefix("many-")?.parse::<usize>().ok();
    let numbered: Vec<(usize, Value)> =
        list.items.iter().filter_map(|it| Some((number(it)?, serde_json::to_value(it).unwrap()))).collect();
    let is_said = |(n, object): &&(usize, Value)| match is_bad(*n) {
        true => {
            condition(object, "Ready")["message"].as_str().is_some_and(|message| message.contains("missing closing"))
        }
        false => unready(object).is_empty(),
    };
    many - numbered.iter().filter(is_said).count()
}

/// The most memory that a process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

/// The time that a process has used a processor for.
fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let ticks: u64 =
        stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
