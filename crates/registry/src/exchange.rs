//! One request and its answer: connections, bounds, redirects.
//!
//! Nothing here knows of logins or tokens but as a header value that is for one server alone.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Proxy, Registry};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;
use web::words::one_line;
use web::{
    Clients, NoAddress, Obstacle, Origin, Pauses, Protocol, ProxyChoice, Route, Sent, Trail, Unusable, authority,
    reason, redirect, show,
};

use super::error::Error;
use super::grant;

/// How many bytes of a failure's body are read; the rest is dropped with the connection.
const MAX_FAILURE_BODY: usize = 64 * 1024;
/// The longest reason of TLS that a message repeats, in characters: it may list all names of a server's certificate.
const MAX_REASON: usize = 300;
/// How many hosts are known before those without a request are forgotten.
const MAX_HOSTS: usize = 1024;

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
}

impl Request {
    pub(crate) fn get(url: Url, accept: HeaderValue, limit: usize) -> Self {
        Self { method: Method::GET, url, accept, limit, form: None, known: None }
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
    /// Returns all values of a header that are text.
    pub(crate) fn texts(&self, name: header::HeaderName) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }
}

/// Sends requests, only so many at once to each host.
#[derive(Debug)]
pub(crate) struct Exchange {
    clients: Clients,
    per_host: usize,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
    pauses: Pauses,
    /// What was sent as proof.
    pub(crate) sent: Sent,
}

impl Exchange {
    pub(crate) fn new(clients: Clients, per_host: usize, pauses: Pauses) -> Self {
        Self { clients, per_host: per_host.max(1), gates: Mutex::default(), pauses, sent: Sent::of_machine() }
    }

    /// Sends a request and follows redirects. The authorization and the client certificate go to `home` alone, which need
    /// not be where the request goes: a list may go on on another server.
    pub(crate) async fn follow(
        &self,
        access: &Registry,
        request: &Request,
        home: &Origin,
        authorization: Option<&HeaderValue>,
    ) -> Result<Reply, Error> {
        let mut trail = Trail::new(home.clone(), request.url.clone());
        loop {
            let reply = self.send(access, request, &trail, authorization).await?;
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
        let host = authority(url);
        let gate = self.gate(&host);
        // The gate is never closed, so that a failure to enter cannot happen.
        let _entered = gate.acquire().await;
        // Behind the gate: those that waited there are the ones to hold back.
        let now = Instant::now();
        if let Some(pause) = self.pauses.of(url, now) {
            return Err(Error::Paused { host, status: pause.status, retry_after: pause.left(now) });
        }
        let response = builder.send().await.map_err(|error| failure(url, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        // Before the body, which may be long in coming or break off.
        let asked_wait = self.pauses.heed(url, status, &headers);
        let body = read(response, url, request.limit).await?;
        Ok(Reply { status, headers, url: url.clone(), is_home, asked_wait, body })
    }

    fn gate(&self, authority: &str) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MAX_HOSTS {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let gate = gates.entry(authority.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.per_host)));
        Arc::clone(gate)
    }
}

/// Reads a body to its end, or as much of a failure's as a message needs.
async fn read(mut response: reqwest::Response, url: &Url, limit: usize) -> Result<Vec<u8>, Error> {
    let success = response.status().is_success();
    let limit = if success { limit } else { MAX_FAILURE_BODY };
    let too_large = || Error::TooLarge { url: show(url), limit, what: "bytes" };
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if success && announced > limit && limit > 0 {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced.min(limit));
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(url, error))? {
        if body.len() + chunk.len() > limit {
            return if success { Err(too_large()) } else { Ok(body) };
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
        protocol: Protocol::Http1,
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
    let tls = tls_error(&error);
    let url = show(url);
    match tls {
        Some(tls) => Error::Tls { url, reason: one_line(&tls.to_string(), MAX_REASON) },
        None if is_refused(&error) => Error::Refused { url, reason: reason(&error.without_url()) },
        None if error.is_timeout() => Error::Network { url, reason: "it took too long to answer".to_owned() },
        None => Error::Network { url, reason: reason(&error.without_url()) },
    }
}

/// Whether the system said that nobody listens.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Finds TLS's own reason, unless it is that the other side does not speak TLS at all.
fn tls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let inner = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner.or_else(|| error.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidMessage(_)) => return None,
            Some(tls) => return Some(tls),
            None => next = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source()),
        }
    }
    None
}
