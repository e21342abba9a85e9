//! What a bot writes down while it works, so that the next process has it, and what it tidies up on the way.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::shared::{Shared, Sizes};
use crate::observe;
use crate::run::apart;

/// How often what is only worth keeping is written down.
const SAVE: Duration = Duration::from_secs(10);

/// How often the status document is written down.
const SAVE_STATUS: Duration = Duration::from_secs(60);

/// How often it is found out how much the mirrors take.
const MEASURE: Duration = Duration::from_secs(300);

/// What is written down, and when.
#[derive(Default)]
pub(super) struct Saving {
    under_way: Option<JoinHandle<()>>,
    last: Duration,
    last_status: Duration,
    /// It has been said that it takes long.
    slow: bool,
}

impl Saving {
    /// Writes down, now and then, what is only worth keeping, and drops what an earlier configuration has left.
    pub(super) fn save(&mut self, shared: &Arc<Shared>, now: Duration) {
        if now < self.next() {
            return;
        }
        if self.under_way.as_ref().is_some_and(|saving| !saving.is_finished()) {
            if !std::mem::replace(&mut self.slow, true) {
                tracing::warn!("the state is still being written down");
            }
            return;
        }
        self.slow = false;
        self.last = now;
        let with_status = now >= self.last_status + SAVE_STATUS;
        if with_status {
            self.last_status = now;
        }
        let shared = Arc::clone(shared);
        self.under_way = Some(tokio::spawn(async move {
            let is_usable = look_at_data(&shared).await;
            observe::save(shared.context()).await;
            tidy(&shared).await;
            measure(&shared).await;
            if with_status && save_status(Arc::clone(&shared)).await && is_usable {
                shared.memory.store_is_well();
            }
        }));
    }

    /// Waits for what is being written, whose failures are told already.
    pub(super) async fn finish(&mut self) {
        if let Some(saving) = self.under_way.take() {
            let _ = saving.await;
        }
    }

    /// When to do so again; a writing that takes long is looked at more rarely.
    pub(super) fn next(&self) -> Duration {
        if self.slow { self.last + SAVE_STATUS } else { self.last + SAVE }
    }
}

/// Forgets what only an earlier configuration needed.
async fn tidy(shared: &Shared) {
    let (repositories, urls) = {
        let mut state = shared.state();
        if !std::mem::take(&mut state.untidy) {
            return;
        }
        let configured = &state.configured;
        let repositories: Vec<_> = configured.repositories().cloned().collect();
        let syncs = state.syncs.iter().map(|sync| &sync.automation);
        let urls = configured.automations.iter().chain(syncs).map(|automation| automation.remote.url.clone());
        (repositories, urls.collect::<Vec<_>>())
    };
    observe::forget(shared.context(), &repositories, &urls).await;
}

/// Finds out now and then how much the mirrors take.
async fn measure(shared: &Shared) {
    let now = shared.now().elapsed;
    let known = shared.mirrors.lock().unwrap_or_else(PoisonError::into_inner).at;
    if known.is_some_and(|at| now < at + MEASURE) {
        return;
    }
    let urls: BTreeSet<String> = {
        let state = shared.state();
        state.configured.automations.iter().map(|automation| automation.remote.url.clone()).collect()
    };
    let git = shared.edges.git.clone();
    let measure = move || {
        let of_each = urls.into_iter().filter_map(|url| git.mirror_bytes(&url).map(|bytes| (url, bytes))).collect();
        Sizes { at: Some(now), all: git.mirrors_bytes(), of_each }
    };
    if let Ok(sizes) = apart("measure the mirrors", measure).await {
        *shared.mirrors.lock().unwrap_or_else(PoisonError::into_inner) = sizes;
    }
}

/// Looks whether the data directory can still be used, and returns whether it can.
async fn look_at_data(shared: &Shared) -> bool {
    let store = shared.edges.store.clone();
    match apart("look at the data folder", move || store.look()).await {
        Ok(Ok(notice)) => {
            if let Some(notice) = notice {
                tracing::warn!("{notice}");
            }
            shared.memory.store_works("data directory");
            true
        }
        Ok(Err(error)) => {
            shared.memory.store_fails("data directory", &error);
            false
        }
        Err(_) => false,
    }
}

/// Writes down the status document, and returns whether that went well.
pub(super) async fn save_status(shared: Arc<Shared>) -> bool {
    let saved = apart("write the status", move || {
        let at = (shared.settings.clock)();
        let failing = shared.state().failing(at);
        if let Some(failing) = failing {
            shared.edges.store.put_failing(&failing).map_err(|error| error.to_string())?;
        }
        let document = serde_json::to_vec(&shared.status()).map_err(|error| error.to_string())?;
        shared.edges.store.put_status(&document).map_err(|error| error.to_string())
    });
    match saved.await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::debug!(error, "cannot write down the status"),
        Err(error) => tracing::debug!(%error, "cannot write down the status"),
    }
    false
}
