//! Steps that the tests share.

use git::{
    Author, CommitId, CommitTime, Edit, End, Error, Expected, Interest, Mirror, NewCommit, RefUpdate, Snapshot, Visit,
    Walked, Want,
};

/// Fetches `main` and opens it.
pub(crate) async fn fetch(mirror: &Mirror) -> Snapshot {
    try_fetch(mirror).await.unwrap()
}

/// The same, where it may fail.
pub(crate) async fn try_fetch(mirror: &Mirror) -> Result<Snapshot, Error> {
    let advertisement = mirror.advertise().await?;
    let fetched = mirror.fetch(&advertisement, &[main()]).await?;
    mirror.snapshot(fetched[0].commit).await
}

pub(crate) fn main() -> Want {
    Want::Branch("main".to_owned())
}

/// Commits one file on `snapshot` and pushes it to `main`.
pub(crate) async fn push(mirror: &Mirror, snapshot: &Snapshot, path: &str, text: &str, seconds: i64) -> CommitId {
    let details = NewCommit {
        parents: vec![snapshot.commit()],
        author: Author { name: "bot".to_owned(), email: "bot@example.com".to_owned() },
        time: CommitTime { seconds, offset_minutes: 0 },
        message: format!("{path} is {text}\n"),
        signer: None,
    };
    let edit = Edit { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    let new = snapshot.commit_edits(vec![edit], details).await.unwrap().unwrap();
    let expected = Expected::At(snapshot.commit());
    let update = RefUpdate { reference: "refs/heads/main".to_owned(), expected, new };
    let pushed = mirror.push(&[update], &[]).await.unwrap();
    assert!(pushed.is_complete(), "{pushed:?}");
    new
}

/// One touch, as text: the path, the commit's first line, and what was before and after.
pub(crate) type Line = String;

/// Walks to the end and writes down every commit and every touch.
pub(crate) async fn walk(mirror: &Mirror, tip: CommitId, paths: &[&str]) -> (Walked, Vec<Line>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let visit = move |visit: Visit<'_>| {
        sender.send(line(&visit)).unwrap();
        Interest::Keep
    };
    let walked = mirror.history(tip, paths, 100_000, visit).await.unwrap();
    (walked, receiver.into_iter().collect())
}

fn line(visit: &Visit<'_>) -> Line {
    let text =
        |bytes: Option<&[u8]>| bytes.map_or("nothing".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    match visit {
        Visit::Commit(facts) => format!("commit {}", facts.message.lines().next().unwrap_or_default()),
        Visit::Touch(touch) => format!("  {}: {} -> {}", touch.path, text(touch.before), text(touch.after)),
    }
}

/// The first lines of all commits that the mirror has in one piece from `tip` on, newest first, and how that ends.
pub(crate) async fn log(mirror: &Mirror, tip: CommitId) -> (Vec<String>, End) {
    let (walked, lines) = walk(mirror, tip, &[]).await;
    (lines.into_iter().map(|line| line["commit ".len()..].to_owned()).collect(), walked.ended)
}
