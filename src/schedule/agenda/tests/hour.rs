//! An hour of a large configuration, counted.

use super::*;

/// 500 automations with 2,000 image repositories on one remote, all every minute.
fn large() -> Plan {
    let keys: Vec<String> = (0..2000).map(|number| format!("app-{number:04}")).collect();
    let automations = keys.chunks(4).enumerate().map(|(number, keys)| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        automation(&format!("shop-{number:03}"), "git", &keys)
    });
    Plan { repositories: keys.iter().map(|key| repository(key)).collect(), automations: automations.collect() }
}

#[test]
fn an_hour_at_one_minute() {
    let mut world = World::new(large());
    world.pass(MINUTE);
    let first = world.runs[0].0;
    assert!(first < FIRST_POLLS, "the first wave is as early as the polls allow, at {first:?}");
    assert_eq!(world.runs.len(), 2, "one wave at the start, and one at its point of the minute");
    assert!(world.runs.iter().all(|(.., due)| due.len() == 500), "each has all automations");
    let polled: BTreeSet<&String> = world.polls.iter().map(|(_, key)| key).collect();
    assert_eq!(polled.len(), 2000);
    assert!((3800..=4000).contains(&world.polls.len()), "once at the start, once in the minute, or once for both");

    world.forget();
    world.pass(HOUR);
    assert_eq!(world.polls.len(), 2000 * 60);
    assert_eq!(world.runs.len(), 60, "one wave a minute");
    assert!(world.runs.iter().all(|(.., due)| due.len() == 500));
    assert!(world.runs.windows(2).all(|pair| pair[1].0 - pair[0].0 == MINUTE));

    let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, _) in &world.polls {
        *seconds.entry(at.as_secs() % 60).or_default() += 1;
    }
    let (least, most) = (seconds.values().min().unwrap() / 60, seconds.values().max().unwrap() / 60);
    assert!(seconds.len() == 60 && least >= 15 && most <= 60, "polls a second: from {least} to {most}");
}

#[test]
fn the_same_seed_gives_the_same_hour() {
    let (mut one, mut two) = (World::new(large()), World::new(large()));
    two.agenda = Agenda::new(43);
    let now = two.now();
    two.agenda.configure(large(), &News::All, now);
    let mut three = World::new(large());
    for world in [&mut one, &mut two, &mut three] {
        world.pass(3 * MINUTE);
    }
    assert_eq!(one.polls, three.polls);
    assert_ne!(one.polls, two.polls, "processes differ");
}

#[test]
fn a_release_in_each_second_costs_a_run_each() {
    let mut world = World::new(large());
    world.pass(2 * MINUTE);
    world.forget();
    for number in 0..60 {
        world.release(&format!("app-{:04}", number * 33));
    }
    world.pass(MINUTE);
    let ran: usize = world.runs.iter().map(|(.., due)| due.len()).sum();
    assert!(world.runs.len() <= 61, "{} runs", world.runs.len());
    assert!((500..=560).contains(&ran), "the wave, and those whose policy changed: {ran}");
    assert!(world.released.is_empty(), "each release was seen within a minute");
}
