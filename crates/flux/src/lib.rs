//! What Flux's image controllers say of their objects: conditions, status, events. Pure.
//!
//! Whoever stands in for image-reflector-controller and image-automation-controller has to leave on the objects what these leave
//! there, since `flux`, `kubectl wait`, dashboards, alerts and other controllers read it. Each kind has a module with an
//! `Outcome`, which is what a pass came to, and a function `verdict`, which takes what was [`Seen`] of the object and the
//! outcome, and returns a [`Verdict`]: the status as it is to be stored, whole, the events to send, and what comes next. An object
//! that is suspended is not worked on: [`suspended`].
//!
//! | module | kind |
//! |---|---|
//! | [`repository`] | Flux's `ImageRepository` |
//! | [`policy`] | Flux's `ImagePolicy` |
//! | [`automation`] | Flux's `ImageUpdateAutomation` |
//! | [`native`] | our own `ImageAutomation`, in the same manner |
//! | [`standing`] | our own `Receiver` and `Notification` |
//! | [`kstatus`] | what readers make of a status, whatever the kind |
//!
//! ```
//! use flux::{Ending, Remarks, Seen, repository};
//! use serde_json::json;
//!
//! let stored = json!({"observedGeneration": -1});
//! let seen = Seen { generation: 1, status: &stored, requested: None, now: "2026-11-26T10:00:00Z".parse()? };
//! let scan = repository::Scan::of(["1.1.0", "1.0.0"]);
//! let outcome = repository::Outcome::Scanned {
//!     names: repository::Names { canonical: "ghcr.io/org/app", exclusions: &["^.*\\.sig$"] },
//!     scan: &scan,
//!     at: seen.now,
//!     next_in: std::time::Duration::from_secs(300),
//! };
//! let verdict = repository::verdict(&seen, &outcome, &Remarks::default());
//! assert_eq!(verdict.status["lastScanResult"]["latestTags"], json!(["1.1.0", "1.0.0"]));
//! assert_eq!(verdict.status["conditions"][0]["reason"], "Succeeded");
//! assert_eq!(verdict.events[0].message, verdict.status["conditions"][0]["message"]);
//! assert_eq!(verdict.ending, Ending::Ready);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rules for every kind
//!
//! - Three conditions are owned: `Stalled`, `Reconciling`, `Ready`. They stand first, in this order, once each. Those of others follow,
//!   as they are, by their type. `Stalled` and `Reconciling` exclude each other and exist only where they are true.
//! - `lastTransitionTime` changes when status, reason or message do, and only then. Each owned condition has the generation
//!   that it is about. A message is cut at [`MAX_MESSAGE`] bytes.
//! - Success leaves `Ready` alone. A failure that is tried again leaves `Reconciling` with the reason `ProgressingWithRetry`, whose
//!   message is the last progress, beside `Ready` with the reason of the failure. A failure that only a change of the
//!   object mends leaves `Stalled` and `Ready` with the same reason and message.
//! - `observedGeneration` advances when the object is ready or stalled. The API server creates objects with -1.
//! - `lastHandledReconcileAt` becomes the text of the annotation, whatever it is, however the pass ended.
//! - Fields and conditions that are not known here stay. A known field of another type than it has in the API is dropped.
//! - Every failed try is an event of severity error, becoming ready or a change of what is ready is one of severity info, the rest
//!   are traces.
//!
//! # Differences from Flux
//!
//! - Flux patches the status up to six times in a pass, to show progress (`Reconciling`, reason `Progressing`). Here a pass has one
//!   status, its last. So the annotation is answered and the generation observed once the work is done, as there, but nobody
//!   sees `scanning: first scan` unless the scan failed.
//! - A failure replaces the reason and message of `Ready` always. Flux keeps those of an earlier failure where an object becomes
//!   stalled or a digest cannot be fetched, and then tells what is over.
//! - A run of an automation that is skipped, since nothing changed, makes it ready. In some of Flux's versions one that had failed
//!   stays failed until a policy or the remote change.
//! - What the guards hold back is a condition of ours, see [`Remarks`].

pub mod automation;
mod condition;
mod draft;
mod event;
mod image_ref;
pub mod kstatus;
pub mod native;
pub mod policy;
pub mod reason;
mod remarks;
pub mod repository;
mod scan;
mod shape;
pub mod standing;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

pub use condition::MAX_MESSAGE;
pub use draft::suspended;
pub use event::{Event, Severity, metadata};
pub use image_ref::ImageRef;
pub use remarks::{FINDINGS, HELD, Remark, Remarks};

/// The annotation that asks for a pass; whoever finishes one copies its text into `status.lastHandledReconcileAt`.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// What a verdict is given on: the object as it was when the pass began, and the status that is stored by now.
///
/// An object may change while it is worked on. What was not worked on must not be said to be done, or whoever waits for it waits too
/// short: so generation and annotation are those that the pass began with, even if a write that lost a race is made again.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// `metadata.generation`, when the pass began.
    pub generation: i64,
    /// The status as it is stored now; null where there is none.
    pub status: &'a Value,
    /// The text of the annotation [`REQUESTED_AT`] when the pass began. It need not be a time.
    pub requested: Option<&'a str>,
    /// The time of the verdict.
    pub now: Timestamp,
}

impl Seen<'_> {
    /// Tells whether somebody has asked for a pass that has not been made yet.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        let handled = self.status.get("lastHandledReconcileAt").and_then(Value::as_str).unwrap_or_default();
        self.requested.is_some_and(|requested| requested != handled)
    }
}

/// What is to be written and said of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The status to be stored, whole: a field that is not in it is to be removed.
    pub status: Value,
    /// The events, in the order in which they are to be sent.
    pub events: Vec<Event>,
    /// What the pass ended with.
    pub ending: Ending,
}

/// What a pass ended with, which decides when the next one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All is well: the next pass is at the interval.
    Ready,
    /// It failed: the next try is after a back-off.
    Retry,
    /// What it depends on is not there yet: the next try is after this time, and the back-off does not grow.
    Later(Duration),
    /// It failed for good: there is no next try before the object changes.
    Stalled,
}

/// Returns a time as statuses have it: RFC 3339, to the second, in UTC.
fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
