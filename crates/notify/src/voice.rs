//! Who is told what: the task between those who tell and the targets.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use access::Fingerprint;
use cloud::Cloud;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use web::Pauses;

use super::deliver::{Parcel, Post};
use super::event::{Deployed, Event, Kind, Name};
use super::exchange::Exchange;
use super::gather::{Digest, Gather, Times, cause};
use super::ledger::{Ledger, Tidings};
use super::markup::Markup;
use super::notification::Notification;
use super::shared::{Known, Shared, Text};
use super::target::{Service, Target};
use super::text::{MAX_ENTRIES, Room, Words, letter, plain, sentence};
use super::{chat, http, mail};

/// How many events wait to be looked at.
pub const QUEUE: usize = 8192;

/// Counts notifications, by the type of their target and what became of them: `sent`, `failed`, `dropped`.
pub type Count = Arc<dyn Fn(&'static str, &'static str) + Send + Sync>;

/// Who is told, in whole.
type Wanted = Arc<[Arc<Notification>]>;

/// Tells whoever is interested. Clones are one voice.
#[derive(Clone)]
pub struct Voice {
    inner: Arc<Inner>,
}

struct Inner {
    pauses: Pauses,
    cloud: Cloud,
    count: Count,
    wanted: watch::Sender<Wanted>,
    ledger: Arc<Ledger>,
    /// Where other processes see what was told, if there are any.
    shared: OnceLock<Arc<Shared>>,
    /// The task, once there is somebody to be told.
    told: OnceLock<Sender<Told>>,
}

enum Told {
    Event(Box<Event>),
    Deployed(Box<Deployed>),
    /// What was told before this process began, to whom, and whether that is in doubt.
    Known(Box<Event>, Vec<Name>, bool),
    /// Another process sees to what fails.
    Moved(String),
    /// Send what waits, and tell when that is done.
    Finish(oneshot::Sender<Vec<(String, JoinHandle<()>)>>),
}

impl Voice {
    /// A voice that nobody listens to yet, with the forges that are left alone, and whoever gives out the tokens of Apps.
    #[must_use]
    pub fn new(pauses: Pauses, cloud: Cloud, count: Count) -> Self {
        let (wanted, told) = (watch::Sender::new(Wanted::default()), OnceLock::new());
        let (ledger, shared) = (Arc::default(), OnceLock::new());
        Self { inner: Arc::new(Inner { pauses, cloud, count, wanted, ledger, shared, told }) }
    }

    /// Tells as one with other processes: of each incident one of them tells, and of its end one, once it is over for all. They share this
    /// text, and know this one as `me`, as no other is called. To be said before anybody is told anything; what is said later counts for
    /// nothing.
    pub fn share(&self, text: Arc<dyn Text>, me: String) {
        // A second one would be of a bot that is in two clusters, which there is not.
        let _ = self.inner.shared.set(Arc::new(Shared::new(text, me)));
    }

    /// Whether other processes tell, too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.shared.get().is_some()
    }

    /// What other processes have told of what goes on. None where they could not be asked; nothing where there are none.
    pub async fn told_by_others(&self) -> Option<Vec<Known>> {
        match self.inner.shared.get() {
            Some(shared) => shared.known().await,
            None => Some(Vec::new()),
        }
    }

    /// Takes those who are told in place of those before. What waits for one that stays is told.
    ///
    /// # Panics
    /// Outside of a runtime, where somebody is to be told.
    pub fn configure(&self, notifications: Vec<Arc<Notification>>) {
        let is_needed = !notifications.is_empty();
        // One that comes back begins anew.
        self.inner.ledger.retain(|name| notifications.iter().any(|it| it.name == *name));
        self.inner.wanted.send_replace(notifications.into());
        if is_needed {
            self.inner.told.get_or_init(|| {
                let (told, events) = channel(QUEUE);
                let exchange = Arc::new(Exchange::new(self.inner.pauses.clone(), self.inner.cloud.clone()));
                let Inner { wanted, ledger, shared, count, .. } = &*self.inner;
                let ledger = (Arc::clone(ledger), shared.get().map(Arc::clone));
                let router = Router::new(wanted.subscribe(), exchange, ledger, Arc::clone(count));
                tokio::spawn(router.run(events));
                told
            });
        }
    }

    /// Whether anybody is told anything.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.inner.wanted.borrow().is_empty()
    }

    /// Whether somebody wants to know what images that a commit puts to use were built from.
    #[must_use]
    pub fn marks_commits(&self) -> bool {
        self.inner.wanted.borrow().iter().any(|it| it.target.is_status())
    }

    /// Tells that something happened. Never waits.
    pub fn tell(&self, event: Event) {
        self.put(Told::Event(Box::new(event)));
    }

    /// Takes in that something fails which these were told before this process began. They are not told again, and its end they are; all
    /// others are strangers to it. Never waits.
    pub fn known(&self, event: Event, mut names: Vec<Name>) {
        let Some(incident) = &event.incident else { return };
        let wanted = Arc::clone(&self.inner.wanted.borrow());
        names.retain(|name| wanted.iter().any(|it| it.name == *name));
        for name in &names {
            let (to, begun) = (Some(name.clone()), vec![cause(incident)]);
            self.inner.ledger.arrived(&Tidings { to, begun, over: Vec::new() });
        }
        self.put(Told::Known(Box::new(event), names, false));
    }

    /// Takes in that something fails which this process sees to from now on, and another one has told of. Never waits.
    pub fn take_over(&self, known: Known) {
        let Known { event, to, has_arrived } = known;
        match has_arrived {
            true => self.known(event, vec![to]),
            false => self.put(Told::Known(Box::new(event), vec![to], true)),
        }
    }

    /// Takes in that something that fails is seen to by another process now, which tells what becomes of it. Never waits.
    pub fn moved(&self, subject: String) {
        self.put(Told::Moved(subject));
    }

    /// Whom it has reached that something fails, and not yet that it works again: the names of notifications.
    #[must_use]
    pub fn told_of(&self, event: &Event) -> Vec<Name> {
        event.incident.as_ref().map(|incident| self.inner.ledger.of(&cause(incident))).unwrap_or_default()
    }

    /// How often it has changed who was told of what.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.inner.ledger.changes()
    }

    /// Tells that an image is in use. Never waits.
    pub fn deployed(&self, deployed: Deployed) {
        self.put(Told::Deployed(Box::new(deployed)));
    }

    fn put(&self, told: Told) {
        let Some(events) = self.inner.told.get().filter(|_| self.is_heard()) else { return };
        let lost = events.try_send(told);
        if lost.is_err() {
            (self.inner.count)("any", "dropped");
        }
        match lost {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(waiting = QUEUE, "an event is told to nobody, since too many wait");
            }
            Err(TrySendError::Closed(_)) => {
                tracing::warn!("an event is told to nobody, since nothing is told any more")
            }
        }
    }

    /// Sends what waits, gathered or not, and waits for that, but not for longer than this. Nothing is told any more.
    pub async fn finish(&self, within: Duration) {
        let Some(events) = self.inner.told.get() else { return };
        let (deadline, (done, tasks)) = (Instant::now() + within, oneshot::channel());
        let closed = async {
            events.send(Told::Finish(done)).await.ok()?;
            tasks.await.ok()
        };
        let within_s = within.as_secs();
        let Ok(tasks) = timeout_at(deadline, closed).await else {
            tracing::warn!(within_s, "events wait that could not be looked at in time");
            return;
        };
        let mut waiting = Vec::new();
        for (who, task) in tasks.unwrap_or_default() {
            if timeout_at(deadline, task).await.is_err() {
                waiting.push(who);
            }
        }
        if !waiting.is_empty() {
            let notifications = waiting.join(", ");
            tracing::warn!(within_s, notifications, "notifications wait that could not be sent in time");
        }
        if let Some(shared) = self.inner.shared.get() {
            // What arrived last.
            let _ = timeout_at(deadline, shared.arrived(&self.inner.ledger)).await;
        }
    }
}

struct Router {
    wanted: watch::Receiver<Wanted>,
    exchange: Arc<Exchange>,
    ledger: Arc<Ledger>,
    shared: Option<Arc<Shared>>,
    count: Count,
    gathers: HashMap<Name, Gather>,
    posts: HashMap<Fingerprint, Post>,
}

impl Router {
    fn new(
        wanted: watch::Receiver<Wanted>,
        exchange: Arc<Exchange>,
        (ledger, shared): (Arc<Ledger>, Option<Arc<Shared>>),
        count: Count,
    ) -> Self {
        Self { wanted, exchange, ledger, shared, count, gathers: HashMap::new(), posts: HashMap::new() }
    }

    async fn run(mut self, mut events: Receiver<Told>) {
        let (mut wanted, mut changes) = (self.reconfigure().await, self.ledger.watch());
        loop {
            let next = self.gathers.values().filter_map(Gather::next).min();
            let wake = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = self.wanted.changed() => match changed {
                    Ok(()) => wanted = self.reconfigure().await,
                    Err(_) => break,
                },
                told = events.recv() => match told {
                    Some(Told::Finish(done)) => {
                        // Nothing comes after it, but what was told before it may still wait.
                        events.close();
                        while let Some(told) = events.recv().await {
                            self.hear(&wanted, told);
                        }
                        self.send_due(&wanted, Gather::rest).await;
                        // Whoever asked may be gone by now.
                        let _ = done.send(self.close(&wanted));
                        return;
                    }
                    Some(told) => self.hear(&wanted, told),
                    None => break,
                },
                Ok(()) = changes.changed() => if let Some(shared) = &self.shared {
                    shared.arrived(&self.ledger).await;
                },
                () = wake => self.send_due(&wanted, |gather, now, _| gather.due(now)).await,
            }
        }
    }

    fn hear(&mut self, wanted: &Wanted, told: Told) {
        match told {
            Told::Event(event) => self.take(wanted, *event),
            Told::Deployed(deployed) => self.deployed(wanted, &deployed),
            Told::Known(event, names, is_doubtful) => self.known(wanted, &event, &names, is_doubtful),
            Told::Moved(subject) => self.moved(wanted, &subject),
            // Whoever else wants to finish finds that done.
            Told::Finish(_) => {}
        }
    }

    /// Lets all that waits be sent: the task of each target, with the names of those who are told there.
    fn close(&mut self, wanted: &Wanted) -> Vec<(String, JoinHandle<()>)> {
        let who = |key: &Fingerprint| {
            let names = wanted.iter().filter(|it| it.target.key() == *key).map(|it| it.name.to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        self.posts.drain().map(|(key, post)| (who(&key), post.close())).collect()
    }

    /// Takes in who is told now.
    async fn reconfigure(&mut self) -> Wanted {
        let wanted = Arc::clone(&self.wanted.borrow_and_update());
        let gone = self.gathers.extract_if(|name, _| !wanted.iter().any(|it| it.name == *name));
        let gone: Vec<Name> = gone.map(|(name, _)| name).collect();
        if let Some(shared) = self.shared.as_ref().filter(|_| !gone.is_empty()) {
            shared.forget(&gone).await;
        }
        let keys: HashMap<Fingerprint, &Arc<Target>> = wanted.iter().map(|it| (it.target.key(), &it.target)).collect();
        // One that goes sends what waits in it.
        self.posts.retain(|key, _| keys.contains_key(key));
        for (key, target) in keys {
            let (exchange, ledger) = (Arc::clone(&self.exchange), Arc::clone(&self.ledger));
            let start = || Post::start(Arc::clone(target), exchange, ledger, Arc::clone(&self.count));
            self.posts.entry(key).or_insert_with(start);
        }
        wanted
    }

    fn take(&mut self, wanted: &Wanted, event: Event) {
        let now = Instant::now();
        for notification in wanted.iter() {
            if let Service::Status(status) = &notification.target.service {
                // Of a commit it is told where the commit is, at once.
                if event.kind == Kind::Pushed
                    && notification.wants(&event)
                    && let Some(marked) = status.of_event(&event)
                {
                    self.put(&notification.target, Parcel::Mark(marked), Tidings::plain(&notification.name));
                }
                continue;
            }
            let gather = self.gathers.entry(notification.name.clone()).or_default();
            // Whoever was told that something fails is told that it works again.
            if event.kind == Kind::Recovered || notification.wants(&event) {
                gather.take(event.clone(), now, times(notification));
            }
        }
    }

    fn known(&mut self, wanted: &Wanted, event: &Event, names: &[Name], is_doubtful: bool) {
        for notification in wanted.iter().filter(|it| !it.target.is_status() && names.contains(&it.name)) {
            self.gathers.entry(notification.name.clone()).or_default().known(event.clone(), is_doubtful);
        }
    }

    fn moved(&mut self, wanted: &Wanted, subject: &str) {
        let now = Instant::now();
        for notification in wanted.iter() {
            let (name, gather) = (&notification.name, self.gathers.get_mut(&notification.name));
            if let Some(cause) = gather.and_then(|gather| gather.moved(subject, now, times(notification))) {
                self.ledger.arrived(&Tidings { to: Some(name.clone()), begun: Vec::new(), over: vec![cause] });
            }
        }
    }

    fn deployed(&self, wanted: &Wanted, deployed: &Deployed) {
        for notification in wanted.iter().filter(|it| it.wants_deployed(deployed)) {
            if let Service::Status(status) = &notification.target.service
                && let Some(marked) = status.of_deployed(deployed)
            {
                self.put(&notification.target, Parcel::Mark(marked), Tidings::plain(&notification.name));
            }
        }
    }

    async fn send_due(&mut self, wanted: &Wanted, due: fn(&mut Gather, Instant, Times) -> Option<Digest>) {
        let now = Instant::now();
        let mut all: Vec<(&Notification, Digest)> = Vec::new();
        for notification in wanted.iter() {
            let gather = self.gathers.get_mut(&notification.name);
            let digest = gather.and_then(|gather| due(gather, now, times(notification)));
            all.extend(digest.map(|digest| (&**notification, digest)));
        }
        if let Some(shared) = &self.shared {
            let mut due: Vec<_> = all.iter_mut().map(|(notification, digest)| (&notification.name, digest)).collect();
            shared.agree(&mut due, &self.ledger).await;
        }
        for (notification, mut digest) in all {
            // That it works again is a choice of its own. Whoever does not want to know waits for nothing.
            if !notification.kinds.contains(&Kind::Recovered) {
                let Tidings { to, over, .. } = digest.tidings(&notification.name);
                self.ledger.arrived(&Tidings { to, begun: Vec::new(), over });
            }
            digest.entries.retain(|entry| notification.kinds.contains(&entry.event.kind));
            if !digest.entries.is_empty() {
                self.send(notification, digest);
            }
        }
    }

    fn send(&self, notification: &Notification, mut digest: Digest) {
        let Notification { summary, metadata, template, target, .. } = notification;
        let words = Words { summary, metadata, template: template.as_ref() };
        let (markup, limit) = match &target.service {
            Service::Slack(_) => (Markup::Slack, chat::SLACK_TEXT),
            Service::Teams(_) => (Markup::Card, chat::TEAMS_TEXT),
            Service::Discord(_) => (Markup::Discord, chat::DISCORD_TEXT),
            Service::Http(_) => (Markup::Plain, http::SENTENCE),
            Service::Mail(_) => (Markup::Plain, mail::TEXT),
            Service::Status(_) => return,
        };
        let room = Room { markup, limit };
        let write = |digest: &Digest| {
            letter(digest, words, room).unwrap_or_else(|error| {
                tracing::warn!(notification = %notification.name, %error, "the template fails, and our words are sent");
                plain(digest, words, room)
            })
        };
        let Service::Http(form) = &target.service else {
            let tidings = digest.tidings(&notification.name);
            digest.cut(MAX_ENTRIES);
            return self.put(target, Parcel::Letter(write(&digest)), tidings);
        };
        if digest.more > 0 {
            (0..digest.more).for_each(|_| (self.count)(target.kind(), "dropped"));
            let (notification, lost) = (&notification.name, digest.more);
            tracing::warn!(%notification, lost, "events are lost, since too many came at the same time");
        }
        for entry in &digest.entries {
            let alone = Digest { entries: vec![entry.clone()], more: 0 };
            let message = if template.is_some() { write(&alone).body } else { words::lines(&sentence(entry)) };
            let event = http::event(entry, words, &message);
            let event = if form.is_cloud_event { http::numbered(event, entry.event.at) } else { event };
            self.put(target, Parcel::Event(event), alone.tidings(&notification.name));
        }
    }

    fn put(&self, target: &Target, parcel: Parcel, tidings: Tidings) {
        if let Some(post) = self.posts.get(&target.key()) {
            post.put(parcel, tidings);
        }
    }
}

fn times(notification: &Notification) -> Times {
    Times { group: notification.group, quiet: notification.quiet }
}
