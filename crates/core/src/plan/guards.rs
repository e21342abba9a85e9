//! What a plan has to leave alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::MarkedFile;
use crate::automation::ImagePolicy;
use crate::edit::Selections;
use crate::guard::{self, Hold};
use crate::marker::Marker;

/// Which policies guard the fields, and what was found elsewhere to hold some back.
#[derive(Debug, Default)]
pub struct Guards<'g> {
    /// The policies in scope. Only their fields are guarded against going backwards.
    pub policies: &'g [Arc<ImagePolicy>],
    /// Fields that are held, by [`Place`].
    pub fields: BTreeMap<Place, Hold>,
    /// Policies of which every field is held, by `namespace:name`.
    pub held: BTreeMap<String, Hold>,
    /// What holds everything.
    pub everything: Option<Hold>,
}

/// Where a marked field is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path from the root of the repository.
    pub path: String,
    /// The line of the value, from 1.
    pub line: usize,
    /// The column of the value, from 1.
    pub column: usize,
}

impl Place {
    /// The place of a marker's field.
    #[must_use]
    pub fn of(path: &str, marker: &Marker) -> Self {
        Self { path: path.to_owned(), line: marker.line, column: marker.column }
    }
}

impl Guards<'_> {
    /// What holds the fields of a file, by the index of their marker: a policy that is held as a whole comes first, then going
    /// backwards, then what was found for the field, then what holds everything. Parts of an image are held together.
    pub(super) fn of(
        &self,
        file: &MarkedFile,
        selections: &Selections,
        policies: &HashMap<(&str, &str), &ImagePolicy>,
    ) -> BTreeMap<usize, Hold> {
        let policy = |name: &str| policies.get(&name.split_once(':')?).copied();
        let markers = || file.scan.markers.iter().enumerate();
        let mut holds: BTreeMap<usize, Hold> =
            markers().filter_map(|(index, marker)| Some((index, self.held.get(marker.policy())?.clone()))).collect();
        for (index, hold) in guard::downgrades(&file.scan, selections, &policy) {
            holds.entry(index).or_insert(hold);
        }
        if !self.fields.is_empty() {
            for (index, marker) in markers() {
                if let Some(hold) = self.fields.get(&Place::of(&file.path, marker)) {
                    holds.entry(index).or_insert_with(|| hold.clone());
                }
            }
            guard::together(&file.scan, &mut holds);
        }
        if let Some(hold) = &self.everything {
            for (index, _) in markers() {
                holds.entry(index).or_insert_with(|| hold.clone());
            }
        }
        holds
    }

    /// What holds the fields of one file, by the index of their marker.
    #[must_use]
    pub fn holds(&self, file: &MarkedFile, selections: &Selections) -> BTreeMap<usize, Hold> {
        self.of(file, selections, &self.by_name())
    }

    pub(super) fn by_name(&self) -> HashMap<(&str, &str), &ImagePolicy> {
        let policies = self.policies.iter().map(Arc::as_ref);
        policies.map(|policy| ((policy.id.namespace.as_str(), policy.id.name.as_str()), policy)).collect()
    }
}
