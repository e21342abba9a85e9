//! An hour at one-minute intervals, counted at the registry and at the remote.

use std::sync::Arc;
use std::time::Duration;

use tagwright::wire::status::{Ready, Status};

use crate::world::{IMAGES, World, pass, row};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn an_hour() {
    let world = World::start().await;
    let url = world.server.url();
    let mut automations = world.automation("shop", &url, 0..IMAGES / 2);
    automations.extend(world.automation("web", &url, IMAGES / 2..IMAGES));
    let (bot, handle) = world.bot(automations, world.settings());

    handle.settled().await;
    assert_eq!(world.registry.count("/tags/list"), IMAGES, "each is polled at the start");
    assert_eq!(waves(&world), 1, "one wave for both automations");
    pass(&handle, MINUTE).await;
    world.registry.take_lines();
    waves(&world);

    // Nothing new: a poll of each repository and one question to the remote a minute, and no more than that.
    pass(&handle, 20 * MINUTE).await;
    assert_eq!(world.registry.take_lines().len(), IMAGES * 20);
    assert_eq!(waves(&world), 20);
    assert_eq!(world.commits(), IMAGES, "nothing was committed");

    // A release is committed within a minute, whatever the wall clock does.
    for (number, jump) in [(0, 0), (3, -172_800), (5, 400_000)] {
        world.clock().jump(jump);
        world.release(number, "1.1.0");
        pass(&handle, MINUTE).await;
        assert_eq!(world.tag(number), "1.1.0");
    }
    assert_eq!(world.commits(), IMAGES + 3);
    let (polls, runs) = (world.registry.take_lines().len(), waves(&world));
    assert_eq!(polls, IMAGES * 3);
    // A release that is seen just before the wave of its minute goes with it. Where that is depends on the ports.
    assert!((3..=6).contains(&runs), "a wave each minute and at most one for each release, at once: {runs}");

    pass(&handle, 37 * MINUTE).await;
    assert_eq!((world.registry.take_lines().len(), waves(&world)), (IMAGES * 37, 37));

    let status = handle.status();
    assert_eq!(status.policies.len(), IMAGES);
    for policy in &status.policies {
        let (last, next) = (policy.last_poll.unwrap(), policy.next.unwrap());
        assert_eq!(policy.ready, Ready::True, "{policy:?}");
        assert!(last <= status.written && next > status.written, "{policy:?}");
        // The clock went by whole seconds.
        assert!((59..=60).contains(&next.duration_since(last).as_secs()), "{policy:?}");
    }
    assert_eq!(status.policies[0].tag.as_deref(), Some("1.1.0"));
    let shop = row(&status, "shop");
    assert_eq!((shop.ready, shop.branch.as_str(), shop.message.as_str()), (Ready::True, "main", "nothing to do"));
    assert!(shop.last_commit.is_some() && shop.next.unwrap() > status.written);
    assert_eq!(handle.live(), Ok(()));

    handle.shutdown();
    bot.await.unwrap();
    let kept: Status = serde_json::from_slice(&handle.store().status().unwrap().unwrap()).unwrap();
    assert_eq!(kept.automations.len(), 2);
    assert_eq!(row(&kept, "shop").last_commit, shop.last_commit);
}

/// How often the remote was asked for its references to read, since the last time.
fn waves(world: &World) -> usize {
    world.server.seen().iter().filter(|seen| seen.is_listing).count()
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_does_not_move_is_not_alive() {
    let world = World::start().await;
    let (bot, handle) = tagwright::schedule::Bot::new(world.edges(), Vec::new(), world.settings());
    assert_eq!(handle.live(), Ok(()));
    tokio::time::advance(tagwright::schedule::BEAT_LIMIT + Duration::from_secs(1)).await;
    let still = handle.live().unwrap_err();
    assert!(still.contains("main loop"), "{still}");
    let bot = tokio::spawn(bot.run());
    handle.settled().await;
    assert_eq!(handle.live(), Ok(()));
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_suspended_automation_applies_is_known_and_left_alone() {
    let world = World::start().await;
    let url = world.server.url();
    let shop = world.automation("shop", &url, 0..2);
    let mut suspended = world.automation("shop", &url, 0..2);
    Arc::get_mut(&mut suspended[0]).unwrap().suspended = true;
    let mut automations = suspended.clone();
    automations.extend(world.automation("web", &url, 3..4));
    let (bot, handle) = world.bot(automations, world.settings());
    handle.settled().await;

    let status = handle.status();
    let names: Vec<&str> = status.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["shop-0", "shop-1", "web-3"], "in the configuration's order");
    let idle = &status.policies[0];
    assert_eq!((idle.suspended, idle.ready, idle.last_poll, idle.next), (true, Ready::Unknown, None, None));
    assert_eq!(idle.message, "its automation is suspended");
    assert!(!status.policies[2].suspended && status.policies[2].next.is_some());
    assert_eq!(world.registry.count("/tags/list"), 1, "nobody asks for what nobody writes");

    // It is taken up, and given up again; what was known is kept.
    handle.configure(shop);
    pass(&handle, MINUTE).await;
    let active = &handle.status().policies[0];
    assert_eq!((active.suspended, active.tag.as_deref(), active.ready), (false, Some("1.0.0"), Ready::True));
    assert!(active.next.is_some() && !active.message.contains("suspended"), "{active:?}");
    handle.configure(suspended);
    pass(&handle, MINUTE).await;
    let idle = &handle.status().policies[0];
    assert_eq!((idle.suspended, idle.tag.as_deref(), idle.next), (true, Some("1.0.0"), None));
    handle.shutdown();
    bot.await.unwrap();
}
