//! What a process remembers of its runs, so that a run costs what has changed since the last one.
//!
//! - What the last poll of each policy came to is what the runs of its automations go by.
//! - An automation is *settled* when nothing was to be changed. It stays so as long as all that this depends on is the same
//!   ([`Basis`]), and then costs no more than the one request that tells the head of the branch.
//! - Marked files are kept with their markers under the ids of their blobs, so that those that stay as they are need not be
//!   read again when the head has moved.
//!
//! Nothing here is ever needed: a process that has just started knows nothing and does the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::automation::{Automation, ObjectName};
use crate::change::Diagnostic;
use crate::git::ObjectId;
use crate::image::Reference;
use crate::marker::Embedded;
use crate::plan::MarkedFile;

use super::outcome::PolicyReport;

/// The most bytes of marked files that are kept, all remotes together.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// What each policy selected, or why nothing.
pub(super) type Selected = BTreeMap<ObjectName, Result<Reference, String>>;

/// Marked files by blob, under any path, and by which embedded YAML was scanned.
pub(super) type Scanned = HashMap<(ObjectId, Embedded), MarkedFile>;

/// What the runs of a process remember.
#[derive(Debug, Default)]
pub struct Memory {
    polled: Mutex<HashMap<ObjectName, Arc<PolicyReport>>>,
    settled: Mutex<HashMap<ObjectName, (Basis, Vec<Diagnostic>)>>,
    scanned: Mutex<Scanned>,
}

/// A hash of all that decides whether there is something to do for an automation, but for digests that a registry is asked
/// for.
pub(super) type Basis = [u8; 32];

impl Memory {
    /// Returns what the last poll of a policy came to; none before the first.
    #[must_use]
    pub fn polled(&self, policy: &ObjectName) -> Option<Arc<PolicyReport>> {
        lock(&self.polled).get(policy).cloned()
    }

    /// Remembers what a poll came to. Returns whether the selection is another than before.
    pub(super) fn observe(&self, report: PolicyReport) -> bool {
        let report = Arc::new(report);
        let before = lock(&self.polled).insert(report.id.clone(), Arc::clone(&report));
        before.is_none_or(|before| before.selection != report.selection)
    }

    /// What the policies of an automation select, as far as they were polled.
    pub(super) fn selected(&self, automation: &Automation) -> Selected {
        let polled = lock(&self.polled);
        let selection = |id: &ObjectName| Some((id.clone(), polled.get(id)?.selection.clone()));
        automation.policies.iter().filter_map(|policy| selection(&policy.id)).collect()
    }

    /// Returns what there was to report when nothing was to be done on this basis; none if that is not known.
    pub(super) fn settled(&self, id: &ObjectName, basis: Basis) -> Option<Vec<Diagnostic>> {
        let settled = lock(&self.settled);
        let (known, diagnostics) = settled.get(id)?;
        (*known == basis).then(|| diagnostics.clone())
    }

    /// Remembers that nothing is to be done on this basis.
    pub(super) fn settle(&self, id: ObjectName, basis: Basis, diagnostics: Vec<Diagnostic>) {
        lock(&self.settled).insert(id, (basis, diagnostics));
    }

    /// Forgets automations and policies that are not configured any more.
    pub fn retain(&self, automations: &[Arc<Automation>]) {
        let configured: BTreeSet<&ObjectName> = automations.iter().map(|automation| &automation.id).collect();
        lock(&self.settled).retain(|id, _| configured.contains(id));
        let policies = automations.iter().flat_map(|automation| &automation.policies);
        let policies: BTreeSet<&ObjectName> = policies.map(|policy| &policy.id).collect();
        lock(&self.polled).retain(|id, _| policies.contains(id));
    }

    /// Returns the marked files that are known.
    pub(super) fn scanned(&self) -> Scanned {
        lock(&self.scanned).clone()
    }

    /// Keeps marked files. When they are too many, what was known before goes.
    pub(super) fn keep(&self, files: Scanned) {
        let size = |files: &Scanned| files.values().map(|file| file.bytes.len()).sum::<usize>();
        let mut scanned = lock(&self.scanned);
        if size(&scanned) + size(&files) > MAX_KEPT_BYTES {
            scanned.clear();
        }
        if size(&files) <= MAX_KEPT_BYTES {
            scanned.extend(files);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
