//! The crate against a service in the place of an API server, for answers that a real one does not give on request.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod events;
mod notify;
mod script;
mod status;
