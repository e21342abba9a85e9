//! Images whose repository, tag and digest stand under keys of their own.

use yamlspan::tree::{Collection, Text};

use super::{Digests, Finder, Split, has_tag, is_image_key};
use crate::edit::value;
use crate::inventory::Obstacle;
use crate::marker::registry::{has_host, is_registry, is_registry_key, joined};

/// Keys that a repository stands under.
const REPOSITORIES: [&str; 6] =
    ["repository", "imageRepository", "imageRepo", "image_repository", "image_repo", "imageName"];

/// The ends of keys for a tag, each with those for the repository beside it.
const PAIRS: [(&str, [&str; 4]); 2] = [
    ("Tag", ["Repository", "Repo", "Image", "ImageRepository"]),
    ("_tag", ["_repository", "_repo", "_image", "_image_repository"]),
];

/// The same where the key without its end is for an image: `frontendImage` and `frontendImageTag`.
const OF_IMAGE: [(&str, [&str; 4]); 2] =
    [("Tag", ["", "Repository", "Repo", "Name"]), ("_tag", ["", "_repository", "_repo", "_name"])];

/// Hosts of Git repositories, whose tags are none of images.
const GIT_HOSTS: [&str; 3] = ["github.com/", "gitlab.com/", "bitbucket.org/"];

impl<'d> Finder<'_, 'd> {
    /// An item of Kustomize's `images`.
    pub(super) fn kustomize(&mut self, mapping: &Collection<'d>) -> bool {
        let get = |key| self.tree.get(mapping, key).filter(|text| !text.value.is_empty());
        let (name, new_name, new_tag, digest) = (get("name"), get("newName"), get("newTag"), get("digest"));
        let in_images = mapping.key == "images" && self.tree.is_item(mapping);
        let Some(name) = name.filter(|_| in_images && (new_tag.is_some() || new_name.is_some() || digest.is_some()))
        else {
            return false;
        };
        let name = new_name.unwrap_or(name).value.to_owned();
        self.add_split(Split { name, name_at: new_name, tag: new_tag, digest, ..Split::default() });
        true
    }

    /// A mapping with repository and tag; returns the node that is taken for the repository.
    pub(super) fn split(&mut self, index: usize, mapping: &Collection<'d>) -> Option<usize> {
        let tree = self.tree;
        let get = |key: &str| tree.first(mapping, &[key]);
        let in_image = is_image_key(mapping.key);
        let bare = |text: &Text<'_>| !text.value.contains('@') && !has_tag(text.value);
        let image = get("image").filter(bare);
        // Of a list, the name is a label.
        let around = mapping.parent.map(|parent| tree.collections[parent].key);
        let in_map = around.is_some_and(|key| key.starts_with("images")) && !tree.is_item(mapping);
        let name = get("name").filter(|text| (in_image || in_map && text.value.contains('/')) && bare(text));
        let repository = tree.first(mapping, &REPOSITORIES).filter(bare);
        let repository =
            repository.or_else(|| get("repo").filter(|text| bare(text) && is_image_repository(text.value)));
        let repository = repository.or_else(|| get("url").filter(|text| in_image && bare(text)));
        let last = image.or(name);
        let is_versioned = in_image && repository.is_some() || image.is_some_and(|image| image.value.contains('/'));
        let version = get("version").filter(|_| is_versioned || repository.is_some() && image.is_some());
        let tags = ["tag", "imageTag", "image_tag"];
        let tag = tags.iter().find_map(|key| tree.get(mapping, key)).or(version)?;
        let digests = self.digests(mapping);
        let keys = tree.keys(mapping);
        let parts: Vec<Text<'d>> = [repository, last].into_iter().flatten().collect();
        if parts.is_empty() {
            if in_image && self.registries.own(index).is_none() {
                self.add_override(tag, digests, keys);
            }
            return None;
        }
        let base = parts.iter().map(|text| text.value.trim_matches('/')).collect::<Vec<_>>().join("/");
        let (name, obstacle) = self.with_registry(index, &base);
        let name_at = (parts.len() == 1 && name == base).then(|| parts[0]);
        let obstacle = obstacle.or(digests.obstacle);
        let split = Split { name, name_at, tag: Some(tag), digest: digests.own, obstacle, keys };
        let added = self.add_split(split);
        added.then(|| last.or(repository).map(|text| text.node))?
    }

    /// Keys such as `webTag` beside `webImage` or `webRepository`.
    pub(super) fn pairs(&mut self, index: usize, mapping: &Collection<'d>) {
        for entry in &mapping.entries {
            let Some(tag) = self.tree.text(entry.node).filter(|text| !text.value.is_empty()) else { continue };
            let Some(found) = self.beside(mapping, entry.key) else { continue };
            let (name, obstacle) = self.with_registry(index, found.value);
            let name_at = (name == found.value).then_some(found);
            let obstacle = obstacle.or(self.digests(mapping).obstacle);
            self.add_split(Split { name, name_at, tag: Some(tag), obstacle, ..Split::default() });
        }
    }

    /// The repository for a key that ends in `Tag`, `imageTag` itself left out.
    fn beside(&self, mapping: &Collection<'d>, key: &str) -> Option<Text<'d>> {
        let stem_of = |end: &str| key.strip_suffix(end).filter(|stem| !matches!(*stem, "" | "image"));
        let names = PAIRS.iter().chain(&OF_IMAGE).flat_map(|(end, names)| {
            let of_image = names[0].is_empty();
            let stem = stem_of(end).filter(|stem| is_image_key(stem) == of_image);
            stem.into_iter().flat_map(|stem| names.iter().map(move |name| format!("{stem}{name}")))
        });
        let mut found = names.filter_map(|name| self.tree.first(mapping, &[name.as_str()]));
        found.find(|text| !text.value.contains('@') && !has_tag(text.value))
    }

    /// The tag of Flux's `OCIRepository`.
    pub(super) fn oci_repository(&mut self, mapping: &Collection<'d>) {
        let around = mapping.parent.map(|parent| &self.tree.collections[parent]).filter(|_| mapping.key == "ref");
        let Some(url) = around.and_then(|around| self.tree.get(around, "url")) else { return };
        if let (Some(name), Some(tag)) = (url.value.strip_prefix("oci://"), self.tree.first(mapping, &["tag"])) {
            let digests = self.digests(mapping);
            let (name, digest, obstacle) = (name.to_owned(), digests.own, digests.obstacle);
            self.add_split(Split { name, tag: Some(tag), digest, obstacle, ..Split::default() });
        }
    }

    /// A name with the registry that belongs to it, and what is doubtful about that.
    fn with_registry(&self, index: usize, name: &str) -> (String, Option<Obstacle>) {
        let own = self.registries.own(index).map(|text| text.value);
        let around = self.registries.around(self.tree, index).map(|found| (found.text.value, found.of_image));
        let global = self.registries.global(index).map(|text| text.value);
        registered(name, own, around, global)
    }

    /// Argo CD's Helm parameters: `image.repository`, `image.tag`, …, or `image` with everything.
    pub(super) fn parameters(&mut self, sequence: &Collection<'d>) {
        let items = sequence.entries.iter().filter_map(|entry| Some(&self.tree.collections[entry.collection?]));
        let pairs: Vec<(&str, Text<'d>)> = items
            .filter_map(|item| Some((self.tree.get(item, "name")?.value, self.tree.get(item, "value")?)))
            .filter(|(_, text)| !text.value.is_empty())
            .collect();
        let find = |prefix: &str, last: &str| {
            let wanted = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest == last);
            pairs.iter().find(|(name, _)| wanted(name)).map(|(_, text)| *text)
        };
        let registry = |prefix: &str| {
            let of = |(name, text): &(&str, Text<'d>)| {
                let last = name.strip_prefix(prefix)?;
                (!last.contains('.') && is_registry_key(last) && is_registry(text.value)).then_some(text.value)
            };
            pairs.iter().find_map(of)
        };
        let global = registry("global.").or_else(|| registry("global.image."));
        for (name, value) in &pairs {
            if is_image_key(name.rsplit('.').next().unwrap_or(name)) && has_tag(value.value) {
                let registry = global.filter(|_| !has_host(value.value)).map(|_| Obstacle::Registry);
                self.add_whole(*value, registry);
            }
            let Some(prefix) = name.strip_suffix("tag").filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            else {
                continue;
            };
            let Some(repository) = find(prefix, "repository").or_else(|| find(prefix, "name")) else { continue };
            let own = registry(prefix);
            let (name, obstacle) = registered(repository.value, own, global.map(|global| (global, false)), global);
            let name_at = (name == repository.value).then_some(repository);
            let beside = pairs.iter().filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, *text)));
            let digests = Digests::among(beside.filter(|(last, _)| !last.contains('.')));
            let obstacle = obstacle.or(digests.obstacle);
            let (tag, digest) = (Some(*value), digests.own);
            self.add_split(Split { name, name_at, tag, digest, obstacle, keys: String::new() });
        }
    }
}

/// A name with the registry beside it, around it (and whether that is another image's), or for all charts; and whether it is
/// doubtful which counts.
fn registered(
    name: &str,
    own: Option<&str>,
    around: Option<(&str, bool)>,
    global: Option<&str>,
) -> (String, Option<Obstacle>) {
    let trimmed = |text: &str| text.trim_matches('/').to_owned();
    match (own, around) {
        (Some(own), _) if name.strip_prefix(&*trimmed(own)).is_some_and(|rest| rest.starts_with('/')) => {
            (name.to_owned(), None)
        }
        (Some(own), _) => {
            let is_overruled = global.is_some_and(|global| trimmed(global) != trimmed(own));
            (joined(own, name), (is_overruled || has_host(name)).then_some(Obstacle::Registry))
        }
        (None, Some((around, of_image))) if !has_host(name) => match (of_image, value::is_docker_hub(around)) {
            (false, _) => (joined(around, name), None),
            // It is Docker Hub's, one way or the other.
            (true, true) => (name.to_owned(), None),
            (true, false) => (name.to_owned(), Some(Obstacle::Registry)),
        },
        _ => (name.to_owned(), None),
    }
}

/// Whether a repository is one of images, not of Git.
fn is_image_repository(name: &str) -> bool {
    has_host(name) && !GIT_HOSTS.iter().any(|host| name.starts_with(host))
}
