//! Which automations run together, and when.

use super::*;

fn gathering(quiet: u64, delay: u64) -> Plan {
    let mut plan = shop();
    plan.automations[0].gather = Gather { quiet_period: seconds(quiet), max_delay: seconds(delay) };
    plan
}

/// Lets the shop settle, and returns its world at a moment just after a regular run, with nothing counted.
fn settled(plan: Plan) -> World {
    let mut world = World::new(plan);
    world.pass(3 * MINUTE);
    let last = *world.ran("shop").last().unwrap();
    world.pass(last + MINUTE + SECOND - world.elapsed);
    world.forget();
    world
}

#[test]
fn the_first_run_waits_for_the_first_poll() {
    let mut world = World::new(shop());
    world.course("app", Course { takes: seconds(7), ..Course::default() });
    world.pass(8 * SECOND);
    assert_eq!(world.polled("app")[0], Duration::ZERO);
    assert_eq!(world.ran("shop"), [seconds(7)]);
}

#[test]
fn a_poll_that_fails_is_not_waited_for_any_longer() {
    let mut world = World::new(shop());
    world.course("app", failed(Kind::Denied));
    world.pass(SECOND);
    assert_eq!(world.ran("shop").len(), 1);
}

#[test]
fn the_first_run_does_not_wait_for_a_poll_that_hangs() {
    let mut world = World::new(shop());
    world.course("app", Course { takes: HOUR, ..Course::default() });
    world.pass(PATIENCE + SECOND);
    assert_eq!(world.ran("shop").first(), Some(&PATIENCE));
}

#[test]
fn a_wave_is_held_for_those_that_wait_for_polls_but_not_for_long() {
    let mut plan = shop();
    plan.repositories.push(repository("slow"));
    plan.automations.push(automation("late", "git", &["slow"]));
    plan.automations.push(automation("other", "elsewhere", &["app"]));
    let mut world = World::new(plan.clone());
    world.course("slow", Course { takes: 8 * SECOND, ..Course::default() });
    world.pass(9 * SECOND);
    assert_eq!((world.ran("shop"), world.ran("late")), (vec![seconds(8)], vec![seconds(8)]));
    assert_eq!(world.ran("other"), [Duration::from_millis(20)], "another remote does not wait");

    let mut world = World::new(plan);
    world.course("slow", Course { takes: 30 * SECOND, ..Course::default() });
    world.pass(31 * SECOND);
    assert_eq!(world.ran("shop").first(), Some(&FIRST_POLLS));
    assert_eq!(world.ran("late").last(), Some(&seconds(30)));
}

#[test]
fn automations_of_one_remote_run_together() {
    let mut plan = shop();
    for number in 0..5 {
        let mut other = automation(&format!("other-{number}"), "git", &["app"]);
        other.schedule = Schedule::Every(if number == 0 { 5 * MINUTE } else { MINUTE });
        plan.automations.push(other);
    }
    plan.automations.push(automation("alone", "elsewhere", &["app"]));
    let mut world = World::new(plan);
    world.pass(10 * MINUTE);
    let waves: Vec<usize> = world.runs.iter().filter(|(_, url, _)| url == "git").map(|(.., due)| due.len()).collect();
    assert_eq!(waves.len(), 11);
    assert_eq!(waves.iter().filter(|count| **count == 6).count(), 3, "at the start, and every fifth minute: {waves:?}");
    assert_eq!(waves.iter().filter(|count| **count == 5).count(), 8);
}

#[test]
fn one_run_at_a_time_and_the_rest_is_collected() {
    let mut plan = shop();
    plan.repositories.push(repository("web"));
    plan.automations.push(automation("front", "git", &["web"]));
    plan.automations.push(automation("back", "git", &["app", "web"]));
    let mut world = settled(plan);
    world.course("git", Course { takes: seconds(20), ..Course::default() });
    world.trigger(Trigger::Remote("git".to_owned()));
    world.pass(SECOND);
    assert_eq!(world.runs.len(), 1);
    for image in ["app", "web"] {
        world.release(image);
        world.trigger(Trigger::Image(format!("registry/{image}")));
    }
    world.pass(18 * SECOND);
    assert_eq!(world.runs.len(), 1, "nothing begins while it runs");
    world.pass(2 * SECOND);
    assert_eq!(world.runs.len(), 2);
    assert_eq!(world.runs[1].2.len(), 3, "then all at once");
}

#[test]
fn a_change_is_made_at_once() {
    let mut world = settled(shop());
    let start = world.elapsed;
    world.release("app");
    assert_eq!(world.trigger(Trigger::Image("registry/app".to_owned())), 1);
    assert_eq!(world.trigger(Trigger::Image("registry/nothing".to_owned())), 0);
    world.pass(SECOND);
    assert_eq!(world.ran("shop"), [start + Duration::from_millis(20)]);
}

#[test]
fn without_a_change_nothing_runs() {
    let mut world = settled(shop());
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.pass(SECOND);
    assert_eq!((world.polls.len(), world.runs.len()), (1, 0));
}

/// Releases at these seconds, and returns the seconds at which the automation ran.
fn gathered(mut world: World, releases: &[u64]) -> Vec<u64> {
    let start = world.elapsed;
    for at in releases {
        world.pass(start + seconds(*at) - world.elapsed);
        world.release("app");
        world.trigger(Trigger::Image("registry/app".to_owned()));
    }
    world.pass(start + 3 * MINUTE - world.elapsed);
    world.ran("shop").into_iter().map(|at| (at - start).as_secs()).collect()
}

#[test]
fn changes_that_come_close_together_are_gathered() {
    // Regular runs are at 58, 119 and 179 seconds, a second after the minute has passed.
    let regular = [59, 119, 179];
    assert_eq!(gathered(settled(gathering(0, 0)), &[]), regular);
    assert_eq!(gathered(settled(gathering(10, 60)), &[1]), [11, 59, 119, 179]);
    assert_eq!(gathered(settled(gathering(10, 60)), &[1, 5, 12]), [22, 59, 119, 179]);
    let steady: Vec<u64> = (1..50).step_by(5).collect();
    assert_eq!(gathered(settled(gathering(10, 30)), &steady)[0], 31, "no later than the longest delay");
    assert_eq!(gathered(settled(gathering(10, 0)), &[1, 5])[0], 11, "a longest delay of zero is the quiet period");
}

#[test]
fn the_interval_does_not_cut_gathering_short() {
    assert_eq!(gathered(settled(gathering(30, 120)), &[50]), [80, 119, 179]);
    assert_eq!(gathered(settled(gathering(30, 120)), &[50, 70, 95, 115]), [145, 179]);
}

#[test]
fn asking_cuts_gathering_short() {
    let mut world = settled(gathering(30, 120));
    let start = world.elapsed;
    world.release("app");
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.pass(5 * SECOND);
    assert!(world.ran("shop").is_empty());
    assert_eq!(world.trigger(Trigger::Automation(name("shop"))), 2);
    world.pass(5 * SECOND);
    assert_eq!(world.ran("shop"), [start + seconds(5) + Duration::from_millis(20)]);
}

#[test]
fn triggers() {
    let mut plan = shop();
    plan.repositories.push(repository("web"));
    plan.automations.push(automation("front", "elsewhere", &["web"]));
    let check = |trigger: Trigger, polls: &[&str], runs: &[&str]| {
        let mut world = settled(plan.clone());
        world.pass(20 * SECOND);
        world.forget();
        let count = world.trigger(trigger.clone());
        world.pass(Duration::from_millis(100));
        let polled: Vec<&str> = world.polls.iter().map(|(_, key)| key.as_str()).collect();
        let mut ran: Vec<String> = world.runs.iter().flat_map(|(.., due)| due).map(|id| id.name.clone()).collect();
        ran.sort();
        assert_eq!(
            (polled.as_slice(), ran.iter().map(String::as_str).collect::<Vec<_>>()),
            (polls, runs.to_vec()),
            "{trigger:?}"
        );
        assert_eq!(count, polls.len() + runs.len(), "{trigger:?}");
    };
    check(Trigger::All, &["app", "web"], &["front", "shop"]);
    check(Trigger::Image("registry/web".to_owned()), &["web"], &[]);
    check(Trigger::Policy(name("web")), &["web"], &["front"]);
    check(Trigger::Automation(name("shop")), &["app"], &["shop"]);
    check(Trigger::Run(name("shop")), &[], &["shop"]);
    check(Trigger::Remote("elsewhere".to_owned()), &[], &["front"]);
    check(Trigger::Remote("nowhere".to_owned()), &[], &[]);
}

#[test]
fn a_trigger_does_not_move_the_interval() {
    let mut plan = shop();
    plan.automations[0].schedule = Schedule::Every(HOUR);
    plan.repositories[0].schedule = Schedule::Every(HOUR);
    let mut world = World::new(plan);
    world.pass(90 * MINUTE);
    let (poll, run) = (*world.polled("app").last().unwrap(), *world.ran("shop").last().unwrap());
    world.forget();
    world.trigger(Trigger::All);
    world.pass(poll.max(run) + HOUR + MINUTE - world.elapsed);
    assert_eq!(world.polled("app").last(), Some(&(poll + HOUR)));
    assert_eq!(world.ran("shop").last(), Some(&(run + HOUR)));
}

#[test]
fn a_poll_under_way_does_not_answer_for_a_trigger() {
    let mut world = settled(shop());
    world.course("app", Course { takes: 5 * SECOND, ..Course::default() });
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.pass(SECOND);
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.trigger(Trigger::Image("registry/app".to_owned()));
    world.pass(10 * SECOND);
    assert_eq!(world.polls.len(), 2, "one more, since the listing may be older than what was pushed");
}

#[test]
fn suspended_things_rest() {
    let mut plan = shop();
    plan.repositories[0].suspended = true;
    let mut world = World::new(plan.clone());
    world.pass(HOUR);
    assert_eq!((world.polls.len(), world.runs.len()), (1, 61));
    plan.automations[0].suspended = true;
    let mut world = World::new(plan);
    world.trigger(Trigger::All);
    world.pass(HOUR);
    assert_eq!(world.runs.len(), 0);
}

#[test]
fn a_new_configuration_is_applied_at_once() {
    let mut world = settled(shop());
    world.course("git", Course { takes: 30 * SECOND, ..Course::default() });
    world.trigger(Trigger::Remote("git".to_owned()));
    world.pass(SECOND);
    let mut plan = shop();
    plan.repositories[0] = repository("web");
    plan.automations[0] = automation("shop", "git", &["web"]);
    plan.automations.push(automation("front", "elsewhere", &["web"]));
    world.forget();
    world.configure(plan);
    world.pass(SECOND);
    assert_eq!((world.polls.len(), world.ran("front").len()), (1, 1));
    assert_eq!(world.ran("shop").len(), 0, "the run under way goes on");
    world.pass(30 * SECOND);
    assert_eq!(world.ran("shop").len(), 1, "then comes the next");

    world.configure(Plan::default());
    world.pass(MINUTE);
    world.forget();
    world.pass(HOUR);
    assert_eq!((world.polls.len(), world.runs.len()), (0, 0));
    assert!(world.agenda.repositories.is_empty() && world.agenda.remotes.is_empty(), "nothing is left");
}

/// Of a configuration that is read again, only what has changed is due.
#[test]
fn what_is_no_news_is_not_due() {
    let of = |repositories: &[&str], automations: &[&str]| News::Of {
        repositories: repositories.iter().map(|id| name(id)).collect(),
        automations: automations.iter().map(|id| name(id)).collect(),
    };
    let mut plan = shop();
    plan.repositories.push(repository("web"));
    plan.automations.push(automation("front", "git", &["web"]));
    let mut world = settled(plan.clone());
    let counts = |world: &World| (world.polls.len(), world.ran("shop").len(), world.ran("front").len());
    for (news, expect) in [
        (of(&[], &[]), (0, 0, 0)),
        (of(&["app"], &[]), (1, 0, 0)),
        (of(&[], &["front"]), (1, 0, 1)),
        (News::All, (2, 1, 1)),
    ] {
        world.forget();
        world.learn(plan.clone(), &news);
        world.pass(SECOND);
        assert_eq!(counts(&world), expect, "{news:?}");
    }
    plan.automations.push(automation("new", "other", &["app"]));
    world.forget();
    world.learn(plan, &of(&[], &[]));
    world.pass(SECOND);
    assert_eq!((world.ran("new").len(), world.ran("shop").len()), (1, 0), "what was not there before is due");
}

/// A policy whose repository is polled by somebody else makes its automations due when that one selects something else.
#[test]
fn selections_from_elsewhere_make_automations_due() {
    let mut plan = Plan { repositories: Vec::new(), automations: vec![automation("shop", "git", &[])] };
    plan.automations[0].elsewhere = [name("app")].into();
    plan.automations[0].schedule = Schedule::Every(HOUR);
    let mut world = World::new(plan);
    world.pass(SECOND);
    assert_eq!(world.ran("shop").len(), 1, "there is no poll to wait for");
    world.forget();
    let now = world.now();
    world.agenda.changed(&[name("web")].into(), now);
    world.pass(SECOND);
    assert_eq!(world.ran("shop").len(), 0);
    let now = world.now();
    world.agenda.changed(&[name("app")].into(), now);
    world.pass(SECOND);
    assert_eq!(world.ran("shop").len(), 1);
    assert_eq!(world.trigger(Trigger::Policy(name("app"))), 1);
}
