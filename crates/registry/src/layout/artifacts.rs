//! Manifests, blobs and referrers of a layout.
//!
//! A layout has no list of referrers. What refers to a digest is in its index, as anything else is, and says so itself
//! (`subject`); or it is listed at the tag that takes the place of the list in a registry.

use image::{Digest, Tag};
use oci_client::manifest::OciImageIndex;

use super::{INDEX, Layout, place, read};
use crate::artifact::{By, Content, Descriptor, MAX_ENTRIES, MAX_MANIFEST, Manifest, decode, tag_of};
use crate::error::Error;
use crate::settings::Limits;

/// Returns the manifest to which a tag points, or that has a digest.
pub(crate) async fn manifest(folder: &str, by: By<'_>, limits: &Limits) -> Result<Manifest, Error> {
    let limits = limits.clone();
    let by = match by {
        By::Tag(tag) => Err(tag.clone()),
        By::Digest(digest) => Ok(digest.clone()),
    };
    read(folder, move |layout| match by {
        Ok(digest) => layout.manifest(&digest),
        Err(tag) => match layout.tagged(&tag, &limits)? {
            Some(manifest) => Ok(manifest),
            None => Err(layout.wrong(INDEX, &format!("names nothing {tag}"))),
        },
    })
    .await
}

/// Whether a layout has the bytes of a digest. Whether they are right is seen when they are read.
pub(crate) async fn has(folder: &str, digest: &Digest) -> Result<bool, Error> {
    let digest = digest.clone();
    read(folder, move |layout| Ok(layout.folder.join(place(&digest)).is_file())).await
}

/// Returns the bytes that have a digest.
pub(crate) async fn blob(folder: &str, digest: &Digest, limit: usize) -> Result<Vec<u8>, Error> {
    let digest = digest.clone();
    read(folder, move |layout| layout.blob(&digest, limit)).await
}

/// Returns what refers to a digest.
pub(crate) async fn referrers(folder: &str, digest: &Digest, limits: &Limits) -> Result<Vec<Descriptor>, Error> {
    let (digest, limits) = (digest.clone(), limits.clone());
    read(folder, move |layout| layout.referrers(&digest, &limits)).await
}

/// Returns the manifest to which a tag points, if it points to any.
pub(crate) async fn attached(folder: &str, tag: &Tag, limits: &Limits) -> Result<Option<Manifest>, Error> {
    let (tag, limits) = (tag.clone(), limits.clone());
    read(folder, move |layout| layout.tagged(&tag, &limits)).await
}

impl Layout {
    fn manifest(&self, digest: &Digest) -> Result<Manifest, Error> {
        let bytes = self.blob(digest, MAX_MANIFEST)?;
        decode(digest.clone(), &bytes, None).map_err(|reason| self.wrong(&place(digest), &format!("has {reason}")))
    }

    fn tagged(&self, tag: &Tag, limits: &Limits) -> Result<Option<Manifest>, Error> {
        let Some(digest) = self.pointed(tag, limits)? else { return Ok(None) };
        self.manifest(&self.verified(&digest)?).map(Some)
    }

    fn referrers(&self, digest: &Digest, limits: &Limits) -> Result<Vec<Descriptor>, Error> {
        let index: OciImageIndex = self.json(INDEX, limits.page_bytes)?;
        if index.manifests.len() > MAX_ENTRIES {
            return Err(
                self.wrong(INDEX, &format!("has more than {MAX_ENTRIES} entries, and all may refer to an image"))
            );
        }
        let mut found = Vec::new();
        for entry in index.manifests {
            let Ok(entry) = Digest::parse(&entry.digest) else { continue };
            // What is no manifest, or is not there, refers to nothing.
            let Ok(manifest) = self.manifest(&entry) else { continue };
            if manifest.subject.as_ref() == Some(digest) {
                found.push(manifest.as_referrer());
            }
        }
        let listed = tag_of(digest, "").map(|tag| self.tagged(&tag, limits)).transpose()?.flatten();
        if let Some(Manifest { content: Content::Index(entries), .. }) = listed {
            found.extend(entries);
        }
        found.sort_by(|a, b| a.digest.cmp(&b.digest));
        found.dedup_by(|a, b| a.digest == b.digest);
        Ok(found)
    }
}

impl Manifest {
    /// As it is in a list of referrers, where an artifact without a type has that of its configuration.
    fn as_referrer(&self) -> Descriptor {
        let mut descriptor = self.descriptor();
        if let (None, Content::Image { config, .. }) = (&descriptor.artifact_type, &self.content) {
            descriptor.artifact_type = Some(config.media_type.clone());
        }
        descriptor
    }
}
