//! What the bot's loop, its tasks and its handles share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::configured::Configured;
use super::journal::Journal;
use super::rows::Rows;
use super::task::Tasks;
use super::{BEAT_LIMIT, STUCK_LIMIT, Settings};
use crate::observe::Polls;
use crate::run::{Context, Edges, Memory, Mode, aside, name_remotes};
use crate::schedule::agenda::{Agenda, Moment};
use crate::wire::status::{ConfigurationStatus, Status};

/// What the bot's loop, its tasks and its handles share.
pub(super) struct Shared {
    pub(super) edges: Edges,
    pub(super) memory: Memory,
    pub(super) settings: Settings,
    start: Instant,
    started: Timestamp,
    state: Mutex<State>,
    /// Something has changed that the loop should look at.
    pub(super) wake: Notify,
    /// Whether to stop.
    pub(super) stop: watch::Sender<bool>,
    /// When there was last nothing due and nothing under way.
    pub(super) settled: watch::Sender<Option<Duration>>,
    /// When the loop last moved, in milliseconds since the start.
    beat: AtomicU64,
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
    /// Whether things of an earlier configuration may lie around.
    pub(super) untidy: bool,
}

impl Shared {
    pub(super) fn new(edges: Edges, settings: Settings) -> Self {
        let started = (settings.clock)();
        let state = State {
            agenda: Agenda::new(settings.seed),
            configured: Configured::default(),
            rows: Rows::default(),
            journal: Journal::default(),
            tasks: Tasks::default(),
            configuration: ConfigurationStatus { loaded: started, failure: None },
            polls: Polls::default(),
            untidy: false,
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
        Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now: (self.settings.clock)() }
    }

    /// Says that the loop moves.
    pub(super) fn beat(&self, now: Duration) {
        self.beat.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes a configuration in place of the one before.
    pub(super) fn configure(&self, automations: Vec<Arc<Automation>>) {
        let now = self.now();
        name_remotes(&self.edges.git, &automations);
        let mut state = self.state();
        let state = &mut *state;
        self.memory.retain(&automations);
        state.polls.retain(&automations);
        state.configured = Configured::new(automations);
        state.rows.configure(&state.configured);
        state.journal.configure(&state.configured);
        state.agenda.configure(state.configured.plan(), now);
        state.configuration = ConfigurationStatus { loaded: now.time, failure: None };
        state.untidy = true;
    }

    /// What the bot says about itself.
    pub(super) fn status(&self) -> Status {
        let now = self.now();
        // Asked before the lock is taken, since it may have to wait for the disk.
        let switches = aside(|| self.edges.store.switches()).unwrap_or_default();
        let state = self.state();
        let policies = state.rows.policies.iter().map(|row| {
            let mut status = row.status.clone();
            let id = status.id();
            status.next = row.repository.as_ref().and_then(|key| state.agenda.next_poll(key, &id, now));
            if switches.held.contains_key(&id.marker()) {
                status.message.push_str("; held by hand");
            }
            status
        });
        let automations = state.rows.automations.iter().map(|row| {
            let mut status = row.clone();
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
            policies: policies.collect(),
            automations: automations.collect(),
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
