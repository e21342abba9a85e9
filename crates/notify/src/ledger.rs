//! Who was told of what goes on. What was lost on the way was told to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::Name;

/// The names of those who were told, by the cause of what fails.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    of: BTreeMap<String, BTreeSet<Name>>,
    changes: u64,
}

/// What somebody knows once something has arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tidings {
    pub(crate) to: Option<Name>,
    /// Causes of incidents that began, and of such that are over.
    pub(crate) begun: Vec<String>,
    pub(crate) over: Vec<String>,
}

impl Tidings {
    /// The name of the notification, for logs.
    pub(crate) fn who(&self) -> String {
        self.to.as_ref().map(Name::to_string).unwrap_or_default()
    }

    /// What tells of nothing that goes on.
    pub(crate) fn plain(to: &Name) -> Self {
        Self { to: Some(to.clone()), ..Self::default() }
    }
}

impl Ledger {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in that something has arrived.
    pub(crate) fn arrived(&self, tidings: &Tidings) {
        let Tidings { to: Some(name), begun, over } = tidings else { return };
        if begun.is_empty() && over.is_empty() {
            return;
        }
        let mut told = self.told();
        told.changes += 1;
        for cause in over {
            let Some(names) = told.of.get_mut(cause) else { continue };
            names.remove(name);
            if names.is_empty() {
                told.of.remove(cause);
            }
        }
        for cause in begun {
            told.of.entry(cause.clone()).or_default().insert(name.clone());
        }
    }

    /// Forgets whom nobody tells anything any more.
    pub(crate) fn retain(&self, is_there: impl Fn(&Name) -> bool) {
        let mut told = self.told();
        let before: usize = told.of.values().map(BTreeSet::len).sum();
        told.of.values_mut().for_each(|names| names.retain(&is_there));
        told.of.retain(|_, names| !names.is_empty());
        let after: usize = told.of.values().map(BTreeSet::len).sum();
        told.changes += u64::from(after < before);
    }

    /// Who was told of what has this cause.
    pub(crate) fn of(&self, cause: &str) -> Vec<Name> {
        self.told().of.get(cause).into_iter().flatten().cloned().collect()
    }

    /// How often it has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.told().changes
    }
}
