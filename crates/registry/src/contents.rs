//! What is behind a digest: the questions about manifests, blobs and referrers.
//!
//! Each is a question as the others are, with the logins, mirrors, budgets and deadlines of all. A registry that counts pulls,
//! as Docker Hub does, counts each manifest that is read with [`Client::manifest`].

use std::collections::VecDeque;

use image::{Digest, Repository};
use oci_client::manifest::{IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE};

use super::artifact::{self, AttachedTo, BlobOf, MAX_CONFIG, MAX_DEPTH, MAX_ENTRIES, ManifestOf, ReferrersOf};
use super::error::Error;
use super::poll::DigestOf;
use super::{By, Client, Config, Content, Descriptor, Manifest, layout};

/// The most indexes within the index of one image.
const MAX_INNER: usize = 16;

impl Client {
    /// Returns the manifest to which a tag points, or that has a digest. Its bytes have been checked against its digest.
    ///
    /// # Errors
    /// As [`Client::tags`]; it does not exist, is larger than 4 MiB, has another digest, or is neither an image nor an index.
    pub async fn manifest(
        &self,
        repository: &Repository,
        by: By<'_>,
        access: &access::Registry,
    ) -> Result<Manifest, Error> {
        if let Some(folder) = repository.layout() {
            return layout::manifest(folder, by, &self.settings.limits).await;
        }
        let manifest = Box::pin(self.poll(repository, access, &ManifestOf { by }, &self.place())).await?;
        let (name, digest) = (repository.name(), manifest.digest.as_str());
        tracing::debug!(image.repository = name, image.digest = digest, asked = %by, "read a manifest");
        Ok(manifest)
    }

    /// Whether a repository has a manifest of this digest. It is asked for without being read, where the registry can say so.
    ///
    /// # Errors
    /// As [`Client::tags`]; that there is none is no error.
    pub async fn has(
        &self,
        repository: &Repository,
        digest: &Digest,
        access: &access::Registry,
    ) -> Result<bool, Error> {
        if let Some(folder) = repository.layout() {
            return layout::has(folder, digest).await;
        }
        let by = By::Digest(digest);
        match Box::pin(self.poll(repository, access, &DigestOf { by }, &self.place())).await {
            // A server that answers with something else has not got this one.
            Ok(found) => Ok(found == *digest),
            Err(error) if matches!(error.cause(), Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the images of a manifest: of an index, those of indexes within it included, each with what it runs on; of an image
    /// itself. At most 1,000.
    ///
    /// # Errors
    /// As [`Client::manifest`]; there are more than three indexes one within the other, or more than 16 in all.
    pub async fn images(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        access: &access::Registry,
    ) -> Result<Vec<Descriptor>, Error> {
        let entries = match &manifest.content {
            Content::Image { .. } => return Ok(vec![manifest.descriptor()]),
            Content::Index(entries) => entries.clone(),
        };
        let (mut images, mut inner) = (Vec::new(), 0);
        let mut left: VecDeque<(Descriptor, usize)> = entries.into_iter().map(|entry| (entry, 1)).collect();
        while let Some((entry, depth)) = left.pop_front() {
            if !entry.is_index() {
                images.push(entry);
            } else if depth == MAX_DEPTH {
                return Err(too_large(repository, &manifest.digest, MAX_DEPTH, "indexes one within the other"));
            } else if inner == MAX_INNER {
                return Err(too_large(repository, &manifest.digest, MAX_INNER, "indexes within it"));
            } else {
                inner += 1;
                let read = Box::pin(self.manifest(repository, By::Digest(&entry.digest), access)).await?;
                match read.content {
                    Content::Index(entries) => left.extend(entries.into_iter().map(|entry| (entry, depth + 1))),
                    Content::Image { .. } => images.push(read.descriptor()),
                }
            }
            if images.len() + left.len() > MAX_ENTRIES {
                return Err(too_large(repository, &manifest.digest, MAX_ENTRIES, "images"));
            }
        }
        Ok(images)
    }

    /// Returns what an image says of itself. `config` is what its manifest has as its configuration; what is no configuration of
    /// an image, but of some other artifact, says nothing.
    ///
    /// # Errors
    /// As [`Client::blob`]; or it cannot be read.
    pub async fn config(
        &self,
        repository: &Repository,
        config: &Descriptor,
        access: &access::Registry,
    ) -> Result<Config, Error> {
        if !matches!(config.media_type.as_str(), IMAGE_CONFIG_MEDIA_TYPE | IMAGE_DOCKER_CONFIG_MEDIA_TYPE) {
            return Ok(Config::default());
        }
        let body = Box::pin(self.blob(repository, &config.digest, MAX_CONFIG, access)).await?;
        Config::decode(&body).map_err(|reason| Error::Malformed { url: name(repository, &config.digest), reason })
    }

    /// Returns the bytes that have a digest, at most `limit`.
    ///
    /// # Errors
    /// As [`Client::tags`]; they do not exist, are more, or have another digest.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: usize,
        access: &access::Registry,
    ) -> Result<Vec<u8>, Error> {
        match repository.layout() {
            Some(folder) => layout::blob(folder, digest, limit).await,
            None => Box::pin(self.poll(repository, access, &BlobOf { digest, limit }, &self.place())).await,
        }
    }

    /// Returns what says that it refers to a digest, such as signatures and attestations: by the registry's list of referrers, or
    /// where it has none, by the tag that takes its place. Anybody who may push can be in it.
    ///
    /// # Errors
    /// As [`Client::tags`]; the list is longer than 1,000 entries or 20 pages, or is none.
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        access: &access::Registry,
    ) -> Result<Vec<Descriptor>, Error> {
        match repository.layout() {
            Some(folder) => layout::referrers(folder, digest, &self.settings.limits).await,
            None => Box::pin(self.poll(repository, access, &ReferrersOf { digest }, &self.place())).await,
        }
    }

    /// Returns the manifest at the tag that cosign makes of a digest and an ending (`.sig`, `.att`); none where there is no such
    /// tag.
    ///
    /// # Errors
    /// As [`Client::manifest`].
    pub async fn attached(
        &self,
        repository: &Repository,
        digest: &Digest,
        ending: &str,
        access: &access::Registry,
    ) -> Result<Option<Manifest>, Error> {
        let Some(tag) = artifact::tag_of(digest, ending) else { return Ok(None) };
        match repository.layout() {
            Some(folder) => layout::attached(folder, &tag, &self.settings.limits).await,
            None => Box::pin(self.poll(repository, access, &AttachedTo { digest, tag: &tag }, &self.place())).await,
        }
    }
}

impl Manifest {
    /// Returns what would be said of it in an index, but for what it runs on.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            digest: self.digest.clone(),
            size: self.size,
            media_type: self.media_type.clone(),
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.clone(),
            platform: None,
        }
    }
}

fn too_large(repository: &Repository, digest: &Digest, limit: usize, what: &'static str) -> Error {
    Error::TooLarge { url: name(repository, digest), limit, what }
}

fn name(repository: &Repository, digest: &Digest) -> String {
    format!("{repository}@{digest}")
}
