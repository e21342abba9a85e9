//! Freezes that people ordered, and exceptions to them: one document, since there are few.
//!
//! An order that is over is dropped with the next one that is given.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::freeze::{Freezes, Order, Selector};

use super::error::Error;
use super::schema::DOCUMENTS;
use super::{Store, cut, time};
use crate::store::MAX_REASON_BYTES;

/// How many orders about freezes can be in force at a time.
pub const MAX_FREEZES: usize = 1000;

const FREEZES: &str = "freezes";

/// The document: orders by selector.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    frozen: BTreeMap<String, Row>,
    #[serde(default)]
    exceptions: BTreeMap<String, Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    #[serde(with = "time")]
    since: Timestamp,
    /// In milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Order> for Row {
    fn from(order: &Order) -> Self {
        let Order { since, until, reason } = order.clone();
        let mut reason = reason;
        reason.iter_mut().for_each(|reason| cut(reason, MAX_REASON_BYTES));
        Self { since, until: until.map(Timestamp::as_millisecond), reason }
    }
}

impl From<Row> for Order {
    fn from(Row { since, until, reason }: Row) -> Self {
        // One whose end cannot be read has none, so that nothing is written too early.
        Self { since, until: until.and_then(|until| Timestamp::from_millisecond(until).ok()), reason }
    }
}

impl From<Document> for Freezes {
    fn from(Document { frozen, exceptions }: Document) -> Self {
        let orders = |rows: BTreeMap<String, Row>| {
            let order = |(selector, row): (String, Row)| Some((Selector::parse(&selector)?, Order::from(row)));
            rows.into_iter().filter_map(order).collect()
        };
        Self { frozen: orders(frozen), exceptions: orders(exceptions) }
    }
}

impl From<&Freezes> for Document {
    fn from(Freezes { frozen, exceptions }: &Freezes) -> Self {
        let rows = |orders: &BTreeMap<Selector, Order>| {
            orders.iter().map(|(selector, order)| (selector.to_string(), Row::from(order))).collect()
        };
        Self { frozen: rows(frozen), exceptions: rows(exceptions) }
    }
}

pub(super) fn read(table: &impl redb::ReadableTable<&'static str, &'static [u8]>) -> Result<Freezes, redb::Error> {
    let document = table.get(FREEZES)?.and_then(|json| serde_json::from_slice::<Document>(json.value()).ok());
    Ok(document.unwrap_or_default().into())
}

impl Store {
    /// Changes the orders about freezes in one step, and returns what the change does. Those that are over are dropped.
    ///
    /// # Errors
    /// The file cannot be written, or there are more than [`MAX_FREEZES`] of them.
    pub fn change_freezes<T>(&self, now: Timestamp, change: impl Fn(&mut Freezes) -> T) -> Result<T, Error> {
        let changed = self.engine.write(|transaction| {
            let mut table = transaction.open_table(DOCUMENTS)?;
            let mut freezes = read(&table)?;
            freezes.frozen.retain(|_, order| order.is_at(now));
            freezes.exceptions.retain(|_, order| order.is_at(now));
            let result = change(&mut freezes);
            if freezes.frozen.len() + freezes.exceptions.len() > MAX_FREEZES {
                return Ok(None);
            }
            // Texts and numbers always are JSON.
            let json = serde_json::to_vec(&Document::from(&freezes)).unwrap_or_default();
            table.insert(FREEZES, json.as_slice())?;
            Ok(Some(result))
        })?;
        changed.ok_or(Error::Full { what: "orders about freezes", most: MAX_FREEZES })
    }
}
