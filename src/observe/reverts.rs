//! What is about to be written that people took back, or that other bots move away, found in the history of the remote.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use git::{self, Advertisement, CommitFacts, CommitId, End, Interest, Mirror, Origin, Touch, Visit, Want};
use jiff::Timestamp;
use tagwright_core::automation::{Author, Automation, ImagePolicy, Schedule};
use tagwright_core::change::Change;
use tagwright_core::guard::{
    self, Hold, Identity, Lineage, Patience, Proposed, Verdict, Version, Whose, Writer, Writing,
};
use tagwright_core::marker::{self, Field, Marker, Marking};
use tagwright_core::message;
use tagwright_core::plan::{FieldId, MarkedFile, Plan};
use tracing::Instrument as _;

use super::is_bot;
use super::releases::Releases;
use crate::run::{Progress, Stage};
use crate::store::Pushes;
use crate::trace;

/// The most commits that are looked at. A revert that is older, or a value that the bot wrote longer ago, is not seen.
const MAX_HISTORY: usize = 1_000;

/// How many generations the mirror is deepened to, one after the other, as long as a question is open.
pub(crate) const GENERATIONS: [u32; 2] = [64, 1_000];

/// How many commits are looked at, and how many versions of files, where nothing but unlikely answers is left to be found: every
/// release asks, and most have a long history of releases.
const MAX_UNLIKELY: usize = 200;

/// How many moves of files are followed in one search.
const MAX_MOVES: usize = 32;

/// For how many intervals of an automation another bot's move keeps a field as it is; at most [`LONGEST_PATIENCE`].
const PATIENT_INTERVALS: u32 = 10;

/// For how long at most, whatever the interval.
const LONGEST_PATIENCE: Duration = Duration::from_hours(24);

/// Fields that the history was asked about, with the values that they were to have.
pub(crate) type Asked = BTreeMap<FieldId, String>;

/// Which fields a plan changes, and to what.
pub(crate) fn asked(files: &[MarkedFile], plan: &Plan) -> Asked {
    let mut asked = Asked::new();
    each_change(files, plan, |file, identity, change, _| {
        asked.insert((file.path.clone(), identity), change.new.clone());
    });
    asked
}

/// Goes through the changes of a plan, with their fields and the indices of their markers.
fn each_change(files: &[MarkedFile], plan: &Plan, mut visit: impl FnMut(&MarkedFile, Identity, &Change, usize)) {
    let files: HashMap<&str, &MarkedFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    for edit in &plan.edits {
        let Some(file) = files.get(edit.path.as_str()) else { continue };
        let mut identities: Vec<Option<Identity>> = Identity::all(&file.scan).into_iter().map(Some).collect();
        for (change, index) in edit.changes.iter().zip(&edit.changed) {
            if let Some(identity) = identities.get_mut(*index).and_then(Option::take) {
                visit(file, identity, change, *index);
            }
        }
    }
}

/// The line of commits that is walked back.
pub(crate) struct Line<'l> {
    pub(crate) mirror: &'l Mirror,
    pub(crate) advertisement: &'l Advertisement,
    /// The push branch.
    pub(crate) branch: &'l str,
    /// What was fetched, and is fetched again with more history.
    pub(crate) want: &'l Want,
    /// The newest commit.
    pub(crate) tip: CommitId,
}

/// Walks back from `tip` until everything is known, or nothing more is, along the moves of files.
async fn follow(mirror: &Mirror, tip: CommitId, search: &Arc<Mutex<Search>>) -> Result<End, git::Error> {
    let paths = lock(search).paths();
    let mut ended = walk(mirror, tip, paths, search).await?;
    for moves in 0.. {
        let Some((path, facts)) = lock(search).begun.pop() else { break };
        let mut origin = mirror.origin(facts.id, path.clone()).await?;
        origin.moved = origin.moved.filter(|_| moves < MAX_MOVES);
        let Some((parent, path)) = lock(search).begins(path, &facts, origin) else { continue };
        if walk(mirror, parent, vec![path], search).await? == End::Boundary {
            ended = End::Boundary;
        }
    }
    Ok(ended)
}

async fn walk(
    mirror: &Mirror,
    tip: CommitId,
    paths: Vec<String>,
    search: &Arc<Mutex<Search>>,
) -> Result<End, git::Error> {
    let visitor = Arc::clone(search);
    let walked = mirror.history(tip, paths, MAX_HISTORY, move |visit| match visit {
        Visit::Commit(facts) => lock(&visitor).commit(facts),
        Visit::Touch(touch) => lock(&visitor).touch(touch),
    });
    Ok(walked.await?.ended)
}

fn lock(search: &Mutex<Search>) -> MutexGuard<'_, Search> {
    search.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A field that is about to be changed.
struct Question {
    /// The number of the plan that does it.
    number: usize,
    marking: Marking,
    field: FieldId,
    /// The field as it is known in the version that the walk has come to.
    known_as: Identity,
    marker: Marker,
    /// The policy, if the automation has it.
    policy: Option<Arc<ImagePolicy>>,
    wanted: String,
    patience: Duration,
    writings: Vec<Writing>,
    /// Whether there is no answer yet and hardly will be.
    is_unlikely: bool,
    answer: Option<Option<Hold>>,
}

/// Finds out what this bot has pushed.
pub(crate) type AskPushes = Box<dyn FnOnce() -> Pushes + Send>;

/// What is looked for, and what was found.
pub(crate) struct Search {
    releases: Releases,
    /// Who commits for automations.
    authors: Vec<Author>,
    /// What this bot has pushed; most searches need not know it.
    pushes: LazyLock<Pushes, AskPushes>,
    now: Timestamp,
    /// By path, as the file is called in the version that the walk has come to.
    fields: BTreeMap<String, Vec<Question>>,
    /// Files that begin with a commit, which may have moved them there.
    begun: Vec<(String, CommitFacts)>,
    /// How many commits and versions of files were looked at.
    looked: (usize, usize),
}

impl Search {
    /// A search for nothing yet. Commits by the `authors` of automations are a bot's; which are this one's own, `pushes` tell.
    pub(crate) fn new(releases: Releases, authors: &[Author], pushes: AskPushes, now: Timestamp) -> Self {
        let (authors, pushes) = (authors.to_vec(), LazyLock::new(pushes));
        Self { releases, authors, pushes, now, fields: BTreeMap::new(), begun: Vec::new(), looked: (0, 0) }
    }

    /// Looks for the fields that a plan changes, too, but for those that were `asked` for with the same value. They are found
    /// under the number.
    pub(crate) fn ask(
        &mut self,
        number: usize,
        automation: &Automation,
        files: &[MarkedFile],
        plan: &Plan,
        asked: &Asked,
    ) {
        each_change(files, plan, |file, identity, change, index| {
            let field = (file.path.clone(), identity);
            if asked.get(&field) == Some(&change.new) {
                return;
            }
            let marker = &file.scan.markers[index];
            let policy = automation.policies.iter().find(|policy| policy.id.marker() == marker.policy());
            let question = Question {
                number,
                marking: automation.marking(&file.path),
                known_as: field.1.clone(),
                field,
                marker: marker.clone(),
                policy: policy.cloned(),
                wanted: change.new.clone(),
                patience: patience(&automation.schedule, self.now),
                writings: Vec::new(),
                is_unlikely: false,
                answer: None,
            };
            self.fields.entry(file.path.clone()).or_default().push(question);
        });
    }

    /// Walks back, and fetches older commits as long as there is a question and the mirror ends. Returns the fields that
    /// were taken back, with their numbers.
    pub(crate) async fn along(
        self,
        line: Line<'_>,
        progress: &Progress,
    ) -> Result<Vec<(usize, FieldId, Hold)>, git::Error> {
        if self.fields.is_empty() {
            return Ok(Vec::new());
        }
        progress.at(Stage::History, line.branch);
        let span = trace::history(line.branch);
        Box::pin(self.walk(line, progress)).instrument(span).await
    }

    async fn walk(self, line: Line<'_>, progress: &Progress) -> Result<Vec<(usize, FieldId, Hold)>, git::Error> {
        let search = Arc::new(Mutex::new(self));
        let mut depths = GENERATIONS.into_iter();
        loop {
            let ended = follow(line.mirror, line.tip, &search).await?;
            match depths.next() {
                Some(depth) if ended == End::Boundary && lock(&search).is_open() => {
                    line.mirror.deepen(line.advertisement, line.want, depth).await?;
                    progress.at(Stage::History, line.branch);
                    lock(&search).forget();
                }
                _ => return Ok(lock(&search).holds()),
            }
        }
    }

    /// Whether there is a question that is worth fetching older commits.
    fn is_open(&self) -> bool {
        self.fields.values().flatten().any(|question| question.answer.is_none() && !question.is_unlikely)
    }

    /// The files of which something is not known yet.
    fn paths(&self) -> Vec<String> {
        let open = |questions: &Vec<Question>| questions.iter().any(|question| question.answer.is_none());
        self.fields.iter().filter(|(_, questions)| open(questions)).map(|(path, _)| path.clone()).collect()
    }

    /// Forgets what was seen and gave no answer, to look again further back.
    fn forget(&mut self) {
        self.releases.forget();
        self.looked = (0, 0);
        for mut question in std::mem::take(&mut self.fields).into_values().flatten() {
            question.writings.clear();
            question.is_unlikely = false;
            question.known_as.clone_from(&question.field.1);
            self.fields.entry(question.field.0.clone()).or_default().push(question);
        }
    }

    /// A commit comes, of which a person may release something. A bot releases nothing: parts of its messages are what
    /// manifests say.
    fn commit(&mut self, facts: &CommitFacts) -> Interest {
        let mut by_commit = message::releases(&facts.message);
        if !by_commit.is_empty() && is_bot(&self.authors, facts, &facts.message) {
            by_commit.clear();
        }
        self.releases.visit(facts, by_commit);
        self.looked.0 += 1;
        let (commits, versions) = self.looked;
        match commits.max(versions) > MAX_UNLIKELY && !self.is_open() {
            true => Interest::Drop,
            false => Interest::Keep,
        }
    }

    /// A commit comes that gave a file another content. Where it made the file, that may have been elsewhere before.
    fn touch(&mut self, touch: &Touch<'_>) -> Interest {
        if touch.before.is_some() {
            return self.look(touch);
        }
        self.begun.push((touch.path.to_owned(), touch.facts.clone()));
        Interest::Drop
    }

    /// A file begins with a commit, or was moved by it. Returns from where it has to be followed.
    fn begins(&mut self, path: String, facts: &CommitFacts, origin: Origin) -> Option<(CommitId, String)> {
        let Origin { content, moved } = origin;
        let (before, after) = (moved.as_ref().map(|moved| moved.content.as_slice()), content.as_deref());
        let interest = self.look(&Touch { path: &path, commit: facts.id, facts, before, after });
        let moved = moved.filter(|_| interest == Interest::Keep)?;
        let questions = self.fields.remove(&path)?;
        self.fields.entry(moved.path.clone()).or_default().extend(questions);
        Some((moved.parent, moved.path))
    }

    fn look(&mut self, touch: &Touch<'_>) -> Interest {
        let Some(mut questions) = self.fields.remove(touch.path) else { return Interest::Drop };
        self.looked.1 += 1;
        let mut versions = Versions { touch, read: HashMap::new() };
        for question in questions.iter_mut().filter(|question| question.answer.is_none()) {
            let lineage = versions.of(&question.marking);
            let Some(after) = lineage.after(&question.known_as) else { continue };
            let (earlier, before) = lineage.before(&question.known_as, &question.wanted).unzip();
            let is_written = before != Some(after);
            let (before, after) = (before.map(str::to_owned), Some(after.to_owned()));
            if let Some(earlier) = earlier.cloned() {
                question.known_as = earlier;
            }
            if is_written {
                question.writings.push(self.writing(question, touch, before, after));
                let verdict = self.verdict(question);
                question.is_unlikely = verdict == Verdict::Unlikely;
                question.answer = match verdict {
                    Verdict::Hold(hold) => Some(Some(hold)),
                    Verdict::Free => Some(None),
                    Verdict::Open | Verdict::Unlikely => None,
                };
            }
        }
        let is_answered = questions.iter().all(|question| question.answer.is_some());
        self.fields.insert(touch.path.to_owned(), questions);
        if is_answered { Interest::Drop } else { Interest::Keep }
    }

    fn writing(
        &self,
        question: &Question,
        touch: &Touch<'_>,
        before: Option<String>,
        after: Option<String>,
    ) -> Writing {
        let facts = touch.facts;
        // Whoever squashes or rewords a bot's commit goes where the bot went; with its words, a person can still go back.
        let is_bot = is_bot(&self.authors, facts, "")
            || is_bot(&self.authors, facts, &facts.message)
                && !question.steps_back(before.as_deref(), after.as_deref());
        let released = self.releases.cover(question.marker.policy(), facts);
        Writing {
            before,
            after,
            commit: touch.commit.to_string(),
            author: facts.author_name.clone(),
            time: facts.time,
            by: if is_bot { Writer::Bot } else { Writer::Person },
            released,
        }
    }

    fn verdict(&self, question: &Question) -> Verdict {
        let proposed = Proposed {
            policy: question.marker.policy(),
            current: &question.marker.value,
            wanted: &question.wanted,
            could_select: &|value| question.could_select(value),
            is_no_worse: &|value| question.is_no_worse(value),
        };
        if question.writings.first().is_some_and(|newest| newest.by == Writer::Person) {
            return guard::reverted(&proposed, &question.writings);
        }
        let patience = Patience { now: self.now, length: question.patience };
        guard::contested(&proposed, &question.writings, &|writing| whose(&self.pushes, writing), patience)
    }

    /// The fields that were taken back.
    fn holds(&mut self) -> Vec<(usize, FieldId, Hold)> {
        let hold = |question: Question| Some((question.number, question.field, question.answer??));
        std::mem::take(&mut self.fields).into_values().flatten().filter_map(hold).collect()
    }
}

impl Question {
    /// Whether the policy could select what a value says; what has no tag is taken as it comes.
    fn could_select(&self, value: &str) -> bool {
        let Some(policy) = self.policy.as_ref().filter(|_| self.has_rank()) else { return true };
        let tag = guard::tag_of(&self.marker, value, &policy.repository.image);
        tag.is_some_and(|tag| policy.could_select(&tag))
    }

    /// Whether the wanted value ranks at least as high as another one.
    fn is_no_worse(&self, value: &str) -> bool {
        let Some(policy) = self.policy.as_ref().filter(|_| self.has_rank()) else { return true };
        let tag = |value| guard::tag_of(&self.marker, value, &policy.repository.image);
        let (Some(wanted), Some(other)) = (tag(&self.wanted), tag(value)) else { return false };
        policy.policy.compare(&wanted, &other).is_some_and(Ordering::is_ge)
    }

    fn has_rank(&self) -> bool {
        matches!(self.marker.field, Field::Image | Field::Tag)
    }

    /// Whether a commit takes the field back, in the order of the policy.
    fn steps_back(&self, before: Option<&str>, after: Option<&str>) -> bool {
        let (Some(policy), Some(before), Some(after)) = (&self.policy, before, after) else { return false };
        guard::is_step_back(policy, &self.marker, before, after)
    }
}

/// Whose a bot's commit is.
fn whose(pushes: &Pushes, writing: &Writing) -> Whose {
    match pushes.since {
        _ if pushes.commits.contains(&writing.commit) => Whose::Own,
        Some(since) if since.as_second() <= writing.time => Whose::Other,
        _ => Whose::Unknown,
    }
}

/// How long another bot's move keeps a field of an automation as it is.
fn patience(schedule: &Schedule, now: Timestamp) -> Duration {
    let interval = match schedule {
        Schedule::Every(interval) => Some(*interval),
        Schedule::Cron(cron) => cron.next_after(now).and_then(|first| {
            let second = cron.next_after(first)?;
            Duration::try_from(second.duration_since(first)).ok()
        }),
    };
    interval.map_or(LONGEST_PATIENCE, |interval| interval.saturating_mul(PATIENT_INTERVALS)).min(LONGEST_PATIENCE)
}

/// A file before and after a commit, scanned when it is asked for.
struct Versions<'t> {
    touch: &'t Touch<'t>,
    read: HashMap<Marking, Lineage>,
}

impl Versions<'_> {
    fn of(&mut self, marking: &Marking) -> &Lineage {
        let read = |bytes: Option<&[u8]>| {
            bytes.map(|bytes| Version::of(&marker::scan_with(bytes, marking))).unwrap_or_default()
        };
        let between = || Lineage::between(read(self.touch.before), read(self.touch.after));
        self.read.entry(marking.clone()).or_insert_with(between)
    }
}
