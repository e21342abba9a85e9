//! Digests that are looked up between polls.

use super::*;

/// One automation with one image repository that is polled every ten minutes; `digests` of its policies every so often.
fn digested(digests: &[(&str, Duration)]) -> Plan {
    let mut plan = shop();
    plan.repositories[0].schedule = Schedule::Every(10 * MINUTE);
    plan.repositories[0].digests = digests.iter().map(|(policy, every)| (name(policy), *every)).collect();
    plan.automations[0].schedule = Schedule::Every(24 * HOUR);
    plan
}

fn looked_up(world: &World, policy: &str) -> Vec<Duration> {
    world.look_ups.iter().filter(|(_, policies)| policies.contains(&name(policy))).map(|(at, _)| *at).collect()
}

#[test]
fn they_are_looked_up_at_their_interval_and_by_polls() {
    let mut world = World::new(digested(&[("app", MINUTE), ("other", 5 * MINUTE), ("rare", 10 * MINUTE)]));
    world.pass(10 * MINUTE);
    world.forget();
    world.pass(HOUR);
    assert_eq!(world.polls.len(), 6, "no more lists than without");
    let app = looked_up(&world, "app");
    assert_eq!(app.len(), 54, "each minute but for those of polls");
    assert!(app.windows(2).all(|pair| pair[1] - pair[0] == MINUTE || pair[1] - pair[0] == 2 * MINUTE), "{app:?}");
    assert_eq!(looked_up(&world, "other").len(), 6, "every other time with a poll");
    assert!(looked_up(&world, "rare").is_empty(), "as often as the poll, so with it");
    assert_eq!(world.look_ups.len(), 54, "those due together are one look-up");
}

#[test]
fn what_moved_makes_its_automations_run_at_once() {
    let mut plan = digested(&[("app", MINUTE)]);
    plan.repositories[0].schedule = Schedule::Every(24 * HOUR);
    let mut world = World::new(plan);
    world.pass(2 * MINUTE);
    world.forget();
    world.release("app");
    world.pass(MINUTE);
    assert_eq!((world.polls.len(), world.look_ups.len()), (0, 1));
    let (looked_up, ran) = (world.look_ups[0].0, world.ran("shop"));
    assert_eq!(ran.len(), 1);
    assert!(ran[0] - looked_up < SECOND, "{looked_up:?} {ran:?}");
}

#[test]
fn a_poll_that_is_asked_for_meanwhile_is_made() {
    let mut world = World::new(digested(&[("app", MINUTE)]));
    world.course("app", Course { takes: 30 * SECOND, ..Course::default() });
    world.pass(2 * MINUTE + 30 * SECOND);
    while world.under_way.is_empty() {
        world.pass(SECOND);
    }
    world.forget();
    assert_eq!(world.trigger(Trigger::Image("registry/app".to_owned())), 1, "one image repository");
    world.pass(31 * SECOND);
    assert_eq!(world.polls.len(), 1, "after the look-up that was under way");
}

#[test]
fn a_look_up_that_fails_is_tried_again_and_the_list_is_left_alone() {
    let mut plan = digested(&[("app", HOUR)]);
    plan.repositories[0].schedule = Schedule::Every(24 * HOUR);
    let mut world = World::new(plan);
    world.pass(MINUTE);
    world.forget();
    world.course("app", failed(Kind::Transient));
    world.pass(2 * HOUR);
    let waits: Vec<Duration> = looked_up(&world, "app").windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() > 6 && waits[0] <= FIRST_RETRY + SECOND && waits[4] > waits[0], "{waits:?}");
    assert!(world.polls.len() <= 1, "{:?}", world.polls);

    let asked = Ending::Failed { kind: Kind::Transient, retry_after: Some(30 * MINUTE) };
    world.course("app", Course { ending: asked, ..Course::default() });
    while world.under_way.is_empty() {
        world.pass(SECOND);
    }
    world.pass(SECOND);
    world.forget();
    world.trigger(Trigger::All);
    world.pass(29 * MINUTE);
    assert!(world.polls.is_empty() && world.look_ups.is_empty(), "the registry said not before");
}

#[test]
fn nothing_is_looked_up_of_what_is_suspended() {
    let mut plan = digested(&[("app", MINUTE)]);
    plan.repositories[0].suspended = true;
    let mut world = World::new(plan);
    world.pass(HOUR);
    assert_eq!((world.polls.len(), world.look_ups.len()), (1, 0));
}

#[test]
fn those_of_many_are_spread() {
    let mut plan = Plan::default();
    for number in 0..600 {
        let key = format!("app-{number:04}");
        plan.repositories.push(RepositoryPlan {
            schedule: Schedule::Every(HOUR),
            digests: BTreeMap::from([(name(&key), MINUTE)]),
            registry: format!("registry-{}", number % 10),
            ..repository(&key)
        });
        plan.automations.push(automation(&key, "git", &[&key]));
    }
    let mut world = World::new(plan);
    world.pass(MINUTE);
    world.forget();
    world.pass(MINUTE);
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, _) in &world.look_ups {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    assert!(world.look_ups.len() + world.polls.len() >= 600);
    assert!(*seconds.values().max().unwrap() < 40, "{seconds:?}");
}
