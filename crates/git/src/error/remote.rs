//! The remote that a failure is about.

use super::Error;

impl Error {
    /// Returns the sentence with `it` for the remote, to stand behind one that has named it.
    #[must_use]
    pub fn of_it(&self) -> String {
        let text = self.to_string();
        self.remote().map_or_else(|| text.clone(), |remote| text.replacen(remote, "it", 1))
    }

    /// The remote that the sentence names.
    const fn remote(&self) -> Option<&str> {
        match self {
            Self::Tls { remote, .. }
            | Self::LoginMismatch { remote, .. }
            | Self::Denied { remote, .. }
            | Self::TokenHost { remote, .. }
            | Self::SignIn { remote, .. }
            | Self::ProxyRefuses { remote, .. }
            | Self::ProxyUnreachable { remote, .. }
            | Self::ProxyLogin { remote, .. }
            | Self::NotFound { remote, .. }
            | Self::NoFolder { remote }
            | Self::Http { remote, .. }
            | Self::Paused { remote, .. }
            | Self::NotGit { remote, .. }
            | Self::Talk { remote, .. }
            | Self::Redirect { remote, .. }
            | Self::Untrusted { remote, .. }
            | Self::Network { remote, .. }
            | Self::Broken { remote, .. }
            | Self::Deadline { remote, .. }
            | Self::Remote { remote, .. }
            | Self::Protocol { remote, .. }
            | Self::Unsupported { remote, .. }
            | Self::ObjectFormat { remote, .. }
            | Self::AnswerTooLarge { remote, .. }
            | Self::Costly { remote, .. }
            | Self::EmptyRemote { remote }
            | Self::ReferenceMissing { remote, .. }
            | Self::CommitMissing { remote, .. }
            | Self::NotACommit { remote, .. } => Some(remote.as_str()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_that_has_just_been_named_is_not_named_again() {
        let remote = || "https://a.io/x".to_owned();
        let (reference, known) = ("refs/heads/mian".to_owned(), vec!["dev".to_owned(), "main".to_owned()]);
        let missing = Error::ReferenceMissing { remote: remote(), reference, known };
        assert_eq!(missing.to_string(), "https://a.io/x has no branch mian; its branches: dev, main");
        assert_eq!(missing.of_it(), "it has no branch mian; its branches: dev, main");
        let (why, reason) = (web::Unreachable::Refused, "connection refused".to_owned());
        assert_eq!(Error::Network { remote: remote(), why, reason }.of_it(), "cannot reach it: connection refused");
        assert_eq!(Error::Task.of_it(), Error::Task.to_string());
    }
}
