//! Go's text world, for people who write policies and messages as they do for Flux.
//!
//! Configurations of Go programs hold regular expressions, templates and version ranges that mean what Go and its usual libraries make
//! of them. This crate reads the three as they are read there, with the same results and the same error texts, and knows
//! nothing of images:
//!
//! - [`pattern`]: Go's regular expressions (RE2), on the `regex` crate;
//! - [`template`]: `text/template` with sprig's repeatable functions;
//! - [`version`]: versions and ranges of Masterminds' semver.
//!
//! All three take untrusted text: each bounds its input, its memory and its work by documented constants.

pub mod pattern;
mod quote;
pub mod template;
pub mod version;
