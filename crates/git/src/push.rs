//! Pushing: our own `send-pack`.
//!
//! Every update names the id that the reference has to have. The remote compares under its own lock, and what it finds is
//! the result; the references it advertised just before spare the pack when the race is lost already.

mod report;

use std::collections::HashMap;

use web::words::one_line;

use super::Inner;
use super::advertisement::{Advertisement, Capabilities};
use super::command::Service;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::pack::{self, Outgoing};
use super::packet::{self, Reader};
use super::problem::Problem;
use super::store::{self, Store};
use super::transport::{Connection, MAX_ANSWER};

/// The most updates in one push.
const MAX_UPDATES: usize = 1_000;

/// The longest push option or reference name.
const MAX_TEXT: usize = 1_000;

/// How much of one that cannot be sent an error quotes, in characters.
const MAX_QUOTED: usize = 100;

/// One reference to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name, such as `refs/heads/main`.
    pub reference: String,
    /// What it has to be before.
    pub expected: Expected,
    /// What it becomes.
    pub new: CommitId,
}

/// What a reference has to be for an update to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It must not exist.
    Absent,
    /// It must be at this commit.
    At(CommitId),
    /// Anything: a forced push. The remote may still refuse what is no fast-forward.
    Any,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// One result for each update, in their order.
    pub results: Vec<UpdateResult>,
    /// What the remote said, hooks included: bounded, and safe to print.
    pub words: String,
}

impl Pushed {
    /// Returns whether every reference is where it should be now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.results.iter().all(|result| matches!(result.outcome, Outcome::Updated | Outcome::UpToDate))
    }

    /// Returns whether the only obstacle was that a reference had moved, so that planning again on its new head may help.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let moved = |result: &UpdateResult| matches!(result.outcome, Outcome::Moved { .. });
        let declined = |result: &UpdateResult| matches!(result.outcome, Outcome::Declined { .. });
        self.results.iter().any(moved) && !self.results.iter().any(declined)
    }
}

impl Pushed {
    /// Returns the same without anything that was sent as proof in the remote's words.
    pub(super) fn hiding(mut self, sent: &web::Sent) -> Self {
        self.words = sent.hide(&self.words);
        for result in &mut self.results {
            if let Outcome::Moved { reason } | Outcome::Declined { reason } = &mut result.outcome {
                *reason = sent.hide(reason);
            }
        }
        self
    }
}

/// What became of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateResult {
    /// The reference.
    pub reference: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The reference moved to the new commit.
    Updated,
    /// It was there already.
    UpToDate,
    /// It is not where it was expected: someone else was faster.
    Moved {
        /// The remote's reason, or ours where the advertisement told.
        reason: String,
    },
    /// The remote does not want it: a hook, a protected branch, a full disk.
    Declined {
        /// The remote's reason.
        reason: String,
    },
}

/// An update that has to be sent.
struct Command<'a> {
    update: &'a RefUpdate,
    old: ObjectId,
}

impl Command<'_> {
    /// A forced push has no older state to lose a race against, so that "no fast-forward" is the remote's rule.
    fn judge(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Moved { reason } if self.update.expected == Expected::Any && reason.contains("non-fast") => {
                Outcome::Declined { reason }
            }
            other => other,
        }
    }
}

pub(super) async fn push(inner: &Inner, updates: &[RefUpdate], options: &[(String, String)]) -> Result<Pushed, Error> {
    check(updates)?;
    let options = option_lines(options)?;
    let (connection, advertisement) = inner.connect(Service::Receive).await?;
    let remote = inner.push.to_string();
    let capabilities = advertisement.capabilities();
    require(capabilities, &remote, !options.is_empty())?;
    let mut outcomes: HashMap<&str, Outcome> = HashMap::new();
    let mut commands = Vec::new();
    for update in updates {
        match early(&advertisement, update) {
            Ok(old) => commands.push(Command { update, old }),
            Err(outcome) => drop(outcomes.insert(&update.reference, outcome)),
        }
    }
    let lost = outcomes.values().any(|outcome| matches!(outcome, Outcome::Moved { .. }));
    if lost && updates.len() > 1 && capabilities.has("atomic") {
        for command in commands.drain(..) {
            outcomes.insert(&command.update.reference, Outcome::Moved { reason: "another reference moved".to_owned() });
        }
    }
    let mut said = String::new();
    if !commands.is_empty() {
        let answer = send(inner, connection, capabilities, &commands, &options).await?;
        said = answer.words;
        outcomes.extend(commands.iter().map(|command| command.update.reference.as_str()).zip(answer.outcomes));
    }
    let outcome = |update: &RefUpdate| outcomes.get(update.reference.as_str()).cloned().unwrap_or(Outcome::UpToDate);
    let result = |update: &RefUpdate| UpdateResult { reference: update.reference.clone(), outcome: outcome(update) };
    Ok(Pushed { results: updates.iter().map(result).collect(), words: said })
}

fn check(updates: &[RefUpdate]) -> Result<(), Error> {
    if updates.len() > MAX_UPDATES {
        return Err(Error::TooMany { what: "the number of references pushed at once", limit: MAX_UPDATES });
    }
    for (n, update) in updates.iter().enumerate() {
        let name = &update.reference;
        let valid = name.starts_with("refs/") && name.len() <= MAX_TEXT && git2::Reference::is_valid_name(name);
        if !valid || updates[..n].iter().any(|other| other.reference == *name) {
            return Err(Error::Argument { what: "reference", value: one_line(name, MAX_QUOTED) });
        }
    }
    Ok(())
}

fn option_lines(options: &[(String, String)]) -> Result<Vec<String>, Error> {
    let line = |(key, value): &(String, String)| match value.is_empty() {
        true => key.clone(),
        false => format!("{key}={value}"),
    };
    let lines: Vec<_> = options.iter().map(line).collect();
    match lines.iter().find(|line| line.is_empty() || line.len() > MAX_TEXT || line.contains(['\n', '\0'])) {
        Some(bad) => Err(Error::Argument { what: "push option", value: one_line(bad, MAX_QUOTED) }),
        None => Ok(lines),
    }
}

fn require(capabilities: &Capabilities, remote: &str, options: bool) -> Result<(), Error> {
    let needed = ["report-status", "side-band-64k", "push-options"];
    let needed = if options { &needed[..] } else { &needed[..2] };
    match needed.iter().find(|name| !capabilities.has(name)) {
        Some(what) => Err(Error::Unsupported { remote: remote.to_owned(), what }),
        None => Ok(()),
    }
}

/// Returns the old id to send, or what is clear without sending.
fn early(advertisement: &Advertisement, update: &RefUpdate) -> Result<ObjectId, Outcome> {
    let current = advertisement.find(&update.reference).map(|reference| reference.object);
    if current == Some(update.new.object()) {
        return Err(Outcome::UpToDate);
    }
    let moved = |reason: String| Err(Outcome::Moved { reason });
    match (update.expected, current) {
        (Expected::Any, current) => Ok(current.unwrap_or(ObjectId::ZERO)),
        (Expected::Absent, None) => Ok(ObjectId::ZERO),
        (Expected::Absent, Some(id)) => moved(format!("it exists already, at {id}")),
        (Expected::At(old), Some(id)) if old.object() == id => Ok(id),
        (Expected::At(old), Some(id)) => moved(format!("it is at {id}, not at {old}")),
        (Expected::At(old), None) => moved(format!("it does not exist, and was expected at {old}")),
    }
}

/// What the remote answered, in the order of the commands.
struct Answer {
    outcomes: Vec<Outcome>,
    words: String,
}

async fn send(
    inner: &Inner,
    connection: Connection,
    capabilities: &Capabilities,
    commands: &[Command<'_>],
    options: &[String],
) -> Result<Answer, Error> {
    let commits: Vec<_> = commands.iter().map(|command| command.update.new).collect();
    let pack = inner.with_store(move |store| pack::build(store, &commits)).await?;
    let mut request = request(capabilities, commands, options);
    request.extend_from_slice(&pack.bytes);
    let source = connection.exchange(Service::Receive, request).await?;
    let mut reader = Reader::new(source, MAX_ANSWER);
    let (report, words) = report::read(&mut reader).await?;
    let references: Vec<_> = commands.iter().map(|command| command.update.reference.as_str()).collect();
    let outcomes = report::outcomes(&report, &references).ok_or_else(|| reader.problem(Problem::Push))?;
    let outcomes: Vec<_> = commands.iter().zip(outcomes).map(|(command, outcome)| command.judge(outcome)).collect();
    let updated = commands.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Updated));
    let tips: Vec<_> = updated.map(|(command, _)| (command.update.reference.clone(), command.update.new)).collect();
    if !tips.is_empty() {
        keep(inner, tips, pack).await;
    }
    Ok(Answer { outcomes, words })
}

fn request(capabilities: &Capabilities, commands: &[Command<'_>], options: &[String]) -> Vec<u8> {
    let mut asked = String::from(" report-status side-band-64k");
    let mut ask = |name: &str, when: bool| {
        if when && capabilities.has(name) {
            asked.push(' ');
            asked.push_str(name);
        }
    };
    ask("atomic", commands.len() > 1);
    ask("push-options", !options.is_empty());
    ask("ofs-delta", true);
    ask("quiet", true);
    ask("object-format=sha1", true);
    if capabilities.value("agent=").is_some() {
        asked.push_str(concat!(" agent=tagwright/", env!("CARGO_PKG_VERSION")));
    }
    let mut out = Vec::new();
    for (n, Command { update, old }) in commands.iter().enumerate() {
        let asked = if n == 0 { format!("\0{asked}") } else { String::new() };
        packet::push(&mut out, format!("{old} {} {}{asked}", update.new, update.reference).as_bytes());
    }
    packet::push_flush(&mut out);
    if !options.is_empty() {
        options.iter().for_each(|option| packet::push(&mut out, option.as_bytes()));
        packet::push_flush(&mut out);
    }
    out
}

/// Puts what was pushed into the mirror, so that the next fetch has nothing to bring. The push has happened, so that a
/// failure here only costs that fetch.
async fn keep(inner: &Inner, tips: Vec<(String, CommitId)>, pack: Outgoing) {
    let indexing = inner.indexing();
    let kept = inner.with_store(move |store: &mut Store| {
        pack::store_whole(store, &pack.bytes, &indexing)?;
        store.built.retain(|oid| !pack.objects.contains(oid));
        tips.iter().try_for_each(|(name, commit)| store.set_tip(&store::tip_name(name), commit.object()))
    });
    if let Err(error) = kept.await {
        tracing::debug!(git.remote = inner.remote(), %error, "pushed commits could not be kept in the mirror");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_options_that_the_protocol_cannot_carry_are_refused() {
        let update = |name: &str| RefUpdate {
            reference: name.to_owned(),
            expected: Expected::Any,
            new: CommitId(ObjectId([1; 20])),
        };
        for name in ["main", "refs/heads/a b", "refs/heads/", "refs/heads/a\n", "refs/heads/a..b"] {
            assert!(check_one(&update(name)).is_err(), "{name:?}");
        }
        assert!(check_one(&update("refs/heads/a/b")).is_ok());
        assert!(option_lines(&[("a".to_owned(), "b\nc".to_owned())]).is_err());
        let lines = option_lines(&[("ci.skip".to_owned(), String::new()), ("a".to_owned(), "b=c".to_owned())]);
        assert_eq!(lines.ok(), Some(vec!["ci.skip".to_owned(), "a=b=c".to_owned()]));
    }

    fn check_one(update: &RefUpdate) -> Result<(), Error> {
        super::check(std::slice::from_ref(update))
    }
}
