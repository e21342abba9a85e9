//! What the simulated registry has beside tags: manifests, blobs, and what refers to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The configuration of what is no image.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Manifests, blobs and referrers, each by the name of its repository.
#[derive(Debug, Default)]
pub struct Artifacts {
    /// With their media type, by repository, and tag or digest.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    blobs: BTreeMap<(String, String), Vec<u8>>,
    /// Entries of the list of referrers, by repository and digest.
    referrers: BTreeMap<(String, String), Vec<Value>>,
    /// Whether there is an API for referrers; without it the list is at the tag that takes its place.
    pub api: Api,
}

/// How a registry tells what refers to a digest.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// In one page.
    #[default]
    Whole,
    /// In pages of so many entries.
    Paged(usize),
    /// In pages that never end, each with the whole list.
    Endless,
    /// Not at all.
    None,
}

/// Headers and a body.
type Answer = (Vec<(&'static str, String)>, Vec<u8>);

impl Artifacts {
    /// Adds a manifest under its digest, and where a tag is given, under that. Returns its digest.
    pub fn put(&mut self, name: &str, tag: Option<&str>, media_type: &str, body: impl Into<Vec<u8>>) -> String {
        let body = body.into();
        let digest = super::answer::digest(&body);
        for reference in tag.into_iter().chain([digest.as_str()]) {
            self.manifests.insert((name.to_owned(), reference.to_owned()), (media_type.to_owned(), body.clone()));
        }
        digest
    }

    /// Adds a blob. Returns its descriptor, with a media type.
    pub fn put_blob(&mut self, name: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Value {
        let body = body.into();
        let digest = super::answer::digest(&body);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": body.len()});
        self.blobs.insert((name.to_owned(), digest), body);
        descriptor
    }

    /// Adds a manifest of one image with what its configuration says. Returns its digest.
    pub fn put_image(&mut self, name: &str, tag: Option<&str>, config: &Value) -> String {
        let config = self.put_blob(name, OCI_CONFIG, config.to_string());
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []});
        self.put(name, tag, OCI_MANIFEST, manifest.to_string())
    }

    /// Adds an artifact that refers to a digest, with one layer. Returns its digest.
    pub fn put_referrer(&mut self, name: &str, subject: &str, media_type: &str, body: impl Into<Vec<u8>>) -> String {
        let layer = self.put_blob(name, media_type, body);
        let config = self.put_blob(name, OCI_EMPTY, "{}");
        let subject_entry = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 1});
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": media_type,
            "config": config, "layers": [layer], "subject": subject_entry})
        .to_string();
        let size = manifest.len();
        let digest = self.put(name, None, OCI_MANIFEST, manifest);
        let entry = json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "artifactType": media_type});
        self.referrers.entry((name.to_owned(), subject.to_owned())).or_default().push(entry);
        digest
    }

    /// Adds a manifest with layers, each with annotations, at a tag, as cosign keeps its older signatures.
    pub fn put_layers(&mut self, name: &str, tag: &str, layers: &[(&str, Vec<u8>, Value)]) -> String {
        let layer = |(media_type, body, annotations): &(&str, Vec<u8>, Value)| {
            let mut layer = self.put_blob(name, media_type, body.clone());
            layer["annotations"] = annotations.clone();
            layer
        };
        let layers: Vec<Value> = layers.iter().map(layer).collect();
        let config = self.put_blob(name, OCI_CONFIG, "{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
        self.put(name, Some(tag), OCI_MANIFEST, manifest.to_string())
    }

    pub fn manifest(&self, name: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let known = self.manifests.get(&(name.to_owned(), reference.to_owned())).cloned();
        known.or_else(|| {
            let subject = (self.api == Api::None).then(|| reference.strip_prefix("sha256-"))??;
            let entries = self.referrers.get(&(name.to_owned(), format!("sha256:{subject}")))?;
            Some((OCI_INDEX.to_owned(), index(entries)))
        })
    }

    pub(super) fn blob(&self, name: &str, digest: &str) -> Option<Vec<u8>> {
        self.blobs.get(&(name.to_owned(), digest.to_owned())).cloned()
    }

    /// A page of a list of referrers, with its headers.
    pub(super) fn referrers(&self, name: &str, digest: &str, page: usize) -> Option<Answer> {
        let entries = self.referrers.get(&(name.to_owned(), digest.to_owned())).cloned().unwrap_or_default();
        let (shown, is_last) = match self.api {
            Api::None => return None,
            Api::Whole => (entries, true),
            Api::Endless => (entries, false),
            Api::Paged(size) => {
                let is_last = entries.len() <= (page + 1) * size;
                (entries.into_iter().skip(page * size).take(size).collect(), is_last)
            }
        };
        let mut headers = vec![("content-type", OCI_INDEX.to_owned())];
        if !is_last {
            headers.push(("link", format!("</v2/{name}/referrers/{digest}?page={}>; rel=\"next\"", page + 1)));
        }
        Some((headers, index(&shown)))
    }
}

/// An index with entries.
pub fn index(entries: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string().into_bytes()
}
