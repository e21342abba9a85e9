//! Every field of every kind of document is in the documents and in the schema, as the reader of the configuration itself tells its fields.

#![allow(clippy::unwrap_used)]

mod crawl;
mod crd;
mod emit;
mod kinds;
#[path = "../support/native.rs"]
mod native;
#[path = "../support/page.rs"]
mod page;
mod reference;
mod schema;
mod structural;
