//! What holds whatever happens.

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    Pass(u64),
    Release(usize),
    Trigger(usize),
    Everything,
    Fails(usize, u64, Option<u64>),
    Recovers(usize),
    Jump(i64),
    Configure,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..600_u64).prop_map(Event::Pass),
        2 => (0..6_usize).prop_map(Event::Release),
        2 => (0..6_usize).prop_map(Event::Trigger),
        1 => Just(Event::Everything),
        2 => (0..9_usize, 0..400_u64, proptest::option::of(0..900_u64)).prop_map(|(at, takes, wait)| Event::Fails(at, takes, wait)),
        2 => (0..9_usize).prop_map(Event::Recovers),
        1 => (-100_000..100_000_i64).prop_map(Event::Jump),
        1 => Just(Event::Configure),
    ]
}

const KEYS: [&str; 9] = ["app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "git-0", "git-1", "git-2"];

fn plan() -> Plan {
    let mut plan =
        Plan { repositories: KEYS[..6].iter().map(|key| repository(key)).collect(), automations: Vec::new() };
    for (number, pair) in KEYS[..6].chunks(2).enumerate() {
        let mut automation = automation(&format!("shop-{number}"), &format!("git-{number}"), pair);
        automation.gather =
            Gather { quiet_period: seconds(10 * number as u64), max_delay: seconds(30 * number as u64) };
        plan.automations.push(automation);
    }
    plan.automations[2].schedule = cron("*/5 * * * *");
    plan
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Pass(time) => world.pass(seconds(*time)),
        Event::Release(at) => world.release(KEYS[*at]),
        Event::Trigger(at) => drop(world.trigger(Trigger::Image(format!("registry/{}", KEYS[*at])))),
        Event::Everything => drop(world.trigger(Trigger::All)),
        Event::Fails(at, takes, wait) => {
            let retry_after = wait.map(seconds);
            let ending = Ending::Failed { kind: Kind::Transient, retry_after };
            world.course(KEYS[*at], Course { takes: seconds(*takes), ending, until: None });
        }
        Event::Recovers(at) => drop(world.courses.remove(KEYS[*at])),
        Event::Jump(jump) => world.offset += SignedDuration::from_secs(*jump),
        Event::Configure => world.configure(plan()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever happens, nothing runs twice at once, nothing storms, and once all is well again everything has its turn.
    #[test]
    fn nothing_storms_and_nothing_starves(events in proptest::collection::vec(event(), 1..40)) {
        let mut world = World::new(plan());
        let mut asked = 1;
        for event in &events {
            let passed = world.elapsed;
            let before = (world.polls.len(), world.wakes);
            happen(&mut world, event);
            asked += usize::from(!matches!(event, Event::Pass(_)));
            let time = usize::try_from((world.elapsed - passed).as_secs()).unwrap();
            // Retries are the densest: one of each after about 2.5, 5, 10, … seconds.
            prop_assert!(world.polls.len() - before.0 <= 6 * (time / 20 + 4 + asked), "{event:?}");
            prop_assert!(world.wakes - before.1 <= 40 * (time / 20 + 4 + asked), "{event:?}");
        }
        world.courses.clear();
        // The longest that anything may still wait for: what hangs, then what the other side asked for.
        world.pass(seconds(400 + 900) + MINUTE);
        world.forget();
        world.released.extend(KEYS[..6].iter().map(|key| name(key)));
        world.pass(6 * MINUTE);
        for key in &KEYS[..6] {
            prop_assert!(world.polled(key).len() >= 5, "{key} was polled at {:?}", world.polled(key));
        }
        for number in 0..3 {
            let ran = world.ran(&format!("shop-{number}"));
            prop_assert!(!ran.is_empty(), "{} did not run", number);
        }
        prop_assert!(world.released.is_empty());
    }

    /// The order in which a configuration is written does not matter.
    #[test]
    fn order_does_not_matter(seed: u64) {
        let mut shuffled = plan();
        let turn = usize::try_from(seed % 6).unwrap();
        shuffled.repositories.rotate_left(turn);
        shuffled.automations.rotate_left(turn % 3);
        shuffled.automations.iter_mut().for_each(|automation| automation.applies.reverse());
        let (mut one, mut two) = (World::new(plan()), World::new(shuffled));
        for world in [&mut one, &mut two] {
            world.pass(20 * MINUTE);
            world.polls.sort();
        }
        prop_assert_eq!(one.polls, two.polls);
        prop_assert_eq!(one.runs, two.runs);
    }
}
