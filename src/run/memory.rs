//! What a process remembers of its runs, so that a run costs what has changed since the last one.
//!
//! - What the last poll of each policy came to is what the runs of its automations go by.
//! - An automation is *settled* when nothing was to be changed. It stays so as long as all that this depends on is the same
//!   ([`Basis`]), and then costs no more than the one request that tells the head of the branch.
//! - Marked files are kept with their markers under the ids of their blobs ([`Scans`]), so that those that stay as they are
//!   need not be read again when the head has moved.
//!
//! Nothing here is ever needed: a process that has just started knows nothing and does the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::Reference;
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::change::Diagnostic;
use tagwright_core::guard::Held;

use super::outcome::PolicyReport;
use super::scans::Scans;
use crate::store::{self, Image, Record, Store, Switches};

/// What each policy selected, or why nothing.
pub(super) type Selected = BTreeMap<ObjectName, Result<Reference, String>>;

/// What the last poll came to, for the policy as it was then.
type LastPoll = (Arc<ImagePolicy>, Arc<PolicyReport>);

/// What the runs of a process remember.
#[derive(Debug, Default)]
pub struct Memory {
    polled: Mutex<HashMap<ObjectName, LastPoll>>,
    /// What polls found out about tags and is not in the store yet.
    unsaved: Mutex<HashMap<String, Image>>,
    /// What was last written down of each automation, if that still holds.
    told: Mutex<HashMap<ObjectName, Option<Record>>>,
    /// What of the store did not work the last time.
    failing: Mutex<BTreeSet<&'static str>>,
    settled: Mutex<HashMap<ObjectName, (Basis, Settled)>>,
    /// What people asked for by hand, as it was last read.
    switches: Mutex<Switches>,
    /// Marked files.
    pub(super) scans: Scans,
}

/// A hash of all that decides whether there is something to do for an automation, but for digests that a registry is asked
/// for.
pub(super) type Basis = [u8; 32];

/// What there is to report on an automation with nothing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// What was noticed in the files.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The fields that are held.
    pub(super) holds: Vec<Held>,
}

impl Memory {
    /// Returns what the last poll of a policy came to; none before the first.
    #[must_use]
    pub fn polled(&self, policy: &ObjectName) -> Option<Arc<PolicyReport>> {
        lock(&self.polled).get(policy).map(|(_, report)| Arc::clone(report))
    }

    /// Returns what the last poll of a policy came to, if that was for the policy as it is.
    pub(super) fn polled_as(&self, policy: &Arc<ImagePolicy>) -> Option<Arc<PolicyReport>> {
        let polled = lock(&self.polled);
        let (of, report) = polled.get(&policy.id)?;
        is_same(of, policy).then(|| Arc::clone(report))
    }

    /// Remembers what a poll came to. Returns it, and whether something is selected that runs did not know.
    pub(super) fn observe(&self, policy: &Arc<ImagePolicy>, report: PolicyReport) -> (Arc<PolicyReport>, bool) {
        let report = Arc::new(report);
        let before = lock(&self.polled).insert(report.id.clone(), (Arc::clone(policy), Arc::clone(&report)));
        let is_known = before.is_some_and(|(of, before)| is_same(&of, policy) && before.selection == report.selection);
        let changed = report.selection.is_ok() && !is_known;
        (report, changed)
    }

    /// Remembers what was written down of an automation; none when there is nothing to say any more.
    pub(super) fn told(&self, id: &ObjectName, record: Option<Record>) {
        lock(&self.told).insert(id.clone(), record);
    }

    /// Returns what was last written down of an automation; none when this process does not know.
    pub(super) fn last_told(&self, id: &ObjectName) -> Option<Option<Record>> {
        lock(&self.told).get(id).cloned()
    }

    /// Returns what is known of an image repository, here or in the store.
    pub(super) fn image(&self, store: &Store, key: &str) -> Option<Image> {
        if let Some(image) = lock(&self.unsaved).get(key) {
            return Some(image.clone());
        }
        match store.image(key) {
            Ok(image) => image,
            Err(error) => {
                self.store_fails("reading", &error);
                None
            }
        }
    }

    /// Keeps what is known of an image repository, to be saved.
    pub(super) fn keep_image(&self, key: String, image: Image) {
        lock(&self.unsaved).insert(key, image);
    }

    /// Takes what is to be saved.
    pub(super) fn take_images(&self) -> Vec<(String, Image)> {
        lock(&self.unsaved).drain().collect()
    }

    /// Takes back what could not be saved, unless something newer is there.
    pub(super) fn put_images_back(&self, images: Vec<(String, Image)>) {
        let mut unsaved = lock(&self.unsaved);
        for (key, image) in images {
            unsaved.entry(key).or_insert(image);
        }
    }

    /// Says that the store failed, once until it works again.
    pub(super) fn store_fails(&self, what: &'static str, error: &store::Error) {
        if lock(&self.failing).insert(what) {
            tracing::error!(%error, what, "the store does not work; what cannot be kept is known until the process ends");
        }
    }

    /// Takes note that the store works.
    pub(super) fn store_works(&self, what: &'static str) {
        if lock(&self.failing).remove(what) {
            tracing::info!(what, "the store works again");
        }
    }

    /// What the policies of an automation select, as far as they were polled since they are what they are.
    pub(super) fn selected(&self, automation: &Automation) -> Selected {
        let polled = lock(&self.polled);
        let selection = |policy: &Arc<ImagePolicy>| {
            let (of, report) = polled.get(&policy.id)?;
            is_same(of, policy).then(|| (policy.id.clone(), report.selection.clone()))
        };
        automation.policies.iter().filter_map(selection).collect()
    }

    /// Returns what there was to report when nothing was to be done on this basis; none if that is not known.
    pub(super) fn settled(&self, id: &ObjectName, basis: Basis) -> Option<Settled> {
        let known = lock(&self.settled);
        let (on, settled) = known.get(id)?;
        (*on == basis).then(|| settled.clone())
    }

    /// Remembers that nothing is to be done on this basis.
    pub(super) fn settle(&self, id: ObjectName, basis: Basis, settled: Settled) {
        lock(&self.settled).insert(id, (basis, settled));
    }

    /// What people asked for by hand; what was last known when the store cannot be read.
    pub(super) fn switches(&self, store: &Store) -> Switches {
        match store.switches() {
            Ok(switches) => lock(&self.switches).clone_from(&switches),
            Err(error) => self.store_fails("reading", &error),
        }
        lock(&self.switches).clone()
    }

    /// Forgets automations and policies that are not configured any more.
    pub fn retain(&self, automations: &[Arc<Automation>]) {
        let configured: BTreeSet<&ObjectName> = automations.iter().map(|automation| &automation.id).collect();
        lock(&self.settled).retain(|id, _| configured.contains(id));
        lock(&self.told).retain(|id, _| configured.contains(id));
        let policies = automations.iter().flat_map(|automation| &automation.policies);
        let policies: BTreeSet<&ObjectName> = policies.map(|policy| &policy.id).collect();
        lock(&self.polled).retain(|id, _| policies.contains(id));
    }
}

/// Whether a policy that was read again selects as it did before.
fn is_same(before: &Arc<ImagePolicy>, now: &Arc<ImagePolicy>) -> bool {
    let terms = |policy: &ImagePolicy| {
        let ImagePolicy { policy, guards, digest, suspended, repository, .. } = policy;
        let tags = (&repository.image, &repository.exclusions, repository.suspended);
        format!("{:?}", (policy, guards, digest, suspended, tags))
    };
    Arc::ptr_eq(before, now) || terms(before) == terms(now)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
