//! What the errors of other crates mean: their kind, and what to do about them where that is known.

use std::io;

use gotext::template;

use super::{Failure, Kind};

impl From<git::Kind> for Kind {
    fn from(kind: git::Kind) -> Self {
        match kind {
            git::Kind::Config => Self::Config,
            git::Kind::Denied => Self::Denied,
            git::Kind::Transient => Self::Transient,
            git::Kind::Internal => Self::Internal,
        }
    }
}

impl From<registry::Kind> for Kind {
    fn from(kind: registry::Kind) -> Self {
        match kind {
            registry::Kind::Config => Self::Config,
            registry::Kind::Denied => Self::Denied,
            registry::Kind::Transient => Self::Transient,
        }
    }
}

impl From<&git::Error> for Failure {
    fn from(error: &git::Error) -> Self {
        let hint = match error {
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
            git::Error::TokenHost { .. } => Some(
                "set TAGWRIGHT_GIT_HOST to the host that the token is for, or name a secret for each remote with `secretRef`",
            ),
            git::Error::HostKey { .. } => {
                Some("put the host's key into `known_hosts` of the secret, or into ~/.ssh/known_hosts")
            }
            git::Error::EmptyRemote { .. } => Some("push a first commit"),
            git::Error::Costly { .. } => Some(
                "if the remote is to be trusted, set TAGWRIGHT_GIT_MEMORY to more MiB, and give the process that much more",
            ),
            git::Error::File { source, .. } | git::Error::Program { source, .. } => of_io(source),
            _ => None,
        };
        let kind = error.kind().into();
        let failure = match error {
            git::Error::Rules { source, .. }
            | git::Error::Checkout { source, .. }
            | git::Error::Mirror { source, .. } => Self::from(source).under(error.to_string()),
            _ => Self::of(kind, error),
        };
        Self { kind, ..failure }.with_hint(hint).with_retry_after(error.retry_after())
    }
}

impl From<git::Error> for Failure {
    fn from(error: git::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&registry::Error> for Failure {
    fn from(error: &registry::Error) -> Self {
        let hint = match error {
            registry::Error::Denied { sent: registry::Sent::Nothing, .. } => {
                Some("name a secret with `secretRef`, or log in with `docker login`")
            }
            registry::Error::Denied { .. } => Some("check that the login may pull this repository"),
            _ => None,
        };
        Self::of(error.kind().into(), error).with_hint(hint).with_retry_after(error.retry_after())
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        use io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let kind = match error.kind() {
            // A file is not there, or is not what it was named as.
            NotFound | NotADirectory | IsADirectory | InvalidInput => Kind::Config,
            PermissionDenied => Kind::Denied,
            _ => Kind::Transient,
        };
        Self::of(kind, error).with_hint(of_io(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// The operating system's codes for "too many open files", of the process and of the machine; Rust has no names for them.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

fn of_io(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error() {
        Some(code) if TOO_MANY_FILES.contains(&code) => {
            Some("raise the limit of open files (`ulimit -n`, systemd's `LimitNOFILE`)")
        }
        _ => (error.kind() == io::ErrorKind::NotFound).then_some("check the path"),
    }
}

impl From<&git2::Error> for Failure {
    fn from(error: &git2::Error) -> Self {
        // Its `Display` adds numbers that mean nothing to users.
        Self::new(Kind::Denied, error.message())
    }
}

impl From<git2::Error> for Failure {
    fn from(error: git2::Error) -> Self {
        Self::from(&error)
    }
}

impl From<template::ParseError> for Failure {
    fn from(error: template::ParseError) -> Self {
        let hint = error.hint();
        Self::of(Kind::Config, &error).with_hint(hint)
    }
}

/// Errors of one kind, about which there is nothing more to say.
macro_rules! of_kind {
    ($($kind:ident: $($error:ty),+;)+) => {
        $($(
            impl From<$error> for Failure {
                fn from(error: $error) -> Self {
                    Self::of(Kind::$kind, &error)
                }
            }
        )+)+
    };
}

of_kind! {
    Config: template::RenderError, gotext::pattern::Error, gotext::version::Error, image::Error;
    Denied: serde_json::Error, std::string::FromUtf8Error, url::ParseError;
    Transient: reqwest::Error, tokio::time::error::Elapsed;
}
