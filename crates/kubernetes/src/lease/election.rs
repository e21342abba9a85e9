//! One leader at a time, as client-go elects it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::lease::machine::Held;
use crate::lease::{Answer, Holding, Identity, Machine, Now, Order, Request, Ticket, Timing};
use crate::shards::{Roster, Shard};

/// Who stands for which leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// The Lease's name, for Flux's controllers as [`leader_election_name`] says it.
    pub lease: String,
    /// Who stands.
    pub identity: Identity,
    /// How long a leader is waited for.
    pub timing: Timing,
}

/// The Lease of a controller that watches objects with `selector`: `<controller>-leader-election`, and with a selector `-` and the
/// first eight hexadecimal digits of its SHA-256.
///
/// ```
/// use kubernetes::lease::leader_election_name;
/// let name = |selector| leader_election_name("image-automation-controller", selector);
/// assert_eq!(name(None), "image-automation-controller-leader-election");
/// assert_eq!(name(Some("sharding.fluxcd.io/key=shard1")), "image-automation-controller-leader-election-73fdc1be");
/// ```
#[must_use]
pub fn leader_election_name(controller: &str, selector: Option<&str>) -> String {
    match selector {
        Some(selector) => format!("{controller}-leader-election-{}", short_hash(selector)),
        None => format!("{controller}-leader-election"),
    }
}

/// The first eight hexadecimal digits of the SHA-256.
pub(crate) fn short_hash(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The election as one candidate sees it.
#[derive(Debug)]
pub(crate) struct Candidate {
    election: Election,
    /// The Lease as it was last seen, and when it was first seen like this.
    seen: Option<Seen>,
    /// When the renewal was sent that made us, or keeps us, the leader.
    renewed: Option<Duration>,
    tried: Option<Tried>,
    next: Step,
    at: Duration,
    asked: Option<(Ticket, Asked)>,
    tickets: Ticket,
    exit: Exit,
}

#[derive(Debug)]
struct Seen {
    lease: Lease,
    since: Duration,
}

/// The first write that had no answer, since the Lease had this version. It may be done at any time, as long as it has.
#[derive(Debug)]
struct Tried {
    version: Option<String>,
    sent: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Look,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Look,
    Write { sent: Duration },
    Release,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    No,
    /// Work goes on.
    Wanted,
    /// None does: whatever is held is to be released, and nothing is held any more.
    Idle,
    Done,
}

impl Candidate {
    pub(crate) fn new(election: Election) -> Candidate {
        Candidate {
            election,
            seen: None,
            renewed: None,
            tried: None,
            next: Step::Look,
            at: Duration::ZERO,
            asked: None,
            tickets: 0,
            exit: Exit::No,
        }
    }

    fn timing(&self) -> Timing {
        self.election.timing
    }

    fn order(&mut self, asked: Asked, request: Request, now: Now) -> Vec<Order> {
        self.tickets += 1;
        self.asked = Some((self.tickets, asked));
        let left = self.until().saturating_sub(now.local);
        let patience = self.timing().patience(if left.is_zero() { self.timing().deadline() } else { left });
        vec![Order { ticket: self.tickets, request, patience }]
    }

    /// The Lease with us as its holder.
    fn held(&self, now: Now) -> Lease {
        let spec = self.seen.as_ref().and_then(|seen| seen.lease.spec.clone());
        let ours = self.renewed.is_some();
        let before = spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let transitions = match (&spec, ours) {
            (None, _) => 0,
            (Some(_), true) => before,
            (Some(_), false) => before.saturating_add(1),
        };
        let acquired = spec.as_ref().filter(|_| ours).and_then(|spec| spec.acquire_time.clone());
        self.lease(LeaseSpec {
            holder_identity: Some(self.election.identity.to_string()),
            lease_duration_seconds: Some(self.timing().seconds()),
            acquire_time: acquired.or(Some(MicroTime(now.wall))),
            renew_time: Some(MicroTime(now.wall)),
            lease_transitions: Some(transitions),
            ..spec.unwrap_or_default()
        })
    }

    /// The Lease with nobody as its holder, as client-go leaves it.
    fn released(&self, now: Now) -> Lease {
        let spec = self.seen.as_ref().and_then(|seen| seen.lease.spec.clone());
        self.lease(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: Some(MicroTime(now.wall)),
            renew_time: Some(MicroTime(now.wall)),
            ..spec.unwrap_or_default()
        })
    }

    fn lease(&self, spec: LeaseSpec) -> Lease {
        let metadata = match &self.seen {
            Some(seen) => seen.lease.metadata.clone(),
            None => ObjectMeta { name: Some(self.election.lease.clone()), ..ObjectMeta::default() },
        };
        Lease { metadata, spec: Some(spec) }
    }

    /// Takes in the Lease as it is, and what follows from it.
    fn see(&mut self, lease: Lease, now: Now) {
        let version = lease.metadata.resource_version.clone();
        let since = match &self.seen {
            Some(seen) if seen.lease.metadata.resource_version == version => seen.since,
            _ => now.local,
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let names_us = holder == self.election.identity.as_str();
        let free = holder.is_empty();
        let expires = since.saturating_add(duration(&lease).unwrap_or(self.timing().duration()));
        self.seen = Some(Seen { lease, since });
        match (names_us, self.renewed, &self.tried) {
            // All that we wrote since was written on top of what was ours, so nobody was in between.
            (true, Some(_), _) => self.go_on(Step::Write, now),
            // The write without an answer was done.
            (true, None, Some(tried)) => {
                self.renewed = Some(tried.sent);
                info!(lease = self.election.lease.as_str(), "leads");
                self.go_on(Step::Write, now);
            }
            // Another's, or from a time when it was ours: whoever has it now may have been there in between.
            _ => {
                if self.renewed.take().is_some() {
                    warn!(lease = self.election.lease.as_str(), "no longer leads");
                }
                self.tried = self.tried.take().filter(|tried| tried.version == version);
                match free || now.local >= expires {
                    true => self.go_on(Step::Write, now),
                    false => self.wait(Step::Look, expires.min(now.local + self.timing().retry())),
                }
            }
        }
    }

    fn go_on(&mut self, step: Step, now: Now) {
        self.wait(step, now.local);
    }

    fn wait(&mut self, step: Step, until: Duration) {
        self.next = step;
        self.at = until;
    }

    /// Nothing is there.
    fn see_none(&mut self, now: Now) {
        self.seen = None;
        if self.renewed.take().is_some() {
            warn!(lease = self.election.lease.as_str(), "no longer leads: somebody deleted the Lease");
        }
        self.tried = self.tried.take().filter(|tried| tried.version.is_none());
        self.go_on(Step::Write, now);
    }

    /// Nobody knows what was done: looks again soon, as long as there is something to lose.
    fn doubt(&mut self, after: Option<Duration>, now: Now) {
        let soon = match self.renewed {
            Some(_) => self.timing().retry() / 5,
            None => self.timing().retry(),
        };
        let pause = after.unwrap_or_default().min(self.timing().retry()).max(soon);
        self.wait(Step::Look, now.local + pause);
    }

    fn answer_look(&mut self, answer: Answer, now: Now) {
        match answer {
            Answer::Lease(lease) => self.see(*lease, now),
            Answer::Missing => self.see_none(now),
            Answer::Unknown { after } => self.doubt(after, now),
            Answer::Conflict | Answer::Deleted | Answer::Leases(_) => self.doubt(None, now),
        }
    }

    fn answer_write(&mut self, sent: Duration, answer: Answer, now: Now) {
        match answer {
            Answer::Lease(lease) => {
                self.seen = Some(Seen { lease: *lease, since: now.local });
                if self.renewed.replace(sent).is_none() {
                    info!(lease = self.election.lease.as_str(), "leads");
                }
                self.tried = None;
                self.wait(Step::Write, sent + self.timing().retry());
            }
            Answer::Conflict | Answer::Missing => self.go_on(Step::Look, now),
            Answer::Unknown { after } => {
                let version = self.version();
                self.tried.get_or_insert(Tried { version, sent });
                self.doubt(after, now);
            }
            Answer::Deleted | Answer::Leases(_) => self.doubt(None, now),
        }
    }

    fn answer_release(&mut self, answer: Answer, now: Now) {
        match answer {
            Answer::Lease(_) | Answer::Missing => self.exit = Exit::Done,
            Answer::Conflict => self.go_on(Step::Look, now),
            Answer::Unknown { after } => self.doubt(after, now),
            Answer::Deleted | Answer::Leases(_) => self.doubt(None, now),
        }
    }

    fn version(&self) -> Option<String> {
        self.seen.as_ref().and_then(|seen| seen.lease.metadata.resource_version.clone())
    }

    /// Whether the others have it anyway by now.
    fn has_expired(&self, now: Now) -> bool {
        self.renewed.is_none_or(|renewed| now.local >= renewed + self.timing().duration())
    }

    fn write(&mut self, now: Now) -> Vec<Order> {
        let lease = Box::new(self.held(now));
        let request = match &self.seen {
            Some(_) => Request::Replace(lease),
            None => Request::Create(lease),
        };
        self.order(Asked::Write { sent: now.local }, request, now)
    }

    fn look(&mut self, now: Now) -> Vec<Order> {
        let name = self.election.lease.clone();
        self.order(Asked::Look, Request::Get(name), now)
    }
}

impl Machine for Candidate {
    fn poll(&mut self, now: Now) -> Vec<Order> {
        match self.exit {
            Exit::Wanted if self.renewed.is_none() && self.tried.is_none() && self.asked.is_none() => {
                self.exit = Exit::Done
            }
            Exit::Idle if self.has_expired(now) => self.exit = Exit::Done,
            Exit::No | Exit::Wanted | Exit::Idle | Exit::Done => {}
        }
        if self.exit == Exit::Done || self.asked.is_some() || now.local < self.at {
            return Vec::new();
        }
        match (self.next, self.exit) {
            (Step::Look, _) => self.look(now),
            (Step::Write, Exit::Idle) => {
                let lease = Box::new(self.released(now));
                self.order(Asked::Release, Request::Replace(lease), now)
            }
            (Step::Write, _) => self.write(now),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer, now: Now) {
        let asked = match self.asked.take() {
            Some((expected, asked)) if expected == ticket => asked,
            other => {
                self.asked = other;
                return;
            }
        };
        match asked {
            Asked::Look => self.answer_look(answer, now),
            Asked::Write { sent } => self.answer_write(sent, answer, now),
            Asked::Release => self.answer_release(answer, now),
        }
        if self.exit == Exit::Wanted && self.renewed.is_none() {
            self.exit = Exit::Done;
        }
    }

    fn wake(&self) -> Option<Duration> {
        Some(self.at).filter(|_| self.asked.is_none())
    }

    fn holding(&self) -> Holding {
        Holding::All(match (self.exit, self.renewed) {
            (Exit::No, Some(_)) => Some(Held::Open),
            (Exit::Wanted, Some(_)) => Some(Held::Closing),
            (Exit::Idle | Exit::Done, _) | (_, None) => None,
        })
    }

    fn until(&self) -> Duration {
        self.renewed.map(|renewed| renewed + self.timing().deadline()).unwrap_or_default()
    }

    fn idle(&mut self, _: Option<Shard>) {
        if self.exit == Exit::Wanted {
            self.exit = Exit::Idle;
            self.at = Duration::ZERO;
        }
    }

    fn leave(&mut self) {
        if self.exit == Exit::No {
            self.exit = Exit::Wanted;
            self.at = Duration::ZERO;
        }
    }

    fn roster(&self) -> Roster {
        let mut roster = Roster::of(self.election.identity.as_str());
        let spec = self.seen.as_ref().and_then(|seen| seen.lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        roster.add(holder, self.election.lease.clone());
        roster
    }

    fn has_left(&self) -> bool {
        self.exit == Exit::Done
    }
}

/// How long the holder says that it lasts. Others than ours may say another time.
fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}
