//! Automations with nothing to do: what that depends on, and who remembers it.
//!
//! This process does, with what there is to report. Where there is nothing to report, the mirror does too, so that the next
//! `run --once` on the same data folder need not look into it.

use git::{CommitId, Mirror};
use sha2::{Digest, Sha256};
use tagwright_core::automation::Automation;

use super::Remote;
use super::commit::{MARKED_FILES, marker_name};
use crate::run::memory::{Basis, Settled};
use crate::run::outcome::AutomationReport;

impl Remote<'_> {
    /// Returns what there is to report on an automation that is known to have nothing to do on this commit.
    pub(super) async fn settled(&self, mirror: &Mirror, automation: &Automation, base: CommitId) -> Option<Settled> {
        let basis = self.basis(automation, base);
        match self.context.memory.settled(&automation.id, basis) {
            Some(settled) => Some(settled),
            None => mirror.knows(basis).await.then(Settled::default),
        }
    }

    /// Remembers that an automation has nothing to do on this commit.
    pub(super) async fn settle(
        &self,
        mirror: &Mirror,
        report: &AutomationReport,
        automation: &Automation,
        base: CommitId,
    ) {
        let basis = self.basis(automation, base);
        let settled = Settled { diagnostics: report.diagnostics.clone(), holds: report.holds.clone() };
        let is_quiet = settled == Settled::default();
        self.context.memory.settle(automation.id.clone(), basis, settled);
        if is_quiet {
            mirror.learn(basis).await;
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
        Sha256::digest(format!("{:?}", (read, policies.collect::<Vec<_>>(), &self.known, self.authors))).into()
    }
}
