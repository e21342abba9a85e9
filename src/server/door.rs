//! Who may do what. Whoever reaches the socket is the user who runs the bot, and may do everything. Over TCP a token says it; where none
//! is given out, people on this machine may ask, and nobody may order. Probes and metrics are for everybody.
//!
//! A browser is no way in: an order that comes from another origin is refused whatever it brings along, and without tokens a request has
//! to name this machine as it is known on it, so that no name of somebody else's leads here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY};
use axum::http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;
use web::is_loopback;

use super::hooks::is_hook;
use super::tokens::{Right, Tokens};
use crate::wire::request::Refusal;

/// What everybody may read.
const OPEN: [&str; 4] = ["/livez", "/healthz", "/readyz", "/metrics"];

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 1024;

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

/// Who asks, as records of what was ordered name it: a token, or `socket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller(pub(super) Arc<str>);

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// It is not known who asks.
    Unknown,
    /// Who asks may not do that.
    Forbidden(&'static str),
}

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Door {
    pub(super) tokens: Option<Arc<Tokens>>,
}

impl Door {
    fn admit(&self, peer: Peer, method: &Method, path: &str, headers: &HeaderMap) -> Result<Caller, Closed> {
        let asks = matches!(*method, Method::GET | Method::HEAD);
        if peer == Peer::Socket {
            return Ok(Caller("socket".into()));
        }
        // A webhook brings its own proof.
        if (asks && OPEN.contains(&path)) || (*method == Method::POST && is_hook(path)) {
            return Ok(Caller("".into()));
        }
        if !asks && is_foreign(headers) {
            return Err(Closed::Forbidden("orders of another origin are not taken"));
        }
        let Some(tokens) = &self.tokens else {
            return match (peer, asks) {
                (Peer::Here, true) if names_this_machine(headers) => Ok(Caller("".into())),
                (_, true) => Err(Closed::Forbidden(
                    "without --api-token-file, only this machine may ask, by an address such as 127.0.0.1 or localhost",
                )),
                (_, false) => Err(Closed::Forbidden(
                    "without --api-token-file, orders are taken on the socket in the data folder alone",
                )),
            };
        };
        let (name, right) = shown(headers).and_then(|token| tokens.holder(token)).ok_or(Closed::Unknown)?;
        match asks || right == Right::Act {
            true => Ok(Caller(name.into())),
            false => Err(Closed::Forbidden("this token may ask, and not order")),
        }
    }
}

/// Lets a request through, or refuses it; gives every answer the headers that browsers go by.
pub(super) async fn guard(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    // A request whose peer nobody has told is as good as one from elsewhere.
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Elsewhere);
    let mut response = match door.admit(peer, request.method(), request.uri().path(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(Closed::Unknown) => {
            let error = "a token is needed: `Authorization: Bearer TOKEN`".to_owned();
            let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tagwright\""))];
            (StatusCode::UNAUTHORIZED, challenge, Json(Refusal { error })).into_response()
        }
        Err(Closed::Forbidden(error)) => {
            (StatusCode::FORBIDDEN, Json(Refusal { error: error.to_owned() })).into_response()
        }
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

fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_TOKEN).then_some(token)
}

/// Whether a browser says that a page of somebody else sends this.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    origin.is_none() || origin != headers.get(HOST).and_then(|host| host.to_str().ok())
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
        let found = door.admit(peer, request.0, request.1, &headers(sent));
        let found = found.as_ref().map(|caller| &*caller.0).map_err(|closed| match closed {
            Closed::Unknown => 401,
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
        let door = Door { tokens: Some(Arc::new(Tokens::read(&path).unwrap())) };
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
            check(
                &door,
                peer,
                POLL,
                &[(AUTHORIZATION, "Bearer two"), (HOST, "bot"), (ORIGIN, "http://bot")],
                Ok("ann"),
            );
        }
        check(&door, Peer::Socket, POLL, &[], Ok("socket"));
    }
}
