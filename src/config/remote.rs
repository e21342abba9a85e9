//! The URL of a Git remote: which schemes there are, and the login that some people write into it.

use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Url;

/// The longest URL.
const MAX_URL: usize = 2048;

/// A remote's URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The URL without a password, and for `http` and `https` without a user name.
    pub(super) url: String,
    pub(super) transport: Transport,
    /// User name and password of an `http` or `https` URL, decoded. The password is empty where there is none.
    pub(super) login: Option<(String, String)>,
}

/// How a remote is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Http,
    Https,
    Ssh,
    Local,
}

/// Why a text is not the URL of a remote. The text itself is not repeated, because it may hold a password.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Error {
    #[error("the URL is empty")]
    Empty,
    #[error("the URL is longer than {MAX_URL} bytes")]
    TooLong,
    #[error("the URL has white space or control characters")]
    White,
    #[error("the URL cannot be parsed: {0}")]
    Malformed(url::ParseError),
    #[error("the URL scheme `{0}` is not supported")]
    Scheme(String),
    #[error("the URL has no scheme that can be read")]
    NoScheme,
    #[error("the URL has `{0}:` without `//` behind it")]
    Slashes(String),
    #[error("the URL has something like a password in front of a host, and no scheme")]
    Password,
    #[error("the URL has a query or a fragment")]
    Query,
    #[error("the URL is a relative path")]
    Relative,
    #[error("an ssh URL cannot carry a password")]
    SshPassword,
    #[error("the URL has a host or user that begins with `-`")]
    Option,
    #[error("the URL has no repository path")]
    NoPath,
    #[error("a file URL cannot name a host")]
    FileHost,
}

impl Error {
    /// What to write instead.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::SshPassword => {
                "put the key into a secret with `identity` and `known_hosts`, and name it in `secretRef`"
            }
            Self::Password => {
                "write https://HOST/PATH, put the login into a secret with `username` and `password`, and name it in `secretRef`"
            }
            Self::Query => "leave it out; a token belongs into a secret that `secretRef` names",
            _ => {
                "the forms are https://HOST/PATH, http://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH and /PATH"
            }
        }
    }
}

/// Reads a URL, a path, or `user@host:path`.
pub(super) fn parse(text: &str) -> Result<Address, Error> {
    if text.is_empty() {
        return Err(Error::Empty);
    }
    if text.len() > MAX_URL {
        return Err(Error::TooLong);
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::White);
    }
    match text.split_once("://") {
        Some((scheme, _)) => by_scheme(text, &scheme.to_ascii_lowercase()),
        // A path, for git; for people it is a URL that has lost its scheme, perhaps with a password in it.
        None if text.starts_with("//") => Err(Error::NoScheme),
        None if text.starts_with('/') => Ok(plain(text, Transport::Local)),
        None => scp_like(text),
    }
}

/// Whether a text is a scheme by RFC 3986, of a length that schemes have.
fn is_scheme(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    starts && text.len() <= 20 && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn plain(text: &str, transport: Transport) -> Address {
    Address { url: text.to_owned(), transport, login: None }
}

fn by_scheme(text: &str, scheme: &str) -> Result<Address, Error> {
    let url = match scheme {
        "http" | "https" | "ssh" | "file" => Url::parse(text).map_err(Error::Malformed)?,
        // What stands before `://` may be anything, as in `bot:password@host://path`.
        _ if is_scheme(scheme) => return Err(Error::Scheme(scheme.to_owned())),
        _ => return Err(Error::NoScheme),
    };
    if scheme != "file" && (url.query().is_some() || url.fragment().is_some()) {
        return Err(Error::Query);
    }
    if scheme == "file" {
        let local = url.host_str().is_none_or(|host| host == "localhost");
        return if local { Ok(plain(text, Transport::Local)) } else { Err(Error::FileHost) };
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(Error::NoPath);
    }
    match scheme {
        "ssh" if url.password().is_some() => Err(Error::SshPassword),
        "ssh" if url.username().starts_with('-') || url.host_str().is_none_or(|host| host.starts_with('-')) => {
            Err(Error::Option)
        }
        "ssh" => Ok(plain(text, Transport::Ssh)),
        _ => Ok(http(text, url)),
    }
}

/// Takes the login out of the URL; without one the text stays as it was written.
fn http(text: &str, mut url: Url) -> Address {
    let transport = if url.scheme() == "https" { Transport::Https } else { Transport::Http };
    if url.username().is_empty() && url.password().is_none() {
        return plain(text, transport);
    }
    let login = Some((decoded(url.username()), decoded(url.password().unwrap_or(""))));
    // Both only fail for URLs without a host, which http and https URLs have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Address { url: url.into(), transport, login }
}

/// Decodes `%XX`.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `host:path` or `user@host:path`; a slash before the colon makes it a path, as in Git.
fn scp_like(text: &str) -> Result<Address, Error> {
    let (authority, path) = text.split_once(':').ok_or(Error::Relative)?;
    if authority.contains('/') || authority.is_empty() {
        return Err(Error::Relative);
    }
    // `user:password@host/path` has its password where the path should be, and so has `http:/user:password@host/path`. A path of
    // that kind can still be written behind `ssh://`.
    if path.contains('@') {
        return Err(Error::Password);
    }
    if ["http", "https", "ssh", "git", "ftp", "file"].contains(&authority.to_ascii_lowercase().as_str()) {
        return Err(Error::Slashes(authority.to_owned()));
    }
    if path.is_empty() {
        return Err(Error::NoPath);
    }
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if authority.starts_with('-') || host.starts_with('-') || host.is_empty() {
        return Err(Error::Option);
    }
    Ok(plain(text, Transport::Ssh))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let cases = [
            ("https://example.com/a.git", Transport::Https, "https://example.com/a.git", None),
            ("http://example.com:8080/a", Transport::Http, "http://example.com:8080/a", None),
            ("HTTPS://Example.com/A", Transport::Https, "HTTPS://Example.com/A", None),
            ("https://me:p%40ss@example.com/a", Transport::Https, "https://example.com/a", Some(("me", "p@ss"))),
            ("https://token@example.com/a", Transport::Https, "https://example.com/a", Some(("token", ""))),
            ("ssh://git@example.com:22/a", Transport::Ssh, "ssh://git@example.com:22/a", None),
            ("git@example.com:a/b.git", Transport::Ssh, "git@example.com:a/b.git", None),
            ("example.com:a", Transport::Ssh, "example.com:a", None),
            ("file:///srv/a", Transport::Local, "file:///srv/a", None),
            ("/srv/a", Transport::Local, "/srv/a", None),
        ];
        for (text, transport, url, login) in cases {
            let login = login.map(|(username, password): (&str, &str)| (username.to_owned(), password.to_owned()));
            assert_eq!(parse(text).unwrap(), Address { url: url.to_owned(), transport, login }, "{text}");
        }
    }

    #[test]
    fn what_is_no_remote_is_refused() {
        let cases = [
            "",
            "a",
            "./a",
            "../a",
            "a/b:c",
            "git://example.com/a",
            "ext::sh -c x",
            "ftp://example.com/a",
            "https://",
            "https://example.com",
            "https://example.com/",
            "https:///a",
            "ssh://git:secret@example.com/a",
            "ssh://-oProxyCommand=x/a",
            "-x:a",
            "git@-x:a",
            "@:a",
            "git@example.com:",
            "https://example.com/a b",
            "https://example.com/a\n",
            "file://other.example.com/a",
        ];
        for text in cases {
            assert!(parse(text).is_err(), "{text:?} is {:?}", parse(text));
        }
    }

    /// However a login gets into what is no URL, it is refused, and not shown.
    #[test]
    fn what_may_hold_a_password_is_refused_without_being_shown() {
        let cases = [
            ("bot:s3cret@example.com/a", Error::Password),
            ("bot:s3cret@example.com:a", Error::Password),
            ("bot:s3/cret@example.com/a", Error::Password),
            ("bot:s3c@ret@example.com/a", Error::Password),
            ("bot@corp.example.com:s3cret@example.com/a", Error::Password),
            ("http:/bot:s3cret@example.com/a", Error::Password),
            ("https:bot:s3cret@example.com/a", Error::Password),
            ("https:\\\\bot:s3cret@example.com/a", Error::Password),
            ("http:/example.com/a", Error::Slashes("http".to_owned())),
            ("HTTPS:example.com/a", Error::Slashes("HTTPS".to_owned())),
            ("ssh:/git@example.com/a", Error::Password),
            ("//bot:s3cret@example.com/a", Error::NoScheme),
            ("bot:s3cret@example.com://a", Error::NoScheme),
            ("https//bot:s3cret@example.com/a", Error::Relative),
            ("https://example.com/a?private_token=s3cret", Error::Query),
            ("https://example.com/a#s3cret", Error::Query),
            ("ssh://git@example.com/a?s3cret", Error::Query),
            ("ftp://bot:s3cret@example.com/a", Error::Scheme("ftp".to_owned())),
            ("ssh://git:s3cret@example.com/a", Error::SshPassword),
            ("https://bot:s3cret@", Error::Malformed(url::ParseError::EmptyHost)),
            ("https://bot:s3cret@example.com:x/a", Error::Malformed(url::ParseError::InvalidPort)),
        ];
        for (text, expect) in cases {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error} {} {error:?}", error.hint()).contains("s3"), "{text}: {error}");
            assert_eq!(error, expect, "{text}");
        }
        for text in ["https:///bot:s3cret@example.com/a", "https:////bot:s3cret@example.com/a"] {
            assert!(!parse(text).unwrap().url.contains("s3"), "{text}");
        }
        for text in ["git@example.com:~bot/a.git", "ssh://git@example.com/@scope/a", "git@example.com:a?b#c"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
