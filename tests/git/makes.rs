//! Remotes behind servers of other makes, as far as they differ from git: what they offer, what they insist on, and how they
//! refuse. Sources are named where one of them is meant.

use git::{Error, Expected, Kind, Outcome, RefUpdate, Want};

use crate::support::{Behaviour, Make, Refusal, Remote, Server, anyone, commit_on_main, machine};
use crate::{build, fetch, formats, push_main, to_main, whole_way};

/// As servers have it that do not say how objects are named.
fn small() -> Remote {
    formats::of("sha1")
}

async fn serve(remote: &Remote, make: Make) -> Server {
    // Version 0 is all that most of them have, and none of them more than that for pushes.
    Server::start(remote.root.path(), Behaviour { make, is_old: true, ..Behaviour::default() }).await
}

/// The whole way over a server of this make.
async fn goes(make: Make) {
    let remote = small();
    let server = serve(&remote, make).await;
    let (git, _data) = machine(&[]);
    whole_way(&server.url(), &remote, &git).await;
    // A second fetch, of which the mirror has a part.
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    remote.push("HEAD:refs/heads/other");
    support_pull(&remote);
    let there = remote.commit(&[("apps/three.yaml", "x\n")], "by somebody else");
    assert_eq!(fetch(&mirror, Want::DefaultBranch).await.unwrap().commit().to_string(), there);
}

fn support_pull(remote: &Remote) {
    crate::support::git(&remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
}

#[tokio::test]
async fn what_a_server_does_not_offer_is_done_without() {
    // Azure DevOps; go-git/go-git#64.
    let insists = Some(("multi_ack", "TF401041: Clients must support multi-ack."));
    let plain_ack = Some("multi_ack thin-pack side-band side-band-64k ofs-delta shallow no-progress");
    goes(Make { upload: plain_ack, insists, ..Make::default() }).await;
    // go-git 5 as a server pushes without side band; go-git/go-git#2203.
    let upload = Some("agent=go-git/5.x ofs-delta side-band side-band-64k");
    let receive = Some("agent=go-git/5.x ofs-delta delete-refs report-status");
    goes(Make { upload, receive, ..Make::default() }).await;
    // Small servers have none at all, or the old one with short packets.
    goes(Make { upload: Some("ofs-delta"), receive: Some("report-status"), ..Make::default() }).await;
    let old = Some("multi_ack side-band ofs-delta shallow");
    goes(Make { upload: old, receive: Some("report-status side-band"), ..Make::default() }).await;
    // Nothing says what became of a push but the references.
    goes(Make { receive: Some("delete-refs ofs-delta"), ..Make::default() }).await;
    // AWS CodeCommit; isomorphic-git/isomorphic-git#199.
    let upload = Some("multi_ack_detailed shallow side-band-64k thin-pack allow-tip-sha1-in-want");
    goes(Make { upload, receive: Some("report-status delete-refs side-band-64k"), ..Make::default() }).await;
}

/// Old Gitblit; libgit2/libgit2#1410.
#[tokio::test]
async fn a_report_without_the_side_band_that_was_asked_for_is_read() {
    goes(Make { is_plain: true, ..Make::default() }).await;
}

#[tokio::test]
async fn a_server_may_name_the_version_first() {
    goes(Make { opening: Some("version 1\n"), ..Make::default() }).await;
}

#[tokio::test]
async fn what_is_said_before_the_protocol_is_quoted() {
    let remote = small();
    let (git, _data) = machine(&[]);
    for (talk, quoted) in
        [("Warning: \x1b[31mdisk\x1b[0m full\n", "Warning: disk full"), ("\u{feff}", "\u{feff}001e# service")]
    {
        let server = serve(&remote, Make { talk, ..Make::default() }).await;
        let error = git.open(&server.url(), &anyone()).unwrap().advertise().await.unwrap_err();
        let expect = format!("{} says something else before the Git protocol begins: ", server.url());
        let text = error.to_string();
        assert_eq!(error.kind(), Kind::Denied, "{text}");
        let said = text.strip_prefix(&expect).unwrap_or_else(|| panic!("{text}"));
        assert!(said.contains(quoted.trim_start_matches('\u{feff}')), "{said}");
    }
}

/// Who is faster is told by the references, whatever it is called: by Azure DevOps, by JGit over HTTP, by git, and by one that
/// says nothing.
#[tokio::test]
async fn a_lost_race_is_known_by_the_references() {
    for words in ["TF401028: The reference has already been updated by another client", "invalid old id sent", "", "no"]
    {
        for receive in [None, Some("report-status")] {
            let remote = small();
            let server = serve(&remote, Make { refuses: Refusal::moved(words), receive, ..Make::default() }).await;
            let (git, _data) = machine(&[]);
            let mirror = git.open(&server.url(), &anyone()).unwrap();
            let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
            let commit = build(&first, "apps/two.yaml", "x\n").await;
            let lost = push_main(&mirror, first.commit(), commit).await;
            assert!(lost.is_outdated(), "{words}: {lost:?}");
            let again = fetch(&mirror, Want::DefaultBranch).await.unwrap();
            let commit = build(&again, "apps/two.yaml", "x\n").await;
            assert!(push_main(&mirror, again.commit(), commit).await.is_complete());
        }
    }
}

/// Words that mean a lost race elsewhere mean nothing where the reference stands still.
#[tokio::test]
async fn a_refusal_is_no_lost_race() {
    for (words, expect) in [
        ("non-fast-forward", Outcome::Declined { reason: "non-fast-forward".to_owned() }),
        (
            "the branch has moved to another team",
            Outcome::Declined { reason: "the branch has moved to another team".to_owned() },
        ),
        ("cannot lock ref", Outcome::Busy { reason: "cannot lock ref".to_owned() }),
        ("fatal error in commit_refs", Outcome::Busy { reason: "fatal error in commit_refs".to_owned() }),
    ] {
        let remote = small();
        let server = serve(&remote, Make { refuses: Refusal::always(words), ..Make::default() }).await;
        let (git, _data) = machine(&[]);
        let mirror = git.open(&server.url(), &anyone()).unwrap();
        let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let commit = build(&first, "apps/two.yaml", "x\n").await;
        let pushed = push_main(&mirror, first.commit(), commit).await;
        assert_eq!(pushed.results[0].outcome, expect);
        assert!(!pushed.is_outdated() && !pushed.is_complete());
    }
}

/// A lock file that was left behind, on a real remote.
#[tokio::test]
async fn a_locked_reference_has_not_moved() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = build(&first, "apps/two.yaml", "x\n").await;
    let lock = remote.bare().join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let pushed = push_main(&mirror, first.commit(), commit).await;
    assert!(matches!(pushed.results[0].outcome, Outcome::Busy { .. }), "{pushed:?}");
    assert!(pushed.words.contains("main.lock"), "{pushed:?}");
    std::fs::remove_file(lock).unwrap();
    assert!(push_main(&mirror, first.commit(), commit).await.is_complete());
}

/// A lock that goes while we look, and a commit with it: another one, or the very same, as two runs in one second make it.
#[tokio::test]
async fn a_lock_of_somebody_who_is_faster_is_a_lost_race() {
    for is_same in [false, true] {
        let remote = small();
        let (git, _data) = machine(&[]);
        let mirror = git.open(&remote.path(), &anyone()).unwrap();
        let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let commit = build(&first, "apps/two.yaml", "x\n").await;
        let side = RefUpdate { reference: "refs/heads/side".to_owned(), expected: Expected::Absent, new: commit };
        assert!(mirror.push(&[side], &[]).await.unwrap().is_complete());
        let faster = if is_same { commit.to_string() } else { commit_on_main(&remote.bare()) };
        let main = remote.bare().join("refs/heads/main");
        let lock = main.with_extension("lock");
        // As git does it: the lock holds what the branch becomes.
        std::fs::write(&lock, format!("{faster}\n")).unwrap();
        let somebody = async {
            // The first look at the references finds them as they were. Where this comes before it, it is the same.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            std::fs::rename(&lock, &main).unwrap();
        };
        let (pushed, ()) = tokio::join!(push_main(&mirror, first.commit(), commit), somebody);
        assert_eq!((pushed.is_outdated(), pushed.is_complete()), (!is_same, is_same), "{pushed:?}");
    }
}

#[tokio::test]
async fn a_branch_that_only_readers_see_is_named() {
    let remote = small();
    remote.config("receive.hideRefs", "refs/heads/main");
    for over_http in [false, true] {
        let server = serve(&remote, Make::default()).await;
        let (git, _data) = machine(&[]);
        let url = if over_http { server.url() } else { remote.path() };
        let mirror = git.open(&url, &anyone()).unwrap();
        let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let commit = build(&first, "apps/two.yaml", "x\n").await;
        let pushed = push_main(&mirror, first.commit(), commit).await;
        let Outcome::Declined { reason } = &pushed.results[0].outcome else { panic!("{pushed:?}") };
        assert!(reason.contains("branch main") && reason.contains("receive.hideRefs"), "{reason}");
    }
}

/// What looks like a race that is lost each time.
#[tokio::test]
async fn a_branch_that_only_pushers_see_is_named() {
    let remote = small();
    remote.push("HEAD:refs/heads/bot");
    remote.config("uploadpack.hideRefs", "refs/heads/bot");
    for over_http in [false, true] {
        let server = serve(&remote, Make::default()).await;
        let (git, _data) = machine(&[]);
        let url = if over_http { server.url() } else { remote.path() };
        let mirror = git.open(&url, &anyone()).unwrap();
        let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
        let new = build(&first, "apps/two.yaml", "x\n").await;
        let update = RefUpdate { reference: "refs/heads/bot".to_owned(), expected: Expected::Absent, new };
        let pushed = mirror.push(&[update], &[]).await.unwrap();
        let Outcome::Declined { reason } = &pushed.results[0].outcome else { panic!("{pushed:?}") };
        let expect = "branch bot is there, but the remote hides it from fetches (`uploadpack.hideRefs` of git)";
        assert!(reason.starts_with(expect), "{reason}");
    }
}

/// A reference is a file for git, or a folder.
#[tokio::test]
async fn a_reference_in_the_way_is_named() {
    let remote = small();
    remote.push("HEAD:refs/heads/bot/updates");
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let new = build(&first, "apps/two.yaml", "x\n").await;
    for (name, other) in [("bot", "bot/updates"), ("main/updates", "main")] {
        let update = RefUpdate { reference: format!("refs/heads/{name}"), expected: Expected::Absent, new };
        let pushed = mirror.push(&[update, to_main(first.commit(), new)], &[]).await.unwrap();
        let reason = format!("it has branch {other}, beside which there can be no branch {name}");
        assert_eq!(pushed.results[0].outcome, Outcome::Declined { reason });
        assert!(!pushed.is_complete() && remote.at("main") == first.commit().to_string());
    }
}

#[tokio::test]
async fn options_that_a_remote_does_not_take_are_an_error() {
    let remote = small();
    let server = serve(&remote, Make { receive: Some("report-status"), ..Make::default() }).await;
    let (git, _data) = machine(&[]);
    let mirror = git.open(&server.url(), &anyone()).unwrap();
    let first = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let commit = build(&first, "apps/two.yaml", "x\n").await;
    let options = [("ci.skip".to_owned(), String::new())];
    let error = mirror.push(&[to_main(first.commit(), commit)], &options).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { what: "push-options", .. }), "{error}");
}
