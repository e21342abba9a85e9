//! The shapes in which images are written.

mod charts;
mod parts;
mod whole;

use image::{Digest, Repository, is_tag};
use yamlspan::tree::{Collection, Text, Tree};

use super::scalar::Scalars;
use super::{Chart, ChartRepository, Image, Inventory, Obstacle, Override};
use crate::change::ObjectIdentity;
use crate::edit::{pin, variables};
use crate::marker::Field;
use crate::marker::object::Objects;
use crate::marker::registry::Registries;

/// Keys under which the digest of the image beside them stands; others may be of another image.
const DIGESTS: [&str; 5] = ["digest", "imageDigest", "image_digest", "sha", "sha256"];

/// Finds the images of one document.
pub(super) fn document(tree: &Tree<'_>, objects: &Objects, scalars: &Scalars<'_>, inventory: &mut Inventory) {
    let registries = Registries::of(tree);
    let mut finder = Finder {
        tree,
        objects,
        scalars,
        registries: &registries,
        found: Vec::new(),
        overrides: Vec::new(),
        charts: Vec::new(),
        repositories: Vec::new(),
    };
    for (index, collection) in tree.collections.iter().enumerate() {
        let object = finder.object(collection.node);
        if object.kind == "ImagePolicy" && collection.parent.is_none() {
            inventory.policies.push(object.clone());
        }
        if is_passed_over(&object) {
            continue;
        }
        if collection.is_mapping {
            finder.mapping(index, collection, &object);
        } else {
            finder.sequence(collection);
        }
    }
    inventory.images.append(&mut finder.found);
    inventory.overrides.append(&mut finder.overrides);
    inventory.charts.append(&mut finder.charts);
    inventory.chart_repositories.append(&mut finder.repositories);
}

/// Whether images are looked for in the object that a node is in.
pub(super) fn is_looked_at(tree: &Tree<'_>, objects: &Objects, node: usize) -> bool {
    !is_passed_over(&objects.objects[objects.owner(tree, node)].identity(|_| None))
}

/// Objects whose images are not run from here.
fn is_passed_over(object: &ObjectIdentity) -> bool {
    let group = object.api_version.split('/').next().unwrap_or_default();
    object.kind == "CustomResourceDefinition" || matches!(group, "image.toolkit.fluxcd.io" | "tagwright.dev")
}

struct Finder<'f, 'd> {
    tree: &'f Tree<'d>,
    objects: &'f Objects,
    scalars: &'f Scalars<'d>,
    registries: &'f Registries<'d>,
    found: Vec<Image>,
    overrides: Vec<Override>,
    charts: Vec<Chart>,
    repositories: Vec<ChartRepository>,
}

/// The repository, tag and digest of an image, each as one scalar.
#[derive(Default)]
struct Split<'d> {
    name: String,
    /// The scalar that is the whole name.
    name_at: Option<Text<'d>>,
    tag: Option<Text<'d>>,
    digest: Option<Text<'d>>,
    obstacle: Option<Obstacle>,
    /// The keys that lead to the mapping.
    keys: String,
}

/// The digests beside a tag or an image.
#[derive(Default, Clone, Copy)]
struct Digests<'d> {
    /// The one that is of it.
    own: Option<Text<'d>>,
    obstacle: Option<Obstacle>,
}

impl<'d> Digests<'d> {
    /// Looks through the keys and values beside it. Where there are several, or one under a key that says something else, it
    /// is not known which image they are of.
    fn among(values: impl Iterator<Item = (&'d str, Text<'d>)>) -> Self {
        let mut digests = values.filter(|(_, text)| pin::is_digest(text.value));
        match (digests.next(), digests.next()) {
            (None, _) => Self::default(),
            (Some((key, text)), None) if DIGESTS.contains(&key) => Self { own: Some(text), obstacle: None },
            _ => Self { own: None, obstacle: Some(Obstacle::Digest) },
        }
    }
}

impl<'d> Finder<'_, 'd> {
    fn object(&self, node: usize) -> ObjectIdentity {
        self.objects.objects[self.objects.owner(self.tree, node)].identity(|_| None)
    }

    fn mapping(&mut self, index: usize, mapping: &Collection<'d>, object: &ObjectIdentity) {
        if self.kustomize(mapping) {
            return;
        }
        let used = self.split(index, mapping);
        self.pairs(index, mapping);
        self.oci_repository(mapping);
        self.chart(mapping);
        self.artifact(mapping);
        self.chart_repository(mapping);
        self.named_value(mapping);
        for entry in mapping.entries.iter().filter(|entry| Some(entry.node) != used) {
            self.whole(index, mapping, entry, object);
        }
    }

    fn sequence(&mut self, sequence: &Collection<'d>) {
        let each = |finder: &mut Self, add: fn(&mut Self, Text<'d>)| {
            for text in sequence.entries.iter().filter_map(|entry| finder.tree.text(entry.node)) {
                add(finder, text);
            }
        };
        match sequence.key {
            "images" => each(self, Self::list_item),
            "args" | "command" => self.arguments(sequence),
            "parameters" => self.parameters(sequence),
            _ => {}
        }
    }

    /// The digests in a mapping.
    fn digests(&self, mapping: &Collection<'d>) -> Digests<'d> {
        let texts = mapping.entries.iter().filter_map(|entry| Some((entry.key, self.tree.text(entry.node)?)));
        Digests::among(texts)
    }

    /// Adds an image made of several scalars; what is no valid repository is none, unless a variable stands in it.
    fn add_split(&mut self, split: Split<'d>) -> bool {
        let Split { name, name_at, tag, digest, obstacle, keys } = split;
        let repository = Repository::parse(&name).ok();
        let variable = |text: &str| variables::has_variable(text).then_some(Obstacle::Variable);
        if repository.is_none() && variable(&name).is_none() {
            return false;
        }
        let fields = [(name_at, Field::Name), (tag, Field::Tag), (digest, Field::Digest)];
        let scalar = |(text, field): (Option<Text<'d>>, Field)| self.scalars.scalar(text?.node, field);
        let mut scalars: Vec<_> = fields.into_iter().filter_map(scalar).collect();
        if scalars.is_empty() {
            return false;
        }
        scalars.sort_by_key(|scalar| scalar.span.start);
        let written = Tagged::of(tag, digest);
        let obstacle = variable(&name).or_else(|| variable(tag.map_or("", |it| it.value))).or(obstacle);
        let obstacle = obstacle.or(written.obstacle);
        let Tagged { tag: tag_text, digest, own_form, .. } = written;
        let object = self.object(tag.or(name_at).map_or(0, |text| text.node));
        let image = Image::of(repository, &name, scalars, object);
        self.found.push(Image { tag: tag_text, digest, obstacle, own_form, keys, ..image });
        true
    }

    /// Keeps a tag without a repository.
    fn add_override(&mut self, tag: Text<'d>, digests: Digests<'d>, keys: String) {
        let fields = [(Some(tag), Field::Tag), (digests.own, Field::Digest)];
        let scalar = |(text, field): (Option<Text<'d>>, Field)| self.scalars.scalar(text?.node, field);
        let mut scalars: Vec<_> = fields.into_iter().filter_map(scalar).collect();
        if tag.value.is_empty() || variables::has_variable(tag.value) || scalars.is_empty() {
            return;
        }
        scalars.sort_by_key(|scalar| scalar.span.start);
        let object = self.object(tag.node);
        let Tagged { tag, digest, own_form, obstacle } = Tagged::of(Some(tag), digests.own);
        let obstacle = digests.obstacle.or(obstacle);
        self.overrides.push(Override { keys, tag, digest, scalars, obstacle, own_form, object });
    }
}

/// A tag and the digest that goes with it, which may be written behind the tag.
struct Tagged {
    tag: String,
    digest: Option<Digest>,
    own_form: bool,
    obstacle: Option<Obstacle>,
}

impl Tagged {
    fn of(tag: Option<Text<'_>>, digest: Option<Text<'_>>) -> Self {
        let text = tag.map_or("", |tag| tag.value);
        let pinned = text.split_once('@').filter(|(tag, _)| is_tag(tag));
        let pin = pinned.and_then(|(_, digest)| Digest::parse(digest).ok());
        let (tag, pin) = match (pinned, pin) {
            (Some((tag, _)), Some(pin)) => (tag, Some(pin)),
            _ => (text, None),
        };
        let own_form = pin.is_some() || digest.is_some_and(|text| Digest::parse(text.value).is_err());
        let beside = digest.and_then(|text| pin::digest(text.value));
        let obstacle = match (tag, &pin, &beside) {
            ("", None, Some(_)) => Some(Obstacle::OnlyDigest),
            (_, Some(_), Some(_)) => Some(Obstacle::Digest),
            _ => None,
        };
        Self { tag: tag.to_owned(), digest: pin.or(beside), own_form, obstacle }
    }
}

/// Whether a key is for an image.
fn is_image_key(key: &str) -> bool {
    key == "image"
        || ["Image", "_image", "-image", "_IMAGE", ".image"].iter().any(|end| key.ends_with(end))
        || key == "IMAGE"
}

/// Whether a colon follows the last slash.
fn has_tag(text: &str) -> bool {
    text.rsplit('/').next().unwrap_or(text).split('@').next().is_some_and(|last| last.contains(':'))
}
