//! Remotes of both object formats. `tests/run` runs most tests of Git a second time with SHA-256 as git's default; here is what
//! only the two together show.

use git::{CommitId, Error, Want};

use super::ssh::{fake_ssh, with_ssh};
use crate::support::{Behaviour, Remote, Server, anyone, machine};
use crate::{build, fetch, push_main, small, support, to_main, whole_way};

const FILES: &[(&str, &str)] =
    &[("apps/one.yaml", "image: a:1 # $marker\n"), ("apps/two.yaml", "plain\n"), ("readme", "$marker\n")];

/// A remote of one of the two formats.
pub(crate) fn of(format: &str) -> Remote {
    let remote = Remote::made(&[&format!("--object-format={format}")]);
    remote.commit(FILES, "first");
    remote
}

#[tokio::test]
async fn the_whole_way_with_either_format() {
    for (format, digits) in [("sha1", 40), ("sha256", 64)] {
        for version in ["0", "2"] {
            let remote = of(format);
            assert_eq!(remote.at("main").len(), digits);
            let protocol = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "protocol.version")];
            let (git, _data) = machine(&[&protocol[..], &[("GIT_CONFIG_VALUE_0", version)]].concat());
            whole_way(&remote.path(), &remote, &git).await;

            let remote = of(format);
            let server = Server::start(remote.root.path(), Behaviour::default()).await;
            whole_way(&server.url(), &remote, &git).await;
        }
        let remote = of(format);
        let folder = tempfile::tempdir().unwrap();
        let git = with_ssh(folder.path(), &fake_ssh(folder.path(), "for last; do :; done\neval \"exec $last\""));
        whole_way(&format!("ssh://git.example.com{}", remote.path()), &remote, &git).await;
    }
}

#[tokio::test]
async fn a_remote_that_is_made_anew_in_another_format_is_followed() {
    let remote = of("sha1");
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    for format in ["sha256", "sha1"] {
        let before = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        assert_eq!(before.commit().to_string(), remote.at("main"));
        let other = of(format);
        std::fs::remove_dir_all(remote.bare()).unwrap();
        std::fs::rename(other.bare(), remote.bare()).unwrap();
        let now = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        assert_eq!(now.commit().to_string(), remote.at("main"));
        assert_ne!(now.commit().to_string().len(), before.commit().to_string().len());
        let new = build(&now, "apps/one.yaml", "a\n").await;
        assert!(push_main(&mirror, now.commit(), new).await.is_complete());
        remote.fsck();
    }
}

/// A commit of one format can be in no repository of the other, be it the second destination of a push.
#[tokio::test]
async fn a_commit_does_not_go_where_it_cannot_be() {
    for (from, to) in [("sha1", "sha256"), ("sha256", "sha1")] {
        let (remote, other) = (of(from), of(to));
        let (git, _data) = machine(&[]);
        let mirror = git.open(&remote.path(), &anyone()).unwrap();
        let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let new = build(&base, "apps/one.yaml", "a\n").await;
        std::fs::remove_dir_all(remote.bare()).unwrap();
        std::fs::rename(other.bare(), remote.bare()).unwrap();
        let error = mirror.push(&[to_main(base.commit(), new)], &[]).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{} uses the object format '{to}', not {from}", remote.path()));
    }
}

#[tokio::test]
async fn commits_are_found_by_ids_of_either_length() {
    for format in ["sha1", "sha256"] {
        let remote = of(format);
        let first = CommitId::parse(&remote.at("main")).unwrap();
        remote.commit(&[("apps/one.yaml", "later\n")], "second");
        let (git, _data) = machine(&[]);
        let mirror = git.open(&remote.path(), &anyone()).unwrap();
        let found = fetch(&mirror, Want::Commit { id: first, branch: None }).await.unwrap();
        assert_eq!(found.commit(), first, "{format}");
    }
    // One of the other length is in no such repository.
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let digits = 104 - remote.at("main").len();
    let id = CommitId::parse(&"12".repeat(digits / 2)).unwrap();
    let error = fetch(&mirror, Want::Commit { id, branch: None }).await.err().unwrap();
    assert!(matches!(error, Error::CommitMissing { .. }), "{error}");
}

#[tokio::test]
async fn an_empty_remote_is_empty_in_either_format() {
    let root = tempfile::tempdir().unwrap();
    support::git(root.path(), &["init", "-q", "--bare", "--object-format=sha256", "repo.git"]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(root.path().join("repo.git").to_str().unwrap(), &anyone()).unwrap();
    let error = fetch(&mirror, Want::DefaultBranch).await.err().unwrap();
    assert!(matches!(error, Error::EmptyRemote { .. }), "{error}");
}
