//! Requests as spans, by OpenTelemetry's conventions for HTTP clients, for whoever looks at traces.
//!
//! A span costs nothing as long as nobody does. It says where a request went and what came of it: no header, no query, no body, and of
//! an address what a message would show.

use reqwest::Method;
use tracing::Span;
use tracing::field::{Empty, display};
use url::Url;

use super::place::show;

/// The target of all spans that are part of a trace: what writes the log leaves them out by it, and what sends traces knows them by it.
pub const SPANS: &str = "span";

/// The span of a request, from when it is sent until its answer is read. `resent` is how often the same was sent before.
#[must_use]
pub fn asking(method: &Method, url: &Url, resent: usize) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        "http.request.method" = method.as_str(),
        "http.request.resend_count" = Empty,
        "http.response.status_code" = Empty,
        "server.address" = url.host_str(),
        "server.port" = url.port_or_known_default().map(i64::from),
        "url.full" = %show(url),
        "error.type" = Empty,
    );
    if resent > 0 {
        span.record("http.request.resend_count", i64::try_from(resent).unwrap_or(i64::MAX));
    }
    span
}

/// Says on the span of a request with which status it was answered.
pub fn answered(span: &Span, status: u16) {
    // Unsigned numbers would be sent as text.
    span.record("http.response.status_code", i64::from(status));
    if status >= 400 {
        span.record("error.type", display(status));
        span.record("otel.status_code", "ERROR");
    }
}

/// Says on the span of a request that there was no answer to it.
pub fn unanswered(span: &Span, error: &reqwest::Error) {
    let reason = match () {
        () if error.is_timeout() => "timeout",
        () if error.is_connect() => "connect",
        () => "request",
    };
    span.record("error.type", reason);
    span.record("otel.status_code", "ERROR");
}
