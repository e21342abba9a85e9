//! What the bot did, as verdicts on objects.
//!
//! A pass of the bot ends with reports; the verdict on an object also depends on the status that is stored, which may be
//! another one by the time it is written. So a [`Judge`] keeps what is to be said, and is asked for each try to write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flux::repository::{Names, Scan, Why};
use flux::{ImageRef, Remark, Remarks, Seen, Verdict, automation, native, policy, repository};
use jiff::Timestamp;
use serde_json::Value;
use tagwright_core::automation::{Automation, Checkout, DigestReflection, ImageRepository, Schedule};
use tagwright_core::change::Diagnostic;
use tagwright_core::guard::Held;

use super::what::What;
use crate::run::{AutomationReport, Doing, Error, Kind, Lack, MovedTag, Outcome, PolicyReport, Short};
use crate::wire::status::AutomationFinding;

/// Says what to write about an object, given what is stored of it.
pub(super) type Judge = Arc<dyn Fn(&Seen<'_>) -> Verdict + Send + Sync>;

/// What a policy selects, as an object's status has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) digest: Option<String>,
}

impl Selected {
    pub(super) fn of(reference: ImageRef<'_>) -> Self {
        let ImageRef { name, tag, digest } = reference;
        Self { name: name.to_owned(), tag: tag.to_owned(), digest: digest.map(str::to_owned) }
    }

    fn reference(&self) -> ImageRef<'_> {
        ImageRef { name: &self.name, tag: &self.tag, digest: self.digest.as_deref() }
    }
}

/// Why the tags of an image repository could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpolled {
    /// What that calls for.
    pub(super) kind: Kind,
    /// In one sentence.
    pub(super) error: String,
}

/// The tags of an image repository were read.
pub(super) fn scanned(repository: &Arc<ImageRepository>, scan: Scan, at: Timestamp) -> Judge {
    let repository = Arc::clone(repository);
    Arc::new(move |seen| {
        let next_in = interval(&repository);
        with_names(&repository, |names| {
            let outcome = repository::Outcome::Scanned { names, scan: &scan, at, next_in };
            repository::verdict(seen, &outcome, &Remarks::default())
        })
    })
}

/// The tags of an image repository could not be read.
pub(super) fn unread(repository: &Arc<ImageRepository>, error: String) -> Judge {
    let repository = Arc::clone(repository);
    Arc::new(move |seen| {
        let due = with_names(&repository, |names| repository::due(seen, &names, interval(&repository), true));
        let why = match due {
            repository::Due::Now(why) => why,
            repository::Due::In(_) => Why::Interval,
        };
        let outcome = repository::Outcome::ReadFailed { why, error: &error };
        repository::verdict(seen, &outcome, &Remarks::default())
    })
}

/// Nobody gave out the login that an image repository is to be asked with.
pub(super) fn without_login(error: String) -> Judge {
    Arc::new(move |seen| repository::verdict(seen, &repository::Outcome::Authentication(&error), &Remarks::default()))
}

/// Hands over what the scans of an image repository depend on.
fn with_names<T>(repository: &ImageRepository, use_them: impl FnOnce(Names<'_>) -> T) -> T {
    let canonical = repository.image.canonical();
    let exclusions: Vec<&str> = repository.exclusions.iter().map(|pattern| pattern.as_str()).collect();
    use_them(Names { canonical: &canonical, exclusions: &exclusions })
}

fn interval(repository: &ImageRepository) -> Duration {
    match &repository.schedule {
        Schedule::Every(interval) => *interval,
        Schedule::Cron(_) => Duration::ZERO,
    }
}

/// A policy was evaluated, `name` is the image as its repository has it, `listed` whether its tags could be read. None where
/// there is nothing to say: nobody looked, or the registry did not answer and an earlier selection goes on to count.
pub(super) fn evaluated(report: &Arc<PolicyReport>, name: String, listed: bool, requeue: Duration) -> Option<Judge> {
    if matches!(report.selection, Err(Lack::Suspended(_))) {
        return None;
    }
    let report = Arc::clone(report);
    Some(Arc::new(move |seen| {
        let held = report.hold.as_ref().map(|hold| (hold.code(), hold.to_string()));
        let held = held.as_ref().map_or(Remark::Nothing, |(code, message)| Remark::Say { code, message });
        let lack = report.selection.as_ref().err().map(Lack::to_string);
        let lack = lack.as_deref().unwrap_or_default();
        let explained = Remark::Say { code: "no-tag", message: lack };
        let failed = (policy::Outcome::Failed(lack), Remark::Nothing);
        let (outcome, findings) = match &report.selection {
            Ok(reference) => {
                let tag = reference.tag.as_ref().map(image::Tag::as_str).unwrap_or_default();
                let digest = reference.digest.as_ref().map(image::Digest::as_str);
                let digest = kept(&report, seen, &name, tag).or(digest);
                (policy::Outcome::Selected(ImageRef { name: &name, tag, digest }), Remark::Nothing)
            }
            Err(Lack::NoAnswer(error)) if listed => {
                let tag = match &report.short {
                    Some(Short::WithoutDigest(tag)) => tag,
                    _ => "",
                };
                match kept(&report, seen, &name, tag) {
                    Some(digest) => {
                        let latest = ImageRef { name: &name, tag, digest: Some(digest) };
                        (policy::Outcome::Selected(latest), Remark::Nothing)
                    }
                    None => (policy::Outcome::DigestFailed { name: &name, tag, error }, Remark::Nothing),
                }
            }
            Err(Lack::NoAnswer(error)) => match policy::latest(seen.status) {
                // The registry is down, which its repository says. What was selected goes on to count.
                Some(latest) if is_observed(seen) => (policy::Outcome::Selected(latest), Remark::Unknown),
                // By another specification, though, so that nobody can tell what this one selects.
                Some(_) => (policy::Outcome::Failed(error), Remark::Nothing),
                None => (policy::Outcome::NoTags { retry_in: requeue }, Remark::Nothing),
            },
            Err(_) => match &report.short {
                Some(Short::Empty) => (policy::Outcome::NoTags { retry_in: requeue }, Remark::Nothing),
                Some(Short::Filtered) => (policy::Outcome::FilteredOut, explained),
                Some(Short::Unordered) => (policy::Outcome::NothingInRange, explained),
                Some(Short::NotANumber(tag)) => (policy::Outcome::NotANumber(tag), explained),
                Some(Short::WithoutDigest(_)) | None => failed,
            },
        };
        let mut verdict = policy::verdict(seen, &outcome, &Remarks { held, findings });
        verdict.events.extend(report.moved.iter().map(moved));
        verdict
    }))
}

/// What is told of a tag that moved, at the poll that saw it.
fn moved(moved: &MovedTag) -> flux::Event {
    flux::Event {
        severity: flux::Severity::Error,
        reason: flux::reason::TAG_MOVED.to_owned(),
        message: moved.to_string(),
    }
}

/// Whether what the status says is about the specification as it is.
fn is_observed(seen: &Seen<'_>) -> bool {
    seen.status.get("observedGeneration").and_then(Value::as_i64) == Some(seen.generation)
}

/// The digest that a policy keeps which wants one only where there is none.
fn kept<'s>(report: &PolicyReport, seen: &Seen<'s>, name: &str, tag: &str) -> Option<&'s str> {
    let keeps = report.policy.digest == DigestReflection::IfNotPresent;
    policy::kept_digest(seen.status, name, tag).filter(|_| keeps)
}

/// An automation ran: what is to be said of it, taken from its report.
#[derive(Debug)]
pub(super) struct Ran {
    /// When it began.
    pub(super) began: Timestamp,
    /// When it ended.
    pub(super) ended: Timestamp,
    result: Ending,
    /// What its failure calls for, where it failed.
    kind: Option<Kind>,
    /// The commit that the next run may compare the remote with.
    revision: String,
    branch: String,
    refspec: Option<String>,
    message: String,
    held: Option<(&'static str, String)>,
    findings: Option<(&'static str, String)>,
    /// What its policies select, by their names.
    selected: BTreeMap<String, Selected>,
}

#[derive(Debug)]
enum Ending {
    UpToDate,
    Pushed(String),
    NoPushBranch,
    Checkout(String),
    Push(String),
    Registry(String),
}

impl Ran {
    /// Takes what there is to say from a report.
    pub(super) fn of(
        report: &AutomationReport,
        automation: &Automation,
        (began, ended): (Timestamp, Timestamp),
        selected: BTreeMap<String, Selected>,
    ) -> Self {
        let result = match &report.outcome {
            Outcome::Pushed { commit, .. } => Ending::Pushed(commit.clone()),
            Outcome::Unchanged | Outcome::WouldPush | Outcome::Held { .. } => Ending::UpToDate,
            Outcome::Failed(error) => failure(error),
        };
        let from = match &automation.checkout {
            Checkout::Branch(branch) => branch,
            _ => &report.branch,
        };
        let commit = match &result {
            Ending::Pushed(commit) if *from == report.branch => Some(commit.as_str()),
            _ => report.read.as_deref(),
        };
        Self {
            began,
            ended,
            revision: commit.map(|commit| format!("{from}@sha1:{commit}")).unwrap_or_default(),
            branch: report.branch.clone(),
            refspec: automation
                .push
                .refspec
                .clone()
                .filter(|_| !matches!(report.outcome, Outcome::Pushed { missed: Some(_), .. })),
            message: report.message.clone(),
            held: held(report),
            findings: findings(report),
            kind: report.outcome.error().map(Error::kind),
            result,
            selected,
        }
    }

    fn selected(&self) -> BTreeMap<&str, ImageRef<'_>> {
        self.selected.iter().map(|(name, selected)| (name.as_str(), selected.reference())).collect()
    }

    fn remarks(&self) -> Remarks<'_> {
        match self.result {
            // Nothing was looked into.
            Ending::Checkout(_) | Ending::NoPushBranch => Remarks::default(),
            _ => Remarks { held: remark(&self.held), findings: remark(&self.findings) },
        }
    }
}

fn remark<'r>(remark: &'r Option<(&'static str, String)>) -> Remark<'r> {
    match remark {
        Some((code, message)) => Remark::Say { code, message },
        None => Remark::Nothing,
    }
}

/// The failure of a run, by the step that failed.
fn failure(error: &Error) -> Ending {
    match error {
        Error::NoPushBranch => Ending::NoPushBranch,
        Error::Registry { .. } => Ending::Registry(error.chain()),
        Error::Git { doing: Doing::Push | Doing::PushRefspec, .. }
        | Error::Message(_)
        | Error::Submit { .. }
        | Error::Unsigned(_)
        | Error::Declined { .. }
        | Error::Busy { .. }
        | Error::RaceLost { .. }
        | Error::LeaseLost { .. }
        | Error::NoRefspecSource { .. }
        | Error::Forge { .. }
        | Error::NoForgeLogin { .. }
        | Error::Unsealed { .. }
        | Error::SharedBranch { .. }
        | Error::Diverged { .. }
        | Error::FarBehind { .. } => Ending::Push(error.chain()),
        Error::Git { doing: Doing::Open | Doing::Read | Doing::ReadHistory | Doing::Fetch, .. }
        | Error::NoTagInRange { .. }
        | Error::GroupBranch { .. }
        | Error::NotACommitId { .. } => Ending::Checkout(error.chain()),
    }
}

/// What the guards hold, the first of it in a sentence.
fn held(report: &AutomationReport) -> Option<(&'static str, String)> {
    if let (Outcome::Held { reason }, []) = (&report.outcome, report.holds.as_slice()) {
        return Some(("held", reason.clone()));
    }
    let Held { hold, file, line, .. } = report.holds.first()?;
    let more = match report.holds.len() {
        1 => String::new(),
        count => format!(" (and {} more fields)", count - 1),
    };
    Some((hold.code(), format!("{file}:{line}: {hold}{more}")))
}

/// What was found beside the work, the first of it in a sentence.
fn findings(report: &AutomationReport) -> Option<(&'static str, String)> {
    if let Outcome::Pushed { missed: Some(error), .. } = &report.outcome {
        return Some(match error {
            Error::Forge { .. } | Error::NoForgeLogin { .. } => {
                ("pull-request", format!("the pull request is not as it should be: {}", error.chain()))
            }
            _ => ("second-destination", format!("the second destination did not get it: {}", error.chain())),
        });
    }
    if let Some(reason) = &report.idle {
        return Some(("nothing-to-write", format!("nothing can be written: {reason}")));
    }
    let gravest: &Diagnostic = report.diagnostics.iter().max_by_key(|finding| finding.code.severity())?;
    let finding = AutomationFinding::from(gravest);
    let more = match report.diagnostics.len() {
        1 => String::new(),
        count => format!(" (and {} more findings)", count - 1),
    };
    Some(("findings", format!("{}: {}{more}", finding.place(), finding.message)))
}

/// An `ImageUpdateAutomation` ran.
pub(super) fn ran(ran: Ran) -> Judge {
    Arc::new(move |seen| {
        let policies = ran.selected();
        let observed = automation::Observed { policies: &policies, revision: &ran.revision };
        let refspecs: Vec<&str> = ran.refspec.iter().map(String::as_str).collect();
        let outcome = match &ran.result {
            Ending::UpToDate => automation::Outcome::UpToDate(observed),
            Ending::Pushed(commit) => automation::Outcome::Pushed(observed, push(&ran, commit, &refspecs)),
            Ending::NoPushBranch => automation::Outcome::NoPushBranch,
            Ending::Checkout(error) => automation::Outcome::CheckoutFailed(error),
            Ending::Push(error) => automation::Outcome::PushFailed(error),
            Ending::Registry(error) => automation::Outcome::RewriteFailed(error),
        };
        automation::verdict(seen, &automation::Run { started: ran.began, outcome }, &ran.remarks())
    })
}

/// A suspended object is left alone; only what asked for a pass is taken note of.
pub(super) fn suspended(what: What) -> Judge {
    Arc::new(move |seen| {
        let status = match what {
            What::Automation => automation::suspended(seen),
            _ => flux::suspended(seen),
        };
        Verdict { status, events: Vec::new(), ending: flux::Ending::Ready }
    })
}

/// A run was given up.
pub(super) fn lost(what: What, message: String, began: Timestamp) -> Judge {
    Arc::new(move |seen| match what {
        What::Native => {
            let outcome = native::Outcome::Internal(&message);
            let run = native::Run { started: Some(began), selected: None, outcome };
            native::verdict(seen, &run, &Remarks::default())
        }
        _ => {
            let run = automation::Run { started: began, outcome: automation::Outcome::Failed(&message) };
            automation::verdict(seen, &run, &Remarks::default())
        }
    })
}

/// An `ImageAutomation` ran; `unpolled` is why tags of its images could not be read, if they could not.
pub(super) fn ran_native(ran: Ran, unpolled: Option<Unpolled>) -> Judge {
    Arc::new(move |seen| {
        let selected = ran.selected();
        let refspecs: Vec<&str> = ran.refspec.iter().map(String::as_str).collect();
        let outcome = match (&ran.result, &unpolled) {
            (Ending::Pushed(commit), _) => native::Outcome::Pushed(push(&ran, commit, &refspecs)),
            (Ending::NoPushBranch, _) => native::Outcome::Rejected("no push branch is given, and none can be inferred"),
            (Ending::Checkout(error) | Ending::Push(error) | Ending::Registry(error), _) => {
                failed(ran.kind.unwrap_or(Kind::Internal), error)
            }
            (Ending::UpToDate, Some(Unpolled { kind, error })) => failed(*kind, error),
            (Ending::UpToDate, None) => native::Outcome::UpToDate,
        };
        let run = native::Run { started: Some(ran.began), selected: Some(&selected), outcome };
        native::verdict(seen, &run, &ran.remarks())
    })
}

/// A run that is made again, whatever it calls for.
fn failed(kind: Kind, error: &str) -> native::Outcome<'_> {
    match kind {
        Kind::Transient => native::Outcome::Transient(error),
        // A tag that is missing, say: the specification is not to blame before somebody has looked.
        Kind::Denied | Kind::Config => native::Outcome::Denied(error),
        Kind::Internal => native::Outcome::Internal(error),
    }
}

fn push<'r>(ran: &'r Ran, commit: &'r str, refspecs: &'r [&'r str]) -> automation::Push<'r> {
    automation::Push { commit, branch: &ran.branch, refspecs, message: &ran.message, at: ran.ended }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::config;

    const POLICY: &str = "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app, namespace: default}
spec: {image: ghcr.io/acme/app, interval: 1m}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app, namespace: default}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: 1.x}}}
";

    /// A registry that is down leaves a policy ready as long as it is the one that has selected; a new range is not ready by what the
    /// old one selected.
    #[test]
    fn a_selection_counts_for_the_specification_that_made_it() {
        let policy = config::parse("policy.yaml", POLICY).unwrap().policies[0].clone();
        let selection = Err(Lack::NoAnswer("the registry is down".to_owned()));
        let latest = image::Reference::parse("ghcr.io/acme/app:1.0.0").unwrap();
        let report = PolicyReport { selection, ..PolicyReport::published(&policy, &latest) };
        let judge =
            evaluated(&Arc::new(report), "ghcr.io/acme/app".to_owned(), false, Duration::from_secs(30)).unwrap();
        let check = |generation: i64, ready: &str, observed: i64| {
            let status = json!({"observedGeneration": 1, "latestRef": {"name": "ghcr.io/acme/app", "tag": "1.0.0"}});
            let seen = Seen { generation, status: &status, requested: None, now: Timestamp::UNIX_EPOCH };
            let status = judge(&seen).status;
            let conditions = status["conditions"].as_array().unwrap();
            let found = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
            assert_eq!(
                (&found["status"], &status["observedGeneration"]),
                (&json!(ready), &json!(observed)),
                "{status}"
            );
            assert_eq!(status["latestRef"]["tag"], "1.0.0");
        };
        check(1, "True", 1);
        check(2, "False", 1);
    }

    #[test]
    fn a_tag_that_moved_is_told_beside_what_is_selected() {
        let policy = config::parse("policy.yaml", POLICY).unwrap().policies[0].clone();
        let latest = image::Reference::parse("ghcr.io/acme/app:1.0.0").unwrap();
        let digest = |digit: &str| image::Digest::parse(&format!("sha256:{}", digit.repeat(64))).unwrap();
        let tag = latest.tag.clone().unwrap();
        let moved = MovedTag { image: "ghcr.io/acme/app".to_owned(), tag, before: digest("1"), now: digest("2") };
        let told = |moved: Vec<MovedTag>| {
            let report = PolicyReport { moved, ..PolicyReport::published(&policy, &latest) };
            let judge =
                evaluated(&Arc::new(report), "ghcr.io/acme/app".to_owned(), true, Duration::from_secs(30)).unwrap();
            let status = json!({"observedGeneration": 1, "latestRef": {"name": "ghcr.io/acme/app", "tag": "1.0.0"}});
            let seen = Seen { generation: 1, status: &status, requested: None, now: Timestamp::UNIX_EPOCH };
            let events = judge(&seen).events;
            let told = events.into_iter().filter(|event| event.reason == "TagMoved");
            told.map(|event| (event.severity.event_type(), event.message)).collect::<Vec<_>>()
        };
        let sentence = "ghcr.io/acme/app:1.0.0 moved from sha256:111111111111 to sha256:222222222222, though tags like it name one release";
        assert_eq!(told(vec![moved]), [("Warning", sentence.to_owned())]);
        assert_eq!(told(Vec::new()), []);
    }

    #[test]
    fn a_failure_is_said_of_the_step_that_failed() {
        let failed = |doing| {
            let source = git::Error::Tls { remote: "git.example.com".to_owned(), what: "certificate", source: None };
            let error = Error::git(doing, "https://git.example.com/config", source);
            match failure(&error) {
                Ending::Push(said) => ("update", said),
                Ending::Checkout(said) => ("checkout", said),
                other => panic!("{other:?}"),
            }
        };
        for (doing, step, says) in [
            (Doing::Open, "checkout", "cannot open "),
            (Doing::Read, "checkout", "cannot read "),
            (Doing::ReadHistory, "checkout", "cannot read the history of "),
            (Doing::Fetch, "checkout", "cannot fetch from "),
            (Doing::Push, "update", "cannot push to "),
            (Doing::PushRefspec, "update", "cannot push the refspec to "),
        ] {
            let (found, said) = failed(doing);
            assert!(found == step && said.starts_with(says), "{doing:?}: {found} {said}");
        }
    }
}
