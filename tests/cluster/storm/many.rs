//! Many objects at once.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use kube::api::{DynamicObject, PostParams};
use serde_json::json;

use super::world::{Kind, World, unready};
use crate::cluster::{Cluster, eventually};

/// How many image repositories there are, and as many policies.
const MANY: usize = 250;

/// How many are made at once.
const AT_ONCE: usize = 16;

/// A time in which all of them are worked on, by a program with all its checks on a busy machine.
const DONE_WITHIN: Duration = Duration::from_secs(150);

/// The most memory that the bot may have taken, in KiB.
const MEMORY: u64 = 400 << 10;

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

    let started = Instant::now();
    let objects = (0..MANY).flat_map(|n| [(Kind::Repository, n), (Kind::Policy, n)]);
    let made = stream::iter(objects).map(|(kind, n)| make(&world, kind, n)).buffer_unordered(AT_ONCE);
    made.collect::<Vec<()>>().await;
    loop {
        let left = unready_ones(&world, Kind::Repository).await + unready_ones(&world, Kind::Policy).await;
        if left == 0 {
            break;
        }
        bot.is_alive();
        assert!(started.elapsed() < DONE_WITHIN, "{left} are not ready: {:?}", bot.complaints().last());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // What else there is goes on meanwhile and afterwards.
    world.release(0);
    world.settles(&mut bot, "among many").await;
    let memory = peak(bot.id());
    assert!(memory < MEMORY, "the bot has taken {memory} KiB");
    assert!(bot.stop().success());
}

/// An object that is polled once, and not again; some have annotations that nobody reads.
async fn make(world: &World<'_>, kind: Kind, n: usize) {
    let name = format!("many-{n}");
    let spec = match kind {
        Kind::Repository => json!({"image": world.image(0), "interval": "1h", "insecure": true}),
        _ => json!({"imageRepositoryRef": {"name": name}, "policy": {"semver": {"range": "1.x"}}}),
    };
    let mut object = DynamicObject::new(&name, &kind.resource()).data(json!({"spec": spec}));
    if n < LARGE_ONES {
        let large = "x".repeat(LARGE);
        object.metadata.annotations = Some([("example.com/large".to_owned(), large)].into());
    }
    world.api(kind).create(&PostParams::default(), &object).await.unwrap();
}

async fn unready_ones(world: &World<'_>, kind: Kind) -> usize {
    let list =
        eventually("objects are listed", || async { world.api(kind).list(&Default::default()).await.ok() }).await;
    let unready = |object: &DynamicObject| !unready(&serde_json::to_value(object).unwrap()).is_empty();
    let many: Vec<&DynamicObject> =
        list.items.iter().filter(|object| object.metadata.name.as_ref().unwrap().starts_with("many-")).collect();
    assert_eq!(many.len(), MANY);
    many.into_iter().filter(|object| unready(object)).count()
}

/// The most memory that a process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}
