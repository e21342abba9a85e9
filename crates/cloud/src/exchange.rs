//! The one place that does I/O over the network: sends a request, and reads its answer.
//!
//! - No redirect is followed: whoever gives out credentials answers itself.
//! - What was sent as proof is never repeated by a message, whatever a server says.
//! - An answer has at most 1 MiB. A server that cannot answer is asked again, three times in all.
//! - A service has 20 s for an answer. What is near has 1 s to accept a connection and 5 s to answer, is asked without a proxy, and
//!   one that accepts no connection is not asked again.
//! - A host that asks for time gets it, from registries, Git and us alike ([`web::Pauses`]).
//! - Where a refusal may have to do with a wrong clock, it says so: servers tell the time in each answer.

use std::time::Duration;

use access::ExposeSecret as _;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};
use web::words::one_line;
use web::{Clients, Common, Pauses, Protocol, ProxyChoice, Route, Sent, TlsProblem, Unreachable, show, silence};

use super::Way;
use super::error::Error;
use super::request::{Answer, Place, Request};
use super::said::said;

/// The most bytes that are read of an answer.
const MAX_ANSWER: usize = 1024 * 1024;
/// How long a service may take for all of its answer.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection to a service may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long something near may take to accept a connection.
const NEAR_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long something near may take for its answer: Azure's asks others for a new token.
const NEAR_TIMEOUT: Duration = Duration::from_secs(5);
/// How many times something is asked, and the wait before the second time.
const ATTEMPTS: usize = 3;
const FIRST_WAIT: Duration = Duration::from_millis(300);
/// Clocks that differ by less are no reason for a refusal: the tokens of GitHub Apps begin half a minute ago.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);
/// The longest value of `Metadata-Flavor` that is looked at.
const MAX_FLAVOR: usize = 40;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Exchange {
    services: Clients,
    near: Clients,
    pauses: Pauses,
    sent: Sent,
}

impl Exchange {
    pub(crate) fn new(pauses: Pauses) -> Self {
        let common = |connect_timeout: Duration, read_timeout: Duration| Common {
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout,
            read_timeout,
            idle_per_host: 2,
        };
        Self {
            services: Clients::new(common(CONNECT_TIMEOUT, SERVICE_TIMEOUT)),
            near: Clients::new(common(NEAR_CONNECT_TIMEOUT, NEAR_TIMEOUT)),
            pauses,
            sent: Sent::of_machine(),
        }
    }

    /// Sends a request until it is answered or patience ends. `make` makes it anew each time, since a signature has a time.
    pub(crate) async fn ask(
        &self,
        way: &Way<'_>,
        make: impl Fn(Timestamp) -> Result<Request, Error>,
    ) -> Result<Answer, Error> {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_WAIT)
            .with_factor(3.0)
            .with_max_times(ATTEMPTS - 1)
            .with_jitter()
            .build();
        loop {
            let request = make(Timestamp::now())?;
            let error = match self.send(way, &request).await {
                Err(error) if is_worth_retrying(&error, request.place) => error,
                settled => return settled,
            };
            let Some(wait) = waits.next() else { return Err(error) };
            tracing::debug!(wait_ms = wait.as_millis(), %error, "waits before another attempt");
            tokio::time::sleep(wait).await;
        }
    }

    async fn send(&self, way: &Way<'_>, request: &Request) -> Result<Answer, Error> {
        let url = show(&request.url);
        if let Some(pause) = self.pauses.of(&request.url, Instant::now()) {
            return Err(Error::Paused { url, status: pause.status, left: pause.left(Instant::now()) });
        }
        self.remember(request);
        let client = self.client(way, request)?;
        let mut building = client.request(request.method.clone(), request.url.clone());
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| Error::Setting {
                name: format!("what is to be sent to {url} as {name}"),
                reason: "has characters that no header can have".to_owned(),
            })?;
            value.set_sensitive(true);
            building = building.header(*name, value);
        }
        if let Some(body) = &request.body {
            building = building.body(body.expose_secret().to_owned());
        }
        let limit = if request.place == Place::Near { NEAR_TIMEOUT } else { SERVICE_TIMEOUT };
        let late = |_| Error::Network {
            url: url.clone(),
            why: Unreachable::Otherwise,
            reason: format!("it took longer than {} s", limit.as_secs()),
        };
        let settle = self.settle(request, &url, building).instrument(web::asking(&request.method, &request.url, 0));
        timeout(limit, settle).await.map_err(late)?
    }

    async fn settle(&self, request: &Request, url: &str, building: reqwest::RequestBuilder) -> Result<Answer, Error> {
        let fail = |error: reqwest::Error| match TlsProblem::of(&error) {
            Some(problem) => Error::Way { url: url.to_owned(), reason: problem.to_string() },
            None => Error::Network {
                url: url.to_owned(),
                why: Unreachable::of(&error),
                reason: self.sent.hide(&silence(error)),
            },
        };
        let span = Span::current();
        let told = |error: reqwest::Error| {
            web::unanswered(&span, &error);
            fail(error)
        };
        let mut response = building.send().await.map_err(told)?;
        let (status, headers) = (response.status(), response.headers().clone());
        web::answered(&span, status.as_u16());
        self.pauses.heed(&request.url, status, &headers);
        if status.is_redirection() {
            return Err(Error::Redirect { url: url.to_owned() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::Malformed { url: url.to_owned(), reason: format!("more than {MAX_ANSWER} bytes") });
            }
            body.extend_from_slice(&chunk);
        }
        let malformed = |_| Error::Malformed { url: url.to_owned(), reason: "what is not UTF-8 text".to_owned() };
        let body = String::from_utf8(body).map_err(malformed)?;
        let (date, now) = (date(&headers), Timestamp::now());
        match status.as_u16() {
            200..300 => {
                let flavor = headers.get("metadata-flavor").and_then(|value| value.to_str().ok());
                let flavor = flavor.map(|flavor| one_line(flavor, MAX_FLAVOR));
                Ok(Answer { url: url.to_owned(), body: body.into(), flavor, now: date.unwrap_or(now) })
            }
            status => {
                let message = said(&body).map(|message| self.sent.hide(&message));
                Err(refusal(url, &request.subject, status, message, date.map(|date| (now, date))))
            }
        }
    }

    /// Notes what is secret before it is sent.
    fn remember(&self, request: &Request) {
        for (name, value) in &request.headers {
            let value = value.expose_secret();
            match (*name == AUTHORIZATION.as_str(), HeaderValue::from_str(value)) {
                (true, Ok(header)) => self.sent.remember(&header),
                _ if is_secret(name) => self.sent.remember_secret(value),
                _ => {}
            }
        }
        if let Some(body) = &request.body {
            for (name, value) in url::form_urlencoded::parse(body.expose_secret().as_bytes()) {
                if is_secret(&name) {
                    self.sent.remember_secret(&value);
                }
            }
        }
    }

    fn client(&self, way: &Way<'_>, request: &Request) -> Result<reqwest::Client, Error> {
        let url = &request.url;
        let (clients, route) = match request.place {
            Place::Near => {
                let proxy = ProxyChoice::Direct;
                (&self.near, Route { authorities: Vec::new(), identity: None, proxy, protocol: Protocol::Http1 })
            }
            Place::Service => (&self.services, way.route()),
        };
        clients.get(&route, url).map_err(|error| Error::Way { url: show(url), reason: error.to_string() })
    }
}

/// Fields of forms and headers whose values are secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "secret", "assertion", "key", "authorization"].iter().any(|word| name.contains(word))
        && !name.ends_with("_type")
        && name != "x-aws-ec2-metadata-token-ttl-seconds"
}

/// Whether an error may be gone within seconds. What is near and accepts no connection is not there.
fn is_worth_retrying(error: &Error, place: Place) -> bool {
    match error {
        Error::Network { .. } => place == Place::Service,
        Error::Status { status, .. } => web::is_worth_retrying(*status),
        _ => false,
    }
}

/// What the server says of the time.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// What a status means that is no success; with our time and the server's, where that is known.
fn refusal(
    url: &str,
    subject: &str,
    status: u16,
    message: Option<String>,
    times: Option<(Timestamp, Timestamp)>,
) -> Error {
    let (url, subject) = (url.to_owned(), subject.to_owned());
    if web::is_transient(status) || !(400..500).contains(&status) {
        return Error::Status { url, status, message };
    }
    // What is not there is so at any time.
    let times = times.filter(|_| matches!(status, 400 | 401 | 403));
    let off = times.map(|(ours, theirs)| (ours.duration_since(theirs).unsigned_abs(), ours > theirs));
    match off.filter(|(off, _)| *off > CLOCK_TOLERANCE) {
        Some((off, ahead)) => Error::Clock { url, subject, status, message, off, ahead },
        None => Error::Denied { url, subject, status, message },
    }
}

impl Way<'_> {
    fn route(&self) -> Route<'_> {
        let proxy = match self.proxy {
            Some(proxy) => ProxyChoice::Named { address: &proxy.address, login: proxy.login.as_ref() },
            None => ProxyChoice::Environment,
        };
        let authorities = self.authority.into_iter().collect();
        Route { authorities, identity: None, proxy, protocol: Protocol::Http1 }
    }
}
