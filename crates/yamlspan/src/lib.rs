//! YAML text as spans, and edits that change nothing else.
//!
//! Parsers of YAML give values and lose how they were written; this crate keeps both, so that one value can be replaced in a
//! file whose other bytes stay as they are. It knows nothing of what the values mean.
//!
//! 1. [`lines`] cuts a stream into documents without parsing, so that a broken one does not spoil its neighbours.
//! 2. [`document`] parses one into a flat list of nodes with byte spans, and its comments; [`dedent`] makes a text of its own of
//!    a literal block scalar, and [`tree`] finds what stands under which key.
//! 3. [`placement`] answers which scalar a comment counts for.
//! 4. [`patch`] writes another value in the way the old one was written, with quotes where YAML 1.1 or 1.2 would read
//!    something else than a string.
//! 5. [`verify`] lets a second, independent parser confirm that nothing but the patched scalars has another meaning.
//!
//! Everything is linear in the text, nesting and counts are bounded, anchors are never expanded.

pub mod dedent;
pub mod document;
mod fingerprint;
pub mod lines;
pub mod patch;
pub mod placement;
pub mod quote;
mod respell;
pub mod tree;
pub mod verify;
