//! Smart HTTP, as git speaks it in protocol version 0: one `GET` brings all references, one `POST` exchanges the rest.
//!
//! Redirects are followed for the `GET` alone, by the rules of [`Trail`]. What proves who we are goes to the place that was
//! configured and to no other. A host that asked to be left alone is not asked.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tokio::time::Instant;
use web::words;
use web::{Obstacle, Origin, Pauses, Sent, Trail, authority, redirect};

use crate::Shared;
use crate::command::Service;
use crate::error::Error;
use crate::packet::{Packet, Reader};
use crate::problem::{Problem, RedirectProblem};
use crate::rules::Rules;
use crate::url::Url;

use super::route::Ways;

mod login;

use login::Attempts;

pub(crate) use login::Logins;

/// The longest content type that an error repeats, in characters.
const MAX_CONTENT_TYPE: usize = 100;

/// From this length on, the value of a header of git's configuration may be a secret.
const MIN_SECRET_HEADER: usize = 12;

/// What the rest of an operation needs to know of its first request.
#[derive(Clone)]
pub(crate) struct Session {
    client: Client,
    pauses: Pauses,
    /// The repository's URL after redirects.
    base: url::Url,
    headers: HeaderMap,
    remote: String,
    tried: String,
}

/// An answer, and how long it asks to be left alone.
struct Answer {
    response: Response,
    retry_after: Option<Duration>,
}

/// The body of an answer.
pub(crate) struct Body {
    response: Response,
    remote: String,
}

/// Asks for the references of `service`, logging in where the remote wants it.
pub(super) async fn connect(
    shared: &Shared,
    access: &access::Git,
    remote: &Url,
    base: &url::Url,
    service: Service,
) -> Result<(Session, Body), Error> {
    let name = remote.to_string();
    let mut attempts = Attempts::new(shared, access, remote, base)?;
    let ways = Ways::of(&shared.rules, access, &name, base)?;
    loop {
        let headers = headers(&shared.rules, base, attempts.authorization());
        remember(&shared.sent, &headers, access);
        shared.rules.proxy(base).into_iter().for_each(|proxy| shared.sent.remember_address(proxy));
        let way = Way { shared, ways: &ways, base, start: attempts.start(), remote: &name };
        let Arrival { client, answer, trail } = way.get(service, &headers).await?;
        if answer.response.status() == StatusCode::UNAUTHORIZED && attempts.next(&trail).await? {
            continue;
        }
        let tried = attempts.tried();
        let response = expect(answer, service, "advertisement", &name, &tried).await?;
        attempts.worked().await;
        let headers = if trail.is_home() { headers } else { HeaderMap::new() };
        let pauses = shared.settings.pauses.clone();
        let session = Session { client, pauses, base: trail.at().clone(), headers, remote: name.clone(), tried };
        return Ok((session, Body { response, remote: name }));
    }
}

/// Reads the `# service=…` line and the flush packet after it.
pub(super) async fn skip_service_line(reader: &mut Reader) -> Result<(), Error> {
    match reader.next().await? {
        Packet::Data(data) if data.starts_with(b"# service=") => {}
        _ => return Err(reader.problem(Problem::Framing)),
    }
    match reader.next().await? {
        Packet::Flush => Ok(()),
        _ => Err(reader.problem(Problem::Framing)),
    }
}

impl Session {
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// Sends a request; the answer has to be what `service` answers with.
    pub(super) async fn post(&self, service: Service, body: Vec<u8>) -> Result<Body, Error> {
        let url = format!("{}/{}", self.base.as_str().trim_end_matches('/'), service.name());
        let request = self.client.post(url).headers(self.headers.clone());
        let request =
            request.header(CONTENT_TYPE, media_type(service, "request")).header(ACCEPT, media_type(service, "result"));
        let answer = send(&self.pauses, &self.base, request.body(body), &self.remote).await?;
        if answer.response.status().is_redirection() {
            return Err(Error::Redirect { remote: self.remote.clone(), problem: RedirectProblem::Post });
        }
        let response = expect(answer, service, "result", &self.remote, &self.tried).await?;
        Ok(Body { response, remote: self.remote.clone() })
    }
}

impl Body {
    pub(super) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        match self.response.chunk().await.map_err(|source| network(&self.remote, source))? {
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
async fn send(pauses: &Pauses, place: &url::Url, request: RequestBuilder, remote: &str) -> Result<Answer, Error> {
    let now = Instant::now();
    if let Some(pause) = pauses.of(place, now) {
        let (remote, host) = (remote.to_owned(), authority(place));
        return Err(Error::Paused { remote, host, status: pause.status, retry_after: pause.left(now) });
    }
    let response = request.send().await.map_err(|source| network(remote, source))?;
    let retry_after = pauses.heed(place, response.status(), response.headers());
    Ok(Answer { response, retry_after })
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
    client: Client,
    answer: Answer,
    /// Ends at the repository's URL after redirects.
    trail: Trail,
}

impl Way<'_> {
    /// Asks for the references, following redirects.
    async fn get(&self, service: Service, headers: &HeaderMap) -> Result<Arrival, Error> {
        let Self { shared, ways, base, start, remote } = self;
        let refused = |problem| Error::Redirect { remote: (*remote).to_owned(), problem };
        let mut trail = Trail::new(Origin::of(base), (*start).clone());
        loop {
            let client = ways.client(&shared.clients, trail.at(), trail.is_home())?;
            let url = format!("{}{}", trail.at().as_str().trim_end_matches('/'), suffix(service));
            let mut request = client.get(url);
            if trail.is_home() {
                request = request.headers(headers.clone());
            }
            let answer = send(&shared.settings.pauses, trail.at(), request, remote).await?;
            let response = &answer.response;
            let target = match redirect(response.url(), response.status(), response.headers()) {
                Ok(Some(target)) => repository(&target, service).ok_or_else(|| refused(RedirectProblem::Target))?,
                Ok(None) => return Ok(Arrival { client, answer, trail }),
                Err(_) => return Err(refused(RedirectProblem::Target)),
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

/// Returns the repository that a redirect points to. Like git, only a URL that still asks the same question counts.
fn repository(target: &url::Url, service: Service) -> Option<url::Url> {
    let target = url::Url::parse(target.as_str().strip_suffix(&suffix(service))?).ok()?;
    target.query().is_none().then_some(target)
}

/// Headers of git's configuration and the login, which wins over an `Authorization` header among them.
fn headers(rules: &Rules, url: &url::Url, authorization: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for header in rules.extra_headers(url) {
        let Some((name, value)) = header.split_once(':') else { continue };
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name.trim()), HeaderValue::try_from(value.trim())) {
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
    headers
}

/// Notes what may be shown to the remote, so that its words never repeat it.
fn remember(sent: &Sent, headers: &HeaderMap, access: &access::Git) {
    headers.get_all(AUTHORIZATION).into_iter().for_each(|value| sent.remember(value));
    let others =
        headers.iter().filter(|(name, _)| **name != AUTHORIZATION).filter_map(|(_, value)| value.to_str().ok());
    others.filter(|value| value.len() >= MIN_SECRET_HEADER).for_each(|value| sent.remember_secret(value));
    if let Some(login) = access.proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
        sent.remember_login(login);
    }
}

/// Returns the answer when it is one of `service`, and otherwise what it means.
async fn expect(
    answer: Answer,
    service: Service,
    kind: &'static str,
    remote: &str,
    tried: &str,
) -> Result<Response, Error> {
    let Answer { response, retry_after } = answer;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = words::one_line(content_type, MAX_CONTENT_TYPE);
    let status = response.status();
    if status == StatusCode::OK {
        let bare = content_type.split(';').next().unwrap_or_default().trim();
        if bare == media_type(service, kind) {
            return Ok(response);
        }
        return Err(Error::NotGit { remote: remote.to_owned(), content_type });
    }
    let (remote, words) = (remote.to_owned(), body_words(response, &content_type).await);
    let status = status.as_u16();
    Err(match status {
        // Whatever the status means otherwise, the host wants time.
        _ if retry_after.is_some() => Error::Http { remote, status, words, retry_after },
        401 | 403 => Error::Denied { remote, tried: tried.to_owned(), status: Some(status), words },
        404 | 410 => Error::NotFound { remote, status, words },
        _ => Error::Http { remote, status, words, retry_after },
    })
}

/// What the server says in plain text; pages made for browsers are left out.
async fn body_words(mut response: Response, content_type: &str) -> String {
    let mut raw = Vec::new();
    if content_type.starts_with("text/plain") {
        while let Ok(Some(chunk)) = response.chunk().await {
            words::collect(&mut raw, &chunk);
            if raw.len() >= words::MAX_BYTES {
                break;
            }
        }
    }
    words::clean(&raw)
}

fn suffix(service: Service) -> String {
    format!("/info/refs?service={}", service.name())
}

fn media_type(service: Service, kind: &str) -> String {
    format!("application/x-{}-{kind}", service.name())
}

fn network(remote: &str, source: reqwest::Error) -> Error {
    Error::Network { remote: remote.to_owned(), source: source.without_url() }
}
