//! Whether a request is its sender's. Secrets are compared in constant time, whatever is wrong.

use access::{ExposeSecret as _, Secret};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use crate::{Refused, Request, Source};

/// The longest header that is looked at, in bytes.
const MAX_HEADER: usize = 4096;

/// How a sender proves that it is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The path has the token.
    Path,
    /// The path has it, or `Authorization`.
    PathOrHeader,
    /// A header has it: alone, or in `Authorization` behind a scheme.
    Header(&'static str),
    /// The first of these headers has a signature of the body.
    Signature(&'static [(&'static str, Form)]),
    /// `Authorization` has a token of an issuer.
    Issuer,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `sha256=HEX`.
    Prefixed,
    /// `HEX`, of HMAC-SHA-256.
    Plain,
    /// `HEX`, of HMAC-SHA-1.
    Sha1,
    /// `sha1=HEX`, `sha256=HEX` or `sha512=HEX`.
    Any,
    /// `HEX` or `sha256=HEX` of HMAC-SHA-256, or the token itself.
    OrToken,
}

impl Proof {
    /// How this sender does it.
    #[must_use]
    pub const fn of(source: Source) -> Self {
        const GITHUB: &str = "x-hub-signature-256";
        match source {
            Source::DockerHub | Source::Quay => Self::Path,
            Source::Acr | Source::Ecr | Source::Distribution | Source::CdEvents | Source::Generic => Self::PathOrHeader,
            Source::Gcr | Source::GenericOidc => Self::Issuer,
            Source::Harbor => Self::Header("authorization"),
            Source::GitLab => Self::Header("x-gitlab-token"),
            Source::GitHub => Self::Signature(&[(GITHUB, Form::Prefixed)]),
            Source::Gitea => Self::Signature(&[("x-gitea-signature", Form::Plain), (GITHUB, Form::Prefixed)]),
            Source::Bitbucket => Self::Signature(&[("x-hub-signature", Form::Prefixed)]),
            Source::Nexus => Self::Signature(&[("x-nexus-webhook-signature", Form::Sha1)]),
            Source::JFrog => Self::Signature(&[("x-jfrog-event-auth", Form::OrToken)]),
            Source::GenericHmac => Self::Signature(&[("x-signature", Form::Any)]),
        }
    }

    /// Whether a request has it.
    pub(crate) fn check(self, token: &Secret, request: &Request<'_>) -> Result<(), Refused> {
        let token = token.expose_secret();
        if token.is_empty() {
            return Err(Refused::Unproven("the receiver has no token"));
        }
        let header = |name: &str| (request.header)(name).filter(|value| value.len() <= MAX_HEADER);
        let (is_proven, why) = match self {
            Self::Path => (request.by_path, "the path does not have the token"),
            Self::PathOrHeader => {
                let shown = header("authorization").is_some_and(|shown| shows(&shown, token));
                (request.by_path | shown, "neither the path nor `Authorization` has the token")
            }
            Self::Header(name) => (
                header(name).is_some_and(|shown| shows(&shown, token)),
                "the header with the token is missing or wrong",
            ),
            Self::Issuer => (false, "a token of an issuer needs its keys"),
            Self::Signature(headers) => {
                let shown = headers.iter().find_map(|(name, form)| Some((header(name)?, *form)));
                let is_signed = shown.is_some_and(|(shown, form)| form.holds(&shown, token, request.body));
                (is_signed, "the header with the signature is missing or wrong")
            }
        };
        if is_proven { Ok(()) } else { Err(Refused::Unproven(why)) }
    }
}

impl Form {
    fn holds(self, shown: &str, token: &str, body: &[u8]) -> bool {
        let (word, digits) = shown.split_once('=').unwrap_or(("", shown));
        let algorithm = match (self, word) {
            (Self::Prefixed | Self::Any | Self::OrToken, "sha256") | (Self::Plain | Self::OrToken, "") => {
                hmac::HMAC_SHA256
            }
            (Self::Sha1, "") | (Self::Any, "sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            (Self::Any, "sha512") => hmac::HMAC_SHA512,
            _ => return self == Self::OrToken && equal(shown, token),
        };
        let is_signed = bytes(digits).is_some_and(|signature| {
            hmac::verify(&hmac::Key::new(algorithm, token.as_bytes()), body, &signature).is_ok()
        });
        is_signed | (self == Self::OrToken && equal(shown, token))
    }
}

/// Whether the value of a header is a token: alone, as `Bearer TOKEN`, or as the password of `Basic`.
fn shows(shown: &str, token: &str) -> bool {
    let (scheme, rest) = shown.split_once(' ').unwrap_or(("", shown));
    let behind_scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => equal(rest.trim(), token),
        "basic" => STANDARD
            .decode(rest.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .is_some_and(|login| login.split_once(':').is_some_and(|(_, password)| equal(password, token))),
        _ => false,
    };
    behind_scheme | equal(shown, token)
}

/// Says nothing by its time but the length.
fn equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}
