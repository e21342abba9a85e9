//! Points on the wall clock, and a wall clock that jumps.

use super::*;

fn nightly() -> Plan {
    let mut plan = shop();
    plan.automations[0].schedule = cron("0 * * * *");
    plan
}

/// The wall clock's times at which the automation ran, to the minute.
fn times(world: &World) -> Vec<String> {
    let start: Timestamp = START.parse().unwrap();
    let ran = world.ran("shop").into_iter().map(|at| (start + at + world.offset).to_string());
    ran.map(|time| time[11..16].to_owned()).collect()
}

#[test]
fn a_cron_schedule_is_kept() {
    let mut world = World::new(nightly());
    world.pass(4 * HOUR);
    assert_eq!(times(&world), ["12:30", "13:00", "14:00", "15:00", "16:00"]);
    let spread = world.ran("shop")[1] - 30 * MINUTE;
    assert!(spread < CRON_SPREAD, "{spread:?}");
}

#[test]
fn schedules_of_many_are_spread() {
    let mut plan = Plan::default();
    for number in 0..1000 {
        let key = format!("app-{number:04}");
        plan.repositories.push(RepositoryPlan {
            schedule: cron("0 * * * *"),
            registry: format!("registry-{}", number % 10),
            ..repository(&key)
        });
        plan.automations.push(automation(&key, "git", &[&key]));
    }
    let mut world = World::new(plan);
    world.pass(10 * MINUTE);
    world.forget();
    world.pass(HOUR);
    assert_eq!(world.polls.len(), 1000);
    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, _) in &world.polls {
        *seconds.entry(at.as_secs()).or_default() += 1;
    }
    assert!(*seconds.values().max().unwrap() < 200, "{seconds:?}");
}

#[test]
fn a_clock_that_goes_forward_makes_it_run_once() {
    let mut world = World::new(nightly());
    world.pass(SECOND);
    world.forget();
    world.offset = SignedDuration::from_hours(30);
    world.pass(MINUTE + SECOND);
    assert_eq!(world.runs.len(), 1, "what was due in the meantime is made up for once");
    world.forget();
    world.pass(2 * HOUR);
    assert_eq!(times(&world), ["19:00", "20:00"]);
}

#[test]
fn a_clock_that_goes_back_does_not_stop_it() {
    let mut world = World::new(nightly());
    world.pass(SECOND);
    world.forget();
    world.offset = SignedDuration::from_hours(-24 * 365);
    world.pass(2 * HOUR);
    assert_eq!(times(&world), ["13:00", "14:00"]);
}

#[test]
fn a_clock_that_is_set_back_a_little_does_not_make_it_run_twice() {
    let mut world = World::new(nightly());
    world.pass(31 * MINUTE);
    world.forget();
    for _ in 0..20 {
        world.offset -= SignedDuration::from_millis(900);
        world.pass(SECOND);
    }
    assert_eq!(world.runs.len(), 0);
}

#[test]
fn a_clock_that_jumps_all_the_time_makes_no_storm() {
    let mut world = World::new(nightly());
    world.pass(SECOND);
    world.forget();
    for number in 0..3600 {
        world.offset = SignedDuration::from_mins(if number % 2 == 0 { 90 } else { -90 });
        world.pass(SECOND);
    }
    assert!(world.polls.len() <= 62, "intervals do not care: {}", world.polls.len());
    assert!(world.runs.len() <= 3600, "{} runs", world.runs.len());
    assert!(world.wakes < 20_000, "{} wakes", world.wakes);
}

#[test]
fn a_window_that_opens_is_not_missed() {
    let mut plan = shop();
    plan.automations[0].schedule = cron("0 0 * * *");
    let mut world = World::new(plan);
    world.course("git", Course { until: Some("2026-05-01T14:00:00Z".parse().unwrap()), ..Course::default() });
    world.pass(HOUR);
    world.courses.clear();
    world.forget();
    world.pass(HOUR);
    assert_eq!(times(&world), ["14:00"]);
}

#[test]
fn a_tag_that_comes_of_age_is_not_missed() {
    let mut plan = shop();
    plan.repositories[0].schedule = cron("0 0 * * *");
    let mut world = World::new(plan);
    let of_age: Timestamp = "2026-05-01T13:17:00Z".parse().unwrap();
    world.course("app", Course { until: Some(of_age), ..Course::default() });
    world.pass(SECOND);
    world.courses.clear();
    world.pass(HOUR);
    let now = world.now();
    assert!(world.polled("app").iter().any(|at| now.time_at(*at) == of_age), "{:?}", world.polled("app"));
}

#[test]
fn a_time_that_has_come_already_is_no_storm() {
    let mut world = World::new(shop());
    let past = Course { until: Some(START.parse().unwrap()), ..Course::default() };
    world.course("app", past.clone());
    world.course("git", past);
    world.pass(10 * MINUTE);
    assert!(world.polls.len() <= 10 * 13 && world.runs.len() <= 10 * 13, "{} runs", world.runs.len());
}

#[test]
fn next_times_are_told() {
    let mut world = World::new(nightly());
    world.pass(SECOND);
    let now = world.now();
    let next = world.agenda.next_run("git", &name("shop"), now).unwrap();
    assert_eq!(&next.to_string()[..16], "2026-05-01T13:00");
    let poll = world.agenda.next_poll("app", &name("app"), now).unwrap();
    assert!(poll > now.time && poll <= now.time + MINUTE);
    assert_eq!(world.agenda.next_poll("nothing", &name("app"), now), None);
}
