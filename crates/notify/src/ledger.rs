//! Who was told of what goes on. What was lost on the way was told to nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::event::Name;

/// The names of those who were told, by the cause of what fails, and how often that has changed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    told: Mutex<Told>,
    changes: watch::Sender<u64>,
}

type Told = BTreeMap<String, BTreeSet<Name>>;

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
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Takes in that something has arrived.
    pub(crate) fn arrived(&self, tidings: &Tidings) {
        let Tidings { to: Some(name), begun, over } = tidings else { return };
        if begun.is_empty() && over.is_empty() {
            return;
        }
        {
            let mut told = self.told();
            for cause in over {
                let Some(names) = told.get_mut(cause) else { continue };
                names.remove(name);
                if names.is_empty() {
                    told.remove(cause);
                }
            }
            for cause in begun {
                told.entry(cause.clone()).or_default().insert(name.clone());
            }
        }
        self.changed();
    }

    /// Forgets whom nobody tells anything any more.
    pub(crate) fn retain(&self, is_there: impl Fn(&Name) -> bool) {
        let is_less = {
            let mut told = self.told();
            let count = |told: &Told| told.values().map(BTreeSet::len).sum::<usize>();
            let before = count(&told);
            told.values_mut().for_each(|names| names.retain(&is_there));
            told.retain(|_, names| !names.is_empty());
            count(&told) < before
        };
        if is_less {
            self.changed();
        }
    }

    /// Who was told of what has this cause.
    pub(crate) fn of(&self, cause: &str) -> Vec<Name> {
        self.told().get(cause).into_iter().flatten().cloned().collect()
    }

    /// How often it has changed.
    pub(crate) fn changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Tells each time that it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
