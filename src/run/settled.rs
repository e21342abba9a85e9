//! The automations that had nothing to do, and what that depended on.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::change::Diagnostic;
use tagwright_core::guard::Held;

/// A hash of all that decides whether there is something to do for an automation, but for digests that a registry is asked
/// for.
pub(crate) type Basis = [u8; 32];

/// What there is to report on an automation with nothing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// What was noticed in the files.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The fields that are held.
    pub(crate) holds: Vec<Held>,
    /// How many of its policies the registries gave no answer for.
    pub(crate) unanswered: usize,
    /// Why nothing can ever be written as things are.
    pub(crate) idle: Option<String>,
}

/// The automations of a process that had nothing to do the last time.
#[derive(Debug, Default)]
pub(crate) struct Settled(Mutex<HashMap<ObjectName, (Basis, Findings)>>);

impl Settled {
    /// Forgets automations that are not configured any more.
    pub(crate) fn retain(&self, automations: &[Arc<Automation>]) {
        let configured: BTreeSet<&ObjectName> = automations.iter().map(|automation| &automation.id).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| configured.contains(id));
    }

    /// Returns what there was to report when nothing was to be done on this basis; none if that is not known.
    pub(crate) fn on(&self, id: &ObjectName, basis: Basis) -> Option<Findings> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (on, findings) = known.get(id)?;
        (*on == basis).then(|| findings.clone())
    }

    /// Remembers that nothing is to be done on this basis.
    pub(crate) fn insert(&self, id: ObjectName, basis: Basis, findings: Findings) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (basis, findings));
    }
}
