//! The files of a commit: what stays as it is, and what a search finds.

use git::{Author, Criteria, Error, Git, SkipReason, Want};

use crate::support::{Remote, anyone, machine, settings};
use crate::{CRITERIA, details, edit, fetch, paths, push_main, search, small, support};

#[tokio::test]
async fn modes_links_and_other_repositories_stay_as_they_are() {
    let remote = Remote::with(&[("run.sh.yaml", "$marker\n"), ("a/b/c/d.yaml", "$marker\n"), ("a/b.yaml", "x\n")]);
    let work = remote.work();
    support::git(&work, &["update-index", "--chmod=+x", "run.sh.yaml"]);
    let head = remote.head();
    support::git(&work, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub.yaml")]);
    // Of the links only those are worth a word that lead to a file with a marker.
    for (link, target) in [
        ("link.yaml", "run.sh.yaml"),
        ("a/up.yaml", "../link.yaml"),
        ("idle.yaml", "a/b.yaml"),
        ("gone.yaml", "nowhere"),
        ("out.yaml", "/etc/passwd"),
        ("loop.yaml", "loop.yaml"),
    ] {
        std::os::unix::fs::symlink(target, work.join(link)).unwrap();
        support::git(&work, &["add", link]);
    }
    support::git(&work, &["commit", "-q", "-m", "odd things"]);
    remote.push("HEAD");

    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    for _ in 0..2 {
        let found = search(&snapshot, &[]).await;
        assert_eq!(paths(&found), ["a/b/c/d.yaml", "run.sh.yaml"]);
        let skipped: Vec<_> = found.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect();
        assert_eq!(skipped, [("a/up.yaml", SkipReason::SymbolicLink), ("link.yaml", SkipReason::SymbolicLink)]);
    }
    let edits = vec![edit("run.sh.yaml", "1\n"), edit("a/b/c/d.yaml", "2\n"), edit("new/file.yaml", "3\n")];
    let commit = snapshot.commit_edits(edits, details(snapshot.commit(), "m")).await.unwrap().unwrap();
    assert!(push_main(&mirror, snapshot.commit(), commit).await.is_complete());
    remote.fsck();
    let listed = support::git(&remote.bare(), &["diff-tree", "-r", "--no-commit-id", "main"]);
    let modes: Vec<_> = listed.lines().map(|line| (&line[..14], line.split('\t').nth(1).unwrap())).collect();
    assert_eq!(
        modes,
        [(":100644 100644 ", "a/b/c/d.yaml"), (":000000 100644 ", "new/file.yaml"), (":100755 100755 ", "run.sh.yaml")]
            .map(|(mode, path)| (&mode[..14], path))
    );

    for path in ["link.yaml", "sub.yaml", "a", "a/b.yaml/c"] {
        let error = snapshot.commit_edits(vec![edit(path, "x")], details(snapshot.commit(), "m")).await.unwrap_err();
        assert!(matches!(error, Error::Edit { .. }), "{path}: {error}");
    }
    let same = snapshot.commit_edits(vec![edit("a/b.yaml", "x\n")], details(snapshot.commit(), "m")).await.unwrap();
    assert_eq!(same, None);
}

#[tokio::test]
async fn commits_read_as_written() {
    let remote = small();
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let mut details = details(base.commit(), "Update image automatically.\n\nImage: äöü 🚀\n\n\ntrailing  ");
    details.author = Author { name: String::new(), email: "bot@<users>.noreply\n".to_owned() };
    details.time.offset_minutes = -150;
    let commit = base.commit_edits(vec![edit("apps/one.yaml", "x")], details).await.unwrap().unwrap();
    assert!(push_main(&mirror, base.commit(), commit).await.is_complete());
    let tree = remote.at("main^{tree}");
    let who = " <bot@users.noreply> 1710000000 -0230";
    let parent = base.commit();
    let expect = format!(
        "tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nUpdate image automatically.\n\nImage: äöü 🚀\n\n\ntrailing  "
    );
    assert_eq!(remote.show("main"), expect);
    remote.fsck();
    let facts = mirror.snapshot(commit).await.unwrap().facts().await.unwrap();
    assert_eq!((facts.parents, facts.author_name.as_str(), facts.time), (vec![parent], "", 1_710_000_000));
    assert!(facts.message.ends_with("trailing  "));
}

#[tokio::test]
async fn a_known_match_is_not_read_again() {
    let remote = Remote::with(&[("a/one.yaml", "$marker\n"), ("b/two.yaml", "$marker 2\n"), ("b/x.txt", "$marker\n")]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let first = search(&snapshot, &[]).await;
    let known: std::collections::HashSet<_> = [first.files[0].id].into();
    let second = snapshot.search_new(&[], CRITERIA, move |blob| known.contains(&blob).then_some(1)).await.unwrap();
    assert_eq!((paths(&second), second.blobs_read), (vec!["b/two.yaml"], 1));
    assert_eq!(second.known, [("a/one.yaml".to_owned(), first.files[0].id)]);
    assert_eq!(search(&snapshot, &[]).await, first, "nothing is known for other searches");
}

#[tokio::test]
async fn a_second_search_reads_only_what_is_new() {
    let remote = Remote::with(&[
        ("a/one.yaml", "$marker\n"),
        ("a/two.yaml", "x\n"),
        ("b/three.yaml", "y\n"),
        ("b/c/four.yaml", "z\n"),
    ]);
    let (git, data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    assert_eq!(search(&snapshot, &["b"]).await.blobs_read, 2);
    assert_eq!(search(&snapshot, &["./"]).await.blobs_read, 2);
    assert_eq!(search(&snapshot, &[]).await.blobs_read, 1);
    drop((snapshot, mirror));

    remote.commit(&[("b/three.yaml", "now $marker\n")], "second");
    let git = Git::new(settings(data.path(), &[])).unwrap();
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let found = search(&snapshot, &[]).await;
    assert_eq!((paths(&found), found.blobs_read), (vec!["a/one.yaml", "b/three.yaml"], 2));
    let other = Criteria { rule: "test 2", ..CRITERIA };
    assert_eq!(snapshot.search(&[], other).await.unwrap().blobs_read, 4);
}

#[tokio::test]
async fn searches_keep_to_their_paths_and_limits() {
    let large = format!("$marker{}", "x".repeat(2_000));
    let remote = Remote::with(&[
        ("a/one.yaml", "$marker\n"),
        ("ab/two.yaml", "$marker\n"),
        ("large.yaml", &large),
        ("c/plain.txt", "$marker"),
    ]);
    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let snapshot = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let check = async |given: &[&str], expect: &[&str], missing: &[&str]| {
        let found = search(&snapshot, given).await;
        assert_eq!(paths(&found), expect, "{given:?}");
        assert_eq!(found.missing, missing, "{given:?}");
    };
    check(&["a"], &["a/one.yaml"], &[]).await;
    check(&["a/one.yaml", "../ab"], &["a/one.yaml", "ab/two.yaml"], &[]).await;
    check(&["nope", "a/one.yaml/x", ".git"], &[], &[".git", "a/one.yaml/x", "nope"]).await;
    check(&["c/plain.txt"], &[], &[]).await;
    check(&[], &["a/one.yaml", "ab/two.yaml"], &[]).await;
    let found = search(&snapshot, &[]).await;
    assert_eq!(found.skipped[0].reason, SkipReason::TooLarge { bytes: large.len() });
    assert_eq!(snapshot.read("a/one.yaml", 100).await.unwrap().as_deref(), Some(&b"$marker\n"[..]));
    assert_eq!(snapshot.read("large.yaml", 100).await.unwrap(), None);
    assert_eq!(snapshot.read("a", 100).await.unwrap(), None);
}

/// Many files, so that two threads read them, on a commit that exists in memory alone.
#[tokio::test]
async fn many_files_are_searched_by_several_threads() {
    let (git, _data) = machine(&[]);
    let remote = Remote::with(&[("keep.yaml", "$marker\n")]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let base = fetch(&mirror, Want::DefaultBranch).await.unwrap();
    let text = |n: usize| if n % 100 == 7 { format!("{n} $marker") } else { format!("{n}") };
    let edits = (0..3_000).map(|n| edit(&format!("d{}/f{n:04}.yaml", n / 50), &text(n))).collect();
    let commit = base.commit_edits(edits, details(base.commit(), "many")).await.unwrap().unwrap();
    let found = search(&mirror.snapshot(commit).await.unwrap(), &[]).await;
    assert_eq!((found.files.len(), found.blobs_read), (31, 3_001));
    assert!(push_main(&mirror, base.commit(), commit).await.is_complete());
    remote.fsck();

    let (git, _data) = machine(&[]);
    let mirror = git.open(&remote.path(), &anyone()).unwrap();
    let found = search(&fetch(&mirror, Want::DefaultBranch).await.unwrap(), &[]).await;
    assert_eq!((found.files.len(), found.blobs_read), (31, 3_001));
    assert!(found.files.is_sorted_by(|a, b| a.path < b.path));
}
