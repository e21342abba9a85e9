//! Reads what a run would read of the remotes, and plans nothing.

use std::sync::Arc;

use git::{self, Mirror};
use tagwright_core::automation::Automation;
use tagwright_core::change::Diagnostic;

use super::push_branch::{self, PushBranch};
use super::{MARKED_FILES, skipped_diagnostics};
use crate::run::{Doing, Error, Login, Queue};

/// The most bytes of all files that an automation would read, marked or not: 256 MiB. A command reads them, and no bot.
pub(super) const MAX_TOTAL: usize = 256 << 20;

/// Which of the files that may have markers are read.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Names the function below, as in [`git::Criteria`].
    pub rule: &'static str,
    /// By content.
    pub contains: fn(&[u8]) -> bool,
}

/// What one automation would read.
#[derive(Debug)]
pub struct Survey {
    /// The automation.
    pub automation: Arc<Automation>,
    /// What it reads, or why it cannot.
    pub seen: Result<Seen, Error>,
}

/// The files of one commit below an automation's paths.
#[derive(Debug)]
pub struct Seen {
    /// The commit.
    pub commit: String,
    /// The files by path, with their bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// The paths of the automation that do not exist.
    pub missing: Vec<String>,
    /// Files that could not be looked into.
    pub diagnostics: Vec<Diagnostic>,
}

/// Fetches the remotes, one after the other, and reads what each automation would read; in the order given.
pub async fn survey(git: &git::Git, automations: &[Arc<Automation>], wanted: Wanted) -> Vec<Survey> {
    let mut surveys: Vec<(usize, Survey)> = Vec::new();
    for login in Queue::of_remotes(automations).iter().flat_map(Queue::logins) {
        surveys.extend(read_login(git, login, wanted).await);
    }
    surveys.sort_by_key(|(position, _)| *position);
    surveys.into_iter().map(|(_, survey)| survey).collect()
}

/// What is there of a remote: its mirror, and the references that its automations need.
pub(super) async fn open(git: &git::Git, login: &Login) -> Result<(Mirror, git::Advertisement), git::Error> {
    let remote = &login[0].1.remote;
    let mirror = git.open(&remote.url, &remote.access)?;
    let names = push_branch::names(login.iter().map(|(_, automation)| &**automation));
    let advertisement = mirror.ask_for(&names).await?;
    Ok((mirror, advertisement))
}

async fn read_login(git: &git::Git, login: &Login, wanted: Wanted) -> Vec<(usize, Survey)> {
    let opened = open(git, login).await.map_err(Arc::new);
    let mut surveys = Vec::with_capacity(login.len());
    for (position, automation) in login {
        let seen = match &opened {
            Ok((mirror, advertisement)) => read(mirror, advertisement, automation, wanted).await,
            Err(source) => {
                Err(Error::Git { doing: Doing::Read, url: automation.remote.url.clone(), source: Arc::clone(source) })
            }
        };
        surveys.push((*position, Survey { automation: Arc::clone(automation), seen }));
    }
    surveys
}

async fn read(
    mirror: &Mirror,
    advertisement: &git::Advertisement,
    automation: &Automation,
    wanted: Wanted,
) -> Result<Seen, Error> {
    let criteria = git::Criteria { rule: wanted.rule, contains: wanted.contains, max_total: MAX_TOTAL, ..MARKED_FILES };
    let (branch, found) = find(mirror, advertisement, automation, criteria).await?;
    let diagnostics = skipped_diagnostics(&found).collect();
    let files = found.files.into_iter().map(|file| (file.path, file.bytes.to_vec())).collect();
    Ok(Seen { commit: branch.base.to_string(), files, missing: found.missing, diagnostics })
}

/// Fetches what an automation would plan on, and finds its files.
pub(super) async fn find(
    mirror: &Mirror,
    advertisement: &git::Advertisement,
    automation: &Automation,
    criteria: git::Criteria,
) -> Result<(PushBranch, git::Found), Error> {
    let failed = |source| Error::git(Doing::Read, &automation.remote.url, source);
    let branch = fetch(mirror, advertisement, automation).await?;
    let snapshot = mirror.snapshot(branch.base).await.map_err(failed)?;
    let found = files(&snapshot, automation, criteria).await.map_err(failed)?;
    Ok((branch, found))
}

/// Fetches what an automation would plan on.
pub(super) async fn fetch(
    mirror: &Mirror,
    advertisement: &git::Advertisement,
    automation: &Automation,
) -> Result<PushBranch, Error> {
    let aim = push_branch::aim(mirror, advertisement, automation, None).await?;
    let authors = std::slice::from_ref(&automation.commit.author);
    aim.fetch(mirror, advertisement, &automation.remote.url, authors).await
}

/// Finds the files of an automation in a commit: those in its paths that are searched for, and those with targets.
pub(super) async fn files(
    snapshot: &git::Snapshot,
    automation: &Automation,
    criteria: git::Criteria,
) -> Result<git::Found, git::Error> {
    let mut found = snapshot.search(&automation.paths, criteria).await?;
    for path in automation.target_paths() {
        match snapshot.file(path, criteria.max_bytes).await? {
            None => found.missing.push(path.to_owned()),
            Some(file) if found.files.iter().any(|known| known.path == file.path) => {}
            Some(file) => found.files.push(file),
        }
    }
    Ok(found)
}
