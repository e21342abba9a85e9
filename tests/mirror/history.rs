//! Walking history, with `git log` as the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use git::{CommitId, End, Interest, MAX_TOUCH_BYTES, Mirror, Visit, Want};

use crate::support::{Remote, anyone, git, git_with, machine};
use crate::world::{fetch, walk};

const FILES: [&str; 7] = ["a", "apps/one", "apps/two", "apps/deep/er", "apps.txt", "b/x", "b"];

/// Fetches the whole history of `main`: a commit that has no name is looked for in all of it.
async fn fetch_all(mirror: &Mirror, remote: &Remote) -> CommitId {
    let root = git(&remote.bare(), &["rev-list", "--max-parents=0", "main"]);
    let id = CommitId::parse(root.lines().next().unwrap()).unwrap();
    let advertisement = mirror.advertise().await.unwrap();
    mirror.fetch(&advertisement, &[Want::Commit { id, branch: None }]).await.unwrap();
    advertisement.branch("main").unwrap()
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

type Tree = BTreeMap<&'static str, usize>;

/// When a commit was made, by its number: seconds from some moment on.
type Clock = fn(usize) -> usize;

/// A history with branches, merges of every kind, deletions, files that become folders, and commits that change nothing. `clock` says
/// when each was made.
fn tangle(remote: &Remote, seed: u64, commits: usize, clock: Clock) {
    let mut dice = Dice(seed);
    let mut trees: Vec<Tree> = Vec::new();
    let mut stream = String::new();
    for n in 0..commits {
        let mut parents = Vec::new();
        for _ in 0..[1, 1, 1, 2, 2, 3][dice.below(6)] {
            let parent = n.saturating_sub(1 + dice.below(4));
            if n > 0 && !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let mut tree = Tree::new();
        for file in FILES {
            let from = (!parents.is_empty()).then(|| parents[dice.below(parents.len())]);
            tree.extend(from.and_then(|from| Some((file, *trees[from].get(file)?))));
        }
        for _ in 0..dice.below(3) {
            let file = FILES[dice.below(FILES.len())];
            match dice.below(4) {
                0 => drop(tree.remove(file)),
                _ => drop(tree.insert(file, dice.below(3))),
            }
        }
        if tree.contains_key("b") {
            tree.remove("b/x");
        }
        write!(stream, "commit refs/heads/main\nmark :{}\n", n + 1).unwrap();
        writeln!(stream, "committer who <who@example.com> {} +0000", 1_600_000_000 + clock(n)).unwrap();
        let message = format!("commit {n}");
        write!(stream, "data {}\n{message}\n", message.len()).unwrap();
        for (at, parent) in parents.iter().enumerate() {
            let word = if at == 0 { "from" } else { "merge" };
            writeln!(stream, "{word} :{}", parent + 1).unwrap();
        }
        stream.push_str("deleteall\n");
        for (file, value) in &tree {
            write!(stream, "M 100644 inline {file}\ndata 1\n{value}\n").unwrap();
        }
        trees.push(tree);
    }
    git_with(&remote.bare(), &["fast-import", "--quiet", "--force"], stream.as_bytes());
}

#[tokio::test]
async fn what_git_log_says_of_the_full_history() {
    for seed in 1..=5 {
        let remote = Remote::empty();
        tangle(&remote, seed, 240, |n| n * 60);
        let (machine, _data) = machine(&[]);
        let mirror = machine.open(&remote.path(), &anyone()).unwrap();
        let tip = fetch_all(&mirror, &remote).await;
        let touched: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
        let collect = Arc::clone(&touched);
        let visit = move |visit: Visit<'_>| {
            if let Visit::Touch(touch) = visit {
                assert_ne!(touch.before, touch.after);
                let line = format!("{} {:?}", touch.commit, touch.after);
                collect.lock().unwrap().entry(touch.path.to_owned()).or_default().push(line);
            }
            Interest::Keep
        };
        let paths = FILES.iter().map(|file| (*file).to_owned()).collect();
        let walked = mirror.history(tip, paths, 1_000, visit).await.unwrap();
        assert_eq!(walked.ended, End::Root, "seed {seed}");
        let total: usize = touched.lock().unwrap().values().map(Vec::len).sum();
        assert!(total > 40, "{total} touches, seed {seed}");
        for file in FILES {
            assert_eq!(
                touched.lock().unwrap().get(file).cloned().unwrap_or_default(),
                logged(&remote, file),
                "{file}, seed {seed}"
            );
        }
        let count = git(&remote.bare(), &["rev-list", "--count", "main"]);
        assert_eq!(walk(&mirror, tip, &[]).await.0.commits.to_string(), count.trim());
    }
}

/// Where clocks go right, what is told is exact; where they do not, a commit that both have may be taken for one's own, and never the other
/// way round.
#[tokio::test]
async fn what_git_rev_list_says_of_two_commits() {
    let clocks: [(&str, Clock); 3] = [("right", |n| n * 60), ("standing", |_| 0), ("wrong", |n| n * 7_919 % 1_009)];
    for (name, clock) in clocks {
        for seed in 1..=3 {
            let remote = Remote::empty();
            tangle(&remote, seed, 60, clock);
            let (machine, _data) = machine(&[]);
            let mirror = machine.open(&remote.path(), &anyone()).unwrap();
            fetch_all(&mirror, &remote).await;
            let all = git(&remote.bare(), &["rev-list", "main"]);
            let all: Vec<&str> = all.lines().collect();
            let mut dice = Dice(seed);
            for _ in 0..25 {
                let [ours, theirs] = [(); 2].map(|()| all[dice.below(all.len())]);
                let own = |of: &str, but: &str| -> BTreeSet<String> {
                    let listed = git(&remote.bare(), &["rev-list", of, &format!("^{but}")]);
                    listed.lines().map(str::to_owned).collect()
                };
                let (expected, is_behind) = (own(ours, theirs), !own(theirs, ours).is_empty());
                let ids = [ours, theirs].map(|id| CommitId::parse(id).unwrap());
                let ahead = mirror.ahead(ids[0], ids[1]).await.unwrap();
                let found: BTreeSet<String> = ahead.commits.iter().map(|commit| commit.id.to_string()).collect();
                let pair = format!("{name}, seed {seed}, {ours} and {theirs}");
                assert!(ahead.is_known && found.is_superset(&expected) && (ahead.is_behind || !is_behind), "{pair}");
                assert!(name == "wrong" || (found == expected && ahead.is_behind == is_behind), "{pair}");
            }
        }
    }
}

/// What `git log --full-history` says: each commit that wrote the file, and what it wrote.
fn logged(remote: &Remote, file: &str) -> Vec<String> {
    // `b` is a folder in some commits. The log of the folder is not that of the file, so that the folder is left out.
    let exclude = format!(":(exclude){file}/*");
    let log = git(&remote.bare(), &["log", "--full-history", "--format=%H", "main", "--", file, &exclude]);
    let at =
        |commit: &str| Some(git(&remote.bare(), &["ls-tree", commit, "--", file])).filter(|at| at.contains(" blob "));
    // It names merges that differ from one parent, too.
    let is_new = |commit: &&str| {
        let parents = git(&remote.bare(), &["log", "-1", "--format=%P", commit]);
        let parents: Vec<&str> = parents.split_whitespace().collect();
        parents.len() < 2 || parents.iter().all(|parent| at(parent) != at(commit))
    };
    log.lines()
        .filter(is_new)
        .map(|commit| {
            let text = at(commit).map(|_| remote.show(&format!("{commit}:{file}")));
            format!("{commit} {:?}", text.as_ref().map(|text| text.as_bytes()))
        })
        .collect()
}

#[tokio::test]
async fn before_and_after_are_shown() {
    let remote = Remote::with(&[("apps/one", "1"), ("other", "x")]);
    remote.commit(&[("apps/one", "2")], "two");
    remote.commit(&[("other", "y")], "elsewhere\n\nTrailer: here");
    remote.commit(&[("apps/one", "1")], "back");
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let tip = fetch_all(&mirror, &remote).await;
    let (walked, lines) = walk(&mirror, tip, &["./apps//one"]).await;
    let expect = [
        "commit back",
        "  ./apps//one: 2 -> 1",
        "commit elsewhere",
        "commit two",
        "  ./apps//one: 1 -> 2",
        "commit first",
        "  ./apps//one: nothing -> 1",
    ];
    assert_eq!(lines, expect);
    assert_eq!((walked.ended, walked.commits), (End::Root, 4));
}

#[tokio::test]
async fn a_walk_ends_when_nothing_is_of_interest() {
    let remote = Remote::with(&[("a", "1"), ("b", "1")]);
    for n in 2..6 {
        remote.commit(&[("a", &n.to_string())], &format!("a {n}"));
    }
    remote.commit(&[("b", "2")], "b 2");
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let tip = fetch_all(&mirror, &remote).await;
    let both = || vec!["a".to_owned(), "b".to_owned()];
    let dropping = |visit: Visit<'_>| match visit {
        Visit::Touch(_) => Interest::Drop,
        Visit::Commit(_) => Interest::Keep,
    };
    let walked = mirror.history(tip, both(), 100, dropping).await.unwrap();
    assert_eq!((walked.ended, walked.commits), (End::Done, 2));
    let walked = mirror.history(tip, both(), 3, |_| Interest::Keep).await.unwrap();
    assert_eq!((walked.ended, walked.commits), (End::Limit, 3));
    let walked = mirror.history(tip, both(), 100, |_| Interest::Drop).await.unwrap();
    assert_eq!((walked.ended, walked.commits), (End::Done, 1));
    let walked = mirror.history(tip, vec!["absent".to_owned()], 100, |_| Interest::Keep).await.unwrap();
    assert_eq!((walked.ended, walked.commits), (End::Root, 6));
}

#[tokio::test]
async fn where_the_mirror_ends_is_no_change() {
    let remote = Remote::with(&[("a", "1")]);
    remote.commit(&[("a", "2")], "second");
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let tip = fetch(&mirror).await.commit();
    let (walked, lines) = walk(&mirror, tip, &["a"]).await;
    assert_eq!((walked.ended, walked.commits), (End::Boundary, 1));
    assert_eq!(lines, ["commit second"]);
    assert_eq!(walk(&mirror, tip, &[]).await.0.ended, End::Boundary);
}

#[tokio::test]
async fn what_is_no_file_or_too_large_has_no_content() {
    let large = "x".repeat(MAX_TOUCH_BYTES + 1);
    let remote = Remote::with(&[("a", &large), ("b/c", "1")]);
    std::fs::remove_dir_all(remote.work().join("b")).unwrap();
    remote.commit(&[("a", "small"), ("b", "file")], "second");
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let tip = fetch_all(&mirror, &remote).await;
    let (_, lines) = walk(&mirror, tip, &["a", "b", "b/c"]).await;
    let expect = [
        "commit second",
        "  a: nothing -> small",
        "  b: nothing -> file",
        "  b/c: 1 -> nothing",
        "commit first",
        "  a: nothing -> nothing",
        "  b/c: nothing -> 1",
    ];
    assert_eq!(lines, expect);
}
