//! What the bot, and bots like it, have committed, told from Git alone.
//!
//! The history of the files that are marked now is walked backwards; a commit counts as a bot's by what
//! [`message::recognise`] goes by, with the authors of the configured automations. What it changed are the marked fields
//! whose values differ before and after. Mirrors are deepened as far as that needs, at most [`git::MAX_GENERATIONS`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use git::{self, Advertisement, CommitFacts, CommitId, End, Interest, MAX_GENERATIONS, Mirror, Touch, Visit, Want};
use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tagwright_core::marker::{self, Embedded, Marker, Marking, Target};
use tagwright_core::message::{self, Criteria, Recognised};

use super::push_branch::PushBranch;
use super::{MARKED_FILES, survey};
use crate::run::{Doing, Error, Login, Queue};
use crate::store::{Event, Filter, Record};
use crate::wire::ChangedField;

/// How many generations of a branch are asked for when the mirror does not have enough; then [`GROWTH`] times as many.
const FIRST_GENERATIONS: u32 = 100;

/// By what the history of a mirror grows.
const GROWTH: u32 = 10;

/// The most commits of one branch that are looked at.
const MAX_COMMITS: usize = 100_000;

/// What was found in the remotes.
#[derive(Debug, Default)]
pub struct Past {
    /// A record for each commit of a bot, newest first.
    pub records: Vec<Record>,
    /// Branches with older commits that were not looked at, since there are too many: remote and branch.
    pub cut: Vec<(String, String)>,
    /// What could not be read.
    pub failures: Vec<Error>,
}

/// Fetches the remotes and finds what bots have committed. Nothing is pushed.
pub async fn past(git: &git::Git, automations: &[Arc<Automation>], filter: &Filter) -> Past {
    let mut past = Past::default();
    for login in Queue::of_remotes(automations).iter().flat_map(Queue::logins) {
        remote(git, login, filter, &mut past).await;
    }
    past.records.sort_by_key(|record| std::cmp::Reverse(record.time));
    past.records.truncate(filter.most);
    past
}

/// A branch that automations push to.
struct Branch<'a> {
    paths: BTreeSet<String>,
    embedded: Embedded,
    targets: Vec<Target>,
    automations: Vec<&'a Automation>,
    /// The branch itself, or else what it would begin with.
    want: Want,
}

async fn remote(git: &git::Git, login: &Login, filter: &Filter, past: &mut Past) {
    let remote = &login[0].1.remote;
    let (mirror, advertisement) = match survey::open(git, login).await {
        Ok(opened) => opened,
        Err(source) => return past.failures.push(Error::git(Doing::Read, &remote.url, source)),
    };
    for ((name, tip), branch) in branches(&mirror, &advertisement, login, past).await {
        match walk(&mirror, &advertisement, (&remote.url, &name, tip), &branch, filter).await {
            Ok((records, end)) => {
                past.records.extend(records);
                if matches!(end, End::Boundary | End::Limit) {
                    past.cut.push((remote.url.clone(), name));
                }
            }
            Err(source) => past.failures.push(Error::git(Doing::Read, &remote.url, source)),
        }
    }
}

/// The branches that automations of a remote push to, with the commits they are at and the files that are marked there.
async fn branches<'a>(
    mirror: &Mirror,
    advertisement: &Advertisement,
    login: &'a Login,
    past: &mut Past,
) -> BTreeMap<(String, CommitId), Branch<'a>> {
    let mut branches = BTreeMap::new();
    for (_, automation) in login {
        let automation: &Automation = automation;
        let (branch, found) = match survey::find(mirror, advertisement, automation, MARKED_FILES).await {
            Ok(found) => found,
            Err(error) => {
                past.failures.push(error);
                continue;
            }
        };
        let PushBranch { base, name, want, replaced, .. } = branch;
        // What is on the push branch was done, also if a new one comes in its place.
        let (base, want) = match replaced {
            Some(replaced) => (replaced.tip, Want::Branch(name.clone())),
            None => (base, want),
        };
        let branch = branches.entry((name, base)).or_insert_with(|| Branch {
            paths: BTreeSet::new(),
            embedded: Embedded::Annotated,
            targets: Vec::new(),
            automations: Vec::new(),
            want,
        });
        branch.paths.extend(found.files.into_iter().map(|file| file.path));
        branch.automations.push(automation);
        branch.targets.extend(automation.targets().cloned());
        if automation.embedded {
            branch.embedded = Embedded::Everywhere;
        }
    }
    branches
}

async fn walk(
    mirror: &Mirror,
    advertisement: &Advertisement,
    (url, name, tip): (&str, &str, CommitId),
    branch: &Branch<'_>,
    filter: &Filter,
) -> Result<(Vec<Record>, End), git::Error> {
    let paths: Vec<String> = branch.paths.iter().cloned().collect();
    if paths.is_empty() {
        return Ok((Vec::new(), End::Done));
    }
    let mut generations = FIRST_GENERATIONS;
    loop {
        let search = Arc::new(Mutex::new(Search::new(url, name, branch, filter)));
        let searching = Arc::clone(&search);
        let visit = move |visit: Visit<'_>| {
            let mut search = searching.lock().unwrap_or_else(PoisonError::into_inner);
            match visit {
                Visit::Commit(facts) => search.begin(facts),
                Visit::Touch(touch) => search.touched(touch),
            }
        };
        let walked = mirror.history(tip, paths.clone(), MAX_COMMITS, visit).await?;
        let mut search = search.lock().unwrap_or_else(PoisonError::into_inner);
        match walked.ended {
            End::Boundary if generations <= MAX_GENERATIONS => drop(search),
            end => return Ok((search.finish(), end)),
        }
        mirror.deepen(advertisement, &branch.want, generations).await?;
        generations = generations.saturating_mul(GROWTH);
    }
}

/// The search for commits of bots along a branch.
struct Search {
    filter: Filter,
    url: String,
    branch: String,
    embedded: Embedded,
    targets: Vec<Target>,
    /// The names of the automations, with their authors as `Name <address>`.
    automations: Vec<(String, String)>,
    authors: Vec<String>,
    /// Those that are wanted, but for the last one, which may still grow.
    records: Vec<Record>,
    /// The automation of the commit at hand, if that is a bot's; an empty name where it cannot be told.
    bot: Option<String>,
}

impl Search {
    fn new(url: &str, name: &str, branch: &Branch<'_>, filter: &Filter) -> Self {
        let author = |it: &&Automation| format!("{} <{}>", it.commit.author.name, it.commit.author.email);
        let automations: Vec<_> = branch.automations.iter().map(|it| (it.id.to_string(), author(it))).collect();
        Self {
            filter: filter.clone(),
            url: url.to_owned(),
            branch: name.to_owned(),
            embedded: branch.embedded,
            targets: branch.targets.clone(),
            authors: automations.iter().map(|(_, author)| author.clone()).collect(),
            automations,
            records: Vec::new(),
            bot: None,
        }
    }

    /// A commit comes, after all that the one before did.
    fn begin(&mut self, facts: &CommitFacts) -> Interest {
        self.settle();
        let time = time(facts);
        if self.records.len() >= self.filter.most || self.filter.since.is_some_and(|since| time < since) {
            return Interest::Drop;
        }
        self.bot = self.bot_of(facts);
        Interest::Keep
    }

    fn touched(&mut self, touch: &Touch<'_>) -> Interest {
        if let (Some(automation), Some(before), Some(after)) = (&self.bot, touch.before, touch.after) {
            let targets = self.targets.iter().filter(|target| target.path == touch.path).cloned().collect();
            let changes = changes(touch.path, before, after, &Marking { embedded: self.embedded, targets });
            let commit = touch.commit.to_string();
            match self.records.last_mut() {
                Some(Record { event: Event::Pushed { commit: last, .. }, changes: known, .. }) if *last == commit => {
                    known.extend(changes);
                }
                _ => {
                    let message = touch.facts.message.lines().next().unwrap_or_default().to_owned();
                    self.records.push(Record {
                        automation: automation.clone(),
                        url: self.url.clone(),
                        branch: self.branch.clone(),
                        changes,
                        ..Record::of(time(touch.facts), Event::Pushed { commit, missed: None }, message)
                    });
                }
            }
        }
        Interest::Keep
    }

    /// Drops the last record when it is not wanted.
    fn settle(&mut self) {
        if self.bot.take().is_some() && self.records.last().is_some_and(|record| !self.filter.matches(record)) {
            self.records.pop();
        }
    }

    fn finish(&mut self) -> Vec<Record> {
        self.settle();
        std::mem::take(&mut self.records)
    }

    /// The automation that made a commit: by the trailer, or by the author when only one has it.
    fn bot_of(&self, facts: &CommitFacts) -> Option<String> {
        let author = message::Author { name: &facts.author_name, email: &facts.author_email };
        let criteria = Criteria { prefixes: &[], authors: &self.authors };
        Some(match message::recognise(&facts.message, &author, &criteria)? {
            Recognised::Trailer(automation) => automation,
            Recognised::Author(_) | Recognised::Prefix(_) => {
                let author = author.to_string();
                let mut with_author = self.automations.iter().filter(|(_, known)| *known == author);
                match (with_author.next(), with_author.next()) {
                    (Some((name, _)), None) => name.clone(),
                    _ => String::new(),
                }
            }
        })
    }
}

fn time(facts: &CommitFacts) -> Timestamp {
    Timestamp::from_second(facts.time).unwrap_or_default()
}

/// The marked fields that have another value than before, those of one marker in their order.
fn changes(path: &str, before: &[u8], after: &[u8], marking: &Marking) -> Vec<ChangedField> {
    let (before, after) = (marker::scan_with(before, marking), marker::scan_with(after, marking));
    let mut known: HashMap<&str, Vec<&Marker>> = HashMap::new();
    for marker in before.markers.iter().rev() {
        known.entry(&marker.setter).or_default().push(marker);
    }
    let mut changes = Vec::new();
    for marker in &after.markers {
        let Some(old) = known.get_mut(marker.setter.as_str()).and_then(Vec::pop) else { continue };
        if old.value != marker.value {
            changes.push(ChangedField {
                policy: marker.policy().to_owned(),
                file: path.to_owned(),
                line: marker.line,
                old: old.value.clone(),
                new: marker.value.clone(),
            });
        }
    }
    changes
}
