//! Notifications: what happened, told to people and programs, once, where they are.
//!
//! A bot tells a [`Voice`] of each [`Event`]; whoever is interested is a [`Notification`]: which events, about what, in which
//! words, to which [`Target`]. Nothing here knows how an event comes about.
//!
//! | target | how | limits that are kept |
//! |---|---|---|
//! | Slack | incoming webhook, or `chat.postMessage` with a token | a message a second, 4,000 characters |
//! | Microsoft Teams | workflow webhook, an adaptive card | a message a second, 28 KB |
//! | Discord | webhook | `X-RateLimit-*`, 2,000 characters |
//! | HTTP | each event as Flux's notification-controller sends it, perhaps signed, perhaps as a CloudEvent | |
//! | mail | SMTP over TLS or STARTTLS | |
//! | commit status | GitHub, GitLab, Gitea, Forgejo; a check run of GitHub | 140 characters |
//!
//! # Promises
//!
//! - **Nobody waits.** [`Voice::tell`] puts an event into a queue of [`QUEUE`] and returns. Each target has a task and a queue of
//!   [`WAITING`] of its own, so that one that hangs holds up no other. What finds no room is lost, counted and logged.
//! - **An outage is one message and one all-clear.** What fails because of one host is one incident, however much it stops. Events are
//!   gathered for a while, and an all-clear is given once all has been well for a quiet time ([`Notification::group`],
//!   [`Notification::quiet`]). What was well again before anybody was told is told to nobody.
//! - **Whoever was told of a beginning is told of the end**, across processes: [`Voice::told_of`] names those to whom it has arrived, and
//!   [`Voice::known`] takes them in again. Processes that share the work tell as one ([`Voice::share`]): of each incident one tells, and one of
//!   its end, once it is over for all.
//! - **Retried, but not for ever.** After no answer, 408, 425, 429 or 5xx a message is sent again, with growing pauses or when the other
//!   side asks for it, and given up [`MAX_AGE`] after it was written. What arrived with its answer lost arrives twice.
//! - **Secrets stay where they belong.** An address with a token in it is a secret as the token is. Nothing is sent along a redirect,
//!   and what the other side says is shown bounded, harmless, and without what it was sent.
//! - What events say comes from registries, remotes and repositories: it is escaped for each target, so that it can neither mention
//!   anybody nor look like a link.

mod chat;
mod deliver;
mod event;
mod exchange;
mod gather;
mod http;
mod ledger;
mod mail;
mod markup;
mod notification;
mod shared;
mod status;
mod target;
mod template;
mod text;
mod voice;

pub use deliver::{MAX_AGE, WAITING};
pub use event::{About, Change, Commit, Deployed, Event, Incident, Kind, Name, Object, Severity};
pub use notification::{Notification, Scope};
pub use shared::{Answer, Known, MAX_TEXT, Text, Unreachable};
pub use target::{Account, Address, Chat, Form, Http, Mail, Route, Security, Service, Status, Target, Writer};
pub use template::check;
pub use text::MAX_ENTRIES;
pub use voice::{Count, QUEUE, Voice};
