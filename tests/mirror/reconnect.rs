//! One process that comes back again and again, and operations that are given up in the middle.

use std::fs;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use git::{Author, CommitTime, Edit, Expected, Mirror, NewCommit, RefUpdate};

use crate::support::{Behaviour, Remote, Server, TIME, anyone, machine};
use crate::world::{fetch, log, main};

/// How often a condition is looked at, every ten milliseconds, before the test fails.
const LOOKS: usize = 2_000;

/// Polls a future so often and drops it; returns what it gave when it was done by then.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| match left.checked_sub(1) {
        None => Poll::Ready(None),
        Some(fewer) => {
            left = fewer;
            future.as_mut().poll(context).map(Some)
        }
    })
    .await
}

/// Waits until no `git` serves this remote any more.
async fn until_alone(remote: &Remote) {
    let path = remote.path();
    for _ in 0..LOOKS {
        let processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
        let serves = |line: Vec<u8>| {
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("-pack") && line.contains(&path)
        };
        if !processes.into_iter().any(serves) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a child process goes on");
}

/// Gives an operation up after one poll, after two, and so on until it comes to its end.
async fn give_up<F: Future>(remote: &Remote, mut operation: impl FnMut(usize) -> F) -> usize {
    for times in 1..LOOKS {
        if polled(times, operation(times)).await.is_some() {
            return times;
        }
        until_alone(remote).await;
    }
    panic!("it never ends");
}

/// A push that was given up may still come about at the server, between the fetch and the look at the branch.
async fn is_usable(mirror: &Mirror, remote: &Remote) {
    for _ in 0..LOOKS {
        let snapshot = fetch(mirror).await;
        if snapshot.commit().to_string() == remote.at("main") {
            assert!(!log(mirror, snapshot.commit()).await.0.is_empty());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the mirror does not have what the branch is at");
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing_behind() {
    for over_http in [false, true] {
        let remote = Remote::with(&[("a", "0\n")]);
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let (machine, _data) = machine(&[]);
        let url = if over_http { server.url() } else { remote.path() };
        // A mirror keeps the connection whose references it has read, so that each attempt has one of its own.
        let open = || machine.open(&url, &anyone()).unwrap();
        let advertise = |_| async { drop(open().advertise().await.unwrap()) };
        assert!(give_up(&remote, advertise).await > 1);
        let mut seconds = TIME;
        let incoming = |_| {
            seconds += 3_600;
            remote.commit_at(seconds, &[("a", &format!("{seconds}\n"))], "new");
            async { is_usable(&open(), &remote).await }
        };
        assert!(give_up(&remote, incoming).await > 3);

        let mut times = 1;
        while !push_once(open(), times).await {
            until_alone(&remote).await;
            is_usable(&open(), &remote).await;
            times += 1;
        }
        assert!(times > 3);
        is_usable(&open(), &remote).await;
        remote.fsck();
    }
}

/// Builds a commit and pushes it, for so many polls; returns whether that was enough.
async fn push_once(mirror: Mirror, times: usize) -> bool {
    let base = fetch(&mirror).await;
    let details = NewCommit {
        parents: vec![base.commit()],
        author: Author { name: "bot".to_owned(), email: String::new() },
        time: CommitTime { seconds: TIME + 9_000_000, offset_minutes: 0 },
        message: "ours\n".to_owned(),
        signer: None,
    };
    let edit = Edit { path: "bot".to_owned(), bytes: format!("{times}\n").into_bytes() };
    let new = base.commit_edits(vec![edit], details).await.unwrap().unwrap();
    let expected = Expected::At(base.commit());
    let update = [RefUpdate { reference: "refs/heads/main".to_owned(), expected, new }];
    polled(times, mirror.push(&update, &[])).await.is_some_and(|pushed| pushed.unwrap().is_complete())
}

/// Deepening is a fetch as well.
#[tokio::test]
async fn a_deepening_that_is_given_up_can_be_repeated() {
    let remote = Remote::with(&[("a", "0\n")]);
    for n in 1..6 {
        remote.commit_at(TIME + n * 3_600, &[("a", &format!("{n}\n"))], "new");
    }
    let (machine, _data) = machine(&[]);
    let open = || machine.open(&remote.path(), &anyone()).unwrap();
    fetch(&open()).await;
    let deepen = |_| async {
        let mirror = open();
        let advertisement = mirror.advertise().await.unwrap();
        mirror.deepen(&advertisement, &main(), 100).await.unwrap();
    };
    assert!(give_up(&remote, deepen).await > 3);
    let mirror = open();
    assert_eq!(log(&mirror, fetch(&mirror).await.commit()).await.0.len(), 6);
}
