//! One request and its answer: connections, bounds, redirects.
//!
//! Nothing here knows of logins or tokens but as a header value that is for one server alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use access::{Proxy, Registry};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use tracing::Instrument as _;
use url::Url;
use web::{
    Clients, NoAddress, Obstacle, Origin, Pauses, Protocol, ProxyChoice, Route, Sent, TlsProblem, Trail, Unreachable,
    Unusable, authority, reason, redirect, show, silence,
};

use super::allowance::{Allowance, Allowances};
use super::budget::{Budgets, HostPace, Hosts};
use super::error::Error;
use super::grant;
use super::room::{LARGE_BODY, Place, Room};
use super::traffic::{Answered, Counts};

/// How many bytes of a failure's body are read; the rest is dropped with the connection.
const MAX_FAILURE_BODY: usize = 64 * 1024;
/// A host that asks for a wait no longer than this is waited for at its gate.
const SHORT_WAIT: Duration = Duration::from_secs(5);
/// The status by which hosts refuse requests that are too many.
const TOO_MANY: u16 = 429;

/// A request. It has no `Debug`, since a form may hold a secret.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The media types wanted.
    pub(crate) accept: HeaderValue,
    /// How many bytes of a good answer are read; more is an error.
    pub(crate) limit: usize,
    /// An encoded form, for POST.
    pub(crate) form: Option<Vec<(&'static str, String)>>,
    /// What is known already; if it is still so, the answer may be 304.
    pub(crate) known: Option<HeaderValue>,
    /// How often it was sent before.
    pub(crate) resent: usize,
}

impl Request {
    pub(crate) fn get(url: Url, accept: HeaderValue, limit: usize) -> Self {
        Self { method: Method::GET, url, accept, limit, form: None, known: None, resent: 0 }
    }
}

/// An answer, read to its end. It has no `Debug`, since a body may hold a token.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The address that answered, after redirects.
    pub(crate) url: Url,
    /// Whether what is for one server alone was shown to the one that answered.
    pub(crate) is_home: bool,
    /// How long it asks to be left alone.
    pub(crate) asked_wait: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Returns all values of a header as text. What is none of it, such as a name in Latin-1, does not hide the rest.
    pub(crate) fn texts(&self, name: header::HeaderName) -> impl Iterator<Item = Cow<'_, str>> {
        self.headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
    }
}

/// Sends requests, only so many at once and in a second to each host.
#[derive(Debug)]
pub(crate) struct Exchange {
    clients: Clients,
    hosts: Hosts,
    pauses: Pauses,
    /// What hosts say is left of what they allow.
    pub(crate) allowances: Allowances,
    /// How much was asked of each host.
    pub(crate) traffic: Counts,
    /// What was sent as proof.
    pub(crate) sent: Sent,
    /// Where large answers go.
    pub(crate) room: Room,
}

impl Exchange {
    pub(crate) fn new(clients: Clients, budgets: Budgets, pauses: Pauses) -> Self {
        let (hosts, allowances) = (Hosts::new(budgets), Allowances::default());
        let (sent, room) = (Sent::of_machine(), Room::default());
        Self { clients, hosts, pauses, allowances, traffic: Counts::default(), sent, room }
    }

    /// Takes a part of all budgets, where the rest is for others.
    pub(crate) fn take_part(&self, ours: usize, of: usize) {
        self.hosts.take_part(ours, of);
    }

    /// How a host would be asked.
    pub(crate) fn pace(&self, host: &str) -> HostPace {
        self.hosts.pace(host)
    }

    /// How all hosts are asked.
    pub(crate) fn paces(&self) -> BTreeMap<String, HostPace> {
        self.hosts.paces()
    }

    /// Sends a request and follows redirects. The authorization and the client certificate go to `home` alone, which need
    /// not be where the request goes: a list may go on on another server.
    pub(crate) async fn follow(
        &self,
        access: &Registry,
        request: &Request,
        home: &Origin,
        authorization: Option<&HeaderValue>,
        place: &Place,
    ) -> Result<Reply, Error> {
        let mut trail = Trail::new(home.clone(), request.url.clone());
        loop {
            let reply = self.send(access, request, &trail, authorization, place).await?;
            let nowhere = |NoAddress| {
                let (url, target) = (show(&reply.url), "nowhere".to_owned());
                Error::Redirect { url, target, reason: "is not an address" }
            };
            match redirect(&reply.url, reply.status, &reply.headers).map_err(nowhere)? {
                Some(target) => go_on(&mut trail, request, target)?,
                None => return Ok(reply),
            }
        }
    }

    /// Sends one request to where a trail has led and reads the answer, unless the host asked to be left alone.
    pub(crate) async fn send(
        &self,
        access: &Registry,
        request: &Request,
        trail: &Trail,
        authorization: Option<&HeaderValue>,
        place: &Place,
    ) -> Result<Reply, Error> {
        let (url, is_home) = (trail.at(), trail.is_home());
        if let Some(login) = access.proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
            self.sent.remember_login(login);
        }
        let http = self.clients.get(&route(access, is_home), url).map_err(|unusable| cannot(unusable, url))?;
        let mut builder = http.request(request.method.clone(), url.clone());
        builder = builder.header(header::ACCEPT, request.accept.clone());
        if let Some(authorization) = authorization.filter(|_| is_home) {
            self.sent.remember(authorization);
            builder = builder.header(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(known) = &request.known {
            builder = builder.header(header::IF_NONE_MATCH, known.clone());
        }
        if let Some(form) = &request.form {
            let secret = form.iter().filter(|(name, _)| *name == grant::SECRET_FIELD);
            secret.for_each(|(_, secret)| self.sent.remember_secret(secret));
            builder = builder.form(form);
        }
        let name = authority(url);
        let host = self.hosts.of(&name);
        let came = Instant::now();
        let entered = host.enter(|now| self.earliest(url, now)).await?;
        let waited = came.elapsed();
        let span = web::asking(&request.method, url, request.resent);
        let response = builder.send().instrument(span.clone()).await.map_err(|error| {
            self.traffic.count(&name, waited, Answered::Nothing, false);
            web::unanswered(&span, &error);
            failure(url, error)
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        web::answered(&span, status.as_u16());
        // Before the body, which may be long in coming or break off.
        let asked_wait = self.pauses.heed(url, status, &headers);
        let is_refused = asked_wait.is_some() || status.as_u16() == TOO_MANY;
        self.traffic.count(&name, waited, Answered::of(status.as_u16()), is_refused);
        host.answered(&entered, is_refused.then_some(asked_wait));
        if let Some(allowance) = Allowance::read(&headers) {
            if let Some(wait) = allowance.wait().filter(|_| asked_wait.is_none()) {
                self.pauses.begin(url, status.as_u16(), wait, Instant::now());
            }
            self.allowances.note(&name, allowance);
        }
        let room = async || {
            // Whoever is in the room may need to enter the host.
            drop(entered);
            place.take().await;
        };
        let body = read(response, url, request.limit, room).instrument(span).await?;
        if TlsProblem::is_said(url, status, &body) {
            return Err(Error::Tls { url: show(url), problem: TlsProblem::Secure });
        }
        Ok(Reply { status, headers, url: url.clone(), is_home, asked_wait, body })
    }

    /// When the host of an address may be asked again. It is looked for behind the gate: those that waited there are the ones to
    /// hold back.
    ///
    /// # Errors
    /// The host asked to be left alone for longer than is waited for at its gate.
    fn earliest(&self, url: &Url, now: Instant) -> Result<Instant, Error> {
        let pause = self.pauses.of(url, now);
        let left = pause.map_or(Duration::ZERO, |pause| pause.left(now));
        match pause {
            Some(pause) if left > SHORT_WAIT => {
                Err(Error::Paused { host: authority(url), status: pause.status, retry_after: left })
            }
            _ => Ok(now + left),
        }
    }
}

/// Reads a body to its end, or as much of a failure's as a message needs. A large one waits for `room`.
async fn read(
    mut response: reqwest::Response,
    url: &Url,
    limit: usize,
    room: impl AsyncFnOnce(),
) -> Result<Vec<u8>, Error> {
    let success = response.status().is_success();
    let limit = if success { limit } else { MAX_FAILURE_BODY };
    let too_large = || Error::TooLarge { url: show(url), limit, what: "bytes" };
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if success && announced > limit && limit > 0 {
        return Err(too_large());
    }
    let mut room = Some(room);
    let mut body = Vec::with_capacity(announced.min(limit).min(LARGE_BODY));
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(url, error))? {
        if body.len() + chunk.len() > limit {
            return if success { Err(too_large()) } else { Ok(body) };
        }
        if body.len() + chunk.len() > LARGE_BODY
            && let Some(room) = room.take()
        {
            room().await;
            body.reserve_exact(announced.min(limit).saturating_sub(body.len()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How a registry is reached. The client certificate is for its home alone, as the authorization is.
fn route(access: &Registry, is_home: bool) -> Route<'_> {
    Route {
        authorities: access.tls.ca.as_deref().into_iter().collect(),
        identity: access.tls.identity.as_ref().filter(|_| is_home),
        proxy: match &access.proxy {
            Some(Proxy { address, login }) => ProxyChoice::Named { address, login: login.as_ref() },
            None => ProxyChoice::Environment,
        },
        protocol: Protocol::Any,
    }
}

/// Says why there is no client that could ask.
fn cannot(unusable: Unusable, url: &Url) -> Error {
    let (registry, reason) = (authority(url), unusable.to_string());
    match unusable {
        Unusable::Authority(_) => Error::Certificate { registry, what: "certificate authority", reason },
        Unusable::Identity(_) => Error::Certificate { registry, what: "client certificate and key", reason },
        Unusable::Certificates(_) => Error::Certificate { registry, what: "certificates", reason },
        Unusable::Proxy(_) => Error::Proxy { registry, reason },
        Unusable::NoAuthorities => Error::NoAuthorities { url: show(url) },
    }
}

/// Goes where an answer redirects to, if that may be.
fn go_on(trail: &mut Trail, request: &Request, target: Url) -> Result<(), Error> {
    let from = show(trail.at());
    let reason = match trail.follow(target.clone()) {
        Err(Obstacle::Scheme) => "is not an address of the web",
        Err(Obstacle::Downgrade) => "is plain HTTP",
        Err(Obstacle::Private) => "is a private address",
        Err(Obstacle::TooMany) => "is one redirect too many",
        Ok(()) if request.form.is_some() => "may not have the token that is asked with",
        Ok(()) => return Ok(()),
    };
    Err(Error::Redirect { url: from, target: show(&target), reason })
}

/// Says what kept a request from being answered.
fn failure(url: &Url, error: reqwest::Error) -> Error {
    let tls = TlsProblem::of(&error);
    let url = show(url);
    match (tls, Unreachable::of(&error)) {
        (Some(problem), _) => Error::Tls { url, problem },
        (None, Unreachable::Refused) => Error::Refused { url, reason: reason(&error.without_url()) },
        (None, why) => Error::Network { url, why, reason: silence(error) },
    }
}
