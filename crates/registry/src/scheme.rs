//! HTTPS or plain HTTP, where both are allowed.
//!
//! HTTPS is tried first, and plain HTTP only if nobody answers there or whoever does speaks no TLS. A server that speaks
//! TLS but is not trusted stays untrusted: it is an error, and not a reason to talk to it in the open. What was found is
//! remembered for the host until it cannot be reached any more. The question is `GET /v2/`, without credentials, once
//! for each host; hosts that must speak HTTPS are never asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use access::Registry;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use url::Url;
use web::{Origin, TlsProblem, Trail, Unreachable, show};

use super::endpoint::{Endpoint, PlainHttp, Role};
use super::error::Error;
use super::exchange::{Exchange, Request};
use super::room::{LARGE_BODY, Place};

/// The most bytes that are read of the answer, which does not matter.
const MAX_ANSWER: usize = LARGE_BODY;

/// What is spoken with which host.
#[derive(Debug, Default)]
pub(crate) struct Schemes {
    known: Mutex<HashMap<String, Arc<Mutex<Option<Url>>>>>,
}

impl Schemes {
    /// Returns the endpoint with the scheme that is really spoken there.
    pub(crate) async fn settle(
        &self,
        exchange: &Exchange,
        access: &Registry,
        endpoint: &Endpoint,
        patience: Duration,
    ) -> Result<Endpoint, Error> {
        if endpoint.role == Role::Mirror || endpoint.plain_http == PlainHttp::Refused {
            return Ok(endpoint.clone());
        }
        let cell = Arc::clone(self.known.lock().await.entry(endpoint.authority.clone()).or_default());
        let mut cell = cell.lock().await;
        let root = match cell.as_ref() {
            Some(root) => root.clone(),
            None => find(exchange, access, endpoint, patience).await?,
        };
        *cell = Some(root.clone());
        Ok(Endpoint { root, ..endpoint.clone() })
    }

    /// Forgets a host that could not be reached, since it may have changed.
    pub(crate) async fn forget(&self, endpoint: &Endpoint) {
        self.known.lock().await.remove(&endpoint.authority);
    }
}

async fn find(exchange: &Exchange, access: &Registry, endpoint: &Endpoint, patience: Duration) -> Result<Url, Error> {
    let secure = endpoint.root.clone();
    let mut plain = endpoint.root.clone();
    if plain.set_scheme("http").is_err() {
        return Ok(secure);
    }
    let refused = match ask(exchange, access, &secure, patience).await {
        Ok(()) => return Ok(secure),
        Err(
            error @ (Error::Network { .. }
            | Error::Refused { .. }
            | Error::NoAuthorities { .. }
            | Error::Tls { problem: TlsProblem::Plain, .. }),
        ) => error,
        Err(error) => return Err(error),
    };
    match ask(exchange, access, &plain, patience).await {
        Ok(()) => Ok(plain),
        Err(Error::Network { url, why, reason }) => Err(Error::Network { url, why, reason: and(reason, refused) }),
        Err(Error::Refused { url, reason }) => Err(Error::Refused { url, reason: and(reason, refused) }),
        Err(error) => Err(error),
    }
}

/// Adds why the first attempt failed, where that is another reason.
fn and(reason: String, first: Error) -> String {
    match first {
        Error::Network { reason: first, .. } | Error::Refused { reason: first, .. } if first != reason => {
            format!("{reason} (and over https: {first})")
        }
        _ => reason,
    }
}

/// Whether somebody answers, whatever the answer is.
async fn ask(exchange: &Exchange, access: &Registry, root: &Url, patience: Duration) -> Result<(), Error> {
    let request = Request::get(root.clone(), HeaderValue::from_static("application/json"), MAX_ANSWER);
    let trail = Trail::new(Origin::of(root), root.clone());
    // An answer of this size needs no room.
    let place = Place::new(&exchange.room);
    let answer = tokio::time::timeout(patience, exchange.send(access, &request, &trail, None, &place)).await;
    match answer {
        Ok(Ok(_) | Err(Error::TooLarge { .. })) => Ok(()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Network {
            url: show(root),
            why: Unreachable::Otherwise,
            reason: format!("no answer within {} s", patience.as_secs_f32()),
        }),
    }
}
