//! Smart HTTP, as git speaks it in protocol version 0: one `GET` brings all references, one `POST` exchanges the rest.
//!
//! Redirects are followed for the `GET` alone, a few times, never from `https` to `http`. What proves who we are goes to the
//! place that was configured and to no other.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use crate::git::Shared;
use crate::git::command::Service;
use crate::git::error::Error;
use crate::git::packet::{Packet, Reader};
use crate::git::problem::{Problem, RedirectProblem};
use crate::git::rules::Rules;
use crate::git::url::Url;
use crate::git::words;

mod login;

use login::Attempts;
pub(in crate::git) use login::Logins;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// The longest wait a server may ask for.
const MAX_RETRY_AFTER: u64 = 3_600;

/// What the rest of an operation needs to know of its first request.
#[derive(Clone)]
pub(in crate::git) struct Session {
    client: Client,
    /// The repository's URL after redirects.
    base: url::Url,
    headers: HeaderMap,
    remote: String,
    tried: String,
}

/// The body of an answer.
pub(in crate::git) struct Body {
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
    let client = shared.clients.client(&shared.rules, access, &name, base)?;
    let mut attempts = Attempts::new(shared, access, remote, base)?;
    loop {
        let headers = headers(&shared.rules, base, attempts.authorization());
        let (response, place) = get(&client, base, service, &headers, &name).await?;
        if response.status() == StatusCode::UNAUTHORIZED && attempts.next(&place).await? {
            continue;
        }
        let tried = attempts.tried();
        let response = expect(response, service, "advertisement", &name, &tried).await?;
        attempts.worked().await;
        let headers = if same_place(base, &place) { headers } else { HeaderMap::new() };
        let session = Session { client, base: place, headers, remote: name.clone(), tried };
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
        let response = request.body(body).send().await.map_err(|source| network(&self.remote, source))?;
        if response.status().is_redirection() {
            return Err(Error::Redirect { remote: self.remote.clone(), problem: RedirectProblem::Post });
        }
        let response = expect(response, service, "result", &self.remote, &self.tried).await?;
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

/// Asks for the references, following redirects. Returns the answer and the repository's URL after them.
async fn get(
    client: &Client,
    base: &url::Url,
    service: Service,
    headers: &HeaderMap,
    remote: &str,
) -> Result<(Response, url::Url), Error> {
    let refused = |problem| Error::Redirect { remote: remote.to_owned(), problem };
    let mut place = base.clone();
    for _ in 0..=MAX_REDIRECTS {
        let url = format!("{}{}", place.as_str().trim_end_matches('/'), suffix(service));
        let mut request = client.get(url);
        if same_place(base, &place) {
            request = request.headers(headers.clone());
        }
        let response = request.send().await.map_err(|source| network(remote, source))?;
        if !response.status().is_redirection() {
            return Ok((response, place));
        }
        let target = redirected(&response, service).ok_or_else(|| refused(RedirectProblem::Target))?;
        if place.scheme() == "https" && target.scheme() == "http" {
            return Err(refused(RedirectProblem::Downgrade));
        }
        place = target;
    }
    Err(refused(RedirectProblem::TooMany))
}

/// Returns the repository that a redirect points to. Like git, only a URL that still asks the same question counts.
fn redirected(response: &Response, service: Service) -> Option<url::Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let mut target = response.url().join(location).ok()?;
    let base = target.as_str().strip_suffix(&suffix(service))?.to_owned();
    target = url::Url::parse(&base).ok()?;
    // User information in a redirect is the redirecting server's, not ours.
    target.set_username("").ok()?;
    target.set_password(None).ok()?;
    (matches!(target.scheme(), "http" | "https") && target.query().is_none()).then_some(target)
}

/// Whether what was meant for `configured` may go to `place`: the same host and port, or the same host's `https` instead of
/// its `http`.
pub(super) fn same_place(configured: &url::Url, place: &url::Url) -> bool {
    let upgraded = configured.scheme() == "http"
        && place.scheme() == "https"
        && configured.port().is_none()
        && place.port().is_none();
    configured.host_str() == place.host_str()
        && (upgraded || (configured.scheme() == place.scheme() && configured.port() == place.port()))
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

/// Returns the answer when it is one of `service`, and otherwise what it means.
async fn expect(
    response: Response,
    service: Service,
    kind: &'static str,
    remote: &str,
    tried: &str,
) -> Result<Response, Error> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.chars().take(100).collect::<String>();
    let status = response.status();
    if status == StatusCode::OK {
        let bare = content_type.split(';').next().unwrap_or_default().trim();
        if bare == media_type(service, kind) {
            return Ok(response);
        }
        return Err(Error::NotGit { remote: remote.to_owned(), content_type: content_type.escape_debug().to_string() });
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(MAX_RETRY_AFTER)));
    let (remote, words) = (remote.to_owned(), body_words(response, &content_type).await);
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied { remote, tried: tried.to_owned(), words },
        StatusCode::NOT_FOUND | StatusCode::GONE => Error::NotFound { remote, words },
        _ => Error::Http { remote, status: status.as_u16(), words, retry_after },
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
