//! Answers are compressed for those who take gzip over TCP.
//!
//! What is streamed as events is not, since it would be held back; nor what is short, nor what is no good answer. Where a form or a session
//! is made, a secret stands beside what was sent, and the length of both together, compressed, would tell of it to whoever can have a browser
//! send guesses (BREACH); those pages are sent as they are, too.

use axum::Router;
use axum::extract::Request;
use axum::http::header::ACCEPT_ENCODING;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};

use super::door::Peer;

/// The shortest answer that is compressed, in bytes: about what one packet holds.
const MIN_BYTES: u64 = 1400;

/// Paths where secrets are made, with those below.
const SECRET: [&str; 3] = ["/login", "/logout", "/do/"];

/// Has the answers of routes compressed.
pub(super) fn squeezed(router: Router) -> Router {
    let is_good = |status: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| status == StatusCode::OK;
    let worth_it = SizeAbove::new(MIN_BYTES).and(NotForContentType::SSE).and(is_good);
    router.layer(CompressionLayer::new().compress_when(worth_it)).layer(from_fn(plain))
}

/// Takes care that what has to be sent as it is, is, and so for those on this machine's socket.
async fn plain(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_plain = SECRET.iter().any(|secret| path.starts_with(secret));
    if is_plain || request.extensions().get::<Peer>() == Some(&Peer::Socket) {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    next.run(request).await
}
