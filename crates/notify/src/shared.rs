//! What goes on, and who has told it, for several processes that tell as one.
//!
//! They keep a [`Text`] in one place that all of them read and write. An incident is told by the process that writes it there first; each
//! adds some of what fails there, and takes it away once that works again. Who takes away the last tells the end.
//!
//! - Each change is a compare-and-swap, so that of two who begin or end at the same time one tells.
//! - A process that is gone leaves what failed there. Whoever works on that now knows of it ([`Known`]), and ends it.
//! - What fails is taken away once its end has arrived, so that nobody waits for it for ever.
//! - What was put there and is not said to have arrived is in doubt once another works on it, since the process may have been killed before
//!   it told anybody: it is told again if it still fails, and its end is told in any case.
//! - **Rather twice than never**: where the text cannot be read or written, each process tells by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::event::{About, Event, Incident, Kind, Name, Severity};
use super::gather::{Digest, Entry};
use super::ledger::{Ledger, Tidings};

/// How much of what fails in one process is named, for whoever works on it next.
pub(crate) const MAX_SUBJECTS: usize = 8;

/// How much of what fails is named in all of an incident.
const MAX_ALL_SUBJECTS: usize = 64;

/// The longest sentence that is kept, in characters.
const MAX_MESSAGE: usize = 300;

/// The largest text, in bytes. What has no room is told by each process.
pub const MAX_TEXT: usize = 200 << 10;

/// How long it may take to read and write the text, however often somebody else is faster.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before another try after somebody else was faster; it grows with each.
const PAUSE: Duration = Duration::from_millis(20);

/// What reading and writing takes a while to come to.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unreachable>> + Send + 'a>>;

/// Why a text could not be read or written.
#[derive(Debug)]
pub struct Unreachable(pub String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that several processes share.
pub trait Text: Send + Sync {
    /// The text with its version; none where there is none yet.
    fn read(&self) -> Answer<'_, Option<(String, String)>>;

    /// Writes it in place of that version, or where there is none yet. False where there is another meanwhile.
    fn write<'a>(&'a self, over: Option<&'a str>, text: String) -> Answer<'a, bool>;
}

/// Something that fails of which another process has told.
#[derive(Debug, Clone)]
pub struct Known {
    /// What was told.
    pub event: Event,
    /// Who was.
    pub to: Name,
    /// Whether it is sure that it has arrived.
    pub has_arrived: bool,
}

/// What a process shares with others.
pub(crate) struct Shared {
    text: Arc<dyn Text>,
    /// The process, as no other is called.
    me: String,
    own: Mutex<Own>,
}

/// What this process has begun to tell, by who is told and the cause.
type Own = BTreeMap<(Name, String), Claim>;

/// What others know of that.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Claim {
    /// Nothing: they could not be told.
    Alone,
    /// That we tell it.
    Begun,
    /// That it has arrived.
    Arrived,
    /// That we tell the end, after which these are to be taken away.
    Ending(Vec<String>),
}

/// What goes on.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    incidents: Vec<Record>,
}

/// What one is told of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    namespace: String,
    name: String,
    cause: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    since: Timestamp,
    #[serde(default)]
    rejected: bool,
    message: String,
    /// The process that tells it.
    by: String,
    /// Whether it has arrived.
    #[serde(default)]
    arrived: bool,
    /// The process that tells the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ending: Option<String>,
    /// Some of what fails.
    failing: BTreeSet<String>,
}

impl Record {
    fn is(&self, to: &Name, cause: &str) -> bool {
        self.namespace == to.namespace && self.name == to.name && self.cause == cause
    }

    /// Whether another process has told it, or is about to. What it was to tell when it was last seen with these, it tells no more.
    fn is_told(&self, me: &str, subjects: &BTreeSet<String>) -> bool {
        self.arrived || self.by == me || self.failing.is_disjoint(subjects)
    }
}

impl Document {
    fn find(&mut self, to: &Name, cause: &str) -> Option<&mut Record> {
        self.incidents.iter_mut().find(|record| record.is(to, cause))
    }

    /// Takes in that something begins. Returns whether it is for us to tell.
    fn begin(&mut self, me: &str, to: &Name, entry: &Entry) -> bool {
        let (Some(cause), Some(incident)) = (&entry.cause, &entry.event.incident) else { return true };
        let subjects: BTreeSet<String> = entry.subjects.iter().cloned().collect();
        if let Some(record) = self.find(to, cause) {
            // It begins anew while its end is told.
            let is_anew = record.ending.take().is_some();
            if is_anew {
                (record.arrived, record.since) = (false, entry.event.at);
            }
            let tells = is_anew || !record.is_told(me, &subjects);
            if tells {
                me.clone_into(&mut record.by);
            }
            record.failing.extend(subjects);
            while record.failing.len() > MAX_ALL_SUBJECTS && record.failing.pop_last().is_some() {}
            return tells;
        }
        self.incidents.push(Record {
            namespace: to.namespace.clone(),
            name: to.name.clone(),
            cause: cause.clone(),
            host: incident.host.clone(),
            since: entry.event.at,
            rejected: entry.event.kind == Kind::Rejected,
            message: words::one_line(&entry.event.message, MAX_MESSAGE),
            by: me.to_owned(),
            arrived: false,
            ending: None,
            failing: subjects,
        });
        true
    }

    /// Takes in that something is over for us. Returns since when it went on where it is for us to tell; nothing where it goes on for others,
    /// or has ended without us.
    fn end(&mut self, me: &str, to: &Name, entry: &Entry, alone: bool) -> Option<Option<Timestamp>> {
        let Some(cause) = &entry.cause else { return Some(None) };
        let Some(record) = self.find(to, cause) else { return alone.then_some(None) };
        if record.failing.iter().all(|subject| entry.subjects.contains(subject)) {
            record.ending = Some(me.to_owned());
            return Some(Some(record.since));
        }
        record.failing.retain(|subject| !entry.subjects.contains(subject));
        None
    }

    /// Takes in that the end of these has been told.
    fn ended(&mut self, me: &str, to: &Name, cause: &str, subjects: &[String]) {
        let Some(record) = self.find(to, cause) else { return };
        record.ending.take_if(|by| by == me);
        record.failing.retain(|subject| !subjects.contains(subject));
        // Others may have begun meanwhile.
        if record.failing.is_empty() {
            self.incidents.retain(|record| !record.is(to, cause));
        }
    }
}

impl Shared {
    pub(crate) fn new(text: Arc<dyn Text>, me: String) -> Self {
        Self { text, me, own: Mutex::default() }
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves in what is due what is for us to tell. What is over without a word from us is over for the ledger, too.
    pub(crate) async fn agree(&self, due: &mut [(&Name, &mut Digest)], ledger: &Ledger) {
        if due.iter().all(|(_, digest)| digest.entries.iter().all(|entry| entry.cause.is_none())) {
            return;
        }
        let decided = self.change(|document| {
            let own = self.own().clone();
            let decide = |(to, digest): &(&Name, &mut Digest)| -> Vec<Verdict> {
                digest.entries.iter().map(|entry| Self::decide(document, &self.me, &own, to, entry)).collect()
            };
            due.iter().map(decide).collect::<Vec<_>>()
        });
        let decided = decided.await;
        let mut own = self.own();
        let claim = if decided.is_some() { Claim::Begun } else { Claim::Alone };
        for (nth, (to, digest)) in due.iter_mut().enumerate() {
            let mut verdicts = decided.as_ref().and_then(|all| all.get(nth)).cloned().unwrap_or_default().into_iter();
            digest.entries.retain_mut(|entry| {
                // Where nobody could be asked, all of it is ours.
                let verdict = verdicts.next().unwrap_or(Verdict::Tell(None));
                let Some(cause) = entry.cause.clone() else { return true };
                let is_over = entry.event.kind == Kind::Recovered;
                let (of, tidings) = (((*to).clone(), cause.clone()), Tidings::plain(to));
                match (verdict, is_over) {
                    (Verdict::Tell(_), false) => {
                        own.insert(of, claim.clone());
                        true
                    }
                    (Verdict::Tell(since), true) => {
                        if let Some(since) = since {
                            entry.lasted = entry.event.at.duration_since(since).try_into().ok();
                        }
                        // They wait for the end, whoever has told them of the beginning.
                        ledger.arrived(&Tidings { begun: vec![cause], ..tidings });
                        own.insert(of, Claim::Ending(entry.subjects.clone()));
                        true
                    }
                    (Verdict::Silent, false) => false,
                    (Verdict::Silent, true) => {
                        ledger.arrived(&Tidings { over: vec![cause], ..tidings });
                        own.remove(&of);
                        false
                    }
                }
            });
        }
    }

    fn decide(document: &mut Document, me: &str, own: &Own, to: &Name, entry: &Entry) -> Verdict {
        let Some(cause) = &entry.cause else { return Verdict::Tell(None) };
        if entry.event.kind == Kind::Recovered {
            let alone = own.get(&(to.clone(), cause.clone())) == Some(&Claim::Alone);
            return document.end(me, to, entry, alone).map_or(Verdict::Silent, Verdict::Tell);
        }
        if document.begin(me, to, entry) { Verdict::Tell(None) } else { Verdict::Silent }
    }

    /// Tells the others what has arrived of what is ours to tell.
    pub(crate) async fn arrived(&self, ledger: &Ledger) {
        let has_arrived = |((to, cause), claim): &(&(Name, String), &Claim)| match claim {
            Claim::Alone | Claim::Arrived => false,
            Claim::Begun => ledger.of(cause).contains(to),
            Claim::Ending(_) => !ledger.of(cause).contains(to),
        };
        let arrived: Own =
            self.own().iter().filter(has_arrived).map(|(of, claim)| (of.clone(), claim.clone())).collect();
        if arrived.is_empty() {
            return;
        }
        let done = self.change(|document| {
            for ((to, cause), claim) in &arrived {
                match (claim, document.find(to, cause)) {
                    (Claim::Ending(subjects), _) => document.ended(&self.me, to, cause, subjects),
                    (_, Some(record)) => record.arrived = true,
                    (_, None) => {}
                }
            }
        });
        if done.await.is_some() {
            let mut own = self.own();
            for (of, claim) in arrived {
                // Unless it was told otherwise meanwhile.
                if own.get(&of) == Some(&claim) {
                    match claim {
                        Claim::Ending(_) => drop(own.remove(&of)),
                        _ => drop(own.insert(of, Claim::Arrived)),
                    }
                }
            }
        }
    }

    /// Forgets what these were told, whom nobody tells anything any more.
    pub(crate) async fn forget(&self, gone: &[Name]) {
        self.own().retain(|(to, _), _| !gone.contains(to));
        let is_gone =
            |record: &Record| gone.iter().any(|it| it.namespace == record.namespace && it.name == record.name);
        self.change(|document| document.incidents.retain(|record| !is_gone(record))).await;
    }

    /// What others have told of what goes on; nothing where nobody could be asked.
    pub(crate) async fn known(&self) -> Option<Vec<Known>> {
        let read = timeout(PATIENCE, self.text.read()).await;
        let text = match read {
            Ok(Ok(read)) => read.map(|(_, text)| text).unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "what other replicas have told cannot be read");
                return None;
            }
            Err(_) => {
                tracing::warn!(within_s = PATIENCE.as_secs(), "what other replicas have told cannot be read in time");
                return None;
            }
        };
        Some(parse(&text).incidents.into_iter().flat_map(known).collect())
    }

    /// Changes the text, as often as somebody else was faster; none where that cannot be done. The change has to be the same each time.
    async fn change<T>(&self, change: impl Fn(&mut Document) -> T) -> Option<T> {
        let attempt = async {
            let mut pause = PAUSE;
            loop {
                let read = self.text.read().await?;
                let (version, text) =
                    read.as_ref().map_or((None, ""), |(version, text)| (Some(version.as_str()), text));
                let before = parse(text);
                let mut document = before.clone();
                let answer = change(&mut document);
                if document == before {
                    return Ok(answer);
                }
                let text = serde_json::to_string(&document).unwrap_or_default();
                if text.len() > MAX_TEXT {
                    return Err(Unreachable("too much goes on".to_owned()));
                }
                if self.text.write(version, text).await? {
                    return Ok(answer);
                }
                sleep(pause).await;
                pause *= 2;
            }
        };
        let what = match timeout(PATIENCE, attempt).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error,
            Err(_) => Unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        tracing::warn!(error = %what, "what goes on cannot be shared with other replicas, which may tell it, too");
        None
    }
}

/// Whether an entry is for us to tell.
#[derive(Debug, Clone)]
enum Verdict {
    /// It is; since when it went on, where others know that.
    Tell(Option<Timestamp>),
    Silent,
}

/// What cannot be read was written by nobody who tells.
fn parse(text: &str) -> Document {
    if text.is_empty() || text.len() > MAX_TEXT {
        return Document::default();
    }
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(%error, "what other replicas have told is not what it should be, and is begun anew");
        Document::default()
    })
}

fn known(record: Record) -> impl Iterator<Item = Known> {
    let Record { namespace, name, host, since, rejected, message, failing, arrived, .. } = record;
    let to = Name { namespace, name };
    failing.into_iter().map(move |subject| Known {
        event: Event {
            kind: if rejected { Kind::Rejected } else { Kind::Failing },
            severity: Severity::Error,
            about: About::default(),
            message: message.clone(),
            hint: None,
            at: since,
            commit: None,
            incident: Some(Incident { subject, host: host.clone() }),
        },
        to: to.clone(),
        has_arrived: arrived,
    })
}

#[cfg(test)]
mod tests;
