//! Where a remote is: parsed once, printed without secrets.
//!
//! Accepted are `https://`, `http://`, `ssh://`, the scp-like `user@host:path` and `[user@host:port]:path`, `file://` and paths. Refused are remote
//! helpers (`ext::…`, which run commands), other schemes, and everything that a child process could take for an option. A
//! user name and password inside an `http` URL are taken out at once; they never appear in what is printed, in an error or on
//! a command line.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use web::authority;
use web::words::one_line;

use super::error::Error;
use super::problem::UrlProblem;

/// The longest text that an error repeats, in characters.
const MAX_SHOWN: usize = 300;

/// A parsed Git URL. Its `Display` is the URL without user name and password.
#[derive(Debug, Clone)]
pub struct Url {
    location: Location,
    userinfo: Option<UserInfo>,
}

/// Where the repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// Smart HTTP; no user information, no query, no trailing slash.
    Http(url::Url),
    /// ssh.
    Ssh(SshTarget),
    /// A folder of this machine.
    Local(PathBuf),
}

/// What ssh connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshTarget {
    pub(super) user: Option<String>,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

/// What stood before the `@` of an `http` URL, decoded.
#[derive(Debug, Clone)]
pub(super) struct UserInfo {
    pub(super) username: String,
    pub(super) password: Option<SecretString>,
}

impl Url {
    /// Parses a URL as git does.
    ///
    /// ```
    /// use git::Url;
    /// let url = Url::parse("https://bot:secret@git.example.com/acme/config.git").unwrap();
    /// assert_eq!(url.to_string(), "https://git.example.com/acme/config.git");
    /// assert!(Url::parse("ext::sh -c touch% /tmp/pwned").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Url`], which shows the URL without user name and password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|reason| Error::Url { url: redact(text), reason })
    }

    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    pub(super) const fn userinfo(&self) -> Option<&UserInfo> {
        self.userinfo.as_ref()
    }

    /// Returns the host and, where it is not the scheme's own, the port; the path for a local repository.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.location {
            Location::Http(url) => authority(url),
            Location::Ssh(target) => target.to_string(),
            Location::Local(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Http(url) => f.write_str(url.as_str()),
            Location::Ssh(target) => {
                f.write_str("ssh://")?;
                if let Some(user) = &target.user {
                    write!(f, "{user}@")?;
                }
                let slash = if target.path.starts_with('/') { "" } else { "/" };
                write!(f, "{target}{slash}{}", target.path)
            }
            Location::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Host and port as shown.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) if port != 22 => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Url, UrlProblem> {
    if text.is_empty() {
        return Err(UrlProblem::Empty);
    }
    if text.chars().any(|c| c.is_control()) || text.trim() != text {
        return Err(UrlProblem::Control);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => parse_http(text),
            "ssh" | "git+ssh" | "ssh+git" => parse_ssh(text),
            "file" => parse_file(rest),
            _ if scheme.contains("::") => Err(UrlProblem::Helper),
            _ => Err(UrlProblem::Scheme),
        };
    }
    let before_slash = text.split('/').next().unwrap_or_default();
    if before_slash.contains("::") && !before_slash.contains('[') {
        return Err(UrlProblem::Helper);
    }
    if before_slash.contains(':') {
        return parse_scp(text);
    }
    // A path, for git; for people it is a URL that has lost its scheme or the colon behind it.
    if text.starts_with("//") || matches!(before_slash, "http:" | "https:" | "http" | "https") && text.contains('@') {
        return Err(UrlProblem::Slashes);
    }
    local(text)
}

fn parse_http(text: &str) -> Result<Url, UrlProblem> {
    let mut url = url::Url::parse(text).map_err(|_| UrlProblem::Syntax)?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(UrlProblem::Host);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlProblem::Query);
    }
    let userinfo = (!url.username().is_empty() || url.password().is_some()).then(|| UserInfo {
        username: percent_decode(url.username()),
        password: url.password().map(|password| SecretString::from(percent_decode(password))),
    });
    url.set_username("").map_err(|()| UrlProblem::Syntax)?;
    url.set_password(None).map_err(|()| UrlProblem::Syntax)?;
    let path = url.path().trim_end_matches('/').to_owned();
    if path.is_empty() {
        return Err(UrlProblem::Path);
    }
    url.set_path(&path);
    Ok(Url { location: Location::Http(url), userinfo })
}

fn parse_ssh(text: &str) -> Result<Url, UrlProblem> {
    let url = url::Url::parse(text).map_err(|_| UrlProblem::Syntax)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlProblem::Query);
    }
    let host = percent_decode(url.host_str().unwrap_or_default());
    let user = Some(percent_decode(url.username())).filter(|user| !user.is_empty());
    let path = percent_decode(url.path());
    // `ssh://host/~user/x` means the home folder, which the remote shell sees without the leading slash.
    let path = if path.starts_with("/~") { path[1..].to_owned() } else { path };
    ssh(user, host.trim_start_matches('[').trim_end_matches(']').to_owned(), url.port(), path)
}

fn parse_scp(text: &str) -> Result<Url, UrlProblem> {
    // `user:password@host/path` has its password where the path should be, and so has `http:/user:password@host/path`.
    let (before, path) = text.split_once(':').unwrap_or((text, ""));
    if !before.contains('[') && path.contains('@') {
        return Err(UrlProblem::Password);
    }
    if ["http", "https", "ssh", "git", "ftp", "file"].contains(&before.to_ascii_lowercase().as_str()) {
        return Err(UrlProblem::Slashes);
    }
    // The user may stand in front of the brackets or in them.
    let (user, rest) = user_of(text);
    let (user, host, port, path) = match rest.strip_prefix('[') {
        None => {
            let (host, path) = rest.split_once(':').ok_or(UrlProblem::Syntax)?;
            (user, host, None, path)
        }
        Some(bracketed) => {
            let (inside, path) = bracketed.split_once("]:").ok_or(UrlProblem::Syntax)?;
            let (within, host) = if user.is_none() { user_of(inside) } else { (user, inside) };
            let (host, port) = port_of(host);
            if host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(UrlProblem::Syntax);
            }
            (within, host, port, path)
        }
    };
    ssh(user.map(str::to_owned), host.to_owned(), port, path.to_owned())
}

/// Splits a user name off.
fn user_of(text: &str) -> (Option<&str>, &str) {
    match text.split_once('@') {
        Some((user, rest)) if !user.contains([':', '/', '[']) => (Some(user), rest),
        _ => (None, text),
    }
}

/// Splits a port off what stands in brackets, which is an IPv6 address otherwise.
fn port_of(text: &str) -> (&str, Option<u16>) {
    let digits = |port: &&str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let split = text.split_once(':').filter(|(_, port)| digits(port));
    match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

fn ssh(user: Option<String>, host: String, port: Option<u16>, path: String) -> Result<Url, UrlProblem> {
    if host.is_empty() {
        return Err(UrlProblem::Host);
    }
    if path.trim_matches('/').is_empty() {
        return Err(UrlProblem::Path);
    }
    let parts = [Some(host.as_str()), user.as_deref(), Some(path.as_str())];
    if parts.iter().flatten().any(|part| part.starts_with('-')) {
        return Err(UrlProblem::Dash);
    }
    if parts.iter().flatten().any(|part| part.chars().any(char::is_control)) {
        return Err(UrlProblem::Control);
    }
    // ssh expands `%` in some options and separates by white space in others; no host or user has either.
    let odd = |c: char| c.is_whitespace() || matches!(c, '%' | '"' | '\'' | '\\' | '@' | '/' | ';' | '$' | '`');
    if host.contains(odd) || user.as_deref().is_some_and(|user| user.contains(odd)) {
        return Err(UrlProblem::Syntax);
    }
    Ok(Url { location: Location::Ssh(SshTarget { user, host, port, path }), userinfo: None })
}

fn parse_file(rest: &str) -> Result<Url, UrlProblem> {
    match rest.find('/') {
        Some(0) => local(&percent_decode(rest)),
        Some(at) if &rest[..at] == "localhost" => local(&percent_decode(&rest[at..])),
        _ => Err(UrlProblem::FileHost),
    }
}

fn local(path: &str) -> Result<Url, UrlProblem> {
    if path.starts_with('-') {
        return Err(UrlProblem::Dash);
    }
    if path.chars().any(char::is_control) {
        return Err(UrlProblem::Control);
    }
    Ok(Url { location: Location::Local(PathBuf::from(path)), userinfo: None })
}

pub(super) fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns a text that did not parse with everything removed that could be a secret, and bounded.
fn redact(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    // A password may contain a slash that should have been encoded, so the last `@` counts. In front of it a path, too, is only
    // shown where it cannot be a login.
    let shown = match rest.rfind('@') {
        Some(at) if !scheme.is_empty() || rest[..at].contains(':') || !rest[..at].contains('/') => &rest[at + 1..],
        _ => rest,
    };
    let shown = shown.split(['?', '#']).next().unwrap_or_default();
    // What stands before `://` may be anything, too.
    let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c));
    let scheme = if is_scheme { scheme } else { "…" };
    let full = if scheme.is_empty() { shown.to_owned() } else { format!("{scheme}://{shown}") };
    one_line(&full, MAX_SHOWN)
}

/// Whether two addresses are of the same repository, whatever the way to it: the same host and path. Forges tell neither case nor way
/// apart. Folders of this machine are the same where their paths are.
///
/// ```
/// assert!(git::is_same_repository("https://git.example.com/Acme/config.git", "git@git.example.com:acme/config"));
/// assert!(!git::is_same_repository("https://git.example.com/acme/config", "https://git.example.com/acme/other"));
/// ```
#[must_use]
pub fn is_same_repository(one: &str, other: &str) -> bool {
    host_and_path(one).is_some_and(|of_one| host_and_path(other) == Some(of_one))
}

/// Host and path of a repository, in lower case; without a host it is a folder.
fn host_and_path(address: &str) -> Option<(String, String)> {
    let (host, path) = match url::Url::parse(address) {
        Ok(url) if url.has_host() => (url.host_str()?.to_owned(), url.path().to_owned()),
        // `git@host:path`
        _ => {
            let (host, path) = address.split_once(':').unwrap_or(("", address));
            (host.rsplit('@').next()?.to_owned(), path.to_owned())
        }
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!path.is_empty()).then(|| (host.to_ascii_lowercase(), path.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secrecy::ExposeSecret;

    use super::*;

    /// One line: the URL, `=>`, and either the kind with what is shown or `error:` with the reason.
    #[test]
    fn urls_of_the_table() {
        let table = include_str!("../../../fixtures/git/urls.txt");
        let mut cases = 0;
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (url, expect) = line.split_once(" => ").unwrap();
            assert_eq!(describe(&url.replace("\\t", "\t")), expect, "{url}");
            cases += 1;
        }
        assert!(cases > 30);
    }

    fn describe(text: &str) -> String {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(Error::Url { reason, .. }) => return format!("error: {reason}"),
            Err(other) => return format!("{other:?}"),
        };
        let kind = match url.location() {
            Location::Http(_) => "http",
            Location::Ssh(_) => "ssh",
            Location::Local(_) => "local",
        };
        let login = url.userinfo().map_or(String::new(), |user| {
            let password = user.password.as_ref().map_or("-", |password| password.expose_secret());
            format!(" login {} {password}", user.username)
        });
        format!("{kind} {url}{login}")
    }

    #[test]
    fn errors_and_debug_output_show_no_secrets() {
        for text in [
            "https://bot:s3cret@",
            "https://bot:s3cret@h/x?q",
            "ftp://bot:s3cret@h/x",
            "https://bot:s3/cret@h:x/y",
            "https://h/x?token=s3cret",
            "https://h/x#s3cret",
            "bot:s3cret@h/x",
            "bot:s3/cret@h/x",
            "bot:s3c@ret@h:x",
            "me@corp.com:s3cret@h/x",
            "http:/bot:s3cret@h/x",
            "https:bot:s3cret@h/x",
            "//bot:s3cret@h/x",
            "https//bot:s3cret@h/x",
            "bot:s3cret@h://x",
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error}");
        }
        let url = Url::parse("https://bot:s3cret@h/x").unwrap();
        assert!(!format!("{url} {url:?}").contains("s3cret"));
    }

    #[test]
    fn a_repository_is_one_by_all_its_addresses() {
        let url = "https://git.example.com/Acme/config.git";
        for same in [
            "https://git.example.com/acme/config",
            "ssh://git@git.example.com:2222/acme/config.git",
            "git@git.example.com:acme/config.git",
            "git@git.example.com:acme/config",
            "http://git.example.com:3000/acme/config/",
        ] {
            assert!(is_same_repository(url, same) && is_same_repository(same, url), "{same}");
        }
        for other in [
            "https://git.example.com/acme/config2",
            "https://example.com/acme/config",
            "git.example.com",
            "",
            "/acme/config",
            "https://git.example.com/",
        ] {
            assert!(!is_same_repository(url, other), "{other}");
        }
        assert!(is_same_repository("/srv/config.git", "/srv/config/") && !is_same_repository("", ""));
    }
}
