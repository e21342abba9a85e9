//! The file: damaged, of another version, in use, or not to be written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tagwright::store::{Filter, Notice, Opened, Store, VERSION};

use super::{at, hold, image, messages, open, open_with_notice, record};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("some/data");
    drop(open(&nested));
    assert_eq!(names(&nested), ["state.lock", "state.redb"]);
    assert_eq!((mode(&nested), mode(&nested.join("state.redb"))), (0o700, 0o600));

    fs::set_permissions(nested.join("state.redb"), Permissions::from_mode(0o644)).unwrap();
    drop(open(&nested));
    assert_eq!(mode(&nested.join("state.redb")), 0o600);
}

/// Whoever could put files there would decide what the bot remembers. A group may have to share it, as in a cluster.
#[test]
fn a_folder_that_everybody_may_write_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let closed = |before: u32| {
        fs::set_permissions(folder.path(), Permissions::from_mode(before)).unwrap();
        drop(open(folder.path()));
        fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!([0o777, 0o773, 0o2777, 0o755, 0o770, 0o1777].map(closed), [0o775, 0o771, 0o2775, 0o755, 0o770, 0o1777]);
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let other = store.clone();
    for _ in 0..2 {
        let second = Store::open(folder.path());
        assert!(matches!(&second, Opened::InUse { path } if path.ends_with("state.redb")), "{second:?}");
    }
    drop(store);
    assert!(matches!(Store::open(folder.path()), Opened::InUse { .. }), "a clone is left");
    drop(other);
    open(folder.path());
}

/// As when the folder was given to somebody else, which root may look into all the same: here a link to itself stands in its place.
#[test]
fn a_folder_that_cannot_be_looked_into_stays_locked() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let store = open(&data);
    fs::rename(&data, &aside).unwrap();
    std::os::unix::fs::symlink(&data, &data).unwrap();
    store.look().unwrap_err();
    let _failed = store.record(vec![record("meanwhile")]);
    assert!(matches!(Store::open(&aside), Opened::InUse { .. }), "the lock is let go of");
    fs::remove_file(&data).unwrap();
    fs::rename(&aside, &data).unwrap();
    store.look().unwrap();
    store.record(vec![record("again")]).unwrap();
    assert!(matches!(Store::open(&data), Opened::InUse { .. }));
}

/// The file damaged in many ways.
fn damages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let filled = |from: usize, to: usize| {
        let mut damaged = bytes.to_vec();
        damaged[from..to].fill(0xa5);
        damaged
    };
    let mut damages = vec![
        b"no database at all".to_vec(),
        bytes[..100].to_vec(),
        bytes[..bytes.len() / 2].to_vec(),
        vec![0; bytes.len()],
        filled(0, 64),
        filled(64, 4096),
        filled(4096, bytes.len()),
    ];
    let step = bytes.len() / 40 / 4096 * 4096;
    damages.extend((0..bytes.len() - 4096).step_by(step).map(|page| filled(page, page + 4096)));
    damages
}

#[test]
fn a_damaged_file_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let store = open(folder.path());
    let tags: Vec<String> = (0..2000).map(|number| format!("1.0.{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    for number in 0..20 {
        store.put_images(vec![(number.to_string(), image(&tags, at(1)))]).unwrap();
        store.record(vec![record("before")]).unwrap();
    }
    drop(store);
    let bytes = fs::read(&path).unwrap();
    let mut noticed = 0;
    for (number, damaged) in damages(&bytes).into_iter().enumerate() {
        let _none = fs::remove_file(folder.path().join("state.redb.damaged"));
        fs::write(&path, &damaged).unwrap();
        let (store, notice) = open_with_notice(folder.path());
        match notice {
            Some(notice) => {
                noticed += 1;
                let text = notice.to_string();
                assert!(matches!(notice, Notice::Damaged { .. }), "{number}: {text}");
                assert!(text.contains("when tags were first seen, holds"), "{text}");
                assert!(fs::read(folder.path().join("state.redb.damaged")).unwrap().len() >= damaged.len(), "{number}");
                assert_eq!(messages(&store), [""; 0], "{number}");
            }
            // The damage was in space that is not used.
            None => assert_eq!((messages(&store).len(), store.image("7").unwrap().unwrap().tags.len()), (20, 2000)),
        }
        store.record(vec![record("after")]).unwrap();
        drop(store);
        assert_eq!(messages(&open(folder.path()))[0], "after", "{number}");
    }
    assert!(noticed > 15, "{noticed}");
    fs::write(&path, b"damaged twice").unwrap();
    drop(open_with_notice(folder.path()));
    fs::write(&path, b"damaged thrice").unwrap();
    drop(open_with_notice(folder.path()));
    assert_eq!(names(folder.path()), ["state.lock", "state.redb", "state.redb.damaged"]);
}

#[test]
fn an_empty_file_is_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state.redb"), b"").unwrap();
    // Left by a process that was killed while it made its first file.
    fs::write(folder.path().join("state.redb.new"), b"half").unwrap();
    open(folder.path()).record(vec![record("first")]).unwrap();
    assert_eq!(messages(&open(folder.path())), ["first"]);
    assert_eq!(names(folder.path()), ["state.lock", "state.redb"]);
}

/// Changes a file behind the store's back.
fn tamper(folder: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(folder.join("state.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn a_file_of_a_newer_version_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    for expect in ["state.redb.newer-7", "state.redb.newer-7.1"] {
        open(folder.path()).record(vec![record("kept")]).unwrap();
        tamper(folder.path(), |transaction| {
            transaction.open_table(META).unwrap().insert("version", 7).unwrap();
        });
        let (store, notice) = open_with_notice(folder.path());
        let notice = notice.unwrap();
        assert!(matches!(&notice, Notice::Newer { aside, version: 7, .. } if aside.ends_with(expect)), "{notice:?}");
        assert_eq!(messages(&store), [""; 0]);
        let kept = Database::open(folder.path().join(expect)).unwrap();
        let records = kept.begin_read().unwrap().open_table(RECORDS).unwrap();
        assert_eq!(records.iter().unwrap().count(), 1);
    }
}

#[test]
fn version_0_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(vec![record("first")]).unwrap();
    store.record(vec![record("second")]).unwrap();
    store.hold("apps:a", None, at(1)).unwrap();
    drop(store);
    // Version 0 wrote no version, no times of polls, and records without holds.
    tamper(folder.path(), |transaction| {
        transaction.delete_table(META).unwrap();
        transaction.delete_table(TableDefinition::<&str, i64>::new("polled")).unwrap();
        let mut records = transaction.open_table(RECORDS).unwrap();
        let text = String::from_utf8(records.get(0).unwrap().unwrap().value().to_vec()).unwrap();
        let start = text.find(",\"holds\":").unwrap();
        let end = start + text[start..].find(']').unwrap() + 1;
        records.insert(0, format!("{}{}", &text[..start], &text[end..]).as_bytes()).unwrap();
        records.insert(2, &b"[]"[..]).unwrap();
    });

    let store = open(folder.path());
    let records = store.records(&Filter::default()).unwrap();
    let holds: Vec<_> = records.iter().map(|record| (record.message.as_str(), record.holds.as_slice())).collect();
    assert_eq!(holds, [("second", &[hold("apps:redis")][..]), ("first", &[])]);
    assert!(store.switches().unwrap().held.contains_key("apps:a"));
    store.put_images(vec![("a".to_owned(), image(&["1"], at(1)))]).unwrap();
    drop(store);
    let database = Database::open(folder.path().join("state.redb")).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    assert_eq!(meta.get("version").unwrap().unwrap().value(), VERSION);
}

#[test]
fn version_1_wrote_when_a_policy_was_released_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    tamper(folder.path(), |transaction| {
        transaction.open_table(META).unwrap().insert("version", 1).unwrap();
        transaction.delete_table(TableDefinition::<&str, &[u8]>::new("releases")).unwrap();
        let mut released = transaction.open_table(TableDefinition::<&str, i64>::new("released")).unwrap();
        released.insert("apps:a", at(5).as_millisecond()).unwrap();
    });
    let (store, notice) = open_with_notice(folder.path());
    assert!(notice.is_none(), "{notice:?}");
    let releases = store.switches().unwrap().released;
    assert_eq!(releases.len(), 1);
    assert_eq!((releases["apps:a"].at, releases["apps:a"].seen.as_slice()), (at(5), &[][..]));
}

#[test]
fn a_table_of_another_type_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    tamper(folder.path(), |transaction| {
        transaction.delete_table(RECORDS).unwrap();
        transaction.open_table(TableDefinition::<&str, u64>::new("records")).unwrap();
    });
    let (store, notice) = open_with_notice(folder.path());
    assert!(matches!(notice, Some(Notice::Damaged { .. })), "{notice:?}");
    store.record(vec![record("works")]).unwrap();
}

#[test]
fn where_nothing_can_be_written_memory_serves() {
    let folder = tempfile::tempdir().unwrap();
    // Root may write anywhere; nobody can make a folder below a file, or open a folder as a file.
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    fs::create_dir_all(folder.path().join("data/state.redb")).unwrap();
    for place in [file.join("data"), folder.path().join("data")] {
        let (store, notice) = open_with_notice(&place);
        let notice = notice.unwrap();
        assert!(matches!(notice, Notice::InMemory { .. }), "{notice:?}");
        assert!(!store.is_durable());
        store.record(vec![record("kept")]).unwrap();
        assert_eq!(messages(&store), ["kept"]);
    }
}

#[test]
fn a_folder_that_is_deleted_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (store, _) = open_with_notice(&data);
    store.record(vec![record("before")]).unwrap();
    assert!(store.look().unwrap().is_none());
    let folder_or_file: [fn(&Path); 2] =
        [|data| fs::remove_dir_all(data).unwrap(), |data| fs::remove_file(data.join("state.redb")).unwrap()];
    for delete in folder_or_file {
        delete(&data);
        let notice = store.look().unwrap();
        assert!(matches!(notice, Some(Notice::Deleted { .. })), "{notice:?}");
        assert!(store.look().unwrap().is_none(), "it is said once");
        assert_eq!(messages(&store), [""; 0]);
        store.record(vec![record("after")]).unwrap();
        assert!(matches!(Store::open(&data), Opened::InUse { .. }), "it is locked again");
    }
    drop(store);
    let (store, notice) = open_with_notice(&data);
    assert_eq!((notice, messages(&store)), (None, vec!["after".to_owned()]));
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (store, _) = open_with_notice(&data);
    fs::rename(&data, folder.path().join("moved")).unwrap();
    fs::write(&data, b"").unwrap();
    for _ in 0..2 {
        let error = store.look().unwrap_err();
        assert!(error.to_string().ends_with("data/state.redb"), "{error}");
        store.record(vec![record("lost")]).unwrap_err();
    }
    fs::remove_file(&data).unwrap();
    assert!(matches!(store.look().unwrap(), Some(Notice::Deleted { .. })));
    // Another process was faster.
    fs::remove_dir_all(&data).unwrap();
    let (other, _) = open_with_notice(&data);
    let error = store.look().unwrap_err();
    assert!(error.to_string().starts_with("another process uses "), "{error}");
    drop(other);
    assert!(matches!(store.look().unwrap(), Some(Notice::Deleted { .. })));
}
