//! Peers that hang and tasks that break: others go on, and what hung is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tagwright::schedule::{Handle, Settings, Trigger};
use tagwright::wire::status::{Ready, Status};
use tokio::net::TcpListener;

use crate::world::{IMAGES, World, row};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the status is so.
async fn until(handle: &Handle, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    let end = std::time::Instant::now() + LIMIT;
    loop {
        let status = handle.status();
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < end, "{what}: {status:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A peer that takes connections and says nothing; returns its address and how many it took.
async fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            kept.push(connection);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_hangs_is_given_up_and_tried_again() {
    let world = World::start().await;
    let (address, taken) = silent().await;
    let mut automations = world.automation("shop", &format!("http://{address}/repo.git"), 0..IMAGES / 2);
    automations.extend(world.automation("web", &world.server.url(), IMAGES / 2..IMAGES));
    let (patience, grace) = (Some(Duration::from_millis(500)), Duration::from_millis(50));
    let settings = Settings { patience, grace, ..world.settings() };
    let (bot, handle) = world.bot(automations, settings);

    let status = until(&handle, "it is given up", |status| row(status, "shop").ready == Ready::False).await;
    let message = &row(&status, "shop").message;
    assert!(message.contains("hangs at the stage advertise") && message.contains(&address), "{message}");
    assert_eq!(handle.live(), Ok(()), "it could be stopped");

    world.release(IMAGES - 1, "1.1.0");
    handle.trigger(&Trigger::All);
    until(&handle, "the other goes on", |status| row(status, "web").last_commit.is_some()).await;
    assert_eq!(world.tag(IMAGES - 1), "1.1.0");

    let before = taken.load(Ordering::SeqCst);
    handle.trigger(&Trigger::Remote(format!("http://{address}/repo.git")));
    until(&handle, "it is tried again", |_| taken.load(Ordering::SeqCst) > before).await;
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_shown() {
    let world = World::start().await;
    let (address, _) = silent().await;
    let url = format!("http://{address}/repo.git");
    let (bot, handle) = world.bot(world.automation("shop", &url, 0..1), world.settings());
    let status = until(&handle, "it runs", |status| status.work.iter().any(|work| work.stage == "advertise")).await;
    assert_eq!((status.work[0].subject.as_str(), status.work[0].what.as_str()), (url.as_str(), url.as_str()));
    handle.shutdown();
    // The run hangs, and is dropped when its time is up.
    drop(tokio::time::timeout(Duration::from_millis(100), bot).await);
}

/// The seconds after which a run that was told to stop is dropped are those of the settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_hangs_does_not_hold_up_the_end() {
    let world = World::start().await;
    let (address, _) = silent().await;
    let settings = Settings { grace: Duration::from_millis(50), ..world.settings() };
    let (bot, handle) = world.bot(world.automation("shop", &format!("http://{address}/repo.git"), 0..1), settings);
    until(&handle, "it runs", |status| status.work.iter().any(|work| work.stage == "advertise")).await;
    handle.shutdown();
    tokio::time::timeout(LIMIT, bot).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_panics_takes_nothing_with_it() {
    let world = World::start().await;
    let broken = Arc::new(AtomicBool::new(true));
    let (clock, breaks) = (world.clock().clone(), Arc::clone(&broken));
    let test = tokio::task::try_id();
    let bots = Arc::new(std::sync::OnceLock::new());
    let bot_itself = Arc::clone(&bots);
    // Tasks ask for the time as they begin, and so does the loop.
    let settings = Settings {
        clock: Arc::new(move || {
            let task = tokio::task::try_id();
            let is_task = task.is_some() && task != test && bot_itself.get().is_some_and(|bot| task != Some(*bot));
            assert!(!(is_task && breaks.load(Ordering::SeqCst)), "the clock fell from the wall");
            clock.now()
        }),
        ..world.settings()
    };
    let (bot, handle) =
        tagwright::schedule::Bot::new(world.edges(), world.automation("shop", &world.server.url(), 0..2), settings);
    let bot = tokio::spawn(async move {
        bots.set(tokio::task::id()).unwrap();
        bot.run().await;
    });
    let status = until(&handle, "both break", |status| {
        status.policies[0].ready == Ready::False && row(status, "shop").ready == Ready::False
    })
    .await;
    assert!(status.policies[0].message.contains("the clock fell from the wall"), "{status:#?}");
    assert_eq!(handle.live(), Ok(()));

    broken.store(false, Ordering::SeqCst);
    world.release(1, "1.1.0");
    handle.trigger(&Trigger::All);
    until(&handle, "it goes on", |status| row(status, "shop").last_commit.is_some()).await;
    assert_eq!(world.tag(1), "1.1.0");
    handle.shutdown();
    bot.await.unwrap();
}
