//! When remotes were last asked, fetched from and pushed to by this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// How many remotes are known; of more, nothing is.
const MAX_REMOTES: usize = 10_000;

/// When something was last done with a remote; none if it was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visits {
    /// It answered for its references.
    pub asked: Option<SystemTime>,
    /// It gave objects.
    pub fetched: Option<SystemTime>,
    /// It took an update.
    pub pushed: Option<SystemTime>,
}

impl Visits {
    pub(crate) fn asked_now() -> Self {
        Self { asked: Some(SystemTime::now()), ..Self::default() }
    }

    pub(crate) fn fetched_now() -> Self {
        Self { fetched: Some(SystemTime::now()), ..Self::default() }
    }

    pub(crate) fn pushed_now() -> Self {
        Self { pushed: Some(SystemTime::now()), ..Self::default() }
    }
}

/// The visits of all remotes, by the names of their mirrors.
#[derive(Debug, Default)]
pub(crate) struct Visited(Mutex<HashMap<String, Visits>>);

impl Visited {
    /// Takes down what was done now.
    pub(crate) fn note(&self, mirror: &str, new: Visits) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_REMOTES || known.contains_key(mirror) {
            let visits = known.entry(mirror.to_owned()).or_default();
            visits.asked = new.asked.or(visits.asked);
            visits.fetched = new.fetched.or(visits.fetched);
            visits.pushed = new.pushed.or(visits.pushed);
        }
    }

    pub(crate) fn of(&self, mirror: &str) -> Visits {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(mirror).copied().unwrap_or_default()
    }
}
