//! A bot writes again at the moment at which a freeze ends, and sees at once to a new calendar.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tagwright_core::freeze::{Calendar, Period};

use crate::world::{World, pass, row};

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_when_the_freeze_ends() {
    let world = World::start().await;
    // Runs by themselves are rare, so that the end of the freeze is what makes it due.
    let text_of = world.automation("shop", &world.server.url(), 0..1);
    let now = world.clock().now();
    let period = |hours: i64| {
        let to = Timestamp::from_second((now + SignedDuration::from_hours(hours)).as_second()).unwrap();
        Calendar::new(vec![Period { from: now, to, reason: Some("the fair".into()) }])
    };
    let (bot, handle) = world.bot(text_of, world.settings());
    handle.take_calendar(period(2));
    world.release(0, "1.1.0");
    handle.settled().await;
    pass(&handle, Duration::from_secs(120)).await;
    assert_eq!(world.tag(0), "1.0.0");
    let status = handle.status();
    let shop = row(&status, "shop");
    assert!(shop.message.starts_with("frozen by the calendar until "), "{shop:?}");
    assert_eq!((status.freezes.len(), status.freezes[0].active), (1, true));
    assert_eq!(status.policies[0].tag.as_deref(), Some("1.1.0"), "it is polled");
    pass(&handle, Duration::from_secs(2 * 3600 - 130)).await;
    assert_eq!(world.tag(0), "1.0.0");
    pass(&handle, Duration::from_secs(30)).await;
    assert_eq!(world.tag(0), "1.1.0");
    // A calendar that freezes, and the next that does not.
    handle.take_calendar(period(4));
    world.release(0, "1.2.0");
    pass(&handle, Duration::from_secs(120)).await;
    assert_eq!(world.tag(0), "1.1.0");
    handle.take_calendar(Calendar::default());
    pass(&handle, Duration::from_secs(10)).await;
    assert_eq!(world.tag(0), "1.2.0");
    handle.shutdown();
    bot.await.unwrap();
}
