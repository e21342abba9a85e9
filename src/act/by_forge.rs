//! Commits that the forge makes in place of ours, so that it signs them.
//!
//! Each is planned and made here as any other, and never pushed: the forge makes the same once more, of what differs, with the same tree
//! and message, as whoever asks. The mirror fetches that one, and it is what is pushed to the branch, as a compare-and-swap like all
//! others. What is not signed, or not the same, is not pushed.

use std::sync::Arc;

use forge::{File, NewCommit};
use git::{Advertisement, CommitId, Mirror, Want};

use super::head::Head;
use super::remote::Remote;
use super::requests::find_site;
use crate::run::{Asking, Doing, Error, Subject};

/// The most bytes that one commit may change: 8 MiB, in files as they will be.
const MAX_BYTES: usize = 8 << 20;

impl<'r> Remote<'r> {
    /// Has the forge make the commits of a head. Where that fails, nothing of it is to be pushed.
    pub(super) async fn seal(
        &mut self,
        mirror: &Mirror,
        advertisement: &Advertisement,
        head: &mut Head<'r>,
    ) -> Result<(), Error> {
        let Some(automation) = head.jobs().next().map(|job| Arc::clone(job.automation)) else { return Ok(()) };
        let url = &automation.remote.url;
        if self.context.gate.is_some_and(|gate| !gate(&Subject::Remote(url))) {
            return Err(Error::LeaseLost { url: url.clone() });
        }
        let read = |source| Error::git(Doing::Read, url, source);
        let failed = |source| Error::Forge { asking: Asking::Commit, url: url.clone(), source: Box::new(source) };
        let unsealed = |why: String| Error::Unsealed { url: url.clone(), why };
        let site = find_site(self.context, &automation, Asking::Commit).await?;
        if let Some(source) = self.requests.silence_of(&site.place) {
            return Err(failed(source));
        }
        let mut parent = head.base;
        for made in &mut head.commits {
            let facts = mirror.snapshot(made.commit).await.map_err(read)?.facts().await.map_err(read)?;
            let before = mirror.snapshot(made.parent).await.map_err(read)?.facts().await.map_err(read)?;
            let changes = mirror.changes(made.parent, made.commit, MAX_BYTES).await.map_err(read)?;
            let changes =
                changes.ok_or_else(|| unsealed("one commit would change more than 1,000 files or 8 MiB".to_owned()))?;
            let file = |change: &'_ git::Change| match &change.now {
                Some(now) => (change.path.clone(), now.mode.clone(), Some(now.bytes.clone())),
                None => (change.path.clone(), "100644".to_owned(), None),
            };
            let files: Vec<_> = changes.iter().map(file).collect();
            let files: Vec<File<'_>> =
                files.iter().map(|(path, mode, bytes)| File { path, mode, bytes: bytes.as_deref() }).collect();
            let (parent_id, base_tree, tree) = (parent.to_string(), before.tree.to_string(), facts.tree.to_string());
            let (message, files) = (facts.message.as_str(), files.as_slice());
            let wanted = NewCommit { parent: &parent_id, base_tree: &base_tree, tree: &tree, message, files };
            let answered = site.asked(self.context, &automation).make(wanted).await.map_err(|source| {
                self.requests.heed_silence(&site.place, &source);
                failed(source)
            })?;
            if let Some(reason) = answered.unsigned {
                return Err(unsealed(format!("it has not signed {} ({reason})", answered.id)));
            }
            let other = || unsealed(format!("it made another commit than was asked for, {}", answered.id));
            let id = CommitId::parse(&answered.id).ok_or_else(other)?;
            let want = Want::Commit { id, branch: None };
            let fetched = mirror.fetch(advertisement, &[want]).await;
            fetched.map_err(|source| Error::git(Doing::Fetch, url, source))?;
            let theirs = mirror.snapshot(id).await.map_err(read)?.facts().await.map_err(read)?;
            let is_same = theirs.tree == facts.tree
                && theirs.parents == [parent]
                && theirs.message.trim_end() == facts.message.trim_end();
            if !is_same {
                return Err(other());
            }
            (made.parent, made.commit, parent) = (parent, id, id);
        }
        head.tip = parent;
        Ok(())
    }
}

/// The same failure for another automation of the same remote that shares the commit.
pub(super) fn again(error: &Error, url: &str) -> Error {
    match error {
        Error::Forge { asking, url, source } => {
            Error::Forge { asking: *asking, url: url.clone(), source: source.clone() }
        }
        Error::Git { doing, url, source } => Error::Git { doing: *doing, url: url.clone(), source: Arc::clone(source) },
        Error::NoForgeLogin { url } => Error::NoForgeLogin { url: url.clone() },
        Error::LeaseLost { url } => Error::LeaseLost { url: url.clone() },
        Error::Unsealed { url, why } => Error::Unsealed { url: url.clone(), why: why.clone() },
        other => Error::Unsealed { url: url.to_owned(), why: other.to_string() },
    }
}
