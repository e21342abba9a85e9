//! The finer reasons inside errors.

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// A control character or white space.
    #[error("it contains a control character or white space")]
    Control,
    /// It does not parse.
    #[error("it cannot be parsed")]
    Syntax,
    /// No host.
    #[error("it names no host")]
    Host,
    /// No path.
    #[error("it names no repository")]
    Path,
    /// A part could be taken for an option.
    #[error("host, user and path must not start with '-'")]
    Dash,
    /// `http` with a query or a fragment.
    #[error("a query or a fragment is not allowed")]
    Query,
    /// `ext::` and its like.
    #[error("remote helpers such as 'ext::' are not allowed")]
    Helper,
    /// A scheme that is not spoken.
    #[error("only https, http, ssh, file and paths are supported")]
    Scheme,
    /// `user:password@host/path`, which is none of the forms.
    #[error("it has something like a password in front of a host, and no scheme")]
    Password,
    /// `http:/host/path`.
    #[error("it has no '//' behind its scheme")]
    Slashes,
    /// `file://` with a host.
    #[error("a file URL must not name a host")]
    FileHost,
}

/// What a login that was refused lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The remote does not say.
    #[error("")]
    Nothing,
    /// There is none, and one is needed.
    #[error(", and wants one")]
    Login,
    /// There is none, and one may be needed.
    #[error(", and may want one for a push")]
    LoginToPush,
    /// The remote does not know it.
    #[error(", which is wrong or has ended")]
    Validity,
    /// It may not read.
    #[error(", which lacks the right to read")]
    Read,
    /// It may not push.
    #[error(", which lacks the right to push")]
    Push,
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectProblem {
    /// More hops than allowed.
    #[error("too often")]
    TooMany,
    /// From `https` to `http`.
    #[error("from https to http, which is not followed")]
    Downgrade,
    /// To a private address that is not the remote's own host.
    #[error("to a private address, which is not followed")]
    Private,
    /// A `Location` that cannot be read, or one that is not the same repository's ref advertisement.
    #[error("to a place that is not a Git repository")]
    Target,
    /// An answer to a `POST`.
    #[error("in the middle of an operation")]
    Post,
}

/// What is wrong with an object of a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectProblem {
    /// Its bytes are no object of this kind.
    #[error("cannot be understood")]
    Malformed,
    /// What names it says that it is of this kind, and it is not.
    #[error("is an object of another kind")]
    OtherKind,
    /// It is larger than what is read.
    #[error("has {bytes} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// What a remote sent instead of what the protocol asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The stream ended early.
    #[error("an answer that ends early")]
    Truncated,
    /// A packet length that cannot be.
    #[error("bytes that are not Git packets")]
    Framing,
    /// An answer in a version of the protocol that was not asked for.
    #[error("an answer in a version of Git's protocol that was not asked for")]
    Version,
    /// An answer over HTTP that does not begin as it has to.
    #[error("an answer that does not name the service that was asked for")]
    Service,
    /// A reference line that cannot be read.
    #[error("a reference line that cannot be read")]
    Reference,
    /// An answer to a fetch that cannot be read.
    #[error("an unexpected line in the answer to a fetch")]
    Fetch,
    /// An answer to a push that cannot be read.
    #[error("an unexpected line in the answer to a push")]
    Push,
    /// A pack that cannot be read.
    #[error("a pack that cannot be read")]
    Pack,
}
