//! What comes after a failure, and peers that hang.

use super::*;

/// The waits between the polls of `app` in some time of failing.
fn waits(course: Course, interval: Duration, time: Duration) -> Vec<Duration> {
    let mut plan = shop();
    plan.repositories[0].schedule = Schedule::Every(interval);
    let mut world = World::new(plan);
    world.course("app", course);
    world.pass(time);
    world.polled("app").windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn transient_failures_back_off() {
    let waits = waits(failed(Kind::Transient), HOUR, 4 * HOUR);
    let mut longest = FIRST_RETRY;
    for wait in &waits {
        assert!((longest / 2..=longest + SECOND).contains(wait), "{wait:?} of {longest:?} in {waits:?}");
        longest = (2 * longest).min(LONGEST_RETRY);
    }
    assert!((20..40).contains(&waits.len()), "{waits:?}");
    let mut different = waits[9..].to_vec();
    different.sort();
    different.dedup();
    assert!(different.len() > 5, "jitter: {waits:?}");
}

#[test]
fn a_backoff_is_no_longer_than_the_interval() {
    let waits = waits(failed(Kind::Transient), 20 * SECOND, HOUR);
    assert!(waits.iter().all(|wait| *wait <= 21 * SECOND), "{waits:?}");
    assert!(waits.len() > 180);
}

#[test]
fn what_is_denied_is_tried_at_the_interval() {
    for kind in [Kind::Denied, Kind::Internal] {
        let waits = waits(failed(kind), MINUTE, HOUR);
        assert!((59..=60).contains(&waits.len()), "{waits:?}");
        assert!(waits[1..].iter().all(|wait| *wait == MINUTE), "{waits:?}");
    }
}

#[test]
fn what_only_a_configuration_helps_is_tried_rarely() {
    let waits = waits(failed(Kind::Config), MINUTE, HOUR);
    assert_eq!(waits.len(), 3, "{waits:?}");
    let mut world = World::new(shop());
    world.course("app", failed(Kind::Config));
    world.pass(5 * MINUTE);
    assert_eq!(world.polls.len(), 1);
    world.courses.clear();
    world.configure(shop());
    world.pass(SECOND);
    assert_eq!(world.polls.len(), 2, "at once with the next configuration");
    world.pass(MINUTE);
    assert_eq!(world.polls.len(), 3, "and then as usual");
}

#[test]
fn a_success_ends_the_backoff() {
    let mut world = World::new(shop());
    world.course("git", failed(Kind::Transient));
    world.pass(10 * MINUTE);
    world.courses.clear();
    world.pass(2 * MINUTE);
    world.forget();
    world.pass(10 * MINUTE);
    assert_eq!(world.runs.len(), 10);
    world.course("git", failed(Kind::Transient));
    world.pass(MINUTE + 10 * SECOND);
    let first = world.runs[10].0;
    assert!(world.runs[11].0 - first <= FIRST_RETRY + SECOND, "the next failure begins from the start");
}

#[test]
fn automations_of_one_remote_fail_and_recover_together() {
    let mut plan = shop();
    plan.automations.extend((0..20).map(|number| automation(&format!("other-{number}"), "git", &["app"])));
    let mut world = World::new(plan);
    world.course("git", failed(Kind::Transient));
    world.pass(30 * MINUTE);
    assert!(world.runs.iter().all(|(.., due)| due.len() == 21), "one wave, also in failure");
}

#[test]
fn a_release_does_not_hurry_a_remote_that_fails() {
    let mut plan = shop();
    plan.automations[0].schedule = Schedule::Every(HOUR);
    let mut world = World::new(plan);
    world.course("git", failed(Kind::Transient));
    world.pass(HOUR);
    world.forget();
    for _ in 0..600 {
        world.release("app");
        world.trigger(Trigger::Image("registry/app".to_owned()));
        world.pass(SECOND);
    }
    assert!(world.runs.len() <= 2, "{} runs in ten minutes of a release each second", world.runs.len());
    world.trigger(Trigger::Automation(name("shop")));
    let before = world.runs.len();
    world.pass(SECOND);
    assert_eq!(world.runs.len(), before + 1, "but somebody who asks is heard");
}

#[test]
fn what_the_other_side_asks_for_is_obeyed_by_all() {
    let throttled = |wait| Course {
        ending: Ending::Failed { kind: Kind::Transient, retry_after: Some(wait) },
        ..Course::default()
    };
    let mut plan = shop();
    plan.repositories.push(repository("web"));
    plan.automations.push(automation("front", "git", &["web"]));
    let mut world = World::new(plan.clone());
    world.pass(MINUTE);
    world.forget();
    world.course("app", throttled(5 * MINUTE));
    world.pass(90 * SECOND);
    assert_eq!(world.polled("app").len(), 1);
    world.trigger(Trigger::All);
    world.pass(2 * MINUTE);
    assert_eq!(world.polled("app").len(), 1, "not even when asked");
    let (throttled_at, others) = (world.polled("app")[0], world.polled("web"));
    let early = |at: &&Duration| **at > throttled_at && **at < throttled_at + MAX_REGISTRY_PAUSE;
    assert_eq!(others.iter().filter(early).count(), 0, "the registry rests for a minute");
    assert!(others.iter().any(|at| *at >= throttled_at + MAX_REGISTRY_PAUSE), "and not for longer: {others:?}");
    assert!(!world.ran("shop").is_empty(), "and nobody waits for it for ever");

    let mut world = World::new(plan);
    world.course("app", throttled(100 * HOUR));
    world.pass(MAX_RETRY_AFTER + MINUTE);
    assert_eq!(world.polled("app").len(), 2, "within reason");
}

#[test]
fn a_registry_that_hangs_stops_no_other() {
    let mut plan = Plan::default();
    for number in 0..400 {
        let key = format!("hangs-{number:03}");
        plan.repositories.push(RepositoryPlan { registry: format!("dead-{}", number % 4), ..repository(&key) });
        plan.automations.push(automation(&key, "git", &[&key]));
    }
    plan.repositories.push(RepositoryPlan { registry: "well".to_owned(), ..repository("well") });
    plan.automations.push(automation("well", "elsewhere", &["well"]));
    let mut world = World::new(plan);
    for number in 0..400 {
        world.course(&format!("hangs-{number:03}"), Course { takes: 5 * MINUTE, ..failed(Kind::Transient) });
    }
    world.pass(HOUR);
    let polled = world.polled("well");
    assert!(polled.len() >= 60, "{} polls of the one that is well", polled.len());
    let longest = polled.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= MINUTE + 3 * LONG_POLL, "{longest:?}");
    let begun: BTreeSet<&String> = world.polls.iter().map(|(_, key)| key).collect();
    assert_eq!(begun.len(), 401, "and each of the others has its turn");
}

#[test]
fn remotes_that_hang_stop_no_other() {
    let mut plan = shop();
    for number in 0..20 {
        plan.automations.push(automation(&format!("hangs-{number}"), &format!("dead-{number}"), &["app"]));
    }
    let mut world = World::new(plan);
    for number in 0..20 {
        world.course(&format!("dead-{number}"), Course { takes: 10 * MINUTE, ..failed(Kind::Transient) });
    }
    world.pass(HOUR);
    let ran = world.ran("shop");
    let longest = ran.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(ran.len() >= 50 && longest <= MINUTE + 3 * LONG_RUN, "{} runs, {longest:?}", ran.len());
    assert!((0..20).all(|number| world.ran(&format!("hangs-{number}")).len() >= 3));
}
