//! What is in an image, as far as policies look at it.

use image::{Digest, Repository};
use registry::{By, Client, Content};
use tagwright_core::automation::{ImageRepository, Platform};

use crate::run::Error;

/// The images of an index, or the one image that has the digest.
pub(super) async fn images(
    client: &Client,
    repository: &ImageRepository,
    digest: &Digest,
) -> Result<Vec<Digest>, Error> {
    let ImageRepository { image, access, .. } = repository;
    let failed = |source| failed(image, digest, source);
    let manifest = client.manifest(image, By::Digest(digest), access).await.map_err(failed)?;
    let images = client.images(image, &manifest, access).await.map_err(failed)?;
    Ok(images.into_iter().map(|image| image.digest).collect())
}

/// The platforms that an image is for: those that its index names, or what its configuration says. What is for no platform, such as
/// an attestation in an index, is left out, and so is what is not written as platforms are.
pub(super) async fn platforms(
    client: &Client,
    repository: &ImageRepository,
    digest: &Digest,
) -> Result<Vec<Platform>, Error> {
    let ImageRepository { image, access, .. } = repository;
    let failed = |source| failed(image, digest, source);
    let manifest = client.manifest(image, By::Digest(digest), access).await.map_err(failed)?;
    let found: Vec<registry::Platform> = match &manifest.content {
        Content::Image { config, .. } => {
            let config = client.config(image, config, access).await.map_err(failed)?;
            config.platform.into_iter().collect()
        }
        Content::Index(_) => {
            let images = client.images(image, &manifest, access).await.map_err(failed)?;
            images.into_iter().filter_map(|image| image.platform).collect()
        }
    };
    // A platform that has other characters is none that could be asked for.
    let mut platforms: Vec<Platform> =
        found.iter().filter_map(|found| Platform::parse(&found.to_string()).ok()).collect();
    platforms.sort_unstable();
    platforms.dedup();
    Ok(platforms)
}

/// A failure to find out about an image.
pub(super) fn failed(repository: &Repository, digest: &Digest, source: registry::Error) -> Error {
    let (image, registry) = (format!("{repository}@{digest}"), repository.registry().to_owned());
    Error::Registry { image, registry, source: source.into() }
}
