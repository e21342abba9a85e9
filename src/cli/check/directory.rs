//! Checks a directory: which automations read it, and what is in it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tagwright_core::automation::Automation;
use tagwright_core::change::{Code, Location};
use tagwright_core::lint::{self, Checked, Finding, Rules, View};
use tagwright_core::{inventory, marker};

use super::{Arguments, Observed};
use crate::config::Configuration;
use crate::files;
use crate::report::check::Entry;

/// From how many files on a second thread pays.
const FILES_PER_THREAD: usize = 100;

/// The directory within its repository.
pub(super) struct Site {
    /// As it was named.
    directory: PathBuf,
    /// The root of the repository.
    root: PathBuf,
    /// The directory's path from there, with `/` between folders.
    below: String,
    /// The automations that read the repository.
    pub(super) automations: Vec<Arc<Automation>>,
}

/// Reads the files that are to be checked.
pub(super) fn search(arguments: &Arguments) -> Result<files::Found, files::Error> {
    let contains = if arguments.suggest { names_images } else { lint::is_mentioned };
    files::search(&directory(arguments), files::Search { is_candidate: marker::is_candidate_path, contains })
}

/// The directory that is checked.
pub(super) fn directory(arguments: &Arguments) -> PathBuf {
    arguments.directory.clone().unwrap_or_else(|| PathBuf::from("."))
}

/// Checks the files.
pub(super) fn observe(arguments: &Arguments, found: files::Found, configuration: Option<&Configuration>) -> Observed {
    let site = site(directory(arguments), configuration);
    let rules = configuration.map(|it| Rules { automations: &site.automations, ..super::rules(it) });
    let mut observed = Observed::default();
    let about = |path: &str, code, message: String| Finding::new(code, Location::file(site.path(path)), message);
    let links =
        found.links.iter().map(|path| about(path, Code::SymbolicLink, "a symbolic link, which is not followed".into()));
    let limit = files::MAX_FILE_BYTES;
    let oversized = found
        .oversized
        .iter()
        .map(|path| about(path, Code::FileTooLarge, format!("the file is larger than {limit} bytes and was not read")));
    let mut findings: Vec<Finding> = links.chain(oversized).collect();
    if arguments.suggest {
        let images = found.files.iter().flat_map(|(path, bytes)| lint::unmarked(&site.path(path), bytes, rules));
        findings.extend(images);
    }
    let marked = found.files.into_iter().filter(|(_, bytes)| !arguments.suggest || lint::is_mentioned(bytes));
    let mut marked: BTreeMap<String, Vec<u8>> = marked.map(|(path, bytes)| (site.path(&path), bytes)).collect();
    marked.extend(site.targets());
    let marked: Vec<(String, Vec<u8>)> = marked.into_iter().collect();
    observed.marked = marked.len();
    let checked = check_all(marked, rules);
    findings.extend(checked.findings);
    findings.sort_by(|a, b| (&a.location, a.code).cmp(&(&b.location, b.code)));
    observed.usage = checked.usage;
    site.look(&mut observed);
    // Where a path is wrong, that is said of the path alone.
    let meant: Vec<&str> = observed.missing.iter().filter_map(|(_, path)| observed.usage.meant(path)).collect();
    let is_meant = |file: &str| meant.iter().any(|folder| Path::new(file).starts_with(folder));
    findings.retain(|finding| finding.code != Code::NotRead || !is_meant(&finding.location.file));
    observed.entries = findings.into_iter().map(|finding| site.entry(finding)).collect();
    observed
}

fn names_images(bytes: &[u8]) -> bool {
    lint::is_mentioned(bytes) || inventory::may_name_images(bytes)
}

/// Finds out what the directory is of. When it is in a checkout whose remote some automations name, those count, and
/// their paths are from the checkout's root; otherwise all automations do, and the root is the directory, or for a
/// single file the current one.
pub(super) fn site(directory: PathBuf, configuration: Option<&Configuration>) -> Site {
    let all = configuration.map(|it| it.automations.clone()).unwrap_or_default();
    let folder = if directory.is_file() { directory.parent().map(Path::to_owned) } else { Some(directory.clone()) };
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| PathBuf::from("."));
    let checkout = git::local_checkout(&folder);
    let automations: Vec<Arc<Automation>> = match checkout.as_ref().and_then(|it| it.url.as_deref()) {
        Some(url) => all.iter().filter(|it| git::is_same_repository(&it.remote.url, url)).cloned().collect(),
        None => Vec::new(),
    };
    match checkout {
        Some(checkout) if !automations.is_empty() => {
            let up = checkout.path.split('/').filter(|part| !part.is_empty()).map(|_| "..");
            let root = up.fold(folder, |at, part| at.join(part));
            Site { directory, root, below: checkout.path, automations }
        }
        _ if directory.is_file() && is_below_here(&folder) => {
            let below = folder.strip_prefix(".").unwrap_or(&folder).display().to_string();
            Site { directory, root: PathBuf::from("."), below, automations: all }
        }
        _ => Site { directory, root: folder, below: String::new(), automations: all },
    }
}

/// Whether a path leads downwards from the current folder.
fn is_below_here(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

impl Site {
    /// A found path from the root of the repository.
    pub(super) fn path(&self, found: &str) -> String {
        if self.below.is_empty() { found.to_owned() } else { format!("{}/{found}", self.below) }
    }

    /// A finding with its file named as the user can open it.
    pub(super) fn entry(&self, mut finding: Finding) -> Entry {
        let rename = |location: &mut Location| location.file = self.label(&location.file);
        rename(&mut finding.location);
        if let Some(related) = &mut finding.related {
            rename(&mut related.location);
        }
        Entry { remote: String::new(), finding }
    }

    fn label(&self, path: &str) -> String {
        let found = path.strip_prefix(&self.below).unwrap_or(path).trim_start_matches('/');
        if self.directory.is_file() {
            return self.directory.display().to_string();
        }
        let labelled = self.directory.join(found);
        labelled.strip_prefix(".").unwrap_or(&labelled).display().to_string()
    }

    /// The files of the directory with targets.
    fn targets(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let below = |path: &&str| !self.directory.is_file() && Path::new(path).starts_with(&self.below);
        let paths = self.automations.iter().flat_map(|automation| automation.target_paths()).filter(below);
        paths.filter_map(|path| Some((path.to_owned(), files::read_one(&self.root, path)?)))
    }

    /// Looks for the paths of automations, and for the files of their targets.
    fn look(&self, observed: &mut Observed) {
        let whole = self.below.is_empty() && !self.directory.is_file();
        let view = if whole { View::Whole } else { View::Part };
        for automation in &self.automations {
            observed.seen.push((automation.id.clone(), view));
            let paths = automation.paths.iter().map(String::as_str).chain(automation.target_paths());
            let missing = paths.filter(|path| !files::exists(&self.root, path));
            observed.missing.extend(missing.map(|path| (automation.id.clone(), path.to_owned())));
        }
    }
}

/// Checks all files, with two threads when they are many.
fn check_all(mut files: Vec<(String, Vec<u8>)>, rules: Option<Rules<'_>>) -> Checked {
    let theirs = if files.len() < FILES_PER_THREAD { Vec::new() } else { files.split_off(files.len() / 2) };
    std::thread::scope(|scope| {
        let other = scope.spawn(move || check(theirs, rules));
        let mut checked = check(files, rules);
        match other.join() {
            Ok(other) => checked.merge(other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        checked
    })
}

fn check(files: Vec<(String, Vec<u8>)>, rules: Option<Rules<'_>>) -> Checked {
    let files: Vec<_> = files.into_iter().map(|(path, bytes)| lint::scan(path, bytes, rules)).collect();
    lint::files(&files, rules)
}
