//! To which URLs an entry `http.<url>.*` applies, as git's `urlmatch` has it.
//!
//! Scheme and port have to be the same, the path has to be the entry's or beneath it, and a user that the entry names has to be
//! the URL's. A `*` stands for one label of the host: `https://*.example.com` is for `git.example.com`, and neither for
//! `example.com` nor for `a.b.example.com`.

/// Where an entry applies.
pub(super) struct Scope {
    url: url::Url,
    host: String,
    path: String,
}

/// How well an entry fits; the longer host counts more than the longer path, and that more than a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    host: usize,
    path: usize,
    user: bool,
}

impl Scope {
    /// Reads the middle of an entry's name; None when it is no URL with a host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = url::Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let path = url.path().trim_end_matches('/').to_owned();
        Some(Self { url, host, path })
    }

    /// Returns how well a URL fits whose user is `user`; None when it does not.
    pub(super) fn fit(&self, url: &url::Url, user: Option<&str>) -> Option<Fit> {
        let named = Some(self.url.username()).filter(|name| !name.is_empty());
        let is_same = self.url.scheme() == url.scheme()
            && self.url.port_or_known_default() == url.port_or_known_default()
            && covers(&self.host, url.host_str()?)
            && url.path().strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && named.is_none_or(|name| user == Some(&*crate::url::percent_decode(name)));
        is_same.then_some(Fit { host: self.host.len(), path: self.path.len(), user: named.is_some() })
    }
}

/// Whether a host is one that the entry's means.
fn covers(pattern: &str, host: &str) -> bool {
    let (mut wanted, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (wanted.next(), labels.next()) {
            (None, None) => return true,
            (Some(wanted), Some(label)) if wanted == "*" || wanted.eq_ignore_ascii_case(label) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fit(scope: &str, url: &str) -> Option<Fit> {
        let mut url = url::Url::parse(url).unwrap();
        let user = Some(url.username().to_owned()).filter(|user| !user.is_empty());
        url.set_username("").unwrap();
        Scope::parse(scope)?.fit(&url, user.as_deref())
    }

    /// As `git config --get-urlmatch` says.
    #[test]
    fn what_an_entry_is_for() {
        for (scope, url) in [
            ("https://git.example.com", "https://git.example.com/a/b.git"),
            ("https://GIT.example.com/", "https://git.example.com/a"),
            ("https://git.example.com:443/a/", "https://git.example.com/a"),
            ("https://*.example.com", "https://git.example.com/a"),
            ("https://*.example.com/", "https://git.example.com/a"),
            ("https://git.*.com", "https://git.example.com/a"),
            ("https://*.example.com:8443/a", "https://git.example.com:8443/a/b"),
            ("https://bot@git.example.com", "https://bot@git.example.com/a"),
            ("https://git.example.com", "https://bot@git.example.com/a"),
        ] {
            assert!(fit(scope, url).is_some(), "{scope} {url}");
        }
        for (scope, url) in [
            ("http://git.example.com", "https://git.example.com/a"),
            ("https://git.example.com:8443", "https://git.example.com/a"),
            ("https://git.example.com/a", "https://git.example.com/ab"),
            ("https://*.example.com", "https://example.com/a"),
            ("https://*.example.com", "https://a.b.example.com/a"),
            ("https://*", "https://git.example.com/a"),
            ("https://g*.example.com", "https://git.example.com/a"),
            ("https://*.example.com", "https://git.example.com.evil.io/a"),
            ("https://bot@git.example.com", "https://git.example.com/a"),
            ("https://bot@git.example.com", "https://ada@git.example.com/a"),
            ("git.example.com", "https://git.example.com/a"),
        ] {
            assert_eq!(fit(scope, url), None, "{scope} {url}");
        }
    }

    #[test]
    fn what_fits_better() {
        let url = "https://bot@git.example.com/a/b";
        let worse_to_better = [
            "https://*.example.com",
            "https://*.example.com/a/b",
            "https://git.example.com",
            "https://bot@git.example.com",
            "https://git.example.com/a",
            "https://bot@git.example.com/a/b",
        ];
        let fits: Vec<Fit> = worse_to_better.iter().map(|scope| fit(scope, url).unwrap()).collect();
        assert!(fits.is_sorted_by(|a, b| a < b), "{fits:?}");
        assert!(Fit::default() < fits[0]);
    }
}
