//! Elections and replicas against an API server that answers as a test says, on a paused clock.

#![allow(clippy::unwrap_used)]

mod election;
mod fake;
mod replicas;
mod time;
