//! Later fetches: the history stays in one piece, nothing comes twice, and no history comes whole by accident.

use std::path::Path;

use git::{Author, CommitTime, Edit, End, Expected, MAX_GENERATIONS, Mirror, NewCommit, RefUpdate, Want};

use crate::support::{Behaviour, Remote, Server, TIME, anyone, git, git_at, machine};
use crate::world::{fetch, log, main, push, walk};

const HOUR: i64 = 3_600;

/// Commits `names` an hour apart from each other, the first at `hour`; each writes the file of its name.
fn commits(remote: &Remote, hour: i64, names: &[&str]) {
    for (n, name) in (0..).zip(names) {
        remote.commit_at(TIME + (hour + n) * HOUR, &[(&format!("{name}.yaml"), name)], name);
    }
}

fn remote_with(names: &[&str]) -> Remote {
    let remote = Remote::empty();
    // Differences would be told against objects that the mirror has, which libgit2 then stores once more.
    remote.config("pack.window", "0");
    commits(&remote, 0, names);
    remote
}

/// Merges `other` into the branch of the work tree and pushes it.
fn merge(remote: &Remote, hour: i64, other: &str, message: &str) {
    git_at(&remote.work(), TIME + hour * HOUR, &["merge", "-q", "--no-ff", "-m", message, other], b"");
    remote.push("HEAD");
}

/// A mirror of the remote, over a server.
struct Place {
    server: Server,
    mirror: Mirror,
    _data: tempfile::TempDir,
}

impl Place {
    async fn open(remote: &Remote, behaviour: Behaviour) -> Self {
        let server = Server::start(remote.root.path(), behaviour).await;
        let (machine, _data) = machine(&[]);
        let mirror = machine.open(&server.url(), &anyone()).unwrap();
        Self { server, mirror, _data }
    }

    /// Fetches `main`; returns the commits that hang together, how they end, and how many packs were asked for.
    async fn fetch(&self) -> (String, End, usize) {
        self.server.seen();
        let tip = fetch(&self.mirror).await.commit();
        let posts = self.server.seen().iter().filter(|seen| seen.line.starts_with("POST")).count();
        let (log, ended) = log(&self.mirror, tip).await;
        git(self.mirror.folder(), &["fsck", "--strict", "--no-dangling"]);
        (log.join(" "), ended, posts)
    }

    async fn deepen(&self, generations: u32) -> usize {
        let advertisement = self.mirror.advertise().await.unwrap();
        self.server.seen();
        self.mirror.deepen(&advertisement, &main(), generations).await.unwrap();
        self.server.seen().len()
    }
}

fn expect(log: &str, ended: End, posts: usize) -> (String, End, usize) {
    (log.to_owned(), ended, posts)
}

/// How many objects the packs hold, those counted twice that are in two.
fn packed(mirror: &Path) -> usize {
    let counted = git(mirror, &["count-objects", "-v"]);
    counted.lines().find_map(|line| line.strip_prefix("in-pack: ")).unwrap().parse().unwrap()
}

fn reachable(mirror: &Path) -> usize {
    git(mirror, &["rev-list", "--objects", "main"]).lines().count()
}

#[tokio::test]
async fn everything_since_the_last_fetch_comes_and_nothing_twice() {
    let remote = remote_with(&["a", "b", "c"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    assert_eq!(place.fetch().await, expect("c", End::Boundary, 1));
    commits(&remote, 3, &["d", "e", "f"]);
    assert_eq!(place.fetch().await, expect("f e d c", End::Boundary, 1));
    assert_eq!(place.fetch().await, expect("f e d c", End::Boundary, 0));
    commits(&remote, 6, &["g"]);
    assert_eq!(place.fetch().await, expect("g f e d c", End::Boundary, 1));
    let folder = place.mirror.folder();
    assert_eq!(packed(folder), reachable(folder));
    assert_eq!(std::fs::read_to_string(folder.join("shallow")).unwrap().trim(), remote.at("main~4"));
}

#[tokio::test]
async fn the_same_over_a_local_path() {
    let remote = remote_with(&["a", "b"]);
    let (machine, _data) = machine(&[]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    fetch(&mirror).await;
    commits(&remote, 2, &["c", "d"]);
    let tip = fetch(&mirror).await.commit();
    assert_eq!(log(&mirror, tip).await, (vec!["d".to_owned(), "c".to_owned(), "b".to_owned()], End::Boundary));
    // Nothing since the old tip: git ends the conversation, and the tip alone is asked for.
    git(&remote.work(), &["reset", "-q", "--hard", "HEAD~3"]);
    git_at(&remote.work(), TIME - 9 * HOUR, &["commit", "-q", "--allow-empty", "-m", "old"], b"");
    remote.push("+HEAD:main");
    let tip = fetch(&mirror).await.commit();
    assert_eq!(log(&mirror, tip).await, (vec!["old".to_owned()], End::Boundary));
}

#[tokio::test]
async fn a_merge_of_an_older_branch_leaves_no_gap() {
    let remote = remote_with(&["a"]);
    git(&remote.work(), &["checkout", "-q", "-b", "side"]);
    commits(&remote, 1, &["s"]);
    git(&remote.work(), &["checkout", "-q", "main"]);
    commits(&remote, 2, &["b"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    assert_eq!(place.fetch().await, expect("b", End::Boundary, 1));
    commits(&remote, 3, &["c"]);
    merge(&remote, 4, "side", "m");
    assert_eq!(place.fetch().await, expect("m c b s a", End::Root, 2));
    assert!(!place.mirror.folder().join("shallow").exists());
}

#[tokio::test]
async fn a_merge_right_on_the_old_tip_is_passed_by_what_it_did_not_change() {
    let remote = remote_with(&["a"]);
    git(&remote.work(), &["checkout", "-q", "-b", "side"]);
    commits(&remote, 1, &["s"]);
    git(&remote.work(), &["checkout", "-q", "main"]);
    commits(&remote, 2, &["b"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    let mirror = &place.mirror;
    fetch(mirror).await;
    commits(&remote, 3, &["c"]);
    assert_eq!(place.fetch().await, expect("c b", End::Boundary, 1));
    merge(&remote, 4, "side", "m");
    assert_eq!(place.fetch().await, expect("m c b", End::Boundary, 1));
    let tip = fetch(mirror).await.commit();
    let (walked, lines) = walk(mirror, tip, &["c.yaml"]).await;
    assert_eq!(lines, ["commit m", "commit c", "  c.yaml: nothing -> c", "commit b"]);
    assert_eq!(walked.ended, End::Boundary);
    let (walked, lines) = walk(mirror, tip, &["s.yaml"]).await;
    assert_eq!((walked.ended, lines), (End::Boundary, vec!["commit m".to_owned()]));
}

#[tokio::test]
async fn our_own_commits_are_part_of_it_and_clocks_may_differ() {
    let remote = remote_with(&["a"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    let snapshot = fetch(&place.mirror).await;
    push(&place.mirror, &snapshot, "bot.yaml", "1", TIME + HOUR).await;
    assert_eq!(place.fetch().await, expect("bot.yaml is 1 a", End::Root, 0));
    // Two commits that are a little older than ours, which is their ancestor.
    git(&remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
    for name in ["b", "c"] {
        remote.commit_at(TIME + HOUR - 300, &[("other.yaml", name)], name);
    }
    let snapshot = fetch(&place.mirror).await;
    assert_eq!(log(&place.mirror, snapshot.commit()).await.0.len(), 4);
    // Much older ones: the remote finds nothing, and gives the newest alone, which is no gap when there is but one.
    remote.commit_at(TIME - HOUR, &[("other.yaml", "d")], "d");
    assert_eq!(log(&place.mirror, fetch(&place.mirror).await.commit()).await.0.len(), 5);
    push(&place.mirror, &fetch(&place.mirror).await, "bot.yaml", "2", TIME + 2 * HOUR).await;
    assert_eq!(log(&place.mirror, fetch(&place.mirror).await.commit()).await.0.len(), 6);
    git(&remote.work(), &["pull", "-q", "--ff-only", "origin", "main"]);
    for name in ["e", "f"] {
        remote.commit_at(TIME - HOUR, &[("other.yaml", name)], name);
    }
    assert_eq!(log(&place.mirror, fetch(&place.mirror).await.commit()).await, (vec!["f".to_owned()], End::Boundary));
    assert_eq!(place.deepen(3).await, 1);
    assert_eq!(log(&place.mirror, fetch(&place.mirror).await.commit()).await.0.len(), 8);
    push(&place.mirror, &fetch(&place.mirror).await, "bot.yaml", "3", TIME + 3 * HOUR).await;
    remote.fsck();
}

#[tokio::test]
async fn another_history_does_not_come_whole() {
    let remote = remote_with(&["a"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    place.fetch().await;
    // Fifty old commits and a new one, in place of what was there.
    git(&remote.work(), &["checkout", "-q", "--orphan", "other"]);
    let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    commits(&remote, -90, &names.iter().map(String::as_str).collect::<Vec<_>>());
    commits(&remote, 5, &["new"]);
    remote.push("+other:main");
    let (log, ended, posts) = place.fetch().await;
    assert_eq!((log.split(' ').count(), ended, posts), (32, End::Boundary, 2));
    // The same with nothing new at all.
    git(&remote.work(), &["reset", "-q", "--hard", "HEAD~20"]);
    git(&remote.work(), &["commit", "-q", "--amend", "-m", "amended", "--date", "2000-01-01T00:00:00Z"]);
    let old = ["commit", "-q", "--amend", "-m", "amended"];
    git_at(&remote.work(), TIME - 99 * HOUR, &old, b"");
    remote.push("+other:main");
    let (log, ended, posts) = place.fetch().await;
    // Its parent is there already, from before.
    assert_eq!((log.split(' ').next(), ended, posts), (Some("amended"), End::Boundary, 2));
    let count: usize = git(place.mirror.folder(), &["rev-list", "--count", "main"]).trim().parse().unwrap();
    assert!(count < 32, "{count}");
}

#[tokio::test]
async fn a_remote_without_a_notion_of_time_gives_the_tip() {
    let remote = remote_with(&["a", "b"]);
    let place = Place::open(&remote, Behaviour { hides: Some("deepen-since"), ..Behaviour::default() }).await;
    assert_eq!(place.fetch().await, expect("b", End::Boundary, 1));
    commits(&remote, 2, &["c"]);
    assert_eq!(place.fetch().await, expect("c b", End::Boundary, 1));
    commits(&remote, 3, &["d", "e"]);
    assert_eq!(place.fetch().await, expect("e", End::Boundary, 1));
    assert_eq!(place.deepen(2).await, 1);
    assert_eq!(place.fetch().await, expect("e d c b", End::Boundary, 0));
}

#[tokio::test]
async fn a_history_is_deepened_as_far_as_asked() {
    let remote = remote_with(&["a", "b", "c", "d", "e", "f"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    place.fetch().await;
    assert_eq!(place.deepen(1).await, 0);
    assert_eq!(place.deepen(3).await, 1);
    assert_eq!(place.fetch().await, expect("f e d", End::Boundary, 0));
    assert_eq!(place.deepen(2).await, 0);
    commits(&remote, 6, &["g"]);
    assert_eq!(place.fetch().await, expect("g f e d", End::Boundary, 1));
    let folder = place.mirror.folder().to_owned();
    assert_eq!(packed(&folder), reachable(&folder));
    let pushed = push(&place.mirror, &fetch(&place.mirror).await, "bot.yaml", "1", TIME + 7 * HOUR).await;
    assert_eq!(remote.at("main"), pushed.to_string());
    assert_eq!(place.deepen(MAX_GENERATIONS).await, 1);
    assert_eq!(place.fetch().await, expect("bot.yaml is 1 g f e d c b a", End::Root, 0));
    assert_eq!(place.deepen(MAX_GENERATIONS).await, 0);
    assert!(!folder.join("shallow").exists());
    assert_eq!(packed(&folder), reachable(&folder));
    push(&place.mirror, &fetch(&place.mirror).await, "bot.yaml", "2", TIME + 8 * HOUR).await;
    remote.fsck();
}

/// The orders in which a killed process leaves things: `shallow` with commits that are not there, packs without names.
#[tokio::test]
async fn a_fetch_that_was_killed_is_made_up_for() {
    let remote = remote_with(&["a", "b"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    let old = fetch(&place.mirror).await.commit().to_string();
    let folder = place.mirror.folder().to_owned();
    let shallow = std::fs::read_to_string(folder.join("shallow")).unwrap();
    commits(&remote, 2, &["c", "d", "e"]);
    let announced = format!("{shallow}{}\n", remote.at("main~1"));
    std::fs::write(folder.join("shallow"), &announced).unwrap();
    assert_eq!(place.fetch().await, expect("e d c b", End::Boundary, 1));
    assert_eq!(std::fs::read_to_string(folder.join("shallow")).unwrap(), shallow);

    git(&folder, &["update-ref", "refs/heads/main", &old]);
    std::fs::write(folder.join("shallow"), &announced).unwrap();
    commits(&remote, 5, &["f"]);
    assert_eq!(place.fetch().await, expect("f e d c b", End::Boundary, 1));
    assert_eq!(std::fs::read_to_string(folder.join("shallow")).unwrap(), shallow);
}

/// A branch of ours that is made anew again and again, on a head that moves.
#[tokio::test]
async fn a_branch_that_is_replaced_stays_cheap() {
    let remote = remote_with(&["a"]);
    let place = Place::open(&remote, Behaviour::default()).await;
    let mirror = &place.mirror;
    for n in 1..=3 {
        commits(&remote, n, &[&format!("m{n}")]);
        let base = fetch(mirror).await;
        let details = NewCommit {
            parents: vec![base.commit()],
            author: Author { name: "bot".to_owned(), email: String::new() },
            time: CommitTime { seconds: TIME + n * HOUR, offset_minutes: 0 },
            message: "ours\n".to_owned(),
            signer: None,
        };
        let edit = Edit { path: "bot.yaml".to_owned(), bytes: format!("{n}\n").into_bytes() };
        let new = base.commit_edits(vec![edit], details).await.unwrap().unwrap();
        let update = RefUpdate { reference: "refs/heads/ours".to_owned(), expected: Expected::Any, new };
        assert!(mirror.push(&[update], &[]).await.unwrap().is_complete());
        place.server.seen();
        let advertisement = mirror.advertise().await.unwrap();
        mirror.fetch(&advertisement, &[Want::Branch("ours".to_owned()), main()]).await.unwrap();
        assert_eq!(place.server.seen().len(), 1);
    }
    assert_eq!(log(mirror, fetch(mirror).await.commit()).await.0, ["m3", "m2", "m1"]);
}
