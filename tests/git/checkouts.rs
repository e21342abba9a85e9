//! What is checked out: branches, tags, references, commits, and what is said of those that are not there.

use git::{CommitId, Git, Kind, Want};

use crate::support::{Behaviour, Remote, Server, anyone, git_with, machine, settings};
use crate::{build, fetch, push_main, small, support};

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (git, _data) = machine(&[]);
    let empty = Remote::empty();
    let server = Server::start(empty.root.path(), Behaviour::default()).await;
    for url in [empty.path(), server.url()] {
        let error = fetch(&git.open(&url, &anyone()).unwrap(), Want::DefaultBranch).await.err().unwrap();
        assert_eq!(error.to_string(), format!("{url} is empty: it has no branch yet"));
    }
    let remote = small();
    for branch in ["a", "b", "c", "d", "e", "f"] {
        git_with(&remote.bare(), &["branch", branch, "main"], b"");
    }
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let says = async |want: Want| fetch(&mirror, want).await.err().unwrap().to_string();
    let path = remote.path();
    assert_eq!(
        says(Want::Branch("prod".to_owned())).await,
        format!("{path} has no branch prod; its branches: a, b, c, d, e")
    );
    assert_eq!(says(Want::Tag("v1".to_owned())).await, format!("{path} has no tag v1"));
    support::git(&remote.bare(), &["symbolic-ref", "HEAD", "refs/heads/gone"]);
    assert!(says(Want::DefaultBranch).await.starts_with(&format!("{path} has no default branch; its branches: a")));
    let error = git.open("/nonexistent/repo.git", &anyone()).unwrap().advertise().await.unwrap_err();
    assert!(error.to_string().ends_with("/repo.git does not exist on this machine"), "{error}");
}

#[tokio::test]
async fn tags_references_and_commits_are_checked_out() {
    let remote = small();
    let first = remote.head();
    support::git(&remote.work(), &["tag", "-a", "v1.0.0", "-m", "annotated"]);
    support::git(&remote.work(), &["tag", "light"]);
    remote.push("--tags");
    let second = remote.commit(&[("x.yaml", "$marker\n")], "second");
    let third = remote.commit(&[("x.yaml", "$marker 2\n")], "third");
    support::git(&remote.bare(), &["update-ref", "refs/pull/1/head", &second]);
    let server = Server::start(remote.root.path(), Behaviour::default()).await;

    for url in [remote.path(), server.url()] {
        let (git, _data) = machine(&[]);
        let mirror = git.open(&url, &anyone()).unwrap();
        let commit = async |want: Want| fetch(&mirror, want).await.map(|snapshot| snapshot.commit().to_string());
        assert_eq!(commit(Want::Tag("v1.0.0".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Tag("light".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Reference("refs/pull/1/head".to_owned())).await.unwrap(), second);
        assert_eq!(commit(Want::Reference("refs/tags/v1.0.0^{}".to_owned())).await.unwrap(), first);
        assert_eq!(commit(Want::Commit { id: CommitId::parse(&third).unwrap(), branch: None }).await.unwrap(), third);
        let advertisement = mirror.advertise().await.unwrap();
        let tags: Vec<_> = advertisement.tags().map(|(name, commit)| (name.to_owned(), commit.to_string())).collect();
        assert_eq!(tags, [("light".to_owned(), first.clone()), ("v1.0.0".to_owned(), first.clone())]);
    }
}

#[tokio::test]
async fn a_commit_without_a_name_is_found_in_the_history() {
    for reachable in ["false", "true"] {
        let remote = small();
        remote.config("uploadpack.allowReachableSHA1InWant", reachable);
        let first = CommitId::parse(&remote.head()).unwrap();
        remote.commit(&[("x.yaml", "$marker\n")], "second");
        remote.commit(&[("x.yaml", "$marker 2\n")], "third");
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        for url in [remote.path(), server.url()] {
            let (git, _data) = machine(&[]);
            let mirror = git.open(&url, &anyone()).unwrap();
            fetch(&mirror, Want::DefaultBranch).await.unwrap();
            let want = Want::Commit { id: first, branch: Some("main".to_owned()) };
            assert_eq!(fetch(&mirror, want.clone()).await.unwrap().commit(), first);
            server.seen();
            assert_eq!(fetch(&mirror, want).await.unwrap().commit(), first);
            assert!(server.seen().len() <= 1);
            let unknown = CommitId::parse(&"12".repeat(20)).unwrap();
            let error = fetch(&mirror, Want::Commit { id: unknown, branch: None }).await.err().unwrap();
            assert!(error.to_string().contains("has no commit 1212"), "{error}");
            support::git(mirror.folder(), &["fsck", "--strict"]);
        }
    }
}

#[tokio::test]
async fn git_s_rewrites_are_obeyed() {
    let remote = small();
    let server = Server::start(remote.root.path(), Behaviour::default()).await;
    let config = format!(
        "[url \"{}/\"]\n\tinsteadOf = https://github.example/acme/\n[url \"{}/\"]\n\tpushInsteadOf = https://github.example/acme/\n",
        server.base,
        remote.root.path().display()
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config"), config).unwrap();
    let (git, _data) = machine(&[("GIT_CONFIG_GLOBAL", folder.path().join("config").to_str().unwrap())]);
    let mirror = git.open("https://github.example/acme/repo.git", &anyone()).unwrap();
    assert_eq!(mirror.remote(), server.url());
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&base, "apps/one.yaml", "a\n").await;
    server.seen();
    assert!(push_main(&mirror, base.commit(), new).await.is_complete());
    assert!(server.seen().is_empty());

    std::fs::write(folder.path().join("config"), "[broken").unwrap();
    let data = tempfile::tempdir().unwrap();
    let broken = settings(data.path(), &[("GIT_CONFIG_GLOBAL", folder.path().join("config").to_str().unwrap())]);
    assert_eq!(Git::new(broken).err().unwrap().kind(), Kind::Config);
}
