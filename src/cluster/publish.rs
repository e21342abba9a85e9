//! Writing statuses: one write for each pass over an object, a bounded number at a time, never two for one object.
//!
//! What comes while an object is being written waits, and the last word counts; but what was done, such as a push, is said
//! before it. A write that the API server does not take is tried again with what is to be said then.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use flux::{Event, Seen};
use jiff::Timestamp;
use kubernetes::status::{Target, Written};
use kubernetes::{Cluster, Object, finalizer, status};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::judge::Judge;
use super::objects::Objects;
use super::passed::{self, Tags};
use super::versions::Version;
use super::what::{Id, keeps};
use crate::schedule::MAX_TAGS;

/// How many objects are written at once.
const CONCURRENT: usize = 16;

/// How long after a write that failed the next is tried; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time until a write is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How much is said of an object at once; with more, the oldest is left out.
const MOST: usize = 16;

/// The finalizer of Flux's controllers.
pub(super) const FINALIZER: &str = "finalizers.fluxcd.io";

/// What is to be done to an object.
#[derive(Clone)]
pub(super) enum Wish {
    /// Its status is to say what passes came to, one after the other.
    Say(Vec<Word>),
    /// It is ours, and does not go without us.
    Keep,
    /// It may go.
    LetGo,
    /// An order on it was carried out, and is taken off: the annotation with this text.
    Obeyed(&'static str, String),
    /// Whoever works on it is to make a pass at once: what asks for it gets this text.
    Ask(String),
    /// Whoever polls the images is to look at these tags.
    Pass(Tags),
}

/// What a pass came to.
#[derive(Clone)]
pub(super) struct Word {
    pub(super) judge: Judge,
    /// The version of the object that it is about.
    pub(super) version: Version,
    pub(super) weight: Weight,
}

/// What becomes of a word that waits when there is a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is out of date.
    State,
    /// It is said first: it tells what was done.
    Deed,
}

impl Wish {
    /// The status is to say what one pass came to.
    pub(super) fn say(judge: Judge, version: Version) -> Self {
        Self::Say(vec![Word { judge, version, weight: Weight::State }])
    }

    /// This wish, and what of an earlier one still counts.
    fn after(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Say(words), Self::Say(mut all)) => {
                all.retain(|word| word.weight == Weight::Deed);
                all.extend(words);
                let surplus = all.len().saturating_sub(MOST);
                all.drain(..surplus);
                Self::Say(all)
            }
            (Self::Pass(mut tags), Self::Pass(all)) => {
                tags.extend(all);
                match tags.len() <= MAX_TAGS {
                    true => Self::Pass(tags),
                    false => Self::Ask(Timestamp::now().to_string()),
                }
            }
            // The pass that is asked for lists all tags.
            (Self::Pass(_), asked @ Self::Ask(_)) => asked,
            (wish, _) => wish,
        }
    }

    /// Finalizers come first, and do not take the place of what is to be said.
    fn turn(&self) -> Turn {
        match self {
            Self::Say(..) => Turn::Status,
            Self::Keep | Self::LetGo => Turn::Finalizer,
            Self::Obeyed(..) => Turn::Order,
            Self::Ask(..) | Self::Pass(..) => Turn::Request,
        }
    }
}

/// Which part of an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Finalizer,
    Order,
    Request,
    Status,
}

impl Turn {
    /// All of them.
    const ALL: [Self; 4] = [Self::Finalizer, Self::Order, Self::Request, Self::Status];
}

/// What became of a write.
pub(super) struct Told {
    pub(super) id: Id,
    /// The object as it is stored now, where it was written.
    pub(super) stored: Option<Box<Object>>,
    /// The object that was judged, with what there is to tell about it.
    pub(super) events: Vec<Event>,
    pub(super) about: Arc<Object>,
}

/// The writes that are under way, and those that wait.
pub(super) struct Publisher {
    cluster: Cluster,
    waiting: BTreeMap<(Id, Turn), Waiting>,
    /// How many of those that wait have to.
    paused: usize,
    /// What was begun last: the next ones come after it, so that all have their turn however much is wanted of the first ones.
    last: Option<(Id, Turn)>,
    busy: BTreeMap<Id, tokio::task::Id>,
    tasks: JoinSet<Ended>,
}

struct Waiting {
    wish: Wish,
    not_before: Option<Instant>,
    failures: u32,
}

struct Ended {
    id: Id,
    wish: Wish,
    failures: u32,
    about: Arc<Object>,
    result: Result<(Written, Vec<Event>), kubernetes::Error>,
}

impl Publisher {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster, waiting: BTreeMap::new(), paused: 0, last: None, busy: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Wants something to be done to an object, in place of what was wanted before.
    pub(super) fn want(&mut self, id: Id, wish: Wish) {
        let slot = (id, wish.turn());
        // A pause that the server wants goes on, whatever there is to say by now.
        let waiting = match self.take_out(&slot) {
            Some(Waiting { wish: earlier, not_before, failures }) => {
                Waiting { wish: wish.after(earlier), not_before, failures }
            }
            None => Waiting { wish, not_before: None, failures: 0 },
        };
        self.put(slot, waiting);
    }

    /// Forgets what was wanted of an object.
    pub(super) fn forget(&mut self, id: &Id) {
        for turn in Turn::ALL {
            self.take_out(&(id.clone(), turn));
        }
    }

    fn put(&mut self, slot: (Id, Turn), waiting: Waiting) {
        self.paused += usize::from(waiting.not_before.is_some());
        self.waiting.insert(slot, waiting);
    }

    fn take_out(&mut self, slot: &(Id, Turn)) -> Option<Waiting> {
        let waiting = self.waiting.remove(slot)?;
        self.paused -= usize::from(waiting.not_before.is_some());
        Some(waiting)
    }

    /// Begins what can begin.
    pub(super) fn begin(&mut self, objects: &Objects) {
        let now = Instant::now();
        let ready = |((id, _), waiting): &(&(Id, Turn), &Waiting)| {
            !self.busy.contains_key(id) && waiting.not_before.is_none_or(|at| at <= now)
        };
        // Of an object with several wishes one is begun, so that more are looked at than there is room for.
        let room = CONCURRENT.saturating_sub(self.busy.len()) * Turn::ALL.len();
        let start = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let end = self.last.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let later = self.waiting.range::<(Id, Turn), _>((start, Bound::Unbounded));
        let earlier = self.waiting.range::<(Id, Turn), _>((Bound::Unbounded, end)).filter(|_| self.last.is_some());
        let slots: Vec<(Id, Turn)> =
            later.chain(earlier).filter(ready).take(room).map(|(slot, _)| slot.clone()).collect();
        for slot in slots {
            if self.busy.len() >= CONCURRENT {
                return;
            }
            if self.busy.contains_key(&slot.0) {
                continue;
            }
            let Some(Waiting { wish, failures, .. }) = self.take_out(&slot) else { continue };
            self.last = Some(slot.clone());
            let id = slot.0;
            let Some(object) = objects.get(&id) else { continue };
            let (cluster, object, key) = (self.cluster.clone(), Arc::clone(object), id.clone());
            let task = self.tasks.spawn(async move {
                let result = write(&cluster, &id, &object, &wish).await;
                Ended { id, wish, failures, about: object, result }
            });
            self.busy.insert(key, task.id());
        }
    }

    /// When something that waits can begin.
    pub(super) fn next(&self) -> Option<Instant> {
        // Asked after each change and each write, while thousands wait for the first pass.
        if self.paused == 0 {
            return None;
        }
        let paused = self.waiting.iter().filter_map(|((id, _), waiting)| Some((id, waiting.not_before?)));
        paused.filter(|(id, _)| !self.busy.contains_key(*id)).map(|(_, at)| at).min()
    }

    /// Waits for the end of a write; for ever where none is under way.
    pub(super) async fn ended(&mut self) -> Told {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else { std::future::pending().await };
            match ended {
                Ok((_, ended)) => {
                    self.busy.remove(&ended.id);
                    return self.take(ended);
                }
                Err(error) => {
                    self.busy.retain(|_, task| *task != error.id());
                    tracing::error!(%error, "writing a status broke");
                }
            }
        }
    }

    fn take(&mut self, ended: Ended) -> Told {
        let Ended { id, wish, failures, about, result } = ended;
        let (name, kind) = (id.1.to_string(), id.0.kind().name);
        let (stored, events) = match result {
            Ok((Written::Stored(object), events)) => (Some(object), events),
            Ok((Written::Unchanged, events)) => (None, events),
            Ok((Written::Gone, _)) => (None, Vec::new()),
            Ok((Written::Refused(words), _)) => {
                tracing::error!(kind, name, error = words, "the API server refuses the status");
                (None, Vec::new())
            }
            Ok((Written::Conflict, _)) => {
                self.again(&id, wish, failures, None);
                (None, Vec::new())
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(kind, name, %error, "the status cannot be written; it is tried again");
                }
                self.again(&id, wish, failures, error.retry_after);
                (None, Vec::new())
            }
        };
        Told { id, stored, events, about }
    }

    /// Wants it again after a pause; what is wanted by now comes after it.
    fn again(&mut self, id: &Id, wish: Wish, failures: u32, retry_after: Option<Duration>) {
        let slot = (id.clone(), wish.turn());
        if let Some(later) = self.take_out(&slot) {
            self.put(slot, Waiting { wish: later.wish.after(wish), ..later });
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).max(retry_after.unwrap_or_default());
        let not_before = Some(Instant::now() + pause.min(LONGEST_PAUSE));
        self.put(slot, Waiting { wish, not_before, failures: failures.saturating_add(1) });
    }

    /// Waits until nothing is under way and nothing waits that could be written.
    pub(super) async fn finish(&mut self, objects: &Objects) {
        self.begin(objects);
        while !self.busy.is_empty() {
            self.ended().await;
            self.begin(objects);
        }
    }
}

async fn write(
    cluster: &Cluster,
    id: &Id,
    object: &Object,
    wish: &Wish,
) -> Result<(Written, Vec<Event>), kubernetes::Error> {
    let (what, key) = id;
    let kind = what.kind();
    let version = object.api_version.rsplit('/').next().unwrap_or_default();
    let resource = kind.resource(version);
    let target = Target { client: &cluster.client, resource: &resource, key, manager: what.manager(), keeps };
    match wish {
        Wish::Keep => Ok((finalizer::add(target, object, FINALIZER).await?, Vec::new())),
        Wish::LetGo => Ok((finalizer::remove(target, object, FINALIZER).await?, Vec::new())),
        // Another one by now, or none: nobody has obeyed that.
        Wish::Obeyed(order, text) if object.annotations.get(*order) != Some(text) => {
            Ok((Written::Unchanged, Vec::new()))
        }
        Wish::Obeyed(order, _) => {
            let metadata = json!({"resourceVersion": object.resource_version, "annotations": {*order: null}});
            Ok((target.merge(&json!({"metadata": metadata})).await?, Vec::new()))
        }
        Wish::Ask(text) => {
            let patch = json!({"metadata": {"annotations": {flux::REQUESTED_AT: text}}});
            Ok((target.merge(&patch).await?, Vec::new()))
        }
        Wish::Pass(tags) => Ok((target.merge(&passed::patch(object, tags, Timestamp::now())).await?, Vec::new())),
        Wish::Say(words) => {
            let mut events = Vec::new();
            let compute = |object: &Object| -> Value {
                events.clear();
                let now = Timestamp::now();
                words.iter().fold(object.status(), |status, Word { judge, version, .. }| {
                    let requested = version.requested.as_deref();
                    let seen = Seen { generation: version.generation, status: &status, requested, now };
                    let verdict = judge(&seen);
                    events.extend(verdict.events);
                    verdict.status
                })
            };
            let written = status::update(target, object, compute).await?;
            Ok((written, events))
        }
    }
}
