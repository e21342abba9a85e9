//! Image layouts: folders that hold images as a registry does, for machines that have none to ask.
//!
//! The tags are the names that the folder's `index.json` gives to manifests (`org.opencontainers.image.ref.name`); where that is a
//! whole reference, as some tools write it, its tag. Source: the Image Layout Specification of OCI, version 1.0.0.

mod artifacts;

pub(crate) use artifacts::{attached, blob, has, manifest, referrers};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use image::{Digest, Reference, Tag};
use indexmap::IndexMap;
use oci_client::manifest::{OciImageIndex, Versioned};
use serde::Deserialize;
use web::words::one_line;

use super::Listing;
use super::artifact::{MAX_MANIFEST, has_digest};
use super::error::Error;
use super::settings::Limits;

/// The annotation that names a manifest.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The file that says that a folder is a layout, and its largest size in bytes.
const MARK: (&str, usize) = ("oci-layout", 4096);

/// The file with the names.
const INDEX: &str = "index.json";

/// How much of a text that is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// How many names that are no tags are shown.
const MAX_REFUSED_SHOWN: usize = 5;

/// Returns the tags of a layout.
pub(crate) async fn tags(folder: &str, limits: &Limits) -> Result<Listing, Error> {
    let limits = limits.clone();
    read(folder, move |layout| {
        let mut listing = Listing::default();
        for name in layout.named(&limits)? {
            match tag_of(&name.0) {
                Some(tag) => listing.tags.push(tag),
                None => {
                    listing.refused += 1;
                    if listing.refused_sample.len() < MAX_REFUSED_SHOWN {
                        listing.refused_sample.push(one_line(&name.0, MAX_SHOWN));
                    }
                }
            }
        }
        listing.tags.sort_unstable();
        listing.tags.dedup();
        match listing.tags.len() > limits.tags {
            true => Err(layout.wrong(INDEX, &format!("names more than {} tags", limits.tags))),
            false => Ok(listing),
        }
    })
    .await
}

/// Returns the digest that a tag of a layout points to, if what it points to is there.
pub(crate) async fn digest(folder: &str, tag: &Tag, limits: &Limits) -> Result<Digest, Error> {
    let (limits, tag) = (limits.clone(), tag.clone());
    read(folder, move |layout| match layout.pointed(&tag, &limits)? {
        Some(digest) => layout.verified(&digest),
        None => Err(layout.wrong(INDEX, &format!("names nothing {tag}"))),
    })
    .await
}

/// Reads a folder where reading may take its time.
async fn read<T: Send + 'static>(
    folder: &str,
    read: impl FnOnce(&Layout) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let folder = PathBuf::from(folder);
    let wrong = Layout { folder: folder.clone() }.wrong("", "the task that read it was stopped");
    let reading = tokio::task::spawn_blocking(move || {
        let layout = Layout { folder };
        layout.check()?;
        read(&layout)
    });
    reading.await.unwrap_or(Err(wrong))
}

/// Where in a layout the bytes are that have a digest.
fn place(digest: &Digest) -> String {
    format!("blobs/{}", digest.as_str().replacen(':', "/", 1))
}

/// The tag that a name gives.
fn tag_of(name: &str) -> Option<Tag> {
    Tag::parse(name).ok().or_else(|| Reference::parse(name).ok()?.tag)
}

/// What says that a folder is a layout.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    image_layout_version: String,
}

struct Layout {
    folder: PathBuf,
}

impl Layout {
    fn check(&self) -> Result<(), Error> {
        let (file, limit) = MARK;
        let mark: Mark = self.json(file, limit)?;
        match mark.image_layout_version.split('.').next() {
            Some("1") => Ok(()),
            _ => {
                let version = one_line(&mark.image_layout_version, MAX_SHOWN);
                Err(self.wrong(file, &format!("has the version '{version}', and only 1 is known")))
            }
        }
    }

    /// The names of the index, each with its digest, in the order of the file.
    fn named(&self, limits: &Limits) -> Result<Vec<(String, String)>, Error> {
        let index: OciImageIndex = self.json(INDEX, limits.page_bytes)?;
        let named = index.manifests.into_iter().filter_map(|entry| {
            let name = entry.annotations.as_ref().and_then(|it: &BTreeMap<String, String>| it.get(REF_NAME))?.clone();
            Some((name, entry.digest))
        });
        // A name that is given to one manifest for each platform is one name.
        let distinct: IndexMap<(String, String), ()> = named.map(|it| (it, ())).collect();
        Ok(distinct.into_keys().collect())
    }

    /// The digest that a tag points to, as it is written; none where it is no tag of the layout.
    fn pointed(&self, tag: &Tag, limits: &Limits) -> Result<Option<String>, Error> {
        let named = self.named(limits)?.into_iter();
        let mut digests: Vec<String> =
            named.filter(|(name, _)| tag_of(name).as_ref() == Some(tag)).map(|(_, digest)| digest).collect();
        digests.dedup();
        match digests.len() {
            0 | 1 => Ok(digests.pop()),
            _ => Err(self.wrong(INDEX, &format!("names several manifests {tag}"))),
        }
    }

    /// A digest whose manifest is in the folder, and is what it says.
    fn verified(&self, digest: &str) -> Result<Digest, Error> {
        let shown = one_line(digest, MAX_SHOWN);
        let valid =
            Digest::parse(digest).map_err(|_| self.wrong(INDEX, &format!("has '{shown}', which is no digest")))?;
        let bytes = self.blob(&valid, MAX_MANIFEST)?;
        match serde_json::from_slice::<Versioned>(&bytes) {
            Ok(_) => Ok(valid),
            Err(_) => Err(self.wrong(&place(&valid), "is something else than a manifest")),
        }
    }

    /// The bytes that have a digest.
    fn blob(&self, digest: &Digest, limit: usize) -> Result<Vec<u8>, Error> {
        let file = place(digest);
        let bytes = self.bytes(&file, limit)?;
        match has_digest(&bytes, digest) {
            true => Ok(bytes),
            false => Err(self.wrong(&file, "has another digest than its name says")),
        }
    }

    fn json<T: for<'t> Deserialize<'t>>(&self, file: &str, limit: usize) -> Result<T, Error> {
        let bytes = self.bytes(file, limit)?;
        // What the parser says may repeat the text.
        serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            self.wrong(file, &format!("is not what it should be (line {line}, column {column})"))
        })
    }

    fn bytes(&self, file: &str, limit: usize) -> Result<Vec<u8>, Error> {
        let path = self.folder.join(file);
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => self.wrong(file, "is not there"),
            ErrorKind::PermissionDenied => self.wrong(file, "may not be read"),
            other => self.wrong(file, &format!("cannot be read: {other}")),
        };
        // A pipe would be waited for.
        if !std::fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(self.wrong(file, "is no file"));
        }
        let mut bytes = Vec::new();
        File::open(&path).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > limit { Err(self.wrong(file, &format!("is larger than {limit} bytes"))) } else { Ok(bytes) }
    }

    fn wrong(&self, file: &str, reason: &str) -> Error {
        let file = if file.is_empty() { self.folder.clone() } else { Path::new(&self.folder).join(file) };
        Error::Layout { file: one_line(&file.display().to_string(), 300), reason: reason.to_owned() }
    }
}
