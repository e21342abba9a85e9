//! Intervals that are stretched while the list gets no new tags.

use super::*;

/// One image repository, polled every minute to every hour, whose newest tag is as old as the process.
fn adaptive() -> World {
    let mut plan = shop();
    plan.repositories[0].max_interval = Some(HOUR);
    plan.automations[0].schedule = Schedule::Every(24 * HOUR);
    let mut world = World::new(plan);
    world.newest.insert("app".to_owned(), Duration::ZERO);
    world
}

fn waits(world: &World) -> Vec<Duration> {
    world.polled("app").windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_quiet_list_is_asked_for_less_and_less() {
    let mut world = adaptive();
    world.pass(48 * HOUR);
    let polls = world.polled("app");
    let waits = waits(&world);
    // Twenty minutes of quiet are not yet more than the interval.
    assert!(
        polls.iter().zip(&waits).filter(|(at, _)| **at < 20 * MINUTE).all(|(_, wait)| *wait <= MINUTE),
        "{waits:?}"
    );
    for (at, wait) in polls.iter().zip(&waits) {
        assert!(*wait <= (*at / STRETCH).clamp(MINUTE, HOUR) + SECOND, "{at:?} {wait:?}");
        assert!(*wait + MINUTE + SECOND >= (*at / STRETCH).min(HOUR), "{at:?} {wait:?}");
    }
    assert_eq!(*waits.last().unwrap(), HOUR, "never less often than that");
    assert!(polls.len() < 150, "{} of 2,880", polls.len());
}

#[test]
fn a_new_tag_brings_the_interval_back() {
    let mut world = adaptive();
    world.pass(48 * HOUR);
    world.forget();
    world.release("app");
    world.pass(HOUR + 10 * MINUTE);
    let after = waits(&world);
    assert!(after.len() >= 10 && after.iter().all(|wait| *wait == MINUTE), "{after:?}");
}

#[test]
fn whoever_asks_is_answered_at_once_and_the_rest_goes_on() {
    let mut world = adaptive();
    world.pass(48 * HOUR);
    world.forget();
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.pass(SECOND);
    assert_eq!(world.polls.len(), 1);
    world.pass(HOUR - 2 * MINUTE);
    assert_eq!(world.polls.len(), 1, "the list is as quiet as before");
}

#[test]
fn failures_are_tried_again_as_always() {
    let mut world = adaptive();
    world.pass(48 * HOUR);
    world.forget();
    world.course("app", failed(Kind::Transient));
    world.trigger(Trigger::All);
    world.pass(MINUTE);
    assert!(world.polls.len() > 1, "{:?}", world.polls);
}

#[test]
fn without_it_nothing_is_stretched() {
    let mut world = World::new(shop());
    world.newest.insert("app".to_owned(), Duration::ZERO);
    world.pass(HOUR);
    assert!(waits(&world).iter().skip(1).all(|wait| *wait == MINUTE));
}
