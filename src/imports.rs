//! Reads a checkout in which another image updater is told what to do, and says it in this program's documents.

use std::path::{Path, PathBuf};

use git::LocalCheckout;
use tagwright_core::import::{self, Fields, Import, Input, Left, Request, document};
use tagwright_core::mark::File;
use tagwright_core::mark::policies::Dialect;
use tagwright_core::{inventory, marker};

use crate::failure::{Failure, Result};
use crate::files;

/// Workflows are left alone: a push that changes one is refused without a special permission, and everything with it.
const LEFT_ALONE: &str = ".github/workflows/";

/// The namespace of what is imported where nothing says another.
pub(crate) const NAMESPACE: &str = "default";

/// The folder that all paths are below.
#[derive(Debug)]
pub(crate) struct Checkout {
    pub(crate) root: PathBuf,
    pub(crate) git: Option<LocalCheckout>,
    /// What was asked for, from the root; empty for the root itself.
    asked: Vec<String>,
}

/// What a checkout has.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) files: Vec<File>,
    /// Candidates that are too large to be read.
    pub(crate) oversized: Vec<String>,
}

impl Checkout {
    /// The checkout that all of these files and folders are in; what is in none is a root of its own.
    ///
    /// # Errors
    /// A path cannot be read, or the paths are in several checkouts.
    pub(crate) fn of(paths: &[PathBuf]) -> Result<Self> {
        let mut place: Option<Self> = None;
        for path in paths {
            let (root, asked, git) = match git::local_checkout(path) {
                Some(git) => (git.root.clone(), git.path.clone(), Some(git)),
                None => without_git(path)?,
            };
            match &mut place {
                None => place = Some(Self { root, git, asked: vec![asked] }),
                Some(first) if first.root == root => first.asked.push(asked),
                Some(first) => {
                    let message = format!("{} is not in {}", path.display(), first.root.display());
                    return Err(Failure::usage(message, "import from one checkout at a time"));
                }
            }
        }
        place.ok_or_else(|| Failure::usage("nothing to read", "name a folder"))
    }

    /// Reads every file that may have configuration, or a field to follow.
    ///
    /// # Errors
    /// A file or folder cannot be read.
    pub(crate) fn files(&self) -> Result<Files> {
        let found = files::search(&self.root, files::Search { is_candidate, contains: |_| true })?;
        let file = |(path, bytes): (String, Vec<u8>)| File { inventory: inventory::find(&bytes), path, bytes };
        let mut files: Vec<File> = found.files.into_iter().map(file).collect();
        inventory::resolve(files.iter_mut().map(|file| (file.path.as_str(), &mut file.inventory)));
        Ok(Files { files, oversized: found.oversized })
    }

    /// What documents are for: this checkout's remote and branch, where no others are given.
    pub(crate) fn target(&self, namespace: &str, url: Option<String>, branch: Option<String>) -> document::Target {
        let of_git = |value: fn(&LocalCheckout) -> Option<String>| self.git.as_ref().and_then(value);
        document::Target {
            namespace: namespace.to_owned(),
            url: url.or_else(|| of_git(|git| git.url.clone())),
            branch: branch.or_else(|| of_git(|git| git.branch.clone())),
            asked: self.asked.clone(),
            requests,
        }
    }
}

/// Whatever other image updaters are told in the files.
pub(crate) fn read(files: &[File], target: &document::Target, from: Option<import::Source>) -> Import {
    let is_asked = |path: &str| target.is_asked(path);
    // Without a remote of its own it may be that of anybody.
    let is_here = |url: &str| target.url.as_ref().is_none_or(|own| git::is_same_repository(own, url));
    import::read(&Input::of(files, &is_asked, &is_here).from(from))
}

/// What is followed without a step between: documents whose fields are targets, so that no file needs a marker.
#[derive(Debug)]
pub(crate) struct Followed {
    /// Empty where nobody is told anything.
    pub(crate) document: String,
    /// What has no counterpart.
    pub(crate) left: Vec<Left>,
    /// Files that are too large to be read.
    pub(crate) oversized: Vec<String>,
}

/// Reads what other image updaters are told in a checkout, or in a file or folder of it.
///
/// # Errors
/// The path cannot be read, or nothing says which remote it is a checkout of.
pub(crate) fn follow(path: &Path) -> Result<Followed> {
    let checkout = Checkout::of(&[path.to_owned()])?;
    let Files { files, oversized } = checkout.files()?;
    let target = checkout.target(NAMESPACE, None, None);
    let mut found = read(&files, &target, None);
    import::settle(&files, &mut found, NAMESPACE, Dialect::Native, Fields::Targets);
    let Ok((document, left)) = document::document(Dialect::Native, &found, &target) else {
        let message = format!("no Git remote is known for {}", checkout.root.display());
        return Err(Failure::usage(message, "name the repository that it is a checkout of: git remote add origin URL"));
    };
    found.left.extend(left);
    Ok(Followed { document, left: found.left, oversized })
}

/// What of a request the forge of a remote can have, and what it cannot.
fn requests(url: &str, mut request: Request) -> (Option<Request>, Vec<String>) {
    let product = match forge::Place::of(url, request.forge.and_then(forge::Product::of_word), None) {
        Ok(place) => place.product(),
        Err(error) => return (None, vec![error.to_string()]),
    };
    let mut lacks = Vec::new();
    let mut lack = |what: &str| lacks.push(format!("{} has no {what}", product.name()));
    if !request.labels.is_empty() && !product.has_labels() {
        request.labels.clear();
        lack("labels");
    }
    if !request.assignees.is_empty() && !product.has_assignees() {
        request.assignees.clear();
        lack("assignees");
    }
    if request.auto_merge && !product.merges_later() {
        request.auto_merge = false;
        lack("merge once checks pass");
    }
    (Some(request), lacks)
}

/// A folder that is no checkout is its own root; a file is in one.
fn without_git(path: &Path) -> Result<(PathBuf, String, Option<LocalCheckout>)> {
    let full =
        path.canonicalize().map_err(|error| Failure::from(&error).under(format!("cannot read {}", path.display())))?;
    if full.is_dir() {
        return Ok((full, String::new(), None));
    }
    let folder = full.parent().map(Path::to_owned).unwrap_or_default();
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((folder, name, None))
}

fn is_candidate(path: &str) -> bool {
    (marker::is_candidate_path(path) || import::is_configuration(path)) && !path.starts_with(LEFT_ALONE)
}
