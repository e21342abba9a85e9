//! Images with everything in one value.

use image::Reference;
use yamlspan::tree::{Collection, Entry, Text};

use super::{Finder, has_tag, is_image_key};
use crate::change::ObjectIdentity;
use crate::edit::{value, variables};
use crate::inventory::{Image, Obstacle};
use crate::marker::Field;
use crate::marker::registry::has_host;

/// Sequences of containers in a pod.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What may stand behind `image` in a key whose value is the whole of it.
const WORDS: [&str; 6] = ["name", "uri", "url", "ref", "reference", "path"];

/// Keys below one for an image whose value is the whole of it.
const BELOW: [&str; 5] = ["name", "reference", "ref", "url", "uri"];

/// Schemes that images are written with.
const SCHEMES: [&str; 4] = ["oci://", "docker://", "docker-pullable://", "containerd://"];

impl<'d> Finder<'_, 'd> {
    /// A value under a key that is for an image.
    pub(super) fn whole(&mut self, index: usize, mapping: &Collection<'d>, entry: &Entry<'d>, object: &ObjectIdentity) {
        let Some(text) = self.tree.text(entry.node).filter(|text| !text.value.is_empty()) else { return };
        if !self.is_for_image(mapping, entry.key, object) {
            return;
        }
        let in_pod = entry.key == "image" && CONTAINERS.contains(&mapping.key) && self.tree.is_item(mapping);
        let in_compose = entry.key == "image" && self.is_compose_service(mapping);
        let is_image = has_tag(text.value) || text.value.contains('@') || in_pod || in_compose;
        let is_built = in_compose && mapping.entries.iter().any(|entry| entry.key == "build");
        if is_image && is_built {
            self.add_whole(text, Some(Obstacle::Built));
        } else if is_image {
            let digests = self.digests(mapping);
            let own = self.registries.own(index);
            let elsewhere = own.or_else(|| self.registries.around(self.tree, index).map(|found| found.text));
            let is_doubtful = |registry: &Text<'_>| !has_host(text.value) && !value::is_docker_hub(registry.value);
            let registry = elsewhere.filter(is_doubtful).map(|_| Obstacle::Registry);
            // The digest would be written into the image, too.
            let digest = digests.obstacle.or(digests.own.map(|_| Obstacle::Digest));
            self.add_whole(text, registry.or(digest));
            self.with_tags_beside(mapping, entry.key, text);
        } else if is_image_key(entry.key) && variables::has_variable(text.value) {
            self.add_variable(text);
        }
    }

    /// Whether a key's value is the whole of an image, if it looks like one.
    fn is_for_image(&self, mapping: &Collection<'d>, key: &str, object: &ObjectIdentity) -> bool {
        let lower = key.to_ascii_lowercase().replace(['_', '-'], "");
        let is_image_word =
            || WORDS.iter().any(|word| lower.strip_suffix(word).is_some_and(|it| it.ends_with("image")));
        let is_below = || is_image_key(mapping.key) && BELOW.contains(&key);
        let is_map = || {
            let around = mapping.parent.map(|parent| self.tree.collections[parent].key);
            let is_images = |key: &str| key.starts_with("images");
            !self.tree.is_item(mapping)
                && (is_images(mapping.key) || mapping.key == "tags" && around.is_some_and(is_images))
        };
        let is_package = || key == "package" && object.api_version.starts_with("pkg.crossplane.io/");
        is_image_key(key) || is_image_word() || is_below() || is_map() || is_package()
    }

    fn is_compose_service(&self, mapping: &Collection<'d>) -> bool {
        let services = mapping.parent.map(|parent| &self.tree.collections[parent]);
        let is_item = self.tree.is_item(mapping);
        services.is_some_and(|services| services.key == "services" && services.is_mapping) && !is_item
    }

    /// Adds a `version` beside an image, or a `webImageTag` beside a `webImage`, that is its tag once more, so that both move.
    fn with_tags_beside(&mut self, mapping: &Collection<'d>, key: &str, text: Text<'d>) {
        let scalar = |node, field| self.scalars.scalar(node, field);
        let own = scalar(text.node, Field::Image);
        let Some(image) = self.found.last_mut().filter(|image| image.scalars.first() == own.as_ref()) else { return };
        let keys = ["version".to_owned(), format!("{key}Tag"), format!("{key}_tag"), format!("{key}-tag")];
        let beside = keys.iter().filter_map(|key| self.tree.get(mapping, key));
        let tags = beside.filter(|tag| !tag.value.is_empty() && tag.value == image.tag);
        let more: Vec<_> = tags.filter_map(|tag| scalar(tag.node, Field::Tag)).collect();
        image.scalars.extend(more);
        image.scalars.sort_by_key(|scalar| scalar.span.start);
    }

    /// A value beside the name of an environment variable or a parameter, or beside the path of a patch.
    pub(super) fn named_value(&mut self, mapping: &Collection<'d>) {
        if mapping.key == "parameters" {
            return;
        }
        let name = self.tree.first(mapping, &["name"]).filter(|name| is_image_key(name.value));
        let path = self.tree.first(mapping, &["path"]).filter(|path| path.value.ends_with("/image"));
        if name.or(path).is_some() {
            for text in ["value", "default"].into_iter().filter_map(|key| self.tree.get(mapping, key)) {
                if has_tag(text.value) {
                    self.add_whole(text, None);
                }
            }
        }
    }

    /// An item of `images`: an image, or `name=image`.
    pub(super) fn list_item(&mut self, text: Text<'d>) {
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

    /// Arguments `--image=…` and `--image …`, or others whose name ends in `image`.
    pub(super) fn arguments(&mut self, sequence: &Collection<'d>) {
        let mut before: Option<Text<'d>> = None;
        for entry in &sequence.entries {
            let text = self.tree.text(entry.node);
            let is_named =
                |name: Text<'_>| name.value.starts_with('-') && is_image_key(name.value.trim_start_matches('-'));
            match text {
                Some(text) if before.is_some_and(is_named) && has_tag(text.value) => self.add_whole(text, None),
                Some(text) => self.argument(text),
                None => {}
            }
            before = text;
        }
    }

    fn argument(&mut self, text: Text<'d>) {
        let Some((name, image)) = text.value.split_once('=').filter(|(name, _)| name.starts_with('-')) else { return };
        if is_image_key(name.trim_start_matches('-'))
            && has_tag(image)
            && let Ok(reference) = Reference::parse(image)
        {
            self.add_reference(text, reference, None);
            self.found.last_mut().into_iter().for_each(|image| image.own_form = true);
        }
    }

    pub(super) fn add_whole(&mut self, text: Text<'d>, obstacle: Option<Obstacle>) {
        let scheme = SCHEMES.iter().find(|scheme| text.value.starts_with(**scheme)).map_or(0, |scheme| scheme.len());
        match Reference::parse(&text.value[scheme..]) {
            Ok(reference) => {
                self.add_reference(text, reference, obstacle);
                let added = self.found.last_mut();
                added.filter(|_| scheme > 0).into_iter().for_each(|image| image.own_form = true);
            }
            Err(_) => self.add_variable(text),
        }
    }

    pub(super) fn add_reference(&mut self, text: Text<'d>, reference: Reference, obstacle: Option<Obstacle>) {
        let Some(scalar) = self.scalars.scalar(text.node, Field::Image) else { return };
        let only_digest = reference.tag.is_none() && reference.digest.is_some();
        let obstacle = obstacle.or(only_digest.then_some(Obstacle::OnlyDigest));
        let tag = reference.tag.map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let Reference { repository, digest, .. } = reference;
        let image = Image::of(Some(repository), "", vec![scalar], self.object(text.node));
        self.found.push(Image { tag, digest, obstacle, ..image });
    }

    /// A value such as `ghcr.io/acme/shop:${TAG}`: what stands before the tag is still worth naming.
    pub(super) fn add_variable(&mut self, text: Text<'d>) {
        if !variables::has_variable(text.value) {
            return;
        }
        let Some(scalar) = self.scalars.scalar(text.node, Field::Image) else { return };
        let before = text.value.find(['$', '{', '%']).map_or(text.value, |end| &text.value[..end]);
        let name = before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let repository = Reference::parse(name).ok().map(|reference| reference.repository);
        let image = Image::of(repository, text.value, vec![scalar], self.object(text.node));
        self.found.push(Image { obstacle: Some(Obstacle::Variable), ..image });
    }
}
