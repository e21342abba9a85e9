//! What a situation says that a pass came to: a word, or a word and what belongs to it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::automation::{self, Observed, Push, RemovedField};
use crate::policy::{self, Denied};
use crate::repository::{self, Names, Scan, Why};
use crate::tests::Left;
use crate::{ImageRef, Remarks, Seen, native, standing};

/// When every run began.
const STARTED: &str = "2026-11-26T09:59:57Z";

/// Makes a pass over an object.
pub(crate) fn pass(kind: &str, seen: &Seen<'_>, outcome: &Value, remarks: &Remarks<'_>) -> Left {
    match (kind, outcome.as_str()) {
        ("automation", Some("suspended")) => automation::suspended(seen).into(),
        (_, Some("suspended")) => crate::suspended(seen).into(),
        ("repository", _) => repository(seen, outcome, remarks),
        ("policy", _) => policy::verdict(seen, &policy(outcome), remarks).into(),
        ("automation", _) => automation(seen, outcome, remarks),
        ("native", _) => native(seen, outcome, remarks),
        ("standing", _) => standing(seen, outcome, remarks),
        _ => panic!("no kind {kind}"),
    }
}

fn repository(seen: &Seen<'_>, outcome: &Value, remarks: &Remarks<'_>) -> Left {
    use repository::Outcome;
    let (word, value) = parts(outcome);
    let exclusions = texts(&value["exclusions"]);
    let names = || Names { canonical: text(&value["image"]), exclusions: &exclusions };
    let next_in = || Duration::from_secs_f64(value["next"].as_f64().unwrap());
    let mut tags = texts(&value["tags"]);
    tags.sort_unstable_by(|one, other| other.cmp(one));
    let scan = Scan::of(tags);
    let outcome = match word {
        "scanned" => Outcome::Scanned { names: names(), scan: &scan, at: seen.now, next_in: next_in() },
        "not-due" => Outcome::NotDue { names: names(), next_in: next_in() },
        "malformed" => Outcome::Malformed(text(value)),
        "feature-gate" => Outcome::FeatureGate,
        "authentication" => Outcome::Authentication(text(value)),
        "undecided" => Outcome::Undecided(text(value)),
        "read-failed" => Outcome::ReadFailed { why: why(&value["why"]), error: text(&value["error"]) },
        "failed" => Outcome::Failed(text(value)),
        _ => panic!("no outcome {word}"),
    };
    repository::verdict(seen, &outcome, remarks).into()
}

fn why(value: &Value) -> Why {
    match text(value) {
        "first" => Why::First,
        "requested" => Why::Requested,
        "new-name" => Why::NewName,
        "new-exclusions" => Why::NewExclusions,
        "no-tags" => Why::NoTags,
        "interval" => Why::Interval,
        word => panic!("no reason {word}"),
    }
}

fn policy(outcome: &Value) -> policy::Outcome<'_> {
    use policy::Outcome;
    let (word, value) = parts(outcome);
    let part = |name: &str| text(&value[name]);
    match word {
        "selected" => Outcome::Selected(reference(value)),
        "interval-not-configured" => Outcome::IntervalNotConfigured,
        "repository-missing" => Outcome::RepositoryMissing { name: text(value) },
        "repository-unreadable" => Outcome::RepositoryUnreadable(text(value)),
        "unshared" => Outcome::AccessDenied(Denied::Unshared { namespace: part("namespace"), name: part("name") }),
        "others" => {
            let (namespace, name, from) = (part("namespace"), part("name"), part("from"));
            Outcome::AccessDenied(Denied::Others { namespace, name, from })
        }
        "blocked" => Outcome::AccessDenied(Denied::Blocked { namespace: part("namespace"), name: part("name") }),
        "malformed" => Outcome::Malformed(text(value)),
        "feature-gate" => Outcome::FeatureGate,
        "invalid" => Outcome::Invalid(text(value)),
        "invalid-filter" => Outcome::InvalidFilter(text(value)),
        "no-tags" => Outcome::NoTags { retry_in: Duration::from_secs(value.as_u64().unwrap()) },
        "filtered-out" => Outcome::FilteredOut,
        "nothing-in-range" => Outcome::NothingInRange,
        "not-a-number" => Outcome::NotANumber(text(value)),
        "digest-failed" => Outcome::DigestFailed { name: part("name"), tag: part("tag"), error: part("error") },
        "failed" => Outcome::Failed(text(value)),
        _ => panic!("no outcome {word}"),
    }
}

fn automation(seen: &Seen<'_>, outcome: &Value, remarks: &Remarks<'_>) -> Left {
    use automation::Outcome;
    let (word, value) = parts(outcome);
    let part = |name: &str| text(&value[name]);
    let policies = references(&value["policies"]);
    let refspecs = texts(&value["refspecs"]);
    let observed = || Observed { policies: &policies, revision: part("revision") };
    let outcome = match word {
        "skipped" => Outcome::Skipped,
        "up-to-date" => Outcome::UpToDate(observed()),
        "pushed" => Outcome::Pushed(observed(), push(value, &refspecs)),
        "invalid-selector" => Outcome::InvalidSelector(text(value)),
        "unsupported-source" => Outcome::UnsupportedSource { kind: text(value) },
        "without-git" => Outcome::WithoutGit,
        "invalid-source" => Outcome::InvalidSource(text(value)),
        "blocked" => Outcome::Blocked { namespace: part("namespace"), name: part("name") },
        "feature-gate" => Outcome::FeatureGate,
        "source-missing" => Outcome::SourceMissing { name: text(value) },
        "no-push-branch" => Outcome::NoPushBranch,
        "source-unusable" => Outcome::SourceUnusable(text(value)),
        "checkout-failed" => Outcome::CheckoutFailed(text(value)),
        "no-strategy" => Outcome::NoStrategy,
        "unsupported-strategy" => Outcome::UnsupportedStrategy(text(value)),
        "rewrite-failed" => Outcome::RewriteFailed(text(value)),
        "push-failed" => Outcome::PushFailed(text(value)),
        "removed-field" if text(value) == "updated" => Outcome::RemovedField(RemovedField::Updated),
        "removed-field" => Outcome::RemovedField(RemovedField::ImageResult),
        "failed" => Outcome::Failed(text(value)),
        _ => panic!("no outcome {word}"),
    };
    let run = automation::Run { started: STARTED.parse().unwrap(), outcome };
    automation::verdict(seen, &run, remarks).into()
}

fn native(seen: &Seen<'_>, run: &Value, remarks: &Remarks<'_>) -> Left {
    use native::Outcome;
    let (word, value) = parts(&run["outcome"]);
    let selected = references(&run["selected"]);
    let refspecs = texts(&value["refspecs"]);
    let outcome = match word {
        "skipped" => Outcome::Skipped,
        "up-to-date" => Outcome::UpToDate,
        "pushed" => Outcome::Pushed(push(value, &refspecs)),
        "rejected" => Outcome::Rejected(text(value)),
        "denied" => Outcome::Denied(text(value)),
        "transient" => Outcome::Transient(text(value)),
        "internal" => Outcome::Internal(text(value)),
        _ => panic!("no outcome {word}"),
    };
    let started = run.get("started").map(time);
    let selected = run.get("selected").map(|_| &selected);
    native::verdict(seen, &native::Run { started, selected, outcome }, remarks).into()
}

fn standing(seen: &Seen<'_>, outcome: &Value, remarks: &Remarks<'_>) -> Left {
    use standing::Outcome;
    let (word, value) = parts(outcome);
    let outcome = match word {
        "stands" => Outcome::Stands { message: text(&value["message"]), path: value.get("path").map(text) },
        "rejected" => Outcome::Rejected(text(value)),
        "blocked" => Outcome::Blocked(text(value)),
        "denied" => Outcome::Denied(text(value)),
        _ => panic!("no outcome {word}"),
    };
    standing::verdict(seen, &outcome, remarks).into()
}

fn push<'a>(value: &'a Value, refspecs: &'a [&'a str]) -> Push<'a> {
    Push {
        commit: text(&value["commit"]),
        branch: text(&value["branch"]),
        refspecs,
        message: text(&value["message"]),
        at: time(&value["at"]),
    }
}

fn references(value: &Value) -> BTreeMap<&str, ImageRef<'_>> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), reference(value))).collect()
}

fn reference(value: &Value) -> ImageRef<'_> {
    let digest = value.get("digest").map(text);
    ImageRef { name: text(&value["name"]), tag: text(&value["tag"]), digest }
}

fn parts(value: &Value) -> (&str, &Value) {
    match value {
        Value::String(word) => (word, &Value::Null),
        Value::Object(fields) if fields.len() == 1 => {
            fields.iter().map(|(word, value)| (word.as_str(), value)).next().unwrap()
        }
        _ => panic!("an outcome is a word, or an object with one: {value}"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is missing: {value}"))
}

fn time(value: &Value) -> Timestamp {
    text(value).parse().unwrap()
}
