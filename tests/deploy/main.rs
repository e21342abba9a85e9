//! What people apply or copy is right: files in `deploy/`, the image, the workflows.
//!
//! Nothing here runs a cluster or a forge. Each file is parsed, the promises it makes are read out of it, and where it
//! holds an expression (a filter), the expression is tried on messages.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod arguments;
mod chart;
mod checks;
mod filters;
mod image;
mod manifests;
mod monitoring;
mod program;
mod release;
mod rights;
mod scripts;
mod systemd;
mod tools;
mod tree;
mod workflows;
