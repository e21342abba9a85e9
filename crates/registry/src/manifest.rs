//! The digest to which a tag points: of the index, where an image has several platforms.

use image::Digest;
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    Versioned,
};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use web::show;

use super::artifact::{By, MAX_MANIFEST};
use super::error::Error;
use super::exchange::{Reply, Request};
use super::page;
use super::session::Session;

/// The header that says what a tag points to.
const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");

/// Asks with HEAD; where that is not answered, or does not say, with GET, whose body is the manifest.
pub(crate) async fn digest(session: &Session<'_>, by: By<'_>) -> Result<Digest, Error> {
    let url = session.address(&format!("manifests/{by}"));
    let get = Request::get(url, accept(), MAX_MANIFEST);
    let head = Request { method: Method::HEAD, ..get.clone() };
    match session.fetch(&[head]).await {
        Ok(reply) => {
            if let Some(digest) = announced(&reply)? {
                return Ok(digest);
            }
        }
        // A registry may answer 400, 404, 405 or 501 to HEAD alone. GET tells, and says why in its body.
        Err(Error::NotFound { .. } | Error::WebPage { .. } | Error::Status { status: 400 | 405 | 501, .. }) => {}
        Err(error) => return Err(error),
    }
    let reply = session.fetch(&[get]).await?;
    let computed = format!("sha256:{}", hex(&Sha256::digest(&reply.body)));
    match announced(&reply)? {
        Some(digest) if digest.as_str().starts_with("sha256:") && digest.as_str() != computed => {
            Err(Error::Malformed { url: show(&reply.url), reason: "a manifest that has another digest".to_owned() })
        }
        _ if page::is_web_page(&reply) && !is_manifest(&reply) => Err(page::web_page(&reply)),
        // What is hashed has to be a manifest: a page of a portal or a proxy has a digest, too.
        _ if !is_manifest(&reply) => {
            Err(Error::Malformed { url: show(&reply.url), reason: "something else than a manifest".to_owned() })
        }
        Some(digest) => Ok(digest),
        None => Digest::parse(&computed).map_err(|_| malformed(&reply)),
    }
}

fn is_manifest(reply: &Reply) -> bool {
    serde_json::from_slice::<Versioned>(&reply.body).is_ok()
}

/// The digest that a registry says an answer has.
pub(crate) fn announced(reply: &Reply) -> Result<Option<Digest>, Error> {
    let header = reply.texts(DIGEST_HEADER).next();
    let header = header.as_deref().map(str::trim).filter(|text| !text.is_empty());
    header.map(Digest::parse).transpose().map_err(|_| malformed(reply))
}

fn malformed(reply: &Reply) -> Error {
    Error::Malformed { url: show(&reply.url), reason: "a digest that is none".to_owned() }
}

/// The media types of manifests.
pub(crate) fn accept() -> HeaderValue {
    let types =
        [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE];
    HeaderValue::try_from(types.join(", ")).unwrap_or_else(|_| HeaderValue::from_static("*/*"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
