//! What a process remembers of its runs, so that a run costs what has changed since the last one.
//!
//! - An automation is *settled* when nothing was to be changed. It stays so as long as all that this depends on is the same,
//!   and then costs no more than the one request that tells the head of the branch.
//! - Marked files are kept with their markers under the ids of their blobs ([`Scans`]), so that those that stay as they are
//!   need not be read again when the head has moved.
//! - What polls found out about tags and what was last written down wait here until the store has them.
//!
//! Nothing here is ever needed: a process that has just started knows nothing and does the same. What polls came to is no
//! memory but a value, [`Polls`](crate::observe::Polls), which its owner hands to runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::freeze::{Calendar, Order, Selector};

use super::scans::Scans;
use super::settled::Settled;
use crate::failure::Failure;
use crate::store::{self, Digests, Image, Record, Switches};

/// How many comments of a remote are kept until somebody looks.
const MAX_COMMENTS: usize = 100;

/// What the runs of a process remember.
#[derive(Debug, Default)]
pub struct Memory {
    /// What polls found out about tags and is not in the store yet.
    unsaved: Mutex<HashMap<String, Image>>,
    /// What polls found out about digests and is not in the store yet.
    digests: Mutex<HashMap<String, Digests>>,
    /// What was last written down of each automation, if that still holds. Boxed: of most there is nothing.
    told: Mutex<HashMap<ObjectName, Option<Box<Record>>>>,
    /// What of the store did not work the last time, and why.
    failing: Mutex<BTreeMap<&'static str, String>>,
    /// Automations with nothing to do.
    pub(crate) settled: Settled,
    /// What people asked for by hand, as it was last read.
    switches: Mutex<Switches>,
    /// When nothing at all is written, as the configuration says.
    calendar: Mutex<Arc<Calendar>>,
    /// Why this process writes whatever is frozen, if it does.
    broken_glass: Mutex<Option<Order>>,
    /// Automations of which the forge was asked what requests they have.
    requests: Mutex<BTreeSet<ObjectName>>,
    /// Policies that automations of more than one remote have, as markers name them.
    shared: Mutex<BTreeSet<String>>,
    /// Comments on pull requests that somebody has told of and nobody has looked at, by remote.
    comments: Mutex<HashMap<String, Vec<ToldComment>>>,
    /// Marked files.
    pub(crate) scans: Scans,
}

/// A comment on a pull request that somebody has told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToldComment {
    /// The number of the request.
    pub(crate) number: u64,
    /// The number of the comment.
    pub(crate) id: u64,
    /// How often it was looked at in vain.
    pub(crate) tries: usize,
    /// In how many runs the automation was not at hand that it is about.
    pub(crate) passes: usize,
}

impl Memory {
    /// Keeps that somebody has told of a comment on a pull request of a remote, by the numbers of both, until the next run of the remote
    /// looks at it; too many are not kept.
    pub fn tell_comment(&self, url: &str, number: u64, id: u64) {
        self.put_comments_back(url, vec![ToldComment { number, id, tries: 0, passes: 0 }]);
    }

    /// Takes the comments on requests of a remote that nobody has looked at.
    pub(crate) fn take_comments(&self, url: &str) -> Vec<ToldComment> {
        lock(&self.comments).remove(url).unwrap_or_default()
    }

    /// Whether automations of other remotes have a policy, too, by the name that markers have.
    pub(crate) fn is_shared(&self, policy: &str) -> bool {
        lock(&self.shared).contains(policy)
    }

    /// Keeps comments that are still to be looked at.
    pub(crate) fn put_comments_back(&self, url: &str, comments: Vec<ToldComment>) {
        let mut kept = lock(&self.comments);
        for comment in comments {
            let known = kept.entry(url.to_owned()).or_default();
            let is_known = known.iter().any(|it| (it.number, it.id) == (comment.number, comment.id));
            if !is_known && known.len() < MAX_COMMENTS {
                known.push(comment);
            }
        }
    }

    /// Remembers what was written down of an automation; none when there is nothing to say any more.
    pub(crate) fn told(&self, id: &ObjectName, record: Option<Record>) {
        lock(&self.told).insert(id.clone(), record.map(Box::new));
    }

    /// Returns what was last written down of an automation; none when this process does not know.
    pub(crate) fn last_told(&self, id: &ObjectName) -> Option<Option<Record>> {
        lock(&self.told).get(id).map(|record| record.as_deref().cloned())
    }

    /// Whether this process has asked the forge of an automation what requests it has.
    pub(crate) fn has_looked(&self, id: &ObjectName) -> bool {
        lock(&self.requests).contains(id)
    }

    /// Takes note that it has.
    pub(crate) fn looked(&self, id: &ObjectName) {
        lock(&self.requests).insert(id.clone());
    }

    /// Returns what polls found out about an image repository and is not in the store yet.
    pub(crate) fn unsaved_image(&self, key: &str) -> Option<Image> {
        lock(&self.unsaved).get(key).cloned()
    }

    /// Keeps what is known of an image repository, to be saved.
    pub(crate) fn keep_image(&self, key: String, image: Image) {
        lock(&self.unsaved).insert(key, image);
    }

    /// Takes what is to be saved.
    pub(crate) fn take_images(&self) -> Vec<(String, Image)> {
        // The map of a first wave, with room for all images, goes too.
        std::mem::take(&mut *lock(&self.unsaved)).into_iter().collect()
    }

    /// Takes back what could not be saved, unless something newer is there.
    pub(crate) fn put_images_back(&self, images: Vec<(String, Image)>) {
        let mut unsaved = lock(&self.unsaved);
        for (key, image) in images {
            unsaved.entry(key).or_insert(image);
        }
    }

    /// Returns what polls found out about the digests of an image repository and is not in the store yet.
    pub(crate) fn unsaved_digests(&self, key: &str) -> Option<Digests> {
        lock(&self.digests).get(key).cloned()
    }

    /// Keeps what is known of the digests of an image repository, to be saved.
    pub(crate) fn keep_digests(&self, key: String, digests: Digests) {
        lock(&self.digests).insert(key, digests);
    }

    /// Takes what is known of digests and is to be saved.
    pub(crate) fn take_digests(&self) -> Vec<(String, Digests)> {
        std::mem::take(&mut *lock(&self.digests)).into_iter().collect()
    }

    /// Takes back what could not be saved of digests, unless something newer is there.
    pub(crate) fn put_digests_back(&self, digests: Vec<(String, Digests)>) {
        let mut unsaved = lock(&self.digests);
        for (key, known) in digests {
            unsaved.entry(key).or_insert(known);
        }
    }

    /// Says that the store failed, once until all of it works again: a full disk is one cause, whatever it stops.
    pub(crate) fn store_fails(&self, what: &'static str, error: &store::Error) {
        let failure = Failure::from(error).line();
        let mut failing = lock(&self.failing);
        if failing.is_empty() {
            tracing::error!(
                error = failure,
                what,
                "the data directory cannot be used; what cannot be kept is known until the process ends"
            );
        } else {
            tracing::debug!(error = failure, what, "the data directory still cannot be used");
        }
        failing.insert(what, failure);
    }

    /// Takes note that the store works.
    pub(crate) fn store_works(&self, what: &'static str) {
        let mut failing = lock(&self.failing);
        if failing.remove(what).is_some() && failing.is_empty() {
            tracing::info!("the data directory can be used again");
        }
    }

    /// Takes note that all of the store works: what failed and was not tried again does no longer count.
    pub(crate) fn store_is_well(&self) {
        let mut failing = lock(&self.failing);
        if !std::mem::take(&mut *failing).is_empty() {
            tracing::info!("the data directory can be used again");
        }
    }

    /// Why the store does not work, if it does not.
    pub(crate) fn store_failure(&self) -> Option<String> {
        lock(&self.failing).values().next().cloned()
    }

    /// Takes in what people asked for by hand; returns what was last known when it could not be read.
    pub(crate) fn switches(&self, read: Option<Result<Switches, store::Error>>) -> Switches {
        match read {
            Some(Ok(switches)) => {
                self.store_works("switches");
                lock(&self.switches).clone_from(&switches);
            }
            Some(Err(error)) => self.store_fails("switches", &error),
            None => {}
        }
        let switches = lock(&self.switches).clone();
        self.in_force(switches)
    }

    /// Adds what is no order in the store: the calendar, and that this process writes whatever is frozen.
    pub(crate) fn in_force(&self, mut switches: Switches) -> Switches {
        switches.calendar = Arc::clone(&lock(&self.calendar));
        if let Some(order) = &*lock(&self.broken_glass) {
            switches.freezes.exceptions.insert(Selector::Everything, order.clone());
        }
        switches
    }

    /// Takes a calendar in place of the one before; returns whether it is another.
    pub fn take_calendar(&self, calendar: Calendar) -> bool {
        let mut known = lock(&self.calendar);
        let is_new = **known != calendar;
        *known = Arc::new(calendar);
        is_new
    }

    /// Lets this process write whatever is frozen, for a reason.
    pub fn break_glass(&self, order: Order) {
        *lock(&self.broken_glass) = Some(order);
    }

    /// Forgets automations that are not configured any more.
    pub fn retain(&self, automations: &[Arc<Automation>]) {
        let configured: BTreeSet<&ObjectName> = automations.iter().map(|automation| &automation.id).collect();
        lock(&self.told).retain(|id, _| configured.contains(id));
        lock(&self.requests).retain(|id| configured.contains(id));
        self.settled.retain(automations);
        let mut remotes: HashMap<&ObjectName, &str> = HashMap::new();
        let mut shared = BTreeSet::new();
        for automation in automations {
            let url = automation.remote.url.as_str();
            for policy in &automation.policies {
                if *remotes.entry(&policy.id).or_insert(url) != url {
                    shared.insert(policy.id.marker());
                }
            }
        }
        *lock(&self.shared) = shared;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
