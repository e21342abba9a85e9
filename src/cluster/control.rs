//! The loop between the API server and the bot: what changes there becomes the bot's assignment, what the bot does becomes
//! statuses and events there.

mod assign;
mod done;
mod faces;
mod refused;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kubernetes::watch::Change;
use kubernetes::{Cluster, Key, Object};
use tagwright_core::automation::ObjectName;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::judge::{Selected, Unpolled};
use super::objects::{News as ObjectNews, Objects, State};
use super::publish::{Publisher, Wish};
use super::reading::{self, Reading};
use super::secrets::Secrets;
use super::selections::Selections;
use super::shares::{self, Half};
use super::versions::{Version, Versions};
use super::voice::Voice;
use super::what::{Id, What};
use super::{Settings, orders};
use crate::config::Referred;
use crate::schedule::{Done, Handle, News, Trigger};

/// How long is waited for more changes of objects before the configuration is read again.
const QUIET: Duration = Duration::from_millis(100);

/// The longest time that is waited for more changes.
const LONGEST_QUIET: Duration = Duration::from_secs(1);

/// How often it is looked whether a secret has to be asked for again, and whether what is to be handed over is done with.
const LOOK: Duration = Duration::from_secs(1);

/// How many changes of objects are taken in before anything else is looked at.
const BATCH: usize = 500;

/// Changes that are taken in together: since when there are any, and since when no more.
#[derive(Debug, Clone, Copy)]
struct Changes {
    first: Instant,
    last: Instant,
}

impl Changes {
    /// One more.
    fn more(changes: &mut Option<Self>) {
        let now = Instant::now();
        changes.get_or_insert(Self { first: now, last: now }).last = now;
    }

    /// When no more are waited for.
    fn quiet(self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST_QUIET)
    }
}

/// The loop.
pub(super) struct Control {
    settings: Settings,
    cluster: Cluster,
    handle: Handle,
    objects: Objects,
    secrets: Secrets,
    reading: Reading,
    /// The reading that is under way.
    under_way: Option<JoinHandle<(Secrets, Option<Reading>)>>,
    /// What has changed since the last reading began.
    changed: BTreeSet<Id>,
    /// Since when, and since when nothing more.
    dirty: Option<Changes>,
    /// The same of what is ours of the work: shards come and go one by one.
    shifted: Option<Changes>,
    versions: Versions,
    publisher: Publisher,
    voice: Voice,
    /// The releases that were obeyed and are still to be taken off, by their texts.
    obeyed: BTreeMap<Id, String>,
    /// What was last refused, and of which version: it is said once.
    refused: BTreeMap<Id, (Version, String)>,
    /// What is ours of polling.
    reflector: Half,
    /// What is ours of running automations.
    automation: Half,
    /// What policies of native automations select; that of others is on their objects.
    selected: BTreeMap<ObjectName, Selected>,
    /// What those objects say.
    selections: Selections,
    /// Image repositories that could not be polled the last time, and why.
    unpolled: BTreeMap<ObjectName, Unpolled>,
    /// The namespaces in which a login is that was refused, and when it was the last time.
    denied: BTreeMap<String, Instant>,
    assigned: Option<(usize, usize)>,
    /// Whether it is to be looked again which objects cannot be worked on.
    doubtful: bool,
    /// Secrets that somebody wants to be asked for again.
    wanted: BTreeSet<Referred>,
    /// Who is told of what happens, and about what.
    told: Vec<(notify::Name, Option<notify::Scope>)>,
    /// Whether others may have told of something that is ours to see to now.
    takes_over: bool,
    /// Who finds out.
    taking_over: JoinSet<()>,
}

/// What the loop listens to.
pub(super) struct Sources {
    pub(super) changes: mpsc::Receiver<(What, Change)>,
    pub(super) done: mpsc::UnboundedReceiver<Done>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Control {
    /// A loop that works on what is ours of polling and of running automations.
    pub(super) fn new(
        settings: Settings,
        cluster: Cluster,
        handle: Handle,
        (reflector, automation): (Half, Half),
    ) -> Self {
        Self {
            reflector,
            automation,
            publisher: Publisher::new(cluster.clone()),
            voice: Voice::new(&cluster, &settings),
            settings,
            cluster,
            handle,
            objects: Objects::default(),
            secrets: Secrets::default(),
            reading: Reading::default(),
            under_way: None,
            changed: BTreeSet::new(),
            dirty: None,
            shifted: None,
            versions: Versions::default(),
            obeyed: BTreeMap::new(),
            refused: BTreeMap::new(),
            selected: BTreeMap::new(),
            selections: Selections::default(),
            unpolled: BTreeMap::new(),
            denied: BTreeMap::new(),
            assigned: None,
            doubtful: false,
            wanted: BTreeSet::new(),
            told: Vec::new(),
            takes_over: true,
            taking_over: JoinSet::new(),
        }
    }

    /// Works until it is told to stop; then what is to be written is written, and what is held is released.
    pub(super) async fn run(mut self, mut sources: Sources) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.begin_reading();
            self.shift();
            if std::mem::take(&mut self.doubtful) {
                self.refuse();
            }
            self.publisher.begin(&self.objects);
            let wake = self.wake();
            tokio::select! {
                biased;
                _ = sources.stop.wait_for(|stop| *stop) => break,
                Some((what, change)) = sources.changes.recv() => {
                    self.change(what, change);
                    for _ in 0..BATCH {
                        let Ok((what, change)) = sources.changes.try_recv() else { break };
                        self.change(what, change);
                    }
                }
                read = ended(&mut self.under_way) => {
                    self.under_way = None;
                    match read {
                        Ok((secrets, reading)) => self.read(secrets, reading),
                        Err(error) => tracing::error!(%error, "reading the objects broke; what was read before stays"),
                    }
                }
                Some(done) = sources.done.recv() => self.done(done),
                told = self.publisher.ended() => self.told(told),
                () = self.reflector.changed() => Changes::more(&mut self.shifted),
                () = self.automation.changed() => Changes::more(&mut self.shifted),
                _ = look.tick() => self.look(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.stop(sources).await;
    }

    async fn stop(mut self, mut sources: Sources) {
        // What the bot has done until it ended is said.
        while let Ok(done) = sources.done.try_recv() {
            self.done(done);
        }
        let last = self.publisher.finish(&self.objects);
        if tokio::time::timeout(super::LAST_WORDS, last).await.is_err() {
            tracing::warn!("the last statuses could not be written in time");
        }
        self.voice.finish().await;
        self.reflector.give_up();
        self.automation.give_up();
    }

    fn wake(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3600);
        let reading = self.dirty.filter(|_| self.under_way.is_none());
        let quiet = reading.into_iter().chain(self.shifted).map(Changes::quiet);
        quiet.chain(self.publisher.next()).fold(far, Instant::min)
    }

    /// Whether all kinds were heard of.
    fn is_complete(&self) -> bool {
        self.settings.watched().iter().all(|what| self.objects.state(*what) != State::Unknown)
    }

    /// Takes in what a watch tells.
    fn change(&mut self, what: What, change: Change) {
        match &change {
            Change::Failing(error) if self.objects.state(what) != State::Refused => {
                let (kind, server) = (what.kind().name, self.cluster.url.as_str());
                tracing::warn!(kind, server, %error, "cannot be watched; what was last known stays");
            }
            Change::Absent if self.objects.state(what) != State::Absent => {
                tracing::info!(kind = what.kind().name, "the cluster does not have this kind");
            }
            _ => {}
        }
        let before = self.objects.state(what);
        let news = self.objects.take(what, change);
        if news.iter().any(|news| news.went_back) {
            tracing::warn!(
                kind = what.kind().name,
                "the API server's data are older than they were; all is looked at anew"
            );
        }
        for news in news {
            self.news(news);
        }
        if self.objects.state(what) != before {
            self.soil();
        }
    }

    /// Takes in what is new about an object.
    fn news(&mut self, news: ObjectNews) {
        if news.is_configuration() {
            self.changed.insert(news.id.clone());
            self.soil();
        }
        let (what, key) = &news.id;
        if *what == What::Policy {
            let latest = self.selections.take(key, news.now.as_deref());
            self.handle.publish(vec![(name(key), latest)]);
        }
        orders::hold(&self.handle, &news);
        orders::hurry(&self.handle, &news);
        orders::freeze(&self.handle, &news);
        let Some(now) = &news.now else {
            self.refused.remove(&news.id);
            self.handle.forget(what.kind().name, (&key.namespace, &key.name));
            self.obeyed.remove(&news.id);
            self.publisher.forget(&news.id);
            self.versions.forget(&news.id);
            return;
        };
        if news.is_another() {
            self.refused.remove(&news.id);
        }
        let now = Arc::clone(now);
        self.finalize(&news.id, &now);
        self.release(&news.id, &now);
        self.take_passed(&news);
        if news.is_request() {
            self.versions.request(&news.id, &now);
            self.request(&news.id, &now);
        }
    }

    /// Makes a pass over an object at once.
    fn request(&mut self, (what, key): &Id, object: &Object) {
        let id = name(key);
        match what {
            What::Repository => drop(self.handle.trigger(&Trigger::Repository(id))),
            What::Policy => {
                // Its tags are read again, since that is how they are had.
                if let Some((_, of)) = what.reference(key, &object.spec()) {
                    self.handle.trigger(&Trigger::Repository(name(&of)));
                }
            }
            What::Automation | What::Native => drop(self.handle.trigger(&Trigger::Automation(id))),
            What::Receiver | What::Notification => return self.look_up_secrets_of(&(*what, key.clone())),
            _ => {}
        }
        self.doubtful = true;
    }

    fn soil(&mut self) {
        Changes::more(&mut self.dirty);
    }

    /// Begins to read the configuration anew, if it is time.
    fn begin_reading(&mut self) {
        let Some(dirty) = self.dirty else { return };
        if self.under_way.is_some() || Instant::now() < dirty.quiet() || !self.is_complete() {
            return;
        }
        self.dirty = None;
        let (ids, documents) = self.objects.documents();
        let changed = self.take_changed();
        let work = reading::read(self.cluster.clone(), self.secrets.clone(), ids, documents, changed);
        self.under_way = Some(tokio::spawn(work));
    }

    /// What has changed since the last reading began, with the versions that are read now.
    fn take_changed(&mut self) -> BTreeMap<Id, Option<Version>> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed
            .map(|id| (self.objects.get(&id).map(|object| Version::of(object)), id))
            .map(|(it, id)| (id, it))
            .collect()
    }

    /// Takes in a new reading, or that secrets were asked for in vain.
    fn read(&mut self, secrets: Secrets, reading: Option<Reading>) {
        self.secrets = secrets;
        let Some(reading) = reading else { return };
        self.secrets.retain(|referred| reading.refers_to(referred));
        self.selected.retain(|policy, _| reading.policy(policy).is_some());
        let repositories = reading.repository_names();
        self.unpolled.retain(|repository, _| repositories.contains(repository));
        self.reading = reading;
        for (id, version) in &self.reading.changed {
            if let (Some(version), Some(object)) = (version, self.objects.get(id)) {
                self.versions.read(id, version, object);
            }
        }
        let news = match self.assigned {
            None => News::All,
            Some(_) => self.reading.news(&self.objects),
        };
        self.tell_of_flux();
        self.let_in();
        self.assign(news);
        self.reading.changed.clear();
        self.keep_all();
        self.doubtful = true;
    }

    /// Takes in that something else of the work is ours now, once no more of it changes. What is not ours any more does not begin
    /// meanwhile, since that is looked at whenever something is to begin.
    fn shift(&mut self) {
        if self.shifted.is_none_or(|shifted| Instant::now() < shifted.quiet()) {
            return;
        }
        (self.shifted, self.takes_over) = (None, true);
        if self.assigned.is_some() {
            self.assign(News::Of { repositories: BTreeSet::new(), automations: BTreeSet::new() });
            self.keep_all();
            self.doubtful = true;
        }
    }

    /// Obeys a release, where an automation of the policies is run here.
    fn release(&mut self, id: &Id, object: &Object) {
        let Some((policies, text)) = orders::to_release(id, object) else {
            self.obeyed.remove(id);
            return;
        };
        let is_run = |policy: &ObjectName| {
            let mut ours = self.reading.automations.iter().filter(|automation| self.runs(automation));
            ours.any(|automation| automation.policies.iter().any(|applied| applied.id == *policy))
        };
        // Until it is taken off, it is seen again and again; it is about what was taken back until it was obeyed.
        let is_obeyed = self.obeyed.get(id) == Some(&text);
        if is_obeyed || policies.iter().any(is_run) && orders::release(&self.handle, &policies, object) {
            self.obeyed.insert(id.clone(), text.clone());
            self.publisher.want(id.clone(), Wish::Obeyed(orders::RELEASE, text));
        }
    }

    /// Puts finalizers on what has become ours, and obeys what is ordered there.
    fn keep_all(&mut self) {
        for what in What::ALL {
            let all: Vec<(Key, Arc<Object>)> =
                self.objects.of(what).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
            for (key, object) in all {
                let id = (what, key);
                self.finalize(&id, &object);
                self.release(&id, &object);
            }
        }
    }

    /// Sees to it that an object of ours does not go without us, and that one that is being deleted goes.
    fn finalize(&mut self, id: &Id, object: &Object) {
        if !id.0.has_finalizer() || !self.settings.works_on(id.0) || !self.is_mine(id) {
            return;
        }
        let has = object.finalizers.iter().any(|it| it == super::publish::FINALIZER);
        match (object.deleting, has) {
            (true, true) => self.publisher.want(id.clone(), Wish::LetGo),
            (false, false) => self.publisher.want(id.clone(), Wish::Keep),
            _ => {}
        }
    }

    /// Looks after what takes its time: secrets that may have changed, shards that are to be handed over.
    fn look(&mut self) {
        self.look_up_secrets();
        let halves = [("poll", self.reflector.held()), ("run", self.automation.held())];
        let is_cut = halves.iter().any(|(_, held)| held.is_some());
        self.handle.holds_shards(halves.into_iter().filter_map(|(kind, held)| Some((kind, held?))).collect());
        self.handle.shares_with(shares::replicas(&[self.reflector.roster(), self.automation.roster()], is_cut));
        if self.reflector.owes() || self.automation.owes() {
            let subjects = self.handle.subjects();
            self.reflector.give_back(&subjects);
            self.automation.give_back(&subjects);
        }
    }
}

/// Waits for the reading that is under way; for ever where none is.
async fn ended(
    under_way: &mut Option<JoinHandle<(Secrets, Option<Reading>)>>,
) -> Result<(Secrets, Option<Reading>), tokio::task::JoinError> {
    match under_way {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// Whether nobody is to work on an object.
pub(super) fn is_suspended(object: &Object) -> bool {
    // Most say nothing of it, and thousands are looked at.
    let may_be = object.spec.contains(r#""suspend""#);
    may_be && object.spec().get("suspend") == Some(&serde_json::Value::Bool(true))
}

pub(super) fn name(key: &Key) -> ObjectName {
    ObjectName { namespace: key.namespace.clone(), name: key.name.clone() }
}

fn key(id: &ObjectName) -> Key {
    Key { namespace: id.namespace.clone(), name: id.name.clone() }
}
