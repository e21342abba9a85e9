//! Automations with nothing to do: what that depends on, and who remembers it.
//!
//! This process does, with what there is to report. Where there is nothing to report, the mirror does too, so that the next
//! `run --once` on the same data folder need not look into it.

use std::collections::BTreeSet;

use git::{CommitId, Mirror};
use sha2::{Digest, Sha256};
use tagwright_core::automation::Automation;

use super::Remote;
use super::commit::{MARKED_FILES, marker_name};
use crate::run::memory::{Basis, Settled};
use crate::run::outcome::AutomationReport;

/// Hashes the names of all policies of a URL, once for its automations: they all depend on them.
pub(super) fn names(known: &BTreeSet<String>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in known {
        // With its length, so that no two sets are one text.
        hash.update(name.len().to_le_bytes());
        hash.update(name);
    }
    hash.finalize().into()
}

impl Remote<'_> {
    /// Returns what there is to report on an automation that is known to have nothing to do on this commit.
    pub(super) async fn settled(
        &mut self,
        mirror: &Mirror,
        automation: &Automation,
        base: CommitId,
    ) -> Option<Settled> {
        let basis = self.basis(automation, base);
        if let Some(settled) = self.context.memory.settled(&automation.id, basis) {
            return Some(settled);
        }
        let facts = match &mut self.facts {
            Some(facts) => facts,
            unread => unread.insert(mirror.facts().await),
        };
        facts.contains(&basis).then(Settled::default)
    }

    /// Remembers that an automation has nothing to do on this commit; the mirror does from [`Remote::learn`] on.
    pub(super) fn settle(&mut self, report: &AutomationReport, automation: &Automation, base: CommitId) {
        let basis = self.basis(automation, base);
        let settled = Settled { diagnostics: report.diagnostics.clone(), holds: report.holds.clone() };
        let is_quiet = settled == Settled::default();
        self.context.memory.settle(automation.id.clone(), basis, settled);
        if is_quiet {
            self.learnt.push(basis);
        }
    }

    /// Writes down, for all automations at once, which have nothing to do.
    pub(super) async fn learn(&mut self, mirror: &Mirror) {
        if !self.learnt.is_empty() {
            mirror.learn(std::mem::take(&mut self.learnt)).await;
        }
    }

    /// Hashes the commit, what is read of it, what was selected, and what may hold it back: with the authors, since they tell
    /// whose commits are a bot's. How a commit would be written has no part in it otherwise.
    fn basis(&self, automation: &Automation, base: CommitId) -> Basis {
        let selections = self.context.memory.selected(automation);
        let selected = |id| selections.get(id);
        let policies = automation.policies.iter().map(|policy| {
            let name = marker_name(policy);
            let switches = (self.switches.held.get(&name), self.switches.released.get(&name));
            let order = (&policy.policy, &policy.guards, &policy.repository.exclusions);
            (&policy.id, policy.digest, selected(&policy.id), order, switches)
        });
        let read = (env!("CARGO_PKG_VERSION"), MARKED_FILES.rule, base, &automation.paths, automation.embedded);
        Sha256::digest(format!("{:?}", (read, policies.collect::<Vec<_>>(), &self.names, self.authors))).into()
    }
}
