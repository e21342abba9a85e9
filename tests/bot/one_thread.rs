//! A bot with a runtime of one thread: whatever takes a while is done beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tagwright::run::Edges;
use tagwright::schedule::{Bot, Handle, Trigger};
use tagwright::server::Server;
use tagwright::store::{Opened, Store};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::world::{IMAGES, World};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// How many tags make a list that takes a while.
const LONG: usize = 1_001;

/// What is held, each once: the policies, the files, the plan with its verification, the message, and the state file.
const WORK: [&str; 7] =
    ["compare tag lists", "evaluate policies", "write tag lists", "scan", "plan", "render", "write history"];

/// Work that is held on the thread that does it until somebody lets it go on.
struct Held {
    work: String,
    go: mpsc::Sender<()>,
}

/// Holds the work that is said to begin.
struct Gate {
    held: mpsc::Sender<Held>,
    seen: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Work(String);

impl Visit for Work {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "work" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl<S: Subscriber> Layer<S> for Gate {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut work = Work::default();
        event.record(&mut work);
        if WORK.contains(&work.0.as_str()) && self.seen.lock().unwrap().insert(work.0.clone()) {
            let (go, told) = mpsc::channel();
            // Nobody listens any more once the test has failed.
            if self.held.send(Held { work: work.0, go }).is_ok() {
                let _ = told.recv_timeout(LIMIT);
            }
        }
    }
}

/// When each policy was polled last.
fn polls(handle: &Handle) -> BTreeMap<String, Option<Timestamp>> {
    handle.status().policies.into_iter().map(|row| (row.name, row.last_poll)).collect()
}

/// Asks for polls, and waits until one has been done.
async fn poll(world: &World, handle: &Handle) {
    let (before, end) = (polls(handle), Instant::now() + LIMIT);
    for number in 0..IMAGES {
        handle.trigger(&Trigger::Image(world.image(number)));
    }
    while polls(handle) == before {
        assert!(Instant::now() < end, "no poll was done");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_and_probes_go_on_while_heavy_work_is_held() {
    let world = World::start().await;
    // A list that is looked at in no time is looked at where it is.
    (0..LONG).for_each(|number| world.release(0, &format!("0.{number}.0")));
    world.release(0, "1.1.0");
    let (held, next) = mpsc::channel();
    let gate = Gate { held, seen: Mutex::default() };
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(gate));
    // Of one dispatcher alone, tracing asks the thread that first comes by whether anybody listens, and that may be another test's.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    // Of this runtime's threads alone, and for as long as these live.
    let on_start = move || std::mem::forget(tracing::dispatcher::set_default(&dispatch));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().on_thread_start(on_start).build().unwrap();

    let Opened::Ready { store, .. } = Store::open(world.data.path()) else { panic!("the store can be opened") };
    let edges = Edges { store, ..world.edges() };
    let (bot, handle) = Bot::new(edges, world.automation("shop", &world.server.url(), 0..IMAGES / 2), world.settings());
    let bot = runtime.spawn(bot.run());
    let listening = handle.clone();
    let folder = world.data.path().to_owned();
    let server = runtime.spawn(async move {
        let server = Server::bind(&folder, Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
        (server.address().unwrap(), server)
    });
    let (address, server) = server.await.unwrap();
    let server = runtime.spawn(server.serve(listening, std::future::pending()));

    let next = Arc::new(Mutex::new(next));
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
    let mut held = BTreeSet::new();
    while held.len() < WORK.len() {
        let next = Arc::clone(&next);
        let waited = tokio::task::spawn_blocking(move || next.lock().unwrap().recv_timeout(LIMIT)).await.unwrap();
        let Held { work, go } = waited.unwrap_or_else(|error| panic!("only {held:?} began: {error}"));
        let answer = client.get(format!("http://{address}/livez")).send().await;
        assert_eq!(answer.map(|answer| answer.status().as_u16()).ok(), Some(200), "/livez while {work} is held");
        poll(&world, &handle).await;
        held.insert(work);
        go.send(()).unwrap();
    }
    assert_eq!(held, WORK.map(str::to_owned).into());
    let end = Instant::now() + LIMIT;
    while world.tag(0) != "1.1.0" {
        assert!(Instant::now() < end, "nothing was committed: {:#?}", handle.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    handle.shutdown();
    bot.await.unwrap();
    server.abort();
    runtime.shutdown_background();
}
