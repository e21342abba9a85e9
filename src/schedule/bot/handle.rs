//! How the rest of the process talks to a bot.

use std::sync::Arc;

use tagwright_core::automation::Automation;

use super::shared::Shared;
use crate::failure::Failure;
use crate::schedule::agenda::Trigger;
use crate::schedule::bot::journal::Subject;
use crate::snippet::Style;
use crate::store::Store;
use crate::wire::status::{ConfigurationFailure, Status};

/// How the rest of the process talks to a bot. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// Makes something due at once. Returns how many image repositories and automations that concerns.
    pub fn trigger(&self, trigger: &Trigger) -> usize {
        let now = self.shared.now();
        let count = self.shared.state().agenda.trigger(trigger, now);
        self.shared.wake.notify_one();
        count
    }

    /// Takes a configuration in place of the one before. All of it is due at once.
    pub fn configure(&self, automations: Vec<Arc<Automation>>) {
        self.shared.configure(automations);
        let now = self.shared.now().elapsed;
        self.shared.state().journal.works(&Subject::Configuration, now);
        self.shared.wake.notify_one();
    }

    /// Says that the configuration as it stands now cannot be used; the one before goes on to be.
    pub(crate) fn configuration_failed(&self, failure: &Failure) {
        let text = failure.render(Style::Plain);
        let message = text.trim_end();
        let now = self.shared.now();
        let mut state = self.shared.state();
        let since = state.configuration.failure.as_ref().map_or(now.time, |failure| failure.since);
        if state.configuration.failure.as_ref().is_none_or(|failure| failure.message != message) {
            state.journal.forget(&Subject::Configuration);
        }
        state.configuration.failure = Some(ConfigurationFailure { since, message: message.to_owned() });
        state.journal.fails(Subject::Configuration, failure.kind(), message, now.elapsed);
    }

    /// What the bot says about itself. Reads the store, so it may have to wait for the disk.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What outlives the bot.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.edges.store
    }

    /// Tells whether the bot is alive.
    ///
    /// # Errors
    /// In one sentence what is stuck.
    pub fn live(&self) -> Result<(), String> {
        self.shared.live()
    }

    /// Ends the bot: nothing new begins, polls are given up, and a run may finish within the time that the settings grant.
    pub fn shutdown(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Waits until nothing is due and nothing is under way.
    pub async fn settled(&self) {
        let now = self.shared.now().elapsed;
        let mut settled = self.shared.settled.subscribe();
        self.shared.wake.notify_one();
        // The sender lives as long as this handle, so the wait ends with what is waited for.
        let _ = settled.wait_for(|at| at.is_some_and(|at| at >= now)).await;
    }
}
