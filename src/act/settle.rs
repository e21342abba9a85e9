//! Automations with nothing to do: what that depends on, and who remembers it.
//!
//! This process does, with what there is to report. Where there is nothing to report, the mirror does too, so that the next
//! `run --once` on the same data folder need not look into it.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use git::{CommitId, Mirror};
use sha2::{Digest, Sha256};
use tagwright_core::automation::Automation;

use super::remote::Remote;
use crate::observe::MARKED_FILES;
use crate::run::{AutomationReport, Basis, Findings, Freeze, freeze};

/// How much is hashed at once.
const PIECE: usize = 16 << 10;

/// Feeds what [`Hash`] says of values to SHA-256, in pieces: it says some dozens of numbers and words of each of thousands of policies.
struct Fingerprint {
    hash: Sha256,
    piece: Vec<u8>,
}

impl Fingerprint {
    fn new() -> Self {
        Self { hash: Sha256::new(), piece: Vec::with_capacity(PIECE) }
    }

    fn basis(mut self) -> Basis {
        self.hash.update(&self.piece);
        self.hash.finalize().into()
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        if self.piece.len() + bytes.len() > PIECE {
            self.hash.update(&self.piece);
            self.piece.clear();
        }
        match bytes.len() > PIECE {
            true => self.hash.update(bytes),
            false => self.piece.extend_from_slice(bytes),
        }
    }

    /// The first eight bytes; [`Basis`] is all of them.
    fn finish(&self) -> u64 {
        let hash = self.hash.clone().chain_update(&self.piece).finalize();
        hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

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

/// The commit that is planned on, and the one that is read if that is another.
type Seen = (CommitId, Option<CommitId>);

impl<'r> Remote<'r> {
    /// Returns what there is to report on an automation that is known to have nothing to do on this commit.
    pub(super) async fn settled(&mut self, mirror: &Mirror, automation: &Automation, seen: Seen) -> Option<Findings> {
        let basis = self.basis(automation, seen);
        if let Some(settled) = self.context.memory.settled.on(&automation.id, basis) {
            return Some(settled);
        }
        let facts = match &mut self.facts {
            Some(facts) => facts,
            unread => unread.insert(mirror.facts().await),
        };
        facts.contains(&basis).then(Findings::default)
    }

    /// Remembers that an automation has nothing to do on these commits; the mirror does from [`Remote::learn`] on.
    pub(super) fn settle(&mut self, report: &AutomationReport, automation: &Automation, seen: Seen) {
        let basis = self.basis(automation, seen);
        let findings = Findings {
            diagnostics: report.diagnostics.clone(),
            holds: report.holds.clone(),
            unanswered: report.unanswered,
            idle: report.idle.clone(),
        };
        let is_quiet = findings == Findings::default();
        self.context.memory.settled.insert(automation.id.clone(), basis, findings);
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
    fn basis(&self, automation: &Automation, seen: Seen) -> Basis {
        let mut hash = Fingerprint::new();
        (env!("CARGO_PKG_VERSION"), MARKED_FILES.rule, seen).hash(&mut hash);
        (&automation.paths, automation.embedded, self.names, &self.authors).hash(&mut hash);
        automation.targets().for_each(|target| target.hash(&mut hash));
        let selected = self.polls.selected(automation);
        let frozen = freeze(automation, &self.switches, self.context.now);
        for policy in &automation.policies {
            let name = policy.id.marker();
            (&policy.id, policy.terms(), selected.get(&policy.id)).hash(&mut hash);
            // What waits for others is told, and changes with what they can select.
            let alternatives = policy.guards.together.as_ref().and_then(|_| self.polls.of(policy));
            alternatives.map(|report| (&report.selection, &report.alternatives)).hash(&mut hash);
            let released = self.switches.released.get(&name).map(|release| release.at);
            (self.switches.held.get(&name), released).hash(&mut hash);
            // One that is frozen as a whole does nothing that it would not do without.
            if let Freeze::Policies(policies) = &frozen {
                policies.get(&name).map(ToString::to_string).hash(&mut hash);
            }
        }
        hash.basis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_hashed_as_if_they_were_one() {
        let text: Vec<u8> = (0..5 * PIECE).map(|at| (at % 251) as u8).collect();
        let whole: Basis = Sha256::digest(&text).into();
        for size in [1, 7, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE] {
            let mut hash = Fingerprint::new();
            text.chunks(size).for_each(|piece| hash.write(piece));
            assert_eq!(hash.finish().to_le_bytes(), whole[..8], "{size}");
            assert_eq!(hash.basis(), whole, "{size}");
        }
    }
}
