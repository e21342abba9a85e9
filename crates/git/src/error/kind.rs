//! What a failure means for the next try.

use std::io;

use super::Error;

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The configuration must change first.
    Config,
    /// The remote says no, or does not have what is asked for; worth another try at the interval.
    Denied,
    /// It may work in a moment.
    Transient,
    /// A bug.
    Internal,
}

impl Error {
    /// Returns what the failure means for the next try.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Url { .. }
            | Self::Rules { .. }
            | Self::Checkout { .. }
            | Self::Tls { .. }
            | Self::LoginMismatch { .. }
            | Self::TokenHost { .. }
            | Self::ProxyLogin { .. }
            | Self::Redirect { .. }
            | Self::Unsupported { .. }
            | Self::ObjectFormat { .. }
            | Self::Memory { .. }
            | Self::Unsigned { .. }
            | Self::Argument { .. } => Kind::Config,
            Self::Denied { .. }
            | Self::Untrusted { .. }
            | Self::HostKey { .. }
            | Self::SignIn { .. }
            | Self::Talk { .. }
            | Self::NotFound { .. }
            | Self::NoFolder { .. }
            | Self::NotGit { .. }
            | Self::EmptyRemote { .. }
            | Self::ReferenceMissing { .. }
            | Self::CommitMissing { .. }
            | Self::NotACommit { .. }
            | Self::AnswerTooLarge { .. }
            | Self::Costly { .. }
            | Self::TooMany { .. }
            | Self::Object { .. }
            | Self::Incomplete { .. }
            | Self::Edit { .. } => Kind::Denied,
            Self::Http { retry_after: Some(_), .. } | Self::Paused { .. } => Kind::Transient,
            Self::Http { status, .. } if web::is_transient(*status) => Kind::Transient,
            Self::Program { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Kind::Config,
                // Too many processes or open files, no memory: another time there may be room.
                _ => Kind::Transient,
            },
            Self::Http { .. } => Kind::Denied,
            Self::File { .. }
            | Self::Locked { .. }
            | Self::Network { .. }
            | Self::ProxyRefuses { .. }
            | Self::ProxyUnreachable { .. }
            | Self::Broken { .. }
            | Self::Deadline { .. }
            | Self::Remote { .. }
            | Self::Protocol { .. }
            | Self::Mirror { .. } => Kind::Transient,
            Self::Cloud { source, .. } => match source.kind() {
                cloud::Kind::Config => Kind::Config,
                cloud::Kind::Denied => Kind::Denied,
                cloud::Kind::Transient => Kind::Transient,
            },
            Self::Task => Kind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_a_mistake_and_one_for_which_there_is_no_room_is_not() {
        let kind = |source: io::Error| Error::Program { program: "git".to_owned(), source }.kind();
        assert_eq!(kind(io::ErrorKind::NotFound.into()), Kind::Config);
        // Too many open files.
        assert_eq!(kind(io::Error::from_raw_os_error(24)), Kind::Transient);
    }
}
