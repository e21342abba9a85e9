//! What a plan has to leave alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::MarkedFile;
use crate::automation::ImagePolicy;
use crate::edit::{Selection, Selections};
use crate::guard::{self, Declined, Hold, Identity, Newer};

/// Which policies guard the fields, and what was found elsewhere to hold some back.
#[derive(Debug, Default)]
pub struct Guards<'g> {
    /// The policies in scope. Only their fields are guarded against going backwards.
    pub policies: &'g [Arc<ImagePolicy>],
    /// Fields that are held, by path and identity. They stay so in other versions of the file, wherever they stand there.
    pub fields: BTreeMap<FieldId, Hold>,
    /// Policies of which every field is held, by `namespace:name`.
    pub held: BTreeMap<String, Hold>,
    /// What people turned down: a policy's fields are held as long as it selects that.
    pub declined: Vec<Declined>,
    /// A hold on all fields, such as a closed window.
    pub everything: Option<Hold>,
    /// The tags that came after the selected one, of policies that select the newest.
    pub newer: Newer,
}

/// A marked field of a repository: the path from its root, and which field of that file it is.
pub type FieldId = (String, Identity);

impl Guards<'_> {
    /// What holds the fields of a file, by the index of their marker: a policy that is held as a whole comes first, then what
    /// people turned down, then going backwards, then what was found for the field, then what holds everything. Parts of an image are held together.
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
        for declined in &self.declined {
            let selected = selections.get(&declined.policy);
            if !matches!(selected, Some(Selection::Selected(selected)) if selected.to_string() == declined.wanted) {
                continue;
            }
            for (index, _) in markers().filter(|(_, marker)| marker.policy() == declined.policy) {
                holds.entry(index).or_insert_with(|| Hold::Declined(Box::new(declined.clone())));
            }
        }
        for (index, hold) in guard::downgrades(&file.scan, selections, &policy, &self.newer) {
            match hold {
                // Whoever holds a policy by hand does not hold back what is no update.
                Hold::Equal { .. } => _ = holds.insert(index, hold),
                _ => _ = holds.entry(index).or_insert(hold),
            }
        }
        if self.fields.keys().any(|(path, _)| *path == file.path) {
            for (index, identity) in Identity::all(&file.scan).into_iter().enumerate() {
                if let Some(hold) = self.fields.get(&(file.path.clone(), identity)) {
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

    /// Finds the holds on the fields of one file, by the index of their marker.
    #[must_use]
    pub fn holds(&self, file: &MarkedFile, selections: &Selections) -> BTreeMap<usize, Hold> {
        self.of(file, selections, &self.by_name())
    }

    pub(super) fn by_name(&self) -> HashMap<(&str, &str), &ImagePolicy> {
        let policies = self.policies.iter().map(Arc::as_ref);
        policies.map(|policy| ((policy.id.namespace.as_str(), policy.id.name.as_str()), policy)).collect()
    }
}
