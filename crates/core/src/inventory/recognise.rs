//! The shapes in which images are written.

use image::{Digest, Reference, Repository};
use yamlspan::tree::{Collection, Entry, Text, Tree};

use super::scalar::Scalars;
use super::{Image, Inventory, Obstacle, Override};
use crate::change::ObjectIdentity;
use crate::marker::Field;
use crate::marker::object::Objects;

/// Sequences of containers in a pod.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Finds the images of one document.
pub(super) fn document(tree: &Tree<'_>, objects: &Objects, scalars: &Scalars<'_>, inventory: &mut Inventory) {
    let mut finder = Finder { tree, objects, scalars, found: Vec::new(), overrides: Vec::new() };
    for collection in &tree.collections {
        let object = finder.object(collection.node);
        if object.kind == "ImagePolicy" && collection.parent.is_none() {
            inventory.policies.push(object.clone());
        }
        if is_passed_over(&object) {
            continue;
        }
        if collection.is_mapping {
            finder.mapping(collection);
        } else {
            finder.sequence(collection);
        }
    }
    finder.found.sort_by_key(|image| image.scalars.first().map(|scalar| scalar.span.start));
    inventory.images.append(&mut finder.found);
    inventory.overrides.append(&mut finder.overrides);
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
    found: Vec<Image>,
    overrides: Vec<Override>,
}

/// The repository, tag and digest of an image, each as one scalar.
#[derive(Default)]
struct Split<'d> {
    name: String,
    /// The scalar that is the whole name.
    name_at: Option<Text<'d>>,
    tag: Option<Text<'d>>,
    digest: Option<Text<'d>>,
    /// The keys that lead to the mapping.
    keys: String,
}

impl<'d> Finder<'_, 'd> {
    fn object(&self, node: usize) -> ObjectIdentity {
        self.objects.objects[self.objects.owner(self.tree, node)].identity(|_| None)
    }

    fn mapping(&mut self, mapping: &Collection<'d>) {
        if self.kustomize(mapping) {
            return;
        }
        let used = self.split(mapping);
        self.named_value(mapping);
        // GitLab's pipelines have `image: {name: repository:tag}`.
        let in_image = is_image_key(mapping.key);
        let names_image = |key: &str| is_image_key(key) || (in_image && key == "name");
        for entry in mapping.entries.iter().filter(|entry| names_image(entry.key) && Some(entry.node) != used) {
            self.whole(mapping, entry);
        }
    }

    fn sequence(&mut self, sequence: &Collection<'d>) {
        match sequence.key {
            "images" => {
                for entry in &sequence.entries {
                    if let Some(text) = self.tree.text(entry.node) {
                        self.list_item(text);
                    }
                }
            }
            "parameters" => self.parameters(sequence),
            _ => {}
        }
    }

    /// An item of Kustomize's `images`.
    fn kustomize(&mut self, mapping: &Collection<'d>) -> bool {
        let get = |key| self.tree.get(mapping, key).filter(|text| !text.value.is_empty());
        let (name, new_name, new_tag, digest) = (get("name"), get("newName"), get("newTag"), get("digest"));
        let in_images = mapping.key == "images" && self.tree.is_item(mapping);
        let Some(name) = name.filter(|_| in_images && (new_tag.is_some() || new_name.is_some() || digest.is_some()))
        else {
            return false;
        };
        let name = new_name.unwrap_or(name).value.to_owned();
        self.add_split(Split { name, name_at: new_name, tag: new_tag, digest, keys: String::new() });
        true
    }

    /// A mapping with repository and tag; returns the node that is taken for the repository.
    fn split(&mut self, mapping: &Collection<'d>) -> Option<usize> {
        let tree = self.tree;
        let get = |key: &str| tree.first(mapping, &[key]);
        let in_image = is_image_key(mapping.key);
        let registry = tree.first(mapping, &["registry", "imageRegistry"]);
        let bare = |text: &Text<'_>| !text.value.contains('@') && !has_tag(text.value);
        let image = get("image").filter(bare);
        let name = get("name").filter(|text| in_image && bare(text));
        let repository = tree.first(mapping, &["repository", "imageRepository", "imageName"]);
        let last = image.or(name);
        let version = get("version").filter(|_| repository.is_some() && image.is_some());
        let tag = tree.get(mapping, "tag").or_else(|| tree.get(mapping, "imageTag")).or(version)?;
        let parts: Vec<Text<'d>> = [registry, repository, last].into_iter().flatten().collect();
        let digest = get("digest").filter(|text| Digest::parse(text.value).is_ok());
        let keys = tree.keys(mapping);
        if repository.is_none() && last.is_none() {
            if in_image && registry.is_none() {
                self.add_override(tag, digest, keys);
            }
            return None;
        }
        let (name, name_at) = match parts[..] {
            [one] => (one.value.to_owned(), Some(one)),
            _ => (parts.iter().map(|text| text.value.trim_matches('/')).collect::<Vec<_>>().join("/"), None),
        };
        let added = self.add_split(Split { name, name_at, tag: Some(tag), digest, keys });
        added.then(|| last.or(repository).map(|text| text.node))?
    }

    /// A value beside the name of an environment variable or the path of a patch.
    fn named_value(&mut self, mapping: &Collection<'d>) {
        if mapping.key == "parameters" {
            return;
        }
        let name = self.tree.first(mapping, &["name"]).filter(|name| is_image_key(name.value));
        let path = self.tree.first(mapping, &["path"]).filter(|path| path.value.ends_with("/image"));
        if let (Some(_), Some(value)) = (name.or(path), self.tree.get(mapping, "value"))
            && has_tag(value.value)
        {
            self.add_whole(value, None);
        }
    }

    /// A key that ends in `image`, with everything in one value.
    fn whole(&mut self, mapping: &Collection<'d>, entry: &Entry<'d>) {
        let Some(text) = self.tree.text(entry.node) else { return };
        let in_pod = entry.key == "image" && CONTAINERS.contains(&mapping.key) && self.tree.is_item(mapping);
        let in_compose = entry.key == "image" && self.is_compose_service(mapping);
        let known = in_pod || in_compose;
        if in_compose && mapping.entries.iter().any(|entry| entry.key == "build") {
            self.add_whole(text, Some(Obstacle::Built));
        } else if has_tag(text.value) || text.value.contains('@') || (known && !text.value.is_empty()) {
            self.add_whole(text, None);
        } else if known {
            self.add_variable(text);
        }
    }

    fn is_compose_service(&self, mapping: &Collection<'d>) -> bool {
        let services = mapping.parent.map(|parent| &self.tree.collections[parent]);
        let is_item = self.tree.is_item(mapping);
        services.is_some_and(|services| services.key == "services" && services.is_mapping) && !is_item
    }

    fn list_item(&mut self, text: Text<'d>) {
        match text.value.split_once('=') {
            Some((_, image)) if has_tag(image) || image.contains('@') => {
                // The editor keeps what stands before the image, up to `=`.
                if let Ok(reference) = Reference::parse(image) {
                    self.add_reference(text, reference, None);
                }
            }
            None if has_tag(text.value) => self.add_whole(text, None),
            _ => {}
        }
    }

    /// Argo CD's Helm parameters: `image.repository`, `image.tag`, …, or `image` with everything.
    fn parameters(&mut self, sequence: &Collection<'d>) {
        let items = sequence.entries.iter().filter_map(|entry| Some(&self.tree.collections[entry.collection?]));
        let pairs: Vec<(&str, Text<'d>)> = items
            .filter_map(|item| Some((self.tree.get(item, "name")?.value, self.tree.get(item, "value")?)))
            .collect();
        let find = |prefix: &str, last: &str| {
            let wanted = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest == last);
            pairs.iter().find(|(name, text)| wanted(name) && !text.value.is_empty()).map(|(_, text)| *text)
        };
        for (name, value) in &pairs {
            if is_image_key(name.rsplit('.').next().unwrap_or(name)) && has_tag(value.value) {
                self.add_whole(*value, None);
            }
            let Some(prefix) = name.strip_suffix("tag").filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            else {
                continue;
            };
            let (registry, repository) = (find(prefix, "registry"), find(prefix, "repository"));
            let Some(repository) = repository.or_else(|| find(prefix, "name")) else { continue };
            let name = match registry {
                Some(registry) => format!("{}/{}", registry.value.trim_matches('/'), repository.value),
                None => repository.value.to_owned(),
            };
            let name_at = if registry.is_none() { Some(repository) } else { None };
            let digest = find(prefix, "digest").filter(|text| Digest::parse(text.value).is_ok());
            self.add_split(Split { name, name_at, tag: Some(*value), digest, keys: String::new() });
        }
    }

    fn add_whole(&mut self, text: Text<'d>, obstacle: Option<Obstacle>) {
        match Reference::parse(text.value) {
            Ok(reference) => self.add_reference(text, reference, obstacle),
            Err(_) => self.add_variable(text),
        }
    }

    fn add_reference(&mut self, text: Text<'d>, reference: Reference, obstacle: Option<Obstacle>) {
        let Some(scalar) = self.scalars.scalar(text.node, Field::Image) else { return };
        let only_digest = reference.tag.is_none() && reference.digest.is_some();
        let obstacle = obstacle.or(only_digest.then_some(Obstacle::OnlyDigest));
        let tag = reference.tag.map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let Reference { repository, digest, .. } = reference;
        let object = self.object(text.node);
        let (scalars, keys) = (vec![scalar], String::new());
        self.found.push(Image { repository, tag, digest, scalars, obstacle, object, keys });
    }

    /// A value such as `ghcr.io/acme/shop:${TAG}`: what stands before the tag is still worth naming.
    fn add_variable(&mut self, text: Text<'d>) {
        if !text.value.contains(['$', '{', '%']) {
            return;
        }
        let before = text.value.find(['$', '{', '%']).map_or(text.value, |end| &text.value[..end]);
        let name = before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let name = Reference::parse(name).ok().map(|reference| reference.repository);
        let (Some(repository), Some(scalar)) = (name, self.scalars.scalar(text.node, Field::Image)) else { return };
        let (tag, scalars, object) = (String::new(), vec![scalar], self.object(text.node));
        let obstacle = Some(Obstacle::Variable);
        self.found.push(Image { repository, tag, digest: None, scalars, obstacle, object, keys: String::new() });
    }

    /// Adds an image made of several scalars; what is no valid repository is none.
    fn add_split(&mut self, split: Split<'d>) -> bool {
        let Split { name, name_at, tag, digest, keys } = split;
        let Ok(repository) = Repository::parse(&name) else { return false };
        let fields = [(name_at, Field::Name), (tag, Field::Tag), (digest, Field::Digest)];
        let scalar = |(text, field): (Option<Text<'d>>, Field)| self.scalars.scalar(text?.node, field);
        let mut scalars: Vec<_> = fields.into_iter().filter_map(scalar).collect();
        if scalars.is_empty() {
            return false;
        }
        scalars.sort_by_key(|scalar| scalar.span.start);
        let tag_text = tag.map(|text| text.value).unwrap_or_default();
        let obstacle = match (tag_text, digest) {
            ("", Some(_)) => Some(Obstacle::OnlyDigest),
            (text, _) if text.contains(['$', '{']) => Some(Obstacle::Variable),
            _ => None,
        };
        let digest = digest.and_then(|text| Digest::parse(text.value).ok());
        let node = tag.or(name_at).map_or(0, |text| text.node);
        let object = self.object(node);
        self.found.push(Image { repository, tag: tag_text.to_owned(), digest, scalars, obstacle, object, keys });
        true
    }

    /// Keeps a tag without a repository.
    fn add_override(&mut self, tag: Text<'d>, digest: Option<Text<'d>>, keys: String) {
        let fields = [(Some(tag), Field::Tag), (digest, Field::Digest)];
        let scalar = |(text, field): (Option<Text<'d>>, Field)| self.scalars.scalar(text?.node, field);
        let mut scalars: Vec<_> = fields.into_iter().filter_map(scalar).collect();
        if tag.value.is_empty() || tag.value.contains(['$', '{']) || scalars.is_empty() {
            return;
        }
        scalars.sort_by_key(|scalar| scalar.span.start);
        let digest = digest.and_then(|text| Digest::parse(text.value).ok());
        let (tag, object) = (tag.value.to_owned(), self.object(tag.node));
        self.overrides.push(Override { keys, tag, digest, scalars, object });
    }
}

fn is_image_key(key: &str) -> bool {
    key == "image"
        || ["Image", "_image", "-image", "_IMAGE", ".image"].iter().any(|end| key.ends_with(end))
        || key == "IMAGE"
}

/// Whether a colon follows the last slash.
fn has_tag(text: &str) -> bool {
    text.rsplit('/').next().unwrap_or(text).split('@').next().is_some_and(|last| last.contains(':'))
}
