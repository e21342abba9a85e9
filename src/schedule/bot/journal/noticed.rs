//! What runs notice in the files of automations: updates that are held, and findings. The log names each when it begins and
//! when it ends.

use std::collections::{BTreeMap, BTreeSet};

use tagwright_core::change::{Code, Diagnostic, Severity};

use crate::run::AutomationReport;
use crate::wire::HeldField;
use crate::wire::status::AutomationFinding;

/// How many findings of one automation the log names at a time; a repository of others may have any number of them.
const MAX_NAMED: usize = 20;

/// The held fields of an automation: file, line, policy and guard.
type Held = BTreeSet<(String, usize, String, String)>;

/// What makes findings alike: code, file and sentence.
type Key = (Code, String, String);

/// The findings of an automation, with the lines of those that are alike. Lines may change any time; how many there are counts.
type Found<T = Vec<usize>> = BTreeMap<Key, T>;

/// What began, as far as the log names it.
#[derive(Debug, Default)]
pub(in crate::schedule::bot) struct Begun {
    /// Updates that are held, one for each policy and guard.
    pub(in crate::schedule::bot) held: Vec<HeldField>,
    /// Findings.
    pub(in crate::schedule::bot) findings: Vec<Diagnostic>,
}

/// What was noticed of each automation, by its name.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    held: BTreeMap<String, Held>,
    found: BTreeMap<String, Found>,
}

impl Noticed {
    /// Takes in what a run has noticed, and says what is new and what is over. Returns what is new.
    pub(super) fn take(&mut self, report: &AutomationReport) -> Begun {
        let mut begun = Begun::default();
        let (automation, url) = (report.id.to_string(), report.url.as_str());
        let holds: Vec<HeldField> = report.holds.iter().map(HeldField::from).collect();
        let before = self.held.remove(&automation).unwrap_or_default();
        let held = tell_holds(&automation, url, &holds, &before, &mut begun.held);
        if !held.is_empty() {
            self.held.insert(automation.clone(), held);
        }
        let before = self.found.remove(&automation).unwrap_or_default();
        let found = tell_findings(&automation, url, &report.diagnostics, &before, &mut begun.findings);
        if !found.is_empty() {
            self.found.insert(automation, found);
        }
        begun
    }

    /// Forgets automations that are not among these.
    pub(super) fn retain(&mut self, automations: &BTreeSet<String>) {
        self.held.retain(|automation, _| automations.contains(automation));
        self.found.retain(|automation, _| automations.contains(automation));
    }

    /// How many fields are held.
    pub(super) fn held(&self) -> usize {
        self.held.values().map(BTreeSet::len).sum()
    }

    /// How many findings there are.
    pub(super) fn findings(&self) -> usize {
        self.found.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

fn tell_holds(automation: &str, url: &str, holds: &[HeldField], before: &Held, begun: &mut Vec<HeldField>) -> Held {
    let mut held = Held::new();
    for hold in holds {
        let key = (hold.file.clone(), hold.line, hold.policy.clone(), hold.code.clone());
        if !before.contains(&key) {
            if !begun.iter().any(|other| other.policy == hold.policy && other.code == hold.code) {
                begun.push(hold.clone());
            }
            let HeldField { policy, file, line, wanted, code, reason, .. } = hold;
            tracing::info!(
                automation,
                git.remote = url,
                policy.name = policy,
                file,
                line,
                wanted,
                code,
                reason,
                "holds an update"
            );
        }
        held.insert(key);
    }
    // What another guard holds now is said to be held, and not to be free.
    let is_held = |file: &str, line: usize, policy: &str| {
        held.iter().any(|(other, at, name, _)| other == file && *at == line && name == policy)
    };
    for (file, line, policy, code) in
        before.difference(&held).filter(|(file, line, policy, _)| !is_held(file, *line, policy))
    {
        tracing::info!(automation, git.remote = url, policy.name = policy, file, line, code, "hold lifted");
    }
    held
}

fn tell_findings(
    automation: &str,
    url: &str,
    diagnostics: &[Diagnostic],
    before: &Found,
    begun: &mut Vec<Diagnostic>,
) -> Found {
    let mut found: Found = Found::new();
    for it in diagnostics {
        found.entry(key(it)).or_default().push(it.line);
    }
    let mut named = 0_usize;
    let mut left = excess(&found, before);
    let news: usize = left.values().sum();
    // Lines that were not there before come first: they are what is new, unless lines have moved.
    let (old, new): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        diagnostics.iter().partition(|it| before.get(&key(it)).is_some_and(|lines| lines.contains(&it.line)));
    for diagnostic in new.into_iter().chain(old) {
        if let Some(count @ 1..) = left.get_mut(&key(diagnostic))
            && named < MAX_NAMED
        {
            *count -= 1;
            named += 1;
            begun.push(diagnostic.clone());
            begins(automation, url, diagnostic);
        }
    }
    if news > named {
        let unnamed = news - named;
        tracing::warn!(automation, git.remote = url, findings = unnamed, "more new findings, for `tagwright check`");
    }
    tell_gone(automation, url, &excess(before, &found));
    found
}

fn tell_gone(automation: &str, url: &str, over: &Found<usize>) {
    let all = over.iter().flat_map(|(key, count)| std::iter::repeat_n(key, *count));
    for (code, file, reason) in all.clone().take(MAX_NAMED) {
        tracing::info!(automation, git.remote = url, code = code.as_str(), file, reason, "finding gone");
    }
    let unnamed = all.count().saturating_sub(MAX_NAMED);
    if unnamed > 0 {
        tracing::info!(automation, git.remote = url, findings = unnamed, "more findings gone");
    }
}

fn key(diagnostic: &Diagnostic) -> Key {
    (diagnostic.code, diagnostic.file.clone(), diagnostic.message.clone())
}

/// How many more findings of each kind there are than in `others`. That a policy selects nothing is said of the policy.
fn excess(found: &Found, others: &Found) -> Found<usize> {
    let more = |(key, lines): (&Key, &Vec<usize>)| {
        let count = lines.len().saturating_sub(others.get(key).map_or(0, Vec::len));
        (count > 0 && key.0 != Code::NoSelection).then(|| (key.clone(), count))
    };
    found.iter().filter_map(more).collect()
}

fn begins(automation: &str, url: &str, diagnostic: &Diagnostic) {
    let is_note = diagnostic.code.severity() == Severity::Note;
    let AutomationFinding { code, file, line, message: reason, hint, .. } = diagnostic.into();
    let (file, line) = ((!file.is_empty()).then_some(file), (line > 0).then_some(line));
    let hint = (!hint.is_empty()).then_some(hint);
    match is_note {
        true => tracing::info!(automation, git.remote = url, code, file, line, reason, hint, "new finding"),
        false => tracing::warn!(automation, git.remote = url, code, file, line, reason, hint, "new finding"),
    }
}
