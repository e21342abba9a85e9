//! Automations with nothing to do: what that depends on, and who remembers it.
//!
//! This process does, with what there is to report. Where there is nothing to report, the mirror does too, so that the next
//! `run --once` on the same data folder need not look into it.

use sha2::{Digest, Sha256};

use super::Remote;
use super::commit::MARKED_FILES;
use crate::automation::Automation;
use crate::change::Diagnostic;
use crate::git::{CommitId, Mirror};
use crate::run::memory::Basis;

impl Remote<'_> {
    /// Returns what there is to report on an automation that is known to have nothing to do on this commit.
    pub(super) async fn settled(
        &self,
        mirror: &Mirror,
        automation: &Automation,
        base: CommitId,
    ) -> Option<Vec<Diagnostic>> {
        let basis = self.basis(automation, base);
        match self.context.memory.settled(&automation.id, basis) {
            Some(diagnostics) => Some(diagnostics),
            None => mirror.knows(basis).await.then(Vec::new),
        }
    }

    /// Remembers that an automation has nothing to do on this commit.
    pub(super) async fn settle(
        &self,
        mirror: &Mirror,
        automation: &Automation,
        base: CommitId,
        diagnostics: &[Diagnostic],
    ) {
        let basis = self.basis(automation, base);
        self.context.memory.settle(automation.id.clone(), basis, diagnostics.to_vec());
        if diagnostics.is_empty() {
            mirror.learn(basis).await;
        }
    }

    /// Hashes the commit, what is read of it, and what was selected. How a commit would be written has no part in it.
    fn basis(&self, automation: &Automation, base: CommitId) -> Basis {
        let selections = self.context.memory.selected(automation);
        let selected = |id| selections.get(id);
        let policies = automation.policies.iter().map(|policy| (&policy.id, policy.digest, selected(&policy.id)));
        let read = (env!("CARGO_PKG_VERSION"), MARKED_FILES.rule, base, &automation.paths, automation.embedded);
        Sha256::digest(format!("{:?}", (read, policies.collect::<Vec<_>>(), &self.known))).into()
    }
}
