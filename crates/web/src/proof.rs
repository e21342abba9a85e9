//! The `Authorization` header: the only place where a login or a token becomes part of a request.
//!
//! The values are marked as sensitive, so that no log of a library shows them. To whom they may be shown is
//! [`Trail::is_home`](crate::Trail::is_home)'s to say.

use access::{ExposeSecret as _, Login, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// Returns a user name and a password as a header value, by RFC 7617.
///
/// ```
/// let login = access::Login { username: "bot".to_owned(), password: "s3cret".into() };
/// assert_eq!(web::basic(&login), "Basic Ym90OnMzY3JldA==");
/// assert!(!format!("{:?}", web::basic(&login)).contains("Ym90"));
/// ```
#[must_use]
pub fn basic(login: &Login) -> HeaderValue {
    let pair = format!("{}:{}", login.username, login.password.expose_secret());
    // Base64 has no character that a header cannot have.
    sensitive(&format!("Basic {}", STANDARD.encode(pair))).unwrap_or_else(|| HeaderValue::from_static("Basic"))
}

/// Returns a bearer token as a header value, by RFC 6750; `None` if it has characters that no header can have.
#[must_use]
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose_secret()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
