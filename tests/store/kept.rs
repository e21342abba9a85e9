//! What is kept comes back, within its bounds, and again after the file was closed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;
use tagwright::store::{
    Digests, Error, Event, Filter, Image, Known, MAX_REASON_BYTES, MAX_RECORD_BYTES, MAX_RECORDS, MAX_SWITCHES, Record,
    SeenTag, Store, Switch, Toggle,
};

use super::{at, change, hold, image, messages, open, record};

#[test]
fn images() {
    let folder = tempfile::tempdir().unwrap();
    let tags = vec![
        SeenTag { name: image::Tag::parse("1.0.0").unwrap(), first_seen: at(5), pushed: None },
        SeenTag { name: image::Tag::parse("1.0.1").unwrap(), first_seen: at(6), pushed: Some(at(-4)) },
    ];
    let known = Image {
        gone: Arc::new(tags[..1].to_vec()),
        tags: Arc::new(tags),
        validator: Some("W/\"1\"".to_owned()),
        polled: at(7),
        doubted: true,
    };
    let store = open(folder.path());
    assert_eq!(store.image("a/b").unwrap(), None);
    store.put_images(vec![("a/b".to_owned(), known.clone()), ("c".to_owned(), Image::default())]).unwrap();
    assert_eq!(store.image("a/b").unwrap(), Some(known.clone()));
    assert_eq!(store.clone().image("c").unwrap(), Some(Image::default()));
    drop(store);

    let store = open(folder.path());
    assert!(store.is_durable());
    assert_eq!(store.image("a/b").unwrap(), Some(known.clone()));
    let polled = Image { polled: at(70), ..known };
    store.put_images(vec![("a/b".to_owned(), polled.clone())]).unwrap();
    assert_eq!(store.image("a/b").unwrap(), Some(polled.clone()));
    drop(store);

    let store = open(folder.path());
    assert_eq!(store.image("a/b").unwrap(), Some(polled), "closing writes what was only polled");
    store.retain_images(&BTreeSet::from(["c".to_owned(), "d".to_owned()])).unwrap();
    assert_eq!(store.image("a/b").unwrap(), None);
    assert!(store.image("c").unwrap().is_some());
}

#[test]
fn of_a_long_list_only_what_it_is_recognised_by_is_read_at_first() {
    let store = Store::in_memory();
    let listed = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("1.0.{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Image { validator: Some(format!("\"{count}\"")), ..image(&names, at(7)) }
    };
    let all =
        [("few", 100), ("many", 5_000), ("very-many", 50_000)].map(|(key, count)| (key.to_owned(), listed(count)));
    store.put_images(all.to_vec()).unwrap();
    assert_eq!(store.known("none").unwrap(), Known::All(None));
    assert_eq!(store.known("few").unwrap(), Known::All(Some(listed(100))));
    let list = |validator: &str, is_large| Known::List { validator: Some(validator.to_owned()), is_large };
    assert_eq!(store.known("many").unwrap(), list("\"5000\"", false));
    assert_eq!(store.known("very-many").unwrap(), list("\"50000\"", true));
    assert_eq!(store.image("very-many").unwrap(), Some(listed(50_000)));
}

#[test]
fn switches() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.hold("apps:a", Some("freeze"), at(1)).unwrap();
    store.hold("apps:b", None, at(2)).unwrap();
    store.hold("apps:b", Some(&"é".repeat(MAX_REASON_BYTES)), at(3)).unwrap();
    store.suspend("apps/x", None, at(4)).unwrap();
    store.suspend("apps/y", None, at(4)).unwrap();
    assert!(store.release("apps:a", at(5)).unwrap());
    assert!(!store.release("apps:c", at(6)).unwrap());
    assert!(store.resume("apps/y").unwrap());
    assert!(!store.resume("apps/y").unwrap());
    drop(store);

    let switches = open(folder.path()).switches().unwrap();
    let reason = Some("é".repeat(MAX_REASON_BYTES / 2));
    assert_eq!(switches.held, BTreeMap::from([("apps:b".to_owned(), Switch { since: at(3), reason })]));
    assert_eq!(switches.suspended, BTreeMap::from([("apps/x".to_owned(), Switch { since: at(4), reason: None })]));
    let released: Vec<_> = switches.released.iter().map(|(policy, release)| (policy.as_str(), release.at)).collect();
    assert_eq!(released, [("apps:a", at(5)), ("apps:c", at(6))]);
}

#[test]
fn as_many_switches_as_there_is_room_for() {
    let store = Store::in_memory();
    for number in 0..MAX_SWITCHES {
        store.hold(&format!("apps:{number}"), None, at(0)).unwrap();
    }
    let full = store.hold("apps:one-more", None, at(0));
    assert!(matches!(full, Err(Error::Full { most: MAX_SWITCHES, .. })), "{full:?}");
    store.hold("apps:7", Some("again"), at(1)).unwrap();
    store.release("apps:8", at(2)).unwrap();
    store.hold("apps:one-more", None, at(3)).unwrap();
}

#[test]
fn records() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let switched = Event::Switched { name: "apps:podinfo".to_owned(), to: Toggle::Held };
    let all = [
        Record { time: at(1), ..record("pushed") },
        Record { time: at(2), event: Event::Held, changes: vec![], ..record("held") },
        Record { time: at(3), event: Event::Failed, changes: vec![], holds: vec![], ..record("failed") },
        // The clock went back.
        Record {
            time: at(0),
            event: switched,
            automation: String::new(),
            changes: vec![],
            holds: vec![],
            ..record("by hand")
        },
    ];
    for record in &all {
        store.record(vec![record.clone()]).unwrap();
    }
    drop(store);

    let store = open(folder.path());
    let newest_first: Vec<Record> = all.iter().rev().cloned().collect();
    assert_eq!(store.records(&Filter::default()).unwrap(), newest_first);
    let check = |filter: Filter, expect: &[&str]| {
        let found: Vec<String> = store.records(&filter).unwrap().into_iter().map(|record| record.message).collect();
        assert_eq!(found, expect, "{filter:?}");
    };
    let of_policy = |policy: &str| Filter { policy: Some(policy.to_owned()), ..Filter::default() };
    check(of_policy("apps:podinfo"), &["by hand", "pushed"]);
    check(of_policy("apps:redis"), &["held", "pushed"]);
    check(of_policy("apps:pod"), &[]);
    check(Filter { automation: Some("apps/podinfo".to_owned()), ..Filter::default() }, &["failed", "held", "pushed"]);
    check(Filter { since: Some(at(2)), ..Filter::default() }, &["failed", "held"]);
    check(Filter { most: 2, ..Filter::default() }, &["by hand", "failed"]);
    check(Filter { most: 1, ..of_policy("apps:redis") }, &["held"]);
    check(Filter { most: 0, ..Filter::default() }, &[]);
}

#[test]
fn old_records_go() {
    let store = Store::in_memory();
    for number in 0..MAX_RECORDS + 3 {
        store.record(vec![record(&number.to_string())]).unwrap();
    }
    let kept = messages(&store);
    assert_eq!(kept.len(), MAX_RECORDS);
    assert_eq!((kept[0].as_str(), kept[MAX_RECORDS - 1].as_str()), ("10002", "3"));
}

/// A full history may be hundreds of megabytes; an answer is the newest of it.
#[test]
fn an_answer_has_bounds() {
    let store = Store::in_memory();
    let mut large = change("apps:podinfo");
    large.new = "x".repeat(4000);
    for number in 0..400 {
        store.record(vec![Record { changes: vec![large.clone(); 12], ..record(&number.to_string()) }]).unwrap();
    }
    let kept = messages(&store);
    assert!(kept.len() > 100 && kept.len() < 300, "{}", kept.len());
    assert_eq!(kept[0], "399", "the newest first");
    let few = store.records(&Filter { most: 2, ..Filter::default() }).unwrap();
    assert_eq!(few.len(), 2);
}

#[test]
fn a_record_has_bounds() {
    let store = Store::in_memory();
    let endless = "é".repeat(MAX_RECORD_BYTES);
    let mut large = change("apps:podinfo");
    large.new = endless.clone();
    let changes = vec![large; 1000];
    let holds = vec![hold("apps:redis"); 10];
    store.record(vec![Record { changes, holds, ..record(&endless) }]).unwrap();
    let [kept] = <[Record; 1]>::try_from(store.records(&Filter::default()).unwrap()).unwrap();
    assert!(kept.message.len() <= 4096 && endless.starts_with(&kept.message), "{}", kept.message.len());
    assert_eq!(kept.holds.len(), 10, "holds come first, they are said nowhere else");
    assert!(kept.changes.len() > 10 && kept.changes.len() < 20, "{}", kept.changes.len());
    assert_eq!(kept.left_out, 1000 - kept.changes.len());
}

#[test]
fn the_status() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.status().unwrap(), None);
    store.put_status(b"one").unwrap();
    store.put_status(b"two").unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.status().unwrap().as_deref(), Some(&b"two"[..]));
    let too_long = vec![b' '; tagwright::store::MAX_STATUS_BYTES + 1];
    assert!(matches!(store.put_status(&too_long), Err(Error::TooLong { .. })));
}

#[test]
fn times_are_kept_to_the_millisecond() {
    let store = Store::in_memory();
    let fine = at(1) + SignedDuration::from_nanos(1_234_567);
    store.put_images(vec![("a".to_owned(), image(&["1"], fine))]).unwrap();
    assert_eq!(store.image("a").unwrap().unwrap().polled, at(1) + SignedDuration::from_millis(1));
}

#[test]
fn the_last_record_of_each_automation() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let of = |automation: &str, message: &str| Record { automation: automation.to_owned(), ..record(message) };
    store.record(vec![of("a/x", "first"), of("a/y", "only"), of("a/x", "second"), of("a/z", "other")]).unwrap();
    store.suspend("a/x", None, at(4)).unwrap();
    let wanted = ["a/x", "a/y", "a/none"].map(str::to_owned).into();
    let latest = store.latest(&wanted).unwrap();
    let found: Vec<_> = latest.iter().map(|(name, record)| (name.as_str(), record.message.as_str())).collect();
    assert_eq!(found, [("a/x", "second"), ("a/y", "only")]);
}

#[test]
fn digests() {
    let digest = |digit: &str| image::Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(store.digests("a/b").unwrap(), None);
    let mut known = Digests::default();
    known.sightings.see("1.0", &digest("a"), None, at(1));
    known.sightings.see("1.0", &digest("b"), None, at(2));
    known.sightings.see("1.1", &digest("a"), None, at(3));
    known.keep(&digest("a"), "platforms", "linux/amd64".to_owned());
    known.keep(&digest("b"), "platforms", "x".repeat(1 << 20));
    known.keep(&digest("c"), "platforms", "linux/arm64".to_owned());
    assert_eq!(known.answer(&digest("b"), "platforms"), None, "what is too long is asked for again");
    known.trim();
    assert_eq!(known.answer(&digest("c"), "platforms"), None, "no tag has had it");
    store.put_digests(&[("a/b".to_owned(), known.clone())]).unwrap();
    store.put_images(vec![("a/b".to_owned(), image(&["1.0"], at(7)))]).unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.digests("a/b").unwrap(), Some(known.clone()));
    let since: Vec<_> = known.sightings.of("1.1").map(|sighting| sighting.since).collect();
    assert_eq!(since, [at(1)]);
    assert_eq!(known.answer(&digest("a"), "platforms"), Some("linux/amd64"));
    store.retain_images(&BTreeSet::from(["c".to_owned()])).unwrap();
    assert_eq!(store.digests("a/b").unwrap(), None);
}

#[test]
fn policies_that_are_hurried() {
    let store = Store::in_memory();
    store.hurry("shop:web", Some("fixes CVE-2026-1"), at(1)).unwrap();
    store.hurry("shop:web", Some("fixes CVE-2026-2"), at(2)).unwrap();
    let hurried = store.switches().unwrap().hurried;
    assert_eq!((hurried.len(), hurried["shop:web"].since), (1, at(2)));
    assert_eq!(hurried["shop:web"].reason.as_deref(), Some("fixes CVE-2026-2"));
}
