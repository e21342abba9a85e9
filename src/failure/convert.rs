//! What the errors of other crates mean: their kind, and what to do about them where that is known.

use std::io;

use gotext::template;
use rustix::io::Errno;
use tagwright_core::message;
use web::{TlsProblem, Unreachable};

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

impl From<forge::Kind> for Kind {
    fn from(kind: forge::Kind) -> Self {
        match kind {
            forge::Kind::Config => Self::Config,
            forge::Kind::Denied => Self::Denied,
            forge::Kind::Transient => Self::Transient,
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
            git::Error::Checkout { .. } => Some("name a commit as git does: HEAD, a branch, a hash, or a range A..B"),
            git::Error::Denied { lacks: git::Lack::Push, .. } => Some(
                "give it the right to write: `contents: write` on GitHub, `write_repository` and the role Developer on GitLab, \
                 `repository:write` on Bitbucket",
            ),
            git::Error::Denied { lacks: git::Lack::Read, .. } => Some("give it the right to read this repository"),
            git::Error::Denied { lacks: git::Lack::Validity, .. } | git::Error::SignIn { .. } => Some(
                "make a new token or password, and see which user name the host wants beside it: TAGWRIGHT_GIT_USERNAME, or \
                 `username` of the secret",
            ),
            git::Error::Denied { status: None, .. } => Some(
                "check `identity` of the secret, or the ssh agent and the keys of this machine, and that the host knows the public key",
            ),
            git::Error::Denied { .. } => Some(
                "check the secret of the remote, TAGWRIGHT_GIT_USERNAME and TAGWRIGHT_GIT_TOKEN, or git's credential helper",
            ),
            git::Error::ProxyRefuses { .. } => Some(
                "let the proxy allow the host, give it a login (`proxySecretRef`, or in its address), or name the host in NO_PROXY",
            ),
            git::Error::ProxyUnreachable { .. } => Some("check the address of the proxy, or name the host in NO_PROXY"),
            git::Error::ProxyLogin { .. } => {
                Some("give user name and password in the secret of the proxy (`proxySecretRef`), or in its address")
            }
            git::Error::TokenHost { .. } => Some(
                "set TAGWRIGHT_GIT_HOST to the host that the token is for, or name a secret for each remote with `secretRef`",
            ),
            git::Error::Remote { remote, .. } if remote.starts_with("ssh:") => {
                Some("check the path, and that the key may read the repository and push to it")
            }
            git::Error::HostKey { .. } => {
                Some("put the host's key into `known_hosts` of the secret, or into ~/.ssh/known_hosts")
            }
            git::Error::Untrusted { problem, .. } => of_tls(problem, &GIT),
            git::Error::Talk { remote, .. } if remote.starts_with("ssh:") => Some(
                "the start-up files of the account on the server (.bashrc, .profile) must print nothing when no terminal is there",
            ),
            git::Error::NotGit { content_type, .. } if content_type == "text/html" => {
                Some("that is a web page: check the URL, and whether it may be seen without signing in")
            }
            git::Error::Network { why, .. } => of_address(*why),
            git::Error::NotFound { .. } => Some(
                "check the path; a host says so, too, where there is no login, or one that may not see the repository: see `secretRef`",
            ),
            git::Error::EmptyRemote { .. } => Some("push a first commit"),
            git::Error::Cloud { source, .. } => of_cloud(source),
            git::Error::NoFolder { .. } => Some("check the path"),
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
        Self::of(error.kind().into(), error).with_hint(of_registry(error)).with_retry_after(error.retry_after())
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::from(&error)
    }
}

fn of_registry(error: &registry::Error) -> Option<&'static str> {
    match error.cause() {
        registry::Error::Denied { sent: registry::Sent::Nothing, .. } => {
            Some("name a secret with `secretRef`, or log in with `docker login`")
        }
        registry::Error::Denied { .. } => Some("check that the login may pull this repository"),
        registry::Error::Mirror { .. } => {
            Some("write --registry-mirror HOST=URL, such as --registry-mirror docker.io=https://mirror.example.com")
        }
        registry::Error::TokenServer { .. } => Some(
            "write HOST=URL, such as registry.example.com=https://tokens.example.com:8443; a comma stands between several",
        ),
        registry::Error::Budget { .. } => {
            Some("write 8:20 for all hosts, docker.io=2:5 for one; a comma stands between several")
        }
        registry::Error::NotFound { .. } => {
            Some("check the name; of a private image a registry may say so to those who have no login")
        }
        registry::Error::Behind { upstream, .. } => of_registry(upstream),
        registry::Error::Cloud { source, .. } => of_cloud(source),
        registry::Error::Network { why, .. } => of_address(*why),
        registry::Error::Refused { .. } => of_address(Unreachable::Refused),
        registry::Error::Tls { problem, .. } => of_tls(problem, &REGISTRY),
        registry::Error::Realm { realm, .. } if realm.starts_with("http") => Some(
            "if that server is to be trusted with its tokens, set TAGWRIGHT_TOKEN_SERVERS=REGISTRY=URL, with the scheme, host and \
                 port of the server",
        ),
        _ => None,
    }
}

/// What helps where a cloud or a forge gives out no login.
fn of_cloud(error: &cloud::Error) -> Option<&'static str> {
    match error {
        cloud::Error::Nothing { .. } => {
            Some("give the machine an identity, see docs/guides/clouds.md, or take `provider` out and name a secret")
        }
        cloud::Error::Host { .. } => Some("take `provider` out; a login for this host comes from a secret"),
        cloud::Error::Denied { .. } => Some("docs/guides/clouds.md has the rights that it needs"),
        cloud::Error::Network { why, .. } => of_address(*why),
        _ => None,
    }
}

/// What helps where two sides do not agree on TLS, for one kind of them.
struct TlsHints {
    authority: &'static str,
    name: &'static str,
    identity: &'static str,
    plain: &'static str,
    secure: &'static str,
}

const REGISTRY: TlsHints = TlsHints {
    authority: "put its authority's certificate, or its own, as `ca.crt` into the secret that `certSecretRef` names, or among the \
                certificates of this machine",
    name: "name the image by a host that the certificate has, or renew it with this one in subjectAltName",
    identity: "put `tls.crt` and `tls.key` into the secret that `certSecretRef` names",
    plain: "if it is meant to be without TLS, set `insecure: true`",
    secure: "write https:// in its address",
};

const GIT: TlsHints = TlsHints {
    authority: "put its authority's certificate, or its own, as `ca.crt` into the secret that `secretRef` names, into the file of \
                git's `http.sslCAInfo`, or among the certificates of this machine",
    name: "name the remote by a host that the certificate has, or renew it with this one in subjectAltName",
    identity: "put `tls.crt` and `tls.key` into the secret that `secretRef` names",
    plain: "if it is meant to be without TLS, write http:// in its URL",
    secure: "write https:// in its URL",
};

fn of_tls(problem: &TlsProblem, hints: &TlsHints) -> Option<&'static str> {
    Some(match problem {
        TlsProblem::UnknownAuthority => hints.authority,
        TlsProblem::Name { .. } | TlsProblem::UnknownHost => hints.name,
        TlsProblem::Expired { .. } => "renew its certificate; the clock of this machine is to be right, too",
        TlsProblem::NotYet { .. } => "check the clocks of this machine and of the one that made the certificate",
        TlsProblem::WantsIdentity | TlsProblem::RefusesIdentity => hints.identity,
        TlsProblem::Plain => hints.plain,
        TlsProblem::Secure => hints.secure,
        _ => return None,
    })
}

fn of_address(why: Unreachable) -> Option<&'static str> {
    match why {
        Unreachable::UnknownHost => {
            Some("check the spelling of the host and the DNS of this machine; behind a proxy, name it in HTTPS_PROXY")
        }
        Unreachable::Refused => {
            Some("nobody listens there, or a firewall says so: check the host and the port, and that the server runs")
        }
        Unreachable::Otherwise => None,
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

/// "Too many open files", of the process and of the machine. Rust's own kinds of errors have none for them.
const TOO_MANY_FILES: [Errno; 2] = [Errno::MFILE, Errno::NFILE];

fn of_io(error: &io::Error) -> Option<&'static str> {
    match Errno::from_io_error(error) {
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
        let hint = message::advice_on_text(&error);
        Self::of(Kind::Config, &error).with_hint(hint)
    }
}

impl From<&template::RenderError> for Failure {
    fn from(error: &template::RenderError) -> Self {
        Self::of(Kind::Config, error).with_hint(message::advice(error))
    }
}

impl From<template::RenderError> for Failure {
    fn from(error: template::RenderError) -> Self {
        Self::from(&error)
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
    Config: gotext::pattern::Error, gotext::version::Error, image::Error;
    Denied: serde_json::Error, std::string::FromUtf8Error, url::ParseError;
    Transient: reqwest::Error, tokio::time::error::Elapsed;
}
