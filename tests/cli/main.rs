//! The binary as a user meets it: arguments, streams, exit codes, texts, JSON; every recorded vector goes through it.

#![allow(clippy::unwrap_used)]

mod bot;
mod clouds;
mod data;
mod demo;
mod diff;
mod doctor;
mod documents;
#[path = "../support/events.rs"]
mod events;
#[path = "../support/folder.rs"]
mod folder;
mod guide;
mod harmless;
mod help;
mod history;
mod images;
#[path = "../../crates/oidc/tests/tokens/simulated.rs"]
#[allow(dead_code)]
mod issuer;
mod log;
mod mark;
mod mcp;
mod message;
mod notified;
mod oidc;
#[path = "../support/page.rs"]
mod page;
mod proxied;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/git.rs"]
mod remote;
mod run;
mod select;
mod served;
#[path = "../../crates/cloud/tests/flows/service.rs"]
#[allow(dead_code)]
mod service;
mod set;
mod site;
mod skip;
mod status;
mod submit;
mod switch;
mod world;
