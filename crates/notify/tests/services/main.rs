//! Each target against a service over loopback that keeps the rules of the real one: it refuses what is too long or comes too early,
//! asks for time, breaks, hangs, and sends elsewhere.

#![allow(clippy::unwrap_used)]

mod chats;
mod mails;
mod manners;
mod programs;
mod service;
mod statuses;
