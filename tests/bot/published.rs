//! Work that several processes share: one polls, another commits, and what the first selects reaches the second.

use std::sync::Arc;
use std::time::Duration;

use image::Reference;
use tagwright::run::Subject;
use tagwright::schedule::{Assignment, Done, Elsewhere, News, Settings, Watched};
use tagwright_core::automation::{Automation, ObjectName};
use tokio::sync::mpsc::unbounded_channel;

use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_secs(60);

/// An automation of the world's, and its only policy.
fn automation(world: &World) -> (Vec<Arc<Automation>>, ObjectName) {
    let automations = world.automation("shop", &world.server.url(), 0..1);
    let policy = automations[0].policies[0].id.clone();
    (automations, policy)
}

fn selection(world: &World, tag: &str) -> Option<Reference> {
    Some(Reference::parse(&format!("{}/team/app-0:{tag}", world.registry.host())).unwrap())
}

#[tokio::test(start_paused = true)]
async fn who_does_not_poll_goes_by_what_others_select() {
    let world = World::start().await;
    let (automations, policy) = automation(&world);
    let elsewhere = Assignment { automations, polled: Some(Vec::new()), news: News::All };
    let (bot, handle) = {
        let (bot, handle) = tagwright::schedule::Bot::new(world.edges(), elsewhere, world.settings());
        (tokio::spawn(bot.run()), handle)
    };
    pass(&handle, Duration::from_secs(5)).await;
    let commits = world.commits();
    assert_eq!(handle.unpolled(), (0, 0));

    world.release(0, "1.1.0");
    handle.publish(vec![(policy.clone(), selection(&world, "1.1.0"))]);
    pass(&handle, Duration::from_secs(2)).await;
    assert_eq!((world.tag(0).as_str(), world.commits()), ("1.1.0", commits + 1));
    handle.publish(vec![(policy.clone(), selection(&world, "1.1.0"))]);
    handle.publish(vec![(policy, None)]);
    pass(&handle, MINUTE).await;
    assert_eq!(world.commits(), commits + 1);
    assert_eq!(world.registry.count("/v2/team/app-0/tags/list"), 0, "nobody here polls");
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_polls_by_itself_goes_by_that_until_it_fails() {
    let world = World::start().await;
    world.release(0, "1.2.0");
    let (automations, policy) = automation(&world);
    let polled = vec![Watched {
        repository: Arc::clone(&automations[0].policies[0].repository),
        policies: automations[0].policies.clone(),
    }];
    let assignment = Assignment { automations, polled: Some(polled), news: News::All };
    let (bot, handle) = tagwright::schedule::Bot::new(world.edges(), assignment, world.settings());
    // An older selection of somebody else's, as in the status of an object.
    handle.publish(vec![(policy, selection(&world, "1.1.0"))]);
    let bot = tokio::spawn(bot.run());
    pass(&handle, Duration::from_secs(5)).await;
    assert_eq!(world.tag(0), "1.2.0");
    handle.shutdown();
    bot.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_told_and_nothing_begins_behind_a_closed_gate() {
    let world = World::start().await;
    world.release(0, "1.1.0");
    let (automations, policy) = automation(&world);
    let (listener, mut done) = unbounded_channel();
    let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let gate: tagwright::run::Gate = Arc::new(move |subject: &Subject<'_>| {
        matches!(subject, Subject::Image) || is_open.load(std::sync::atomic::Ordering::SeqCst)
    });
    let settings = Settings { listener: Some(listener), gate: Some(gate), ..world.settings() };
    let (bot, handle) = world.bot(automations, settings);
    pass(&handle, Duration::from_secs(5)).await;
    let Some(Done::Polled { polled, .. }) = done.recv().await else { panic!("a poll is told") };
    assert_eq!(polled.policies[0].id, policy);
    let scan = polled.scan.expect("a list in short");
    assert_eq!((scan.tags, scan.latest), (2, vec!["1.1.0".to_owned(), "1.0.0".to_owned()]));
    // Where in its minute an image is polled depends on the ports, and may come within seconds of the first poll.
    let later = std::iter::from_fn(|| done.try_recv().ok());
    assert!(later.into_iter().all(|done| matches!(done, Done::Polled { .. })), "no run has begun");
    assert_eq!(world.tag(0), "1.0.0");

    open.store(true, std::sync::atomic::Ordering::SeqCst);
    pass(&handle, MINUTE).await;
    let ran = std::iter::from_fn(|| done.try_recv().ok()).find_map(|done| match done {
        Done::Acted { acted, .. } => Some(acted.automations),
        _ => None,
    });
    assert!(ran.expect("a run is told")[0].read.is_some());
    assert_eq!(world.tag(0), "1.1.0");
    handle.shutdown();
    bot.await.unwrap();
}

/// A lease that is lost while a run goes on: what was made is not pushed, and made again by whoever has it then.
#[tokio::test(start_paused = true)]
async fn nothing_is_pushed_behind_a_gate_that_has_closed_meanwhile() {
    let world = World::start().await;
    world.release(0, "1.1.0");
    let (automations, _) = automation(&world);
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let times = Arc::clone(&asked);
    let gate: tagwright::run::Gate = Arc::new(move |subject: &Subject<'_>| match subject {
        Subject::Image => true,
        // The run begins, and its push is late.
        Subject::Remote(_) => times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) != 1,
    });
    let (listener, mut done) = unbounded_channel();
    let settings = Settings { listener: Some(listener), gate: Some(gate), ..world.settings() };
    let (bot, handle) = world.bot(automations, settings);
    pass(&handle, Duration::from_secs(3)).await;
    let acted = std::iter::from_fn(|| done.try_recv().ok()).find_map(|done| match done {
        Done::Acted { acted, .. } => Some(acted.automations),
        _ => None,
    });
    let error = acted.expect("a run is told")[0].outcome.error().map(ToString::to_string);
    assert!(error.is_some_and(|error| error.starts_with("the lease for ")));
    pass(&handle, MINUTE).await;
    assert_eq!(world.tag(0), "1.1.0");
    handle.shutdown();
    bot.await.unwrap();
}

/// What a webhook has told of goes with the image to whoever polls it: at once where another does, and otherwise when another begins to.
#[tokio::test(start_paused = true)]
async fn tags_that_nobody_has_looked_at_are_passed_on_with_their_image() {
    let world = World::start().await;
    let automations = world.automation("shop", &world.server.url(), 0..3);
    let shop = automations[0].id.clone();
    let repositories: Vec<_> = automations[0].policies.iter().map(|policy| Arc::clone(&policy.repository)).collect();
    let (listener, mut done) = unbounded_channel();
    let closed: tagwright::run::Gate = Arc::new(|_: &Subject<'_>| false);
    let settings = Settings { listener: Some(listener), gate: Some(closed), ..world.settings() };
    let (bot, handle) = world.bot(automations, settings);
    let delivery = |number: usize, tags: &[String]| {
        let tags = tags.iter().map(|tag| image::Tag::parse(tag).unwrap()).collect();
        let pushed = hooks::Pushed { registry: None, path: format!("team/app-{number}"), tags };
        hooks::Delivery { pushed: vec![pushed], ..hooks::Delivery::default() }
    };
    let one = ["1.1.0".to_owned()];
    let many: Vec<String> = (0..101).map(|number| format!("1.{number}.0")).collect();
    assert_eq!(handle.arrived(&delivery(0, &one), None), 1);
    assert_eq!(handle.arrived(&delivery(1, &many), None), 1);
    pass(&handle, Duration::from_secs(5)).await;
    let mut passed = || -> Vec<(usize, Option<ObjectName>, Vec<String>)> {
        let all = std::iter::from_fn(|| done.try_recv().ok()).flat_map(|done| match done {
            Done::Arrived { repositories, automations } if automations.is_empty() => repositories,
            done => panic!("{done:?}"),
        });
        let number =
            |it: &tagwright::schedule::Passed| repositories.iter().position(|known| known.id == it.repository.id);
        all.map(|it| (number(&it).unwrap(), it.brought, it.tags.iter().map(ToString::to_string).collect())).collect()
    };
    assert_eq!(passed(), [], "they wait for a poll here");

    let elsewhere = repositories.iter().map(|repository| (Arc::clone(repository), Some(shop.clone()))).collect();
    handle.take_elsewhere(Elsewhere { repositories: elsewhere, automations: Vec::new() });
    handle.configure(Assignment { automations: Vec::new(), polled: Some(Vec::new()), news: News::All });
    let brought = || Some(shop.clone());
    assert_eq!(passed(), [(0, brought(), one.to_vec()), (1, brought(), Vec::new())], "of too many, the list");
    assert_eq!(handle.arrived(&delivery(2, &one), None), 1);
    assert_eq!(handle.arrived(&delivery(2, &many), None), 1);
    assert_eq!(passed(), [(2, brought(), one.to_vec()), (2, brought(), Vec::new())]);
    handle.told(&repositories[2].id, [image::Tag::parse("1.1.0").unwrap()].into());
    pass(&handle, Duration::from_secs(5)).await;
    handle.configure(Assignment { automations: Vec::new(), polled: Some(Vec::new()), news: News::All });
    assert_eq!(passed(), [], "what another was told of, and is not polled here, goes nowhere");
    handle.shutdown();
    bot.await.unwrap();
}
