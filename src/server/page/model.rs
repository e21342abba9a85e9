//! Rows as pages show them: each with its state, a link and the command that helps.

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;
use tagwright_core::freeze::Selector;
use tagwright_core::pages::Pages;

use super::act::Action;
use crate::report::status;
use crate::store::Switch;
use crate::wire::HeldField;
use crate::wire::freeze::{FreezeKind, FreezeStatus};
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

/// Something that can be ordered: by a button for whoever may act, and otherwise by its command.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) label: &'static str,
    /// What it is about.
    pub(super) of: String,
    pub(super) link: String,
    pub(super) command: String,
}

impl Offer {
    pub(super) fn new(action: Action, of: &str) -> Self {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("of", of).finish();
        let link = format!("/do/{}?{query}", action.as_str());
        Self { label: action.label(), of: of.to_owned(), link, command: action.command(of) }
    }

    /// What only a command does.
    fn command(command: impl Into<String>) -> Self {
        Self { label: "", of: String::new(), link: String::new(), command: command.into() }
    }
}

/// That somebody has held or suspended something.
pub(super) struct ByHand {
    pub(super) since: Timestamp,
    /// Empty where that is not known.
    pub(super) by: String,
    pub(super) reason: String,
}

impl ByHand {
    pub(super) fn of(switch: &Switch, by: &str) -> Self {
        Self { since: switch.since, by: by.to_owned(), reason: switch.reason.clone().unwrap_or_default() }
    }
}

/// Something that needs attention.
pub(super) struct Attention {
    pub(super) state: State,
    pub(super) what: String,
    pub(super) link: String,
    pub(super) sentence: String,
    pub(super) offer: Option<Offer>,
}

/// What needs attention, the gravest first.
pub(super) fn attention(status: &Status) -> Vec<Attention> {
    let mut rows = Vec::new();
    let row = |state, what: &str, sentence: String, offer: Option<Offer>| Attention {
        state,
        what: what.to_owned(),
        link: link_of(what),
        sentence,
        offer,
    };
    let command = |command: &str| Some(Offer::command(command));
    if let Some(failure) = &status.configuration.failure {
        let sentence = format!("cannot be used since {:.0}, and an older one is: {}", failure.since, failure.message);
        rows.push(row(State::Failing, "the configuration", sentence, command("tagwright check")));
    }
    if let Some(failure) = &status.data_failure {
        rows.push(row(State::Failing, "the data directory", failure.clone(), command("tagwright doctor")));
    }
    for registry in &status.registries {
        if let Some(sentence) = status::throttled(registry, status.written) {
            rows.push(Attention {
                link: "/registries".to_owned(),
                ..row(State::Waiting, &registry.host, sentence, None)
            });
        }
    }
    for policy in &status.policies {
        if State::of_policy(policy) == State::Failing {
            let name = policy.id().marker();
            rows.push(row(
                State::Failing,
                &name,
                policy.message.clone(),
                command(&format!("tagwright explain {name}")),
            ));
        }
    }
    for automation in &status.automations {
        let name = automation.id().to_string();
        match State::of_automation(automation) {
            State::Failing => {
                rows.push(row(State::Failing, &name, automation.message.clone(), command("tagwright doctor")));
            }
            State::Suspended => {
                let sentence = status::message(true, &automation.message);
                rows.push(row(State::Suspended, &name, sentence, Some(Offer::new(Action::Resume, &name))));
            }
            State::Current | State::Waiting => {}
        }
        // What waits for a time needs nobody.
        let held: Vec<&HeldField> = automation.holds.iter().filter(|hold| needs_somebody(hold)).collect();
        if let Some(first) = held.first() {
            let sentence = format!("{} held: {}", words::plural(held.len(), "update"), first.reason);
            rows.push(row(State::Waiting, &name, sentence, lets_go(first)));
        }
        let findings = automation.findings.len() + automation.more_findings;
        if let Some(first) = automation.findings.first() {
            let sentence =
                format!("{}, first {}: {}", words::plural(findings, "finding"), first.place(), first.message);
            rows.push(row(State::Waiting, &name, sentence, command("tagwright check --remote")));
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

/// What lets go of what is held; none where only time or another tag does.
fn lets_go(hold: &HeldField) -> Option<Offer> {
    match hold.code.as_str() {
        "manual" | "reverted" | "declined" | "contested" => Some(Offer::new(Action::Release, &hold.policy)),
        "too-young" => Some(Offer::new(Action::Hurry, &hold.policy)),
        _ => None,
    }
}

/// Whether somebody has to do something about a hold, or wants to know of it; others end by themselves.
fn needs_somebody(hold: &HeldField) -> bool {
    !matches!(hold.code.as_str(), "window" | "too-young" | "frozen" | "together")
}

/// Something that waits for a time: a window, an age, the end of a freeze.
pub(super) struct Waits {
    pub(super) what: String,
    pub(super) link: String,
    pub(super) sentence: String,
}

/// How many things that wait are shown.
const WAITS: usize = 10;

/// What waits for a time to come, and needs nobody.
pub(super) fn waiting(status: &Status) -> Vec<Waits> {
    let of_time = |hold: &&HeldField| !needs_somebody(hold);
    let holds = status.automations.iter().filter_map(|automation| {
        let mut holds = automation.holds.iter().filter(of_time);
        let (first, more) = (holds.next()?, holds.count());
        let name = automation.id().to_string();
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let sentence = format!("{} waits with {}{more}: {}", first.policy, first.wanted, first.reason);
        Some(Waits { link: link_of(&name), what: name, sentence })
    });
    holds.take(WAITS).collect()
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
    pub(super) message: String,
}

impl User {
    pub(super) fn of(automation: &ObjectName, status: &Status) -> Self {
        let what = automation.to_string();
        let known = status.automations.iter().find(|it| it.id() == *automation);
        let message = known.map(|it| status::message(it.suspended, &it.message)).unwrap_or_default();
        Self { link: link_of(&what), what, message }
    }
}

/// A freeze.
pub(super) struct FreezeRow {
    pub(super) active: bool,
    pub(super) sentence: String,
    /// Who ordered it; empty where that is not known.
    pub(super) by: String,
    pub(super) offer: Option<Offer>,
}

impl FreezeRow {
    pub(super) fn of(freeze: &FreezeStatus, by: String) -> Self {
        let ends = matches!(freeze.kind, FreezeKind::Hand | FreezeKind::Exception);
        Self {
            active: freeze.active,
            sentence: status::freeze(freeze),
            by,
            offer: ends.then(|| Offer::new(Action::Unfreeze, &freeze.selector)),
        }
    }
}

/// A field that is held.
pub(super) struct HoldRow {
    pub(super) automation: String,
    pub(super) link: String,
    pub(super) policy_link: String,
    pub(super) field: HeldField,
    /// The line at the forge, as of the last commit there was; empty where that is not known.
    pub(super) place: String,
    pub(super) offer: Option<Offer>,
}

impl HoldRow {
    /// Those of an automation.
    pub(super) fn of(automation: AutomationStatus) -> impl Iterator<Item = Self> {
        let name = automation.id().to_string();
        let link = link_of(&name);
        let at = Pages::of(&automation.remote).zip(automation.last_commit);
        automation.holds.into_iter().map(move |field| Self {
            automation: name.clone(),
            link: link.clone(),
            policy_link: link_of(&field.policy),
            place: at.as_ref().map(|(forge, commit)| forge.line(commit, &field.file, field.line)).unwrap_or_default(),
            offer: lets_go(&field),
            field,
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
