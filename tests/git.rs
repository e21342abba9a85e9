//! The git module against real Git: `git upload-pack`, `git receive-pack` and `git http-backend`.

#![allow(clippy::unwrap_used)]

use access::{GitLogin, Login};
use git::{
    Author, CommitId, CommitTime, Criteria, Edit, Error, Expected, Found, Git, Mirror, NewCommit, Outcome, Pushed,
    RefUpdate, Snapshot, Want,
};

#[path = "git/checkouts.rs"]
mod checkouts;
#[path = "git/files.rs"]
mod files;
#[path = "git/formats.rs"]
mod formats;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "git/leak_laws.rs"]
mod leak_laws;
#[path = "git/leaks.rs"]
mod leaks;
#[path = "git/logins.rs"]
mod logins;
#[path = "git/machine.rs"]
mod machines;
#[path = "git/makes.rs"]
mod makes;
#[path = "git/mirrors.rs"]
mod mirrors;
#[path = "git/patience.rs"]
mod patience;
#[path = "git/proofs.rs"]
mod proofs;
#[path = "git/providers.rs"]
mod providers;
#[path = "git/proxies.rs"]
mod proxies;
#[path = "git/pushes.rs"]
mod pushes;
#[path = "../crates/cloud/tests/flows/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "support/registry.rs"]
mod simulated;
#[path = "git/ssh.rs"]
mod ssh;
#[path = "support/git.rs"]
mod support;
#[path = "git/trust.rs"]
mod trust;
#[path = "git/versions.rs"]
mod versions;

use support::{Behaviour, Remote, Server, anyone, machine};

const CRITERIA: Criteria = Criteria { rule: "test 1", is_candidate, contains, max_bytes: 1_000, max_total: 1 << 20 };

fn is_candidate(name: &str) -> bool {
    name.ends_with(".yaml")
}

fn contains(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"$marker")
}

/// Fetches one thing and opens it.
async fn fetch(mirror: &Mirror, want: Want) -> Result<Snapshot, Error> {
    let advertisement = mirror.ask_for(&[want.clone()].into_iter().collect()).await?;
    let fetched = mirror.fetch(&advertisement, &[want]).await?;
    mirror.snapshot(fetched[0].commit).await
}

async fn search(snapshot: &Snapshot, paths: &[&str]) -> Found {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    snapshot.search(&paths, CRITERIA).await.unwrap()
}

fn paths(found: &Found) -> Vec<&str> {
    found.files.iter().map(|file| file.path.as_str()).collect()
}

fn details(parent: CommitId, message: &str) -> NewCommit {
    NewCommit {
        parents: vec![parent],
        author: Author { name: "bot".to_owned(), email: "bot@example.com".to_owned() },
        time: CommitTime { seconds: 1_710_000_000, offset_minutes: 60 },
        message: message.to_owned(),
        signer: None,
    }
}

fn edit(path: &str, text: &str) -> Edit {
    Edit { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

/// Builds a commit on `snapshot` that gives `path` a new text.
async fn build(snapshot: &Snapshot, path: &str, text: &str) -> CommitId {
    let built = snapshot.commit_edits(vec![edit(path, text)], details(snapshot.commit(), "update\n")).await;
    built.unwrap().unwrap()
}

fn to_main(old: CommitId, new: CommitId) -> RefUpdate {
    RefUpdate { reference: "refs/heads/main".to_owned(), expected: Expected::At(old), new }
}

async fn push_main(mirror: &Mirror, old: CommitId, new: CommitId) -> Pushed {
    mirror.push(&[to_main(old, new)], &[]).await.unwrap()
}

fn basic(username: &str, password: &str) -> GitLogin {
    GitLogin::Basic(Login { username: username.to_owned(), password: password.into() })
}

/// The whole way: fetch, search, build, push, and again.
async fn whole_way(url: &str, remote: &Remote, git: &Git) {
    let mirror = git.open(url, &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(first.commit().to_string(), remote.at("main"));
    let found = search(&first, &[]).await;
    assert_eq!(paths(&found), ["apps/one.yaml"]);
    assert_eq!(&*found.files[0].bytes, b"image: a:1 # $marker\n");

    let commit = build(&first, "apps/one.yaml", "image: a:2 # $marker\n").await;
    let built = mirror.snapshot(commit).await.unwrap();
    assert_eq!(search(&built, &[]).await.files[0].bytes.to_vec(), b"image: a:2 # $marker\n");
    let second = build(&built, "apps/one.yaml", "image: a:3 # $marker\n").await;
    assert!(push_main(&mirror, first.commit(), second).await.is_complete());

    assert_eq!(remote.at("main"), second.to_string());
    assert_eq!(remote.at("main~1"), commit.to_string());
    assert_eq!(remote.show("main:apps/one.yaml"), "image: a:3 # $marker\n");
    remote.fsck();
    let again = fetch(&mirror, Want::Branch("main".to_owned())).await.unwrap();
    assert_eq!(again.commit(), second);
    assert_eq!(push_main(&mirror, first.commit(), second).await.results[0].outcome, Outcome::UpToDate);
}

fn small() -> Remote {
    Remote::with(&[("apps/one.yaml", "image: a:1 # $marker\n"), ("apps/two.yaml", "plain\n"), ("readme", "$marker\n")])
}

#[tokio::test]
async fn the_whole_way_over_a_local_path() {
    let (git, _data) = machine(&[]);
    let remote = small();
    whole_way(&remote.path(), &remote, &git).await;
    let remote = small();
    whole_way(&format!("file://{}", remote.path()), &remote, &git).await;
}

#[tokio::test]
async fn the_whole_way_over_http() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    whole_way(&server.url(), &remote, &git).await;
}

#[tokio::test]
async fn nothing_to_do_costs_one_request() {
    let (git, data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    mirror.advertise().await.unwrap();
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines, ["GET /repo.git/info/refs?service=git-upload-pack"]);
    assert!(!data.path().join("mirrors").exists());

    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    server.seen();
    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_later_fetch_brings_only_what_is_new() {
    let (git, _data) = machine(&[]);
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(support::git(mirror.folder(), &["rev-list", "--count", "main"]).trim(), "1");

    remote.commit(&[("apps/two.yaml", "now $marker\n")], "second");
    remote.commit(&[("apps/three.yaml", "also $marker\n")], "third");
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(snapshot.commit().to_string(), remote.at("main"));
    assert_eq!(paths(&search(&snapshot, &[]).await), ["apps/one.yaml", "apps/three.yaml", "apps/two.yaml"]);
    let brought = support::git(mirror.folder(), &["count-objects", "-v"]);
    // Three files, two trees and one commit first; then two commits, each with two trees and a file.
    assert!(brought.contains("in-pack: 14\n"), "{brought}");
    support::git(mirror.folder(), &["fsck", "--strict"]);

    let commit = build(&snapshot, "apps/two.yaml", "again $marker\n").await;
    assert!(push_main(&mirror, snapshot.commit(), commit).await.is_complete());
    remote.fsck();
}
