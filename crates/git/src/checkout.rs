//! The checkout that a command was started in, and its commits.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use web::words;

use super::error::Error;
use super::url::Url;

/// The largest file that is exported, and the most bytes in all.
const MAX_EXPORTED: usize = 4 << 20;
const MAX_EXPORTED_IN_ALL: usize = 256 << 20;

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

/// Reads commits of the checkout that `directory` is in, newest first, until `take` breaks: one by anything that `git rev-parse`
/// takes (`HEAD`, `main~2`, a hash), or those of a range `A..B`, as `git log` has them. Where `A` is all zeros, as forges say it of
/// a new branch, the range is all of `B`.
///
/// # Errors
///
/// [`Error::Checkout`] when there is no checkout, no such commit in it, or a range whose history is not all there.
pub fn read_commits(
    directory: &Path,
    revision: &str,
    mut take: impl FnMut(LocalCommit) -> ControlFlow<()>,
) -> Result<(), Error> {
    let failed = |what: &'static str| move |source| Error::Checkout { what, revision: words::escape(revision), source };
    let repository = git2::Repository::discover(directory).map_err(failed("open the checkout to read"))?;
    let find = |name: &str| repository.revparse_single(name)?.peel_to_commit();
    // Three dots are two branches since they parted, which is no list of what is new.
    let Some((from, to)) = revision.split_once("..").filter(|(_, to)| !to.starts_with('.')) else {
        let object = repository.revparse_single(revision).map_err(failed("find"))?;
        let _ = take(local(&object.peel_to_commit().map_err(failed("read"))?));
        return Ok(());
    };
    let named = |name: &str| find(if name.is_empty() { "HEAD" } else { name }).map_err(failed("find"));
    let mut walk = repository.revwalk().map_err(failed("read"))?;
    walk.push(named(to)?.id()).map_err(failed("read"))?;
    if from.is_empty() || from.bytes().any(|byte| byte != b'0') {
        walk.hide(named(from)?.id()).map_err(failed("read"))?;
    }
    let cut = std::fs::read_to_string(repository.commondir().join("shallow")).unwrap_or_default();
    let cut: HashSet<&str> = cut.lines().collect();
    for id in walk {
        let commit = id.and_then(|id| repository.find_commit(id)).map_err(failed("read"))?;
        let commit = local(&commit);
        let is_cut = cut.contains(commit.id.as_str());
        if take(commit).is_break() {
            break;
        }
        if is_cut {
            let shallow = "the checkout is shallow, and does not have all of it; fetch more of the history";
            return Err(failed("read")(git2::Error::from_str(shallow)));
        }
    }
    Ok(())
}

fn local(commit: &git2::Commit<'_>) -> LocalCommit {
    let author = commit.author();
    LocalCommit {
        id: commit.id().to_string(),
        author_name: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        author_email: String::from_utf8_lossy(author.email_bytes()).into_owned(),
        message: String::from_utf8_lossy(commit.message_raw_bytes()).into_owned(),
    }
}

/// Writes the files of a commit of the checkout that `directory` is in below the folder `into`, by anything that `git rev-parse` takes:
/// those that `is_wanted` says by their path, with `/` between folders, and that have at most 4 MiB; at most 256 MiB in all. Links are
/// left out. Returns the root of the checkout.
///
/// # Errors
///
/// [`Error::Checkout`] when there is no checkout, or no such commit in it; [`Error::File`] when a file cannot be written;
/// [`Error::TooMany`].
pub fn export(
    directory: &Path,
    revision: &str,
    into: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<PathBuf, Error> {
    let failed = |what: &'static str| move |source| Error::Checkout { what, revision: words::escape(revision), source };
    let repository = git2::Repository::discover(directory).map_err(failed("open the checkout to read"))?;
    let object = repository.revparse_single(revision).map_err(failed("find"))?;
    let tree = object.peel_to_tree().map_err(failed("read"))?;
    let mut wanted = Vec::new();
    let visit = |folder: &str, entry: &git2::TreeEntry<'_>| {
        let path = entry.name().ok().map(|name| format!("{folder}{name}"));
        let is_file = matches!(entry.filemode(), 0o100_644 | 0o100_755 | 0o100_664);
        if let Some(path) = path.filter(|path| is_file && is_below(path) && is_wanted(path)) {
            wanted.push((path, entry.id()));
        }
        git2::TreeWalkResult::Ok
    };
    tree.walk(git2::TreeWalkMode::PreOrder, visit).map_err(failed("read"))?;
    let mut total = 0;
    for (path, id) in wanted {
        let blob = repository.find_blob(id).map_err(failed("read"))?;
        if blob.size() > MAX_EXPORTED {
            continue;
        }
        total += blob.size();
        if total > MAX_EXPORTED_IN_ALL {
            return Err(Error::TooMany { what: "the bytes of the commit's files", limit: MAX_EXPORTED_IN_ALL });
        }
        let file = into.join(&path);
        let written =
            file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, blob.content()));
        written.map_err(|source| Error::File { what: "write", path: file, source })?;
    }
    let root = repository.workdir().unwrap_or_else(|| repository.path());
    root.canonicalize().map_err(|source| Error::File { what: "find", path: root.to_owned(), source })
}

/// Whether a path of a tree leads to a place below the folder that it is written to.
fn is_below(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\\'))
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
