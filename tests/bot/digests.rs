//! `interval` of a Flux `ImagePolicy`: the digest of the selected tag is looked up between two polls of the repository.

use std::sync::Arc;
use std::time::Duration;

use tagwright::config;
use tagwright::wire::status::Ready;
use tagwright_core::automation::Automation;

use crate::simulated::{Fault, digest};
use crate::world::{IMAGES, World, pass};

const MINUTE: Duration = Duration::from_secs(60);

const LIST: &str = "/v2/team/app-0/tags/list";
const MANIFEST: &str = "/v2/team/app-0/manifests/1.0.0";

impl World {
    /// An image that is polled once a year (where in it depends on the port), whose digest is looked up every minute, and an automation that runs once a day.
    fn flux(&self, suspend: &str) -> Vec<Arc<Automation>> {
        let text = format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: config, namespace: default}}\n\
             spec: {{interval: 1m, url: '{}', ref: {{branch: main}}}}\n---\n\
             apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {{name: app, namespace: default}}\n\
             spec: {{interval: 8760h, image: {}/team/app-0}}\n---\n\
             apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: shop-0, namespace: default}}\n\
             spec: {{imageRepositoryRef: {{name: app}}, policy: {{semver: {{range: 1.x}}}}, suspend: {suspend},\n  \
             digestReflectionPolicy: Always, interval: 1m}}\n---\n\
             apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: shop, namespace: default}}\n\
             spec: {{interval: 24h, sourceRef: {{kind: GitRepository, name: config}},\n  \
             git: {{commit: {{author: {{email: bot@example.com}}}}}}, update: {{path: ./}}}}\n",
            self.server.url(),
            self.registry.host()
        );
        config::parse("configuration.yaml", &text).unwrap().automations
    }

    /// The tag points to something else from now on.
    fn move_tag(&self, digest: &str) {
        let answer = Fault::header(200, "docker-content-digest", digest);
        self.registry.change(|registry| drop(registry.broken.insert(MANIFEST.to_owned(), answer)));
    }

    fn file(&self) -> String {
        self.remote.show("main:app-0.yaml")
    }
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_moved_is_written_within_the_interval_of_the_policy() {
    let world = World::start().await;
    let (bot, handle) = world.bot(world.flux("false"), world.settings());
    pass(&handle, Duration::from_secs(5)).await;
    assert!(world.file().contains(&format!("1.0.0@{} ", digest("team/app-0", "1.0.0"))), "{}", world.file());
    // While a thread of the machine is slow, the clock of the test may be a minute further.
    let first = world.registry.count(MANIFEST);
    assert!(world.registry.count(LIST) == 1 && (1..=2).contains(&first), "a poll looks it up once: {first}");

    let moved = format!("sha256:{}", "1".repeat(64));
    world.move_tag(&moved);
    pass(&handle, MINUTE).await;
    assert!(world.file().contains(&format!("1.0.0@{moved} ")), "{}", world.file());
    assert_eq!(world.commits(), IMAGES + 2);
    pass(&handle, 9 * MINUTE).await;
    let later = world.registry.count(MANIFEST) - first;
    assert!(world.registry.count(LIST) == 1 && (9..=11).contains(&later), "one a minute, and no list: {later}");
    assert_eq!(world.commits(), IMAGES + 2, "a digest that stays is no reason to run");

    // What cannot be looked up stays as it is, is said, and is tried again.
    let denied = Fault::error(403, "DENIED", "no");
    world.registry.change(|registry| drop(registry.broken.insert(MANIFEST.to_owned(), denied)));
    pass(&handle, MINUTE).await;
    let status = handle.status();
    let policy = &status.policies[0];
    assert_eq!((policy.ready, policy.tag.as_deref()), (Ready::False, Some("1.0.0")), "{policy:?}");
    assert!(policy.message.contains("1.0.0"), "{policy:?}");
    // Where in the minute it is looked up depends on the ports, and may be less than a second away.
    let (last, next) = (policy.last_poll.unwrap(), policy.next.unwrap());
    assert!(next > status.written && (59..=60).contains(&next.duration_since(last).as_secs()), "{policy:?}");
    let again = format!("sha256:{}", "2".repeat(64));
    world.move_tag(&again);
    pass(&handle, MINUTE).await;
    assert!(world.file().contains(&format!("1.0.0@{again} ")), "{}", world.file());
    assert_eq!(handle.status().policies[0].ready, Ready::True);
    assert_eq!(world.registry.count(LIST), 1);
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_policy_is_not_looked_up() {
    let world = World::start().await;
    let (bot, handle) = world.bot(world.flux("true"), world.settings());
    pass(&handle, 10 * MINUTE).await;
    assert_eq!(world.registry.count(MANIFEST), 0);
    handle.shutdown();
    bot.await.unwrap();
}
