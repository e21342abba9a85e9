//! What is in an image, as far as policies look at it.

use image::{Digest, Repository};
use registry::{By, Client, Content, Descriptor};
use tagwright_core::automation::{ImageRepository, Platform};

use crate::run::Error;

/// The images of an index, or the one image that has the digest.
pub(super) async fn images(
    client: &Client,
    repository: &ImageRepository,
    digest: &Digest,
) -> Result<Vec<Digest>, Error> {
    let images = all(client, repository, digest).await?;
    Ok(images.into_iter().map(|image| image.digest).collect())
}

/// The images of an index that run, so without attestations, or the one image that has the digest.
pub(super) async fn runnable(
    client: &Client,
    repository: &ImageRepository,
    digest: &Digest,
) -> Result<Vec<Digest>, Error> {
    let images = all(client, repository, digest).await?;
    let runs = |image: &Descriptor| !image.platform.as_ref().is_some_and(registry::Platform::is_unknown);
    Ok(images.into_iter().filter(runs).map(|image| image.digest).collect())
}

async fn all(client: &Client, repository: &ImageRepository, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
    let ImageRepository { image, access, .. } = repository;
    let failed = |source| failed(image, digest, source);
    let manifest = client.manifest(image, By::Digest(digest), access).await.map_err(failed)?;
    client.images(image, &manifest, access).await.map_err(failed)
}

/// What an image says of itself; that of an index is what the first of its images says that runs.
pub(super) async fn config(
    client: &Client,
    repository: &ImageRepository,
    digest: &Digest,
) -> Result<registry::Config, Error> {
    let ImageRepository { image, access, .. } = repository;
    let failed = |source| failed(image, digest, source);
    let mut manifest = client.manifest(image, By::Digest(digest), access).await.map_err(failed)?;
    if matches!(manifest.content, Content::Index(_)) {
        let images = client.images(image, &manifest, access).await.map_err(failed)?;
        let runs = |image: &&registry::Descriptor| !image.platform.as_ref().is_some_and(registry::Platform::is_unknown);
        let Some(first) = images.iter().find(runs) else { return Ok(registry::Config::default()) };
        manifest = client.manifest(image, By::Digest(&first.digest), access).await.map_err(failed)?;
    }
    match &manifest.content {
        Content::Image { config, .. } => client.config(image, config, access).await.map_err(failed),
        Content::Index(_) => Ok(registry::Config::default()),
    }
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

/// Whether the registry has answered, and what it has cannot be read: it is no image, too large, nested too deeply, or gone.
pub(super) fn is_unreadable(error: &Error) -> bool {
    let Error::Registry { source, .. } = error else { return false };
    matches!(
        source.cause(),
        registry::Error::NotFound { .. }
            | registry::Error::Malformed { .. }
            | registry::Error::TooLarge { .. }
            | registry::Error::Layout { .. }
    )
}

/// A failure to find out about an image.
pub(super) fn failed(repository: &Repository, digest: &Digest, source: registry::Error) -> Error {
    let (image, registry) = (format!("{repository}@{digest}"), repository.registry().to_owned());
    Error::Registry { image, registry, source: source.into() }
}
