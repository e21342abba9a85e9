//! What git's own configuration says about URLs.
//!
//! Read once, without running git: the system file (`GIT_CONFIG_SYSTEM`, `GIT_CONFIG_NOSYSTEM`), the user's files
//! (`GIT_CONFIG_GLOBAL`, or `$XDG_CONFIG_HOME/git/config` and `~/.gitconfig`), with their includes, and then
//! `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_<n>`, `GIT_CONFIG_VALUE_<n>`. A repository's own configuration is never read, whatever
//! the current folder is.
//!
//! Obeyed are `url.<base>.insteadOf`, `url.<base>.pushInsteadOf`, `http.proxy`, `http.sslCAInfo` and `http.extraHeader`, the
//! last three also as `http.<url>.*`. The longest match wins, and among equals the last one.

use std::path::{Path, PathBuf};

use web::authority;

use super::error::Error;
use super::settings::Settings;

/// How many entries `GIT_CONFIG_COUNT` may announce.
const MAX_ENTRIES: usize = 10_000;

/// The parts of git's configuration that are obeyed.
#[derive(Default)]
pub(super) struct Rules {
    instead_of: Vec<Rewrite>,
    push_instead_of: Vec<Rewrite>,
    http: Vec<HttpRule>,
}

struct Rewrite {
    prefix: String,
    base: String,
}

struct HttpRule {
    /// Where the rule holds; everywhere when absent.
    scope: Option<url::Url>,
    key: HttpKey,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HttpKey {
    Proxy,
    CaInfo,
    ExtraHeader,
}

impl Rules {
    /// Reads the configuration that `settings` point to.
    ///
    /// # Errors
    ///
    /// [`Error::Rules`] when a file cannot be read or parsed, as git itself would refuse to run.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let mut rules = Self::default();
        for path in files(settings).into_iter().filter(|path| path.is_file()) {
            rules.add_file(&path).map_err(|source| Error::Rules { path: Some(path), source })?;
        }
        rules.add_environment(settings);
        Ok(rules)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), git2::Error> {
        let config = git2::Config::open(path)?;
        let mut entries = config.entries(None)?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if !entry.has_value() {
                continue;
            }
            if let (Ok(name), Ok(value)) = (entry.name(), entry.value()) {
                self.add(name, value);
            }
        }
        Ok(())
    }

    fn add_environment(&mut self, settings: &Settings) {
        let count = settings.text("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0usize);
        for n in 0..count.min(MAX_ENTRIES) {
            let key = settings.text(&format!("GIT_CONFIG_KEY_{n}"));
            let value = settings.text(&format!("GIT_CONFIG_VALUE_{n}")).unwrap_or_default();
            if let Some(key) = key {
                self.add(key, value);
            }
        }
    }

    /// Takes in one entry: section and key in any case, the middle as written.
    fn add(&mut self, name: &str, value: &str) {
        let Some((section, rest)) = name.split_once('.') else { return };
        let (middle, key) = match rest.rsplit_once('.') {
            Some((middle, key)) => (Some(middle), key),
            None => (None, rest),
        };
        match (section.to_ascii_lowercase().as_str(), key.to_ascii_lowercase().as_str(), middle) {
            ("url", "insteadof", Some(base)) => push_rewrite(&mut self.instead_of, base, value),
            ("url", "pushinsteadof", Some(base)) => push_rewrite(&mut self.push_instead_of, base, value),
            ("http", "proxy", scope) => self.add_http(scope, HttpKey::Proxy, value),
            ("http", "sslcainfo", scope) => self.add_http(scope, HttpKey::CaInfo, value),
            ("http", "extraheader", scope) => self.add_http(scope, HttpKey::ExtraHeader, value),
            _ => {}
        }
    }

    fn add_http(&mut self, scope: Option<&str>, key: HttpKey, value: &str) {
        let scope = match scope.map(url::Url::parse) {
            None => None,
            Some(Ok(url)) => Some(url),
            Some(Err(_)) => return,
        };
        self.http.push(HttpRule { scope, key, value: value.to_owned() });
    }

    /// Returns the URL to fetch from.
    pub(super) fn fetch_url(&self, url: &str) -> String {
        rewrite(&self.instead_of, url).unwrap_or_else(|| url.to_owned())
    }

    /// Returns the URL to push to: `pushInsteadOf` where one matches, otherwise `insteadOf`.
    pub(super) fn push_url(&self, url: &str) -> String {
        rewrite(&self.push_instead_of, url).unwrap_or_else(|| self.fetch_url(url))
    }

    /// Returns the proxy; an empty one means none.
    pub(super) fn proxy(&self, url: &url::Url) -> Option<&str> {
        self.best(url, HttpKey::Proxy)
    }

    /// Returns the file with the authorities to trust.
    pub(super) fn ca_info(&self, url: &url::Url) -> Option<PathBuf> {
        self.best(url, HttpKey::CaInfo).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Returns all `name: value` headers; an empty entry forgets those before it.
    pub(super) fn extra_headers(&self, url: &url::Url) -> Vec<&str> {
        let mut headers = Vec::new();
        for rule in self.matching(url, HttpKey::ExtraHeader) {
            match rule.value.as_str() {
                "" => headers.clear(),
                value => headers.push(value),
            }
        }
        headers
    }

    fn best(&self, url: &url::Url, key: HttpKey) -> Option<&str> {
        // `max_by_key` keeps the last of equals, which is git's rule.
        self.matching(url, key).max_by_key(|rule| rule.specificity()).map(|rule| rule.value.as_str())
    }

    fn matching<'s>(&'s self, url: &url::Url, key: HttpKey) -> impl Iterator<Item = &'s HttpRule> {
        self.http
            .iter()
            .filter(move |rule| rule.key == key && rule.scope.as_ref().is_none_or(|scope| covers(scope, url)))
    }
}

impl HttpRule {
    fn specificity(&self) -> usize {
        self.scope.as_ref().map_or(0, |scope| 1 + scope.path().trim_end_matches('/').len())
    }
}

fn covers(scope: &url::Url, url: &url::Url) -> bool {
    let path = scope.path().trim_end_matches('/');
    let beneath = url.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    scope.scheme() == url.scheme() && authority(scope) == authority(url) && beneath
}

fn push_rewrite(rewrites: &mut Vec<Rewrite>, base: &str, prefix: &str) {
    if !prefix.is_empty() {
        rewrites.push(Rewrite { prefix: prefix.to_owned(), base: base.to_owned() });
    }
}

fn rewrite(rewrites: &[Rewrite], url: &str) -> Option<String> {
    let best = rewrites
        .iter()
        .filter(|rewrite| url.starts_with(&rewrite.prefix))
        .max_by_key(|rewrite| rewrite.prefix.len())?;
    Some(format!("{}{}", best.base, &url[best.prefix.len()..]))
}

fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let no_system =
        settings.text("GIT_CONFIG_NOSYSTEM").is_some_and(|value| !matches!(value, "0" | "false" | "no" | "off"));
    if !no_system {
        files
            .push(settings.variable("GIT_CONFIG_SYSTEM").map_or_else(|| settings.system_config.clone(), PathBuf::from));
    }
    match settings.variable("GIT_CONFIG_GLOBAL") {
        Some(global) => files.push(PathBuf::from(global)),
        None => {
            let xdg = settings.variable("XDG_CONFIG_HOME").map(PathBuf::from);
            let xdg = xdg.or_else(|| settings.home().map(|home| home.join(".config")));
            files.extend(xdg.map(|xdg| xdg.join("git/config")));
            files.extend(settings.home().map(|home| home.join(".gitconfig")));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rules(entries: &[(&str, &str)]) -> Rules {
        let mut rules = Rules::default();
        entries.iter().for_each(|(name, value)| rules.add(name, value));
        rules
    }

    #[test]
    fn the_longest_rewrite_wins() {
        let rules = rules(&[
            ("url.https://mirror/.insteadOf", "https://github.com/"),
            ("url.https://acme.example/.insteadof", "https://github.com/acme/"),
            ("URL.ssh://git@github.com/.pushInsteadOf", "https://github.com/acme/"),
            ("url.https://never/.insteadof", ""),
        ]);
        assert_eq!(rules.fetch_url("https://github.com/x/y.git"), "https://mirror/x/y.git");
        assert_eq!(rules.fetch_url("https://github.com/acme/y.git"), "https://acme.example/y.git");
        assert_eq!(rules.push_url("https://github.com/acme/y.git"), "ssh://git@github.com/y.git");
        assert_eq!(rules.push_url("https://github.com/x/y.git"), "https://mirror/x/y.git");
        assert_eq!(rules.fetch_url("https://gitlab.com/x"), "https://gitlab.com/x");
    }

    #[test]
    fn http_settings_belong_to_places() {
        let rules = rules(&[
            ("http.proxy", "http://everywhere:1"),
            ("http.https://git.example.com.proxy", "http://host:2"),
            ("http.https://git.example.com/acme.proxy", "http://path:3"),
            ("http.https://git.example.com/.extraheader", "AUTHORIZATION: basic eA=="),
            ("http.https://git.example.com/.extraheader", "X-Second: 2"),
            ("http.https://git.example.com/acme.extraHeader", ""),
        ]);
        let proxy = |url: &str| rules.proxy(&url::Url::parse(url).unwrap()).map(str::to_owned);
        assert_eq!(proxy("https://other/x").as_deref(), Some("http://everywhere:1"));
        assert_eq!(proxy("https://git.example.com/x").as_deref(), Some("http://host:2"));
        assert_eq!(proxy("https://git.example.com/acme/x").as_deref(), Some("http://path:3"));
        assert_eq!(proxy("https://git.example.com/acmex").as_deref(), Some("http://host:2"));
        assert_eq!(proxy("http://git.example.com/acme/x").as_deref(), Some("http://everywhere:1"));
        let headers = |url: &str| rules.extra_headers(&url::Url::parse(url).unwrap()).len();
        assert_eq!(headers("https://git.example.com/x"), 2);
        assert_eq!(headers("https://git.example.com/acme/x"), 0);
        assert_eq!(headers("https://elsewhere/x"), 0);
    }
}
