//! Smart HTTP, as git speaks it: one `GET` brings all references, or what a server of version 2 can be asked, and each `POST`
//! exchanges a request for an answer.
//!
//! Redirects are followed for the `GET` alone, by the rules of [`Trail`]. What proves who we are goes to the place that was
//! configured and to no other. A host that asked to be left alone is not asked. A login may be asked for in answer to either
//! request; the example of `git-http-backend(1)` does so in answer to the `POST` of a push alone.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Client, RequestBuilder, Response};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};
use web::{Obstacle, Origin, Pauses, TlsProblem, Trail, authority, redirect};

use crate::Shared;
use crate::capabilities::Version;
use crate::command::Service;
use crate::error::{Error, Kind};
use crate::packet::{self, Packet, Reader};
use crate::problem::{Problem, RedirectProblem};
use crate::url::Url;

use super::route::{Contact, Ways};

mod answer;
mod login;
mod provider;

use login::Attempts;

pub(crate) use login::Logins;
pub(crate) use provider::given;

/// The header in which a server is asked for a version of the protocol.
const PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

/// What the rest of an operation needs to know of its first request.
#[derive(Clone)]
pub(crate) struct Session {
    contact: Contact,
    pauses: Pauses,
    /// The repository's URL after redirects.
    base: url::Url,
    /// Whether that is on the host that the login is for.
    is_home: bool,
    login: Arc<Mutex<Attempts>>,
    /// The version of the protocol that is spoken.
    version: Version,
    remote: String,
}

/// An answer, and how long it asks to be left alone.
struct Answer {
    response: Response,
    retry_after: Option<Duration>,
    /// Of the request, until the answer is read.
    span: Span,
}

/// The body of an answer.
pub(crate) struct Body {
    response: Response,
    remote: String,
    span: Span,
}

/// The first request of an operation.
pub(super) enum First {
    /// What `service` has, in a version of the protocol if the server has it.
    References(Service, Version),
    /// A command of version 2, which the server is known to speak.
    Command(Vec<u8>),
}

/// Makes the first request, logging in where the remote wants it. A login that was given out a while ago and is refused may have
/// been withdrawn; it is asked for anew, once.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    access: &access::Git,
    remote: &Url,
    base: &url::Url,
    first: First,
) -> Result<(Session, Body), Error> {
    let cloud = &shared.settings.cloud;
    let Some(given) = provider::given(cloud, access, remote, base).await? else {
        let attempts = Attempts::new(shared, access, remote, base)?;
        return begin(shared, access, base, &first, attempts).await;
    };
    let is_old = given.granted.is_old;
    let attempts = Attempts::given(shared, &given, remote, base)?;
    match begin(shared, &given.access, base, &first, attempts).await {
        Err(error) if is_old && error.kind() == Kind::Denied => {}
        settled => return settled,
    }
    let Some(given) = provider::given(cloud, access, remote, base).await? else { return Err(Error::Task) };
    let attempts = Attempts::given(shared, &given, remote, base)?;
    begin(shared, &given.access, base, &first, attempts).await
}

async fn begin(
    shared: &Arc<Shared>,
    access: &access::Git,
    base: &url::Url,
    first: &First,
    mut attempts: Attempts,
) -> Result<(Session, Body), Error> {
    let name = attempts.remote().to_string();
    let place = attempts.place();
    let ways = Ways::of(&shared.rules, access, &name, place)?;
    if let Some(login) = access.proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
        shared.sent.remember_login(login);
    }
    shared.rules.proxy(place).into_iter().for_each(|proxy| shared.sent.remember_address(proxy));
    loop {
        let headers = attempts.headers();
        let way = Way { shared, ways: &ways, base, start: attempts.start(), remote: &name };
        let (arrival, service, kind) = match first {
            First::References(service, version) => {
                (way.get(*service, *version, &headers).await?, *service, "advertisement")
            }
            First::Command(command) => (way.post(command, &headers).await?, Service::Upload, "result"),
        };
        let Arrival { contact, answer, trail } = arrival;
        let expected = media_type(service, kind);
        if let Some(refusal) = answer.refusal(&expected)
            && attempts.next(refusal, trail.is_home().then_some(trail.at())).await?
        {
            continue;
        }
        let span = answer.span.clone();
        let response = answer.expect(&expected, service, &name, &attempts).await?;
        attempts.worked().await;
        let session = Session {
            contact,
            pauses: shared.settings.pauses.clone(),
            base: trail.at().clone(),
            is_home: trail.is_home(),
            version: Version::Zero,
            login: Arc::new(Mutex::new(attempts)),
            remote: name.clone(),
        };
        return Ok((session, Body { response, remote: name, span }));
    }
}

/// Reads the `# service=…` line, which version 2 may do without, what a server may say of itself behind it, and the flush packet at
/// the end.
pub(super) async fn skip_service_line(reader: &mut Reader, version: Version) -> Result<(), Error> {
    match reader.next().await? {
        Packet::Data(data) if data.starts_with(b"# service=") => {}
        Packet::Data(data) if version == Version::Two && packet::line(&data) == b"version 2" => {
            reader.put_back(&data);
            return Ok(());
        }
        Packet::Data(data) => return Err(reader.said_or(&data, Problem::Service)),
        _ => return Err(reader.problem(Problem::Service)),
    }
    loop {
        match reader.next().await? {
            Packet::Flush => return Ok(()),
            Packet::Data(data) if data.starts_with(b"ERR ") => return Err(reader.said_or(&data, Problem::Service)),
            Packet::Data(_) => {}
            Packet::Delimiter => return Err(reader.problem(Problem::Service)),
            Packet::End => return Err(reader.unexpected_end().await),
        }
    }
}

impl Session {
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// Whether `place` is what answered, and has not redirected to it.
    pub(super) fn is_at(&self, place: &url::Url) -> bool {
        self.base == *place
    }

    /// Speaks a version of the protocol from now on.
    pub(super) fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// Sends a request, and again with a login where one is asked for; the answer has to be what `service` answers with.
    pub(super) async fn post(&self, service: Service, body: Vec<u8>) -> Result<Body, Error> {
        let expected = media_type(service, "result");
        let mut login = self.login.lock().await;
        let request = asking(post(&self.contact.client, &self.base, service), self.version).body(body);
        loop {
            let headers = if self.is_home { login.headers() } else { HeaderMap::new() };
            // What is in memory as a whole can be sent as often as it is asked for.
            let again = request.try_clone().ok_or(Error::Task)?.headers(headers);
            let answer = send(&self.pauses, &self.base, again, &self.remote, self.contact.proxy.as_deref()).await?;
            if answer.response.status().is_redirection() {
                return Err(Error::Redirect { remote: self.remote.clone(), problem: RedirectProblem::Post });
            }
            if let Some(refusal) = answer.refusal(&expected)
                && login.next(refusal, self.is_home.then_some(&self.base)).await?
            {
                continue;
            }
            let span = answer.span.clone();
            let response = answer.expect(&expected, service, &self.remote, &login).await?;
            login.worked().await;
            return Ok(Body { response, remote: self.remote.clone(), span });
        }
    }
}

impl Body {
    pub(super) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        let chunk = self.response.chunk().instrument(self.span.clone()).await;
        match chunk.map_err(|source| network(&self.remote, source))? {
            Some(chunk) => {
                buffer.extend_from_slice(&chunk);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(super) fn remote(&self) -> &str {
        &self.remote
    }
}

/// Sends a request to `place`, unless its host asked to be left alone.
async fn send(
    pauses: &Pauses,
    place: &url::Url,
    request: RequestBuilder,
    remote: &str,
    proxy: Option<&str>,
) -> Result<Answer, Error> {
    let now = Instant::now();
    if let Some(pause) = pauses.of(place, now) {
        let (remote, host) = (remote.to_owned(), authority(place));
        return Err(Error::Paused { remote, host, status: pause.status, retry_after: pause.left(now) });
    }
    let (client, request) = request.build_split();
    let request = request.map_err(|source| unreachable(remote, proxy, source))?;
    let span = web::asking(request.method(), request.url(), 0);
    let told = |source: reqwest::Error| {
        web::unanswered(&span, &source);
        unreachable(remote, proxy, source)
    };
    let response = client.execute(request).instrument(span.clone()).await.map_err(told)?;
    web::answered(&span, response.status().as_u16());
    let retry_after = pauses.heed(place, response.status(), response.headers());
    Ok(Answer { response, retry_after, span })
}

/// How a remote is reached.
struct Way<'a> {
    shared: &'a Shared,
    ways: &'a Ways<'a>,
    /// The repository's URL as configured.
    base: &'a url::Url,
    /// Where the requests begin, which is on the same host.
    start: &'a url::Url,
    remote: &'a str,
}

/// The first answer that is no redirect.
struct Arrival {
    /// What reached it, and may go on with the same server.
    contact: Contact,
    answer: Answer,
    /// Ends at the repository's URL after redirects.
    trail: Trail,
}

impl Way<'_> {
    /// Sends a command of version 2 to where the references would be asked for. It is not redirected.
    async fn post(&self, command: &[u8], headers: &HeaderMap) -> Result<Arrival, Error> {
        let Self { shared, ways, base, start, remote } = self;
        let trail = Trail::new(Origin::of(base), (*start).clone());
        let contact = ways.contact(&shared.clients, trail.at(), trail.is_home())?;
        let request = asking(post(&contact.client, trail.at(), Service::Upload), Version::Two).headers(headers.clone());
        let answer = send(
            &shared.settings.pauses,
            trail.at(),
            request.body(command.to_owned()),
            remote,
            contact.proxy.as_deref(),
        )
        .await?;
        match answer.response.status().is_redirection() {
            true => Err(Error::Redirect { remote: (*remote).to_owned(), problem: RedirectProblem::Post }),
            false => Ok(Arrival { contact, answer, trail }),
        }
    }

    /// Asks for the references, following redirects.
    async fn get(&self, service: Service, version: Version, headers: &HeaderMap) -> Result<Arrival, Error> {
        let Self { shared, ways, base, start, remote } = self;
        let refused = |problem| Error::Redirect { remote: (*remote).to_owned(), problem };
        let mut trail = Trail::new(Origin::of(base), (*start).clone());
        loop {
            let contact = ways.contact(&shared.clients, trail.at(), trail.is_home())?;
            let url = format!("{}{}", trail.at().as_str().trim_end_matches('/'), suffix(service));
            let mut request = asking(contact.client.get(url), version);
            if trail.is_home() {
                request = request.headers(headers.clone());
            }
            let answer = send(&shared.settings.pauses, trail.at(), request, remote, contact.proxy.as_deref()).await?;
            let response = &answer.response;
            let target = match redirect(response.url(), response.status(), response.headers()) {
                Ok(target) => target,
                Err(_) => return Err(refused(RedirectProblem::Target)),
            };
            // What leads to another question is no way to the repository; it is looked at as an answer.
            let Some(target) = target.and_then(|target| repository(&target, service)) else {
                return Ok(Arrival { contact, answer, trail });
            };
            trail.follow(target).map_err(|obstacle| {
                refused(match obstacle {
                    Obstacle::Scheme => RedirectProblem::Target,
                    Obstacle::Downgrade => RedirectProblem::Downgrade,
                    Obstacle::Private => RedirectProblem::Private,
                    Obstacle::TooMany => RedirectProblem::TooMany,
                })
            })?;
        }
    }
}

/// A request in a version of the protocol.
fn asking(request: RequestBuilder, version: Version) -> RequestBuilder {
    match version.asked() {
        Some(asked) => request.header(PROTOCOL, asked),
        None => request,
    }
}

/// A request to `service` of the repository at a place.
fn post(client: &Client, place: &url::Url, service: Service) -> RequestBuilder {
    let url = format!("{}/{}", place.as_str().trim_end_matches('/'), service.name());
    let request = client.post(url).header(CONTENT_TYPE, media_type(service, "request"));
    request.header(ACCEPT, media_type(service, "result"))
}

/// Returns the repository that a redirect points to. Like git, only a URL that still asks the same question counts.
fn repository(target: &url::Url, service: Service) -> Option<url::Url> {
    let target = url::Url::parse(target.as_str().strip_suffix(&suffix(service))?).ok()?;
    target.query().is_none().then_some(target)
}

fn suffix(service: Service) -> String {
    format!("/info/refs?service={}", service.name())
}

fn media_type(service: Service, kind: &str) -> String {
    format!("application/x-{}-{kind}", service.name())
}

/// What it means that no connection came about. Through a proxy it is the proxy that says so, or that is not there: an error of
/// the system is about it, since nothing but it was connected to.
fn unreachable(remote: &str, proxy: Option<&str>, source: reqwest::Error) -> Error {
    // TLS is spoken with the remote, behind the proxy.
    let is_before = source.is_connect() && TlsProblem::of(&source).is_none();
    let Some(proxy) = proxy.filter(|_| is_before) else { return network(remote, source) };
    let (remote, proxy, reason) = (remote.to_owned(), proxy.to_owned(), web::reason(&source));
    match is_of_the_system(&source) {
        true => Error::ProxyUnreachable { remote, proxy, reason },
        false => Error::ProxyRefuses { remote, proxy, reason },
    }
}

fn is_of_the_system(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<std::io::Error>())
}

fn network(remote: &str, source: reqwest::Error) -> Error {
    let remote = remote.to_owned();
    match TlsProblem::of(&source) {
        Some(problem) => Error::Untrusted { remote, problem },
        None => Error::Network { remote, why: web::Unreachable::of(&source), reason: web::silence(source) },
    }
}
