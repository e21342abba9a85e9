//! `ImageRepository`: when its tags are read, and what is said of it.

use std::fmt;
use std::time::Duration;

use gotext::duration;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::draft::{Draft, End, Told};
use crate::shape::{Field, Shape};
use crate::{Remarks, Seen, Verdict, reason};

pub use crate::scan::Scan;

const FIELDS: [Field; 3] =
    [("canonicalImageName", Shape::Text), ("observedExclusionList", Shape::Texts), ("lastScanResult", Shape::Scan)];

/// What a pass over an image repository came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The tags were read.
    Scanned {
        /// What they were read of.
        names: Names<'a>,
        /// What they are.
        scan: &'a Scan,
        /// When.
        at: Timestamp,
        /// The time to the next scan.
        next_in: Duration,
    },
    /// No scan was due.
    NotDue {
        /// What the last scan was of.
        names: Names<'a>,
        /// The time to the next scan.
        next_in: Duration,
    },
    /// The name of the image is none. The text says why.
    Malformed(&'a str),
    /// A service account is to log in to a cloud, and the gate for that is off.
    FeatureGate,
    /// A secret, a certificate or a proxy cannot be used, or a login failed before anything was read.
    Authentication(&'a str),
    /// Whether a scan is due could not be told.
    Undecided(&'a str),
    /// The tags could not be read, an exclusion is no regular expression, or the tags could not be kept.
    ReadFailed {
        /// Why they were to be read.
        why: Why,
        /// What went wrong.
        error: &'a str,
    },
    /// Something else went wrong.
    Failed(&'a str),
}

/// What the scans of an image repository depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    /// The name of the image in full, such as `index.docker.io/library/alpine`.
    pub canonical: &'a str,
    /// The exclusions in force; Flux's default where the specification has none.
    pub exclusions: &'a [&'a str],
}

/// Why tags are read. Printed, it is the word that Flux has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// They never were.
    First,
    /// Somebody asked for it.
    Requested,
    /// The image has another name.
    NewName,
    /// Other tags are excluded.
    NewExclusions,
    /// There are none.
    NoTags,
    /// The interval is over.
    Interval,
}

/// When tags are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now(Why),
    /// In so much time.
    In(Duration),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first scan",
            Self::Requested => "reconcile requested",
            Self::NewName => "new image name",
            Self::NewExclusions => "updated exclusion list",
            Self::NoTags => "no tags in database",
            Self::Interval => "triggered by interval",
        })
    }
}

/// Returns when the tags of an image repository are to be read. `has_tags` tells whether any are known of it.
#[must_use]
pub fn due(seen: &Seen<'_>, names: &Names<'_>, interval: Duration, has_tags: bool) -> Due {
    let field = |name| seen.status.get(name);
    let Some(last) = field("lastScanResult").filter(|last| Shape::Scan.fits(last)) else { return Due::Now(Why::First) };
    if seen.is_requested() {
        return Due::Now(Why::Requested);
    }
    if field("canonicalImageName").and_then(Value::as_str) != Some(names.canonical) {
        return Due::Now(Why::NewName);
    }
    if !are_the_same(names.exclusions, field("observedExclusionList")) {
        return Due::Now(Why::NewExclusions);
    }
    if !has_tags {
        return Due::Now(Why::NoTags);
    }
    match remaining(last, interval, seen.now) {
        Some(left) if left >= Duration::from_secs(1) => Due::In(left),
        _ => Due::Now(Why::Interval),
    }
}

/// Returns what is to be written and said.
#[must_use]
pub fn verdict(seen: &Seen<'_>, outcome: &Outcome<'_>, remarks: &Remarks<'_>) -> Verdict {
    Draft::new(seen, &FIELDS).pass(|draft| end(draft, outcome), remarks)
}

fn end(draft: &mut Draft<'_>, outcome: &Outcome<'_>) -> End {
    match outcome {
        Outcome::Scanned { names, scan, at, next_in } => {
            let revision =
                |draft: &Draft<'_>| draft.get("lastScanResult").and_then(|last| last.get("revision")).cloned();
            let before = revision(draft);
            draft.set("lastScanResult", scan.value(*at));
            let what = if before == revision(draft) { "tags did not change" } else { "successful scan" };
            success(draft, names, format!("{what}, next scan in {}", shown(*next_in)))
        }
        Outcome::NotDue { names, next_in } => {
            let what = "no change in repository configuration since last scan";
            success(draft, names, format!("{what}, next scan in {}", shown(*next_in)))
        }
        Outcome::Malformed(text) => End::stalled(reason::IMAGE_URL_INVALID, *text),
        Outcome::FeatureGate => End::stalled(
            reason::FEATURE_GATE_DISABLED,
            "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity \
             feature gate in the controller",
        ),
        Outcome::Authentication(error) => {
            End::failure(reason::AUTHENTICATION_FAILED, format!("failed to configure authentication options: {error}"))
        }
        Outcome::Undecided(error) => {
            End::failure(reason::FAILURE, format!("failed to determine if it's scan time: {error}"))
        }
        Outcome::ReadFailed { why, error } => End::Failure {
            reason: reason::READ_OPERATION_FAILED,
            message: format!("scan failed: {error}"),
            progress: Some(format!("scanning: {why}")),
            later: None,
        },
        Outcome::Failed(error) => End::failure(reason::FAILED, *error),
    }
}

fn success(draft: &mut Draft<'_>, names: &Names<'_>, trace: String) -> End {
    draft.set("canonicalImageName", names.canonical);
    let exclusions = (!names.exclusions.is_empty()).then(|| names.exclusions.into());
    draft.set_or_remove("observedExclusionList", exclusions);
    let last = draft.get("lastScanResult");
    let count = last.and_then(|last| last.get("tagCount")).and_then(Value::as_u64).unwrap_or(0);
    let revision = last.and_then(|last| last.get("revision")).and_then(Value::as_str).unwrap_or_default();
    let message = format!("successful scan: found {count} tags with checksum {revision}");
    End::Success { message, told: Told::Change, trace }
}

/// The time that is left of an interval since a scan; none if nothing is, or nobody knows when that was.
fn remaining(last: &Value, interval: Duration, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = last.get("scanTime")?.as_str()?.parse().ok()?;
    let left = SignedDuration::try_from(interval).ok()?.checked_sub(now.duration_since(at))?;
    Duration::try_from(left).ok()
}

/// Whether exclusions are those that were observed, in any order.
fn are_the_same(exclusions: &[&str], observed: Option<&Value>) -> bool {
    let observed = observed.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    exclusions.len() == observed.len() && exclusions.iter().all(|one| observed.iter().any(|other| other == one))
}

/// A duration as Go prints it.
fn shown(time: Duration) -> String {
    duration::show(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}
