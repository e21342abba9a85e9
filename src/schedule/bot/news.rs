//! What those who are told hear of a bot. The log and they are told of the same changes; which of them is new, the journal knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use notify::{About, Event, Name, Notification};
use tagwright_core::automation::{Automation, ImagePolicy};

use super::handle::Handle;
use super::journal::{Ended, Subject, Trouble};
use super::shared::{Shared, State};
use crate::act::Acted;
use crate::announce::{self, End, InUse};
use crate::run::{AutomationReport, PolicyReport, aside};
use crate::schedule::agenda::Moment;
use crate::schedule::assignment::Watched;
use crate::store::Failing;

/// What people were told to fail, by this process or one before, and were not told to be over.
#[derive(Debug, Default)]
pub(super) struct Failures {
    events: BTreeMap<String, Event>,
    /// What is over, and may not have been told to all who wait for its end.
    ended: BTreeMap<String, Event>,
    /// Whether what an earlier process has told is among them.
    is_read: bool,
    /// Whether it is to be written down.
    is_new: bool,
    /// What the voice had told when it was last written down.
    written: u64,
}

impl Failures {
    fn keep(&mut self, event: &Event) {
        let Some(incident) = &event.incident else { return };
        self.ended.remove(&incident.subject);
        self.events.entry(incident.subject.clone()).or_insert_with(|| event.clone());
        self.is_new = true;
    }

    fn remove(&mut self, subject: &str) -> Option<Event> {
        let removed = self.events.remove(subject)?;
        self.end(&removed);
        Some(removed)
    }

    fn forget(&mut self, subject: &str) {
        self.events.remove(subject);
        self.ended.remove(subject);
        self.is_new = true;
    }

    fn end(&mut self, event: &Event) {
        let subject = event.incident.as_ref().map(|incident| incident.subject.clone());
        self.ended.extend(subject.map(|subject| (subject, event.clone())));
        self.is_new = true;
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes out what is no part of a configuration, which itself is a part of none.
    fn without(&mut self, part: &announce::Part) -> Vec<Event> {
        self.take_out(|subject, event| subject != announce::OF_CONFIGURATION && !part.has(event))
    }

    fn take_out(&mut self, is_over: impl Fn(&str, &Event) -> bool) -> Vec<Event> {
        let over = self.events.extract_if(.., |subject, event| is_over(subject, event));
        let over: Vec<Event> = over.map(|(_, event)| event).collect();
        over.iter().for_each(|event| self.end(event));
        over
    }
}

impl State {
    /// What is to be kept of what fails, if anything has changed since the last time: what has reached somebody who was not told its end.
    pub(super) fn failing(&mut self, at: Timestamp) -> Option<Vec<Failing>> {
        let (changes, Self { failures, voice, .. }) = (self.voice.changes(), &mut *self);
        if !std::mem::take(&mut failures.is_new) && failures.written == changes {
            return None;
        }
        failures.written = changes;
        failures.ended.retain(|_, event| !voice.told_of(event).is_empty());
        let all = failures.events.values().chain(failures.ended.values());
        Some(all.filter_map(|event| announce::kept(event, &voice.told_of(event), at)).collect())
    }

    /// Tells those who are told that something happened.
    fn tell(&self, event: Event) {
        self.voice.tell(announce::named(event, self.writers()));
    }

    /// Says what was pushed of what somebody has submitted.
    pub(super) fn told_of(&self, report: &AutomationReport, now: Moment) {
        if self.voice.is_heard() {
            announce::pushed(report, now.time).into_iter().for_each(|event| self.tell(event));
        }
    }

    /// The automations, and those by which somebody submits.
    fn writers(&self) -> impl Iterator<Item = &Arc<Automation>> {
        self.configured.automations.iter().chain(self.syncs.iter().map(|sync| &sync.automation))
    }

    /// Takes in that something fails.
    pub(super) fn fails(&mut self, subject: Subject, trouble: Trouble, now: Moment) {
        let event = self.voice.is_heard().then(|| {
            let (cause, about) = (trouble.cause.clone(), self.about(&subject));
            let what = subject.what();
            let it = announce::Trouble { subject: subject.key(), what: &what, cause: cause.as_ref(), about };
            announce::fails(it, (&trouble.error, trouble.hint.as_deref()), trouble.is_rejected, now.time)
        });
        if self.journal.fails(subject, trouble, now.elapsed)
            && let Some(event) = event
        {
            self.failures.keep(&event);
            self.tell(event);
        }
    }

    /// Takes in that something works.
    pub(super) fn works(&mut self, subject: &Subject, now: Moment) {
        if let Some(ended) = self.journal.works(subject, now.elapsed) {
            self.over(&ended, End::Works, now);
        } else if !self.failures.is_empty()
            && let Some(event) = self.failures.remove(&subject.key())
        {
            // It failed before this process began.
            announce::over(&event, End::Works, now.time).into_iter().for_each(|event| self.tell(event));
        }
    }

    /// Takes in which digests of a remote's runs work.
    pub(super) fn digests(&mut self, url: &str, failing: &BTreeSet<Subject>, now: Moment) {
        let ended = self.journal.digests(url, failing, now.elapsed);
        ended.iter().for_each(|ended| self.over(ended, End::Works, now));
        if !self.failures.is_empty() {
            // Those that failed before this process began.
            let fails: BTreeSet<String> = failing.iter().map(Subject::key).collect();
            let is_over = |subject: &str, _: &Event| announce::is_digest_of(subject, url) && !fails.contains(subject);
            for event in self.failures.take_out(is_over) {
                announce::over(&event, End::Works, now.time).into_iter().for_each(|event| self.tell(event));
            }
        }
    }

    /// Takes in another configuration: what is not part of it is nobody's concern any more.
    pub(super) fn gone(&mut self, gone: &[Ended], now: Moment) {
        if gone.is_empty() && self.failures.is_empty() {
            return;
        }
        let others = self.elsewhere.part();
        for ended in gone {
            let subject = ended.subject.key();
            match others.names(&subject) {
                true => self.moved_on(subject),
                false => self.over(ended, End::Gone, now),
            }
        }
        if !self.failures.is_empty() {
            let part = self.part();
            for event in self.failures.without(&part) {
                match event.incident.as_ref().filter(|incident| others.names(&incident.subject)) {
                    Some(incident) => self.moved_on(incident.subject.clone()),
                    None => announce::over(&event, End::Gone, now.time).into_iter().for_each(|event| self.tell(event)),
                }
            }
        }
    }

    /// Takes in that another process sees to something that fails, and tells what becomes of it.
    fn moved_on(&mut self, subject: String) {
        self.failures.forget(&subject);
        self.voice.moved(subject);
    }

    /// What may fail of what is configured.
    fn part(&self) -> announce::Part {
        let repositories = self.configured.repositories().map(|repository| &**repository);
        announce::Part::of(self.writers()).and(repositories)
    }

    /// Says that something does not fail any more, or is no concern of ours.
    pub(super) fn over(&mut self, ended: &Ended, end: End, now: Moment) {
        self.failures.remove(&ended.subject.key());
        if !self.voice.is_heard() {
            return;
        }
        let Ended { subject, cause } = ended;
        let about = if end == End::Works { self.about(subject) } else { About::default() };
        let what = subject.what();
        let trouble = announce::Trouble { subject: subject.key(), what: &what, cause: cause.as_ref(), about };
        self.tell(announce::works(trouble, end, now.time));
    }

    /// Says which tags a poll has found to have moved.
    pub(super) fn moved(&self, report: &PolicyReport, now: Moment) {
        if report.moved.is_empty() || !self.voice.is_heard() {
            return;
        }
        let mut users = self.configured.users([&report.id]);
        let policy = std::slice::from_ref(&report.policy);
        users.extend(self.elsewhere.users(policy).map(|it| announce::name(&it.id)));
        for moved in &report.moved {
            self.tell(announce::moved(report, moved, users.clone(), now.time));
        }
    }

    /// Says what a run of an automation has pushed, and what is new of what it noticed.
    pub(super) fn ran(&mut self, report: &AutomationReport, now: Moment) {
        let noticed = self.journal.noticed(report);
        if !self.voice.is_heard() {
            return;
        }
        announce::pushed(report, now.time).into_iter().for_each(|event| self.tell(event));
        for held in &noticed.held {
            let told = (held.policy.as_str(), held.wanted.as_str(), held.reason.as_str());
            self.tell(announce::held(report, told, now.time));
        }
        for finding in &noticed.findings {
            self.tell(announce::finding(report, finding, now.time));
        }
    }

    /// What the commits of a run have put to use, if somebody wants to know what that was built from.
    pub(super) fn in_use(&self, acted: &Acted) -> Vec<InUse> {
        if !self.voice.marks_commits() {
            return Vec::new();
        }
        let selected = |policy: &Arc<ImagePolicy>| self.polls.of(policy)?.selection.as_ref().ok().cloned();
        announce::in_use(&acted.automations, &self.configured.automations, selected)
    }

    /// What something that fails concerns.
    fn about(&self, subject: &Subject) -> About {
        match subject {
            Subject::Image(key, _) => {
                let Some(watched) = self.configured.watched(key) else { return About::default() };
                let policies = watched.policies.iter().map(|policy| announce::name(&policy.id)).collect();
                let mut automations = self.configured.users(watched.policies.iter().map(|policy| &policy.id));
                automations.extend(self.elsewhere.users(&watched.policies).map(|it| announce::name(&it.id)));
                let repositories = vec![announce::name(&watched.repository.id)];
                About { automations, policies, repositories, ..About::default() }
            }
            Subject::Remote(url) | Subject::Digest(url, _) => {
                let all = self.writers().filter(|automation| automation.remote.url == *url);
                let automations = all.map(|automation| announce::name(&automation.id)).collect();
                About { automations, remote: Some(url.clone()), ..About::default() }
            }
            Subject::Automation(id) => {
                let automation = self.writers().find(|automation| automation.id.to_string() == *id);
                let automations: Vec<Name> = automation.iter().map(|it| announce::name(&it.id)).collect();
                About { automations, remote: automation.map(|it| it.remote.url.clone()), ..About::default() }
            }
            Subject::Configuration => About::default(),
        }
    }
}

impl Shared {
    /// Finds out what images that are in use were built from, and tells that. Nobody waits for it.
    pub(super) fn tell_sources(self: &Arc<Self>, in_use: Vec<InUse>) {
        if in_use.is_empty() {
            return;
        }
        let (shared, voice) = (Arc::clone(self), self.state().voice.clone());
        tokio::spawn(async move { announce::tell_sources(&shared.edges.registry, in_use, &voice).await });
    }
}

impl Handle {
    /// Takes those who are told in place of those before. What an earlier process has told them to fail is read from the store, the first
    /// time that there is somebody.
    pub fn take_notifications(&self, notifications: Vec<Arc<Notification>>) {
        self.tell_from_now_on(None, notifications);
    }

    /// The same, before these automations and image repositories are taken, so that nothing that becomes of them is missed.
    pub fn expect_notifications(
        &self,
        (automations, polled): (&[Arc<Automation>], &[Watched]),
        notifications: Vec<Arc<Notification>>,
    ) {
        let part = announce::Part::of(automations).and(polled.iter().map(|watched| &*watched.repository));
        self.tell_from_now_on(Some(&part), notifications);
    }

    /// Of what is not part of this, where anything is said, others may know more.
    fn tell_from_now_on(&self, mine: Option<&announce::Part>, notifications: Vec<Arc<Notification>>) {
        let is_first = {
            let mut state = self.shared.state();
            state.voice.configure(notifications);
            // What several processes have told, they know together.
            state.voice.is_heard() && !std::mem::replace(&mut state.failures.is_read, true) && !state.voice.is_shared()
        };
        if !is_first {
            // Those who know of it hear nothing; whoever is new does.
            let state = self.shared.state();
            state.failures.events.values().cloned().for_each(|event| state.tell(event));
            return;
        }
        let before = aside("read what fails", || self.shared.edges.store.failing()).unwrap_or_default();
        let now = self.shared.now().time;
        let mut state = self.shared.state();
        for known in
            before.into_iter().map(announce::told).filter(|known| mine.is_none_or(|part| part.has(&known.event)))
        {
            state.failures.keep(&known.event);
            state.voice.known(known.event, known.names);
        }
        state.failures.is_new = false;
        if mine.is_some() {
            return;
        }
        // Whoever was told of what is not here any more hears that, too; and there is a configuration.
        let part = state.part();
        let gone = state.failures.without(&part);
        let over = state.failures.take_out(|subject, _| subject == announce::OF_CONFIGURATION);
        let gone = gone.iter().filter_map(|event| announce::over(event, End::Gone, now));
        let over = over.iter().filter_map(|event| announce::over(event, End::Works, now));
        gone.chain(over).for_each(|event| state.tell(event));
    }

    /// Takes in what other processes have told: what is ours to see to now, and what nobody sees to any more, which is over.
    pub fn take_over(&self, known: Vec<notify::Known>) {
        let now = self.shared.now().time;
        let mut state = self.shared.state();
        let (mine, others) = (state.part(), state.elsewhere.part());
        for known in known {
            let Some(incident) = known.event.incident.clone() else { continue };
            let is_mine = mine.names(&incident.subject);
            if !is_mine && others.names(&incident.subject) {
                continue;
            }
            let event = known.event.clone();
            state.voice.take_over(known);
            match is_mine {
                true => state.failures.keep(&event),
                false => announce::over(&event, End::Gone, now).into_iter().for_each(|event| state.tell(event)),
            }
        }
    }

    /// Who tells what happens.
    #[must_use]
    pub fn voice(&self) -> notify::Voice {
        self.shared.state().voice.clone()
    }
}
