//! To whom `TAGWRIGHT_GIT_TOKEN` goes.
//!
//! The token of the environment belongs to the machine, and remotes are named by whoever may write the configuration. So it goes
//! to the hosts in `TAGWRIGHT_GIT_HOST` (`HOST`, `HOST:PORT` or a URL, several with commas between), and without that variable to
//! the only host that the configuration names. With several, nobody but the owner can know which of them it is for. It never
//! goes over plain HTTP, except to this machine.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use web::{authority, is_loopback};

use super::settings::Settings;
use super::url::{Location, Url};

/// The variable that holds the token.
pub(super) const TOKEN: &str = "TAGWRIGHT_GIT_TOKEN";
/// The variable with the user name beside it.
pub(super) const USERNAME: &str = "TAGWRIGHT_GIT_USERNAME";
/// The variable that says for which hosts it is.
const HOST: &str = "TAGWRIGHT_GIT_HOST";
/// The user name beside a token where none is given.
const USER: &str = "x-access-token";
/// How many hosts an error names.
const SHOWN: usize = 5;

/// The hosts that the configuration names, for remotes over HTTP.
#[derive(Default)]
pub(super) struct Hosts(Mutex<BTreeSet<String>>);

/// Whether a remote may have the token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Goes,
    /// It may not, for a reason in words.
    Stays(String),
    /// Several hosts are configured, and nobody has said which of them it is for.
    Unclear(Vec<String>),
}

impl Hosts {
    /// Takes in the remotes of the configuration, in place of those before.
    pub(super) fn set<'u>(&self, remotes: impl IntoIterator<Item = &'u Url>) {
        let http = remotes.into_iter().filter_map(|remote| match remote.location() {
            Location::Http(url) => Some(authority(url)),
            Location::Ssh(_) | Location::Local(_) => None,
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = http.collect();
    }

    /// Judges the remote at an address.
    pub(super) fn judge(&self, settings: &Settings, remote: &url::Url) -> Verdict {
        if remote.scheme() != "https" && !is_loopback(remote) {
            return Verdict::Stays(format!("{TOKEN} does not go over plain HTTP"));
        }
        if let Some(named) = settings.text(HOST) {
            return match hosts(named).any(|host| is_at(host, remote)) {
                true => Verdict::Goes,
                false => Verdict::Stays(format!("{TOKEN} is for {}, as {HOST} says", web::words::one_line(named, 100))),
            };
        }
        let configured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match configured.iter().collect::<Vec<_>>().as_slice() {
            [only] if **only == authority(remote) => Verdict::Goes,
            several => Verdict::Unclear(several.iter().take(SHOWN).map(|host| (*host).clone()).collect()),
        }
    }
}

/// Returns the user name that goes with a token where none is given. Nearly every forge looks at the token alone; Bitbucket's
/// cloud wants a word that says what kind of token it is, which its first letters tell.
pub(super) fn user(remote: &url::Url, token: &str) -> &'static str {
    match (remote.host_str(), token.starts_with("ATATT")) {
        (Some("bitbucket.org"), true) => "x-bitbucket-api-token-auth",
        (Some("bitbucket.org"), false) => "x-token-auth",
        _ => USER,
    }
}

fn hosts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty())
}

/// Whether a host as people write it is that of an address: the port counts, and so does the scheme where one is written.
fn is_at(host: &str, address: &url::Url) -> bool {
    let written = match host.contains("://") {
        true => url::Url::parse(host),
        false => url::Url::parse(&format!("{}://{host}", address.scheme())),
    };
    written.is_ok_and(|written| written.origin() == address.origin() && written.origin().is_tuple())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What becomes of a remote where the variable says this and these remotes are configured.
    fn check(variable: &str, configured: &[&str], remote: &str) -> Verdict {
        let mut settings = Settings::of_machine("/nonexistent");
        settings.environment = [(HOST.into(), variable.into())].into();
        let hosts = Hosts::default();
        let configured: Vec<Url> = configured.iter().map(|url| Url::parse(url).unwrap()).collect();
        hosts.set(&configured);
        hosts.judge(&settings, &url::Url::parse(remote).unwrap())
    }

    #[test]
    fn the_user_beside_a_token() {
        let name = |remote: &str, token: &str| user(&url::Url::parse(remote).unwrap(), token);
        assert_eq!(name("https://github.com/a/b", "ghp_x"), "x-access-token");
        assert_eq!(name("https://bitbucket.org/a/b", "ATATT3xFfGF0x"), "x-bitbucket-api-token-auth");
        assert_eq!(name("https://bitbucket.org/a/b", "ATCTT3xFfGN0x"), "x-token-auth");
        assert_eq!(name("https://bitbucket.example.com/a/b", "ATATT3x"), "x-access-token");
    }

    #[test]
    fn who_gets_it() {
        let none: &[&str] = &[];
        let cases: [(&str, &[&str], &str); 12] = [
            ("git.io", none, "https://git.io/x"),
            ("GIT.io", none, "https://git.io/x"),
            ("git.io:443", none, "https://git.io/x"),
            ("https://git.io", none, "https://git.io/x"),
            ("https://git.io/", none, "https://git.io/x"),
            ("a.io, git.io", none, "https://git.io/x"),
            ("git.io:8443", none, "https://git.io:8443/x"),
            ("127.0.0.1:3000", none, "http://127.0.0.1:3000/x"),
            ("[::1]:3000", none, "http://[::1]:3000/x"),
            ("", &["https://git.io/a", "https://git.io/b"], "https://git.io/x"),
            ("", &["https://git.io/a", "git@other.io:b", "/srv/c"], "https://git.io/x"),
            ("", &["http://localhost:1/a"], "http://localhost:1/x"),
        ];
        for (variable, configured, remote) in cases {
            assert_eq!(check(variable, configured, remote), Verdict::Goes, "{variable:?} {remote}");
        }
    }

    #[test]
    fn who_does_not() {
        let cases = [
            ("git.io", "https://a.git.io/x"),
            ("git.io", "https://git.io.evil.io/x"),
            ("git.io", "https://evilgit.io/x"),
            ("git.io", "https://git.io:8443/x"),
            ("git.io:8443", "https://git.io/x"),
            ("*.io", "https://git.io/x"),
            ("https://user@git.io@evil.io", "https://git.io/x"),
            ("http://git.io", "https://git.io/x"),
            ("file:///", "https://git.io/x"),
            (",", "https://git.io/x"),
            ("git.io/../x y", "https://evil.io/x"),
            ("git.io", "http://git.io/x"),
            ("http://git.io", "http://git.io/x"),
            ("10.0.0.1", "http://10.0.0.1/x"),
        ];
        for (variable, remote) in cases {
            let verdict = check(variable, &["https://git.io/x"], remote);
            assert!(matches!(verdict, Verdict::Stays(_)), "{variable:?} {remote}: {verdict:?}");
        }
        let plain = check("", &["http://git.io/x"], "http://git.io/x");
        assert_eq!(plain, Verdict::Stays("TAGWRIGHT_GIT_TOKEN does not go over plain HTTP".to_owned()));
        let two = ["https://b.io/x", "https://a.io/x"];
        assert_eq!(check("", &two, "https://a.io/x"), Verdict::Unclear(vec!["a.io".to_owned(), "b.io".to_owned()]));
        assert_eq!(check("", &[], "https://a.io/x"), Verdict::Unclear(Vec::new()), "nobody has said anything");
        let other = check("", &["https://b.io/x"], "https://a.io/x");
        assert_eq!(other, Verdict::Unclear(vec!["b.io".to_owned()]), "what is not configured gets nothing");
    }
}
