//! The one place that does I/O: sends a request to a forge, and reads its answer.

use std::time::Duration;

use access::{ExposeSecret as _, Login, Secret};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};
use url::Url;
use web::{Clients, Common, Pauses, Protocol, ProxyChoice, Route, Sent, TlsProblem, Unreachable, show, silence};

use super::error::Error;
use super::limit;
use super::place::{Place, Product};
use super::said::said;
use super::{Forge, MAX_LISTED, Proof, Way};

/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 4 << 20;
/// How long an answer may take, all of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often something is read, and the wait before the second time.
const ATTEMPTS: usize = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Forges, and what is known of how they want to be asked. Clones share nothing.
#[derive(Debug)]
pub struct Forges {
    clients: Clients,
    pauses: Pauses,
    sent: Sent,
}

/// What a forge answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// As messages show whoever was asked.
    pub(crate) url: String,
    pub(crate) status: u16,
    /// JSON; null where there is no body.
    pub(crate) body: Value,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    method: Method,
    url: Url,
    body: Option<Value>,
    /// For messages: `it refuses …`.
    what: &'static str,
    /// Statuses that are answers, beside those of success.
    answers: &'static [u16],
}

impl Default for Forges {
    fn default() -> Self {
        Self::new(Pauses::default())
    }
}

impl Forges {
    /// Creates one, with the hosts that are left alone. Nobody is asked yet.
    #[must_use]
    pub fn new(pauses: Pauses) -> Self {
        let common = Common {
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: ANSWER_TIMEOUT,
            idle_per_host: 2,
        };
        Self { clients: Clients::new(common), pauses, sent: Sent::of_machine() }
    }

    /// The hosts that are left alone.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        self.pauses.clone()
    }

    /// A repository, asked as somebody.
    #[must_use]
    pub fn at<'f>(&'f self, place: &'f Place, proof: &'f Proof, way: Way<'f>) -> Forge<'f> {
        Forge { forges: self, place, proof, way }
    }
}

impl Question {
    pub(crate) fn new(method: Method, url: Url, what: &'static str) -> Self {
        Self { method, url, body: None, what, answers: &[] }
    }

    pub(crate) fn get(url: Url, what: &'static str) -> Self {
        Self::new(Method::GET, url, what)
    }

    pub(crate) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// These statuses are answers, too.
    pub(crate) fn or(self, answers: &'static [u16]) -> Self {
        Self { answers, ..self }
    }

    pub(crate) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }
}

impl Answer {
    /// Whether the status says success.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first item of a list.
    pub(crate) fn items(&self) -> &[Value] {
        self.body.as_array().map_or(&[], Vec::as_slice)
    }

    /// What it says in words.
    pub(crate) fn message(&self) -> String {
        said(&self.body.to_string()).unwrap_or_default()
    }

    pub(crate) fn malformed(&self, lacking: &str) -> Error {
        Error::Malformed { url: self.url.clone(), reason: format!("something without {lacking}") }
    }

    /// An answer that was waited for, and is a refusal after all.
    pub(crate) fn refused(&self, what: &'static str) -> Error {
        let message = Some(self.message()).filter(|message| !message.is_empty());
        Error::Refused { url: self.url.clone(), what, status: self.status, message }
    }
}

impl<'f> Forge<'f> {
    pub(crate) const fn place(&self) -> &'f Place {
        self.place
    }

    /// Asks for page after page of a list, from 1, until one has fewer items than fit; for [`MAX_LISTED`] items at most.
    pub(crate) async fn pages(&self, size: usize, question: impl Fn(&str) -> Question) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        for page in 1..=MAX_LISTED / size {
            let answer = self.ask(question(&page.to_string())).await?;
            let is_last = answer.items().len() < size;
            answers.push(answer);
            if is_last {
                break;
            }
        }
        Ok(answers)
    }

    /// Asks. What only reads is tried again where that may help.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer, Error> {
        let attempts = if question.method == Method::GET { ATTEMPTS } else { 1 };
        let waits = ExponentialBuilder::new().with_min_delay(FIRST_WAIT).with_max_times(attempts - 1).with_jitter();
        let mut waits = waits.build();
        let mut resent = 0;
        loop {
            let error = match self.send(&question, resent).await {
                Err(error @ (Error::Network { .. } | Error::Status { .. })) => error,
                settled => return settled,
            };
            let Some(wait) = waits.next() else { return Err(error) };
            tracing::debug!(wait_ms = wait.as_millis(), %error, "waits before a forge is asked again");
            tokio::time::sleep(wait).await;
            resent += 1;
        }
    }

    async fn send(&self, question: &Question, resent: usize) -> Result<Answer, Error> {
        let url = show(&question.url);
        let forges = self.forges;
        if let Some(pause) = forges.pauses.of(&question.url, Instant::now()) {
            return Err(Error::Paused { url, status: pause.status, left: pause.left(Instant::now()) });
        }
        if question.url.scheme() != "https" && !web::is_loopback(&question.url) {
            let reason = "the token does not go over plain HTTP; write https://".to_owned();
            return Err(Error::Way { url, reason });
        }
        let proxy = match self.way.proxy {
            Some(proxy) => ProxyChoice::Named { address: &proxy.address, login: proxy.login.as_ref() },
            None => ProxyChoice::Environment,
        };
        let authorities = self.way.authority.into_iter().collect();
        let route = Route { authorities, identity: None, proxy, protocol: Protocol::Http1 };
        let unusable = |error: web::Unusable| Error::Way { url: url.clone(), reason: error.to_string() };
        let client = forges.clients.get(&route, &question.url).map_err(unusable)?;
        let mut building = client.request(question.method.clone(), question.url.clone());
        building = building.headers(self.headers(&url)?);
        if let Some(body) = &question.body {
            building = building.json(body);
        }
        let late = |_| Error::Network {
            url: url.clone(),
            why: Unreachable::Otherwise,
            reason: format!("it took longer than {} s", ANSWER_TIMEOUT.as_secs()),
        };
        let span = web::asking(&question.method, &question.url, resent);
        let settle = self.settle(question, &url, building).instrument(span);
        timeout(ANSWER_TIMEOUT, settle).await.map_err(late)?
    }

    async fn settle(&self, question: &Question, url: &str, building: reqwest::RequestBuilder) -> Result<Answer, Error> {
        let sent = &self.forges.sent;
        let fail = |error: reqwest::Error| match TlsProblem::of(&error) {
            Some(problem) => Error::Way { url: url.to_owned(), reason: problem.to_string() },
            None => {
                Error::Network { url: url.to_owned(), why: Unreachable::of(&error), reason: sent.hide(&silence(error)) }
            }
        };
        let span = Span::current();
        let told = |error: reqwest::Error| {
            web::unanswered(&span, &error);
            fail(error)
        };
        let mut response = building.send().await.map_err(told)?;
        let (status, headers) = (response.status(), response.headers().clone());
        web::answered(&span, status.as_u16());
        if status.is_redirection() {
            return Err(Error::Redirect { url: url.to_owned() });
        }
        let malformed = |reason: &str| Error::Malformed { url: url.to_owned(), reason: reason.to_owned() };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(malformed("more than 4 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&body);
        let message = said(&text).map(|message| sent.hide(&message));
        self.heed(&question.url, status, &headers, message.as_deref());
        if let Some(pause) = self.forges.pauses.of(&question.url, Instant::now()).filter(|_| !status.is_success()) {
            let left = pause.left(Instant::now());
            return Err(Error::Paused { url: url.to_owned(), status: status.as_u16(), left });
        }
        let status = status.as_u16();
        if (200..300).contains(&status) || question.answers.contains(&status) {
            let body = match text.trim() {
                "" => Value::Null,
                // Some deletions are answered in words.
                text => match serde_json::from_str(text) {
                    Ok(body) => body,
                    Err(_) if question.method == Method::GET => return Err(malformed("what is not JSON")),
                    Err(_) => Value::Null,
                },
            };
            return Ok(Answer { url: url.to_owned(), status, body });
        }
        let (url, what) = (url.to_owned(), question.what);
        Err(match status {
            401 | 403 | 404 => Error::Denied { url, what, status, message },
            _ if web::is_transient(status) || !(400..500).contains(&status) => Error::Status { url, status, message },
            _ => Error::Refused { url, what, status, message },
        })
    }

    /// Takes in what an answer asks for.
    fn heed(&self, url: &Url, status: StatusCode, headers: &HeaderMap, message: Option<&str>) {
        if self.forges.pauses.heed(url, status, headers).is_some() {
            return;
        }
        if let Some(wait) = limit::asked(status.as_u16(), headers, message, Timestamp::now()) {
            self.forges.pauses.begin(url, status.as_u16(), wait, Instant::now());
        }
    }

    fn headers(&self, url: &str) -> Result<HeaderMap, Error> {
        let unfit = || Error::Way {
            url: url.to_owned(),
            reason: "the token has characters that no header can have".to_owned(),
        };
        let proof = self.authorization().ok_or_else(unfit)?;
        self.forges.sent.remember(&proof);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, proof);
        let accept = match self.place.product() {
            Product::GitHub => "application/vnd.github+json",
            _ => "application/json",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if self.place.product() == Product::GitHub {
            let version = HeaderName::from_static("x-github-api-version");
            headers.insert(version, HeaderValue::from_static("2022-11-28"));
        }
        Ok(headers)
    }

    /// Each product takes its tokens in a way of its own.
    fn authorization(&self) -> Option<HeaderValue> {
        let basic = |username: &str, password: &Secret| {
            web::basic(&Login { username: username.to_owned(), password: password.clone() })
        };
        match (self.place.product(), self.proof) {
            (_, Proof::Bearer(token)) => web::bearer(token),
            // Beside a token, the user name is a mere word there.
            (Product::GitHub | Product::GitLab, Proof::Token(token) | Proof::Login(Login { password: token, .. })) => {
                web::bearer(token)
            }
            // A token of a repository goes with a word that is no user, and is a bearer token.
            (Product::Bitbucket, Proof::Login(Login { username, password })) if username == "x-token-auth" => {
                web::bearer(password)
            }
            (Product::AzureDevOps, Proof::Token(token)) => Some(basic("", token)),
            (_, Proof::Token(token)) => web::bearer(token),
            (_, Proof::Login(login)) => {
                // A password with nothing in it is a token that was written as the user name.
                match login.password.expose_secret().is_empty() {
                    true => web::bearer(&Secret::from(login.username.clone())),
                    false => Some(web::basic(login)),
                }
            }
        }
    }
}
