//! What can go wrong between this machine and a Git remote.

mod kind;
mod remote;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use kind::Kind;

use super::names::{TAGS, in_words};
use super::pack::Excess;
use super::problem::{Lack, ObjectProblem, Problem, RedirectProblem, UrlProblem};

/// A failure of a Git operation. Nothing in it is secret, and what the other side said is bounded and escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no URL of a remote that can be reached.
    #[error("'{url}' is not a usable Git URL: {reason}")]
    Url {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it.
        reason: UrlProblem,
    },
    /// The machine's git configuration cannot be read.
    #[error("cannot read git's configuration{}", place(path.as_ref()))]
    Rules {
        /// The file, where one is to blame.
        path: Option<PathBuf>,
        /// libgit2's words.
        source: git2::Error,
    },
    /// There is no checkout here, or no such commit in it.
    #[error("cannot {what} {revision}")]
    Checkout {
        /// What was tried.
        what: &'static str,
        /// The revision asked for.
        revision: String,
        /// libgit2's words.
        source: git2::Error,
    },
    /// A certificate, key or proxy of the remote is not usable.
    #[error("the {what} for {remote} is not usable")]
    Tls {
        /// The remote.
        remote: String,
        /// Which of them.
        what: &'static str,
        /// The cause.
        source: Option<web::Unusable>,
    },
    /// An access of this kind does not fit the URL, such as an ssh key for `https`.
    #[error("{remote} cannot be used with {login}")]
    LoginMismatch {
        /// The remote.
        remote: String,
        /// What was configured.
        login: &'static str,
    },
    /// The provider that is to give out the login gives none.
    #[error("there is no login for {remote}")]
    Cloud {
        /// The remote.
        remote: String,
        /// The provider's or our own words.
        source: Box<cloud::Error>,
    },
    /// A program that is needed cannot be started.
    #[error("cannot start {program}")]
    Program {
        /// `git` or `ssh`.
        program: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file of the mirror or a private temporary file cannot be used.
    #[error("cannot {what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Another process writes the mirror for longer than the deadline.
    #[error("another process has held the mirror lock {} for {} s", path.display(), waited.as_secs())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The remote does not accept the login.
    #[error("{remote} denied access with {tried}{lacks}{}", said(words))]
    Denied {
        /// The remote.
        remote: String,
        /// What was tried.
        tried: String,
        /// What that lacks.
        lacks: Lack,
        /// The HTTP status, 401 or 403; none over ssh.
        status: Option<u16>,
        /// The remote's words.
        words: String,
    },
    /// The remote wants a login, there is a token, and nobody has said that it is for this host.
    #[error(
        "{remote} wants a login, and TAGWRIGHT_GIT_TOKEN is not sent: the configuration names several Git hosts{}, and \
         TAGWRIGHT_GIT_HOST does not say for which of them it is",
        among(hosts)
    )]
    TokenHost {
        /// The remote.
        remote: String,
        /// Up to five of the hosts that it may be for.
        hosts: Vec<String>,
    },
    /// The ssh host key is unknown or another than the known one.
    #[error("host key verification failed for {host}{}", said(words))]
    HostKey {
        /// The host, with its port where it is not 22.
        host: String,
        /// What ssh said.
        words: String,
    },
    /// The remote shows a page for people instead.
    #[error("{remote} answers with a page to sign in ({page}) and not as a Git server does; it was asked with {tried}")]
    SignIn {
        /// The remote.
        remote: String,
        /// Where the page is, without its query, or the status that it came with.
        page: String,
        /// What was tried.
        tried: String,
    },
    /// The proxy on the way does not let us through.
    #[error("the proxy {proxy} does not connect to {remote}: {reason}")]
    ProxyRefuses {
        /// The remote.
        remote: String,
        /// The proxy, without its login.
        proxy: String,
        /// Why, as far as it is known.
        reason: String,
    },
    /// The proxy on the way is not there.
    #[error("cannot reach the proxy {proxy} on the way to {remote}: {reason}")]
    ProxyUnreachable {
        /// The remote.
        remote: String,
        /// The proxy, without its login.
        proxy: String,
        /// Why.
        reason: String,
    },
    /// The proxy on the way wants a login.
    #[error("the proxy on the way to {remote} wants a login, or another one (HTTP status 407){}", said(words))]
    ProxyLogin {
        /// The remote.
        remote: String,
        /// The proxy's words.
        words: String,
    },
    /// There is no such repository, or none that this login may see.
    #[error("{remote} was not found, or may not be seen with {tried}{}", said(words))]
    NotFound {
        /// The remote.
        remote: String,
        /// What was tried.
        tried: String,
        /// The HTTP status, 404 or 410.
        status: u16,
        /// The remote's words.
        words: String,
    },
    /// There is no such folder on this machine.
    #[error("{remote} does not exist on this machine")]
    NoFolder {
        /// The remote, a path.
        remote: String,
    },
    /// The server answered with an HTTP status that is none of the above.
    #[error("{remote} answered with HTTP status {status}{}{}", asking(*retry_after), said(words))]
    Http {
        /// The remote.
        remote: String,
        /// The status code.
        status: u16,
        /// The remote's words.
        words: String,
        /// When to come back, as the server asks.
        retry_after: Option<Duration>,
    },
    /// Not asked, since the host asked for time in answer to another request.
    #[error("{remote} is not asked for {}, since {host} answered {status} to another request", seconds(*retry_after))]
    Paused {
        /// The remote.
        remote: String,
        /// The host, and its port where it is not the scheme's.
        host: String,
        /// The HTTP status of the answer to the other request.
        status: u16,
        /// How long it is still left alone.
        retry_after: Duration,
    },
    /// The answer is no answer of a Git server.
    #[error("{remote} is not a Git repository over smart HTTP; it answered with content of type '{content_type}'")]
    NotGit {
        /// The remote.
        remote: String,
        /// The content type that came.
        content_type: String,
    },
    /// Something else came where the protocol should begin.
    #[error("{remote} says something else before the Git protocol begins{}", said(words))]
    Talk {
        /// The remote.
        remote: String,
        /// The beginning of it.
        words: String,
    },
    /// A redirect that is not followed.
    #[error("{remote} redirects {problem}")]
    Redirect {
        /// The remote.
        remote: String,
        /// Why it is not followed.
        problem: RedirectProblem,
    },
    /// The two sides do not agree on TLS, most often since the certificate is not trusted.
    #[error("{} {remote}: {problem}", if problem.is_about_trust() { "cannot trust" } else { "cannot talk to" })]
    Untrusted {
        /// The remote.
        remote: String,
        /// What is wrong.
        problem: web::TlsProblem,
    },
    /// The connection failed.
    #[error("cannot reach {remote}: {reason}")]
    Network {
        /// The remote.
        remote: String,
        /// What that has to do with the address.
        why: web::Unreachable,
        /// The cause.
        reason: String,
    },
    /// The connection to a child process (ssh or git) broke.
    #[error("the connection to {remote} broke{}", said(words))]
    Broken {
        /// The remote.
        remote: String,
        /// What the child process said.
        words: String,
    },
    /// The operation took longer than it may.
    #[error("{remote} did not finish the {operation} within {} s", after.as_secs_f32())]
    Deadline {
        /// The remote.
        remote: String,
        /// `fetch`, `push` or `ref advertisement`.
        operation: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The remote reported a failure.
    #[error("{remote} reported an error{}", said(words))]
    Remote {
        /// The remote.
        remote: String,
        /// The remote's words.
        words: String,
    },
    /// The remote does not keep to the protocol.
    #[error("{remote} sent {problem}")]
    Protocol {
        /// The remote.
        remote: String,
        /// What came.
        problem: Problem,
    },
    /// The remote lacks what is needed.
    #[error("{remote} does not support {what}")]
    Unsupported {
        /// The remote.
        remote: String,
        /// What it lacks.
        what: &'static str,
    },
    /// The remote names its objects in a way that is not known, or not that of what is pushed to it.
    #[error("{remote} uses the object format '{format}', not {expected}")]
    ObjectFormat {
        /// The remote.
        remote: String,
        /// The format it names.
        format: String,
        /// What it should be.
        expected: &'static str,
    },
    /// More came than the limit allows.
    #[error("{remote} sent more than {limit} bytes")]
    AnswerTooLarge {
        /// The remote.
        remote: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// What came takes more memory than one remote may.
    #[error("{remote} sent {excess}, for which {} MiB of memory are not enough", memory >> 20)]
    Costly {
        /// The remote.
        remote: String,
        /// What it is.
        excess: Excess,
        /// What its packs may take, in bytes.
        memory: usize,
    },
    /// The remote has no reference at all.
    #[error("{remote} is empty: it has no branch yet")]
    EmptyRemote {
        /// The remote.
        remote: String,
    },
    /// The reference does not exist.
    #[error("{remote} has no {}{}", in_words(reference), some(reference, known))]
    ReferenceMissing {
        /// The remote.
        remote: String,
        /// The full name asked for, or `HEAD`.
        reference: String,
        /// Short names of up to five of those that exist: tags where a tag is missing, or else branches.
        known: Vec<String>,
    },
    /// The commit cannot be had from the remote.
    #[error("{remote} has no commit {commit}{}", on(branch.as_deref()))]
    CommitMissing {
        /// The remote.
        remote: String,
        /// The commit asked for.
        commit: String,
        /// The branch whose history was searched.
        branch: Option<String>,
    },
    /// The reference names something else than a commit.
    #[error("{remote} has another object than a commit at {}", in_words(reference))]
    NotACommit {
        /// The remote.
        remote: String,
        /// The reference or object id.
        reference: String,
    },
    /// An object of the remote is not as it has to be.
    #[error("the {kind} {id} {problem}")]
    Object {
        /// `commit`, `tree` or `tag`.
        kind: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        problem: ObjectProblem,
    },
    /// The mirror was fetched anew and is not whole all the same. It is not fetched anew again for a day.
    #[error("what the remote sends is not whole, although the mirror {} was fetched anew; it is once a day", path.display())]
    Incomplete {
        /// Its folder.
        path: PathBuf,
        /// libgit2's words.
        source: git2::Error,
    },
    /// The mirror is damaged; it is built anew at the next fetch.
    #[error("the mirror {} is damaged", path.display())]
    Mirror {
        /// Its folder.
        path: PathBuf,
        /// libgit2's words.
        source: git2::Error,
    },
    /// A tree or a list is larger than the limit.
    #[error("{what} exceeds the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A commit that is to be signed is not.
    #[error("the commit cannot be signed: {why}")]
    Unsigned {
        /// The signer's reason.
        why: String,
    },
    /// A file to be written cannot be.
    #[error("cannot commit '{path}': {problem}")]
    Edit {
        /// The path.
        path: String,
        /// Why.
        problem: &'static str,
    },
    /// The setting of how much memory a remote may take cannot be used.
    #[error("TAGWRIGHT_GIT_MEMORY is '{value}', and not a number of MiB from 1 to {most}")]
    Memory {
        /// The value, escaped.
        value: String,
        /// The greatest.
        most: usize,
    },
    /// A push option or reference name that the protocol cannot carry.
    #[error("the {what} '{value}' is not valid")]
    Argument {
        /// What it is.
        what: &'static str,
        /// The value, escaped.
        value: String,
    },
    /// A task of this process ended early.
    #[error("a background task of the git module ended early")]
    Task,
}

impl Error {
    /// Returns the same without anything that was sent as proof in the remote's words.
    pub(super) fn hiding(mut self, sent: &web::Sent) -> Self {
        match &mut self {
            Self::Denied { words, .. }
            | Self::HostKey { words, .. }
            | Self::NotFound { words, .. }
            | Self::SignIn { page: words, .. }
            | Self::ProxyLogin { words, .. }
            | Self::Http { words, .. }
            | Self::Broken { words, .. }
            | Self::Talk { words, .. }
            | Self::Remote { words, .. }
            | Self::NotGit { content_type: words, .. }
            | Self::ObjectFormat { format: words, .. }
            | Self::NotACommit { reference: words, .. } => *words = sent.hide(words),
            Self::ReferenceMissing { known, .. } => known.iter_mut().for_each(|name| *name = sent.hide(name)),
            _ => {}
        }
        self
    }

    /// Returns how long the server asks to wait, where it does; at most [`MAX_RETRY_AFTER`](web::MAX_RETRY_AFTER).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            Self::Paused { retry_after, .. } => Some(*retry_after),
            Self::Cloud { source, .. } => source.retry_after(),
            _ => None,
        }
    }
}

fn asking(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!(" and asks to wait {}", seconds(wait))).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// The remote's words behind a colon, on one line: a line of theirs must not look like one of ours.
fn said(words: &str) -> String {
    let lines: Vec<&str> = words.lines().collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!(": {}", lines.join("; ")),
    }
}

fn some(reference: &str, known: &[String]) -> String {
    let kind = if reference.starts_with(TAGS) { "tags" } else { "branches" };
    match known.is_empty() {
        true => String::new(),
        false => format!("; its {kind}: {}", known.join(", ")),
    }
}

fn among(hosts: &[String]) -> String {
    match hosts.is_empty() {
        true => String::new(),
        false => format!(" ({})", hosts.join(", ")),
    }
}

fn on(branch: Option<&str>) -> String {
    branch.map(|branch| format!(" in the history of {}", in_words(branch))).unwrap_or_default()
}

fn place(path: Option<&PathBuf>) -> impl fmt::Display {
    path.map(|path| format!(" {}", path.display())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_remote_stay_on_one_line() {
        let denied = |words: &str| {
            let (remote, tried) = ("https://a.io/x".to_owned(), "no login".to_owned());
            Error::Denied { remote, tried, lacks: Lack::Nothing, status: Some(403), words: words.to_owned() }
                .to_string()
        };
        assert_eq!(denied(""), "https://a.io/x denied access with no login");
        assert_eq!(denied("no"), "https://a.io/x denied access with no login: no");
        assert_eq!(denied("no\nERROR fake"), "https://a.io/x denied access with no login: no; ERROR fake");
    }
}
