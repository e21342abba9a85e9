//! `Receiver` and `Notification`, kinds of ours (`tagwright.dev/v1alpha1`) on which no pass is made: they stand as soon as they are read.
//!
//! The status has `conditions`, `observedGeneration`, `lastHandledReconcileAt`, and of a `Receiver` `webhookPath`, where Flux's has it.

use serde_json::Value;

use crate::draft::{Draft, End, Told};
use crate::shape::{Field, Shape};
use crate::{Remarks, Seen, Verdict, reason};

const FIELDS: [Field; 1] = [("webhookPath", Shape::Text)];

/// What became of an object when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It counts from now on.
    Stands {
        /// What that means, in a sentence.
        message: &'a str,
        /// The path at which webhooks are received; none of a `Notification`.
        path: Option<&'a str>,
    },
    /// The specification cannot be used: nothing happens before it changes.
    Rejected(&'a str),
    /// It names what it may not: nothing happens before it changes.
    Blocked(&'a str),
    /// A secret is not there, or not what it has to be: looked at again.
    Denied(&'a str),
}

/// Returns what is to be written and said.
#[must_use]
pub fn verdict(seen: &Seen<'_>, outcome: &Outcome<'_>, remarks: &Remarks<'_>) -> Verdict {
    let mut draft = Draft::new(seen, &FIELDS);
    let path = match outcome {
        Outcome::Stands { path, .. } => path.map(Value::from),
        // Nobody is received there.
        Outcome::Rejected(_) | Outcome::Blocked(_) | Outcome::Denied(_) => None,
    };
    draft.set_or_remove("webhookPath", path);
    draft.pass(|_| end(outcome), remarks)
}

fn end(outcome: &Outcome<'_>) -> End {
    match outcome {
        Outcome::Stands { message, .. } => {
            End::Success { message: (*message).to_owned(), told: Told::Change, trace: (*message).to_owned() }
        }
        Outcome::Rejected(error) => End::stalled(reason::INVALID_CONFIGURATION, *error),
        Outcome::Blocked(error) => End::stalled(reason::ACCESS_DENIED, *error),
        Outcome::Denied(error) => End::failure(reason::ACCESS_DENIED, *error),
    }
}
