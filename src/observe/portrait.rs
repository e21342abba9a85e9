//! What changed between the images that fields have and those that they get: asked for only where somebody wants to know.
//!
//! Whatever cannot be had is left out: nobody waits for a commit because an old image is gone.

use std::collections::BTreeMap;

use image::{Digest, Reference, Repository, Tag};
use registry::{By, Client, Content, Manifest};
use tagwright_core::automation::ImageRepository;
use tagwright_core::change::Change;
use tagwright_core::difference::{Difference, Differences, Portrait};

/// How many images are asked for one commit.
const MAX_ASKED: usize = 32;

/// What changes say of images: of each the repository and what is selected.
pub(crate) async fn differences<'c>(
    client: &Client,
    changes: impl IntoIterator<Item = (&'c Change, &'c ImageRepository, &'c Reference)>,
) -> Differences {
    let mut portraits: BTreeMap<String, Option<Portrait>> = BTreeMap::new();
    let mut differences = Differences::new();
    for (change, repository, selected) in changes {
        let key = (change.setter.clone(), change.old.clone(), change.new.clone());
        let old = before(change, &repository.image);
        let asked = [Some(selected.clone()), old.clone()].into_iter().flatten();
        for reference in asked {
            let name = named(&reference);
            if !portraits.contains_key(&name) && portraits.len() < MAX_ASKED {
                let found = Box::pin(portrait(client, repository, &reference)).await;
                portraits.insert(name, found);
            }
        }
        let known = |reference: &Reference| portraits.get(&named(reference)).cloned().flatten();
        if let Some(new) = known(selected) {
            differences.insert(key, Difference { old: old.as_ref().and_then(known), new });
        }
    }
    differences
}

fn named(reference: &Reference) -> String {
    format!("{} {:?} {:?}", reference.repository.canonical(), reference.tag, reference.digest)
}

/// The image that a field had, if it is one of this repository.
fn before(change: &Change, repository: &Repository) -> Option<Reference> {
    let of = |tag: Option<Tag>, digest: Option<Digest>| {
        (tag.is_some() || digest.is_some()).then(|| Reference { repository: repository.clone(), tag, digest })
    };
    // A chart's version is written with `+` for what a tag has `_` for.
    let tag = |text: &str| Tag::parse(&text.replace('+', "_")).ok();
    let (text, digest) = match change.old.split_once('@') {
        Some((text, digest)) => (text, Digest::parse(digest).ok()),
        None => (change.old.as_str(), None),
    };
    match change.setter.strip_prefix(change.policy()).unwrap_or_default() {
        ":tag" => of(tag(text), digest),
        ":digest" => of(None, Digest::parse(&change.old).ok()),
        "" => {
            let (name, tagged) = match text.rsplit_once(':') {
                Some((name, end)) if !end.contains('/') => (name, tag(end)),
                _ => (text, None),
            };
            let name = name.strip_prefix("oci://").unwrap_or(name);
            let is_same = Repository::parse(name).is_ok_and(|other| other.canonical() == repository.canonical());
            of(tagged, digest).filter(|_| is_same)
        }
        _ => None,
    }
}

/// Where the source of an image is, and the commit that it was built from, where the image says both.
pub(crate) async fn source(
    client: &Client,
    repository: &ImageRepository,
    reference: &Reference,
) -> Option<(String, String)> {
    let portrait = Box::pin(portrait(client, repository, reference)).await?;
    portrait.source().zip(portrait.revision().map(str::to_owned))
}

/// What an image says of itself; none where that cannot be had.
async fn portrait(client: &Client, repository: &ImageRepository, reference: &Reference) -> Option<Portrait> {
    match read(client, repository, reference).await {
        Ok(portrait) => portrait,
        Err(error) => {
            tracing::debug!(image = %reference, %error, "cannot tell what changed");
            None
        }
    }
}

async fn read(
    client: &Client,
    repository: &ImageRepository,
    reference: &Reference,
) -> Result<Option<Portrait>, registry::Error> {
    let (image, access) = (&repository.image, &repository.access);
    let by = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => By::Digest(digest),
        (None, Some(tag)) => By::Tag(tag),
        (None, None) => return Ok(None),
    };
    let outer = client.manifest(image, by, access).await?;
    let mut portrait = Portrait { labels: outer.annotations.clone(), ..Portrait::default() };
    let manifest = match outer.content {
        Content::Image { .. } => outer,
        Content::Index(_) => {
            let images = client.images(image, &outer, access).await?;
            let platforms = images.iter().filter_map(|it| it.platform.as_ref()).filter(|it| !it.is_unknown());
            portrait.platforms = platforms.map(ToString::to_string).collect();
            let runs = |it: &&registry::Descriptor| !it.platform.as_ref().is_some_and(registry::Platform::is_unknown);
            let Some(first) = images.iter().find(runs) else { return Ok(Some(portrait)) };
            client.manifest(image, By::Digest(&first.digest), access).await?
        }
    };
    let Manifest { content: Content::Image { config, layers }, annotations, .. } = manifest else {
        return Ok(Some(portrait));
    };
    portrait.size = Some(layers.iter().fold(0, |sum, layer| layer.size.saturating_add(sum)));
    portrait.labels.extend(annotations);
    let config = client.config(image, &config, access).await?;
    if portrait.platforms.is_empty() {
        portrait.platforms = config.platform.iter().map(ToString::to_string).collect();
    }
    portrait.labels.extend(config.labels);
    Ok(Some(portrait))
}
