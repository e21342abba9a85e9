//! What refers to an image: signatures, attestations, lists of parts.
//!
//! Registries of today are asked by the API (`referrers/DIGEST`), those without one by the tag that takes its place, and cosign's
//! older signatures have a tag of their own. Whoever may push to a repository may add to the list, so it is bounded, and all that is
//! known of an entry is what it claims of itself.

use std::collections::HashSet;

use image::{Digest, Repository, Tag};
use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use reqwest::header::HeaderValue;
use web::show;

use super::read::{called, malformed, manifest};
use super::{By, Content, Descriptor, MAX_MANIFEST, Manifest, decode, tag_of};
use crate::endpoint::Role;
use crate::error::Error;
use crate::exchange::Request;
use crate::next;
use crate::page;
use crate::poll::Question;
use crate::session::Session;

/// The most pages of one list of referrers.
const MAX_PAGES: usize = 20;
/// The most entries of one list of referrers.
const MAX_REFERRERS: usize = 1_000;

/// The question for what refers to a digest.
pub(crate) struct ReferrersOf<'q> {
    pub(crate) digest: &'q Digest,
}

impl Question for ReferrersOf<'_> {
    type Answer = Vec<Descriptor>;

    fn subject(&self, repository: &Repository) -> String {
        referrers(repository, self.digest)
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Vec<Descriptor>, Error> {
        let listed = match api(session, self.digest).await {
            Err(error) if is_without(&error) => at_tag(session, self.digest).await?,
            listed => listed?,
        };
        // What copies images on demand has none of what refers to them.
        match (listed.is_empty(), session.endpoint.role) {
            (true, Role::Mirror) => Err(nothing(session, self.digest)),
            _ => Ok(listed),
        }
    }
}

/// The question for what cosign keeps beside a digest, at a tag with an ending.
pub(crate) struct AttachedTo<'q> {
    pub(crate) digest: &'q Digest,
    pub(crate) tag: &'q Tag,
}

impl Question for AttachedTo<'_> {
    type Answer = Option<Manifest>;

    fn subject(&self, repository: &Repository) -> String {
        format!("tag '{repository}:{}'", self.tag)
    }

    async fn ask(&self, session: &Session<'_>) -> Result<Option<Manifest>, Error> {
        match manifest(session, By::Tag(self.tag)).await {
            Err(Error::NotFound { .. }) if session.endpoint.role == Role::Registry => Ok(None),
            Err(Error::NotFound { .. }) => Err(nothing(session, self.digest)),
            found => found.map(Some),
        }
    }
}

async fn api(session: &Session<'_>, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
    let mut url = session.address(&format!("referrers/{digest}"));
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..MAX_PAGES {
        seen.insert(url.clone());
        let accept = HeaderValue::from_static(OCI_IMAGE_INDEX_MEDIA_TYPE);
        let reply = session.fetch(&[Request::get(url, accept, MAX_MANIFEST)]).await?;
        if page::is_web_page(&reply) {
            return Err(page::web_page(&reply));
        }
        let index = decode(digest.clone(), &reply.body, called(&reply).as_deref());
        let Content::Index(entries) = index.map_err(|reason| malformed(&reply, reason))?.content else {
            return Err(malformed(&reply, "a manifest in place of a list of referrers"));
        };
        all.extend(entries);
        if all.len() > MAX_REFERRERS {
            return Err(Error::TooLarge { url: show(&reply.url), limit: MAX_REFERRERS, what: "referrers" });
        }
        match next::after(&reply)? {
            None => return Ok(all),
            Some(next) if seen.contains(&next) => return Err(next::error(&reply.url, "leads back to an earlier page")),
            Some(next) => url = next,
        }
    }
    Err(Error::TooLarge { url: show(&url), limit: MAX_PAGES, what: "pages of referrers" })
}

async fn at_tag(session: &Session<'_>, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
    let Some(tag) = tag_of(digest, "") else { return Ok(Vec::new()) };
    match manifest(session, By::Tag(&tag)).await {
        Ok(Manifest { content: Content::Index(entries), .. }) => Ok(entries),
        Ok(Manifest { content: Content::Image { .. }, .. }) => {
            let url = show(&session.address(&format!("manifests/{tag}")));
            Err(Error::Malformed { url, reason: "an image in place of a list of referrers".to_owned() })
        }
        Err(Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether a registry has no API for referrers. The specification wants 404; others say that they do not know the address.
fn is_without(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. } | Error::WebPage { .. } | Error::Status { status: 400 | 405 | 406 | 501, .. }
    )
}

fn nothing(session: &Session<'_>, digest: &Digest) -> Error {
    let url = show(&session.address(&format!("referrers/{digest}")));
    Error::NotFound { what: session.subject.clone(), url, message: None }
}

fn referrers(repository: &Repository, digest: &Digest) -> String {
    format!("what refers to '{repository}@{digest}'")
}
