//! Which credentials belong to a repository.
//!
//! The rules are Kubernetes' and Flux's. A key is a host, perhaps with a scheme, a port and a path; a leading `/v1` or
//! `/v2` is dropped. It applies if the port is the same, the host has as many labels and each matches (`*` and `?` are
//! wildcards within a label), and its path is a prefix of the repository's. That prefix is one of text, not of segments:
//! `ghcr.io/org` also applies to `ghcr.io/organisation/x`, and whoever minds writes `ghcr.io/org/`. Keys are tried in
//! reverse lexical order, so that the longer path and the exact host come first, and the first that applies decides.
//!
//! Docker Hub may be written in all its ways: `docker.io`, `index.docker.io`, `registry-1.docker.io`,
//! `https://index.docker.io/v1/`. (Flux does not know the first.)

use std::cmp::Reverse;

use access::{Distinct, ExposeSecret as _, Login, Marks, RegistryLogin, Secret};
use web::Sent;

use super::endpoint::canonical_host;

/// The user name that marks a password as a refresh token, in Docker's convention.
const REFRESH_TOKEN_USER: &str = "<token>";

/// What is shown to a registry.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Nothing.
    Anonymous,
    /// A user name and a password.
    Login(Login),
    /// A refresh token, and the login for token servers that do not take such tokens.
    Refresh(Secret, Option<Login>),
    /// A bearer token that needs no exchange.
    Bearer(Secret),
}

impl Credential {
    /// Takes what an entry of a Docker configuration offers.
    pub(crate) fn of(entry: &RegistryLogin) -> Self {
        if let Some(token) = &entry.registry_token {
            return Self::Bearer(token.clone());
        }
        if let Some(token) = &entry.identity_token {
            return Self::Refresh(token.clone(), entry.login.clone());
        }
        match &entry.login {
            Some(login) if login.username == REFRESH_TOKEN_USER => Self::Refresh(login.password.clone(), None),
            Some(login) if !is_empty(login) => Self::Login(login.clone()),
            _ => Self::Anonymous,
        }
    }

    /// Notes what is secret of it, so that no server's words show it.
    pub(crate) fn remember_in(&self, sent: &Sent) {
        match self {
            Self::Anonymous => {}
            Self::Login(login) => sent.remember_login(login),
            Self::Refresh(token, login) => {
                sent.remember_secret(token.expose_secret());
                login.iter().for_each(|login| sent.remember_login(login));
            }
            Self::Bearer(token) => sent.remember_secret(token.expose_secret()),
        }
    }

    /// Whether there is nothing to show.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }
}

impl Distinct for Credential {
    fn mark(&self, marks: &mut Marks) {
        match self {
            Self::Anonymous => "anonymous".mark(marks),
            Self::Login(login) => {
                "login".mark(marks);
                login.mark(marks);
            }
            Self::Refresh(token, login) => {
                "refresh".mark(marks);
                token.mark(marks);
                login.mark(marks);
            }
            Self::Bearer(token) => {
                "bearer".mark(marks);
                token.mark(marks);
            }
        }
    }
}

fn is_empty(login: &Login) -> bool {
    login.username.is_empty() && login.password.expose_secret().is_empty()
}

/// Returns the keys of the entries that have something to show.
pub(crate) fn keys(entries: &[RegistryLogin]) -> impl Iterator<Item = String> {
    entries.iter().filter(|entry| !Credential::of(entry).is_anonymous()).map(|entry| entry.key.clone())
}

/// Returns the entry that applies to a repository, given by its registry's authority and its path.
pub(crate) fn matching<'l>(entries: &'l [RegistryLogin], authority: &str, path: &str) -> Option<&'l RegistryLogin> {
    let keys: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    best(&keys, authority, path).map(|index| &entries[index])
}

/// Returns the index of the key that applies to a repository. Of equal keys the first counts.
pub(crate) fn best(keys: &[String], authority: &str, path: &str) -> Option<usize> {
    let authority = canonical_host(authority);
    let path = format!("/{path}");
    let mut parsed: Vec<(usize, Key)> = keys.iter().map(|key| Key::parse(key)).enumerate().collect();
    parsed.sort_by_cached_key(|(_, key)| Reverse(key.text()));
    parsed.into_iter().find(|(_, key)| key.applies(&authority, &path)).map(|(index, _)| index)
}

struct Key {
    authority: String,
    path: String,
}

impl Key {
    fn parse(text: &str) -> Self {
        let text = text.trim();
        let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
        let version = ["/v1", "/v2"].iter().find_map(|version| path.strip_prefix(version));
        let path = version.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
        Self { authority: canonical_host(host), path: if path == "/" { String::new() } else { path.to_owned() } }
    }

    fn text(&self) -> String {
        format!("{}{}", self.authority, self.path)
    }

    fn applies(&self, authority: &str, path: &str) -> bool {
        let (own_host, own_port) = split_port(&self.authority);
        let (host, port) = split_port(authority);
        let own: Vec<&str> = own_host.split('.').collect();
        let other: Vec<&str> = host.split('.').collect();
        own_port == port
            && own.len() == other.len()
            && own.iter().zip(&other).all(|(pattern, label)| glob(pattern.as_bytes(), label.as_bytes()))
            && path.starts_with(&self.path)
    }
}

/// Splits `host:port`; the colons of an IPv6 address stand in brackets.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], &authority[colon + 1..]),
        _ => (authority, ""),
    }
}

/// Matches `*` (any text) and `?` (any character), in time linear in the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::Repository;

    /// Cases are lines of `fixtures/registry/logins.txt`: repository, expected key or `-`, then the keys.
    #[test]
    fn table() {
        for line in include_str!("../../../fixtures/registry/logins.txt").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, expect, keys @ ..] = words.as_slice() else { continue };
            if name.starts_with('#') {
                continue;
            }
            let repository = Repository::parse(name).unwrap();
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let found = best(&keys, repository.registry(), repository.path()).map_or("-", |index| &keys[index]);
            assert_eq!(found, *expect, "{line}");
        }
    }

    #[test]
    fn kinds() {
        let login =
            |username: &str, password: &str| Some(Login { username: username.into(), password: password.into() });
        let entry = |login, identity: Option<&str>, registry: Option<&str>| RegistryLogin {
            key: "a.io".into(),
            login,
            identity_token: identity.map(Secret::from),
            registry_token: registry.map(Secret::from),
        };
        assert!(matches!(Credential::of(&entry(None, None, None)), Credential::Anonymous));
        assert!(matches!(Credential::of(&entry(login("", ""), None, None)), Credential::Anonymous));
        assert!(matches!(Credential::of(&entry(login("u", ""), None, None)), Credential::Login(_)));
        assert!(matches!(Credential::of(&entry(login("<token>", "t"), None, None)), Credential::Refresh(_, None)));
        assert!(matches!(Credential::of(&entry(login("u", ""), Some("t"), None)), Credential::Refresh(_, Some(_))));
        assert!(matches!(Credential::of(&entry(login("u", "p"), Some("t"), Some("r"))), Credential::Bearer(_)));
        let print = |l| Credential::of(&entry(l, None, None)).fingerprint();
        assert_eq!(print(login("a", "b")), print(login("a", "b")));
        assert_ne!(print(login("a", "bc")), print(login("ab", "c")));
    }
}
