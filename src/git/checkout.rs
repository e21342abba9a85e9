//! A commit of the checkout that a command was started in.

use std::path::Path;

use super::error::Error;

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
    let failed = |what: &'static str| {
        move |source| Error::Checkout { what, revision: revision.escape_debug().to_string(), source }
    };
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
