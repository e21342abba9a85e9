//! What people took back of what is about to be written, found in the history of the remote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::commit::Draft;
use super::push::Head;
use super::{Done, Job, Remote, fail_all};
use crate::automation::Author;
use crate::change::Change;
use crate::git::{self, Advertisement, CommitFacts, CommitId, End, Interest, Mirror, Touch, Visit};
use crate::guard::{self, Hold, Identity, Verdict, Writer, Writing};
use crate::marker::{self, Embedded, Scan};
use crate::message;
use crate::plan::{MarkedFile, Place};
use crate::run::progress::Stage;

/// The most commits that are looked at. A revert that is older, or a value that the bot wrote longer ago, is not seen.
const MAX_HISTORY: usize = 1_000;

/// How many generations the mirror is deepened to, one after the other, as long as a question is open.
const GENERATIONS: [u32; 2] = [64, 1_000];

/// A job and what it would do.
type Drafted<'a> = (Job<'a>, Draft<'a>);

impl Remote<'_> {
    /// Finds what people took back of what is about to be changed: one walk for each head. Returns the drafts with these
    /// fields held.
    pub(super) async fn look_back<'j>(
        &self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        heads: &[Head<'_>],
        mut drafts: Vec<Drafted<'j>>,
        done: &mut Done,
    ) -> Vec<Drafted<'j>> {
        for (at, head) in heads.iter().enumerate() {
            let fields = fields(at, &drafts);
            if fields.is_empty() {
                continue;
            }
            let search = Search { lifted: self.switches.released.clone(), released: BTreeSet::new(), fields };
            match self.search(mirror, advertisement, head, search).await {
                Ok(found) => found.hold(&mut drafts),
                Err(source) => {
                    let (lost, kept) = drafts.into_iter().partition(|(_, draft)| draft.at == at);
                    drafts = kept;
                    let lost: Vec<Drafted<'j>> = lost;
                    fail_all(lost.into_iter().map(|(job, _)| job).collect(), "read the history of", source, done);
                }
            }
        }
        drafts
    }

    /// Walks back, and fetches older commits as long as there is a question and the mirror ends.
    async fn search(
        &self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        head: &Head<'_>,
        mut search: Search,
    ) -> Result<Search, git::Error> {
        self.progress.at(Stage::History, &head.branch);
        let mut depths = GENERATIONS.into_iter();
        loop {
            let (ended, done) = walk(mirror, head.tip, search).await?;
            search = done;
            match depths.next() {
                Some(depth) if ended == End::Boundary => {
                    mirror.deepen(advertisement, &head.want, depth).await?;
                    self.progress.at(Stage::History, &head.branch);
                    search.forget();
                }
                _ => return Ok(search),
            }
        }
    }
}

/// Walks back from `base` until everything is known, or nothing more is.
async fn walk(mirror: &Mirror, base: CommitId, search: Search) -> Result<(End, Search), git::Error> {
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
    /// The draft that does it.
    draft: usize,
    author: Author,
    embedded: Embedded,
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
        let facts = touch.facts;
        let theirs = message::Author { name: &facts.author_name, email: &facts.author_email };
        let mut versions = Versions { touch, scans: HashMap::new() };
        for question in questions.iter_mut().filter(|question| question.answer.is_none()) {
            let (before, after) = versions.values(question);
            if before == after {
                continue;
            }
            let own = message::Author { name: &question.author.name, email: &question.author.email };
            let is_bot = message::is_written_by(&own, &facts.message, &theirs);
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

    /// Holds the fields of drafts that were taken back.
    fn hold(self, drafts: &mut [Drafted<'_>]) {
        for question in self.fields.into_values().flatten() {
            if let Some(Some(hold)) = question.answer {
                drafts[question.draft].1.guards.fields.insert(question.place, hold);
            }
        }
    }
}

/// A file before and after a commit, scanned when it is asked for.
struct Versions<'t> {
    touch: &'t Touch<'t>,
    scans: HashMap<Embedded, [Option<Scan>; 2]>,
}

impl Versions<'_> {
    /// The values of a field before and after.
    fn values(&mut self, question: &Question) -> (Option<String>, Option<String>) {
        let embedded = question.embedded;
        let scan = |bytes: Option<&[u8]>| bytes.map(|bytes| marker::scan_with(bytes, embedded));
        let [before, after] =
            self.scans.entry(embedded).or_insert_with(|| [scan(self.touch.before), scan(self.touch.after)]);
        let value = |scan: &Option<Scan>| Some(question.identity.value(scan.as_ref()?)?.to_owned());
        (value(before), value(after))
    }
}

/// The fields that drafts for one head change, by path.
fn fields(at: usize, drafts: &[Drafted<'_>]) -> BTreeMap<String, Vec<Question>> {
    let mut fields: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for (number, (job, draft)) in drafts.iter().enumerate().filter(|(_, (_, draft))| draft.at == at) {
        let files: HashMap<&str, &MarkedFile> = draft.files.iter().map(|file| (file.path.as_str(), file)).collect();
        for edit in &draft.plan.edits {
            let Some(file) = files.get(edit.path.as_str()) else { continue };
            let changes = edit.changes.iter().zip(&edit.changed);
            let questions = changes.filter_map(|(change, index)| question(job, number, file, change, *index));
            fields.entry(edit.path.clone()).or_default().extend(questions);
        }
    }
    fields
}

fn question(job: &Job<'_>, draft: usize, file: &MarkedFile, change: &Change, index: usize) -> Option<Question> {
    let marker = file.scan.markers.get(index)?;
    Some(Question {
        draft,
        author: job.automation.commit.author.clone(),
        embedded: Embedded::everywhere(job.automation.embedded),
        place: Place::of(&file.path, marker),
        identity: Identity::of(&file.scan, index)?,
        policy: marker.policy().to_owned(),
        current: change.old.clone(),
        wanted: change.new.clone(),
        writings: Vec::new(),
        answer: None,
    })
}
