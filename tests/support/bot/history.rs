//! The judge: what a branch must look like, however many bots wrote to it and however often they were killed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::remote::git;

/// Who is no bot.
pub(crate) const SOMEBODY: &str = "someone";

/// A branch from its first commit on.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) commits: Vec<Commit>,
}

/// One commit with what it did to fields.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) id: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: String,
    pub(crate) changes: Vec<Change>,
    /// Lines that changed and hold no field.
    pub(crate) strange: Vec<String>,
}

/// A field that moved from one patch number to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The file, and `image` or `tag`.
    pub(crate) field: (String, String),
    /// None in the commit that made the file.
    pub(crate) old: Option<usize>,
    pub(crate) new: usize,
}

impl History {
    pub(crate) fn read(bare: &Path, branch: &str) -> Self {
        let format = "--format=commit %H|%P|%an";
        let text = git(bare, &["log", "--reverse", "--patch", "--unified=0", "--no-renames", format, branch, "--"]);
        let mut history = Self::default();
        let (mut file, mut old) = (String::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("commit ") {
                let parts: Vec<&str> = head.splitn(3, '|').collect();
                let parents = parts[1].split_whitespace().map(str::to_owned).collect();
                let (id, author) = (parts[0].to_owned(), parts[2].to_owned());
                history.commits.push(Commit { id, parents, author, ..Commit::default() });
            } else if let Some(path) = line.strip_prefix("+++ b/") {
                path.clone_into(&mut file);
                old.clear();
            } else if line.starts_with("--- ") {
            } else if let Some(text) = line.strip_prefix('-') {
                old.extend(field(text));
            } else if let Some(text) = line.strip_prefix('+') {
                let commit = history.commits.last_mut().unwrap();
                match field(text) {
                    Some((name, new)) => {
                        let old = old.remove(&name);
                        commit.changes.push(Change { field: (file.clone(), name), old, new });
                    }
                    None => commit.strange.push(text.to_owned()),
                }
            }
        }
        history
    }

    /// How many commits there are beside the first.
    pub(crate) fn updates(&self) -> usize {
        self.commits.len().saturating_sub(1)
    }

    /// Which commit was the first to give a file this patch number or a newer one.
    pub(crate) fn first(&self, file: &str, patch: usize) -> Option<usize> {
        let is = |change: &Change| change.field.0 == file && change.new >= patch;
        self.commits.iter().position(|commit| commit.changes.iter().any(is))
    }

    /// The position of a commit.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.commits.iter().position(|commit| commit.id == id)
    }

    /// The patch number of each field.
    pub(crate) fn values(&self) -> BTreeMap<(String, String), usize> {
        let changes = self.commits.iter().flat_map(|commit| &commit.changes);
        changes.map(|change| (change.field.clone(), change.new)).collect()
    }

    /// Everything that is not as it must be: one line of commits; a bot's changes nothing but fields; each field goes from
    /// what it was to something newer, both fields of a file together.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut values: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (n, commit) in self.commits.iter().enumerate() {
            let id = &commit.id;
            let expected: Vec<&String> = n.checked_sub(1).map(|n| &self.commits[n].id).into_iter().collect();
            if commit.parents.iter().collect::<Vec<_>>() != expected {
                faults.push(format!("{id} has the parents {:?}", commit.parents));
            }
            if commit.author != SOMEBODY && (commit.changes.is_empty() || !commit.strange.is_empty()) {
                faults.push(format!("{id} changes {:?} and {:?}", commit.changes, commit.strange));
            }
            for change in &commit.changes {
                let known = values.insert(change.field.clone(), change.new);
                if known != change.old || known.is_some_and(|known| change.new <= known) {
                    faults.push(format!("{id} takes {:?} from {known:?} ({change:?})", change.field));
                }
            }
            faults.extend(torn(&values, commit));
        }
        faults
    }
}

/// The two fields of a file say the same, or it is said here.
fn torn(values: &BTreeMap<(String, String), usize>, commit: &Commit) -> Vec<String> {
    let value = |file: &str, name: &str| values.get(&(file.to_owned(), name.to_owned()));
    let files = commit.changes.iter().map(|change| change.field.0.as_str());
    let is_torn = |file: &&str| value(file, "image") != value(file, "tag");
    files.filter(is_torn).map(|file| format!("{} tears {file}", commit.id)).collect()
}

/// The field in a line, with its patch number.
fn field(line: &str) -> Option<(String, usize)> {
    let (name, rest) = line.trim_start().split_once(": ")?;
    let (value, _marker) = rest.split_once(" # ")?;
    let (_, patch) = value.rsplit_once("1.0.")?;
    Some((name.to_owned(), patch.parse().ok()?))
}
