//! What registries wanted to see the last time, so that it can be brought along.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use access::Fingerprint;
use url::Url;

/// How many hosts' habits are remembered before all are forgotten.
const MAX_HABITS: usize = 10_000;

/// The root of a registry's API, and the credential.
pub(crate) type HabitKey = (Url, Fingerprint);

/// What registries are known to want, by their address and the credential.
#[derive(Debug, Default)]
pub(crate) struct Habits(Mutex<HashMap<HabitKey, Habit>>);

/// What a registry wants.
#[derive(Debug, Clone)]
pub(crate) enum Habit {
    /// The login with each request.
    Basic,
    /// A token from this realm.
    Bearer { realm: Url, service: Option<String>, actions: String },
}

impl Habits {
    /// Returns what is remembered.
    pub(crate) fn get(&self, key: &HabitKey) -> Option<Habit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Remembers something, or forgets it.
    pub(crate) fn set(&self, key: HabitKey, habit: Option<Habit>) {
        let mut habits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if habits.len() >= MAX_HABITS {
            habits.clear();
        }
        match habit {
            Some(habit) => habits.insert(key, habit),
            None => habits.remove(&key),
        };
    }
}
