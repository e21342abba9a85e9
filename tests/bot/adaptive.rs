//! `maxInterval`: a list that gets no new tags is polled less and less, and at its interval again after a new one.

use std::time::Duration;

use tagwright::config;

use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const LIST: &str = "/v2/team/app-0/tags/list";

#[tokio::test(start_paused = true)]
async fn a_quiet_list_is_polled_less_and_less() {
    let world = World::start().await;
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop, namespace: default}}\n\
         spec:\n  interval: 24h\n  git: {{url: '{}', branch: main}}\n  images:\n  \
         - {{name: shop-0, image: {}, interval: 1m, maxInterval: 20m, policy: {{semver: {{range: 1.x}}}}}}\n",
        world.server.url(),
        world.image(0),
    );
    let automations = config::parse("configuration.yaml", &text).unwrap().automations;
    let (_bot, handle) = world.bot(automations, world.settings());
    pass(&handle, 4 * HOUR).await;
    // In four hours there are 240 minutes; after the first twenty each wait is a twentieth longer than the one before.
    let quiet = world.registry.count(LIST);
    assert!((50..100).contains(&quiet), "{quiet}");

    world.release(0, "1.1.0");
    pass(&handle, 13 * MINUTE).await;
    assert_eq!(world.tag(0), "1.1.0", "no later than a twentieth of four hours");
    let before = world.registry.count(LIST);
    pass(&handle, 10 * MINUTE).await;
    let after = world.registry.count(LIST) - before;
    assert!((9..=11).contains(&after), "one a minute: {after}");
}
