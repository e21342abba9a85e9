//! Finds where YAML files name container images, marked or not.
//!
//! Images are recognised by shape, not by a list of kinds, so that custom resources and values files are read like workloads:
//!
//! | shape | found in |
//! |---|---|
//! | a key `image`, or one that ends in `Image`, `_image` or `-image`, or `imageName`, `imageURI` and the like, with `repository:tag` | pods, Compose, values, custom resources |
//! | a key `name`, `reference`, `ref`, `url` or `uri` below one of those, with `repository:tag` | pipelines of GitLab, volumes |
//! | a value of a mapping `images`, or of its `tags`, with `repository:tag` | values |
//! | a mapping with `tag` beside `repository`, `image`, `repo` or `name`, perhaps a registry and a digest | values of Helm and `HelmRelease` |
//! | `imageTag` beside `image`, `imageRepository`, `imageRepo` or `imageName`; `webTag` beside `webImage` or `webRepository`; the same with `_` | values |
//! | a mapping with `image` and `version`, perhaps `repository` | operators' custom resources |
//! | an item of `images` with `name` and `newTag`, `newName` or `digest` | Kustomize, Flux `Kustomization` and `HelmRelease` |
//! | an item of `images` that is a text `repository:tag` | Argo CD `kustomize.images` |
//! | items of `parameters` named `….repository` and `….tag` | Argo CD `helm.parameters` |
//! | a mapping with a `name` or `path` that ends in `image`, and a `value` or `default` | environment variables, JSON patches, parameters of Tekton |
//! | an item `--image=repository:tag` of `args` or `command`, or one behind an item `--image` | containers |
//! | `ref.tag` beside an `oci://` URL, `targetRevision` beside a `repoURL` with `oci://`; `package` of Crossplane | Flux `OCIRepository`; Argo CD; `Provider` |
//! | the version of a Helm chart in a registry, beside the chart's name and where it comes from | Flux `HelmRelease`, `Chart.yaml`, Argo CD, Kustomize, Fleet |
//!
//! A registry that stands elsewhere, in a key of its own, is part of the name. Images with a variable, and those in YAML
//! that a block scalar holds, are found so that they can be named; they have an [`Obstacle`].
//!
//! Definitions of custom resources, and Flux's and tagwright's own objects about images, are passed over. Anchors are
//! read where they stand, aliases are not followed.
//!
//! ```
//! use tagwright_core::inventory;
//! let found = inventory::find(b"containers:\n- image: ghcr.io/acme/shop:1.4.2\n");
//! assert_eq!(found.images[0].shown, "ghcr.io/acme/shop");
//! assert_eq!(found.images[0].tag, "1.4.2");
//! ```

mod embedded;
mod recognise;
mod scalar;
#[cfg(test)]
mod tests;

use std::ops::Range;

use image::{Digest, Repository};
use memchr::memmem;
use thiserror::Error;
use yamlspan::document;
use yamlspan::lines::{self, Lines};
use yamlspan::tree::Tree;

use crate::change::ObjectIdentity;
use crate::chart;
use crate::edit::variables;
use crate::marker::object::Objects;
use crate::marker::{self, Field};
use crate::sops;

/// The largest file that is read, in bytes; larger ones cannot carry markers either.
pub const MAX_FILE_BYTES: usize = marker::MAX_FILE_BYTES;

/// Within how many lines from the top a file says that it is generated.
const GENERATED_WITHIN: usize = 10;

/// The images of one file, and all else in it that matters to whoever marks them.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The images, in the order of the text.
    pub images: Vec<Image>,
    /// Charts whose registry an object says, which may be in another file; [`resolve`] makes images of them.
    pub charts: Vec<Chart>,
    /// Where the objects of Flux's kind `HelmRepository` in the file say that charts are.
    pub chart_repositories: Vec<ChartRepository>,
    /// Names of the `ImagePolicy` objects in the file.
    pub policies: Vec<ObjectIdentity>,
    /// The policies, as `namespace:name`, that markers in the file name.
    pub markers: Vec<String>,
    /// Tags in the shape of an image whose repository stands elsewhere.
    pub overrides: Vec<Override>,
    /// The documents that the parser refused.
    pub unread: Vec<Unread>,
    /// Whether the file says that it is generated; its images are then not looked for.
    pub generated: bool,
}

/// A tag, perhaps with a digest, that overrides the one of an image described in another file, as values files and patches
/// do.
#[derive(Debug, Clone)]
pub struct Override {
    /// The keys that lead to it, joined by dots.
    pub keys: String,
    /// The tag in use; never empty.
    pub tag: String,
    /// The digest beside it, where one is written and valid.
    pub digest: Option<Digest>,
    /// The scalars it is written in, in the order of the text; never empty.
    pub scalars: Vec<ImageScalar>,
    /// As of an [`Image`].
    pub obstacle: Option<Obstacle>,
    /// As of an [`Image`].
    pub own_form: bool,
    /// The object it is in.
    pub object: ObjectIdentity,
}

/// A chart that an object of Flux's kind `HelmRepository` has.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The namespace of that object, where it is said or follows from the chart's own.
    pub namespace: String,
    /// The name of that object.
    pub source: String,
    /// The chart without its repository.
    pub image: Image,
}

/// An object of Flux's kind `HelmRepository`.
#[derive(Debug, Clone)]
pub struct ChartRepository {
    /// Its namespace; empty where it is not written.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The repository that its charts are below, where that is in a registry.
    pub registry: Option<String>,
}

/// A document that may name images and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The line, from 1.
    pub line: usize,
    /// The parser's words.
    pub reason: String,
}

/// One image in use, with the fields that name it.
#[derive(Debug, Clone)]
pub struct Image {
    /// The repository, its name put together as it was written; none where an obstacle hides it.
    pub repository: Option<Repository>,
    /// The repository's name, or what is written in its place.
    pub shown: String,
    /// The tag in use; empty where there is none.
    pub tag: String,
    /// The digest in use.
    pub digest: Option<Digest>,
    /// The fields, in the order of the text. Never empty.
    pub scalars: Vec<ImageScalar>,
    /// Why the image cannot be updated by a marker, whatever its tag is.
    pub obstacle: Option<Obstacle>,
    /// Whether a value is written in a form that this program keeps and Flux does not: a tag with its digest behind it, a digest
    /// without its algorithm, a prefix.
    pub own_form: bool,
    /// Whether it is a Helm chart, so that what stands behind `_` in its tag is a build.
    pub is_chart: bool,
    /// The object it is in.
    pub object: ObjectIdentity,
    /// Where repository and tag are fields of one mapping, the keys that lead to that, joined by dots.
    pub keys: String,
}

impl Image {
    /// An image in these fields, of which nothing but the repository is known, or what is written in its place.
    fn of(repository: Option<Repository>, written: &str, scalars: Vec<ImageScalar>, object: ObjectIdentity) -> Self {
        Self {
            shown: repository.as_ref().map_or(written, Repository::name).to_owned(),
            repository,
            tag: String::new(),
            digest: None,
            scalars,
            obstacle: None,
            own_form: false,
            is_chart: false,
            object,
            keys: String::new(),
        }
    }

    /// The line of the first field, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.scalars.first().map_or(0, |scalar| scalar.line)
    }

    /// The scalar that a marker of this field would set.
    #[must_use]
    pub fn scalar(&self, field: Field) -> Option<&ImageScalar> {
        self.scalars.iter().find(|scalar| scalar.field == field)
    }

    /// The fields that a marker can be put on.
    pub fn free_scalars(&self) -> impl Iterator<Item = &ImageScalar> {
        self.scalars.iter().filter(|scalar| matches!(scalar.line_end, LineEnd::Free(_)))
    }

    /// The policy, as `namespace:name`, of the first marker that the image has.
    #[must_use]
    pub fn marked(&self) -> Option<&str> {
        self.scalars.iter().find_map(|scalar| match &scalar.line_end {
            LineEnd::Marked(policy) => Some(policy.as_str()),
            _ => None,
        })
    }
}

/// A scalar that names an image or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageScalar {
    /// The part of the image that a marker here would set.
    pub field: Field,
    /// The bytes of the scalar in the file.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Whether a marker is there, or can be.
    pub line_end: LineEnd,
}

/// Whether a marker stands, or can stand, at the end of a scalar's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEnd {
    /// It can; this is the byte offset of the line's end.
    Free(usize),
    /// There is one, of this policy (`namespace:name`).
    Marked(String),
    /// It cannot.
    Taken(Taken),
}

/// The reason why no marker can stand at the end of a line, as a sentence with its remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Taken {
    /// Another comment, which a marker would have to share the line with.
    #[error("its line ends in another comment; move that to a line of its own")]
    Comment,
    /// Other values.
    #[error("it shares its line with other values; give it a line of its own")]
    Company,
    /// The value is a block, or spans lines.
    #[error("its value is a block of text; write it on one line")]
    Block,
}

/// Why a marker would do the wrong thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// There is nothing but a digest.
    #[error("it has a digest and no tag")]
    OnlyDigest,
    /// Compose builds this image itself.
    #[error("it is built here, not pulled")]
    Built,
    /// The value holds `$…` or `{{ … }}`.
    #[error("a variable stands in it")]
    Variable,
    /// The registry is not sure: it stands elsewhere, and may or may not be part of the name.
    #[error("a registry that stands elsewhere may belong to its name; write that into the name, and mark it by hand")]
    Registry,
    /// An update of the tag would leave a digest behind.
    #[error(
        "a digest beside it would be left behind, as it is not known whether it is of this image; mark both by hand"
    )]
    Digest,
    /// It is the version of a chart, and a range.
    #[error(
        "it is a range of versions, which is resolved where the chart is installed; write the version to begin with"
    )]
    Range,
    /// Helm has noted the versions of the charts elsewhere, too.
    #[error(
        "Chart.lock beside it notes the same versions, and Helm refuses the chart when they differ; delete that, or run `helm dependency update` with each change"
    )]
    Locked,
    /// SOPS has encrypted the file.
    #[error(
        "the file is encrypted with SOPS, and its MAC covers the plain values, too; encrypt it with `mac_only_encrypted: true`, or \
         move the image to a file of its own"
    )]
    Sealed,
    /// It is in YAML that a block scalar holds.
    #[error(
        "it is in embedded YAML; mark it by hand, and say that its markers count: with the annotation {} on the object, or \
         `embedded: true` in the automation",
        r#"tagwright.dev/embedded: "true""#
    )]
    Embedded,
}

impl Inventory {
    /// Says that Helm has noted the versions of the charts in this file, a `Chart.yaml`, in a lock file.
    pub fn lock(&mut self) {
        let free = self.images.iter_mut().filter(|image| image.obstacle.is_none());
        free.for_each(|image| image.obstacle = Some(Obstacle::Locked));
    }
}

/// Finds the images of one file.
///
/// The time is linear in the size of the file. What is no UTF-8 text names no images.
#[must_use]
pub fn find(bytes: &[u8]) -> Inventory {
    let Ok(text) = std::str::from_utf8(bytes) else { return Inventory::default() };
    if bytes.len() > MAX_FILE_BYTES || !may_name_images(bytes) {
        return Inventory::default();
    }
    if says_generated(text) {
        return Inventory { generated: true, ..Inventory::default() };
    }
    found_in(text, Level::File)
}

/// Finds the images of one document of a text, but for those in embedded YAML; `scan` has the markers that were found in it.
pub(crate) fn of_document(
    (text, lines, offset): (&str, &Lines, usize),
    (document, tree, objects): (&document::Document<'_>, &Tree<'_>, &Objects),
    scan: &marker::Scan,
) -> Vec<Image> {
    let mut inventory = Inventory::default();
    let scalars = scalar::Scalars::of(text, lines, offset, document, scan);
    recognise::document(tree, objects, &scalars, &mut inventory);
    inventory.images
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It is a file.
    File,
    /// A block scalar holds it.
    Embedded,
}

fn found_in(text: &str, level: Level) -> Inventory {
    let mut inventory = Inventory::default();
    let scan = marker::scan(text.as_bytes());
    inventory.markers = scan.markers.iter().map(|marker| marker.policy().to_owned()).collect();
    let lines = Lines::of(text);
    for span in lines::documents(text, &lines) {
        let part = &text[span.clone()];
        if !may_name_images(part.as_bytes()) {
            continue;
        }
        match document::parse(part) {
            Ok(document) => {
                let tree = Tree::of(&document);
                let objects = Objects::of(&document, &tree);
                let scalars = scalar::Scalars::of(text, &lines, span.start, &document, &scan);
                let first = inventory.images.len();
                recognise::document(&tree, &objects, &scalars, &mut inventory);
                if level == Level::File {
                    let place = embedded::Place { text, lines: &lines, offset: span.start };
                    embedded::find(
                        &place,
                        &document,
                        |node| recognise::is_looked_at(&tree, &objects, node),
                        &mut inventory,
                    );
                }
                inventory.images[first..].sort_by_key(|image| image.scalars.first().map(|scalar| scalar.span.start));
            }
            Err(broken) => {
                let line = lines.position(text, span.start + broken.offset).line;
                inventory.unread.push(Unread { line, reason: broken.reason });
            }
        }
    }
    if sops::covers_plain_values(text, &lines) {
        inventory.images.iter_mut().for_each(|image| image.obstacle = Some(Obstacle::Sealed));
        inventory.overrides.iter_mut().for_each(|it| it.obstacle = Some(Obstacle::Sealed));
        inventory.charts.iter_mut().for_each(|it| it.image.obstacle = Some(Obstacle::Sealed));
    }
    inventory
}

/// Completes overrides with the repository of the one image they can mean, and makes images of them.
///
/// An override means an image below the same keys of the same object (kind and name), or, outside of objects, in another
/// file of the same folder. `files` are paths with inventories.
///
/// Charts get the registry that the one object of their source says.
pub fn resolve<'i>(files: impl IntoIterator<Item = (&'i str, &'i mut Inventory)>) {
    let mut files: Vec<_> = files.into_iter().collect();
    charts(&mut files);
    let known: Vec<(String, ObjectIdentity, String, Repository)> = files
        .iter()
        .flat_map(|(path, inventory)| inventory.images.iter().map(move |image| (folder(path), image)))
        .filter(|(_, image)| !image.keys.is_empty())
        .filter_map(|(folder, image)| {
            Some((folder.to_owned(), image.object.clone(), image.keys.clone(), image.repository.clone()?))
        })
        .collect();
    for (path, inventory) in &mut files {
        let folder = folder(path);
        let meant = |it: &Override| {
            let mut repositories = known.iter().filter(|(other, object, keys, _)| {
                let named = !it.object.kind.is_empty() && !it.object.name.is_empty();
                let same_object = named && (&object.kind, &object.name) == (&it.object.kind, &it.object.name);
                let same_folder = it.object.kind.is_empty() && object.kind.is_empty() && folder == other;
                *keys == it.keys && (same_object || same_folder)
            });
            let first = repositories.next().map(|(.., repository)| repository.clone());
            first.filter(|first| repositories.all(|(.., other)| other == first))
        };
        for it in std::mem::take(&mut inventory.overrides) {
            let Some(repository) = meant(&it) else {
                inventory.overrides.push(it);
                continue;
            };
            let Override { keys, tag, digest, scalars, obstacle, own_form, object } = it;
            let image = Image::of(Some(repository.clone()), "", scalars, object);
            inventory.images.push(Image { tag, digest, obstacle, own_form, keys, ..image });
        }
        inventory.images.sort_by_key(|image| image.scalars.first().map(|scalar| scalar.span.start));
    }
}

/// Makes images of the charts whose source is one object, which says that they are in a registry.
fn charts(files: &mut [(&str, &mut Inventory)]) {
    let sources: Vec<ChartRepository> =
        files.iter().flat_map(|(_, inventory)| &inventory.chart_repositories).cloned().collect();
    for (_, inventory) in files {
        for Chart { namespace, source, mut image } in std::mem::take(&mut inventory.charts) {
            let is_meant = |it: &&ChartRepository| {
                let is_near = it.namespace == namespace || it.namespace.is_empty() || namespace.is_empty();
                it.name == source && is_near
            };
            let mut meant = sources.iter().filter(is_meant);
            let Some(Some(registry)) = meant.next().map(|first| first.registry.as_ref()) else { continue };
            if meant.any(|other| other.registry.as_ref() != Some(registry)) {
                continue;
            }
            image.shown = chart::joined(registry, &image.shown);
            image.repository = Repository::parse(&image.shown).ok();
            let is_variable = variables::has_variable(&image.shown);
            if image.repository.is_some() || is_variable {
                image.obstacle = image.obstacle.or(is_variable.then_some(Obstacle::Variable));
                inventory.images.push(image);
            }
        }
        inventory.images.sort_by_key(|image| image.scalars.first().map(|scalar| scalar.span.start));
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a comment near the top says `DO NOT EDIT`, as generators write.
fn says_generated(text: &str) -> bool {
    let head = text.lines().take(GENERATED_WITHIN);
    head.map(str::trim_start).any(|line| line.starts_with('#') && line.contains("DO NOT EDIT"))
}

/// Whether bytes hold any of the words that images are found by.
#[must_use]
pub fn may_name_images(bytes: &[u8]) -> bool {
    ["mage", "MAGE", "newTag", "tag", "newName", "pkg.crossplane.io", "chart", "Charts", "oci://"]
        .iter()
        .any(|word| memmem::find(bytes, word.as_bytes()).is_some())
}
