//! The store, on a real file: what it keeps, and what becomes of it when the file or the disk does not play along.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "store/files.rs"]
mod files;
#[path = "store/kept.rs"]
mod kept;
#[path = "store/processes.rs"]
mod processes;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tagwright::store::{Event, Image, Notice, Opened, Record, SeenTag, Store};
use tagwright::wire::{ChangedField, HeldField};

/// Opens a store that must be there without a word.
fn open(folder: &Path) -> Store {
    match open_with_notice(folder) {
        (store, None) => store,
        (_, Some(notice)) => panic!("{notice}"),
    }
}

fn open_with_notice(folder: &Path) -> (Store, Option<Notice>) {
    match Store::open(folder) {
        Opened::Ready { store, notice } => (store, notice),
        Opened::InUse { path } => panic!("{} is in use", path.display()),
    }
}

/// A moment, so many seconds into a day.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a moment")
}

fn image(tags: &[&str], polled: Timestamp) -> Image {
    let seen = |name: &&str| SeenTag { name: image::Tag::parse(name).unwrap(), first_seen: at(1), pushed: None };
    Image { tags: Arc::new(tags.iter().map(seen).collect()), polled, ..Image::default() }
}

/// A record that says so.
fn record(message: &str) -> Record {
    Record {
        automation: "apps/podinfo".to_owned(),
        url: "https://git.example.com/config".to_owned(),
        branch: "main".to_owned(),
        changes: vec![change("apps:podinfo")],
        holds: vec![hold("apps:redis")],
        ..Record::of(at(0), Event::Pushed { commit: "c0ffee".to_owned(), missed: None }, message.to_owned())
    }
}

fn change(policy: &str) -> ChangedField {
    let [file, old, new] = ["a.yaml", "1.0.0", "1.0.1"].map(str::to_owned);
    ChangedField { policy: policy.to_owned(), file, line: 3, old, new }
}

fn hold(policy: &str) -> HeldField {
    let [file, current, wanted] = ["b.yaml", "7.0", "6.9"].map(str::to_owned);
    let [code, reason] = ["downgrade", "6.9 is older than 7.0"].map(str::to_owned);
    HeldField { policy: policy.to_owned(), file, line: 9, current, wanted, code, reason }
}

fn messages(store: &Store) -> Vec<String> {
    let records = store.records(&tagwright::store::Filter::default()).expect("readable");
    records.into_iter().map(|record| record.message).collect()
}
