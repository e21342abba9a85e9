//! A replica's own Lease, from the day it joins until it is gone.

use std::time::Duration;

use crate::lease::{Answer, Identity, Now, Request, Timing};
use crate::shards::objects::{Objects, Version};

/// One membership under one identity. Once another has ended it, it has ended for good, and the next one has another identity.
#[derive(Debug)]
pub(crate) struct Life {
    process: Identity,
    /// Which life of the process it is, from 1.
    number: u32,
    pub(crate) identity: Identity,
    pub(crate) name: String,
    version: Option<Version>,
    /// When the last renewal was sent that was done.
    pub(crate) renewed: Option<Duration>,
    next: Step,
    at: Duration,
    asked: Option<Asked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Join,
    Look,
    Renew,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    Look,
    Write { sent: Duration },
    End,
}

/// What the membership is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Stay,
    /// Still there, but not to be given anything.
    Leave,
    /// Gone: what it has is free.
    End,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    GoesOn,
    /// Another has ended it, or a person has deleted it.
    Lost,
    /// We have.
    Ended,
}

impl Life {
    /// The first one of a process.
    pub(crate) fn new(process: Identity, objects: &Objects) -> Life {
        let identity = process.clone();
        Life::of(process, 1, identity, objects)
    }

    /// The next one of the same process.
    pub(crate) fn again(&self, objects: &Objects) -> Life {
        let number = self.number + 1;
        Life::of(self.process.clone(), number, self.process.again(number), objects)
    }

    fn of(process: Identity, number: u32, identity: Identity, objects: &Objects) -> Life {
        let name = objects.replica_name(identity.as_str());
        let (next, at) = (Step::Join, Duration::ZERO);
        Life { process, number, identity, name, version: None, renewed: None, next, at, asked: None }
    }

    /// What to ask for now.
    pub(crate) fn poll(&mut self, wish: Wish, objects: &Objects, now: Now) -> Option<Request> {
        if self.asked.is_some() || now.local < self.at {
            return None;
        }
        let version = self.version.as_ref();
        let (asked, request) = match (self.next, wish, version) {
            (Step::Look, ..) => (Asked::Look, Request::Get(self.name.clone())),
            (Step::Renew, Wish::End, Some(version)) => {
                (Asked::End, Request::Replace(Box::new(objects.ended(&self.name, version, now.wall))))
            }
            (Step::Join | Step::Renew, _, None) => {
                let lease = objects.replica(&self.identity, None, false, now.wall);
                (Asked::Write { sent: now.local }, Request::Create(Box::new(lease)))
            }
            (Step::Join | Step::Renew, _, version) => {
                let lease = objects.replica(&self.identity, version, wish == Wish::Leave, now.wall);
                (Asked::Write { sent: now.local }, Request::Replace(Box::new(lease)))
            }
        };
        self.asked = Some(asked);
        Some(request)
    }

    pub(crate) fn answer(&mut self, answer: Answer, objects: &Objects, timing: Timing, now: Now) -> Fate {
        match (self.asked.take(), answer) {
            (Some(Asked::Write { sent }), Answer::Lease(lease)) => {
                self.version = Some(objects.record(&lease).version);
                self.renewed = Some(sent);
                self.wait(Step::Renew, sent + timing.retry());
            }
            (Some(Asked::End), Answer::Lease(_) | Answer::Missing) => return Fate::Ended,
            (Some(Asked::Look), Answer::Lease(lease)) => {
                let record = objects.record(&lease);
                if record.holder != self.identity.as_str() {
                    return Fate::Lost;
                }
                self.version = Some(record.version);
                self.wait(Step::Renew, now.local);
            }
            // The first write had no answer, and was not done yet.
            (Some(Asked::Look), Answer::Missing) if self.version.is_none() => self.wait(Step::Join, now.local),
            (Some(_), Answer::Missing) => return Fate::Lost,
            (Some(_), Answer::Conflict) => self.wait(Step::Look, now.local),
            (Some(_), Answer::Unknown { after }) => {
                let pause = after.unwrap_or_default().min(timing.retry()).max(timing.retry() / 5);
                self.wait(Step::Look, now.local + pause);
            }
            (_, _) => self.wait(Step::Look, now.local + timing.retry() / 5),
        }
        Fate::GoesOn
    }

    /// Whether there is nothing to end: it was never there, or others see to it by now.
    pub(crate) fn has_expired(&self, timing: Timing, now: Duration) -> bool {
        self.renewed.is_none_or(|renewed| now >= renewed + timing.duration())
    }

    /// Writes without waiting for the next renewal.
    pub(crate) fn hurry(&mut self) {
        self.at = Duration::ZERO;
    }

    pub(crate) fn wake(&self) -> Option<Duration> {
        Some(self.at).filter(|_| self.asked.is_none())
    }

    fn wait(&mut self, step: Step, until: Duration) {
        self.next = step;
        self.at = until;
    }
}
