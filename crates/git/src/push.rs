//! Pushing: our own `send-pack`.
//!
//! Every update names the id that the reference has to have. The remote compares under its own lock, and what it finds is
//! the result; the references it advertised just before spare the pack when the race is lost already. Of those, which are all that
//! the remote has, no more is kept than is asked about, and no more read than is easily had, unless a forced push needs it. What it
//! refuses is looked at again: somebody else was faster where the reference is another now, whatever the remote calls it.

mod report;
mod verdict;

use std::collections::HashMap;

use web::words::one_line;

use self::report::Reported;
use super::Inner;
use super::advertisement::Advertisement;
use super::capabilities::{Capabilities, SIDE_BANDS};
use super::command::Service;
use super::error::Error;
use super::id::{CommitId, ObjectId};
use super::names::{Names, in_words};
use super::pack::{self, Outgoing};
use super::packet::{self, Reader};
use super::problem::Problem;
use super::store::{self, Store};
use super::transport::{Ask, Connection, MAX_ANSWER};
use super::visits::Visits;

/// The most updates in one push.
const MAX_UPDATES: usize = 1_000;

/// The longest push option or reference name.
const MAX_TEXT: usize = 1_000;

/// What makes a remote say what became of each update.
const REPORT: &str = "report-status";

/// How long a reason of ours may be that repeats names of the remote, in characters.
const MAX_REASON: usize = 500;

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
        self.results.iter().all(|result| result.outcome.is_done())
    }

    /// Returns whether the only obstacle was that a reference had moved, so that planning again on its new head may help.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let moved = |result: &UpdateResult| matches!(result.outcome, Outcome::Moved { .. });
        self.results.iter().any(moved) && self.results.iter().all(|result| moved(result) || result.outcome.is_done())
    }
}

impl Pushed {
    /// Returns the same without anything that was sent as proof in the remote's words.
    pub(super) fn hiding(mut self, sent: &web::Sent) -> Self {
        self.words = sent.hide(&self.words);
        for result in &mut self.results {
            if let Outcome::Moved { reason } | Outcome::Busy { reason } | Outcome::Declined { reason } =
                &mut result.outcome
            {
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
    /// The reference is where it was expected, and the remote could not update it at this moment: it is locked.
    Busy {
        /// The remote's reason.
        reason: String,
    },
    /// The remote does not want it: a hook, a protected branch, a full disk.
    Declined {
        /// The remote's reason, or ours where the advertisement told.
        reason: String,
    },
}

impl Outcome {
    /// Whether the reference is where it should be.
    const fn is_done(&self) -> bool {
        matches!(self, Self::Updated | Self::UpToDate)
    }

    /// The remote shows it to whoever reads and to nobody who pushes.
    fn hidden(update: &RefUpdate) -> Self {
        let reason = format!(
            "the remote shows {} to whoever reads and not to whoever pushes (`receive.hideRefs` of git)",
            in_words(&update.reference)
        );
        Self::Declined { reason }
    }

    /// The remote shows it to whoever pushes and to nobody who reads.
    fn unreadable(update: &RefUpdate) -> Self {
        let reason = format!(
            "{} is there, but the remote hides it from fetches (`uploadpack.hideRefs` of git), so that nobody can build on it",
            in_words(&update.reference)
        );
        Self::Declined { reason }
    }

    /// A reference stands in the way of one that does not exist: one of them would be the other's folder.
    fn in_the_way(update: &RefUpdate, there: &Advertisement) -> Option<Self> {
        let name = &update.reference;
        let other = there.in_the_way(name).filter(|_| there.find(name).is_none())?;
        let reason = one_line(
            &format!("it has {}, beside which there can be no {}", in_words(other), in_words(name)),
            MAX_REASON,
        );
        Some(Self::Declined { reason })
    }

    /// The same for another reference of the same atomic push.
    fn for_others(&self) -> Option<Self> {
        let reason = "another reference of the same push".to_owned();
        match self {
            Self::Moved { .. } => Some(Self::Moved { reason: reason + " moved" }),
            Self::Declined { .. } => Some(Self::Declined { reason: reason + " is refused" }),
            Self::Updated | Self::UpToDate | Self::Busy { .. } => None,
        }
    }
}

/// An update that has to be sent.
struct Command<'a> {
    update: &'a RefUpdate,
    old: ObjectId,
}

pub(super) async fn push(inner: &Inner, updates: &[RefUpdate], options: &[(String, String)]) -> Result<Pushed, Error> {
    check(updates)?;
    let options = option_lines(options)?;
    let names = names(updates.iter());
    let ask = match updates.iter().any(|update| update.expected == Expected::Any) {
        true => Ask::Push(&names),
        false => Ask::BlindPush(&names),
    };
    let (connection, advertisement) = inner.connect(ask).await?;
    let remote = inner.push.to_string();
    let capabilities = advertisement.capabilities();
    require(capabilities, &remote, !options.is_empty())?;
    updates.iter().try_for_each(|update| fits(capabilities, &remote, update))?;
    let hidden = hidden(inner, &names, &advertisement, updates.iter()).await?;
    let unreadable = unreadable(inner, &names, &advertisement, updates.iter()).await?;
    let mut outcomes: HashMap<&str, Outcome> = HashMap::new();
    let mut commands = Vec::new();
    for update in updates {
        match early(&advertisement, update) {
            _ if hidden.contains(&update.reference.as_str()) => {
                drop(outcomes.insert(&update.reference, Outcome::hidden(update)));
            }
            Err(Outcome::Moved { .. }) if unreadable.contains(&update.reference.as_str()) => {
                drop(outcomes.insert(&update.reference, Outcome::unreadable(update)));
            }
            Ok(old) => commands.push(Command { update, old }),
            Err(outcome) => drop(outcomes.insert(&update.reference, outcome)),
        }
    }
    if let Some(outcome) = outcomes.values().find_map(Outcome::for_others).filter(|_| capabilities.has("atomic")) {
        outcomes.extend(commands.drain(..).map(|command| (command.update.reference.as_str(), outcome.clone())));
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

/// Asks for the references as a push does, and leaves. Over ssh and for a local remote the stream ends with no command, which
/// `receive-pack` takes for a push of nothing.
pub(super) async fn ask(inner: &Inner) -> Result<(), Error> {
    let (connection, advertisement) = inner.connect(Ask::BlindPush(&Names::default())).await?;
    require(advertisement.capabilities(), &inner.push.to_string(), false)?;
    drop(connection);
    Ok(())
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
    match options && !capabilities.has("push-options") {
        true => Err(Error::Unsupported { remote: remote.to_owned(), what: "push-options" }),
        false => Ok(()),
    }
}

/// Fails where a remote could not have such a commit.
fn fits(capabilities: &Capabilities, remote: &str, update: &RefUpdate) -> Result<(), Error> {
    let (format, expected) = (capabilities.format(), update.new.object().format());
    match format == expected {
        true => Ok(()),
        false => {
            let (remote, format) = (remote.to_owned(), format.name().to_owned());
            Err(Error::ObjectFormat { remote, format, expected: expected.name() })
        }
    }
}

/// What has to be known of the references for these updates: they themselves, and what they would be beneath. What is beneath
/// them begins alike.
fn names<'u>(updates: impl Iterator<Item = &'u RefUpdate>) -> Names {
    let mut names = Names::default();
    for RefUpdate { reference, .. } in updates {
        names.add(reference);
        // No reference is named as short as `refs/heads`.
        reference.match_indices('/').skip(2).for_each(|(at, _)| names.add(&reference[..at]));
    }
    names
}

/// Returns the names of references that are to be moved, that the remote does not show to whoever pushes, and that it does show to
/// whoever fetches: it would refuse them whatever happens.
async fn hidden<'u>(
    inner: &Inner,
    names: &Names,
    advertisement: &Advertisement,
    updates: impl Iterator<Item = &'u RefUpdate>,
) -> Result<Vec<&'u str>, Error> {
    let is_unseen = |update: &RefUpdate| !advertisement.is_cut() && advertisement.find(&update.reference).is_none();
    let is_lost = |update: &&RefUpdate| matches!(update.expected, Expected::At(_)) && is_unseen(update);
    let lost: Vec<&RefUpdate> = updates.filter(is_lost).collect();
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let (_, shown) = inner.connect(Ask::Fetch(names)).await?;
    let is_shown = |update: &&RefUpdate| shown.find(&update.reference).is_some();
    Ok(lost.into_iter().filter(is_shown).map(|update| update.reference.as_str()).collect())
}

/// Returns the names of references that are to be made, that the remote shows to whoever pushes, and not to whoever fetches: it looks
/// as if somebody else had just made them, each time.
async fn unreadable<'u>(
    inner: &Inner,
    names: &Names,
    advertisement: &Advertisement,
    updates: impl Iterator<Item = &'u RefUpdate>,
) -> Result<Vec<&'u str>, Error> {
    let is_there = |update: &&RefUpdate| advertisement.find(&update.reference).is_some();
    let made: Vec<&RefUpdate> = updates.filter(|it| it.expected == Expected::Absent).filter(is_there).collect();
    if made.is_empty() {
        return Ok(Vec::new());
    }
    let (_, shown) = inner.connect(Ask::Fetch(names)).await?;
    let is_unseen = |update: &&RefUpdate| shown.find(&update.reference).is_none();
    Ok(made.into_iter().filter(is_unseen).map(|update| update.reference.as_str()).collect())
}

/// Returns the old id to send, or what is clear without sending.
fn early(advertisement: &Advertisement, update: &RefUpdate) -> Result<ObjectId, Outcome> {
    let current = advertisement.find(&update.reference).map(|reference| reference.object);
    let none = ObjectId::zero(update.new.object().format());
    if current.is_none() && advertisement.is_cut() {
        return Ok(match update.expected {
            Expected::At(old) => old.object(),
            Expected::Absent | Expected::Any => none,
        });
    }
    if current == Some(update.new.object()) {
        return Err(Outcome::UpToDate);
    }
    let moved = |reason: String| Err(Outcome::Moved { reason });
    if let Some(outcome) = Outcome::in_the_way(update, advertisement) {
        return Err(outcome);
    }
    match (update.expected, current) {
        (Expected::Any, current) => Ok(current.unwrap_or(none)),
        (Expected::Absent, None) => Ok(none),
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
    let reported = match capabilities.has(REPORT) {
        true if report.is_empty() => return Err(reader.unexpected_end().await),
        true => report::outcomes(&report, &references).ok_or_else(|| reader.problem(Problem::Push))?,
        false => vec![Reported::Nothing; commands.len()],
    };
    drop(reader);
    let outcomes = verdict::find_out(inner, commands, &reported, capabilities.has("atomic")).await;
    let updated = commands.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Updated));
    let tips: Vec<_> = updated.map(|(command, _)| (command.update.reference.clone(), command.update.new)).collect();
    if !tips.is_empty() {
        inner.visited(Visits::pushed_now());
        keep(inner, tips, pack).await;
    }
    Ok(Answer { outcomes, words })
}

fn request(capabilities: &Capabilities, commands: &[Command<'_>], options: &[String]) -> Vec<u8> {
    let mut asked = String::new();
    let mut ask = |name: &str, when: bool| {
        if when && capabilities.has(name) {
            asked.push(' ');
            asked.push_str(name);
        }
    };
    ask(REPORT, true);
    capabilities.first(SIDE_BANDS).into_iter().for_each(|name| ask(name, true));
    ask("atomic", commands.len() > 1);
    ask("push-options", !options.is_empty());
    ask("ofs-delta", true);
    ask("quiet", true);
    capabilities.says_format().into_iter().for_each(|name| ask(name, true));
    if let Some(agent) = capabilities.agent() {
        asked.push(' ');
        asked.push_str(agent);
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_options_that_the_protocol_cannot_carry_are_refused() {
        let update = |name: &str| RefUpdate {
            reference: name.to_owned(),
            expected: Expected::Any,
            new: CommitId::parse(&"1".repeat(40)).unwrap(),
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
