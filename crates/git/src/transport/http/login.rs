//! Which login an HTTP remote gets, and what is tried after a 401.
//!
//! A configured login is sent at once and is the only one. Without one, in this order and each only when the remote asks:
//! the login inside the URL (sent at once), `TAGWRIGHT_GIT_TOKEN` with `TAGWRIGHT_GIT_USERNAME` (without it the URL's user
//! name, or else `x-access-token`, which every large forge accepts beside a token) to the hosts that it is for, git's
//! credential helpers, and a user name of the URL alone. What worked is remembered for the same repository, so that it is sent at once from then on.
//!
//! What would be sent at once waits for a 401 where it would go over plain HTTP beyond this machine: a server that only
//! redirects to HTTPS, as most do, never sees it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use access::{self, ExposeSecret as _, GitLogin, Login};
use reqwest::header::HeaderValue;
use web::{Trail, basic, is_loopback};

use crate::Shared;
use crate::credential;
use crate::error::Error;
use crate::token::{self, Verdict};
use crate::url::{Url, UserInfo};

/// The user name beside a token where none is given.
const TOKEN_USER: &str = "x-access-token";

/// From this length on a user name is taken for a token.
const MIN_TOKEN: usize = 20;

/// The most logins remembered; beyond that, all are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// Logins of the machine that worked, by repository.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<String, Remembered>>);

#[derive(Clone)]
struct Remembered {
    header: HeaderValue,
    /// Where it worked: the repository's URL after redirects.
    place: url::Url,
}

impl Logins {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logins for one operation, one after another.
pub(super) struct Attempts<'a> {
    shared: &'a Shared,
    remote: &'a Url,
    configured: &'a url::Url,
    /// Where the next request begins.
    start: url::Url,
    userinfo: Option<&'a UserInfo>,
    /// The user name of the URL.
    username: Option<String>,
    /// What is sent with the next request.
    current: Option<HeaderValue>,
    helper: Option<(url::Url, Login)>,
    /// Whether `current` is the machine's, which holds for everyone who asks for this repository without a login.
    of_machine: bool,
    left: Vec<Step>,
    tried: Vec<&'static str>,
    /// Why the token of the environment was not among them.
    withheld: Option<Verdict>,
}

/// What can still be tried, last first.
enum Step {
    Helper,
    Environment,
    /// What would have been sent at once, and its name.
    Waiting(HeaderValue, &'static str),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        access: &'a access::Git,
        remote: &'a Url,
        configured: &'a url::Url,
    ) -> Result<Self, Error> {
        let mut attempts = Self {
            shared,
            remote,
            configured,
            start: configured.clone(),
            userinfo: remote.userinfo(),
            username: remote.userinfo().map(|user| user.username.clone()),
            current: None,
            helper: None,
            of_machine: false,
            left: Vec::new(),
            tried: Vec::new(),
            withheld: None,
        };
        attempts.remember(access);
        match &access.login {
            GitLogin::Basic(login) => attempts.begin_with(basic(login), "the configured user name and password"),
            GitLogin::Bearer(token) => attempts.begin_with(bearer(token, remote)?, "the configured bearer token"),
            GitLogin::Ssh(_) => {
                return Err(Error::LoginMismatch { remote: remote.to_string(), login: "an ssh key" });
            }
            GitLogin::Machine => attempts.start_with_machine(),
            GitLogin::User(name) => {
                attempts.username = Some(name.expose_secret().to_owned());
                attempts.start_with_machine();
            }
        }
        Ok(attempts)
    }

    /// Notes what is secret before it is sent: the server may know it from a process before, and repeat it.
    fn remember(&self, access: &access::Git) {
        let sent = &self.shared.sent;
        match &access.login {
            GitLogin::Basic(login) => sent.remember_login(login),
            GitLogin::Bearer(token) => sent.remember_secret(token.expose_secret()),
            // A user name alone may be a token, and is one where it is long.
            GitLogin::User(name) if name.expose_secret().len() >= MIN_TOKEN => {
                sent.remember_secret(name.expose_secret());
            }
            GitLogin::User(_) | GitLogin::Ssh(_) | GitLogin::Machine => {}
        }
        let in_url = self.userinfo.and_then(|user| user.password.as_ref()).map(|password| password.expose_secret());
        [in_url, self.shared.settings.text(token::TOKEN)]
            .into_iter()
            .flatten()
            .for_each(|secret| sent.remember_secret(secret));
    }

    fn start_with_machine(&mut self) {
        self.left = vec![Step::Helper, Step::Environment];
        let has_password = self.userinfo.is_some_and(|user| user.password.is_some());
        if let Some(username) = self.username.clone().filter(|_| !has_password) {
            let alone = basic(&Login { username, password: String::new().into() });
            self.left.insert(0, Step::Waiting(alone, "the user name of the URL alone"));
        }
        let remembered = self.shared.logins.lock().get(&self.key()).cloned();
        if let Some(Remembered { header, place }) = remembered {
            (self.current, self.start) = (Some(header), place);
            return;
        }
        if let Some(UserInfo { username, password: Some(password) }) = self.userinfo {
            let login = Login { username: username.clone(), password: password.clone() };
            self.begin_with(basic(&login), "the user name and password of the URL");
        }
    }

    /// Sends a login at once, or waits until somebody asks.
    fn begin_with(&mut self, header: HeaderValue, name: &'static str) {
        match self.configured.scheme() == "https" || is_loopback(self.configured) {
            true => self.set(header, name),
            false => self.left.push(Step::Waiting(header, name)),
        }
    }

    /// Where the next request begins: the configured place, or where it has led to on the same host.
    pub(super) const fn start(&self) -> &url::Url {
        &self.start
    }

    /// The header for requests to the configured place.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.current.as_ref()
    }

    /// Returns in words what was tried so far.
    pub(super) fn tried(&self) -> String {
        let tried = match self.tried.is_empty() {
            true => "no login".to_owned(),
            false => self.tried.join(", then "),
        };
        match &self.withheld {
            Some(Verdict::Stays(reason)) => format!("{tried} ({reason})"),
            _ => tried,
        }
    }

    /// Prepares the next login after a 401 from where a trail has led; false when there is none left.
    pub(super) async fn next(&mut self, trail: &Trail) -> Result<bool, Error> {
        self.shared.logins.lock().remove(&self.key());
        if let Some((url, login)) = self.helper.take() {
            credential::reject(&self.shared.settings, &url, &login).await;
        }
        if !trail.is_home() {
            self.tried.push("no login, because it redirects to another host");
            return Ok(false);
        }
        // From http to https there is no way back for a login.
        self.start = trail.at().clone();
        while let Some(step) = self.left.pop() {
            let found = match step {
                Step::Waiting(header, name) => {
                    self.set(header, name);
                    return Ok(true);
                }
                Step::Environment => self.try_environment(),
                Step::Helper => self.try_helper(trail.at()).await,
            };
            if found {
                self.of_machine = true;
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

    fn try_environment(&mut self) -> bool {
        let settings = &self.shared.settings;
        let Some(token) = settings.text(token::TOKEN) else { return false };
        match self.shared.token_hosts.judge(settings, &self.start) {
            Verdict::Goes => {}
            verdict => {
                self.withheld = Some(verdict);
                return false;
            }
        }
        let username = settings.text("TAGWRIGHT_GIT_USERNAME").or(self.username.as_deref());
        let login = Login { username: username.unwrap_or(TOKEN_USER).to_owned(), password: token.into() };
        self.set(basic(&login), "TAGWRIGHT_GIT_TOKEN");
        true
    }

    async fn try_helper(&mut self, place: &url::Url) -> bool {
        match credential::fill(&self.shared.settings, place, self.username.as_deref()).await {
            Some(login) => {
                self.set(basic(&login), "git's credential helpers");
                self.helper = Some((place.clone(), login));
                true
            }
            None => false,
        }
    }

    /// Remembers what worked.
    pub(super) async fn worked(&mut self) {
        if let Some((url, login)) = self.helper.take() {
            credential::approve(&self.shared.settings, &url, &login).await;
        }
        if let (Some(header), true) = (&self.current, self.of_machine) {
            let mut logins = self.shared.logins.lock();
            if logins.len() >= MAX_REMEMBERED {
                logins.clear();
            }
            let remembered = Remembered { header: header.clone(), place: self.start.clone() };
            logins.insert(self.key(), remembered);
        }
    }

    /// What a login of the machine is remembered by: the repository, for one user name.
    fn key(&self) -> String {
        format!("{} {}", self.configured, self.username.as_deref().unwrap_or_default())
    }

    fn set(&mut self, header: HeaderValue, name: &'static str) {
        self.current = Some(header);
        self.tried.push(name);
    }
}

fn bearer(token: &access::Secret, remote: &Url) -> Result<HeaderValue, Error> {
    web::bearer(token).ok_or_else(|| Error::LoginMismatch {
        remote: remote.to_string(),
        login: "a bearer token that has control characters",
    })
}
