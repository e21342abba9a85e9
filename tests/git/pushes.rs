//! Pushes: races, hooks, options, several references, force.

use git::{At, Expected, Kind, Outcome, RefUpdate, Want};

use crate::support::{Behaviour, Remote, Server, anyone, machine};
use crate::{build, fetch, push_main, small, support, to_main};

#[tokio::test]
async fn two_writers_lose_nothing() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let ((git_a, _data_a), (git_b, _data_b)) = (machine(&[]), machine(&[]));
    let (a, b) = (git_a.open(&server.url(), &anyone()).unwrap(), git_b.open(&server.url(), &anyone()).unwrap());
    let (base_a, base_b) =
        (fetch(&a, Want::DefaultBranch).await.unwrap(), fetch(&b, Want::DefaultBranch).await.unwrap());
    let new_a = build(&base_a, "apps/one.yaml", "a\n").await;
    let new_b = build(&base_b, "apps/two.yaml", "b\n").await;
    assert!(push_main(&a, base_a.commit(), new_a).await.is_complete());
    let lost = push_main(&b, base_b.commit(), new_b).await;
    assert!(lost.is_outdated() && !lost.is_complete(), "{lost:?}");
    let base_b = fetch(&b, Want::DefaultBranch).await.unwrap();
    let new_b = build(&base_b, "apps/two.yaml", "b\n").await;
    assert!(push_main(&b, base_b.commit(), new_b).await.is_complete());
    assert_eq!(
        (remote.show("main:apps/one.yaml"), remote.show("main:apps/two.yaml")),
        ("a\n".to_owned(), "b\n".to_owned())
    );
    remote.fsck();
}

/// The race that no advertisement shows: another push lands between ours and the remote's check.
#[tokio::test]
async fn a_race_inside_the_remote_is_reported() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let tree = remote.at("main^{tree}");
    let other = support::git(&remote.work(), &["commit-tree", &tree, "-p", "HEAD", "-m", "other"]).trim().to_owned();
    support::git(&remote.work(), &["push", "-q", "origin", &format!("{other}:refs/heads/other")]);
    remote.hook(
        "pre-receive",
        "unset GIT_QUARANTINE_PATH GIT_QUARANTINE_ENVIRONMENT; git update-ref refs/heads/main refs/heads/other",
    );
    let pushed = push_main(&mirror, base.commit(), new).await;
    assert!(pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), other);
}

#[tokio::test]
async fn a_hook_that_rejects_is_quoted() {
    for over_http in [false, true] {
        let remote = small();
        remote.hook("pre-receive", "printf '\\033[31mno pushes\\033[0m on a Friday\\n' >&2; exit 1");
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let (git, _data) = machine(&[]);
        let url = if over_http { server.url() } else { remote.path() };
        let mirror = git.open(&url, &anyone()).unwrap();
        let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let new = build(&base, "apps/one.yaml", "a\n").await;
        let pushed = push_main(&mirror, base.commit(), new).await;
        assert_eq!(pushed.words, "no pushes on a Friday");
        assert_eq!(pushed.results[0].outcome, Outcome::Declined { reason: "pre-receive hook declined".to_owned() });
        assert!(!pushed.is_outdated());
        assert_eq!(remote.at("main"), base.commit().to_string());
    }
}

#[tokio::test]
async fn push_options_reach_the_hook() {
    let remote = small();
    remote.hook("post-receive", "echo \"$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1\" >options");
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let options = [("ci.skip".to_owned(), String::new()), ("merge_request.title".to_owned(), "two words".to_owned())];
    assert!(mirror.push(&[to_main(base.commit(), new)], &options).await.unwrap().is_complete());
    let got = std::fs::read_to_string(remote.bare().join("options")).unwrap();
    assert_eq!(got, "2 ci.skip merge_request.title=two words\n");

    remote.config("receive.advertisePushOptions", "false");
    let error = mirror.push(&[to_main(new, base.commit())], &options).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::Config, format!("{} does not support push-options", server.url()))
    );
}

#[tokio::test]
async fn several_references_move_together_or_not_at_all() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    let branch = |name: &str, expected| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let both = [to_main(base.commit(), new), branch("bot/update", Expected::Absent)];
    assert!(mirror.push(&both, &[]).await.unwrap().is_complete());
    assert_eq!((remote.at("main"), remote.at("bot/update")), (new.to_string(), new.to_string()));

    let base = mirror.snapshot(new).await.unwrap();
    let new = build(&base, "apps/one.yaml", "b\n").await;
    let branch = |name: &str, expected| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let pushed =
        mirror.push(&[to_main(base.commit(), new), branch("bot/update", Expected::Absent)], &[]).await.unwrap();
    assert!(pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), base.commit().to_string());

    remote.hook("update", "test \"$1\" != refs/heads/bot/update");
    let pushed = mirror.push(&[to_main(base.commit(), new), branch("bot/update", Expected::Any)], &[]).await.unwrap();
    assert!(!pushed.is_complete() && !pushed.is_outdated(), "{pushed:?}");
    assert_eq!(remote.at("main"), base.commit().to_string());
}

#[tokio::test]
async fn a_forced_push_replaces_a_branch_and_an_old_commit_can_be_pushed_anew() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let to = |name: &str, expected, new| RefUpdate { reference: format!("refs/heads/{name}"), expected, new };
    let one = build(&base, "apps/one.yaml", "1\n").await;
    assert!(mirror.push(&[to("bot", Expected::Absent, one)], &[]).await.unwrap().is_complete());
    let two = build(&base, "apps/one.yaml", "2\n").await;
    assert!(mirror.push(&[to("bot", Expected::Any, two)], &[]).await.unwrap().is_complete());
    assert_eq!(remote.at("bot"), two.to_string());
    // Nothing new to send: the pack is empty.
    assert!(mirror.push(&[to("copy", Expected::Absent, base.commit())], &[]).await.unwrap().is_complete());
    assert_eq!(remote.at("copy"), base.commit().to_string());
    remote.config("receive.denyNonFastForwards", "true");
    let three = build(&base, "apps/one.yaml", "3\n").await;
    let pushed = mirror.push(&[to("bot", Expected::Any, three)], &[]).await.unwrap();
    assert_eq!(pushed.results[0].outcome, Outcome::Declined { reason: "non-fast-forward".to_owned() });
    remote.fsck();
}

/// Files that go take their folder along; what differs in case alone is seen.
#[tokio::test]
async fn files_are_taken_away_and_looked_at_together() {
    let remote = Remote::with(&[("a/only.yaml", "1\n"), ("b/one.yaml", "1\n"), ("b/two.yaml", "2\n"), ("c", "3\n")]);
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let advertisement = mirror.advertise().await.unwrap();
    let base = mirror.fetch(&advertisement, &[Want::Branch("main".to_owned())]).await.unwrap()[0].commit;
    let snapshot = mirror.snapshot(base).await.unwrap();
    let paths =
        ["b/one.yaml", "B/one.yaml", "b/ONE.yaml", "c/d.yaml", "b", "new/d.yaml", "b/two.yaml"].map(str::to_owned);
    let found = snapshot.look(paths.to_vec(), 10, 3).await.unwrap();
    let alike = |path: &str| At::Alike(path.to_owned());
    let expect = [
        At::File(b"1\n".to_vec()),
        alike("b"),
        alike("b/one.yaml"),
        alike("c"),
        At::Other,
        At::Nothing,
        // Three bytes are less than both files have.
        At::Other,
    ];
    assert_eq!(found, expect);
    let details = git::NewCommit {
        parents: vec![base],
        author: git::Author { name: "n".into(), email: "e".into() },
        time: git::CommitTime { seconds: 1_700_000_000, offset_minutes: 0 },
        message: "go\n".into(),
        signer: None,
    };
    let removals = ["a/only.yaml", "b/one.yaml", "b/gone.yaml", "never/there.yaml"].map(str::to_owned).to_vec();
    let edits = vec![git::Edit { path: "d/new.yaml".into(), bytes: b"4\n".to_vec() }];
    let commit = snapshot.commit_changes(edits, removals, details.clone()).await.unwrap().unwrap();
    let update = RefUpdate { reference: "refs/heads/main".into(), expected: Expected::At(base), new: commit };
    mirror.push(&[update], &[]).await.unwrap();
    let files = crate::support::git(&remote.bare(), &["ls-tree", "-r", "-t", "--name-only", "main"]);
    assert_eq!(files.lines().collect::<Vec<_>>(), ["b", "b/two.yaml", "c", "d", "d/new.yaml"]);
    remote.fsck();
    // All of it may go, and what is not there changes nothing.
    let snapshot = mirror.snapshot(commit).await.unwrap();
    let nothing = snapshot.commit_changes(Vec::new(), vec!["no".to_owned()], details.clone()).await.unwrap();
    assert_eq!(nothing, None);
    let all = ["b/two.yaml", "c", "d/new.yaml"].map(str::to_owned).to_vec();
    assert!(snapshot.commit_changes(Vec::new(), all, details).await.unwrap().is_some());
}
