//! An API server that answers, but not what it is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::world::World;
use crate::bot::Bot;
use crate::cluster::{Answer, Cluster, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_break_and_begin_too_late() {
    let world = World::new(Cluster::shared(), 3).await;
    world.populate().await;
    let mut bot = world.bot().await;
    world.settles(&mut bot, "at first").await;

    for round in 1..4 {
        world.line.cut_watches();
        world.disturb(round).await;
        world.release_all();
        world.settles(&mut bot, "after watches were cut in the middle of an event").await;
    }

    // As an event of the watch, and as the answer to it.
    let expired = || Answer::refusal(410, "Expired", "too old resource version: 1 (2)");
    for (round, answer) in [(4, Answer::expired_watch()), (5, expired())] {
        let given = answers(&world, 8, is_watch, answer);
        world.line.cut_watches();
        world.disturb(round).await;
        world.release_all();
        given.all_are(&bot).await;
        world.settles(&mut bot, "after watches were too late").await;
        world.line.answer_nothing();
    }
    assert!(bot.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_are_refused() {
    let world = World::new(Cluster::shared(), 3).await;
    world.populate().await;
    let mut bot = world.bot().await;
    world.settles(&mut bot, "at first").await;

    let is_status = |method: &str, path: &str| method == "PATCH" && path.contains("/status");
    let everything = |_: &str, _: &str| true;
    let conflict = || Answer::refusal(409, "Conflict", "the object has been modified");
    let busy = || Answer::refusal(429, "TooManyRequests", "too many requests").with_header("Retry-After", "1");
    let broken = || Answer::refusal(500, "InternalError", "etcdserver: leader changed");
    // More conflicts than one write has tries.
    let storms: [(&str, Answer, usize, Meant); 5] = [
        ("conflicts", conflict(), 12, is_status),
        ("a busy server", busy(), 8, is_status),
        ("a server that is busy with everything", busy(), 12, everything),
        ("a broken server", broken(), 8, is_status),
        ("a server that is broken altogether", broken(), 12, everything),
    ];
    for (n, (when, answer, times, is)) in storms.into_iter().enumerate() {
        let given = answers(&world, times, is, answer);
        world.line.cut_watches();
        world.disturb(n + 1).await;
        world.release_all();
        given.all_are(&bot).await;
        world.settles(&mut bot, when).await;
        world.line.answer_nothing();
    }
    assert!(bot.stop().success());
}

fn is_watch(_: &str, path: &str) -> bool {
    path.contains("watch=")
}

/// Whether a request is meant, by method and path.
type Meant = fn(&str, &str) -> bool;

/// How many answers are still to be given in place of the API server's.
struct Given(Arc<AtomicUsize>);

/// Gives so many requests another answer.
fn answers(world: &World<'_>, times: usize, is: Meant, answer: Answer) -> Given {
    let left = Arc::new(AtomicUsize::new(times));
    let counter = Arc::clone(&left);
    world.line.answer(move |method, path| {
        let is_given = is(method, path)
            && counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        is_given.then(|| answer.clone())
    });
    Given(left)
}

impl Given {
    async fn all_are(&self, bot: &Bot) {
        let all = || async { (self.0.load(Ordering::SeqCst) == 0).then_some(()) };
        eventually(&format!("all answers are given, {:?}", bot.complaints().last()), all).await;
    }
}
