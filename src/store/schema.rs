//! The tables, the version of their layout, and the steps from one version to the next.
//!
//! To change the layout, append a step: version `n` is what `STEPS[n - 1]` makes of version `n - 1`. Steps never change once
//! released, and say in their own words what they read, since the types of today may have moved on.

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    TableError, WriteTransaction,
};
use serde_json::{Value, json};

/// The version of the layout that is written.
pub const VERSION: u64 = STEPS.len() as u64;

/// Facts about the file itself; `version` is the only one.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Image repositories, as JSON, without the time of their last poll.
pub(super) const IMAGES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("images");
/// When an image repository was polled, in milliseconds since 1970. Apart from the rest, since it alone changes all the time.
pub(super) const POLLED: TableDefinition<'_, &str, i64> = TableDefinition::new("polled");
/// What was done, as JSON, by a number that grows.
pub(super) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Policies held by hand, as JSON.
pub(super) const HELD: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("held");
/// Automations suspended by hand, as JSON.
pub(super) const SUSPENDED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("suspended");
/// Policies released by hand, as JSON.
pub(super) const RELEASES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("releases");
/// Policies hurried by hand, as JSON.
pub(super) const HURRIED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("hurried");
/// What is known of the digests of image repositories, as JSON.
pub(super) const DIGESTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("digests");
/// Documents by name.
pub(super) const DOCUMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("documents");

type Step = fn(&WriteTransaction) -> Result<(), redb::Error>;

const STEPS: &[Step] = &[give_records_their_holds, give_releases_their_branches, give_digests_a_table];

/// The age of a file's layout, against the one that this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Current,
    Older(u64),
    Newer(u64),
}

/// Makes all tables in an empty database.
pub(super) fn create(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    finish(&transaction)?;
    Ok(transaction.commit()?)
}

/// Reads the version of a database. Version 0 did not write it down.
pub(super) fn layout(database: &Database) -> Result<Layout, redb::Error> {
    let version = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta.get("version")?.map_or(0, |version| version.value()),
        Err(TableError::TableDoesNotExist(_)) => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(match version {
        VERSION => Layout::Current,
        older if older < VERSION => Layout::Older(older),
        newer => Layout::Newer(newer),
    })
}

/// Brings an older database to the layout that is written, in one transaction.
pub(super) fn migrate(database: &Database, from: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        step(&transaction)?;
    }
    finish(&transaction)?;
    Ok(transaction.commit()?)
}

/// Opens every table, so that one that is missing or of another type is noticed at the start.
pub(super) fn verify(transaction: &ReadTransaction) -> Result<(), redb::Error> {
    for table in [IMAGES, HELD, SUSPENDED, RELEASES, HURRIED, DIGESTS, DOCUMENTS] {
        transaction.open_table(table)?.len()?;
    }
    transaction.open_table(POLLED)?.len()?;
    transaction.open_table(RECORDS)?.len()?;
    Ok(())
}

fn finish(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    for table in [IMAGES, HELD, SUSPENDED, RELEASES, HURRIED, DIGESTS, DOCUMENTS] {
        transaction.open_table(table)?;
    }
    transaction.open_table(POLLED)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(META)?.insert("version", VERSION)?;
    Ok(())
}

/// From 0 to 1: a record has a list of holds. One that is no JSON object could not be shown before either, and goes.
fn give_records_their_holds(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(RECORDS)?;
    let numbers = table.iter()?.map(|row| Ok(row?.0.value())).collect::<Result<Vec<u64>, redb::Error>>()?;
    for number in numbers {
        let record = table.get(number)?.and_then(|bytes| serde_json::from_slice(bytes.value()).ok());
        let Some(Value::Object(mut record)) = record else {
            table.remove(number)?;
            continue;
        };
        record.entry("holds").or_insert_with(|| json!([]));
        table.insert(number, Value::Object(record).to_string().as_bytes())?;
    }
    Ok(())
}

/// From 1 to 2: a release has a list of the branches on which it was seen. It was a time in milliseconds.
fn give_releases_their_branches(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    const RELEASED: TableDefinition<'_, &str, i64> = TableDefinition::new("released");
    {
        let (old, mut new) = (transaction.open_table(RELEASED)?, transaction.open_table(RELEASES)?);
        for row in old.iter()? {
            let (policy, at) = row?;
            let release = json!({ "at": at.value(), "seen": [] }).to_string();
            new.insert(policy.value(), release.as_bytes())?;
        }
    }
    transaction.delete_table(RELEASED)?;
    Ok(())
}

/// From 2 to 3: digests, and policies that are hurried, have tables of their own. An image had digests that nobody wrote or read.
fn give_digests_a_table(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    const DIGESTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("digests");
    const HURRIED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("hurried");
    transaction.open_table(DIGESTS)?;
    transaction.open_table(HURRIED)?;
    Ok(())
}
