//! `ImageAutomation`, our own kind (`tagwright.dev/v1alpha1`): the manner of Flux's, with its own reasons.
//!
//! The status has `conditions`, `observedGeneration`, `lastHandledReconcileAt`, `lastRunTime`, `lastPushCommit`, `lastPushTime` and
//! `observedPolicies`, from the name of each image to what was selected of it (`name`, `tag`, `digest`).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::automation::{Push, UP_TO_DATE, policies, pushed, up_to_date};
use crate::draft::{Draft, End, Told};
use crate::shape::{Field, Shape};
use crate::{ImageRef, Remarks, Seen, Verdict, reason};

const FIELDS: [Field; 4] = [
    ("lastRunTime", Shape::Time),
    ("lastPushCommit", Shape::Text),
    ("lastPushTime", Shape::Time),
    ("observedPolicies", Shape::Images),
];

/// A run of an automation.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// When it began; none if it did not, since the specification cannot be used.
    pub started: Option<Timestamp>,
    /// What was selected of each image, by the images' names; those that nothing could be selected of are left out, and none at all
    /// if the run did not get so far.
    pub selected: Option<&'a BTreeMap<&'a str, ImageRef<'a>>>,
    /// What it came to.
    pub outcome: Outcome<'a>,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Nothing had changed, so nothing was looked at.
    Skipped,
    /// There was nothing to change.
    UpToDate,
    /// A commit was pushed.
    Pushed(Push<'a>),
    /// The specification cannot be used: nothing happens before it changes.
    Rejected(&'a str),
    /// Somebody refused, or something is not there: tried again.
    Denied(&'a str),
    /// A registry or remote was not to be reached, or a race was lost too often: tried again.
    Transient(&'a str),
    /// A bug: tried again.
    Internal(&'a str),
}

/// Returns what is to be written and said.
#[must_use]
pub fn verdict(seen: &Seen<'_>, run: &Run<'_>, remarks: &Remarks<'_>) -> Verdict {
    let mut draft = Draft::new(seen, &FIELDS);
    if let Some(started) = run.started {
        draft.set("lastRunTime", crate::time(started));
    }
    if let Some(selected) = run.selected {
        draft.set_or_remove("observedPolicies", (!selected.is_empty()).then(|| policies(selected)));
    }
    draft.pass(|draft| end(draft, &run.outcome), remarks)
}

fn end(draft: &mut Draft<'_>, outcome: &Outcome<'_>) -> End {
    match outcome {
        Outcome::Skipped => up_to_date(Told::Nothing, "no change since last run"),
        Outcome::UpToDate => up_to_date(Told::Nothing, UP_TO_DATE),
        Outcome::Pushed(push) => pushed(draft, push),
        Outcome::Rejected(error) => End::stalled(reason::INVALID_CONFIGURATION, *error),
        Outcome::Denied(error) => End::failure(reason::ACCESS_DENIED, *error),
        Outcome::Transient(error) => End::failure(reason::TRANSIENT_FAILURE, *error),
        Outcome::Internal(error) => End::failure(reason::INTERNAL_ERROR, *error),
    }
}
