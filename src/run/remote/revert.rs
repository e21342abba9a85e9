//! What people took back of what is about to be written, found in the history of the remote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{Job, Remote};
use crate::automation::Author;
use crate::change::Change;
use crate::git::{Advertisement, CommitFacts, CommitId, End, Interest, Mirror, Touch, Visit, Want};
use crate::guard::{self, Hold, Identity, Verdict, Writer, Writing};
use crate::marker::{self, Embedded, Scan};
use crate::message;
use crate::plan::{MarkedFile, Place, Plan};
use crate::run::outcome::Error;
use crate::run::progress::Stage;

/// The most commits that are looked at. A revert that is older, or a value that the bot wrote longer ago, is not seen.
const MAX_HISTORY: usize = 1_000;

/// How many generations the mirror is deepened to, one after the other, as long as a question is open.
const GENERATIONS: [u32; 2] = [64, 1_000];

impl Remote<'_> {
    /// Finds the edits of a plan that a person took back before.
    pub(super) async fn reverts(
        &self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        job: &Job<'_>,
        base: CommitId,
        files: &[MarkedFile],
        plan: &Plan,
    ) -> Result<BTreeMap<Place, Hold>, Error> {
        let fields = fields(files, plan);
        if fields.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.progress.at(Stage::History, &job.automation.id.to_string());
        let failed = |doing| move |source| Error::git(doing, &job.automation.remote.url, source);
        let mut search = Search {
            author: job.automation.commit.author.clone(),
            embedded: Embedded::everywhere(job.automation.embedded),
            lifted: self.switches.released.clone(),
            released: BTreeSet::new(),
            fields,
        };
        let mut depths = GENERATIONS.into_iter();
        loop {
            let (ended, done) = walk(mirror, base, search).await.map_err(failed("read"))?;
            search = done;
            match depths.next() {
                Some(depth) if ended == End::Boundary => {
                    let want = Want::Branch(job.report.branch.clone());
                    if advertisement.branch(&job.report.branch).is_none() {
                        break;
                    }
                    mirror.deepen(advertisement, &want, depth).await.map_err(failed("fetch from"))?;
                    search.forget();
                }
                _ => break,
            }
        }
        Ok(search.holds())
    }
}

/// Walks back from `base` until everything is known, or nothing more is.
async fn walk(mirror: &Mirror, base: CommitId, search: Search) -> Result<(End, Search), crate::git::Error> {
    let paths = search.paths();
    let shared = Arc::new(Mutex::new(search));
    let visitor = Arc::clone(&shared);
    let walked = mirror.history(base, paths, MAX_HISTORY, move |visit| {
        let mut search = visitor.lock().unwrap_or_else(PoisonError::into_inner);
        match visit {
            Visit::Commit(facts) => search.commit(facts),
            Visit::Touch(touch) => search.touch(touch),
        }
    });
    let ended = walked.await?.ended;
    let search = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((ended, search))
}

/// A field that is about to be changed.
struct Question {
    place: Place,
    identity: Identity,
    policy: String,
    current: String,
    wanted: String,
    writings: Vec<Writing>,
    answer: Option<Option<Hold>>,
}

/// What is looked for, and what was found.
#[derive(Default)]
struct Search {
    author: Author,
    embedded: Embedded,
    /// When policies were released by telling the bot.
    lifted: BTreeMap<String, Timestamp>,
    /// Policies that a commit released, of those visited.
    released: BTreeSet<String>,
    /// By path.
    fields: BTreeMap<String, Vec<Question>>,
}

impl Search {
    /// The files of which something is not known yet.
    fn paths(&self) -> Vec<String> {
        let open = |questions: &Vec<Question>| questions.iter().any(|question| question.answer.is_none());
        self.fields.iter().filter(|(_, questions)| open(questions)).map(|(path, _)| path.clone()).collect()
    }

    /// Forgets what was seen and gave no answer, to look again further back.
    fn forget(&mut self) {
        self.released.clear();
        self.fields.values_mut().flatten().for_each(|question| question.writings.clear());
    }

    fn commit(&mut self, facts: &CommitFacts) -> Interest {
        self.released.extend(message::releases(&facts.message));
        Interest::Keep
    }

    fn touch(&mut self, touch: &Touch<'_>) -> Interest {
        let Some(questions) = self.fields.get_mut(touch.path) else { return Interest::Drop };
        let scan = |bytes: Option<&[u8]>| bytes.map(|bytes| marker::scan_with(bytes, self.embedded));
        let (before, after) = (scan(touch.before), scan(touch.after));
        let own = message::Author { name: &self.author.name, email: &self.author.email };
        let facts = touch.facts;
        let theirs = message::Author { name: &facts.author_name, email: &facts.author_email };
        let is_bot = message::is_written_by(&own, &facts.message, &theirs);
        for question in questions.iter_mut().filter(|question| question.answer.is_none()) {
            let value = |scan: &Option<Scan>| Some(question.identity.value(scan.as_ref()?)?.to_owned());
            let (before, after) = (value(&before), value(&after));
            if before == after {
                continue;
            }
            let policy = &question.policy;
            let told = self.lifted.get(policy).is_some_and(|lifted| lifted.as_second() >= facts.time);
            question.writings.push(Writing {
                before,
                after,
                commit: touch.commit.to_string(),
                author: facts.author_name.clone(),
                time: facts.time,
                by: if is_bot { Writer::Bot } else { Writer::Person },
                released: told || self.released.contains(policy),
            });
            question.answer = match guard::reverted(policy, &question.writings, &question.current, &question.wanted) {
                Verdict::Hold(hold) => Some(Some(hold)),
                Verdict::Free => Some(None),
                Verdict::Open => None,
            };
        }
        match questions.iter().all(|question| question.answer.is_some()) {
            true => Interest::Drop,
            false => Interest::Keep,
        }
    }

    fn holds(self) -> BTreeMap<Place, Hold> {
        let questions = self.fields.into_values().flatten();
        questions.filter_map(|question| Some((question.place, question.answer??))).collect()
    }
}

/// The fields that a plan changes.
fn fields(files: &[MarkedFile], plan: &Plan) -> BTreeMap<String, Vec<Question>> {
    let files: HashMap<&str, &MarkedFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut fields = BTreeMap::new();
    for edit in &plan.edits {
        let Some(file) = files.get(edit.path.as_str()) else { continue };
        let question = |(change, index): (&Change, &usize)| {
            let marker = file.scan.markers.get(*index)?;
            Some(Question {
                place: Place::of(&edit.path, marker),
                identity: Identity::of(&file.scan, *index)?,
                policy: marker.policy().to_owned(),
                current: change.old.clone(),
                wanted: change.new.clone(),
                writings: Vec::new(),
                answer: None,
            })
        };
        let questions = edit.changes.iter().zip(&edit.changed).filter_map(question).collect();
        fields.insert(edit.path.clone(), questions);
    }
    fields
}
