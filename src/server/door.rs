//! Who may do what. Whoever reaches the socket is the user who runs the bot, and may do everything. Over TCP a token says it; where none
//! is given out, people on this machine may ask, and nobody may order. Probes and metrics are for everybody.
//!
//! Each request of a program shows its token. A browser has a session instead, which its user has begun with one (`sessions`); it may ask
//! everything, and order through the forms of the page alone.
//!
//! An order that comes from another origin is refused whatever it brings along, and without tokens a request has to name this machine as
//! it is known on it, so that no name of somebody else's leads here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
};
use axum::http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;
use web::is_loopback;

use super::hooks::is_hook;
use super::oidc::{Denied, Issued, Trusted, is_issued};
use super::page;
use super::sessions::{Hash, Login, Sessions};
use super::tokens::{self, Right, Tokens};
use crate::wire::request::Refusal;

/// What everybody may read.
const OPEN: [&str; 4] = ["/livez", "/healthz", "/readyz", "/metrics"];

/// What somebody needs who is not logged in yet; where nobody can be, these are as the rest.
const BEFORE: [&str; 3] = ["/login", "/style.css", "/tagwright.js"];

/// The longest secret of a session that is looked at, in bytes.
const MAX_SECRET: usize = 1024;

/// The cookie with the secret of a session.
pub(super) const SESSION: &str = "tagwright-session";

/// Where a browser says from whose page a request comes.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The socket of the data folder.
    Socket,
    /// This machine, over TCP.
    Here,
    /// Anywhere else.
    Elsewhere,
}

impl Peer {
    /// Who is at this address.
    pub(super) fn at(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() { Self::Here } else { Self::Elsewhere }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// As records of what was ordered name it: a token, or `socket`; empty where that is not known.
    pub(super) name: Arc<str>,
    /// What the caller may do.
    pub(super) right: Right,
    /// By what the caller is known; none where it is not.
    pub(super) login: Option<Login>,
}

impl Caller {
    /// Somebody of whom nothing is known, who may ask.
    fn unknown() -> Self {
        Self { name: "".into(), right: Right::Read, login: None }
    }

    /// By what the caller is known, if that one may order.
    pub(super) fn acts(&self) -> Option<Login> {
        self.login.filter(|_| self.right == Right::Act)
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// It is not known who asks.
    Unknown,
    /// A token of the issuer does not count.
    Refused(::oidc::Refused),
    /// Who asks may not do that.
    Forbidden(&'static str),
}

impl From<Denied> for Closed {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refused) => Self::Refused(refused),
            Denied::Nothing => Self::Forbidden("whoever has this token may do nothing here"),
        }
    }
}

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    pub(super) tokens: Option<Arc<Tokens>>,
    /// The issuer whose tokens are taken.
    pub(super) oidc: Option<Arc<Trusted>>,
    pub(super) sessions: Arc<Sessions>,
}

impl Door {
    /// Whether somebody may show a token.
    pub(super) fn has_tokens(&self) -> bool {
        self.tokens.is_some() || self.oidc.is_some()
    }

    /// Whom a token shows that is of the issuer; none where it is none of those.
    pub(super) async fn issued(&self, token: &str) -> Option<Result<Issued, Denied>> {
        let trusted =
            self.oidc.as_ref().filter(|_| is_issued(token) && self.of_file(&tokens::hash(token)).is_none())?;
        Some(trusted.holder(token).await)
    }

    /// `issued` is whom the token of the request shows that is of the issuer.
    fn admit(
        &self,
        peer: Peer,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        issued: Option<Result<Issued, Denied>>,
    ) -> Result<Caller, Closed> {
        let asks = matches!(*method, Method::GET | Method::HEAD);
        // A webhook brings its own proof.
        let is_open = asks && OPEN.contains(&path) || *method == Method::POST && is_hook(path);
        if is_open && peer != Peer::Socket {
            return Ok(Caller::unknown());
        }
        if !asks && is_foreign(headers) {
            return Err(Closed::Forbidden("orders of another origin are not taken"));
        }
        if peer == Peer::Socket {
            return Ok(Caller { name: "socket".into(), right: Right::Act, login: Some(Login::Socket) });
        }
        if !self.has_tokens() {
            return match (peer, asks) {
                (Peer::Here, true) if names_this_machine(headers) => Ok(Caller::unknown()),
                (_, true) => Err(Closed::Forbidden(
                    "without --api-token-file or --api-oidc-issuer, only this machine may ask, by an address such as 127.0.0.1 or localhost",
                )),
                (_, false) => Err(Closed::Forbidden(
                    "without --api-token-file or --api-oidc-issuer, orders are taken on the socket in the data folder alone",
                )),
            };
        }
        let of_page = !path.starts_with("/api/");
        let known = match shown(headers) {
            Some(token) => {
                let hash = tokens::hash(token);
                let holder = match issued {
                    Some(issued) => issued.map(|issued| Some((issued.name, issued.right)))?,
                    None => self.of_file(&hash),
                };
                holder.map(|holder| (holder, Login::Token(hash)))
            }
            // A browser sends it by itself, whoever has it do so: to ask, and to send forms, which prove that nobody else did.
            None if asks || of_page => session(headers).and_then(|secret| {
                let found = self.sessions.find(secret)?;
                let holder = match found.issued {
                    Some(issued) => Some((issued.name, issued.right)),
                    None => self.of_file(&found.token),
                };
                Some((holder?, found.login))
            }),
            None => None,
        };
        // What forms order, their own handlers refuse; logging out is for everybody.
        let may_try = |login: &Login| asks || of_page && matches!(login, Login::Session(_));
        match known {
            Some(((_, Right::Read), login)) if !may_try(&login) => {
                Err(Closed::Forbidden("this token may ask, and not order"))
            }
            Some(((name, right), login)) => Ok(Caller { name, right, login: Some(login) }),
            None if BEFORE.contains(&path) => Ok(Caller::unknown()),
            None => Err(Closed::Unknown),
        }
    }

    /// The name of a token of the file, by its hash, and what its holder may do.
    pub(super) fn of_file(&self, hash: &Hash) -> Option<(Arc<str>, Right)> {
        let (name, right) = self.tokens.as_ref()?.of(hash)?;
        Some((name.into(), right))
    }
}

/// Lets a request through, or refuses it; gives every answer the headers that browsers go by.
pub(super) async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    // A request whose peer nobody has told is as good as one from elsewhere.
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Elsewhere);
    let mut response = if has_two_hosts(request.headers()) {
        // Whoever reads the one and whoever reads the other would not agree on where this belongs (RFC 9112, section 3.2).
        let error = "a request names one host".to_owned();
        (StatusCode::BAD_REQUEST, Json(Refusal { error })).into_response()
    } else {
        answer(&door, peer, request, next).await
    };
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn has_two_hosts(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().nth(1).is_some() || headers.get_all(ORIGIN).iter().nth(1).is_some()
}

/// Lets a request through, or refuses it.
async fn answer(door: &Door, peer: Peer, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = OPEN.contains(&path) || is_hook(path) || peer == Peer::Socket;
    // What an issuer says is asked for where it counts: it may take a while.
    let issued = match shown(request.headers()).filter(|_| !is_open) {
        Some(token) => door.issued(token).await,
        None => None,
    };
    match door.admit(peer, request.method(), request.uri().path(), request.headers(), issued) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(Closed::Unknown) if is_for_people(&request) => page::ask_for_login(request.uri(), request.headers()),
        Err(Closed::Unknown) => {
            let error = "a token is needed: `Authorization: Bearer TOKEN`".to_owned();
            let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tagwright\""))];
            (StatusCode::UNAUTHORIZED, challenge, Json(Refusal { error })).into_response()
        }
        Err(Closed::Refused(::oidc::Refused::Unreachable)) => {
            let error = "the issuer of the token cannot be asked; try again".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Json(Refusal { error })).into_response()
        }
        Err(Closed::Refused(why)) => {
            let challenge =
                [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tagwright\", error=\"invalid_token\""))];
            let error = format!("the token does not count: {why}");
            (StatusCode::UNAUTHORIZED, challenge, Json(Refusal { error })).into_response()
        }
        Err(Closed::Forbidden(error)) => {
            (StatusCode::FORBIDDEN, Json(Refusal { error: error.to_owned() })).into_response()
        }
    }
}

/// Whether somebody who is not known wants to see a page, and shows no token, as people do.
fn is_for_people(request: &Request) -> bool {
    let headers = request.headers();
    !request.uri().path().starts_with("/api/") && headers.get(AUTHORIZATION).is_none()
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= ::oidc::MAX_TOKEN).then_some(token)
}

/// The secret of a session, as a browser brings it along.
fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION).map(|(_, secret)| secret).filter(|secret| secret.len() <= MAX_SECRET)
}

/// Whether a browser says that a page of somebody else sends this.
fn is_foreign(headers: &HeaderMap) -> bool {
    // `none` is a user who has typed the address.
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"same-origin" && site != b"none") || is_of_another_origin(headers)
}

fn is_of_another_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    origin.is_none() || origin != headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// Whether a browser says that a page from here sends this. What says nothing of it is no browser that a page was made for.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    !is_foreign(headers) && (site == Some(b"same-origin") || headers.contains_key(ORIGIN))
}

/// Whether a browser says that a link of another site leads here. It leaves the cookie of a session out then.
pub(super) fn is_led_here(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Whether the host that was asked for is this machine by its own names.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| Url::parse(&format!("http://{host}/")).ok()).is_some_and(|url| is_loopback(&url))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn headers(all: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn check(
        door: &Door,
        peer: Peer,
        request: (&Method, &str),
        sent: &[(axum::http::HeaderName, &str)],
        expect: Result<&str, u16>,
    ) {
        let found = door.admit(peer, request.0, request.1, &headers(sent), None);
        let found = found.as_ref().map(|caller| &*caller.name).map_err(|closed| match closed {
            Closed::Unknown | Closed::Refused(_) => 401,
            Closed::Forbidden(_) => 403,
        });
        assert_eq!(found, expect, "{peer:?} {request:?} {sent:?}");
    }

    const STATUS: (&Method, &str) = (&Method::GET, "/api/v1/status");
    const POLL: (&Method, &str) = (&Method::POST, "/api/v1/poll");

    #[test]
    fn without_tokens_this_machine_asks_and_the_socket_orders() {
        let door = Door::default();
        check(&door, Peer::Socket, POLL, &[], Ok("socket"));
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "localhost"] {
            check(&door, Peer::Here, STATUS, &[(HOST, host)], Ok(""));
        }
        for host in ["bot.example.com", "bot.example.com:8080", "127.0.0.1.example.com", "localhost.example.com", ""] {
            check(&door, Peer::Here, STATUS, &[(HOST, host)], Err(403));
        }
        check(&door, Peer::Here, STATUS, &[], Err(403));
        check(&door, Peer::Here, POLL, &[(HOST, "localhost")], Err(403));
        check(&door, Peer::Elsewhere, STATUS, &[(HOST, "localhost")], Err(403));
        check(&door, Peer::Elsewhere, (&Method::GET, "/api/v1/nothing"), &[], Err(403));
        for path in OPEN {
            check(&door, Peer::Elsewhere, (&Method::GET, path), &[], Ok(""));
            check(&door, Peer::Elsewhere, (&Method::POST, path), &[], Err(403));
        }
        for path in ["/hook/0", "/hooks/default/hub"] {
            check(&door, Peer::Elsewhere, (&Method::POST, path), &[], Ok(""));
            check(&door, Peer::Elsewhere, (&Method::GET, path), &[], Err(403));
            check(&door, Peer::Elsewhere, (&Method::DELETE, path), &[], Err(403));
        }
        assert_eq!(Peer::at("::ffff:127.0.0.1".parse().unwrap()), Peer::Here);
        assert_eq!(Peer::at("10.0.0.1".parse().unwrap()), Peer::Elsewhere);
    }

    #[test]
    fn a_token_says_who_asks_and_what_that_one_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        std::fs::write(&path, format!("grafana read {}\nann act {}\n", hash("one"), hash("two"))).unwrap();
        let door = Door { tokens: Some(Arc::new(Tokens::read(&path).unwrap())), ..Door::default() };
        for peer in [Peer::Here, Peer::Elsewhere] {
            check(&door, peer, STATUS, &[(HOST, "localhost")], Err(401));
            check(&door, peer, STATUS, &[(AUTHORIZATION, "Bearer one")], Ok("grafana"));
            check(&door, peer, STATUS, &[(AUTHORIZATION, "bearer  two ")], Ok("ann"));
            check(&door, peer, POLL, &[(AUTHORIZATION, "Bearer one")], Err(403));
            check(&door, peer, POLL, &[(AUTHORIZATION, "Bearer two")], Ok("ann"));
            for shown in ["Bearer three", "Bearer", "Bearer ", "Basic two", "two", &format!("Bearer {}", hash("two"))] {
                check(&door, peer, POLL, &[(AUTHORIZATION, shown)], Err(401));
            }
            let foreign = [(AUTHORIZATION, "Bearer two"), (HOST, "bot:8080"), (ORIGIN, "https://evil.example.com")];
            check(&door, peer, POLL, &foreign, Err(403));
            check(&door, peer, POLL, &[(AUTHORIZATION, "Bearer two"), (HOST, "bot"), (ORIGIN, "null")], Err(403));
            for (site, expect) in [("cross-site", Err(403)), ("same-site", Err(403)), ("same-origin", Ok("ann"))] {
                check(&door, peer, POLL, &[(AUTHORIZATION, "Bearer two"), (SEC_FETCH_SITE, site)], expect);
            }
            check(
                &door,
                peer,
                POLL,
                &[(AUTHORIZATION, "Bearer two"), (HOST, "bot"), (ORIGIN, "http://bot")],
                Ok("ann"),
            );
        }
        check(&door, Peer::Socket, POLL, &[], Ok("socket"));
        check(&door, Peer::Socket, POLL, &[(HOST, "localhost"), (ORIGIN, "https://evil.example.com")], Err(403));
    }

    #[test]
    fn a_session_asks_and_sends_forms_as_long_as_its_token_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        std::fs::write(&path, format!("grafana read {}\nann act {}\n", hash("one"), hash("two"))).unwrap();
        let door = Door { tokens: Some(Arc::new(Tokens::read(&path).unwrap())), ..Door::default() };
        let cookie =
            |token: &str| format!("a=b; {SESSION}={}", door.sessions.begin(tokens::hash(token), None).unwrap());
        let (one, two, other) = (cookie("one"), cookie("two"), cookie("three"));
        let form = (&Method::POST, "/do/poll");
        for (sent, name) in [(&one, "grafana"), (&two, "ann")] {
            check(&door, Peer::Elsewhere, STATUS, &[(COOKIE, sent)], Ok(name));
            check(&door, Peer::Elsewhere, (&Method::GET, "/"), &[(COOKIE, sent)], Ok(name));
            check(&door, Peer::Elsewhere, POLL, &[(COOKIE, sent)], Err(401));
            // What the form's handler asks for besides is its own.
            check(&door, Peer::Elsewhere, form, &[(COOKIE, sent)], Ok(name));
            check(&door, Peer::Elsewhere, form, &[(COOKIE, sent), (SEC_FETCH_SITE, "same-site")], Err(403));
        }
        check(&door, Peer::Elsewhere, STATUS, &[(COOKIE, &other)], Err(401));
        check(&door, Peer::Elsewhere, form, &[(AUTHORIZATION, "Bearer one")], Err(403));
        check(&door, Peer::Elsewhere, form, &[(AUTHORIZATION, "Bearer one"), (COOKIE, &two)], Err(403));
        for path in BEFORE {
            check(&door, Peer::Elsewhere, (&Method::GET, path), &[], Ok(""));
        }
        check(&door, Peer::Elsewhere, (&Method::POST, "/login"), &[], Ok(""));
        check(&door, Peer::Elsewhere, (&Method::POST, "/logout"), &[], Err(401));
        std::fs::write(&path, format!("grafana read {}\n", hash("one"))).unwrap();
        check(&door, Peer::Elsewhere, (&Method::GET, "/"), &[(COOKIE, &two)], Err(401));
        check(&door, Peer::Elsewhere, (&Method::GET, "/"), &[(COOKIE, &one)], Ok("grafana"));
    }

    #[test]
    fn a_form_comes_from_a_page_from_here() {
        let is = |sent: &[(HeaderName, &str)]| is_from_here(&headers(sent));
        assert!(is(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(is(&[(HOST, "bot:8080"), (ORIGIN, "http://bot:8080")]));
        assert!(!is(&[]) && !is(&[(HOST, "bot:8080")]) && !is(&[(SEC_FETCH_SITE, "none")]));
        assert!(!is(&[(HOST, "bot"), (ORIGIN, "null")]) && !is(&[(SEC_FETCH_SITE, "cross-site")]));
        assert!(!is(&[(SEC_FETCH_SITE, "same-origin"), (HOST, "bot"), (ORIGIN, "https://evil.example.com")]));
    }
}
