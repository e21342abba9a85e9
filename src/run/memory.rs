//! What a process remembers of its runs, so that a run with nothing to do costs one request.
//!
//! An automation is settled when nothing was to be changed. It stays so as long as the very same automation meets the same
//! commit and the same selections, since nothing else decides what a run does: files, markers and policies are all in them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::automation::{Automation, ObjectName};
use crate::change::Diagnostic;
use crate::git::CommitId;
use crate::image::Reference;

/// What each policy selected, or why nothing.
pub(super) type Selected = std::collections::BTreeMap<ObjectName, Result<Reference, String>>;

/// What the runs of a process remember; nothing of it is ever needed.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<ObjectName, Settled>>);

/// An automation with nothing to do, and what that was found on.
#[derive(Debug)]
struct Settled {
    /// Kept, so that no other automation can have its address.
    automation: Arc<Automation>,
    base: CommitId,
    branch: String,
    selected: Vec<Option<Result<Reference, String>>>,
    diagnostics: Vec<Diagnostic>,
}

impl Memory {
    /// Returns what there is to report on an automation that needs no run on this commit and branch; none if it needs one.
    pub(super) fn settled(
        &self,
        automation: &Arc<Automation>,
        base: CommitId,
        branch: &str,
        selected: &Selected,
    ) -> Option<Vec<Diagnostic>> {
        let known = self.lock();
        let settled = known.get(&automation.id)?;
        let same = Arc::ptr_eq(&settled.automation, automation)
            && settled.base == base
            && settled.branch == branch
            && in_scope(automation, selected).eq(settled.selected.iter().map(Option::as_ref));
        same.then(|| settled.diagnostics.clone())
    }

    /// Remembers that an automation had nothing to do.
    pub(super) fn settle(
        &self,
        automation: &Arc<Automation>,
        base: CommitId,
        branch: &str,
        selected: &Selected,
        diagnostics: &[Diagnostic],
    ) {
        let settled = Settled {
            automation: Arc::clone(automation),
            base,
            branch: branch.to_owned(),
            selected: in_scope(automation, selected).map(Option::<&_>::cloned).collect(),
            diagnostics: diagnostics.to_vec(),
        };
        self.lock().insert(automation.id.clone(), settled);
    }

    /// Forgets what is not configured any more.
    pub(super) fn keep(&self, automations: &[Arc<Automation>]) {
        let configured: HashSet<_> = automations.iter().map(Arc::as_ptr).collect();
        self.lock().retain(|_, settled| configured.contains(&Arc::as_ptr(&settled.automation)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectName, Settled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_scope<'s>(
    automation: &'s Automation,
    selected: &'s Selected,
) -> impl Iterator<Item = Option<&'s Result<Reference, String>>> {
    automation.policies.iter().map(|policy| selected.get(&policy.id))
}
