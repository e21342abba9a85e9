//! Which login an HTTP remote gets, and what is tried after a 401.
//!
//! A configured login is sent at once and is the only one. Without one, in this order and each only when the remote asks:
//! the login inside the URL (sent at once), `TAGWRIGHT_GIT_TOKEN` with `TAGWRIGHT_GIT_USERNAME` (without it the URL's user
//! name, or else `x-access-token`, which every large forge accepts beside a token), and git's credential helpers. What
//! worked is remembered for the same repository, so that it is sent at once from then on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use access::{self, GitLogin, Login};
use reqwest::header::HeaderValue;
use web::{Trail, basic};

use crate::Shared;
use crate::credential;
use crate::error::Error;
use crate::url::{Url, UserInfo};

/// The user name beside a token where none is given.
const TOKEN_USER: &str = "x-access-token";

/// The most logins remembered; beyond that, all are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// Logins of the machine that worked, by repository.
#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<String, HeaderValue>>);

impl Logins {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, HeaderValue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logins for one operation, one after another.
pub(super) struct Attempts<'a> {
    shared: &'a Shared,
    configured: &'a url::Url,
    userinfo: Option<&'a UserInfo>,
    /// What is sent with the next request.
    current: Option<HeaderValue>,
    helper: Option<(url::Url, Login)>,
    /// Whether `current` is the machine's, which holds for everyone who asks for this repository without a login.
    of_machine: bool,
    left: Vec<Step>,
    tried: Vec<&'static str>,
}

/// What can still be tried, last first.
enum Step {
    Helper,
    Environment,
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
            configured,
            userinfo: remote.userinfo(),
            current: None,
            helper: None,
            of_machine: false,
            left: Vec::new(),
            tried: Vec::new(),
        };
        match &access.login {
            GitLogin::Basic(login) => attempts.set(basic(login), "the configured user name and password"),
            GitLogin::Bearer(token) => attempts.set(bearer(token, remote)?, "the configured bearer token"),
            GitLogin::Ssh(_) => {
                return Err(Error::LoginMismatch { remote: remote.to_string(), login: "an ssh key" });
            }
            GitLogin::Machine => attempts.start_with_machine(),
        }
        Ok(attempts)
    }

    fn start_with_machine(&mut self) {
        self.left = vec![Step::Helper, Step::Environment];
        let remembered = self.shared.logins.lock().get(self.configured.as_str()).cloned();
        if let Some(remembered) = remembered {
            self.current = Some(remembered);
            return;
        }
        if let Some(UserInfo { username, password: Some(password) }) = self.userinfo {
            let login = Login { username: username.clone(), password: password.clone() };
            self.set(basic(&login), "the user name and password of the URL");
        }
    }

    /// The header for requests to the configured place.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.current.as_ref()
    }

    /// Returns in words what was tried so far.
    pub(super) fn tried(&self) -> String {
        match self.tried.is_empty() {
            true => "no login".to_owned(),
            false => self.tried.join(", then "),
        }
    }

    /// Prepares the next login after a 401 from where a trail has led; false when there is none left.
    pub(super) async fn next(&mut self, trail: &Trail) -> Result<bool, Error> {
        self.shared.logins.lock().remove(self.configured.as_str());
        if let Some((url, login)) = self.helper.take() {
            credential::reject(&self.shared.settings, &url, &login).await;
        }
        if !trail.is_home() {
            self.tried.push("no login, because it redirects to another host");
            return Ok(false);
        }
        while let Some(step) = self.left.pop() {
            let found = match step {
                Step::Environment => self.try_environment(),
                Step::Helper => self.try_helper(trail.at()).await,
            };
            if found {
                self.of_machine = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn try_environment(&mut self) -> bool {
        let settings = &self.shared.settings;
        let Some(token) = settings.text("TAGWRIGHT_GIT_TOKEN") else { return false };
        let username = settings.text("TAGWRIGHT_GIT_USERNAME").or(self.userinfo.map(|user| user.username.as_str()));
        let login = Login { username: username.unwrap_or(TOKEN_USER).to_owned(), password: token.into() };
        self.set(basic(&login), "TAGWRIGHT_GIT_TOKEN");
        true
    }

    async fn try_helper(&mut self, place: &url::Url) -> bool {
        let username = self.userinfo.map(|user| user.username.as_str());
        match credential::fill(&self.shared.settings, place, username).await {
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
            logins.insert(self.configured.to_string(), header.clone());
        }
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
