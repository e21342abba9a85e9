//! Places that a selection is written to: fields as somebody else's form of a file says where they are.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use image::Repository;
use yamlspan::document::{self, Document};
use yamlspan::lines::{self, Lines};
use yamlspan::tree::Tree;

use super::Spot;
use crate::inventory;
use crate::mark::File;
use crate::marker::{Field, Steps, TargetFields};

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, from the root of the repository.
    pub path: String,
    /// Where it was said.
    pub spot: Spot,
    /// Where in the file it is.
    pub form: Form,
}

/// Where in a file something is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Form {
    /// `newTag` and `digest` of the item of `images` with this name, of a kustomization.
    Kustomization(String),
    /// Wherever an Application of Argo CD in the file names the image.
    Application,
    /// The values at these keys of a values file, or below `helm.values` of a `fleet.yaml`.
    Keys {
        /// Whether it is a `fleet.yaml`.
        is_fleet: bool,
        /// Each with the part of the image it holds, the one that has to be there first.
        keys: Vec<(Field, String)>,
    },
    /// The image of a service of Compose.
    Compose(String),
    /// The value at a place.
    At {
        /// The way to it, such as `$.spec.x[0].image`.
        at: String,
        /// What it holds.
        field: Field,
        /// Which document of the file, from 1, where several have such a place.
        document: Option<usize>,
    },
    /// A field that has a comment of Fleet's.
    Comment {
        /// The bytes of the comment.
        comment: Range<usize>,
        /// Where the field begins.
        scalar: usize,
        /// What it holds.
        field: Field,
    },
}

impl Form {
    /// The fields, as the editor knows them; none where a way cannot be read, and for comments.
    pub(super) fn fields(&self, repository: &Repository) -> Result<TargetFields, String> {
        Ok(match self {
            Self::Kustomization(name) => TargetFields::Kustomization { name: name.clone() },
            Self::Application => TargetFields::Image { repository: repository.canonical(), in_applications: true },
            Self::Keys { is_fleet, keys } => {
                let steps = |(field, key): &(Field, String)| {
                    let steps = Steps::parse(key).map_err(|error| format!("{key:?} {error}"))?;
                    Ok((if *is_fleet { steps.below("values").below("helm") } else { steps }, *field))
                };
                let fields = keys.iter().map(steps).collect::<Result<_, String>>()?;
                TargetFields::At { document: None, fields }
            }
            Self::Compose(service) => {
                let steps = Steps::of_keys(["services", service.as_str(), "image"]);
                TargetFields::At { document: None, fields: vec![(steps, Field::Image)] }
            }
            Self::At { at, field, document } => {
                let steps = Steps::parse(at).map_err(|error| format!("{at:?} {error}"))?;
                TargetFields::At { document: *document, fields: vec![(steps, *field)] }
            }
            Self::Comment { .. } => return Err("a comment is no target".to_owned()),
        })
    }
}

/// The places of each image that the inventory of a file has.
pub(crate) fn of_file(file: &File) -> Vec<Vec<Form>> {
    let images = &file.inventory.images;
    let mut forms = vec![Vec::new(); images.len()];
    let Ok(text) = std::str::from_utf8(&file.bytes) else { return forms };
    let spans = lines::documents(text, &Lines::of(text));
    let mut by_document: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, image) in images.iter().enumerate() {
        let Some(first) = image.scalars.first() else { continue };
        let number = spans.partition_point(|span| span.end <= first.span.start);
        if spans.get(number).is_some_and(|span| span.contains(&first.span.start)) {
            by_document.entry(number).or_default().push(index);
        }
    }
    let tags = tags(file);
    for (number, members) in by_document {
        let start = spans[number].start;
        let Ok(document) = document::parse(&text[spans[number].clone()]) else { continue };
        let number = (spans.len() > 1).then_some(number + 1);
        let page = Page::of(file, &tags, &document, (start, number));
        for index in members {
            forms[index] = page.forms(&images[index]);
        }
    }
    forms
}

/// The ways to the scalars that begin at these bytes of a file, each with its document where there are several; none where it is below an
/// alias, or in a block of text.
pub(super) fn ways(file: &File, starts: &[usize]) -> Vec<Option<(String, Option<usize>)>> {
    let mut ways = vec![None; starts.len()];
    let Ok(text) = std::str::from_utf8(&file.bytes) else { return ways };
    let spans = lines::documents(text, &Lines::of(text));
    for (number, span) in spans.iter().enumerate() {
        let within = |start: &usize| span.contains(start);
        if !starts.iter().any(within) {
            continue;
        }
        let Ok(document) = document::parse(&text[span.clone()]) else { continue };
        let tags = HashMap::new();
        let page = Page::of(file, &tags, &document, (span.start, (spans.len() > 1).then_some(number + 1)));
        for (way, start) in ways.iter_mut().zip(starts).filter(|(_, start)| within(start)) {
            let node = page.scalars.get(&(start - span.start));
            *way = node.and_then(|node| page.way(*node)).map(|at| (at, page.number));
        }
    }
    ways
}

/// The tag of each repository of a file; none where there are several.
fn tags(file: &File) -> HashMap<String, Option<&str>> {
    let mut tags = HashMap::new();
    for image in &file.inventory.images {
        let Some(repository) = &image.repository else { continue };
        let tag = tags.entry(repository.canonical()).or_insert(Some(image.tag.as_str()));
        *tag = tag.filter(|tag| *tag == image.tag);
    }
    tags
}

/// A document of a file, with what leads to its nodes.
struct Page<'p> {
    file: &'p File,
    tags: &'p HashMap<String, Option<&'p str>>,
    tree: Tree<'p>,
    /// Where it starts in the file, and which of several it is.
    start: usize,
    number: Option<usize>,
    /// The scalars that are values, by where they begin in the document.
    scalars: HashMap<usize, usize>,
    /// The collection of each node, and its place in there.
    places: HashMap<usize, (usize, usize)>,
}

impl<'p> Page<'p> {
    fn of(
        file: &'p File,
        tags: &'p HashMap<String, Option<&'p str>>,
        document: &'p Document<'p>,
        (start, number): (usize, Option<usize>),
    ) -> Self {
        let tree = Tree::of(document);
        let is_value = |it: &document::Node<'_>| matches!(it.kind, document::NodeKind::Scalar(_)) && !it.in_key;
        let nodes = document.nodes.iter().enumerate().rev().filter(|(_, it)| is_value(it));
        let scalars = nodes.map(|(node, it)| (it.span.start, node)).collect();
        let entries = |(index, it): (usize, &yamlspan::tree::Collection<'_>)| {
            let nodes: Vec<usize> = it.entries.iter().map(|entry| entry.node).collect();
            nodes.into_iter().enumerate().map(move |(at, node)| (node, (index, at)))
        };
        let places = tree.collections.iter().enumerate().flat_map(entries).collect();
        Self { file, tags, tree, start, number, scalars, places }
    }

    fn node(&self, scalar: &inventory::ImageScalar) -> Option<usize> {
        self.scalars.get(&scalar.span.start.checked_sub(self.start)?).copied()
    }

    fn forms(&self, image: &inventory::Image) -> Vec<Form> {
        let Some(first) = image.scalars.first().and_then(|it| self.node(it)) else { return Vec::new() };
        if let Some(form) = self.known(image, first) {
            return vec![form];
        }
        let at = |scalar: &inventory::ImageScalar| {
            let at = self.way(self.node(scalar)?)?;
            Some(Form::At { at, field: scalar.field, document: self.number })
        };
        image.scalars.iter().filter_map(at).collect()
    }

    /// The form of a file that says more than a way through it, and survives more changes.
    fn known(&self, image: &inventory::Image, node: usize) -> Option<Form> {
        let tree = &self.tree;
        let around = &tree.collections[tree.around(node)?];
        let file_name = self.file.path.rsplit('/').next().unwrap_or_default();
        if is_kustomization(file_name) && around.key == "images" {
            return Some(Form::Kustomization(tree.get(around, "name")?.value.to_owned()));
        }
        let is_application = matches!(image.object.kind.as_str(), "Application" | "ApplicationSet")
            && image.object.api_version.starts_with("argoproj.io/");
        if is_application {
            // All of them would be set.
            let alike = self.tags.get(&image.repository.as_ref()?.canonical()).is_some_and(Option::is_some);
            return alike.then_some(Form::Application);
        }
        let parent = around.parent.map(|parent| &tree.collections[parent])?;
        let is_service = parent.key == "services" && parent.parent == Some(0) && image.scalars.len() == 1;
        (is_service
            && image.scalars[0].field == Field::Image
            && tree.get(around, "image").is_some_and(|it| it.node == node))
        .then(|| Form::Compose(around.key.to_owned()))
    }

    /// The way from the root of the document to a node, as a query of JSONPath.
    fn way(&self, mut node: usize) -> Option<String> {
        let mut steps = Vec::new();
        loop {
            let (index, at) = *self.places.get(&node)?;
            let around = &self.tree.collections[index];
            steps.push(step(around, at));
            node = around.node;
            if around.parent.is_none() {
                break;
            }
        }
        steps.push("$".to_owned());
        steps.reverse();
        Some(steps.concat())
    }
}

/// The step to an entry of a collection.
fn step(around: &yamlspan::tree::Collection<'_>, at: usize) -> String {
    let key = around.entries[at].key;
    match around.is_mapping {
        false => format!("[{at}]"),
        true if key.is_empty() || key.contains(['.', '[', ']', '\'', '"', '*']) => {
            let quote = if key.contains('\'') { '"' } else { '\'' };
            format!("[{quote}{key}{quote}]")
        }
        true => format!(".{key}"),
    }
}

/// Whether Kustomize takes a file of this name.
pub(super) fn is_kustomization(name: &str) -> bool {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
}

/// A path below a folder, without `.` and `..`; none where it leaves the root.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let folder = if path.starts_with('/') { "" } else { folder };
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
