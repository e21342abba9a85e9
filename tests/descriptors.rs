//! A thousand uses of one mirror by one process leave no open file and no child process. Alone in its process, which it counts.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use git::{CommitId, Criteria, Mirror, Want};

#[path = "support/git.rs"]
mod support;

use support::{Behaviour, Remote, Server, anyone, machine};

/// How often the mirror is opened.
const OPENINGS: usize = 1_000;

/// In how many of these the remote is asked over HTTP, and a child process serves it.
const CONNECTIONS: usize = 25;

/// How many descriptors may be open besides: those of the connections that are kept.
const SLACK: usize = 4;

/// How often a condition is looked at, every ten milliseconds, before the test fails.
const LOOKS: usize = 1_000;

const CRITERIA: Criteria = Criteria {
    rule: "test",
    is_candidate: |_| true,
    contains: |bytes| bytes.contains(&b'$'),
    max_bytes: 1_000,
    max_total: 1 << 20,
};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> usize {
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(Result::ok).map(|task| of(task).split_whitespace().count()).sum()
}

#[tokio::test]
async fn nothing_stays_open() {
    let remote = Remote::with(&[("a", "$\n"), ("b", "plain\n")]);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (machine, _data) = machine(&[]);
    let mut before = 0;
    for n in 0..OPENINGS {
        let url = if n % 2 == 0 { server.url() } else { remote.path() };
        let mirror = machine.open(&url, &anyone()).unwrap();
        if n % (OPENINGS / CONNECTIONS) < 2 {
            remote.commit(&[("b", &format!("{n}\n"))], "new");
            let advertisement = mirror.advertise().await.unwrap();
            mirror.fetch(&advertisement, &[Want::DefaultBranch]).await.unwrap();
            // The connection of this one is never used.
            mirror.advertise().await.unwrap();
        }
        let tip = tip(&mirror);
        let snapshot = mirror.snapshot(tip).await.unwrap();
        if n % 10 < 2 {
            assert_eq!(snapshot.search(&[], CRITERIA).await.unwrap().files.len(), 1);
        }
        if n == 20 {
            before = descriptors();
        }
    }
    for _ in 0..LOOKS {
        if descriptors() <= before + SLACK && children() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} descriptors instead of {before}, {} children", descriptors(), children());
}

/// What the mirror has, without asking.
fn tip(mirror: &Mirror) -> CommitId {
    let text = fs::read_to_string(mirror.folder().join("refs/heads/main")).unwrap();
    CommitId::parse(text.trim()).unwrap()
}
