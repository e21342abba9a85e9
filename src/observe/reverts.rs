//! What people took back of what is about to be written, found in the history of the remote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use git::{self, Advertisement, CommitFacts, CommitId, End, Interest, Mirror, Touch, Visit, Want};
use jiff::Timestamp;
use tagwright_core::automation::{Author, Automation};
use tagwright_core::change::Change;
use tagwright_core::guard::{self, Hold, Identity, Verdict, Writer, Writing};
use tagwright_core::marker::{self, Embedded};
use tagwright_core::message::{self, Criteria};
use tagwright_core::plan::{FieldId, MarkedFile, Plan};

use crate::run::{Progress, Stage};

/// The most commits that are looked at. A revert that is older, or a value that the bot wrote longer ago, is not seen.
const MAX_HISTORY: usize = 1_000;

/// How many generations the mirror is deepened to, one after the other, as long as a question is open.
const GENERATIONS: [u32; 2] = [64, 1_000];

/// What is done while it is looked for, in messages of failures.
pub(crate) const READ: &str = "read the history of";

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
    /// The number of the plan that does it.
    number: usize,
    author: Author,
    embedded: Embedded,
    field: FieldId,
    policy: String,
    current: String,
    wanted: String,
    writings: Vec<Writing>,
    answer: Option<Option<Hold>>,
}

/// What is looked for, and what was found.
#[derive(Default)]
pub(crate) struct Search {
    /// When policies were released by telling the bot.
    lifted: BTreeMap<String, Timestamp>,
    /// The authors of the automations, as `Name <address>`.
    bots: Vec<String>,
    /// Policies that a commit released, of those visited.
    released: BTreeSet<String>,
    /// By path.
    fields: BTreeMap<String, Vec<Question>>,
}

impl Search {
    /// A search for nothing yet; policies may have been released by telling the bot. Commits by the `authors` of
    /// automations are a bot's.
    pub(crate) fn new(lifted: &BTreeMap<String, Timestamp>, authors: &[Author]) -> Self {
        let named = authors.iter().filter(|author| !author.email.trim().is_empty());
        let bots = named.map(|author| format!("{} <{}>", author.name, author.email)).collect();
        Self { lifted: lifted.clone(), bots, ..Self::default() }
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
            let question = Question {
                number,
                author: automation.commit.author.clone(),
                embedded: Embedded::everywhere(automation.embedded),
                field,
                policy: file.scan.markers[index].policy().to_owned(),
                current: change.old.clone(),
                wanted: change.new.clone(),
                writings: Vec::new(),
                answer: None,
            };
            self.fields.entry(file.path.clone()).or_default().push(question);
        });
    }

    /// Walks back, and fetches older commits as long as there is a question and the mirror ends. Returns the fields that
    /// were taken back, with their numbers.
    pub(crate) async fn along(
        mut self,
        line: Line<'_>,
        progress: &Progress,
    ) -> Result<Vec<(usize, FieldId, Hold)>, git::Error> {
        if self.fields.is_empty() {
            return Ok(Vec::new());
        }
        progress.at(Stage::History, line.branch);
        let mut depths = GENERATIONS.into_iter();
        loop {
            let (ended, walked) = walk(line.mirror, line.tip, self).await?;
            self = walked;
            match depths.next() {
                Some(depth) if ended == End::Boundary => {
                    line.mirror.deepen(line.advertisement, line.want, depth).await?;
                    progress.at(Stage::History, line.branch);
                    self.forget();
                }
                _ => return Ok(self.holds()),
            }
        }
    }

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

    /// A commit comes, of which a person may release something. A bot releases nothing: parts of its messages are what
    /// manifests say.
    fn commit(&mut self, facts: &CommitFacts) -> Interest {
        let released = message::releases(&facts.message);
        if !released.is_empty() && !is_bot(&self.bots, facts) {
            self.released.extend(released);
        }
        Interest::Keep
    }

    fn touch(&mut self, touch: &Touch<'_>) -> Interest {
        let Some(questions) = self.fields.get_mut(touch.path) else { return Interest::Drop };
        let facts = touch.facts;
        let theirs = message::Author { name: &facts.author_name, email: &facts.author_email };
        let mut versions = Versions { touch, values: HashMap::new() };
        for question in questions.iter_mut().filter(|question| question.answer.is_none()) {
            let (before, after) = versions.values(question);
            if before == after {
                continue;
            }
            let own = message::Author { name: &question.author.name, email: &question.author.email };
            let is_bot = message::is_written_by(&own, &facts.message, &theirs) || is_bot(&self.bots, facts);
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

    /// The fields that were taken back.
    fn holds(self) -> Vec<(usize, FieldId, Hold)> {
        let hold = |question: Question| Some((question.number, question.field, question.answer??));
        self.fields.into_values().flatten().filter_map(hold).collect()
    }
}

/// Whether a commit is by one of the authors, as `Name <address>`, or otherwise recognised as a bot's.
fn is_bot(bots: &[String], facts: &CommitFacts) -> bool {
    let author = message::Author { name: &facts.author_name, email: &facts.author_email };
    message::recognise(&facts.message, &author, &Criteria { prefixes: &[], authors: bots }).is_some()
}

/// The values of the fields of one version of a file.
type Values = BTreeMap<Identity, String>;

/// A file before and after a commit, scanned when it is asked for.
struct Versions<'t> {
    touch: &'t Touch<'t>,
    values: HashMap<Embedded, [Values; 2]>,
}

impl Versions<'_> {
    /// The values of a field before and after.
    fn values(&mut self, question: &Question) -> (Option<String>, Option<String>) {
        let embedded = question.embedded;
        let read = |bytes: Option<&[u8]>| -> Values {
            let scan = bytes.map(|bytes| marker::scan_with(bytes, embedded)).unwrap_or_default();
            Identity::values(&scan).into_iter().map(|(field, value)| (field, value.to_owned())).collect()
        };
        let versions = || [read(self.touch.before), read(self.touch.after)];
        let [before, after] = self.values.entry(embedded).or_insert_with(versions);
        let (_, identity) = &question.field;
        (before.get(identity).cloned(), after.get(identity).cloned())
    }
}
