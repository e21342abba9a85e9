//! What git's own configuration says about URLs.
//!
//! Read once, without running git: the system file (`GIT_CONFIG_SYSTEM`, `GIT_CONFIG_NOSYSTEM`), the user's files
//! (`GIT_CONFIG_GLOBAL`, or `$XDG_CONFIG_HOME/git/config` and `~/.gitconfig`), with their includes, and then
//! `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_<n>`, `GIT_CONFIG_VALUE_<n>`. A repository's own configuration is never read, whatever
//! the current folder is.
//!
//! Obeyed are `url.<base>.insteadOf`, `url.<base>.pushInsteadOf`, `core.sshCommand`, and `http.proxy`, `http.sslCAInfo`,
//! `http.sslCert`, `http.sslKey` and `http.extraHeader`, these also as `http.<url>.*`. The best match wins ([`scope`]), and among
//! equals the last one. `GIT_SSL_CAINFO`, `GIT_SSL_CERT` and `GIT_SSL_KEY` win over all of them, and `GIT_SSH_COMMAND` over
//! `core.sshCommand`. What is not obeyed is listed in the documents (`docs/reference/secrets.md`).

mod scope;

use std::path::{Path, PathBuf};

use self::scope::{Fit, Scope};
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
    /// What `core.sshCommand` says.
    ssh_command: Option<String>,
    home: Option<PathBuf>,
}

/// A remote over HTTP, as entries are chosen for it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its URL, without user and password.
    pub(super) url: &'a url::Url,
    /// The user that it names.
    pub(super) user: Option<&'a str>,
}

struct Rewrite {
    prefix: String,
    base: String,
}

struct HttpRule {
    /// Where the rule holds; everywhere when absent.
    scope: Option<Scope>,
    key: HttpKey,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HttpKey {
    Proxy,
    CaInfo,
    Cert,
    Key,
    ExtraHeader,
}

impl Rules {
    /// Reads the configuration that `settings` point to.
    ///
    /// # Errors
    ///
    /// [`Error::Rules`] when a file cannot be read or parsed, as git itself would refuse to run.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let mut rules = Self { home: settings.home().map(Path::to_owned), ..Self::default() };
        for path in files(settings).into_iter().filter(|path| path.is_file()) {
            rules.add_file(&path).map_err(|source| Error::Rules { path: Some(path), source })?;
        }
        rules.add_environment(settings);
        rules.ssh_command = settings.text("GIT_SSH_COMMAND").map(str::to_owned).or(rules.ssh_command);
        rules.overrule(settings);
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

    /// Takes in the variables that win over every entry.
    fn overrule(&mut self, settings: &Settings) {
        for (name, key) in
            [("GIT_SSL_CAINFO", HttpKey::CaInfo), ("GIT_SSL_CERT", HttpKey::Cert), ("GIT_SSL_KEY", HttpKey::Key)]
        {
            if let Some(value) = settings.text(name) {
                self.http.retain(|rule| rule.key != key);
                self.add_http(None, key, value);
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
            ("core", "sshcommand", None) => self.ssh_command = Some(value.to_owned()).filter(|value| !value.is_empty()),
            ("http", "sslcert", scope) => self.add_http(scope, HttpKey::Cert, value),
            ("http", "sslkey", scope) => self.add_http(scope, HttpKey::Key, value),
            ("http", "proxy", scope) => self.add_http(scope, HttpKey::Proxy, value),
            ("http", "sslcainfo", scope) => self.add_http(scope, HttpKey::CaInfo, value),
            ("http", "extraheader", scope) => self.add_http(scope, HttpKey::ExtraHeader, value),
            _ => {}
        }
    }

    fn add_http(&mut self, scope: Option<&str>, key: HttpKey, value: &str) {
        let scope = match scope.map(Scope::parse) {
            None => None,
            Some(Some(scope)) => Some(scope),
            Some(None) => return,
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
    pub(super) fn proxy(&self, place: Place<'_>) -> Option<&str> {
        self.best(place, HttpKey::Proxy)
    }

    /// Returns the file with the authorities to trust.
    pub(super) fn ca_info(&self, place: Place<'_>) -> Option<PathBuf> {
        self.file(place, HttpKey::CaInfo)
    }

    /// Returns the files with the client's certificate and its key, which may be one file.
    pub(super) fn client_certificate(&self, place: Place<'_>) -> Option<(PathBuf, PathBuf)> {
        let certificate = self.file(place, HttpKey::Cert)?;
        let key = self.file(place, HttpKey::Key).unwrap_or_else(|| certificate.clone());
        Some((certificate, key))
    }

    /// Returns the command that replaces `ssh`, which a shell reads.
    pub(super) fn ssh_command(&self) -> Option<&str> {
        self.ssh_command.as_deref()
    }

    /// Returns all `name: value` headers; an empty entry forgets those before it.
    pub(super) fn extra_headers(&self, place: Place<'_>) -> Vec<&str> {
        let mut headers = Vec::new();
        for value in self.matching(place, HttpKey::ExtraHeader) {
            match value {
                "" => headers.clear(),
                value => headers.push(value),
            }
        }
        headers
    }

    fn best(&self, place: Place<'_>, key: HttpKey) -> Option<&str> {
        self.matching(place, key).last()
    }

    fn file(&self, place: Place<'_>, key: HttpKey) -> Option<PathBuf> {
        let path = self.best(place, key).filter(|path| !path.is_empty())?;
        Some(match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        })
    }

    /// The values that count, in their order: of what applies, git passes over what fits worse than something before it.
    fn matching<'s>(&'s self, place: Place<'_>, key: HttpKey) -> impl Iterator<Item = &'s str> {
        let mut best = Fit::default();
        let applies = move |rule: &&HttpRule| match rule.fit(place).filter(|fit| rule.key == key && *fit >= best) {
            Some(fit) => {
                best = fit;
                true
            }
            None => false,
        };
        self.http.iter().filter(applies).map(|rule| rule.value.as_str())
    }
}

impl HttpRule {
    fn fit(&self, place: Place<'_>) -> Option<Fit> {
        self.scope.as_ref().map_or(Some(Fit::default()), |scope| scope.fit(place.url, place.user))
    }
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
        let at = |url: &str| url::Url::parse(url).unwrap();
        let proxy = |url: &str| rules.proxy(Place { url: &at(url), user: None }).map(str::to_owned);
        assert_eq!(proxy("https://other/x").as_deref(), Some("http://everywhere:1"));
        assert_eq!(proxy("https://git.example.com/x").as_deref(), Some("http://host:2"));
        assert_eq!(proxy("https://git.example.com/acme/x").as_deref(), Some("http://path:3"));
        assert_eq!(proxy("https://git.example.com/acmex").as_deref(), Some("http://host:2"));
        assert_eq!(proxy("http://git.example.com/acme/x").as_deref(), Some("http://everywhere:1"));
        let headers = |url: &str| rules.extra_headers(Place { url: &at(url), user: None }).len();
        assert_eq!(headers("https://git.example.com/x"), 2);
        assert_eq!(headers("https://git.example.com/acme/x"), 0);
        assert_eq!(headers("https://elsewhere/x"), 0);
    }

    #[test]
    fn what_fits_worse_than_something_before_it_is_passed_over() {
        let url = url::Url::parse("https://git.example.com/x").unwrap();
        let place = Place { url: &url, user: None };
        let (wide, close) = (("http.extraHeader", "A: 1"), ("http.https://*.example.com.extraHeader", "B: 2"));
        assert_eq!(rules(&[wide, close]).extra_headers(place), ["A: 1", "B: 2"]);
        assert_eq!(rules(&[close, wide]).extra_headers(place), ["B: 2"]);
    }

    #[test]
    fn files_and_commands_come_from_the_configuration_and_from_variables() {
        let url = url::Url::parse("https://git.example.com/x").unwrap();
        let place = Place { url: &url, user: None };
        let mut rules = rules(&[
            ("http.sslCert", "~/c.pem"),
            ("http.https://git.example.com.sslCAInfo", "/ca.pem"),
            ("core.sshCommand", "ssh -v"),
        ]);
        rules.home = Some("/home/me".into());
        assert_eq!(rules.client_certificate(place), Some(("/home/me/c.pem".into(), "/home/me/c.pem".into())));
        assert_eq!(rules.ssh_command(), Some("ssh -v"));
        let mut settings = Settings::of_machine("/nonexistent");
        settings.environment =
            [("GIT_SSL_CAINFO", "/other.pem"), ("GIT_SSL_KEY", "~/k.pem")].map(|(k, v)| (k.into(), v.into())).into();
        rules.overrule(&settings);
        assert_eq!(rules.ca_info(place), Some("/other.pem".into()));
        assert_eq!(rules.client_certificate(place), Some(("/home/me/c.pem".into(), "/home/me/k.pem".into())));
    }
}
