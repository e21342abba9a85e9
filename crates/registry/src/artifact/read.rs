//! Manifests and blobs, asked for and checked.

use image::{Digest, Repository};
use reqwest::header::{self, HeaderValue};
use sha2::{Digest as _, Sha256};
use web::show;

use super::{By, MAX_MANIFEST, Manifest, decode, has_digest};
use crate::error::Error;
use crate::exchange::{Reply, Request};
use crate::manifest::{accept, announced, hex};
use crate::page;
use crate::poll::Question;
use crate::session::Session;

/// The question for a manifest.
pub(crate) struct ManifestOf<'q> {
    pub(crate) by: By<'q>,
}

impl Question for ManifestOf<'_> {
    type Answer = Manifest;

    fn subject(&self, repository: &Repository) -> String {
        match self.by {
            By::Tag(tag) => format!("tag '{repository}:{tag}'"),
            By::Digest(digest) => format!("manifest '{repository}@{digest}'"),
        }
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Manifest, Error> {
        manifest(session, self.by).await
    }
}

/// The question for a blob.
pub(crate) struct BlobOf<'q> {
    pub(crate) digest: &'q Digest,
    pub(crate) limit: usize,
}

impl Question for BlobOf<'_> {
    type Answer = Vec<u8>;

    fn subject(&self, repository: &Repository) -> String {
        format!("blob '{repository}@{}'", self.digest)
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Vec<u8>, Error> {
        let url = session.address(&format!("blobs/{}", self.digest));
        let reply = session.fetch(&[Request::get(url, HeaderValue::from_static("*/*"), self.limit)]).await?;
        match has_digest(&reply.body, self.digest) {
            true => Ok(reply.body),
            false if page::is_web_page(&reply) => Err(page::web_page(&reply)),
            false => Err(malformed(&reply, "a blob that has another digest")),
        }
    }
}

pub(super) async fn manifest(session: &Session<'_>, by: By<'_>) -> Result<Manifest, Error> {
    let url = session.address(&format!("manifests/{by}"));
    let reply = session.fetch(&[Request::get(url, accept(), MAX_MANIFEST)]).await?;
    if page::is_web_page(&reply) && serde_json::from_slice::<serde::de::IgnoredAny>(&reply.body).is_err() {
        return Err(page::web_page(&reply));
    }
    let digest = verified(&reply, by)?;
    decode(digest, &reply.body, called(&reply).as_deref()).map_err(|reason| malformed(&reply, reason))
}

/// The media type that a registry calls an answer by.
pub(super) fn called(reply: &Reply) -> Option<String> {
    reply.texts(header::CONTENT_TYPE).next().map(std::borrow::Cow::into_owned)
}

/// The digest of an answer: the one it was asked for by, or the one the registry says, or its own.
fn verified(reply: &Reply, by: By<'_>) -> Result<Digest, Error> {
    let digest = match (by, announced(reply)?) {
        (By::Digest(digest), _) => digest.clone(),
        (By::Tag(_), Some(announced)) => announced,
        (By::Tag(_), None) => Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(&reply.body))))
            .map_err(|_| malformed(reply, "a digest that is none"))?,
    };
    match has_digest(&reply.body, &digest) {
        true => Ok(digest),
        false => Err(malformed(reply, "a manifest that has another digest")),
    }
}

pub(super) fn malformed(reply: &Reply, reason: impl Into<String>) -> Error {
    Error::Malformed { url: show(&reply.url), reason: reason.into() }
}
