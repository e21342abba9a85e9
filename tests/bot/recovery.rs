//! Failures that are over: what was missed meanwhile is made up for at once, not at the next interval.

use std::time::Duration;

use registry::{Client, DockerConfig, Settings as RegistrySettings};
use tagwright::config;
use tagwright::run::Edges;

use crate::simulated::{Fault, Head};
use crate::support::Behaviour;
use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_secs(60);

impl World {
    /// An automation that runs by itself once a day, and polls its image every minute.
    fn daily(&self, policy: &str) -> Vec<std::sync::Arc<tagwright_core::automation::Automation>> {
        let text = format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop, namespace: default}}\n\
             spec:\n  interval: 24h\n  git: {{url: '{}', branch: main}}\n  images:\n  \
             - {{name: shop-0, image: {}/team/app-0, interval: 1m, {policy}, policy: {{semver: {{range: 1.x}}}}}}\n",
            self.server.url(),
            self.registry.host()
        );
        config::parse("configuration.yaml", &text).unwrap().automations
    }
}

/// The remote is away when a tag comes, and the registry when the remote is back.
#[tokio::test(start_paused = true)]
async fn a_selection_that_comes_back_is_applied() {
    let world = World::start().await;
    let (bot, handle) = world.bot(world.daily("suspend: false"), world.settings());
    pass(&handle, MINUTE).await;
    world.server.behave(Behaviour { answer: Some((503, "text/plain", "busy")), ..Behaviour::default() });
    world.release(0, "1.1.0");
    pass(&handle, MINUTE).await;
    world.registry.change(|registry| {
        let denied = || ("/tags/list".to_owned(), Fault::error(403, "DENIED", "not now"));
        registry.faults = std::iter::repeat_with(denied).take(1000).collect();
    });
    pass(&handle, MINUTE).await;
    world.server.behave(Behaviour::default());
    pass(&handle, 20 * MINUTE).await;
    assert_eq!(world.tag(0), "1.0.0", "nothing is selected while the registry says nothing");
    world.registry.change(|registry| registry.faults.clear());
    pass(&handle, 2 * MINUTE).await;
    assert_eq!(world.tag(0), "1.1.0");
    handle.shutdown();
    bot.await.unwrap();
}

/// The host of the remote says when to come back, and nothing asks it before.
#[tokio::test(start_paused = true)]
async fn a_git_host_that_asks_for_time_gets_it() {
    let world = World::start().await;
    let (bot, handle) = world.bot(world.daily("suspend: false"), world.settings());
    pass(&handle, MINUTE).await;
    world.server.seen();
    let busy = Some((503, "text/plain", "busy"));
    world.server.behave(Behaviour { answer: busy, retry_after: Some("600"), ..Behaviour::default() });
    world.release(0, "1.1.0");
    pass(&handle, 2 * MINUTE).await;
    world.server.behave(Behaviour::default());
    pass(&handle, 7 * MINUTE).await;
    assert_eq!((world.server.seen().len(), world.tag(0).as_str()), (1, "1.0.0"));
    pass(&handle, 4 * MINUTE).await;
    assert_eq!(world.tag(0), "1.1.0");
    handle.shutdown();
    bot.await.unwrap();
}

/// The registry lists a tag and does not tell its digest.
#[tokio::test(start_paused = true)]
async fn a_digest_that_could_not_be_had_is_asked_for_again() {
    let world = World::start().await;
    world.registry.change(|registry| registry.head = Head::Status(503));
    let settings = RegistrySettings {
        docker_config: DockerConfig::none(),
        retry_wait: Duration::ZERO,
        ..RegistrySettings::default()
    };
    let edges = Edges { registry: Client::new(settings).unwrap(), ..world.edges() };
    world.release(0, "1.1.0");
    let automations = world.daily("digestReflectionPolicy: IfNotPresent");
    let (bot, handle) = tagwright::schedule::Bot::new(edges, automations, world.settings());
    let bot = tokio::spawn(bot.run());
    pass(&handle, MINUTE).await;
    assert_eq!(world.commits(), crate::world::IMAGES, "nothing without its digest");
    world.registry.change(|registry| registry.head = Head::Digest);
    pass(&handle, 2 * MINUTE).await;
    assert_eq!(world.commits(), crate::world::IMAGES + 1);
    handle.shutdown();
    bot.await.unwrap();
}
