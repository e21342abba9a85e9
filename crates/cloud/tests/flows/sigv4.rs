//! AWS's side of a signature: what a request has to be signed with, found out from the request alone.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use jiff::Timestamp;

use super::service::{Reply, Seen, reply};

/// How much the clocks may differ, in seconds.
const TOLERANCE: i64 = 300;

/// What AWS knows of a key.
pub(crate) struct Known {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) session: Option<&'static str>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a request; what is wrong with it is AWS's answer.
pub(crate) fn check(seen: &Seen, now: Timestamp, known: &Known, service: &str) -> Result<(), Reply> {
    let refuse = |code: &str, message: &str| {
        let body = format!(r#"{{"__type":"com.amazon.coral.service#{code}","message":"{message}"}}"#);
        Err(reply(400, body))
    };
    let authorization = seen.header("authorization");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(name)?;
        rest.split(',').next()
    };
    let (Some(credential), Some(names), Some(signature)) =
        (part("Credential="), part("SignedHeaders="), part("Signature="))
    else {
        return refuse("MissingAuthenticationTokenException", "Missing Authentication Token");
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, day, region, signed_service, "aws4_request"] = scope[..] else { panic!("{credential}") };
    assert_eq!(signed_service, service);
    if id != known.id {
        return refuse("UnrecognizedClientException", "The security token included in the request is invalid.");
    }
    if seen.headers.get("x-amz-security-token").map(String::as_str) != known.session {
        return refuse("ExpiredTokenException", "The security token included in the request is expired");
    }
    let time = seen.header("x-amz-date");
    let at =
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    if (at.timestamp().as_second() - now.as_second()).abs() > TOLERANCE {
        return refuse("InvalidSignatureException", "Signature expired");
    }
    for must in ["host", "x-amz-date", "x-amz-target", "content-type"] {
        assert!(!seen.headers.contains_key(must) || names.split(';').any(|name| name == must), "{must} is not signed");
    }
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect();
    let hash = |text: &str| hex(digest(&SHA256, text.as_bytes()).as_ref());
    let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{}", seen.method, seen.path, hash(&seen.body));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/{region}/{service}/aws4_request\n{}", hash(&canonical));
    let mut key = format!("AWS4{}", known.secret).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = sign(&Key::new(HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    match hex(sign(&Key::new(HMAC_SHA256, &key), text.as_bytes()).as_ref()) == signature {
        true => Ok(()),
        false => refuse("InvalidSignatureException", "The request signature we calculated does not match"),
    }
}
