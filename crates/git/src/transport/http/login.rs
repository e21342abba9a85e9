//! Which login an HTTP remote gets, and what is tried after a refusal.
//!
//! A configured login is sent at once and is the only one. Without one, in this order and each only when the remote asks:
//! the login inside the URL (sent at once), `TAGWRIGHT_GIT_TOKEN` with `TAGWRIGHT_GIT_USERNAME` (without it the URL's user
//! name, or else the one that the host wants beside a token) to the hosts that it is for, `~/.netrc`, git's credential helpers, and a
//! user name of the URL alone. What worked is remembered for the same repository, so that it is sent at once from then on.
//!
//! What is remembered is forgotten at any refusal. Passwords end, and what an ended one is answered with is the host's own affair:
//! 401 as a rule, 403 at AWS CodeCommit, a page to sign in at Azure DevOps. Where it came from something that may know another
//! one by now, that is asked once more.
//!
//! What would be sent at once waits for a 401 where it would go over plain HTTP beyond this machine: a server that only
//! redirects to HTTPS, as most do, never sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::{self, ExposeSecret as _, GitLogin, Login};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use web::{basic, is_loopback, words};

use crate::Shared;
use crate::credential;
use crate::error::Error;
use crate::netrc;
use crate::rules::Place;
use crate::token::{self, Verdict};
use crate::url::{Url, UserInfo};

use super::provider::Given;

/// From this length on a user name is taken for a token.
const MIN_TOKEN: usize = 20;

/// From this length on, the value of a header of git's configuration may be a secret.
const MIN_SECRET_HEADER: usize = 12;

/// The most logins remembered; beyond that, all are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// Logins of the machine that worked, by repository.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<String, Remembered>>);

#[derive(Clone)]
struct Remembered {
    proof: Proof,
    /// Where it worked: the repository's URL after redirects.
    place: url::Url,
}

impl Logins {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A login as it is sent.
#[derive(Clone)]
struct Proof {
    header: HeaderValue,
    /// What it is called in a message; nothing in it is secret.
    name: String,
    source: Source,
}

/// Where a login comes from.
#[derive(Clone)]
enum Source {
    /// The configuration or the URL, which are for this remote alone.
    Given,
    /// The environment.
    Environment,
    /// The file.
    Netrc,
    /// A helper, which is told whether it worked.
    Helper(url::Url, Login),
}

/// What a server's refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It wants a login, or another one.
    Unknown,
    /// It knows who asks, and says no all the same.
    Lacking,
    /// It has no such repository, or does not show it.
    Absent,
}

/// The logins for one operation, one after another.
pub(super) struct Attempts {
    shared: Arc<Shared>,
    remote: Url,
    configured: url::Url,
    /// Where the next request begins.
    start: url::Url,
    /// The user name of the URL.
    username: Option<String>,
    /// What is sent with the next request.
    current: Option<Proof>,
    /// Whether `current` is known from an operation before.
    is_remembered: bool,
    left: Vec<Step>,
    tried: Vec<Proof>,
    /// Why the token of the environment was not among them.
    withheld: Option<Verdict>,
    /// Whether a refusal came from a host that gets no login.
    is_away: bool,
    /// What the login was given out as, to be forgotten where it is refused.
    granted: Option<cloud::Granted<()>>,
}

/// What can still be tried, last first.
enum Step {
    Helper,
    Netrc,
    Environment,
    /// What would have been sent at once.
    Waiting(Proof),
}

impl Attempts {
    pub(super) fn new(
        shared: &Arc<Shared>,
        access: &access::Git,
        remote: &Url,
        configured: &url::Url,
    ) -> Result<Self, Error> {
        Self::named(shared, access, remote, configured, None)
    }

    /// The one login that a provider has given out.
    pub(super) fn given(
        shared: &Arc<Shared>,
        given: &Given,
        remote: &Url,
        configured: &url::Url,
    ) -> Result<Self, Error> {
        let attempts = Self::named(shared, &given.access, remote, configured, Some(given.name))?;
        Ok(Self { granted: Some(given.granted.clone()), ..attempts })
    }

    fn named(
        shared: &Arc<Shared>,
        access: &access::Git,
        remote: &Url,
        configured: &url::Url,
        name: Option<&'static str>,
    ) -> Result<Self, Error> {
        let mut attempts = Self {
            shared: Arc::clone(shared),
            remote: remote.clone(),
            configured: configured.clone(),
            start: configured.clone(),
            username: remote.userinfo().map(|user| user.username.clone()),
            current: None,
            is_remembered: false,
            left: Vec::new(),
            tried: Vec::new(),
            withheld: None,
            is_away: false,
            granted: None,
        };
        attempts.note_secrets(access);
        match &access.login {
            GitLogin::Basic(login) => {
                let name = name.unwrap_or("the configured user name and password");
                attempts.begin_with(Proof::of(login, name, Source::Given));
            }
            GitLogin::Bearer(token) => {
                let name = name.unwrap_or("the configured bearer token").to_owned();
                attempts.begin_with(Proof { header: bearer(token, remote)?, name, source: Source::Given });
            }
            GitLogin::Ssh(_) => {
                return Err(Error::LoginMismatch { remote: remote.to_string(), login: "an ssh key" });
            }
            GitLogin::Machine => attempts.start_with_machine(),
            GitLogin::User(name) => {
                attempts.username = Some(name.expose_secret().to_owned());
                attempts.start_with_machine();
            }
            // What a provider gives out stands in its place.
            GitLogin::GithubApp(_) | GitLogin::AzureDevOps(_) | GitLogin::CodeCommit(_) => return Err(Error::Task),
        }
        Ok(attempts)
    }

    /// Notes what is secret before it is sent: the server may know it from a process before, and repeat it.
    fn note_secrets(&self, access: &access::Git) {
        let sent = &self.shared.sent;
        match &access.login {
            GitLogin::Basic(login) => sent.remember_login(login),
            GitLogin::Bearer(token) => sent.remember_secret(token.expose_secret()),
            // A user name alone may be a token, and is one where it is long.
            GitLogin::User(name) if name.expose_secret().len() >= MIN_TOKEN => {
                sent.remember_secret(name.expose_secret());
            }
            GitLogin::User(_) | GitLogin::Ssh(_) | GitLogin::Machine => {}
            GitLogin::GithubApp(_) | GitLogin::AzureDevOps(_) | GitLogin::CodeCommit(_) => {}
        }
        let in_url = self.remote.userinfo().and_then(|user| user.password.as_ref());
        [in_url.map(|password| password.expose_secret()), self.shared.settings.text(token::TOKEN)]
            .into_iter()
            .flatten()
            .for_each(|secret| sent.remember_secret(secret));
    }

    fn start_with_machine(&mut self) {
        self.left = vec![Step::Helper, Step::Netrc, Step::Environment];
        let userinfo = self.remote.userinfo().cloned();
        let has_password = userinfo.as_ref().is_some_and(|user| user.password.is_some());
        if let Some(username) = self.username.clone().filter(|_| !has_password) {
            let alone = Login { username, password: String::new().into() };
            let proof = Proof::of(&alone, "the user name of the URL alone", Source::Given);
            self.left.insert(0, Step::Waiting(proof));
        }
        let remembered = self.shared.logins.lock().get(&self.key()).cloned();
        if let Some(Remembered { proof, place }) = remembered {
            self.start = place;
            self.is_remembered = true;
            self.send(proof);
            return;
        }
        if let Some(UserInfo { username, password: Some(password) }) = userinfo {
            let login = Login { username, password };
            self.begin_with(Proof::of(&login, "the user name and password of the URL", Source::Given));
        }
    }

    /// Sends a login at once, or waits until somebody asks.
    fn begin_with(&mut self, proof: Proof) {
        match is_private_way(&self.configured) {
            true => self.send(proof),
            false => self.left.push(Step::Waiting(proof)),
        }
    }

    /// The remote.
    pub(super) const fn remote(&self) -> &Url {
        &self.remote
    }

    /// The remote, as git's configuration knows it.
    pub(super) fn place(&self) -> Place<'_> {
        Place { url: &self.configured, user: self.username.as_deref() }
    }

    /// Where the next request begins: the configured place, or where it has led to on the same host.
    pub(super) const fn start(&self) -> &url::Url {
        &self.start
    }

    /// The headers of requests to the configured place: those of git's configuration and the login, which wins over an
    /// `Authorization` header among them. They are noted, so that the remote's words never repeat them.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for header in self.shared.rules.extra_headers(self.place()) {
            let Some((name, value)) = header.split_once(':') else { continue };
            if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name.trim()), HeaderValue::try_from(value.trim()))
            {
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        if let Some(proof) = &self.current {
            headers.insert(AUTHORIZATION, proof.header.clone());
        }
        let sent = &self.shared.sent;
        headers.get_all(AUTHORIZATION).into_iter().for_each(|value| sent.remember(value));
        let others = headers.iter().filter(|(name, _)| **name != AUTHORIZATION);
        let others = others.filter_map(|(_, value)| value.to_str().ok());
        others.filter(|value| value.len() >= MIN_SECRET_HEADER).for_each(|value| sent.remember_secret(value));
        headers
    }

    /// Returns in words what was tried so far.
    pub(super) fn tried(&self) -> String {
        let mut names: Vec<&str> = self.tried.iter().map(|proof| proof.name.as_str()).collect();
        if self.is_away {
            names.push("no login, because it redirects to another host");
        }
        let tried = match names.is_empty() {
            true => "no login".to_owned(),
            false => names.join(", then "),
        };
        match &self.withheld {
            Some(Verdict::Stays(reason)) => format!("{tried} ({reason})"),
            _ => tried,
        }
    }

    /// Whether a login was sent to where the last answer came from.
    pub(super) const fn has_sent(&self) -> bool {
        !self.tried.is_empty() && !self.is_away
    }

    /// Prepares the next login after a refusal; false when there is none left. `home` is where it came from, unless that is a
    /// host that gets no login.
    pub(super) async fn next(&mut self, refusal: Refusal, home: Option<&url::Url>) -> Result<bool, Error> {
        self.shared.logins.lock().remove(&self.key());
        let refused = self.current.take();
        if let Some(granted) = self.granted.take() {
            self.shared.settings.cloud.forget(&granted);
        }
        if let (Some(Proof { source: Source::Helper(url, login), .. }), Refusal::Unknown) = (&refused, refusal) {
            credential::reject(&self.shared.settings, url, login).await;
        }
        let Some(home) = home else {
            self.is_away = true;
            return Ok(false);
        };
        // From http to https there is no way back for a login.
        self.start = home.clone();
        // Some hosts ask nobody for a login, and refuse whoever has none, or show a page to sign in.
        let is_cold = refusal == Refusal::Lacking && self.tried.is_empty() && is_private_way(home);
        if refusal != Refusal::Unknown && !is_cold {
            self.ask_the_same_again(refused.as_ref());
        }
        self.is_remembered = false;
        while let Some(step) = self.left.pop() {
            let found = match step {
                Step::Waiting(proof) => Some(proof),
                Step::Environment => self.of_environment(),
                Step::Netrc => self.of_netrc().await,
                Step::Helper => self.of_helper().await,
            };
            // The same again would be refused again.
            if let Some(proof) = found.filter(|proof| !self.tried.iter().any(|tried| tried.header == proof.header)) {
                self.send(proof);
                return Ok(true);
            }
        }
        match self.withheld.take() {
            Some(Verdict::Unclear(hosts)) => Err(Error::TokenHost { remote: self.remote.to_string(), hosts }),
            withheld => {
                self.withheld = withheld;
                Ok(false)
            }
        }
    }

    /// Whoever is known and lacks a right is not asked for somebody else's login. Only what was remembered may have ended, and its
    /// source may know a new one.
    fn ask_the_same_again(&mut self, refused: Option<&Proof>) {
        let source = refused.map(|proof| &proof.source).filter(|_| self.is_remembered);
        self.left.retain(|step| {
            matches!((step, source), (Step::Helper, Some(Source::Helper(..))) | (Step::Netrc, Some(Source::Netrc)))
        });
    }

    fn of_environment(&mut self) -> Option<Proof> {
        let settings = &self.shared.settings;
        let token = settings.text(token::TOKEN)?;
        match self.shared.token_hosts.judge(settings, &self.start) {
            Verdict::Goes => {}
            verdict => {
                self.withheld = Some(verdict);
                return None;
            }
        }
        let username = settings.text(token::USERNAME).or(self.username.as_deref());
        let username = username.unwrap_or_else(|| token::user(&self.start, token)).to_owned();
        let login = Login { username, password: token.into() };
        Some(Proof::of(&login, token::TOKEN, Source::Environment))
    }

    async fn of_netrc(&mut self) -> Option<Proof> {
        let path = self.shared.settings.home()?.join(".netrc");
        let (host, user) = (self.start.host_str()?.to_owned(), self.username.clone());
        let found = tokio::task::spawn_blocking(move || netrc::find(&path, &host, user.as_deref()));
        let login = found.await.ok()??;
        if !is_private_way(&self.start) {
            self.withheld = Some(Verdict::Stays("the login of ~/.netrc does not go over plain HTTP".to_owned()));
            return None;
        }
        Some(Proof::of(&login, "~/.netrc", Source::Netrc))
    }

    async fn of_helper(&self) -> Option<Proof> {
        let login = credential::fill(&self.shared.settings, &self.start, self.username.as_deref()).await?;
        let source = Source::Helper(self.start.clone(), login.clone());
        Some(Proof::of(&login, "git's credential helpers", source))
    }

    /// Remembers what worked.
    pub(super) async fn worked(&mut self) {
        let Some(proof) = &self.current else { return };
        match &proof.source {
            Source::Given => return,
            // It knows that already.
            _ if self.is_remembered => return,
            Source::Environment | Source::Netrc => {}
            Source::Helper(url, login) => credential::approve(&self.shared.settings, url, login).await,
        }
        self.is_remembered = true;
        let mut logins = self.shared.logins.lock();
        if logins.len() >= MAX_REMEMBERED {
            logins.clear();
        }
        logins.insert(self.key(), Remembered { proof: proof.clone(), place: self.start.clone() });
    }

    /// What a login of the machine is remembered by: the repository, for one user name.
    fn key(&self) -> String {
        format!("{} {}", self.configured, self.username.as_deref().unwrap_or_default())
    }

    fn send(&mut self, proof: Proof) {
        self.tried.push(proof.clone());
        self.current = Some(proof);
    }
}

impl Proof {
    /// A user name and a password. The name is told, unless it may be a token.
    fn of(login: &Login, what: &str, source: Source) -> Self {
        let is_token =
            login.username.len() >= MIN_TOKEN || matches!(login.password.expose_secret(), "" | "x-oauth-basic");
        let name = match is_token || login.username.is_empty() {
            true => what.to_owned(),
            false => format!("{what} (user '{}')", words::one_line(&login.username, MIN_TOKEN)),
        };
        Self { header: basic(login), name, source }
    }
}

/// Whether nobody on the way sees what is sent.
fn is_private_way(to: &url::Url) -> bool {
    to.scheme() == "https" || is_loopback(to)
}

fn bearer(token: &access::Secret, remote: &Url) -> Result<HeaderValue, Error> {
    web::bearer(token).ok_or_else(|| Error::LoginMismatch {
        remote: remote.to_string(),
        login: "a bearer token that has control characters",
    })
}
