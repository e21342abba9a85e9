//! What is told together, and what not at all: a state machine without a clock.
//!
//! - The first event that waits decides when the message is sent: a group time later, with all that has come by then.
//! - Failures that one host is to blame for are one incident; any other failure is one by itself. It is told once. What is added to it
//!   later is counted, and not told.
//! - An incident ends when nothing of it fails any more, and that is told after the quiet time. If something of it fails again before,
//!   it has not ended.
//! - An incident that ends before it was told never was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::event::{Event, Incident, Kind, Name};
use super::ledger::Tidings;
use super::shared::MAX_SUBJECTS;

/// How much waits to be told at the same time; more is counted.
pub(crate) const MAX_GATHERED: usize = super::deliver::WAITING;

/// What one message tells.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    /// What happened, the oldest first.
    pub(crate) entries: Vec<Entry>,
    /// How much more, for which there was no room.
    pub(crate) more: usize,
}

/// One thing that is told.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    /// How much it stops, or has stopped.
    pub(crate) affected: usize,
    /// For how long, where it is over.
    pub(crate) lasted: Option<Duration>,
    /// The cause of the incident that it tells of.
    pub(crate) cause: Option<String>,
    /// Some of what fails, or has failed: what others are told of it.
    pub(crate) subjects: Vec<String>,
}

/// For how long something is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) group: Duration,
    pub(crate) quiet: Duration,
}

/// What waits to be told to one, and what was.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    pending: Digest,
    /// Incidents that are yet to be told, the oldest first.
    untold: Vec<String>,
    /// When what waits is told.
    due: Option<Instant>,
    /// What fails, by its cause.
    open: BTreeMap<String, Open>,
    /// The cause of each thing that fails.
    causes: BTreeMap<String, String>,
    /// Incidents of which nothing fails any more, by the moment at which that is told.
    ending: BTreeSet<(Instant, String)>,
}

#[derive(Debug)]
struct Open {
    first: Event,
    failing: usize,
    most: usize,
    is_told: bool,
    /// Whether it may have been told to nobody, since the process that was to tell it is gone.
    is_doubtful: bool,
    /// What failed first of it. Others were told of these, so that they stay until all of it works.
    subjects: Vec<String>,
    /// What was said of one that works again, while others go on to fail.
    worked: Option<Event>,
    /// What was said of the last that works again, and when.
    over: Option<(Event, Instant)>,
}

impl Gather {
    /// Takes in an event. Of those that begin an incident, and of all others, it is known that somebody wants to hear of them.
    pub(crate) fn take(&mut self, event: Event, now: Instant, times: Times) {
        let Some(incident) = event.incident.clone() else {
            self.due.get_or_insert(now + times.group);
            self.pending.add(Entry { event, affected: 0, lasted: None, cause: None, subjects: Vec::new() });
            return;
        };
        match event.kind {
            Kind::Recovered => self.works(&incident.subject, event, now, times),
            _ => {
                let cause = cause(&incident);
                self.fails(incident.subject, cause, event, now, times);
            }
        }
    }

    fn fails(&mut self, subject: String, cause: String, event: Event, now: Instant, times: Times) {
        if let Some(cause) = self.causes.get(&subject) {
            let open = self.open.get_mut(cause);
            if open.is_some_and(|open| std::mem::take(&mut open.is_doubtful)) {
                self.untold.push(cause.clone());
                self.due.get_or_insert(now + times.group);
            }
            return;
        }
        self.causes.insert(subject.clone(), cause.clone());
        if let Some(open) = self.open.get_mut(&cause) {
            open.adds(subject);
            return self.goes_on(cause);
        }
        let mut open = Open::of(event, false);
        open.adds(subject);
        self.open.insert(cause.clone(), open);
        self.untold.push(cause);
        self.due.get_or_insert(now + times.group);
    }

    /// Takes in that something fails, which was told before; where that is in doubt it is told again once it is seen to fail.
    pub(crate) fn known(&mut self, event: Event, is_doubtful: bool) {
        let Some(incident) = event.incident.clone() else { return };
        let cause = cause(&incident);
        // That of ours of which others do not know yet that it works.
        let is_ours = self.open.get(&cause).is_some_and(|open| open.subjects.contains(&incident.subject));
        if is_ours || self.causes.insert(incident.subject.clone(), cause.clone()).is_some() {
            return;
        }
        let open = self.open.entry(cause.clone()).or_insert_with(|| Open { is_doubtful, ..Open::of(event, true) });
        open.adds(incident.subject.clone());
        // Others name it, however much that is: it is to be taken away with the rest.
        if !open.subjects.contains(&incident.subject) {
            open.subjects.push(incident.subject);
        }
        // What was to be told of it is known already.
        if !std::mem::replace(&mut open.is_told, true) && !is_doubtful {
            self.is_no_news(&cause);
        }
        self.goes_on(cause);
    }

    /// An incident that was about to end does not.
    fn goes_on(&mut self, cause: String) {
        let Some(open) = self.open.get_mut(&cause) else { return };
        if let Some((event, at)) = open.over.take() {
            open.worked = Some(event);
            self.ending.remove(&(at, cause));
        }
    }

    /// Takes in that another process sees to something that fails. Returns the cause of an incident that was told, and is theirs alone now.
    pub(crate) fn moved(&mut self, subject: &str, now: Instant, times: Times) -> Option<String> {
        let cause = self.causes.remove(subject)?;
        let open = self.open.get_mut(&cause)?;
        open.subjects.retain(|other| other != subject);
        open.failing = open.failing.saturating_sub(1);
        if open.failing > 0 {
            if open.is_told && open.subjects.is_empty() {
                // Others are to know of what goes on here.
                let rest = self.causes.iter().filter(|(_, other)| **other == cause);
                open.subjects = rest.map(|(subject, _)| subject.clone()).take(MAX_SUBJECTS).collect();
                self.untold.push(cause);
                self.due.get_or_insert(now + times.group);
            }
            return None;
        }
        match open.worked.take().filter(|_| open.is_told && !open.subjects.is_empty()) {
            // What the others know of it works: it is over as far as it is ours.
            Some(event) => {
                self.ends(cause, event, now, times);
                None
            }
            None => {
                let is_told = open.is_told;
                self.leave(&cause);
                is_told.then_some(cause)
            }
        }
    }

    /// Forgets an incident.
    fn leave(&mut self, cause: &str) {
        self.open.remove(cause);
        self.is_no_news(cause);
    }

    fn is_no_news(&mut self, cause: &str) {
        self.untold.retain(|other| other != cause);
        if self.untold.is_empty() && self.pending.entries.is_empty() {
            self.due = None;
        }
    }

    fn works(&mut self, subject: &str, event: Event, now: Instant, times: Times) {
        let Some(cause) = self.causes.remove(subject) else { return };
        let Some(open) = self.open.get_mut(&cause) else { return };
        open.failing = open.failing.saturating_sub(1);
        if open.failing > 0 {
            open.worked = Some(event);
        } else if open.is_told {
            self.ends(cause, event, now, times);
        } else {
            self.leave(&cause);
        }
    }

    /// Nothing of an incident fails any more, as this says.
    fn ends(&mut self, cause: String, event: Event, now: Instant, times: Times) {
        self.is_no_news(&cause);
        let at = now + times.quiet;
        if let Some(open) = self.open.get_mut(&cause) {
            open.over = Some((event, at));
            self.ending.insert((at, cause));
        }
    }

    /// When there is something to tell.
    pub(crate) fn next(&self) -> Option<Instant> {
        let ending = self.ending.first().map(|(at, _)| *at);
        self.due.into_iter().chain(ending).min()
    }

    /// What is to be told by now.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Digest> {
        if self.next().is_none_or(|next| next > now) {
            return None;
        }
        self.tell(now)
    }

    /// What waits, whether it is time or not: an incident that is over is.
    pub(crate) fn rest(&mut self, now: Instant, times: Times) -> Option<Digest> {
        self.tell(now + times.quiet)
    }

    fn tell(&mut self, until: Instant) -> Option<Digest> {
        let mut digest = std::mem::take(&mut self.pending);
        self.due = None;
        for cause in std::mem::take(&mut self.untold) {
            if let Some(open) = self.open.get_mut(&cause) {
                open.is_told = true;
                let (event, affected, subjects) = (open.first.clone(), open.failing, open.subjects.clone());
                digest.add(Entry { event, affected, lasted: None, cause: Some(cause), subjects });
            }
        }
        while let Some((at, cause)) = self.ending.pop_first() {
            if at > until {
                self.ending.insert((at, cause));
                break;
            }
            let Some(Open { first, most, subjects, over: Some((event, _)), .. }) = self.open.remove(&cause) else {
                continue;
            };
            let lasted = event.at.duration_since(first.at).try_into().unwrap_or_default();
            digest.add(Entry { event, affected: most, lasted: Some(lasted), cause: Some(cause), subjects });
        }
        (!digest.entries.is_empty()).then_some(digest)
    }
}

impl Open {
    const fn of(first: Event, is_told: bool) -> Self {
        Self { first, failing: 0, most: 0, is_told, is_doubtful: false, subjects: Vec::new(), worked: None, over: None }
    }

    fn adds(&mut self, subject: String) {
        self.failing += 1;
        self.most = self.most.max(self.failing);
        if self.subjects.len() < MAX_SUBJECTS && !self.subjects.contains(&subject) {
            self.subjects.push(subject);
        }
    }
}

/// What several failures have in common that are one incident.
pub(crate) fn cause(incident: &Incident) -> String {
    match &incident.host {
        Some(host) => format!("host {host}"),
        None => format!("subject {}", incident.subject),
    }
}

impl Digest {
    /// What somebody knows who gets it.
    pub(crate) fn tidings(&self, to: &Name) -> Tidings {
        let causes = |is_over: bool| {
            let entries = self.entries.iter().filter(|entry| (entry.event.kind == Kind::Recovered) == is_over);
            entries.filter_map(|entry| entry.cause.clone()).collect()
        };
        Tidings { to: Some(to.clone()), begun: causes(false), over: causes(true) }
    }

    /// Leaves as much as one message tells, and counts the rest.
    pub(crate) fn cut(&mut self, most: usize) {
        self.more += self.entries.len().saturating_sub(most);
        self.entries.truncate(most);
    }

    fn add(&mut self, entry: Entry) {
        match self.entries.len() < MAX_GATHERED {
            true => self.entries.push(entry),
            false => self.more += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use jiff::Timestamp;

    use super::*;
    use crate::event::{About, Incident, Severity};

    const TIMES: Times = Times { group: Duration::from_secs(30), quiet: Duration::from_secs(60) };

    fn event(kind: Kind, subject: &str, host: Option<&str>) -> Event {
        let incident =
            (!subject.is_empty()).then(|| Incident { subject: subject.to_owned(), host: host.map(str::to_owned) });
        Event {
            kind,
            severity: Severity::Error,
            about: About::default(),
            message: format!("{} {subject}", kind.as_str()),
            hint: None,
            at: Timestamp::UNIX_EPOCH,
            commit: None,
            incident,
        }
    }

    /// What is told at which second, from events at seconds.
    fn check(steps: &[(u64, Kind, &str, Option<&str>)], expect: &[(u64, &[(&str, usize)])]) {
        let (start, mut gather, mut told) = (Instant::now(), Gather::default(), Vec::new());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut steps = steps.iter().peekable();
        for second in 0..1000 {
            while let Some((_, kind, subject, host)) = steps.next_if(|step| step.0 == second) {
                gather.take(event(*kind, subject, *host), at(second), TIMES);
            }
            assert_eq!(gather.next().is_some_and(|next| next <= at(second)), {
                let due = gather.due(at(second));
                let is_due = due.is_some();
                told.extend(due.map(|it| {
                    (second, it.entries.iter().map(|it| (it.event.message.clone(), it.affected)).collect::<Vec<_>>())
                }));
                is_due
            });
        }
        let told: Vec<(u64, Vec<(&str, usize)>)> = told
            .iter()
            .map(|(second, it)| (*second, it.iter().map(|(text, count)| (text.as_str(), *count)).collect()))
            .collect();
        let told: Vec<(u64, &[(&str, usize)])> = told.iter().map(|(second, it)| (*second, it.as_slice())).collect();
        assert_eq!(told, expect);
    }

    use Kind::{Failing, Pushed, Recovered, Rejected};

    #[test]
    fn what_comes_together_is_told_together() {
        check(
            &[(5, Pushed, "", None), (10, Pushed, "", None), (34, Rejected, "shop", None), (36, Pushed, "", None)],
            &[(35, &[("pushed ", 0), ("pushed ", 0), ("rejected shop", 1)]), (66, &[("pushed ", 0)])],
        );
    }

    #[test]
    fn an_outage_is_one_message_and_one_all_clear() {
        check(
            &[
                (0, Failing, "a", Some("r")),
                (1, Failing, "b", Some("r")),
                (2, Failing, "b", Some("r")),
                (40, Failing, "c", Some("r")),
                (50, Recovered, "a", None),
                (60, Recovered, "b", None),
                (60, Failing, "a", Some("r")),
                (70, Recovered, "c", None),
                (80, Recovered, "a", None),
                // It has not ended, only paused.
                (100, Failing, "a", Some("r")),
                (200, Recovered, "a", None),
                (200, Recovered, "nobody", None),
            ],
            &[(30, &[("failing a", 2)]), (260, &[("recovered a", 3)])],
        );
    }

    #[test]
    fn what_was_well_before_anybody_was_told_is_told_to_nobody() {
        check(&[(0, Failing, "a", Some("r")), (20, Recovered, "a", None)], &[]);
        check(
            &[(0, Failing, "a", None), (1, Pushed, "", None), (20, Recovered, "a", None)],
            &[(30, &[("pushed ", 0)])],
        );
    }

    #[test]
    fn what_another_process_has_told_is_not_told_again_and_its_end_is() {
        let (now, mut gather) = (Instant::now(), Gather::default());
        for image in ["a", "b"] {
            gather.known(event(Failing, image, Some("r")), false);
            gather.known(event(Failing, image, Some("r")), false);
            gather.take(event(Failing, image, Some("r")), now, TIMES);
        }
        assert!(gather.rest(now, TIMES).is_none());
        gather.take(event(Recovered, "a", None), now, TIMES);
        assert!(gather.rest(now, TIMES).is_none());
        let over = Event { at: "1970-01-01T00:05:00Z".parse().unwrap(), ..event(Recovered, "b", None) };
        gather.take(over, now, TIMES);
        let told = gather.rest(now, TIMES).unwrap();
        assert_eq!((told.entries[0].affected, told.entries[0].lasted), (2, Some(Duration::from_secs(300))));
    }

    #[test]
    fn what_waits_has_an_end() {
        let (now, mut gather) = (Instant::now(), Gather::default());
        for _ in 0..MAX_GATHERED + 7 {
            gather.take(event(Pushed, "", None), now, TIMES);
        }
        gather.take(event(Failing, "a", None), now, TIMES);
        let mut digest = gather.rest(now, TIMES).unwrap();
        assert_eq!((digest.entries.len(), digest.more), (MAX_GATHERED, 8));
        digest.cut(10);
        assert_eq!((digest.entries.len(), digest.more), (10, MAX_GATHERED - 2));
        assert!(gather.rest(now, TIMES).is_none());
        gather.take(event(Recovered, "a", None), now, TIMES);
        assert_eq!(gather.rest(now, TIMES).unwrap().entries[0].event.kind, Recovered, "at the end nobody waits");
    }
}
