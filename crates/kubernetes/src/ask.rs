//! One request and its answer, with what kube's client leaves out: how long the server wants to be left alone.

use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde::de::DeserializeOwned;

use crate::connect::DEADLINE;
use crate::error::{Error, Reason};

/// The longest time that a server may ask for; more is a mistake of a clock.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// Sends a request, and reads what it is answered with, within the time that a request may take.
pub(crate) async fn ask<T: DeserializeOwned>(client: &Client, request: Request<Vec<u8>>) -> Result<T, Error> {
    let answer = async {
        let response = client.send(request.map(Body::from)).await.map_err(Error::from)?;
        read(response).await
    };
    tokio::time::timeout(DEADLINE, answer).await.unwrap_or_else(|_| Err(Error::late(DEADLINE)))
}

async fn read<T: DeserializeOwned>(response: Response<Body>) -> Result<T, Error> {
    let (head, body) = response.into_parts();
    let body = body.collect_bytes().await.map_err(Error::from)?;
    if head.status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| Error {
            reason: Reason::Transient,
            message: format!("the API server answered with something else than an object: {error}"),
            retry_after: None,
        });
    }
    // Whoever stands in front of an API server answers with a text or a page.
    let status = serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body);
        Status::failure(text.trim(), "")
    });
    let error = Error::from(status.with_code(head.status.as_u16()));
    Err(Error { retry_after: retry_after(&head.headers).or(error.retry_after), ..error })
}

/// The seconds of a `Retry-After`; the API server sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
