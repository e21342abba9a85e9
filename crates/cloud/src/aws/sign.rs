//! Signature Version 4: a request, signed with an access key for one service, region and day.
//!
//! Only what our requests have is signed: no query, and a body in memory.

use access::ExposeSecret as _;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign as hmac};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::request::Request;

use super::Keys;

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s> {
    pub(crate) region: &'s str,
    pub(crate) service: &'s str,
    pub(crate) at: Timestamp,
}

impl Scope<'_> {
    /// The time as AWS writes it, without the `Z`.
    pub(crate) fn time(&self) -> String {
        self.at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S").to_string()
    }

    fn credential(&self) -> String {
        let time = self.time();
        format!("{}/{}/{}/aws4_request", &time[..8], self.region, self.service)
    }

    /// Signs the canonical form of a request, of a time as the service wants it written.
    pub(crate) fn signature(&self, keys: &Keys, time: &str, canonical: &str) -> String {
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{}", self.credential(), sha256(canonical.as_bytes()));
        let step = |key: &[u8], part: &str| hmac(&Key::new(HMAC_SHA256, key), part.as_bytes());
        let secret = format!("AWS4{}", keys.secret.expose_secret());
        let day = step(secret.as_bytes(), &time[..8]);
        let region = step(day.as_ref(), self.region);
        let service = step(region.as_ref(), self.service);
        let key = step(service.as_ref(), "aws4_request");
        hex(step(key.as_ref(), &text).as_ref())
    }
}

/// Returns a request with its signature.
pub(crate) fn sign(request: Request, keys: &Keys, scope: &Scope<'_>) -> Request {
    let time = scope.time() + "Z";
    let mut request = request.with("x-amz-date", time.clone());
    if let Some(session) = &keys.session {
        request = request.with("x-amz-security-token", session.clone());
    }
    let mut headers: Vec<(&str, String)> =
        request.headers.iter().map(|(name, value)| (*name, spaced(value.expose_secret()))).collect();
    headers.push(("host", web::authority(&request.url)));
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = request.body.as_ref().map_or("", |body| body.expose_secret());
    let canonical =
        format!("{}\n{}\n\n{lines}\n{names}\n{}", request.method, encoded(request.url.path()), sha256(body.as_bytes()));
    let signature = scope.signature(keys, &time, &canonical);
    let credential = scope.credential();
    let value =
        format!("AWS4-HMAC-SHA256 Credential={}/{credential}, SignedHeaders={names}, Signature={signature}", keys.id);
    request.with("authorization", value)
}

/// Bytes as hexadecimal digits in lower case.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// A header's value without white space around it, and with single spaces within.
fn spaced(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// A path, which is encoded already, encoded once more: AWS wants that of all services but S3.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
