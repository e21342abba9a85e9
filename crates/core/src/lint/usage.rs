//! What the markers of the files that were seen use.

use std::collections::{BTreeMap, BTreeSet};

use super::mention;
use crate::automation::is_below;
use crate::automation::{Automation, ObjectName};
use crate::change::Change;
use crate::plan::MarkedFile;
use crate::spelling;

/// How many tags of one policy are remembered.
const MAX_TAGS: usize = 100;

/// How many folders with files that nobody reads are remembered.
const MAX_UNREAD: usize = 1_000;

/// How many changes of one automation a message is tried on.
const MAX_CHANGES: usize = 3;

/// The policies, tags and paths that markers use, over all files.
#[derive(Debug, Default)]
pub struct Usage {
    /// By `namespace:name`: the tags in use, and whether the policy could choose them.
    pub(super) policies: BTreeMap<String, BTreeMap<String, bool>>,
    /// The paths of automations below which markers are; the empty path is the whole repository.
    pub(super) marked: BTreeSet<(ObjectName, String)>,
    /// Changes that an automation may make, to try its message on.
    pub(super) samples: BTreeMap<ObjectName, Sample>,
    /// The folders, at any depth, with marked files that no automation reads.
    unread: BTreeSet<String>,
}

/// Changes that a run could make.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) changes: Vec<Change>,
    /// The references written, by `namespace:name`.
    pub(super) images: BTreeMap<String, String>,
}

impl Usage {
    /// Adds what other files use.
    pub fn merge(&mut self, other: Self) {
        for (policy, tags) in other.policies {
            self.policies.entry(policy).or_default().extend(tags);
        }
        self.marked.extend(other.marked);
        other.unread.into_iter().for_each(|folder| self.leave(folder));
        for (automation, sample) in other.samples {
            for change in sample.changes {
                self.sample(&automation, change, &sample.images);
            }
        }
    }

    /// The folder that a path which does not exist was probably meant to be: one with marked files that no automation reads.
    #[must_use]
    pub fn meant(&self, path: &str) -> Option<&str> {
        let folders: Vec<&str> = self.unread.iter().map(String::as_str).collect();
        spelling::nearest(path, &folders)
    }

    fn leave(&mut self, folder: String) {
        if self.unread.len() < MAX_UNREAD {
            self.unread.insert(folder);
        }
    }

    /// A marker names this policy.
    pub(super) fn name(&mut self, policy: &str) {
        if !self.policies.contains_key(policy) {
            self.policies.insert(policy.to_owned(), BTreeMap::new());
        }
    }

    /// A field of this policy has this tag.
    pub(super) fn show(&mut self, policy: &str, tag: &str, chosen: bool) {
        let tags = self.policies.entry(policy.to_owned()).or_default();
        if tags.len() < MAX_TAGS {
            tags.insert(tag.to_owned(), chosen);
        }
    }

    /// Counts the markers of a file, good or bad, for the automations that read it. What a bad one names is used too,
    /// so that one mistake is reported once.
    pub(super) fn count(&mut self, file: &MarkedFile, automations: &[&Automation]) {
        if file.scan.markers.is_empty() && file.scan.diagnostics.is_empty() {
            return;
        }
        if !file.scan.diagnostics.is_empty() {
            mention::policies(&file.bytes).iter().for_each(|policy| self.name(policy));
        }
        if automations.is_empty() {
            let ends = file.path.match_indices('/').map(|(end, _)| end);
            ends.for_each(|end| self.leave(file.path[..end].to_owned()));
        }
        for automation in automations {
            let whole = [String::new()];
            let paths = if automation.paths.is_empty() { &whole[..] } else { &automation.paths };
            for folder in paths.iter().filter(|folder| is_below(&file.path, folder)) {
                self.marked.insert((automation.id.clone(), folder.clone()));
            }
        }
    }

    /// Whether more changes of an automation are worth remembering.
    pub(super) fn wants_sample(&self, automation: &ObjectName) -> bool {
        self.samples.get(automation).is_none_or(|sample| sample.changes.len() < MAX_CHANGES)
    }

    /// An automation could make this change.
    pub(super) fn sample(&mut self, automation: &ObjectName, change: Change, images: &BTreeMap<String, String>) {
        let sample = self.samples.entry(automation.clone()).or_default();
        if sample.changes.len() < MAX_CHANGES {
            sample.changes.push(change);
            sample.images.extend(images.clone());
        }
    }
}
