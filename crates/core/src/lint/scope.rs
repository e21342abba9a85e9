//! Which policies a file is checked against.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::text::MarkedText;
use super::{Finding, Rules};
use crate::automation::{Automation, ImagePolicy};
use crate::change::Code;
use crate::edit::advice::{self, Similar};
use crate::marker::Marker;

/// How many different unknown policies are compared with the known ones.
const MAX_COMPARED: usize = 200;

/// How many paths a hint lists.
const MAX_LISTED: usize = 5;

/// The automations that read a file, and their policies.
pub(super) struct Scope<'r> {
    pub(super) automations: Vec<&'r Automation>,
    /// By `namespace:name`.
    policies: BTreeMap<String, &'r ImagePolicy>,
    /// Whether there are automations at all.
    configured: bool,
}

impl<'r> Scope<'r> {
    /// Whether no automation reads the file.
    pub(super) fn is_empty(&self) -> bool {
        self.configured && self.automations.is_empty()
    }

    /// The policy of this name, `namespace:name`.
    pub(super) fn policy(&self, name: &str) -> Option<&'r ImagePolicy> {
        self.policies.get(name).copied()
    }
}

/// The scopes of all files, each made once.
pub(super) struct Scopes<'r> {
    rules: Rules<'r>,
    /// By the positions of the automations.
    known: BTreeMap<Vec<usize>, Rc<Scope<'r>>>,
    /// Hints about unknown policies, each composed once.
    hints: BTreeMap<String, String>,
}

impl<'r> Scopes<'r> {
    pub(super) fn new(rules: Rules<'r>) -> Self {
        Self { rules, known: BTreeMap::new(), hints: BTreeMap::new() }
    }

    pub(super) fn rules(&self) -> Rules<'r> {
        self.rules
    }

    /// The scope of a file.
    pub(super) fn of(&mut self, path: &str) -> Rc<Scope<'r>> {
        let automations = self.rules.automations;
        let reading: Vec<usize> = (0..automations.len()).filter(|&at| automations[at].reads(path)).collect();
        let rules = self.rules;
        Rc::clone(self.known.entry(reading).or_insert_with_key(|reading| Rc::new(scope(rules, reading))))
    }

    /// What to do about a marker whose policy is not in scope.
    pub(super) fn hint(&mut self, marker: &Marker, scope: &Scope<'_>) -> String {
        let name = marker.policy();
        if let Some(hint) = self.hints.get(name) {
            return hint.clone();
        }
        let hint = if self.hints.len() < MAX_COMPARED { hint(self.rules, marker, scope) } else { String::new() };
        self.hints.insert(name.to_owned(), hint.clone());
        hint
    }
}

fn scope<'r>(rules: Rules<'r>, reading: &[usize]) -> Scope<'r> {
    let automations: Vec<&Automation> = reading.iter().map(|&at| &*rules.automations[at]).collect();
    let configured = !rules.automations.is_empty();
    let policies: Vec<&ImagePolicy> = match configured {
        true => automations.iter().flat_map(|automation| &automation.policies).map(|policy| &**policy).collect(),
        false => rules.policies.iter().map(|policy| &**policy).collect(),
    };
    Scope {
        automations,
        policies: policies.into_iter().map(|policy| (policy.id.marker(), policy)).collect(),
        configured,
    }
}

fn hint(rules: Rules<'_>, marker: &Marker, scope: &Scope<'_>) -> String {
    let all: Vec<String> = rules.policies.iter().map(|policy| policy.id.marker()).collect();
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let wanted = marker.policy();
    if known.contains(&wanted) {
        let automations: Vec<String> = scope.automations.iter().map(|automation| automation.id.to_string()).collect();
        let (read, verb) = if automations.len() == 1 { ("reads", "does") } else { ("read", "do") };
        return format!(
            "{wanted} is configured, but {}, which {read} this file, {verb} not apply it; an automation of Flux \
             applies the policies of its own namespace and `policySelector`, a native one those of its `images`",
            automations.join(", ")
        );
    }
    match advice::similar(&known, marker) {
        Some(Similar::Namesake(policy)) => format!("a policy of that name is in another namespace: `{policy}`"),
        Some(Similar::Spelling(policy)) => format!("a policy with a similar name exists: `{policy}`"),
        None => "configure the policy, or remove the marker".to_owned(),
    }
}

/// A marked file that no automation reads.
pub(super) fn not_read(marked: &MarkedText<'_>, rules: &Rules<'_>) -> Option<Finding> {
    let marker = marked.file.scan.markers.first()?;
    let mut paths: Vec<&str> = rules.automations.iter().flat_map(|it| &it.paths).map(String::as_str).collect();
    paths.sort_unstable();
    paths.dedup();
    let listed: Vec<String> = paths.iter().take(MAX_LISTED).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > MAX_LISTED { ", …" } else { "" };
    let message = "the markers of this file are never followed: it is in no automation's paths";
    let finding = Finding::new(Code::NotRead, marked.policy(marker), message);
    Some(finding.hint(format!("the paths are {}{more}", listed.join(", "))))
}
