//! What people hear of a bot: an outage once, however much it stops; and nobody waits for whoever is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use registry::{Client, DockerConfig, Settings as RegistrySettings};
use serde_json::Value;
use tagwright::config::{self, Configuration};
use tagwright::run::Edges;
use tagwright::schedule::{Elsewhere, Handle};
use tagwright::store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::simulated::Fault;
use crate::world::{World, pass};

/// How many images are followed.
const MANY: usize = 500;

/// Somebody who is told, over loopback.
struct Listener {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Listener {
    async fn start(hangs: bool) -> Self {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (counter, count) = watch::channel(0);
        let kept = Arc::clone(&heard);
        let answer = move |body: String| {
            let (kept, counter) = (Arc::clone(&kept), counter.clone());
            async move {
                let body: Value = serde_json::from_str(&body).unwrap();
                kept.lock().unwrap().push(body["text"].as_str().unwrap().to_owned());
                counter.send_modify(|count| *count += 1);
                if hangs { std::future::pending().await } else { "ok" }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/services/T0/B0", listener.local_addr().unwrap());
        let router = Router::new().route("/services/T0/B0", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, heard, count }
    }

    /// Waits for so many messages, while the clock stands still, and until the bot knows that so many of its own have arrived.
    async fn told(&mut self, count: usize, (handle, own): (&Handle, usize)) -> Vec<String> {
        self.count.wait_for(|heard| *heard >= count).await.unwrap();
        let sent = format!("tagwright_notifications_total{{type=\"slack\",result=\"sent\"}} {own}\n");
        while !handle.metrics().contains(&sent) {
            tokio::task::yield_now().await;
        }
        self.heard()
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// A configuration with these images, of which somebody is told.
fn configuration(world: &World, images: &[String], told: &str) -> Configuration {
    let images: String = images
        .iter()
        .enumerate()
        .map(|(number, image)| {
            let host = world.registry.host();
            format!(
                "  - {{name: shop-{number}, image: {host}/{image}, interval: 2m, policy: {{semver: {{range: 1.x}}}}}}\n"
            )
        })
        .collect();
    let url = world.server.url();
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\n\
         spec:\n  interval: 24h\n  git: {{url: '{url}', branch: main}}\n  images:\n{images}---\n\
         apiVersion: tagwright.dev/v1alpha1\nkind: Notification\nmetadata: {{name: chat}}\nspec:\n  type: slack\n{told}"
    );
    config::parse("configuration.yaml", &text).unwrap()
}

fn start(world: &World, configuration: Configuration) -> (tokio::task::JoinHandle<()>, Handle) {
    start_with(world, configuration, Store::in_memory())
}

fn start_with(world: &World, configuration: Configuration, store: Store) -> (tokio::task::JoinHandle<()>, Handle) {
    let settings = RegistrySettings {
        docker_config: DockerConfig::none(),
        retry_wait: Duration::ZERO,
        ..RegistrySettings::default()
    };
    let edges = Edges { registry: Client::new(settings).unwrap(), store, ..world.edges() };
    let (bot, handle) = tagwright::schedule::Bot::new(edges, configuration.automations, world.settings());
    handle.take_notifications(configuration.notifications);
    (tokio::spawn(bot.run()), handle)
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_registry_with_500_policies_is_one_message_and_one_all_clear() {
    let world = World::start().await;
    let images: Vec<String> = (0..MANY).map(|number| format!("many/app-{number}")).collect();
    world.registry.change(|registry| {
        for image in &images {
            registry.repositories.insert(image.clone(), vec!["1.0.0".to_owned()]);
        }
    });
    let mut chat = Listener::start(false).await;
    // Long enough for all of them to fail, and to work again.
    let told = format!(
        "  address: {}\n  severity: error\n  events: [failing, recovered]\n  group: 30m\n  quiet: 2h\n",
        chat.address
    );
    let (bot, handle) = start(&world, configuration(&world, &images, &told));
    pass(&handle, Duration::from_secs(60)).await;
    assert_eq!(handle.unpolled(), (0, MANY));
    world.registry.change(|registry| {
        // Not all of them hear the same.
        let down = |number: usize| {
            let status = [500, 502, 503][number % 3];
            ("/tags/list".to_owned(), Fault::error(status, "UNAVAILABLE", "down"))
        };
        registry.faults = (0..100_000).map(down).collect();
    });
    pass(&handle, Duration::from_secs(150)).await;
    let failing = handle.status().policies.iter().filter(|row| row.message.contains("cannot poll")).count();
    assert_eq!((failing, chat.heard().len()), (MANY, 0));
    tokio::time::advance(Duration::from_secs(1800)).await;
    let first = chat.told(1, (&handle, 1)).await;
    assert!(first[0].starts_with(&format!("🔴 {} fails: ", world.registry.host())), "{first:?}");
    assert!(first[0].contains(&format!("({MANY} affected)")), "{first:?}");

    world.registry.change(|registry| registry.faults.clear());
    pass(&handle, Duration::from_secs(260)).await;
    assert_eq!(chat.heard().len(), 1);
    tokio::time::advance(Duration::from_secs(7200)).await;
    let both = chat.told(2, (&handle, 2)).await;
    assert!(both[1].starts_with(&format!("🟢 {} works again, after ", world.registry.host())), "{both:?}");
    pass(&handle, Duration::from_secs(300)).await;
    assert_eq!(chat.heard().len(), 2, "{:?}", chat.heard());
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_holds_up_no_commit() {
    let world = World::start().await;
    let mut chat = Listener::start(true).await;
    let told = format!("  address: {}\n  group: 1s\n", chat.address);
    let (bot, handle) = start(&world, configuration(&world, &["team/app-0".to_owned()], &told));
    for version in 1..6 {
        world.release(0, &format!("1.{version}.0"));
        pass(&handle, Duration::from_secs(180)).await;
        assert_eq!(world.tag(0), format!("1.{version}.0"));
        assert_eq!(handle.live(), Ok(()));
    }
    chat.count.wait_for(|heard| *heard >= 1).await.unwrap();
    assert!(chat.heard()[0].contains("default/shop: pushed "), "{:?}", chat.heard());
    assert!(!handle.metrics().contains("result=\"sent\"}"), "it never answers");
    handle.shutdown();
    // The last words have five seconds.
    tokio::time::advance(Duration::from_secs(1)).await;
    while !bot.is_finished() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    bot.await.unwrap();
}

/// Whoever was told that something fails hears that it is gone, also when nobody works who knew it.
#[tokio::test(start_paused = true)]
async fn what_is_not_configured_any_more_is_told_and_forgotten() {
    let world = World::start().await;
    let (store, mut chat) = (Store::in_memory(), Listener::start(false).await);
    let told = format!("  address: {}\n  severity: error\n  events: [failing, recovered]\n", chat.address);
    let configured = |image: &str| configuration(&world, &[image.to_owned()], &told);
    let denied = || ("app-0/tags/list".to_owned(), Fault::error(403, "DENIED", "no"));
    world.registry.change(|registry| registry.faults = std::iter::repeat_with(denied).take(10_000).collect());
    let (bot, handle) = start_with(&world, configured("team/app-0"), store.clone());
    pass(&handle, Duration::from_secs(60)).await;
    chat.told(1, (&handle, 1)).await;
    pass(&handle, Duration::from_secs(2)).await;
    handle.shutdown();
    bot.await.unwrap();

    world.registry.change(|registry| registry.faults.clear());
    let (bot, handle) = start_with(&world, configured("team/app-1"), store.clone());
    pass(&handle, Duration::from_secs(200)).await;
    let both = chat.told(2, (&handle, 1)).await;
    assert!(both[1].contains("app-0 is not used any more"), "{both:?}");
    pass(&handle, Duration::from_secs(2)).await;
    handle.shutdown();
    bot.await.unwrap();

    let (bot, handle) = start_with(&world, configured("team/app-1"), store);
    pass(&handle, Duration::from_secs(200)).await;
    assert_eq!(chat.heard().len(), 2, "{:?}", chat.heard());
    handle.shutdown();
    bot.await.unwrap();
}

/// What the first process has told the second one does not tell again, and it tells the end of it.
#[tokio::test(start_paused = true)]
async fn an_outage_that_outlives_a_bot_is_told_once() {
    let world = World::start().await;
    let (store, mut chat) = (Store::in_memory(), Listener::start(false).await);
    let told = format!(
        "  address: {}\n  severity: error\n  events: [failing, recovered]\n  group: 30m\n  quiet: 2h\n",
        chat.address
    );
    let configured = || configuration(&world, &["team/app-0".to_owned()], &told);
    let fault = || ("/tags/list".to_owned(), Fault::error(503, "UNAVAILABLE", "down"));
    world.registry.change(|registry| registry.faults = std::iter::repeat_with(fault).take(10_000).collect());
    let (bot, handle) = start_with(&world, configured(), store.clone());
    pass(&handle, Duration::from_secs(5)).await;
    tokio::time::advance(Duration::from_secs(1800)).await;
    chat.told(1, (&handle, 1)).await;
    // Slack is left alone for a second after each message.
    pass(&handle, Duration::from_secs(2)).await;
    handle.shutdown();
    bot.await.unwrap();

    let (bot, handle) = start_with(&world, configured(), store.clone());
    pass(&handle, Duration::from_secs(150)).await;
    tokio::time::advance(Duration::from_secs(1800)).await;
    pass(&handle, Duration::from_secs(5)).await;
    assert_eq!(chat.heard().len(), 1, "{:?}", chat.heard());
    handle.shutdown();
    bot.await.unwrap();

    world.registry.change(|registry| registry.faults.clear());
    let (bot, handle) = start_with(&world, configured(), store);
    pass(&handle, Duration::from_secs(5)).await;
    tokio::time::advance(Duration::from_secs(7200)).await;
    let both = chat.told(2, (&handle, 1)).await;
    assert!(both[1].contains(" works again, after "), "{both:?}");
    pass(&handle, Duration::from_secs(2)).await;
    handle.shutdown();
    bot.await.unwrap();
}

/// What a bot has no more is either nobody's, which is told, or that of another replica, which tells what becomes of it.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_looks_after_is_not_said_to_be_gone() {
    for is_elsewhere in [true, false] {
        let world = World::start().await;
        let mut chat = Listener::start(false).await;
        let told = format!("  address: {}\n  severity: error\n  group: 30m\n  quiet: 2h\n", chat.address);
        let configuration = configuration(&world, &["team/app-0".to_owned()], &told);
        let automations = configuration.automations.clone();
        let fault = || ("/tags/list".to_owned(), Fault::error(503, "UNAVAILABLE", "down"));
        world.registry.change(|registry| registry.faults = std::iter::repeat_with(fault).take(10_000).collect());
        let (bot, handle) = start(&world, configuration);
        pass(&handle, Duration::from_secs(5)).await;
        tokio::time::advance(Duration::from_secs(1800)).await;
        chat.told(1, (&handle, 1)).await;
        pass(&handle, Duration::from_secs(2)).await;
        if is_elsewhere {
            handle.take_elsewhere(Elsewhere { repositories: Vec::new(), automations });
        }
        handle.configure(Vec::new());
        pass(&handle, Duration::from_secs(5)).await;
        tokio::time::advance(Duration::from_secs(7200)).await;
        if !is_elsewhere {
            let both = chat.told(2, (&handle, 2)).await;
            assert!(both[1].contains(" is not used any more"), "{both:?}");
        }
        pass(&handle, Duration::from_secs(2)).await;
        handle.shutdown();
        // What waits is sent before it ends.
        bot.await.unwrap();
        assert_eq!(chat.heard().len(), if is_elsewhere { 1 } else { 2 }, "{:?}", chat.heard());
    }
}
