//! Tokens as issuers make them, and as others would like them to be.

#![allow(clippy::unwrap_used, missing_docs)]

mod claims;
mod issuers;
mod simulated;
