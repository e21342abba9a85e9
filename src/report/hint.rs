//! What to do about an error, where that is known.

use std::io;

use gotext::template;

use super::{Missing, Usage};
use crate::{files, run};

/// Finds a hint for an error that reached the top, from the outermost cause that has one.
pub(super) fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(usage) = cause.downcast_ref::<Usage>() {
            return Some(usage.hint.clone()).filter(|hint| !hint.is_empty());
        }
        if let Some(missing) = cause.downcast_ref::<Missing>() {
            return Some(missing.hint.clone()).filter(|hint| !hint.is_empty());
        }
        if let Some(error) = cause.downcast_ref::<template::ParseError>() {
            return error.hint().map(Into::into);
        }
        let git = || cause.downcast_ref().and_then(of_git);
        let registry = || cause.downcast_ref().and_then(of_registry);
        let files = || cause.downcast_ref().and_then(of_files);
        let io = || cause.downcast_ref().and_then(of_io);
        git().or_else(registry).or_else(files).or_else(io).map(str::to_owned)
    })
}

/// Finds a hint for what failed in a run.
pub(super) fn of_run(error: &run::Error) -> Option<&'static str> {
    match error {
        run::Error::Registry { source, .. } => of_registry(source),
        run::Error::Git { source, .. } => of_git(source),
        run::Error::Message(_) => Some("`tagwright message` renders a template with changes of your own"),
        run::Error::NoPushBranch => Some("name the branch that commits go to: `push.branch`"),
        run::Error::RaceLost { .. } => Some("nothing was pushed; the next run tries again"),
        _ => None,
    }
}

fn of_git(error: &git::Error) -> Option<&'static str> {
    match error {
        git::Error::Checkout { source, .. } if source.code() == git2::ErrorCode::Owner => Some(
            "trust it with `git config --global --add safe.directory DIR`, or pass the message with --message-file FILE",
        ),
        git::Error::Checkout { what, .. } if what.starts_with("open") => {
            Some("run it in a checkout, or pass the message with --message-file FILE")
        }
        git::Error::Checkout { .. } => Some("name a commit as git does: HEAD, a branch, a hash"),
        git::Error::Denied { .. } => Some(
            "check the secret of the remote, TAGWRIGHT_GIT_USERNAME and TAGWRIGHT_GIT_TOKEN, or git's credential helper",
        ),
        git::Error::HostKey { .. } => {
            Some("put the host's key into `known_hosts` of the secret, or into ~/.ssh/known_hosts")
        }
        git::Error::EmptyRemote { .. } => Some("push a first commit"),
        _ => None,
    }
}

fn of_registry(error: &registry::Error) -> Option<&'static str> {
    match error {
        registry::Error::Denied { sent: registry::Sent::Nothing, .. } => {
            Some("name a secret with `secretRef`, or log in with `docker login`")
        }
        registry::Error::Denied { .. } => Some("check that the login may pull this repository"),
        _ => None,
    }
}

fn of_files(error: &files::Error) -> Option<&'static str> {
    match error {
        files::Error::Link { .. } => Some("name the file that it leads to"),
        _ => None,
    }
}

fn of_io(error: &io::Error) -> Option<&'static str> {
    (error.kind() == io::ErrorKind::NotFound).then_some("check the path")
}
