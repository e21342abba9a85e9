//! The tasks around the agenda: a loop that begins what is due, watches it, and takes in what comes of it.
//!
//! - Nothing runs without a deadline. A poll and a run have one as a whole, on top of those of their requests; and a task
//!   that stays at one stage for longer than any request may take is given up: that is logged with the stage, and its work
//!   is due again with backoff. Others go on meanwhile.
//! - A task that panics fails as [`Kind::Internal`]; the bot goes on.
//! - [`Handle::live`] tells whether the loop moves and whether something hangs that cannot even be given up.
//! - At the end nothing new begins and polls are cancelled; runs may finish within [`Settings::grace`].
//! - The log says what changed, once: commits, selections, holds, findings, failures that begin or end, and what the first
//!   round with a configuration came to. A sign of life every hour counts the rest.

mod arrived;
mod configured;
mod ended;
mod gauges;
mod handle;
mod journal;
mod machinery;
mod news;
mod origins;
mod rows;
mod saving;
mod shared;
mod submit;
mod task;

use std::any::Any;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use otlp::Origin;
use tagwright_core::automation::ObjectName;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument as _, Span};

use self::configured::Configured;
use self::origins::ByName;
use self::saving::{Saving, save_status};
use self::shared::{Shared, State};
use self::task::Task;
use crate::act::{Acted, act};
use crate::failure::Kind;
use crate::observe::{self, LookedUp, Polled};
use crate::run::{Edges, Gate, Progress, Queue, Stage};
use crate::schedule::agenda::{LONGEST_SLEEP, Moment, Work};
use crate::schedule::assignment::{Assignment, Watched};
use crate::schedule::done::Done;
use crate::trace;
use crate::wire::status::WorkStatus;

pub use self::arrived::Elsewhere;
pub use self::handle::Handle;

pub(crate) use self::arrived::MAX_TAGS;

/// How long a run may go on after the bot was told to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// How long a run may take as a whole, where ten of its requests may not take longer.
const RUN_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What is added to the deadline of a poll's requests for the poll as a whole.
const POLL_MARGIN: Duration = Duration::from_secs(30);

/// What is added to the deadline of a request before the task that stays at it is given up.
const WATCH_MARGIN: Duration = Duration::from_secs(60);

/// How often tasks are looked after.
const WATCH: Duration = Duration::from_secs(5);

/// A loop that has not moved for this long is not alive.
pub const BEAT_LIMIT: Duration = Duration::from_secs(2 * LONGEST_SLEEP.as_secs());

/// A task that was given up and has not ended for this long hangs for good.
const STUCK_LIMIT: Duration = Duration::from_secs(60);

/// How long the last writing may take.
const SAVE_DEADLINE: Duration = Duration::from_secs(10);

/// How long what is yet to be told to people may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a bot works.
#[derive(Clone)]
pub struct Settings {
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What makes its polls fall on other points of an interval than those of other bots.
    pub seed: u64,
    /// How long a run may go on after the bot was told to stop. Default: [`SHUTDOWN_GRACE`].
    pub grace: Duration,
    /// How long a task may be at one stage. Default: as long as a request of it may take, and `WATCH_MARGIN`.
    pub patience: Option<Duration>,
    /// Who publishes what it does. Default: nobody.
    pub listener: Option<UnboundedSender<Done>>,
    /// Whether work may begin. It is asked each time, for whoever has lost a lease may not know yet. Default: all may.
    pub gate: Option<Gate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Arc::new(Timestamp::now),
            seed: RandomState::new().hash_one(std::process::id()),
            grace: SHUTDOWN_GRACE,
            patience: None,
            listener: None,
            gate: None,
        }
    }
}

/// What a task came to.
enum Ended {
    Polled(Polled),
    LookedUp(LookedUp),
    Acted(Acted),
    /// It did not end within its deadline.
    Late(Duration),
}

/// A process that polls, plans, commits and pushes until it is told to stop.
pub struct Bot {
    shared: Arc<Shared>,
    tasks: JoinSet<Ended>,
    save: Saving,
}

impl Bot {
    /// Makes a bot, and what talks to it. All of the assignment is due at once.
    #[must_use]
    pub fn new(edges: Edges, assignment: impl Into<Assignment>, settings: Settings) -> (Self, Handle) {
        let shared = Arc::new(Shared::new(edges, settings));
        shared.configure(assignment.into());
        let handle = Handle { shared: Arc::clone(&shared) };
        (Self { shared, tasks: JoinSet::new(), save: Saving::default() }, handle)
    }

    /// Works until [`Handle::shutdown`].
    pub async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut stop = shared.stop.subscribe();
        loop {
            let wake = self.step();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                () = shared.wake.notified() => {}
                () = sleep_until(wake) => {}
            }
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.end(ended);
            }
        }
        self.stop().await;
    }

    /// Looks after what is under way and begins what is due. Returns when to do so again.
    fn step(&mut self) -> Instant {
        let shared = Arc::clone(&self.shared);
        let now = shared.now();
        shared.beat(now.elapsed);
        let mut state = shared.state();
        for hanging in state.tasks.give_up(now.elapsed) {
            let message =
                format!("hangs at the stage {} of {} for {} s", hanging.stage, hanging.what, hanging.stuck.as_secs());
            state.put_back(&hanging.work, hanging.taken);
            let done = state.give_up((hanging.work, hanging.began), Kind::Transient, message, now);
            shared.tell(done);
        }
        for work in state.agenda.take(now) {
            match shared.may_begin(&work) {
                true => self.begin(&mut state, work, now),
                false => state.put_off(&work, now),
            }
        }
        let automations = state.configured.automations.len();
        // What was in use when the configuration changed is dropped an hour later.
        state.untidy |= state.journal.look(automations, now.elapsed);
        let busy = !state.tasks.0.is_empty();
        if !busy {
            let State { journal, configured, rows, .. } = &mut *state;
            journal.first_round(configured, rows);
        }
        let next = state.agenda.next(now).min(state.journal.next());
        let watch = shared.settings.patience.map_or(WATCH, |patience| WATCH.min(patience));
        let wake = if busy { next.min(now.elapsed + watch) } else { next };
        drop(state);
        shared.settled.send_replace((!busy).then_some(now.elapsed));
        self.save.save(&shared, now.elapsed);
        shared.instant(wake.min(self.save.next()))
    }

    fn begin(&mut self, state: &mut State, work: Work, now: Moment) {
        match &work {
            Work::Poll { repository, .. } | Work::LookUp { repository, .. } => {
                match state.configured.watched(repository) {
                    Some(watched) => self.begin_poll(state, watched.clone(), work),
                    None => state.lost(&work, Kind::Internal, "the image repository is not configured", now),
                }
            }
            Work::Run { .. } => self.begin_run(state, work),
        }
    }

    /// Begins a poll, or a look-up of digests.
    fn begin_poll(&mut self, state: &mut State, mut watched: Watched, work: Work) {
        let subject = watched.repository.image.name().to_owned();
        let progress = Progress::default();
        progress.at(Stage::Poll, &subject);
        let limit = watched.repository.access.timeout + POLL_MARGIN;
        let told = match &work {
            Work::Poll { lists, .. } => {
                let told = state.told.remove(&watched.repository.id).flatten();
                told.filter(|told| !told.is_empty() && !lists)
            }
            Work::LookUp { .. } | Work::Run { .. } => None,
        };
        let lists = match &work {
            Work::LookUp { policies, .. } => {
                watched.policies.retain(|policy| policies.contains(&policy.id));
                false
            }
            Work::Poll { .. } | Work::Run { .. } => true,
        };
        let taken = state.origins.of_poll(&watched.repository.id);
        let span = trace::poll(&watched.repository, lists, &origins::all(&taken));
        let (shared, before) = (Arc::clone(&self.shared), state.polls.only(&watched.policies));
        let task = async move {
            let Watched { repository, policies } = &watched;
            let work = async {
                if let Some(told) = &told
                    && let Some(polled) =
                        Box::pin(observe::pushed(shared.context(), repository, policies, &before, told)).await
                {
                    return Ended::Polled(polled);
                }
                match lists {
                    true => Ended::Polled(observe::poll(shared.context(), repository, policies, &before).await),
                    false => Ended::LookedUp(observe::look_up(shared.context(), policies, &before).await),
                }
            };
            timeout(limit, work).await.unwrap_or(Ended::Late(limit))
        };
        self.launch(state, (work, subject), progress, limit, (span, taken), task);
    }

    fn begin_run(&mut self, state: &mut State, work: Work) {
        let Work::Run { remote, due, .. } = work.clone() else { return };
        let automations = state.configured.of_remote(&remote);
        let request = Configured::longest_request(&automations);
        let limit = RUN_DEADLINE.max(10 * request);
        let progress = Progress::default();
        progress.at(Stage::Advertise, &remote);
        let subject = remote.to_string();
        let taken = state.origins.of_run(&due);
        let span = trace::run(&remote, due.iter(), &origins::all(&taken));
        let (shared, reports, polls) =
            (Arc::clone(&self.shared), progress.clone(), Shared::chosen(state, &automations));
        let task = async move {
            let _writer = shared.writer(&remote, &reports).await;
            let mut acted = Acted::default();
            // There is one, since all of them have this URL.
            for queue in Queue::of_remotes(&automations) {
                match timeout(limit, Box::pin(act(shared.context(), &queue, &due, &polls, &reports))).await {
                    Ok(done) => acted = done,
                    Err(_) => return Ended::Late(limit),
                }
            }
            Ended::Acted(acted)
        };
        self.launch(state, (work, subject), progress, request, (span, taken), task);
    }

    fn launch(
        &mut self,
        state: &mut State,
        (work, subject): (Work, String),
        progress: Progress,
        request: Duration,
        (span, taken): (Span, ByName),
        task: impl Future<Output = Ended> + Send + 'static,
    ) {
        let origin = Origin::of(&span);
        let abort = self.tasks.spawn(task.instrument(span));
        let patience = self.shared.settings.patience.unwrap_or(request + WATCH_MARGIN);
        let (began, time) = (Instant::now(), self.shared.now().time);
        let abort_handle = abort.clone();
        let task =
            Task { work, subject, progress, began, time, patience, abort: abort_handle, given_up: None, origin, taken };
        state.tasks.0.insert(abort.id(), task);
    }

    /// Takes in the end of a task.
    fn end(&self, ended: Result<(Id, Ended), JoinError>) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Task { work, given_up: None, began, time, origin, taken, .. }) = state.tasks.0.remove(&id) else {
            return;
        };
        // What is said of it belongs to it.
        let _told = origin.as_ref().map(Origin::enter);
        let (took, mut in_use) = (began.elapsed(), Vec::new());
        match &work {
            Work::Poll { .. } => state.metrics.poll_took(took),
            Work::Run { .. } => state.metrics.run_took(took),
            Work::LookUp { .. } => {}
        }
        let done = match (ended, work) {
            (Ok((_, Ended::Polled(polled))), Work::Poll { repository: key, number, .. }) => {
                let repository = state.configured.watched(&key).map(|watched| Arc::clone(&watched.repository));
                state.found(&polled.changed, origin.as_ref());
                if !polled.failures.is_empty() {
                    state.origins.poll_failed(taken);
                }
                state.polled(&key, number, &polled, now);
                repository.map(|repository| Done::Polled { repository, polled, began })
            }
            (Ok((_, Ended::LookedUp(looked_up))), Work::LookUp { repository: key, number, .. }) => {
                state.found(&looked_up.changed, origin.as_ref());
                state.looked_up(&key, number, &looked_up, now);
                Some(Done::LookedUp { looked_up, began })
            }
            (Ok((_, Ended::Acted(acted))), Work::Run { remote: url, number, due }) => {
                in_use = state.in_use(&acted);
                let failed: BTreeSet<&ObjectName> = acted
                    .automations
                    .iter()
                    .filter(|report| report.outcome.error().is_some())
                    .map(|report| &report.id)
                    .collect();
                state.origins.run_failed(taken, |automation| failed.contains(automation));
                state.acted(&url, number, &due, &acted, now);
                Some(Done::Acted { due, acted, time, began })
            }
            (Ok((_, Ended::Late(limit))), work) => {
                state.put_back(&work, taken);
                state.give_up((work, began), Kind::Transient, format!("was not done within {} s", limit.as_secs()), now)
            }
            (Err(error), work) if error.is_panic() => {
                state.put_back(&work, taken);
                let message = format!("a task panicked: {}", words(&*error.into_panic()));
                state.give_up((work, began), Kind::Internal, message, now)
            }
            (Err(_), _) => None,
            (Ok(_), work) => state.give_up(
                (work, began),
                Kind::Internal,
                "a task came to something else than it was for".to_owned(),
                now,
            ),
        };
        drop(state);
        self.shared.tell_sources(in_use);
        self.shared.tell(done);
    }

    /// Ends what is under way.
    async fn stop(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.state().tasks.cancel_polls();
        let grace = shared.settings.grace;
        let runs = shared.state().tasks.runs();
        tracing::info!(runs, grace_s = grace.as_secs(), "stopping");
        let deadline = Instant::now() + grace;
        while shared.state().tasks.runs() > 0 {
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                () = sleep_until(deadline) => break,
            }
        }
        // Polls were given up on purpose.
        let is_run = |work: &WorkStatus| work.stage != Stage::Poll.as_str();
        for work in shared.state().tasks.status((shared.settings.clock)()).into_iter().filter(is_run) {
            tracing::warn!(subject = work.subject, stage = work.stage, what = work.what, "stopped before it was done");
        }
        self.tasks.abort_all();
        let last = async {
            self.save.finish().await;
            observe::save(shared.context()).await;
            save_status(Arc::clone(&shared)).await;
        };
        let voice = shared.state().voice.clone();
        let (saved, ()) = tokio::join!(timeout(SAVE_DEADLINE, last), voice.finish(LAST_WORDS));
        // Only now it is known whom the last words have reached.
        let told = timeout(SAVE_DEADLINE, save_status(Arc::clone(&shared))).await;
        if saved.is_err() || told.is_err() {
            tracing::warn!("the state could not be written down in time");
        }
        tracing::info!("stopped");
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing is known of it")
}
