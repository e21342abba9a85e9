//! What the bot's loop, its tasks and its handles share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, ObjectName};
use tagwright_core::submit::GitSync;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::arrived::{Elsewhere, Told};
use super::configured::Configured;
use super::journal::Journal;
use super::news::Failures;
use super::origins::Origins;
use super::rows::Rows;
use super::task::Tasks;
use super::{BEAT_LIMIT, STUCK_LIMIT, Settings};
use crate::metrics::Metrics;
use crate::observe::Polls;
use crate::run::{Context, Edges, Freeze, Memory, Mode, PolicyReport, Subject, aside, freeze};
use crate::schedule::agenda::{Agenda, Moment, Work};
use crate::schedule::assignment::Assignment;
use crate::schedule::done::Done;
use crate::wire::freeze::FreezeStatus;
use crate::wire::machinery::Replicas;
use crate::wire::status::{ConfigurationStatus, Status};

/// What the bot's loop, its tasks and its handles share.
pub(super) struct Shared {
    pub(super) edges: Edges,
    pub(super) memory: Memory,
    pub(super) settings: Settings,
    start: Instant,
    pub(super) started: Timestamp,
    state: Mutex<State>,
    /// Something has changed that the loop should look at.
    pub(super) wake: Notify,
    /// Whether to stop.
    pub(super) stop: watch::Sender<bool>,
    /// When there was last nothing due and nothing under way.
    pub(super) settled: watch::Sender<Option<Duration>>,
    /// When the loop last moved, in milliseconds since the start.
    beat: AtomicU64,
    /// How much the mirrors take.
    pub(super) mirrors: Mutex<Sizes>,
    /// Who writes to a remote, by its URL.
    pub(super) writers: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// How much the mirrors take on the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    /// When that was found out, if it was.
    pub(super) at: Option<Duration>,
    /// All of them, in bytes.
    pub(super) all: u64,
    /// Those of the remotes that are configured, by their URLs.
    pub(super) of_each: BTreeMap<String, u64>,
}

/// What changes.
pub(super) struct State {
    pub(super) agenda: Agenda,
    pub(super) configured: Configured,
    pub(super) rows: Rows,
    pub(super) journal: Journal,
    pub(super) tasks: Tasks,
    pub(super) configuration: ConfigurationStatus,
    /// What the last polls came to.
    pub(super) polls: Polls,
    /// What policies select according to others, who poll or have polled for them.
    pub(super) published: BTreeMap<ObjectName, Reference>,
    /// Whether things of an earlier configuration may lie around.
    pub(super) untidy: bool,
    /// Tags of image repositories that webhooks have told of since they were last polled.
    pub(super) told: BTreeMap<ObjectName, Told>,
    /// What polls and runs go back to, for those who look at traces.
    pub(super) origins: Origins,
    /// Where resources can be submitted to.
    pub(super) syncs: Vec<Arc<GitSync>>,
    /// Who may tell.
    pub(super) receivers: Arc<hooks::Receivers>,
    /// What others of several processes work on.
    pub(super) elsewhere: Elsewhere,
    /// Who tells what happens, and what was told to fail.
    pub(super) voice: notify::Voice,
    pub(super) failures: Failures,
    /// What is counted as it happens.
    pub(super) metrics: Arc<Metrics>,
    /// Who shares the work, as it was last told.
    pub(super) replicas: Replicas,
}

impl Shared {
    pub(super) fn new(edges: Edges, settings: Settings) -> Self {
        let (started, metrics) = ((settings.clock)(), Arc::new(Metrics::new()));
        let counted = Arc::clone(&metrics);
        let count = Arc::new(move |kind, result| counted.notified(kind, result));
        let state = State {
            agenda: Agenda::new(settings.seed),
            configured: Configured::default(),
            rows: Rows::default(),
            journal: Journal::default(),
            tasks: Tasks::default(),
            configuration: ConfigurationStatus { loaded: started, failure: None },
            polls: Polls::default(),
            published: BTreeMap::new(),
            untidy: false,
            told: BTreeMap::new(),
            origins: Origins::default(),
            syncs: Vec::new(),
            receivers: Arc::default(),
            elsewhere: Elsewhere::default(),
            voice: notify::Voice::new(edges.forges.pauses(), edges.git.cloud().clone(), count),
            failures: Failures::default(),
            metrics,
            replicas: Replicas::default(),
        };
        Self {
            edges,
            memory: Memory::default(),
            settings,
            start: Instant::now(),
            started,
            state: Mutex::new(state),
            wake: Notify::new(),
            stop: watch::Sender::new(false),
            settled: watch::Sender::new(None),
            beat: AtomicU64::new(0),
            mirrors: Mutex::default(),
            writers: Mutex::default(),
        }
    }

    /// What both clocks show.
    pub(super) fn now(&self) -> Moment {
        Moment { elapsed: self.start.elapsed(), time: (self.settings.clock)() }
    }

    /// The instant at which the process has run for so long.
    pub(super) fn instant(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn context(&self) -> Context<'_> {
        let (now, summarise) = ((self.settings.clock)(), self.settings.listener.is_some());
        let gate = self.settings.gate.as_ref();
        Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now, summarise, gate }
    }

    /// Says that the loop moves.
    pub(super) fn beat(&self, now: Duration) {
        self.beat.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes an assignment in place of the one before.
    pub(super) fn configure(&self, assignment: Assignment) {
        let now = self.now();
        let mut state = self.state();
        let state = &mut *state;
        self.memory.retain(&assignment.automations);
        let news = assignment.news.clone();
        let before = std::mem::replace(&mut state.configured, Configured::new(assignment));
        self.name_remotes(state);
        let is_known = |policy: &ObjectName| state.configured.is_known(policy);
        state.polls.retain(|policy| state.configured.is_polled(policy));
        state.published.retain(|policy, _| is_known(policy));
        let polled: BTreeSet<&ObjectName> = state.configured.repositories().map(|it| &it.id).collect();
        let told = state.told.extract_if(.., |repository, _| !polled.contains(repository)).collect();
        let repositories = state.elsewhere.take_over(&told);
        if !repositories.is_empty() {
            self.tell(Some(Done::Arrived { repositories, automations: Vec::new() }));
        }
        state.origins.retain(&state.configured);
        state.rows.configure(&before, &state.configured);
        let gone = state.journal.configure((&state.configured, &state.syncs), &news, now.time);
        state.gone(&gone, now);
        state.agenda.configure(state.configured.plan(), &news, now);
        state.configuration = ConfigurationStatus { loaded: now.time, failure: None };
        state.untidy = true;
    }

    /// Tells Git which remotes there are, so that a token of the environment goes to nobody else.
    pub(super) fn name_remotes(&self, state: &State) {
        let syncs = state.syncs.iter().map(|sync| &sync.automation);
        let all = state.configured.automations.iter().chain(syncs);
        self.edges.git.configure(all.map(|automation| automation.remote.url.as_str()));
    }

    /// Takes in what policies select according to others; what is none any more is forgotten. Automations that go by one that is
    /// new are due.
    pub(super) fn publish(&self, selections: Vec<(ObjectName, Option<Reference>)>) {
        let now = self.now();
        let mut state = self.state();
        let state = &mut *state;
        let mut changed = BTreeSet::new();
        for (policy, selection) in selections {
            let Some(selection) = selection else {
                state.published.remove(&policy);
                continue;
            };
            let is_new = state.published.get(&policy) != Some(&selection);
            // Who polls by itself knows best.
            let own = state.polls.last(&policy).is_some_and(|report| report.selection.is_ok());
            if is_new && !own {
                changed.insert(policy.clone());
            }
            state.published.insert(policy, selection);
        }
        state.agenda.changed(&changed, now);
    }

    /// What runs go by: what the polls here came to, and where that is no selection, what others have published.
    pub(super) fn chosen(state: &State, automations: &[Arc<Automation>]) -> Polls {
        let mut polls = state.polls.of_automations(automations);
        for policy in automations.iter().flat_map(|automation| &automation.policies) {
            if polls.of(policy).is_some_and(|report| report.selection.is_ok()) {
                continue;
            }
            if let Some(selection) = state.published.get(&policy.id) {
                polls.take(&Arc::new(PolicyReport::published(policy, selection)));
            }
        }
        polls
    }

    /// Whether a piece of work may begin.
    pub(super) fn may_begin(&self, work: &Work) -> bool {
        let Some(gate) = &self.settings.gate else { return true };
        match work {
            Work::Poll { .. } | Work::LookUp { .. } => gate(&Subject::Image),
            Work::Run { remote, .. } => gate(&Subject::Remote(remote)),
        }
    }

    /// Tells somebody who publishes it what was done.
    pub(super) fn tell(&self, done: Option<Done>) {
        if let (Some(listener), Some(done)) = (&self.settings.listener, done) {
            // One that has ended publishes nothing any more.
            let _ = listener.send(done);
        }
    }

    /// What the bot says about itself.
    pub(super) fn status(&self) -> Status {
        let now = self.now();
        // Asked before the lock is taken, since it may have to wait for the disk.
        let switches = aside("read switches", || self.edges.store.switches()).unwrap_or_default();
        let switches = self.memory.in_force(switches);
        let syncs = self.sync_rows().into_iter().map(|mut row| {
            row.suspended |= switches.suspended.contains_key(&row.id().to_string());
            row
        });
        let state = self.state();
        let next = |repository: &str, policy: &ObjectName| state.agenda.next_poll(repository, policy, now);
        let policies = state.rows.policies(&state.configured, next).map(|mut status| {
            if switches.held.contains_key(&status.id().marker()) {
                status.message.push_str("; held by hand");
            }
            status
        });
        let configured = &state.configured.automations;
        let automations = configured.iter().zip(&state.rows.automations).map(|(automation, row)| {
            let mut status = row.clone();
            if let Freeze::Whole(hold) = freeze(automation, &switches, now.time)
                && !status.message.contains(&hold.to_string())
            {
                status.message.push_str(&format!("; {hold}"));
            }
            let id = row.id();
            status.next = state.agenda.next_run(&row.remote, &id, now);
            status.suspended |= switches.suspended.contains_key(&id.to_string());
            status
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            written: now.time,
            configuration: state.configuration.clone(),
            data_failure: self.memory.store_failure(),
            policies: policies.collect(),
            automations: automations.chain(syncs).collect(),
            freezes: FreezeStatus::all(&switches.freezes, &switches.calendar, now.time),
            registries: self.registries(&state, now),
            work: state.tasks.status(now.time),
        }
    }

    /// Whether the loop moves, and no task is stuck for good; otherwise what is wrong.
    pub(super) fn live(&self) -> Result<(), String> {
        let now = self.start.elapsed();
        let still = now.saturating_sub(Duration::from_millis(self.beat.load(Ordering::Relaxed)));
        if still > BEAT_LIMIT {
            return Err(format!("the main loop has not moved for {} s", still.as_secs()));
        }
        match self.state().tasks.longest_stuck(now) {
            Some((stuck, task)) if stuck > STUCK_LIMIT => {
                let step = task.progress.step();
                let stage = step.as_ref().map_or("start", |step| step.stage.as_str());
                Err(format!("the work on {} hangs at the stage {stage} and cannot be stopped", task.subject))
            }
            _ => Ok(()),
        }
    }
}
