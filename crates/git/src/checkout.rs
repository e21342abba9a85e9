//! The checkout that a command was started in, and its commits.

use std::path::{Path, PathBuf};

use web::words;

use super::error::Error;
use super::url::Url;

/// What a commit of a checkout says about itself. Text that is not UTF-8 has replacement characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCommit {
    /// The full hash.
    pub id: String,
    /// The author's name.
    pub author_name: String,
    /// The author's mail address.
    pub author_email: String,
    /// The whole message.
    pub message: String,
}

/// Reads a commit of the checkout that `directory` is in, by anything that `git rev-parse` takes: `HEAD`, `main~2`, a hash.
///
/// # Errors
///
/// [`Error::Checkout`] when there is no checkout, or no such commit in it.
pub fn read_commit(directory: &Path, revision: &str) -> Result<LocalCommit, Error> {
    let failed = |what: &'static str| move |source| Error::Checkout { what, revision: words::escape(revision), source };
    let repository = git2::Repository::discover(directory).map_err(failed("open the checkout to read"))?;
    let object = repository.revparse_single(revision).map_err(failed("find"))?;
    let commit = object.peel_to_commit().map_err(failed("read"))?;
    let author = commit.author();
    Ok(LocalCommit {
        id: commit.id().to_string(),
        author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
        message: String::from_utf8_lossy(commit.message_raw_bytes()).into_owned(),
    })
}

/// Where a folder of a checkout is on the remote side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCheckout {
    /// The URL of the remote `origin`, or of the only remote, without user name and password.
    pub url: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The root of the checkout.
    pub root: PathBuf,
    /// The folder or file from the root of the checkout, with `/` between folders; empty for the root.
    pub path: String,
}

/// Finds the checkout that a folder, or a file, is in; none when it is in none, or in a bare repository.
#[must_use]
pub fn local_checkout(directory: &Path) -> Option<LocalCheckout> {
    let directory = directory.canonicalize().ok()?;
    let folder = if directory.is_dir() { &directory } else { directory.parent()? };
    let repository = git2::Repository::discover(folder).ok()?;
    let root = repository.workdir()?.canonicalize().ok()?;
    let below = directory.strip_prefix(&root).ok()?;
    let path = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    // The reference is read without following it, since the branch of a new repository has no commit.
    let head = repository.find_reference("HEAD").ok();
    let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
    let branch = target.and_then(|target| target.strip_prefix("refs/heads/")).map(str::to_owned);
    Some(LocalCheckout { url: remote_url(&repository), branch, root, path })
}

fn remote_url(repository: &git2::Repository) -> Option<String> {
    let names = repository.remotes().ok()?;
    let names: Vec<&str> = names.iter().filter_map(|name| name.ok().flatten()).collect();
    let name = if names.contains(&"origin") { "origin" } else { <[&str; 1]>::try_from(names).ok()?[0] };
    // As it is written: git's `insteadOf` is applied where a remote is opened, and is nobody's to write down.
    let url = repository.config().ok()?.get_string(&format!("remote.{name}.url")).ok()?;
    Some(Url::parse(&url).ok()?.to_string())
}
