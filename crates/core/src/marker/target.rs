//! Fields without a marker, where the configuration says that they are set: targets.
//!
//! A target names a file and fields in it. Where the file has them, they count as if they had a marker, so that all that holds
//! for marked fields holds for them. One that names nothing, or what cannot be set, is a finding.
//!
//! ```
//! use tagwright_core::marker::{Field, Marking, Steps, Target, TargetFields, scan_with};
//!
//! let at = Steps::parse("$.spec.x[0].image")?;
//! let fields = TargetFields::At { document: None, fields: vec![(at, Field::Image)] };
//! let target = Target { path: "web.yaml".into(), policy: "default:web".into(), fields };
//! let text = "spec:\n  x:\n  - image: ghcr.io/acme/web:1.0\n";
//! let scan = scan_with(text.as_bytes(), &Marking { targets: [target].into(), ..Marking::default() });
//! assert_eq!((&text[scan.markers[0].span.clone()], scan.markers[0].policy()), ("ghcr.io/acme/web:1.0", "default:web"));
//! # Ok::<(), String>(())
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use yamlspan::document::{Document, NodeKind};
use yamlspan::lines::Lines;
use yamlspan::tree::Tree;

use super::grammar::Setter;
use super::object::Objects;
use super::steps::Steps;
use super::{Embedded, Field, Scan};
use crate::inventory;

/// What counts as marked in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Marking {
    /// In which embedded YAML markers count.
    pub embedded: Embedded,
    /// The targets in the file.
    pub targets: Arc<[Target]>,
}

impl From<Embedded> for Marking {
    fn from(embedded: Embedded) -> Self {
        Self { embedded, targets: Arc::default() }
    }
}

impl From<&Self> for Marking {
    fn from(marking: &Self) -> Self {
        marking.clone()
    }
}

/// Fields of a file that are set without a marker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The file, from the root of the repository, with `/` between folders.
    pub path: String,
    /// The policy, as `namespace:name`.
    pub policy: String,
    /// The fields.
    pub fields: TargetFields,
}

/// Which fields of a file a target is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetFields {
    /// Those at these places.
    At {
        /// Which document of the file, from 1; none where the first place is in one alone.
        document: Option<usize>,
        /// Each with the part of the image that it holds. The first has to be there, the others are set where they are.
        fields: Vec<(Steps, Field)>,
    },
    /// Those of an item of `images` in a kustomization: `newTag`, `digest`.
    Kustomization {
        /// The `name` of the item.
        name: String,
    },
    /// Those that name an image, wherever they are found.
    Image {
        /// The repository, in its canonical form.
        repository: String,
        /// Of Argo CD's Applications and ApplicationSets alone.
        in_applications: bool,
    },
}

/// A document that targets are looked for in.
pub(super) struct Page<'p> {
    pub(super) text: &'p str,
    pub(super) lines: &'p Lines,
    /// Where it starts in the text, and which of the file it is, from 1.
    pub(super) offset: usize,
    pub(super) number: usize,
    pub(super) document: &'p Document<'p>,
    pub(super) tree: &'p Tree<'p>,
    pub(super) objects: &'p Objects,
}

/// What targets came to in the documents that were read.
#[derive(Debug, Default)]
pub(super) struct Aims {
    /// For each target, the documents that it was found in, and why it cannot be set where it was found.
    found: Vec<Aim>,
    /// The targets that are looked for in every document, in that of a number, and where a repository is named.
    anywhere: Vec<usize>,
    by_document: HashMap<usize, Vec<usize>>,
    by_repository: HashMap<String, Vec<usize>>,
    /// Whether a document could not be read, in which the others may be.
    pub(super) is_broken: bool,
}

#[derive(Debug, Default, Clone)]
struct Aim {
    documents: usize,
    unfit: Option<String>,
}

impl Aims {
    pub(super) fn of(targets: &[Target]) -> Self {
        let mut aims = Self { found: vec![Aim::default(); targets.len()], ..Self::default() };
        for (index, target) in targets.iter().enumerate() {
            match &target.fields {
                TargetFields::At { document: Some(number), .. } => {
                    aims.by_document.entry(*number).or_default().push(index);
                }
                TargetFields::Image { repository, .. } => {
                    aims.by_repository.entry(repository.clone()).or_default().push(index);
                }
                TargetFields::At { document: None, .. } | TargetFields::Kustomization { .. } => {
                    aims.anywhere.push(index);
                }
            }
        }
        aims
    }

    /// The targets that a document may have, in their order.
    fn of_page(&self, number: usize, named: &Named) -> Vec<usize> {
        let of_document = self.by_document.get(&number).into_iter().flatten();
        let of_images = named.all.keys().filter_map(|name| self.by_repository.get(name)).flatten();
        let mut all: Vec<usize> = self.anywhere.iter().chain(of_document).chain(of_images).copied().collect();
        all.sort_unstable();
        all
    }

    /// The nodes that targets set in a document, with what sets them.
    pub(super) fn nodes(&mut self, targets: &[Target], page: &Page<'_>, scan: &Scan) -> Vec<(usize, Setter)> {
        let mut nodes = Vec::new();
        let named = if self.by_repository.is_empty() { Named::default() } else { Named::of(page, scan) };
        for index in self.of_page(page.number, &named) {
            let (target, aim) = (&targets[index], &mut self.found[index]);
            let found = match &target.fields {
                TargetFields::At { fields, .. } => at(fields, page.tree),
                TargetFields::Kustomization { name } => kustomization(name, page.tree, &mut aim.unfit),
                TargetFields::Image { repository, in_applications } => {
                    image(named.all.get(repository), *in_applications, page, &mut aim.unfit)
                }
            };
            if found.is_empty() {
                continue;
            }
            aim.documents += 1;
            for (node, field) in found {
                match unfit(page.document, node) {
                    Some(why) => aim.unfit = Some(why.to_owned()),
                    None => nodes.push((node, setter(&target.policy, field))),
                }
            }
        }
        nodes.sort_by_key(|(node, _)| *node);
        nodes
    }

    /// What is to be said of targets when all documents were read.
    pub(super) fn findings(self, targets: &[Target]) -> impl Iterator<Item = String> {
        targets.iter().zip(self.found).filter_map(move |(target, aim)| {
            let Target { policy, fields, .. } = target;
            let several = matches!(fields, TargetFields::At { document: None, .. }) && aim.documents > 1;
            let why = match (aim.documents, aim.unfit) {
                (_, Some(why)) => why,
                (0, None) if self.is_broken => return None,
                (0, None) => "there is no such field".to_owned(),
                (count, None) if several => format!("{count} documents of the file have it; say which with `document`"),
                _ => return None,
            };
            Some(format!("the target of policy {policy:?}, {fields}, sets nothing: {why}"))
        })
    }

    /// Whether a target may be meant of this document alone.
    pub(super) fn is_ambiguous(&self, targets: &[Target]) -> bool {
        let several = |(target, aim): (&Target, &Aim)| {
            matches!(target.fields, TargetFields::At { document: None, .. }) && aim.documents > 1
        };
        targets.iter().zip(&self.found).any(several)
    }
}

impl fmt::Display for TargetFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { fields, .. } => match fields.first() {
                Some((steps, _)) => write!(f, "{steps}"),
                None => f.write_str("nothing"),
            },
            Self::Kustomization { name } => write!(f, "the item {name:?} of `images`"),
            Self::Image { repository, .. } => write!(f, "the image {repository}"),
        }
    }
}

/// A setter as a marker has it.
fn setter(policy: &str, field: Field) -> Setter {
    let ending = match field {
        Field::Image => "",
        Field::Name => ":name",
        Field::Tag => ":tag",
        Field::Digest => ":digest",
    };
    let namespace = policy.find(':').unwrap_or(policy.len());
    Setter { text: format!("{policy}{ending}"), namespace, policy: policy.len(), field }
}

/// Why a value cannot be set, if it cannot.
fn unfit(document: &Document<'_>, node: usize) -> Option<&'static str> {
    let it = &document.nodes[node];
    match &it.kind {
        NodeKind::Alias => Some("an alias stands there, which repeats the value of its anchor"),
        NodeKind::Scalar(_) if it.is_block_scalar() => Some("a block of text stands there; write it on one line"),
        NodeKind::Scalar(_) if !it.settable() => Some("there is no value; write the one to begin with"),
        NodeKind::Scalar(_) => None,
        _ => Some("a mapping or a list stands there, not a value"),
    }
}

fn at(fields: &[(Steps, Field)], tree: &Tree<'_>) -> Vec<(usize, Field)> {
    let mut found = fields.iter().map(|(steps, field)| Some((steps.node(tree)?, *field)));
    // Without the first it is another document.
    let Some(Some(first)) = found.next() else { return Vec::new() };
    std::iter::once(first).chain(found.flatten()).collect()
}

fn kustomization(name: &str, tree: &Tree<'_>, unfit: &mut Option<String>) -> Vec<(usize, Field)> {
    let images = tree.collections.iter().find(|it| it.key == "images" && it.parent == Some(0) && !it.is_mapping);
    let items = images.into_iter().flat_map(|images| &images.entries);
    let items = items.filter_map(|entry| Some(&tree.collections[entry.collection?]));
    let mut found = Vec::new();
    for item in items.filter(|item| tree.get(item, "name").is_some_and(|text| text.value == name)) {
        let node = |key: &str| item.entries.iter().find(|entry| entry.key == key).map(|entry| entry.node);
        let fields = [("newTag", Field::Tag), ("digest", Field::Digest)];
        let fields = fields.into_iter().filter_map(|(key, field)| Some((node(key)?, field)));
        let before = found.len();
        found.extend(fields);
        if found.len() == before {
            *unfit = Some("it has no `newTag`; write the one to begin with".to_owned());
        }
    }
    found
}

/// The images of a document, by their repositories.
#[derive(Default)]
struct Named {
    all: HashMap<String, Vec<inventory::Image>>,
}

impl Named {
    fn of(page: &Page<'_>, scan: &Scan) -> Self {
        let place = (page.text, page.lines, page.offset);
        let mut all: HashMap<String, Vec<inventory::Image>> = HashMap::new();
        for image in inventory::of_document(place, (page.document, page.tree, page.objects), scan) {
            if let Some(repository) = &image.repository {
                all.entry(repository.canonical()).or_default().push(image);
            }
        }
        Self { all }
    }
}

fn image(
    images: Option<&Vec<inventory::Image>>,
    in_applications: bool,
    page: &Page<'_>,
    unfit: &mut Option<String>,
) -> Vec<(usize, Field)> {
    let is_meant = |image: &&inventory::Image| {
        let is_application = matches!(image.object.kind.as_str(), "Application" | "ApplicationSet")
            && image.object.api_version.starts_with("argoproj.io/");
        !in_applications || is_application
    };
    let mut found = Vec::new();
    for image in images.into_iter().flatten().filter(is_meant) {
        if let Some(obstacle) = &image.obstacle {
            *unfit = Some(obstacle.to_string());
            continue;
        }
        for scalar in &image.scalars {
            let start = scalar.span.start - page.offset;
            let is_there = |node: &yamlspan::document::Node<'_>| {
                node.span.start == start && matches!(node.kind, NodeKind::Scalar(_)) && !node.span.is_empty()
            };
            found.extend(page.document.nodes.iter().position(is_there).map(|node| (node, scalar.field)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::Reference;

    use super::*;
    use crate::edit::{self, Selection, Selections};
    use crate::marker::scan_with;

    const OLD: &str = "1.0.0";

    fn at(fields: &[(&str, Field)]) -> TargetFields {
        let fields = fields.iter().map(|(steps, field)| (Steps::parse(steps).unwrap(), *field)).collect();
        TargetFields::At { document: None, fields }
    }

    fn application() -> TargetFields {
        TargetFields::Image { repository: "ghcr.io/acme/web".to_owned(), in_applications: true }
    }

    /// The text with `OLD` for what is set, after an update to 2.0.0, or the finding.
    fn updated(text: &str, fields: TargetFields) -> Result<String, String> {
        let target = Target { path: "a.yaml".to_owned(), policy: "default:web".to_owned(), fields };
        let marking = Marking { targets: [target].into(), ..Marking::default() };
        let scan = scan_with(text.as_bytes(), &marking);
        if let Some(finding) = scan.diagnostics.first() {
            return Err(finding.message.clone());
        }
        let selected = Selection::Selected(Reference::parse("ghcr.io/acme/web:2.0.0").unwrap());
        let selections: Selections = [("default:web", selected)].into_iter().collect();
        let edited = edit::apply(text.as_bytes(), &scan, &selections);
        assert_eq!(edited.diagnostics, [], "{text}");
        let new = String::from_utf8(edited.bytes.unwrap_or_else(|| text.into())).unwrap();
        // Editing twice is editing once, also where the scan is that of the new text.
        let again = edit::apply(new.as_bytes(), &scan_with(new.as_bytes(), &marking), &selections);
        assert_eq!(again.bytes, None, "{new}");
        Ok(new)
    }

    /// Everything that says NEW says OLD before, and nothing else changes.
    #[track_caller]
    fn check(text: &str, fields: TargetFields) {
        let (before, after) = (text.replace("NEW", OLD), text.replace("NEW", "2.0.0"));
        assert_eq!(updated(&before, fields), Ok(after));
    }

    #[track_caller]
    fn refused(text: &str, fields: TargetFields, expect: &str) {
        let found = updated(text, fields).unwrap_err();
        assert!(found.contains(expect), "{text}: {found}");
    }

    #[test]
    fn a_place_is_set_and_nothing_else() {
        let tag = || at(&[("$.spec.x[0].image", Field::Image)]);
        check(
            "spec:\r\n  x:\r\n    - image:   'ghcr.io/acme/web:NEW'   # the shop\r\n    - image: other:1.0.0\r\n",
            tag(),
        );
        check("{\"spec\": {\"x\": [{\"image\": \"ghcr.io/acme/web:NEW\"}]}}", tag());
        check("a: [1, {b.c: NEW, b: 1.0.0}]", at(&[("a[-1]['b.c']", Field::Tag)]));
        // A document that has no such place is passed over.
        check("a: 1.0.0\n---\nb: {tag: NEW}\n---\n[1.0.0]\n", at(&[("b.tag", Field::Tag)]));
        let third = TargetFields::At { document: Some(2), fields: vec![(Steps::parse("tag").unwrap(), Field::Tag)] };
        check("tag: 1.0.0\n---\ntag: NEW\n", third);
        // What has the same marker is set once.
        check("tag: NEW # {\"$imagepolicy\": \"default:web:tag\"}\n", at(&[("tag", Field::Tag)]));
    }

    #[test]
    fn a_place_that_is_not_there_or_cannot_be_set_is_told() {
        let tag = || at(&[("a.tag", Field::Tag)]);
        refused("a: {b: 1.0.0}\n", tag(), "$.a.tag, sets nothing: there is no such field");
        refused("a: {tag: }\n", tag(), "there is no value");
        refused("a: {tag: {b: 1}}\n", tag(), "a mapping or a list stands there");
        refused("b: &x 1.0.0\na:\n  tag: *x\n", tag(), "an alias stands there");
        refused("a:\n  tag: |\n    1.0.0\n", tag(), "a block of text stands there");
        refused("a: {tag: 1.0.0}\n---\na: {tag: 1.0.0}\n", tag(), "2 documents of the file have it");
        refused("a: {tag: 1.0.0\n", tag(), "has targets and cannot be parsed");
        refused(
            "a:\n  tag: 1.0.0 # {\"$imagepolicy\": \"default:other:tag\"}\n",
            tag(),
            "is that of \"default:other:tag\"",
        );
        refused("", tag(), "there is no such field");
    }

    #[test]
    fn a_kustomization_is_known_by_the_name_of_its_image() {
        let named = |name: &str| TargetFields::Kustomization { name: name.to_owned() };
        let text = "resources: [.]\nimages:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: NEW # soon\n- {name: api, newTag: 1.0.0}\n";
        check(text, named("web"));
        check("images:\n- newTag: \"NEW\"\n  name: ghcr.io/acme/web\n", named("ghcr.io/acme/web"));
        refused(
            "images:\n- name: api\n",
            named("web"),
            "the item \"web\" of `images`, sets nothing: there is no such field",
        );
        refused("images:\n- name: web\n  newName: ghcr.io/acme/web\n", named("web"), "it has no `newTag`");
        refused("other: {images: [{name: web, newTag: 1.0.0}]}\n", named("web"), "there is no such field");
    }

    #[test]
    fn an_application_is_known_by_what_it_runs() {
        let head = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\nspec:\n  source:\n";
        check(
            &format!(
                "{head}    kustomize:\n      images:\n      - ghcr.io/acme/web:NEW\n      - ghcr.io/acme/api:1.0.0\n"
            ),
            application(),
        );
        check(&format!("{head}    kustomize:\n      images: [web=ghcr.io/acme/web:NEW]\n"), application());
        let parameters = "    helm:\n      parameters:\n      - {name: image.repository, value: ghcr.io/acme/web}\n      - {name: image.tag, value: NEW}\n";
        check(&format!("{head}{parameters}"), application());
        let pod = "kind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.0.0\n";
        refused(pod, application(), "the image ghcr.io/acme/web, sets nothing: there is no such field");
        let anywhere = TargetFields::Image { repository: "ghcr.io/acme/web".to_owned(), in_applications: false };
        check(&pod.replace(OLD, "NEW"), anywhere);
    }

    #[test]
    fn parts_of_an_image_are_set_together() {
        let parts = || at(&[("image.tag", Field::Tag), ("image.repository", Field::Name)]);
        check("image:\n  repository: ghcr.io/acme/web\n  tag: NEW\nother: {tag: 1.0.0}\n", parts());
        check("image: {tag: 'NEW'}\n", parts());
    }
}
