//! What a bot says of registries and remotes while it works: what it asked, who throttles or fails, and what helps.

use std::time::Duration;

use crate::simulated::Fault;
use crate::support::Behaviour;
use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_registry_that_throttles_or_fails_is_told_with_what_helps() {
    let world = World::start().await;
    let (bot, handle) = world.bot(world.automation("shop", &world.server.url(), 0..3), world.settings());
    pass(&handle, 2 * MINUTE).await;
    let row = || {
        let rows = handle.status().registries;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].clone()
    };
    let well = row();
    assert_eq!((well.host.as_str(), well.policies, well.failing), (world.registry.host().as_str(), 3, 0));
    assert_eq!((well.at_once, well.a_second, well.slowed_to, well.throttled_until), (16, 10_000, None, None));
    assert!(well.requests["2xx"] >= 6 && (1..=well.requests["2xx"]).contains(&well.last_minute), "{well:?}");

    // Longer than a poll may take, so that it fails at once.
    let busy = || Fault::header(429, "retry-after", "600");
    world.registry.change(|registry| {
        registry.broken.extend((0..3).map(|number| (format!("/v2/team/app-{number}/tags/list"), busy())));
    });
    pass(&handle, 2 * MINUTE).await;
    let slow = row();
    assert!(slow.throttled > 0 && slow.requests["4xx"] >= slow.throttled, "{slow:?}");
    assert!(slow.throttled_until.is_some_and(|until| until > world.clock().now()), "{slow:?}");
    assert!(slow.slowed_to.is_some() && slow.failing > 0, "{slow:?}");
    let denied = Fault::error(401, "UNAUTHORIZED", "who are you?");
    world.registry.change(|registry| {
        registry.broken.clear();
        registry.broken.insert("/v2/team/app-1/tags/list".to_owned(), denied);
    });
    pass(&handle, 20 * MINUTE).await;
    let failing = row();
    let error = failing.last_error.as_ref().unwrap();
    assert_eq!((failing.failing, failing.throttled_until, failing.slowed_to), (1, None, None), "{failing:?}");
    assert_eq!(error.subject, world.image(1));
    assert!(error.since < world.clock().now() && !error.message.is_empty() && !error.hint.is_empty(), "{error:?}");
    world.registry.change(|registry| registry.broken.clear());
    pass(&handle, 20 * MINUTE).await;
    assert_eq!((row().failing, row().last_error), (0, None));
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_remote_is_told_with_its_mirror_and_its_last_visits() {
    let world = World::start().await;
    let url = world.server.url();
    let mut automations = world.automation("shop", &url, 0..3);
    automations.extend(world.automation("web", &url, 3..6));
    let (bot, handle) = world.bot(automations, world.settings());
    pass(&handle, MINUTE).await;
    let row = || {
        let rows = handle.remotes();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].clone()
    };
    let well = row();
    assert_eq!((well.remote.as_str(), well.automations.join(" ").as_str()), (url.as_str(), "default/shop default/web"));
    assert!(well.last_asked.is_some() && well.last_fetch.is_some() && well.last_push.is_none(), "{well:?}");
    assert_eq!(well.last_error, None);
    world.release(0, "1.1.0");
    pass(&handle, 10 * MINUTE).await;
    let pushed = row();
    assert!(pushed.last_push.is_some() && pushed.mirror_bytes.is_some_and(|bytes| bytes > 1000), "{pushed:?}");
    world.server.behave(Behaviour { answer: Some((503, "text/plain", "busy")), ..Behaviour::default() });
    pass(&handle, 3 * MINUTE).await;
    let error = row().last_error.unwrap();
    assert!(error.subject == url && error.message.contains("503"), "{error:?}");
    assert_eq!(row().last_push, pushed.last_push);
    handle.shutdown();
    bot.await.unwrap();
}
