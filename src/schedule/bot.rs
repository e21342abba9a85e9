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
mod rows;
mod shared;
mod task;

use std::any::Any;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use self::configured::Configured;
use self::shared::{Shared, Sizes, State};
use self::task::Task;
use crate::act::{Acted, act};
use crate::failure::Kind;
use crate::observe::{self, LookedUp, Polled};
use crate::run::{Edges, Gate, Progress, Queue, Stage, apart};
use crate::schedule::agenda::{LONGEST_SLEEP, Moment, Work};
use crate::schedule::assignment::{Assignment, Watched};
use crate::schedule::done::Done;
use crate::wire::status::WorkStatus;

pub use self::handle::Handle;

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

/// How often what is only worth keeping is written down.
const SAVE: Duration = Duration::from_secs(10);

/// How often the status document is written down.
const SAVE_STATUS: Duration = Duration::from_secs(60);

/// How often it is found out how much the mirrors take.
const MEASURE: Duration = Duration::from_secs(300);

/// How long the last writing may take.
const SAVE_DEADLINE: Duration = Duration::from_secs(10);

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

/// What is written down, and when.
#[derive(Default)]
struct Saving {
    under_way: Option<JoinHandle<()>>,
    last: Duration,
    last_status: Duration,
    /// It has been said that it takes long.
    slow: bool,
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
        self.save(now.elapsed);
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
            Work::Poll { .. } => state.told.remove(&watched.repository.id).flatten().filter(|told| !told.is_empty()),
            Work::LookUp { .. } | Work::Run { .. } => None,
        };
        let lists = match &work {
            Work::LookUp { policies, .. } => {
                watched.policies.retain(|policy| policies.contains(&policy.id));
                false
            }
            Work::Poll { .. } | Work::Run { .. } => true,
        };
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
        self.launch(state, work, subject, progress, limit, task);
    }

    fn begin_run(&mut self, state: &mut State, work: Work) {
        let Work::Run { remote, due, .. } = work.clone() else { return };
        let automations = state.configured.of_remote(&remote);
        let request = Configured::longest_request(&automations);
        let limit = RUN_DEADLINE.max(10 * request);
        let progress = Progress::default();
        progress.at(Stage::Advertise, &remote);
        let (shared, reports, polls) =
            (Arc::clone(&self.shared), progress.clone(), Shared::chosen(state, &automations));
        let task = async move {
            let mut acted = Acted::default();
            // There is one, since all of them have this URL.
            for queue in Queue::of_remotes(&automations) {
                match timeout(limit, act(shared.context(), &queue, &due, &polls, &reports)).await {
                    Ok(done) => acted = done,
                    Err(_) => return Ended::Late(limit),
                }
            }
            Ended::Acted(acted)
        };
        self.launch(state, work, remote.to_string(), progress, request, task);
    }

    fn launch(
        &mut self,
        state: &mut State,
        work: Work,
        subject: String,
        progress: Progress,
        request: Duration,
        task: impl Future<Output = Ended> + Send + 'static,
    ) {
        let abort = self.tasks.spawn(task);
        let patience = self.shared.settings.patience.unwrap_or(request + WATCH_MARGIN);
        let (began, time) = (Instant::now(), self.shared.now().time);
        let task = Task { work, subject, progress, began, time, patience, abort: abort.clone(), given_up: None };
        state.tasks.0.insert(abort.id(), task);
    }

    /// Takes in the end of a task.
    fn end(&self, ended: Result<(Id, Ended), JoinError>) {
        let now = self.shared.now();
        let mut state = self.shared.state();
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Task { work, given_up: None, began, time, .. }) = state.tasks.0.remove(&id) else { return };
        let took = began.elapsed();
        match &work {
            Work::Poll { .. } => state.metrics.poll_took(took),
            Work::Run { .. } => state.metrics.run_took(took),
            Work::LookUp { .. } => {}
        }
        let done = match (ended, work) {
            (Ok((_, Ended::Polled(polled))), Work::Poll { repository: key, number }) => {
                let repository = state.configured.watched(&key).map(|watched| Arc::clone(&watched.repository));
                state.polled(&key, number, &polled, now);
                repository.map(|repository| Done::Polled { repository, polled, began })
            }
            (Ok((_, Ended::LookedUp(looked_up))), Work::LookUp { repository: key, number, .. }) => {
                state.looked_up(&key, number, &looked_up, now);
                Some(Done::LookedUp { looked_up, began })
            }
            (Ok((_, Ended::Acted(acted))), Work::Run { remote: url, number, due }) => {
                state.acted(&url, number, &due, &acted, now);
                Some(Done::Acted { due, acted, time, began })
            }
            (Ok((_, Ended::Late(limit))), work) => {
                state.give_up((work, began), Kind::Transient, format!("was not done within {} s", limit.as_secs()), now)
            }
            (Err(error), work) if error.is_panic() => state.give_up(
                (work, began),
                Kind::Internal,
                format!("a task panicked: {}", words(&*error.into_panic())),
                now,
            ),
            (Err(_), _) => None,
            (Ok(_), work) => state.give_up(
                (work, began),
                Kind::Internal,
                "a task came to something else than it was for".to_owned(),
                now,
            ),
        };
        drop(state);
        self.shared.tell(done);
    }

    /// Writes down, now and then, what is only worth keeping, and drops what an earlier configuration has left.
    fn save(&mut self, now: Duration) {
        if now < self.save.next() {
            return;
        }
        if self.save.under_way.as_ref().is_some_and(|saving| !saving.is_finished()) {
            if !std::mem::replace(&mut self.save.slow, true) {
                tracing::warn!("the state is still being written down");
            }
            return;
        }
        self.save.slow = false;
        self.save.last = now;
        let with_status = now >= self.save.last_status + SAVE_STATUS;
        if with_status {
            self.save.last_status = now;
        }
        let shared = Arc::clone(&self.shared);
        self.save.under_way = Some(tokio::spawn(async move {
            let is_usable = look_at_data(&shared).await;
            observe::save(shared.context()).await;
            tidy(&shared).await;
            measure(&shared).await;
            if with_status && save_status(Arc::clone(&shared)).await && is_usable {
                shared.memory.store_is_well();
            }
        }));
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
            if let Some(saving) = self.save.under_way.take() {
                // Its own failures are told by itself.
                let _ = saving.await;
            }
            observe::save(shared.context()).await;
            save_status(Arc::clone(&shared)).await;
        };
        if timeout(SAVE_DEADLINE, last).await.is_err() {
            tracing::warn!("the state could not be written down in time");
        }
        tracing::info!("stopped");
    }
}

impl Saving {
    /// When to do so again; a writing that takes long is looked at more rarely.
    fn next(&self) -> Duration {
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
        let urls = configured.automations.iter().map(|automation| automation.remote.url.clone());
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
async fn save_status(shared: Arc<Shared>) -> bool {
    let saved = apart("write the status", move || {
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

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing is known of it")
}
