//! Packs that a few bytes make large, and what they may cost.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use git::{Error, Git, Mirror};

use crate::packs::{BLOB, COMMIT, Delta, Hostile, Id, Pack, TREE, commit, entry, hex};
use crate::support::{Remote, TIME, anyone, git, machine};
use crate::world::{fetch, push, try_fetch};

/// Adds a commit with one file; returns its id.
fn ending(pack: &mut Pack, file: &Id) -> Id {
    let tree = pack.object(TREE, &entry("100644", b"a.yaml", file));
    pack.object(COMMIT, &commit(&tree, "hostile"))
}

async fn given(machine: &Git, tip: &Id, pack: Pack) -> (Mirror, Result<git::Snapshot, Error>, Hostile) {
    let server = Hostile::start(tip, pack.finish()).await;
    let mirror = machine.open(&server.url, &anyone()).unwrap();
    let fetched = try_fetch(&mirror).await;
    (mirror, fetched, server)
}

fn packs(mirror: &Mirror) -> Vec<String> {
    let entries = fs::read_dir(mirror.folder().join("objects/pack")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_would_take_too_much_memory_is_refused_before_it_does() {
    const MIB: usize = 1 << 20;
    let base = vec![b'x'; MIB];
    let copies =
        |times: usize| (0..times).fold(Delta::new(MIB, MIB * times), |delta, _| delta.copy(0, MIB as u32)).bytes();
    let mut result = Pack::new();
    let id = result.object(BLOB, &base);
    result.named(&id, &copies(1_000));
    // The difference itself is what is large.
    let mut difference = Pack::new();
    let id = difference.object(BLOB, b"x");
    let insert = (0..(40 << 20) / 101).fold(Delta::new(1, 10), |delta, _| delta.insert(&[b'y'; 100])).bytes();
    difference.named(&id, &insert);
    // What it is from: as it says, and as it does not say.
    let mut honest = Pack::new();
    let id = honest.repeated(BLOB, b"", &base, 40);
    honest.named(&id, &Delta::new(40 * MIB, 1).copy(0, 1).bytes());
    let mut lying = Pack::new();
    let id = lying.repeated(BLOB, b"", &base, 40);
    lying.named(&id, &Delta::new(10, 1).copy(0, 1).bytes());
    let mut many = Pack::new();
    many.object(BLOB, b"x");
    many.count(u32::MAX);
    for (what, mut pack) in
        [("a result", result), ("a difference", difference), ("a base", honest), ("a lie", lying), ("a count", many)]
    {
        let tip = if what == "a count" { [1; 20] } else { ending(&mut pack, &id) };
        let (machine, _data) = machine(&[]);
        let (mirror, fetched, _server) = given(&machine, &tip, pack).await;
        let error = fetched.err().unwrap();
        assert!(matches!(error, Error::Costly { .. }), "{what}: {error}");
        assert_eq!(packs(&mirror), [""; 0], "{what}: nothing remains");
        if what == "a result" {
            let said = error.to_string();
            assert!(said.ends_with(" sent a difference between objects, one of 1048576000 bytes, for which 96 MiB of memory are not enough"), "{said}");
        }
    }
}

/// Each is told against the one after it, and all are different; or all are the same.
#[tokio::test]
async fn differences_in_any_order_are_made_out_in_a_time_that_grows_with_their_number() {
    const COUNT: u32 = 20_000;
    let content = |n: u32| format!("{:<200}{n:08}", "base");
    let mut pack = Pack::new();
    for n in 0..COUNT {
        let base = crate::packs::id(BLOB, content(n + 1).as_bytes());
        pack.named(&base, &Delta::new(208, 208).copy(0, 200).insert(format!("{n:08}").as_bytes()).bytes());
    }
    let last = pack.object(BLOB, content(COUNT).as_bytes());
    for _ in 0..1_000 {
        pack.named(&last, &Delta::new(208, 4).insert(b"same").bytes());
    }
    let first = crate::packs::id(BLOB, content(0).as_bytes());
    let tip = ending(&mut pack, &first);
    let (machine, _data) = machine(&[]);
    let start = Instant::now();
    let (mirror, fetched, _server) = given(&machine, &tip, pack).await;
    let snapshot = fetched.unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(snapshot.read("a.yaml", 1_000).await.unwrap().unwrap(), content(0).as_bytes());
    assert_eq!(packs(&mirror).len(), 2);
    let read = git(mirror.folder(), &["cat-file", "-p", &hex(&first)]);
    assert_eq!(read, content(0));
}

#[tokio::test]
async fn broken_packs_are_refused_and_leave_nothing() {
    let whole = || {
        let mut pack = Pack::new();
        let file = pack.object(BLOB, b"a: b\n");
        let tip = ending(&mut pack, &file);
        (pack, tip)
    };
    let (mut gone, tip) = whole();
    gone.named(&[7; 20], &Delta::new(5, 1).copy(0, 1).bytes());
    let (mut itself, _) = whole();
    itself.back(0, &Delta::new(5, 1).copy(0, 1).bytes());
    let (mut nowhere, _) = whole();
    nowhere.back(3, &Delta::new(5, 1).copy(0, 1).bytes());
    let (mut beyond, _) = whole();
    beyond.named(&crate::packs::id(BLOB, b"a: b\n"), &Delta::new(5, 9).copy(0, 9).bytes());
    let (mut kind, _) = whole();
    kind.object(4, b"");
    kind.count(9);
    for (what, pack) in
        [("no base", gone), ("itself", itself), ("nowhere", nowhere), ("beyond", beyond), ("too few", kind)]
    {
        let (machine, _data) = machine(&[]);
        let (mirror, fetched, _server) = given(&machine, &tip, pack).await;
        let said = fetched.err().unwrap().to_string();
        assert!(said.ends_with(" sent a pack that cannot be read"), "{what}: {said}");
        assert_eq!(packs(&mirror), [""; 0], "{what}");
    }
    let (pack, tip) = whole();
    let (machine, _data) = machine(&[]);
    let (_mirror, fetched, _server) = given(&machine, &tip, pack).await;
    fetched.unwrap();
}

/// A large file that changes comes as a difference from what the mirror has, and comes whole where that would cost too much.
#[tokio::test]
async fn large_files_that_change_come_whole() {
    let mut noise = vec![0; 1_000_000];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    let remote = Remote::empty();
    let (machine, _data) = machine(&[("TAGWRIGHT_GIT_MEMORY", "1")]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    for n in 0..4 {
        noise[10] = n;
        fs::write(remote.work().join("large"), &noise).unwrap();
        remote.commit_at(TIME + i64::from(n) * 3_600, &[("a.yaml", &format!("n: {n}\n"))], "large");
        let snapshot = fetch(&mirror).await;
        assert_eq!(snapshot.read("large", 2_000_000).await.unwrap().unwrap(), noise);
    }
    git(mirror.folder(), &["fsck", "--full", "--no-dangling"]);
    push(&mirror, &fetch(&mirror).await, "a.yaml", "x: y\n", TIME + 90_000).await;
    remote.fsck();
}

/// Older commits that would take too much are as good as none: what is there can still be worked on.
#[tokio::test]
async fn a_history_that_costs_too_much_is_left_where_it_is() {
    let remote = Remote::empty();
    remote.config("core.bigFileThreshold", "1g");
    for n in 0..4 {
        let text: String = (0..60_000).map(|line| format!("{line:09}\n")).collect();
        let text = format!("{n}\n{text}");
        remote.commit_at(TIME + n * 3_600, &[("large", &text), ("a.yaml", &format!("n: {n}\n"))], "large");
    }
    git(&remote.bare(), &["repack", "-adfq"]);
    let (machine, _data) = machine(&[("TAGWRIGHT_GIT_MEMORY", "1")]);
    let mirror = machine.open(&remote.path(), &anyone()).unwrap();
    let tip = fetch(&mirror).await.commit();
    let advertisement = mirror.advertise().await.unwrap();
    mirror.deepen(&advertisement, &crate::world::main(), 4).await.unwrap();
    let (log, ended) = crate::world::log(&mirror, tip).await;
    assert_eq!((log.len(), ended), (1, git::End::Boundary));
    push(&mirror, &fetch(&mirror).await, "a.yaml", "x: y\n", TIME + 90_000).await;
    remote.fsck();
}

#[test]
fn the_memory_is_a_number_of_mib() {
    for (text, good) in [("1", true), ("256", true), ("0", false), ("256Mi", false), ("-1", false), ("99999", false)] {
        let data = tempfile::tempdir().unwrap();
        let made = Git::new(crate::support::settings(data.path(), &[("TAGWRIGHT_GIT_MEMORY", text)]));
        assert_eq!(made.is_ok(), good, "{text}");
        if let Err(error) = made {
            assert!(matches!(error, Error::Memory { .. }), "{error}");
        }
    }
}
