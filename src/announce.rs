//! What happened, as events for those who are told of it. What is worth an event is decided where it happens; here are its words.

mod in_use;
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use notify::{About, Change, Commit, Event, Incident, Kind, Name, Severity};
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::change::Diagnostic;
use tagwright_core::pages::Pages;
use tagwright_core::plan::FileEdit;

use crate::failure::Failure;
use crate::observe;
use crate::run::{AutomationReport, Cause, Error, GroupReport, MovedTag, Outcome, PolicyReport, Report};

pub(crate) use self::in_use::{InUse, in_use, tell_sources};
pub(crate) use self::memory::{
    OF_CONFIGURATION, Part, is_digest_of, kept, of_automation, of_digest, of_image, of_remote, over, since, told,
};

/// Something that fails, or works again.
pub(crate) struct Trouble<'t> {
    /// What tells it from all else.
    pub(crate) subject: String,
    /// What people call it.
    pub(crate) what: &'t str,
    /// The host that is to blame, if one is.
    pub(crate) cause: Option<&'t Cause>,
    /// What it concerns.
    pub(crate) about: About,
}

/// The name of an object.
pub(crate) fn name(id: &ObjectName) -> Name {
    Name { namespace: id.namespace.clone(), name: id.name.clone() }
}

/// An event that says what kind of object it is about.
pub(crate) fn named<'a>(mut event: Event, mut automations: impl Iterator<Item = &'a Arc<Automation>>) -> Event {
    let first = event.about.automations.first();
    let found = first.and_then(|first| automations.find(|it| name(&it.id) == *first));
    let object = |it: &Arc<Automation>| notify::Object { api_version: it.origin.api_version(), kind: it.origin.kind() };
    event.about.object = found.map(object);
    event
}

/// That something fails, or is rejected by the remote.
pub(crate) fn fails(
    trouble: Trouble<'_>,
    (error, hint): (&str, Option<&str>),
    is_rejected: bool,
    at: Timestamp,
) -> Event {
    let Trouble { subject, what, cause, about } = trouble;
    let message = match cause {
        Some(Cause { host, reason }) => format!("{host} fails: {reason}"),
        None if error.contains(what) => error.to_owned(),
        None => format!("{what}: {error}"),
    };
    Event {
        kind: if is_rejected { Kind::Rejected } else { Kind::Failing },
        severity: Severity::Error,
        about,
        message,
        hint: hint.map(str::to_owned),
        at,
        commit: None,
        incident: Some(Incident { subject, host: cause.map(|cause| cause.host.clone()) }),
    }
}

/// How something ends that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It works again.
    Works,
    /// Nobody needs it any more.
    Gone,
}

/// That something works again, or is no concern of ours any more.
pub(crate) fn works(trouble: Trouble<'_>, end: End, at: Timestamp) -> Event {
    let Trouble { subject, what, cause, about } = trouble;
    let what = cause.map_or(what, |cause| cause.host.as_str());
    let message = match end {
        End::Works => format!("{what} works again"),
        End::Gone => format!("{what} is not used any more"),
    };
    Event {
        kind: Kind::Recovered,
        severity: Severity::Info,
        about,
        message,
        hint: None,
        at,
        commit: None,
        incident: Some(Incident { subject, host: cause.map(|cause| cause.host.clone()) }),
    }
}

/// Whether the remote did not take what was pushed.
pub(crate) const fn is_rejected(error: &Error) -> bool {
    matches!(error, Error::Declined { .. } | Error::Diverged { .. } | Error::FarBehind { .. })
}

/// What a run of an automation is about: itself, and these policies.
fn about(report: &AutomationReport, policies: Vec<Name>) -> About {
    let remote = Some(report.url.clone());
    About { automations: vec![name(&report.id)], policies, remote, ..About::default() }
}

/// The policy of a marker, `namespace:name`.
fn policy(marker: &str) -> Option<Name> {
    let (namespace, name) = marker.split_once(':')?;
    Some(Name { namespace: namespace.to_owned(), name: name.to_owned() })
}

fn plain(kind: Kind, severity: Severity, about: About, message: String, at: Timestamp) -> Event {
    Event { kind, severity, about, message, hint: None, at, commit: None, incident: None }
}

/// The commits that a run of an automation has pushed: one, or one for each group of its changes.
pub(crate) fn pushed(report: &AutomationReport, at: Timestamp) -> Vec<Event> {
    let of_group = |group: &GroupReport| {
        let commit = group.commit.clone()?;
        let who = format!("{} ({})", report.id, group.name);
        let pushed = Pushed { commit, branch: &group.branch, edits: &group.edits, request: group.request.as_ref() };
        Some(commit_event(report, &who, pushed, at))
    };
    match &report.outcome {
        _ if !report.groups.is_empty() => report.groups.iter().filter_map(of_group).collect(),
        Outcome::Pushed { commit, .. } => {
            let (branch, request) = (&report.branch, report.request.as_ref());
            let pushed = Pushed { commit: commit.clone(), branch, edits: &report.edits, request };
            vec![commit_event(report, &report.id.to_string(), pushed, at)]
        }
        _ => Vec::new(),
    }
}

/// A commit that was pushed.
struct Pushed<'p> {
    commit: String,
    branch: &'p str,
    edits: &'p [FileEdit],
    request: Option<&'p String>,
}

fn commit_event(report: &AutomationReport, who: &str, pushed: Pushed<'_>, at: Timestamp) -> Event {
    let Pushed { commit, branch, edits, request } = pushed;
    let all = edits.iter().flat_map(|edit| &edit.changes);
    let changes: Vec<Change> = all
        .map(|it| Change {
            file: it.file.clone(),
            line: it.line,
            old: it.old.clone(),
            new: it.new.clone(),
            policy: it.setter.clone(),
        })
        .collect();
    let mut policies: Vec<Name> = Vec::new();
    for marker in edits.iter().flat_map(|edit| &edit.changes).map(|change| change.policy()) {
        let found = policy(marker).filter(|found| !policies.contains(found));
        policies.extend(found);
    }
    let count = match &report.submitted {
        None => words::plural(changes.len(), "change"),
        Some(planned) => format!("{} of what was submitted", planned.tally().join(", ")),
    };
    let mut message = format!("{who}: pushed {} to {branch} of {}, {count}", words::short(&commit), report.url);
    if let Some(request) = request {
        message.push_str("; ");
        message.push_str(request);
    }
    let page = Pages::of(&report.url).map(|pages| pages.commit(&commit));
    let event = plain(Kind::Pushed, Severity::Info, about(report, policies), message, at);
    Event { commit: Some(Commit { id: commit, branch: branch.to_owned(), page, changes }), ..event }
}

/// That an update is held: the policy by its marker, the value, and why.
pub(crate) fn held(report: &AutomationReport, (marker, wanted, reason): (&str, &str, &str), at: Timestamp) -> Event {
    let message = format!("{}: {wanted} is held ({marker}): {reason}", report.id);
    plain(Kind::Held, Severity::Info, about(report, policy(marker).into_iter().collect()), message, at)
}

/// That there is something in the repository to look at.
pub(crate) fn finding(report: &AutomationReport, finding: &Diagnostic, at: Timestamp) -> Event {
    let Diagnostic { file, line, code, message, .. } = finding;
    let place = match (file.as_str(), line) {
        ("", _) => String::new(),
        (file, 0) => format!("{file}: "),
        (file, line) => format!("{file}:{line}: "),
    };
    let is_note = code.severity() == tagwright_core::change::Severity::Note;
    let severity = if is_note { Severity::Info } else { Severity::Error };
    plain(Kind::Finding, severity, about(report, Vec::new()), format!("{}: {place}{code} {message}", report.id), at)
}

/// That a tag of a release has moved, as a policy of it has found.
pub(crate) fn moved(report: &PolicyReport, moved: &MovedTag, automations: Vec<Name>, at: Timestamp) -> Event {
    let about = About {
        automations,
        policies: vec![name(&report.id)],
        repositories: vec![name(&report.policy.repository.id)],
        ..About::default()
    };
    plain(Kind::MovedTag, Severity::Error, about, moved.to_string(), at)
}

/// What a single run came to: its commits, what failed, and tags that moved. Findings and holds were there before, perhaps.
pub(crate) fn of_run(report: &Report, automations: &[Arc<Automation>], at: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    for error in &report.failures {
        let Error::Registry { image, .. } = error else { continue };
        let is_of = |policy: &ImagePolicy| {
            let rest = image.strip_prefix(policy.repository.image.name());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        };
        let mut found: BTreeMap<String, About> = BTreeMap::new();
        let concerned = automations.iter().map(|it| (it, it.policies.iter().filter(|policy| is_of(policy))));
        for (automation, policies) in concerned {
            for ImagePolicy { id, repository, .. } in policies.map(|it| &**it) {
                let about = found.entry(of_image(&observe::image_key(repository))).or_default();
                add(&mut about.automations, name(&automation.id));
                add(&mut about.policies, name(id));
                add(&mut about.repositories, name(&repository.id));
            }
        }
        for (subject, about) in found {
            events.push(failed(subject, image, error, about, at));
        }
    }
    for policy in &report.policies {
        let users = automations.iter().filter(|it| it.policies.iter().any(|other| other.id == policy.id));
        let users: Vec<Name> = users.map(|it| name(&it.id)).collect();
        events.extend(policy.moved.iter().map(|it| moved(policy, it, users.clone(), at)));
    }
    for automation in &report.automations {
        events.extend(pushed(automation, at));
        if let Some(error) = automation.outcome.error() {
            let what = automation.id.to_string();
            // What ails a remote ails all of its automations.
            let subject = match error {
                Error::Git { url, .. } => of_remote(url),
                _ => of_automation(&what),
            };
            events.push(failed(subject, &what, error, about(automation, Vec::new()), at));
        }
    }
    events
}

fn add(names: &mut Vec<Name>, name: Name) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn failed(subject: String, what: &str, error: &Error, about: About, at: Timestamp) -> Event {
    let (failure, cause) = (Failure::from(error), error.cause());
    let trouble = Trouble { subject, what, cause: cause.as_ref(), about };
    fails(trouble, (&failure.line(), failure.hint()), is_rejected(error), at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tagwright_core::change;

    use super::*;

    fn edits(policy: &str) -> Vec<FileEdit> {
        let change = change::Change {
            file: "app.yaml".to_owned(),
            line: 7,
            object: change::ObjectIdentity::default(),
            old: "app:1".to_owned(),
            new: "app:2".to_owned(),
            setter: format!("shop:{policy}:tag"),
        };
        let (old, new) = (Vec::new(), Vec::new());
        vec![FileEdit { path: "app.yaml".to_owned(), old, new, changes: vec![change], changed: vec![0] }]
    }

    fn report() -> AutomationReport {
        let id = ObjectName { namespace: "shop".to_owned(), name: "prod".to_owned() };
        AutomationReport {
            branch: "main".to_owned(),
            outcome: Outcome::Pushed { commit: "c0ffee00".to_owned(), missed: None },
            edits: edits("web"),
            ..AutomationReport::new(id, "https://github.com/acme/config".to_owned())
        }
    }

    #[test]
    fn each_commit_is_told() {
        let told = |report: &AutomationReport| -> Vec<(String, String)> {
            let events = pushed(report, Timestamp::UNIX_EPOCH);
            let named = |event: Event| {
                assert_eq!(event.about.policies.len(), 1, "{event:?}");
                (event.message, event.commit.unwrap().page.unwrap())
            };
            events.into_iter().map(named).collect()
        };
        let page = |commit: &str| format!("https://github.com/acme/config/commit/{commit}");
        let one = "shop/prod: pushed c0ffee0 to main of https://github.com/acme/config, 1 change";
        assert_eq!(told(&report()), [(one.to_owned(), page("c0ffee00"))]);
        let group = |name: &str, commit: Option<&str>| GroupReport {
            name: format!("policy shop:{name}"),
            branch: format!("tagwright/{name}"),
            outcome: "pushed",
            commit: commit.map(str::to_owned),
            edits: edits(name),
            remarks: Vec::new(),
            message: String::new(),
            request: Some("pull request #12 was opened".to_owned()),
            error: String::new(),
        };
        let groups = vec![group("web", Some("0123456789")), group("api", None), group("db", Some("abcdef0123"))];
        let of = |name: &str, short: &str| {
            let at = "https://github.com/acme/config, 1 change; pull request #12 was opened";
            format!("shop/prod (policy shop:{name}): pushed {short} to tagwright/{name} of {at}")
        };
        let grouped = AutomationReport { groups, edits: Vec::new(), ..report() };
        let expect = [(of("web", "0123456"), page("0123456789")), (of("db", "abcdef0"), page("abcdef0123"))];
        assert_eq!(told(&grouped), expect);
        let nothing = AutomationReport { outcome: Outcome::Unchanged, ..report() };
        assert!(told(&nothing).is_empty());
    }
}
