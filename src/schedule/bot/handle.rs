//! How the rest of the process talks to a bot.

use std::sync::Arc;

use image::Reference;
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::freeze::{Calendar, Selector};
use tokio::time::Instant;

use super::shared::Shared;
use crate::act::{Acted, act};
use crate::failure::Failure;
use crate::observe::{self, image_key};
use crate::run::{Context, Mode, PolicyReport, Progress, Queue};
use crate::schedule::agenda::Trigger;
use crate::schedule::assignment::Assignment;
use crate::schedule::bot::journal::{Subject, Trouble};
use crate::snippet::Style;
use crate::store::{Image, Store, Switches};
use crate::wire::images::Images;
use crate::wire::machinery::{RemoteStatus, Replicas};
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

    /// Takes an assignment in place of the one before. What it has for news is due at once.
    pub fn configure(&self, assignment: impl Into<Assignment>) {
        self.shared.configure(assignment.into());
        let now = self.shared.now();
        self.shared.state().works(&Subject::Configuration, now);
        self.shared.wake.notify_one();
    }

    /// Takes so many parts of so many of what may be asked of registries, since other processes have the rest.
    pub fn take_part(&self, ours: usize, of: usize) {
        self.shared.edges.registry.take_part(ours, of);
    }

    /// Takes in what policies select according to others, who poll or have polled for them; none is forgotten. Runs go by it
    /// where the polls here came to nothing, and automations that go by one that is new are due.
    pub fn publish(&self, selections: Vec<(ObjectName, Option<Reference>)>) {
        self.shared.publish(selections);
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
        state.fails(Subject::Configuration, Trouble::new(failure.kind(), message), now);
    }

    /// A policy that is configured.
    pub(crate) fn policy(&self, name: &ObjectName) -> Option<Arc<ImagePolicy>> {
        let state = self.shared.state();
        let at = state.configured.at(name)?;
        state.configured.policies.get(at).map(|known| Arc::clone(&known.policy))
    }

    /// What the last poll of a policy came to; none before the first.
    pub(crate) fn report(&self, policy: &Arc<ImagePolicy>) -> Option<Arc<PolicyReport>> {
        self.shared.state().polls.of(policy).cloned()
    }

    /// What is known of a policy's image repository: its tags as they were last listed.
    pub(crate) async fn image(&self, policy: &ImagePolicy) -> Image {
        self.shared.context().image(&image_key(&policy.repository)).await.unwrap_or_default()
    }

    /// What an automation would do if it ran now: a dry run on what the last polls came to. None where it is not configured.
    pub(crate) async fn pending(&self, name: &ObjectName) -> Option<Acted> {
        let (automations, polls) = {
            let state = self.shared.state();
            let automation = state.configured.automations.iter().find(|automation| automation.id == *name)?;
            let automations = state.configured.of_remote(&automation.remote.url);
            let polls = Shared::chosen(&state, &automations);
            (automations, polls)
        };
        let context = Context { mode: Mode::DryRun, ..self.shared.context() };
        let (due, progress) = ([name.clone()].into(), Progress::default());
        let mut acted = Acted::default();
        // There is one, since all of them have this URL.
        for queue in Queue::of_remotes(&automations) {
            acted = Box::pin(act(context, &queue, &due, &polls, &progress)).await;
        }
        Some(acted)
    }

    /// The images that Git references in so many commits of each branch; the remotes are asked.
    pub(crate) async fn images(&self, commits: usize) -> Images {
        let automations = self.shared.state().configured.automations.clone();
        Box::pin(observe::in_use(&self.shared.edges.git, &automations, commits)).await.into()
    }

    /// Takes a calendar in place of the one before. Where it is another, everything is due.
    pub fn take_calendar(&self, calendar: Calendar) {
        if self.shared.memory.take_calendar(calendar) {
            self.trigger(&Trigger::All);
        }
    }

    /// When nothing at all is written, as the configuration says.
    pub(crate) fn calendar(&self) -> Arc<Calendar> {
        self.shared.memory.in_force(Switches::default()).calendar
    }

    /// Lets the bot see at once to what an order about freezes names.
    pub(crate) fn look_at(&self, selector: &Selector) -> usize {
        let trigger = match selector {
            Selector::Everything => Trigger::All,
            Selector::Policy(policy) => Trigger::Policy(policy.clone()),
            Selector::Automation(automation) => Trigger::Automation(automation.clone()),
            Selector::Namespace(_) => {
                let ids = self.automations();
                let covered = ids.into_iter().filter(|id| selector.covers_automation(id));
                return covered.map(|id| self.trigger(&Trigger::Automation(id))).sum();
            }
        };
        self.trigger(&trigger)
    }

    /// Whether a selector names something that is configured.
    pub(crate) fn is_known(&self, selector: &Selector) -> bool {
        match selector {
            Selector::Everything => true,
            Selector::Policy(policy) => self.shared.state().configured.is_known(policy),
            _ => self.automations().iter().any(|id| selector.covers_automation(id)),
        }
    }

    fn automations(&self) -> Vec<ObjectName> {
        self.shared.state().configured.automations.iter().map(|automation| automation.id.clone()).collect()
    }

    /// What the bot says about itself. Reads the store, so it may have to wait for the disk.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Everything that is counted and read off, in OpenMetrics. Reads the store, so it may have to wait for the disk.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shared.metrics()
    }

    /// Counts a pass over an object of a cluster, of this kind, namespace and name.
    pub(crate) fn reconciled(&self, kind: &'static str, name: (&str, &str), is_well: bool, began: Instant) {
        let metrics = Arc::clone(&self.shared.state().metrics);
        metrics.flux.reconciled(kind, name, is_well, began.elapsed());
    }

    /// Forgets what was counted of an object that is gone.
    pub(crate) fn forget(&self, kind: &'static str, name: (&str, &str)) {
        self.shared.state().metrics.flux.forget(kind, name);
    }

    /// Takes in how many shards of each half of the work this process holds.
    pub(crate) fn holds_shards(&self, shards: Vec<(&'static str, usize)>) {
        self.shared.state().metrics.holds_shards(shards);
    }

    /// Takes in who shares the work.
    pub(crate) fn shares_with(&self, replicas: Replicas) {
        self.shared.state().replicas = replicas;
    }

    /// Who shares the work, as far as this process knows.
    pub(crate) fn replicas(&self) -> Replicas {
        self.shared.replicas()
    }

    /// The Git remotes, each with its mirror.
    #[must_use]
    pub fn remotes(&self) -> Vec<RemoteStatus> {
        self.shared.remotes()
    }

    /// The automations that apply a policy.
    pub(crate) fn users(&self, policy: &ObjectName) -> Vec<ObjectName> {
        let state = self.shared.state();
        let applies = |automation: &&Arc<Automation>| automation.policies.iter().any(|it| it.id == *policy);
        state.configured.automations.iter().filter(applies).map(|automation| automation.id.clone()).collect()
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

    /// Why the data directory cannot be used, if it cannot.
    #[must_use]
    pub fn data_failure(&self) -> Option<String> {
        self.shared.memory.store_failure()
    }

    /// Ends the bot: nothing new begins, polls are given up, and a run may finish within the time that the settings grant.
    pub fn shutdown(&self) {
        self.shared.stop.send_replace(true);
    }

    /// What is under way is about these: canonical names of image repositories, and URLs of remotes.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        self.shared.state().tasks.subjects()
    }

    /// How many policies have not been polled yet that somebody waits for, and how many there are. Where what is done is published,
    /// nobody waits: what each came to is said there.
    #[must_use]
    pub fn unpolled(&self) -> (usize, usize) {
        let state = self.shared.state();
        let (left, all) = state.rows.unpolled(&state.configured);
        if self.shared.settings.listener.is_some() { (0, all) } else { (left, all) }
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
