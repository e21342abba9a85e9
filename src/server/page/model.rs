//! Rows as pages show them: each with its state, a link and the command that helps.

use tagwright_core::freeze::Selector;

use crate::report::{plural, status};
use crate::wire::HeldField;
use crate::wire::freeze::FreezeStatus;
use crate::wire::status::{AutomationStatus, PolicyStatus, Ready, Status};

/// The state of something, told by word, sign and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Current,
    Waiting,
    Failing,
    Suspended,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Waiting => "waiting",
            Self::Failing => "failing",
            Self::Suspended => "suspended",
        }
    }

    pub(super) const fn class(self) -> &'static str {
        self.word()
    }

    pub(super) const fn icon(self) -> &'static str {
        match self {
            Self::Current => "✓",
            Self::Waiting => "◷",
            Self::Failing => "✗",
            Self::Suspended => "‖",
        }
    }

    pub(super) const fn of_policy(policy: &PolicyStatus) -> Self {
        match policy.ready {
            _ if policy.suspended => Self::Suspended,
            Ready::True => Self::Current,
            Ready::False => Self::Failing,
            Ready::Unknown => Self::Waiting,
        }
    }

    pub(super) const fn of_automation(automation: &AutomationStatus) -> Self {
        match automation.ready {
            _ if automation.suspended => Self::Suspended,
            Ready::False => Self::Failing,
            Ready::True if automation.holds.is_empty() => Self::Current,
            Ready::True | Ready::Unknown => Self::Waiting,
        }
    }
}

/// The page of an automation or a policy by its name; empty where it has none.
pub(super) fn link_of(name: &str) -> String {
    let (kind, name) = match Selector::parse(name) {
        Some(Selector::Automation(name)) => ("automations", name),
        Some(Selector::Policy(name)) => ("policies", name),
        _ => return String::new(),
    };
    let mut url = url::Url::parse("http://localhost/").ok();
    if let Some(mut segments) = url.as_mut().and_then(|url| url.path_segments_mut().ok()) {
        segments.pop_if_empty().extend([kind, &name.namespace, &name.name]);
    }
    url.map_or_else(String::new, |url| url.path().to_owned())
}

/// Something that needs attention.
pub(super) struct Attention {
    pub(super) state: State,
    pub(super) what: String,
    pub(super) link: String,
    pub(super) sentence: String,
    pub(super) command: String,
}

/// What needs attention, the gravest first.
pub(super) fn attention(status: &Status) -> Vec<Attention> {
    let mut rows = Vec::new();
    let row = |state, what: &str, sentence: String, command: String| Attention {
        state,
        what: what.to_owned(),
        link: link_of(what),
        sentence,
        command,
    };
    if let Some(failure) = &status.configuration.failure {
        let sentence = format!("cannot be used since {:.0}, and an older one is: {}", failure.since, failure.message);
        rows.push(row(State::Failing, "the configuration", sentence, "tagwright check".to_owned()));
    }
    if let Some(failure) = &status.data_failure {
        rows.push(row(State::Failing, "the data directory", failure.clone(), "tagwright doctor".to_owned()));
    }
    for policy in &status.policies {
        if State::of_policy(policy) == State::Failing {
            let name = policy.id().marker();
            rows.push(row(State::Failing, &name, policy.message.clone(), format!("tagwright explain {name}")));
        }
    }
    for automation in &status.automations {
        let name = automation.id().to_string();
        match State::of_automation(automation) {
            State::Failing => {
                rows.push(row(State::Failing, &name, automation.message.clone(), "tagwright doctor".to_owned()));
            }
            State::Suspended => {
                let sentence = status::message(true, &automation.message);
                rows.push(row(State::Suspended, &name, sentence, format!("tagwright resume {name}")));
            }
            State::Current | State::Waiting => {}
        }
        if let Some(first) = automation.holds.first() {
            let sentence = format!("{} held: {}", plural(automation.holds.len(), "update"), first.reason);
            rows.push(row(State::Waiting, &name, sentence, command(first)));
        }
        let findings = automation.findings.len() + automation.more_findings;
        if let Some(first) = automation.findings.first() {
            let sentence = format!("{}, first {}: {}", plural(findings, "finding"), first.place(), first.message);
            rows.push(row(State::Waiting, &name, sentence, "tagwright check --remote".to_owned()));
        }
    }
    // The sort keeps the order of those that are alike.
    rows.sort_by_key(|row| match row.state {
        State::Failing => 0,
        State::Waiting => 1,
        State::Suspended | State::Current => 2,
    });
    rows
}

/// The command that lets go of what is held; none where only time or another tag does.
fn command(hold: &HeldField) -> String {
    match hold.code.as_str() {
        "manual" | "reverted" | "declined" | "contested" => format!("tagwright release {}", hold.policy),
        _ => String::new(),
    }
}

/// A policy in a list.
pub(super) struct PolicyRow {
    pub(super) state: State,
    pub(super) policy: PolicyStatus,
}

impl PolicyRow {
    pub(super) fn of(policy: PolicyStatus) -> Self {
        Self { state: State::of_policy(&policy), policy }
    }
}

/// Whether a search finds a policy: each word of it has to be in its name or image, or narrow it by `ns:`, `image:` or `state:`.
pub(super) fn finds(query: &str, row: &PolicyRow) -> bool {
    let name = row.policy.id().marker();
    query.split_whitespace().all(|word| match word.split_once(':') {
        Some(("ns", namespace)) => row.policy.namespace == namespace,
        Some(("image", image)) => row.policy.image.contains(image),
        Some(("state", state)) => row.state.word() == state,
        _ => name.contains(word) || row.policy.image.contains(word),
    })
}

/// An automation in a list.
pub(super) struct AutomationRow {
    pub(super) state: State,
    pub(super) automation: AutomationStatus,
}

impl AutomationRow {
    pub(super) fn of(automation: AutomationStatus) -> Self {
        Self { state: State::of_automation(&automation), automation }
    }
}

/// An automation that has to do with a policy.
pub(super) struct User {
    pub(super) what: String,
    pub(super) link: String,
}

impl User {
    pub(super) fn of(automation: &AutomationStatus) -> Self {
        let what = automation.id().to_string();
        Self { link: link_of(&what), what }
    }
}

/// A freeze.
pub(super) struct FreezeRow {
    pub(super) active: bool,
    pub(super) sentence: String,
}

impl FreezeRow {
    pub(super) fn of(freeze: &FreezeStatus) -> Self {
        Self { active: freeze.active, sentence: status::freeze(freeze) }
    }
}

/// A field that is held.
pub(super) struct HoldRow {
    pub(super) automation: String,
    pub(super) link: String,
    pub(super) field: HeldField,
    pub(super) command: String,
}

impl HoldRow {
    /// Those of an automation.
    pub(super) fn of(automation: AutomationStatus) -> impl Iterator<Item = Self> {
        let name = automation.id().to_string();
        let link = link_of(&name);
        automation.holds.into_iter().map(move |field| {
            let command = command(&field);
            Self { automation: name.clone(), link: link.clone(), field, command }
        })
    }
}

/// A line of a diff.
pub(super) struct DiffLine {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The lines of a unified diff.
pub(super) fn diff_lines(diff: &str) -> Vec<DiffLine> {
    let class = |line: &str| match line.as_bytes() {
        [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] | [b'@', ..] => "head",
        [b'+', ..] => "new",
        [b'-', ..] => "old",
        _ => "same",
    };
    diff.lines().map(|line| DiffLine { class: class(line), text: line.to_owned() }).collect()
}
