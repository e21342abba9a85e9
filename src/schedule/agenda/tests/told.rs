//! Tags that somebody has told of: looked at at once, and the list is asked for only by who wants it.

use super::*;

/// What a repository is asked for now: a poll with or without the list, or nothing.
fn begun(world: &mut World) -> Option<bool> {
    let now = world.now();
    let work = world.agenda.take(now);
    let polls = work.iter().filter_map(|work| match work {
        Work::Poll { repository, number, lists } => Some((Arc::clone(repository), *number, *lists)),
        _ => None,
    });
    let polls: Vec<_> = polls.collect();
    let none = BTreeSet::new();
    for (repository, number, _) in &polls {
        let polled = Polled { repository, number: *number, ending: Ending::Done, changed: &none, until: None };
        world.agenda.polled(&polled, now);
    }
    polls.first().map(|(.., lists)| *lists)
}

#[test]
fn who_was_told_of_a_tag_needs_no_list() {
    let plan = Plan { repositories: vec![repository("app")], automations: Vec::new() };
    let told = Trigger::Told(name("app"));
    let mut world = World::new(plan);
    assert_eq!(begun(&mut world), Some(true), "nothing is known at first");
    assert_eq!(world.trigger(told.clone()), 1);
    assert_eq!(begun(&mut world), Some(false));
    assert_eq!(begun(&mut world), None);
    assert_eq!(world.trigger(Trigger::Told(name("web"))), 0, "nobody has that");
    // Whoever asks for a poll gets one, before or after.
    for both in
        [[told.clone(), Trigger::Image("registry/app".to_owned())], [Trigger::Repository(name("app")), told.clone()]]
    {
        both.into_iter().for_each(|trigger| assert_eq!(world.trigger(trigger), 1));
        assert_eq!(begun(&mut world), Some(true));
    }
    // And so does who waits for the interval.
    world.elapsed += MINUTE;
    world.trigger(told.clone());
    assert_eq!(begun(&mut world), Some(true));
    // What is asked for while another one is under way is not lost.
    world.trigger(told.clone());
    let (now, none) = (world.now(), BTreeSet::new());
    let [Work::Poll { repository, number, lists: false }] = &world.agenda.take(now)[..] else { panic!("no poll") };
    world.trigger(Trigger::Repository(name("app")));
    let polled = Polled { repository, number: *number, ending: Ending::Done, changed: &none, until: None };
    world.agenda.polled(&polled, now);
    assert_eq!(begun(&mut world), Some(true));
}
