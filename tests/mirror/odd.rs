//! Commits, trees and names that Git's own programs do not make, and servers take all the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use git::{
    Author, CommitTime, Criteria, Edit, Error, Expected, Mirror, NewCommit, ObjectProblem, RefUpdate, SkipReason,
};

use crate::support::{Remote, TIME, anyone, git, git_with, machine};
use crate::world::{fetch, push, try_fetch};

const CRITERIA: Criteria = Criteria {
    rule: "odd",
    is_candidate: |name| name.ends_with(".yaml"),
    contains: |bytes| bytes.contains(&b'$'),
    max_bytes: 1_000_000,
    max_total: 1_000_000,
};

const MARKED: &str = "image: a # $\n";

/// A remote into which objects are written as they are.
struct Raw {
    remote: Remote,
}

impl Raw {
    fn new() -> Self {
        let remote = Remote::empty();
        // Git itself would refuse to give or to take some of what is here.
        remote.config("transfer.fsckObjects", "false");
        Self { remote }
    }

    fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let arguments = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
        git_with(&self.remote.bare(), &arguments, bytes).trim().to_owned()
    }

    fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            let id = git::ObjectId::parse(id).unwrap();
            bytes.extend([mode.as_bytes(), b" ", name, b"\0", id.bytes()].concat());
        }
        self.object("tree", &bytes)
    }

    /// Makes a commit of a tree the head of `main`.
    fn commit(&self, tree: &str, author: &str, message: &str) -> String {
        let text = format!("tree {tree}\nauthor {author}\ncommitter {author}\n\n{message}");
        self.point(&self.object("commit", text.as_bytes()))
    }

    fn point(&self, id: &str) -> String {
        let head = self.remote.bare().join("refs/heads");
        fs::create_dir_all(&head).unwrap();
        fs::write(head.join("main"), format!("{id}\n")).unwrap();
        id.to_owned()
    }

    fn open(&self, machine: &git::Git) -> Mirror {
        machine.open(&self.remote.path(), &anyone()).unwrap()
    }
}

const ADA: &str = "Ada <ada@example.com> 1700000000 +0000";

/// What changes when a mirror is built anew.
fn place(mirror: &Mirror) -> u64 {
    fs::metadata(mirror.folder()).unwrap().ino()
}

#[tokio::test]
async fn a_commit_with_a_malformed_author_is_built_upon() {
    let authors = [
        "no mail at all",
        "Ada <ada@example.com> 99999999999999999999 +0000",
        "Ada <ada@example.com",
        "<> 0 +0000",
        "",
        "Ada <ada@example.com> 1700000000 +0000\nauthor Eve <eve@example.com> 1 +0000",
    ];
    for author in authors {
        let raw = Raw::new();
        let tree = raw.tree(&[("100644", b"a.yaml", &raw.object("blob", MARKED.as_bytes()))]);
        raw.commit(&tree, author, "odd");
        let (machine, _data) = machine(&[]);
        let mirror = raw.open(&machine);
        let snapshot = fetch(&mirror).await;
        let before = place(&mirror);
        assert_eq!(snapshot.facts().await.unwrap().message, "odd", "{author:?}");
        push(&mirror, &snapshot, "a.yaml", "new\n", TIME).await;
        assert_eq!(raw.remote.show("main:a.yaml"), "new\n", "{author:?}");
        drop((snapshot, mirror));
        let mirror = raw.open(&machine);
        fetch(&mirror).await;
        assert_eq!(place(&mirror), before, "{author:?}: nothing is fetched anew");
    }
}

#[tokio::test]
async fn odd_entries_are_left_alone_and_the_others_are_not() {
    let raw = Raw::new();
    let blob = raw.object("blob", MARKED.as_bytes());
    let inner = raw.tree(&[("100644", b"a.yaml", &blob)]);
    let entries: [(&str, &[u8], &str); 9] = [
        ("100644", b"..", &blob),
        ("100644", b"a/b.yaml", &blob),
        ("100644", b"b.yaml", &blob),
        ("40000", b"b.yaml", &inner),
        ("100644", b"c.yaml", &blob),
        ("100644", b"c.yaml", &blob),
        ("40000", b"d/e", &inner),
        ("100644", b"ok.yaml", &blob),
        ("100644", b"\xff.yaml", &blob),
    ];
    let tree = raw.tree(&entries);
    raw.commit(&tree, ADA, "odd");
    let (machine, _data) = machine(&[]);
    let mirror = raw.open(&machine);
    let snapshot = fetch(&mirror).await;
    for _ in 0..2 {
        let found = snapshot.search(&[], CRITERIA).await.unwrap();
        let files: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files, ["ok.yaml"]);
        let skipped: Vec<_> = found.skipped.iter().map(|skipped| (skipped.path.as_str(), skipped.reason)).collect();
        let expect = [
            ("a/b.yaml", SkipReason::NameNotAllowed),
            ("b.yaml", SkipReason::SeveralOfName),
            ("c.yaml", SkipReason::SeveralOfName),
            ("d/e", SkipReason::NameNotAllowed),
            ("\u{fffd}.yaml", SkipReason::NameNotText),
        ];
        assert_eq!(skipped, expect);
    }
    // No path leads to one of several.
    let found = snapshot.search(&["c.yaml".to_owned(), "b.yaml/a.yaml".to_owned()], CRITERIA).await.unwrap();
    assert_eq!((found.files.len(), found.missing.len()), (0, 2));
    let details = NewCommit {
        parents: vec![snapshot.commit()],
        author: Author { name: "bot".to_owned(), email: "bot@example.com".to_owned() },
        time: CommitTime { seconds: TIME, offset_minutes: 0 },
        message: "x".to_owned(),
        signer: None,
    };
    let edit = |path: &str| vec![Edit { path: path.to_owned(), bytes: b"new\n".to_vec() }];
    let error = snapshot.commit_edits(edit("c.yaml"), details.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot commit 'c.yaml': its folder has several entries of this name");
    let new = snapshot.commit_edits(edit("ok.yaml"), details).await.unwrap().unwrap();
    let expected = Expected::At(snapshot.commit());
    let update = RefUpdate { reference: "refs/heads/main".to_owned(), expected, new };
    assert!(mirror.push(&[update], &[]).await.unwrap().is_complete());
    let bytes = |tree: &str| {
        let arguments = ["-C", raw.remote.bare().to_str().unwrap(), "cat-file", "tree", tree].map(str::to_owned);
        std::process::Command::new("git").args(arguments).output().unwrap().stdout
    };
    let new_id = new.object().bytes().len();
    let (old, new) = (bytes(&tree), bytes("main^{tree}"));
    let differ = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    assert!(old.len() == new.len() && (1..=new_id).contains(&differ), "one id differs, and nothing else: {differ}");
}

#[tokio::test]
async fn what_is_too_large_is_the_remote_s_and_not_fetched_again_and_again() {
    let raw = Raw::new();
    let blob = raw.object("blob", MARKED.as_bytes());
    let small = raw.tree(&[("100644", b"a.yaml", &blob)]);
    let id = git::ObjectId::parse(&blob).unwrap();
    let entry = [b"100644 ".as_slice(), &[b'n'; 200], b".txt\0", id.bytes()].concat();
    let large = raw.object("tree", &entry.repeat((9 << 20) / entry.len()));
    let (machine, _data) = machine(&[]);
    let check = async |what: &str, kind: &str| {
        let mut places = Vec::new();
        for _ in 0..2 {
            let mirror = raw.open(&machine);
            match try_fetch(&mirror).await.err() {
                Some(Error::Object { kind: of, problem: ObjectProblem::TooLarge { .. }, .. }) => {
                    assert_eq!(of, kind, "{what}")
                }
                other => panic!("{what}: {other:?}"),
            }
            places.push(place(&mirror));
        }
        assert_eq!(places[0], places[1], "{what}");
    };
    raw.commit(&large, ADA, "a large tree");
    check("a large tree", "tree").await;
    raw.commit(&small, ADA, &"a large message ".repeat(9 << 16));
    check("a large commit", "commit").await;
    // A tree that is not on the way does not matter, and a large message does not as long as it can be read.
    let deep = raw.tree(&[("40000", b"large", &large), ("40000", b"small", &small)]);
    raw.commit(&deep, ADA, &format!("{}\n\nTrailer: x\n", "message ".repeat(3 << 17)));
    let mirror = raw.open(&machine);
    let snapshot = fetch(&mirror).await;
    let found = snapshot.search(&["small".to_owned()], CRITERIA).await.unwrap();
    assert_eq!(found.files.len(), 1);
    let facts = snapshot.facts().await.unwrap();
    assert!(facts.message.ends_with("\n\nTrailer: x\n") && facts.message.len() < 2 << 20);
    assert!(matches!(snapshot.search(&[], CRITERIA).await, Err(Error::Object { .. })));
    // A commit that can be read on one that cannot: the history ends there.
    let newer = git(
        &raw.remote.bare(),
        &["commit-tree", &small, "-p", &raw.commit(&small, ADA, &"x".repeat(9 << 20)), "-m", "n"],
    );
    raw.point(newer.trim());
    let snapshot = fetch(&mirror).await;
    push(&mirror, &snapshot, "a.yaml", "new\n", TIME).await;
}

/// What is lost again after the mirror was fetched anew came so: it is not fetched anew at every run.
#[tokio::test]
async fn a_mirror_is_fetched_anew_once_a_day_for_one_reason() {
    let remote = Remote::with(&[("a.yaml", MARKED), ("b.yaml", "$\n")]);
    let (machine, _data) = machine(&[]);
    let open = || machine.open(&remote.path(), &anyone()).unwrap();
    fetch(&open()).await;
    let lose = |folder: &Path| {
        let lost = remote.at("main:b.yaml");
        let all = git(folder, &["rev-list", "--objects", "--no-object-names", "main"]);
        let kept: String = all.lines().filter(|id| *id != lost).map(|id| format!("{id}\n")).collect();
        let pack = git_with(folder, &["pack-objects", "objects/pack/pack"], kept.as_bytes());
        for entry in fs::read_dir(folder.join("objects/pack")).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_str().unwrap().contains(pack.trim()) {
                fs::remove_file(path).unwrap();
            }
        }
    };
    let folder = open().folder().to_owned();
    let mut places = Vec::new();
    let mut errors = Vec::new();
    for n in 0..4 {
        if n < 2 {
            lose(&folder);
        }
        let mirror = open();
        let snapshot = fetch(&mirror).await;
        places.push(place(&mirror));
        errors.push(snapshot.search(&[], CRITERIA).await.unwrap_err());
        drop((snapshot, mirror));
        fetch(&open()).await;
    }
    assert!(matches!(errors[0], Error::Mirror { .. }), "{errors:?}");
    assert!(errors[1..].iter().all(|error| matches!(error, Error::Incomplete { .. })), "{errors:?}");
    assert!(places[0] != places[1] && places[1..].windows(2).all(|two| two[0] == two[1]), "{places:?}");
    let said = errors[1].to_string();
    assert!(said.starts_with("what the remote sends is not whole, although the mirror "), "{said}");
}

/// Each reference of the mirror is a file, and a file's name has 255 bytes.
#[tokio::test]
async fn long_names_of_branches_are_names_all_the_same() {
    let remote = Remote::with(&[("a.yaml", MARKED)]);
    let (machine, _data) = machine(&[]);
    for name in ["b".repeat(300), [vec!["c".repeat(100); 11].join("/")].concat()] {
        let head = remote.at("main");
        fs::write(remote.bare().join("packed-refs"), format!("{head} refs/heads/{name}\n")).unwrap();
        let mirror = machine.open(&remote.path(), &anyone()).unwrap();
        let want = [git::Want::Branch(name)];
        let mut places = Vec::new();
        for _ in 0..2 {
            let advertisement = mirror.advertise().await.unwrap();
            let fetched = mirror.fetch(&advertisement, &want).await.unwrap();
            assert_eq!(fetched[0].commit.to_string(), head);
            places.push(place(&mirror));
        }
        assert_eq!(places[0], places[1]);
    }
}
