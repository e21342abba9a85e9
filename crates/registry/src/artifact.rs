//! What a registry has beside tags: manifests, blobs, and what refers to an image. What comes out of here has been checked
//! against its digest, and is of a bounded size.
//!
//! A body is what its media type says. Where header and body say different things, or a body could be taken for an image and for
//! an index, it is refused: two readers would see two images in it (CVE-2021-41190). Sources: OCI's image specification 1.1
//! (`manifest.md`, `image-index.md`, `descriptor.md`) and distribution specification 1.1 ("Pulling", "Listing Referrers").

mod config;
mod read;
mod referrers;

use std::collections::BTreeMap;
use std::fmt;

use image::{Digest, Tag};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};
use web::words::one_line;

pub use config::Config;
pub(crate) use read::{BlobOf, ManifestOf};
pub(crate) use referrers::{AttachedTo, ReferrersOf};

/// The most bytes that are read of a manifest; what registries themselves accept.
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// The most bytes that are read of an image's configuration.
pub(crate) const MAX_CONFIG: usize = 4 * 1024 * 1024;
/// The most entries of an index, and the most layers of an image.
pub(crate) const MAX_ENTRIES: usize = 1_000;
/// The most indexes one within the other. Builders write one, and some that join images of several builders two.
pub(crate) const MAX_DEPTH: usize = 3;
/// How much of a text of a registry that is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// What a manifest is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// The tag that points to it.
    Tag(&'a Tag),
    /// Its own digest.
    Digest(&'a Digest),
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A manifest: of one image, of an index, or of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// One of the four media types of OCI and Docker.
    pub media_type: String,
    /// What kind of artifact it is, where it says so.
    pub artifact_type: Option<String>,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// What is noted on it.
    pub annotations: BTreeMap<String, String>,
    /// What it has.
    pub content: Content,
}

/// What a manifest has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One image, or an artifact that is packed as one.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers, at most 1,000.
        layers: Vec<Descriptor>,
    },
    /// Several, most often one for each platform; at most 1,000.
    Index(Vec<Descriptor>),
}

/// What something is, how large, and how to find it. It is what its manifest says of it, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// What kind of artifact it is, where that is said.
    pub artifact_type: Option<String>,
    /// What is noted on it.
    pub annotations: BTreeMap<String, String>,
    /// What it runs on; only in an index.
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Whether it is an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

/// What an image runs on, in the words of Go: `linux`, `arm64`, `v8`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The operating system.
    pub os: String,
    /// The processor.
    pub architecture: String,
    /// The kind of processor.
    pub variant: Option<String>,
}

impl Platform {
    /// Whether it is none: what builders write beside what they attest of an image.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// A manifest as it is sent: an image's, an index's, or both.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: i64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<OciDescriptor>,
    layers: Option<Vec<OciDescriptor>>,
    manifests: Option<Vec<ImageIndexEntry>>,
    subject: Option<OciDescriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads a manifest that has been checked to be what its digest says, and that a registry called by a media type.
///
/// # Errors
/// What is wrong with it, as the object of "answered with".
pub(crate) fn decode(digest: Digest, body: &[u8], called: Option<&str>) -> Result<Manifest, String> {
    // What the parser says may repeat the text.
    let wire: Wire = serde_json::from_slice(body).map_err(|error| {
        format!("something else than a manifest (line {}, column {})", error.line(), error.column())
    })?;
    if wire.schema_version != 2 {
        return Err(format!("a manifest of version {}, and only 2 is known", wire.schema_version));
    }
    let media_type = media_type(&wire, called)?;
    let content = match (is_index(&media_type), wire.config, wire.layers, wire.manifests) {
        (true, None, None, manifests) => {
            let entries = manifests.unwrap_or_default();
            Content::Index(several(entries, "entries of an index", |entry| entry.try_into())?)
        }
        (false, Some(config), layers, None) => {
            let layers = several(layers.unwrap_or_default(), "layers", |layer| layer.try_into())?;
            Content::Image { config: config.try_into()?, layers }
        }
        (false, None, _, None) => return Err("a manifest without a configuration".to_owned()),
        _ => return Err("a manifest that is an image and an index at once".to_owned()),
    };
    let subject = wire.subject.map(|subject| parsed(&subject.digest)).transpose()?;
    let (artifact_type, annotations) = (wire.artifact_type, wire.annotations.unwrap_or_default());
    Ok(Manifest { digest, size: body.len() as u64, media_type, artifact_type, subject, annotations, content })
}

/// Which of the media types it is. The body's own word counts, and the header may not gainsay it.
fn media_type(wire: &Wire, called: Option<&str>) -> Result<String, String> {
    let called = called.map(|called| called.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let called = called.filter(|called| called.ends_with("+json") && called.starts_with("application/vnd."));
    if let (Some(own), Some(called)) = (&wire.media_type, &called)
        && own != called
    {
        return Err(format!("a manifest of type {} that it calls {}", shown(own), shown(called)));
    }
    match wire.media_type.clone().or(called) {
        Some(known) if is_known(&known) => Ok(known),
        Some(other) => Err(format!("a manifest of type {}, which is no image", shown(&other))),
        None if wire.manifests.is_some() => Ok(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
        None => Ok(OCI_IMAGE_MEDIA_TYPE.to_owned()),
    }
}

fn is_known(media_type: &str) -> bool {
    is_index(media_type) || matches!(media_type, OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE)
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE)
}

fn several<W>(
    wire: Vec<W>,
    what: &str,
    read: impl Fn(W) -> Result<Descriptor, String>,
) -> Result<Vec<Descriptor>, String> {
    match wire.len() {
        0..=MAX_ENTRIES => wire.into_iter().map(read).collect(),
        _ => Err(format!("more than {MAX_ENTRIES} {what}")),
    }
}

impl TryFrom<OciDescriptor> for Descriptor {
    type Error = String;

    fn try_from(wire: OciDescriptor) -> Result<Self, String> {
        let OciDescriptor { media_type, digest, size, urls: _, annotations, artifact_type } = wire;
        let (digest, size, annotations) = (parsed(&digest)?, length(size)?, annotations.unwrap_or_default());
        Ok(Self { digest, size, media_type, artifact_type, annotations, platform: None })
    }
}

impl TryFrom<ImageIndexEntry> for Descriptor {
    type Error = String;

    fn try_from(wire: ImageIndexEntry) -> Result<Self, String> {
        let ImageIndexEntry { media_type, digest, size, platform, annotations, artifact_type } = wire;
        let (digest, size, annotations) = (parsed(&digest)?, length(size)?, annotations.unwrap_or_default());
        let platform = platform.map(|platform| Platform {
            os: platform.os.to_string(),
            architecture: platform.architecture.to_string(),
            variant: platform.variant.filter(|variant| !variant.is_empty()),
        });
        Ok(Self { digest, size, media_type, artifact_type, annotations, platform })
    }
}

fn parsed(digest: &str) -> Result<Digest, String> {
    Digest::parse(digest).map_err(|_| format!("a manifest that has {}, which is no digest", shown(digest)))
}

fn length(size: i64) -> Result<u64, String> {
    u64::try_from(size).map_err(|_| format!("a manifest that says something has {size} bytes"))
}

fn shown(text: &str) -> String {
    format!("'{}'", one_line(text, MAX_SHOWN))
}

/// Whether bytes have a digest, by the digest's own algorithm.
pub(crate) fn has_digest(bytes: &[u8], digest: &Digest) -> bool {
    match digest.as_str().split_once(':') {
        Some(("sha256", encoded)) => super::manifest::hex(&Sha256::digest(bytes)) == encoded,
        Some(("sha512", encoded)) => super::manifest::hex(&Sha512::digest(bytes)) == encoded,
        _ => false,
    }
}

/// The tag at which a registry without an API for them has what refers to a digest (distribution specification, "Referrers Tag
/// Schema"), or with an ending where cosign has it. None where it would be no tag.
pub(crate) fn tag_of(digest: &Digest, ending: &str) -> Option<Tag> {
    /// How much of an encoded digest is in the tag.
    const MOST: usize = 64;
    let (algorithm, encoded) = digest.as_str().split_once(':')?;
    let encoded = encoded.get(..encoded.len().min(MOST))?;
    Tag::parse(&format!("{algorithm}-{encoded}{ending}")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn digest() -> String {
        format!("sha256:{}", "0".repeat(64))
    }

    fn check(body: &str, called: Option<&str>) -> String {
        let body = body.replace("DIGEST", &digest());
        let decoded = decode(Digest::parse(&digest()).unwrap(), body.as_bytes(), called);
        decoded.map_or_else(|reason| reason, |manifest| manifest.media_type)
    }

    /// Cases are lines of `fixtures/registry/manifests.txt`: what the registry calls it, the manifest, and what it is or what is
    /// wrong with it.
    #[test]
    fn what_is_a_manifest() {
        let cases = include_str!("../../../fixtures/registry/manifests.txt");
        for case in cases.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = case.split(" | ").collect();
            let [called, body, expect] = words.as_slice() else { panic!("{case}") };
            assert_eq!(check(body, Some(called).filter(|called| **called != "-").copied()), *expect, "{case}");
        }
    }

    #[test]
    fn a_long_index_is_refused() {
        let entry = r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":1}"#;
        let body = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, vec![entry; MAX_ENTRIES + 1].join(","));
        assert_eq!(check(&body, Some(OCI_IMAGE_INDEX_MEDIA_TYPE)), "more than 1000 entries of an index");
    }

    #[test]
    fn platforms_read_as_people_write_them() {
        let arm = Platform { os: "linux".to_owned(), architecture: "arm".to_owned(), variant: Some("v7".to_owned()) };
        assert_eq!(arm.to_string(), "linux/arm/v7");
        assert_eq!(Platform { variant: None, ..arm }.to_string(), "linux/arm");
    }

    #[test]
    fn tags_of_referrers() {
        let long = Digest::parse(&format!("sha512:{}", "a".repeat(128))).unwrap();
        assert_eq!(tag_of(&long, "").unwrap().as_str(), format!("sha512-{}", "a".repeat(64)));
        let short = Digest::parse(&digest()).unwrap();
        assert_eq!(tag_of(&short, ".sig").unwrap().as_str(), format!("sha256-{}.sig", "0".repeat(64)));
        assert!(image::is_referrers_tag(tag_of(&short, "").unwrap().as_str()));
    }
}
