//! Adding to a document with policies that is there: more policies, and more paths.
//!
//! Every byte of it stays; only whole lines are added.

use thiserror::Error;
use yamlspan::document::{self, Node, NodeKind};
use yamlspan::lines::{self, Lines};
use yamlspan::tree::{Collection, Tree};

use super::Group;
use super::policies::{Dialect, flux_policy, native_image, scalar};
use crate::marker::object::Objects;

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Why policies cannot be added to a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// It cannot be parsed.
    #[error("it cannot be parsed: {0}")]
    Unparsable(String),
    /// It has no list to add to.
    #[error("it does not end with the `images` of an ImageAutomation, an item a line")]
    NoList,
    /// It has no list of paths to add to.
    #[error("the `paths` under `git` of its last ImageAutomation are no list with an item a line")]
    NoPaths,
    /// Nothing in it would use the policies.
    #[error("it has no ImageUpdateAutomation in the namespace {0:?}")]
    NoAutomation(String),
}

/// Adds policies to a document that is there; every byte of it stays.
///
/// # Errors
/// A native document has no block list `spec.images` at its end, Flux's objects no automation for a policy's namespace; or
/// the text cannot be parsed.
pub fn extended<'g>(
    dialect: Dialect,
    existing: &str,
    groups: impl IntoIterator<Item = &'g Group>,
) -> Result<String, Error> {
    let line_break = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
    let more: String = match dialect {
        Dialect::Native => {
            let (indent, namespace) = images_of(existing)?;
            groups.into_iter().map(|group| native_image(group, &namespace, indent)).collect()
        }
        Dialect::Flux => {
            let served = automation_namespaces(existing)?;
            let policy = |group: &Group| match served.contains(&group.namespace) {
                true => Ok(flux_policy(group)),
                false => Err(Error::NoAutomation(group.namespace.clone())),
            };
            groups.into_iter().map(policy).collect::<Result<_, _>>()?
        }
    };
    Ok(format!("{existing}{line_break}{more}"))
}

/// The namespaces of the `ImageUpdateAutomation`s in a text.
fn automation_namespaces(text: &str) -> Result<Vec<String>, Error> {
    let lines = Lines::of(text);
    let mut namespaces = Vec::new();
    for span in lines::documents(text, &lines) {
        let document = document::parse(&text[span]).map_err(|broken| Error::Unparsable(broken.reason))?;
        let objects = Objects::of(&document, &Tree::of(&document)).objects;
        let identities = objects.iter().map(|object| object.identity(|_| None));
        namespaces.extend(identities.filter(|it| it.kind == "ImageUpdateAutomation").map(|it| namespace(it.namespace)));
    }
    Ok(namespaces)
}

fn namespace(text: String) -> String {
    if text.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { text }
}

/// Adds a path to those that the last automation of a native document reads.
///
/// # Errors
/// There is no block list `spec.git.paths`, or the text cannot be parsed.
pub fn with_path(existing: &str, path: &str) -> Result<String, Error> {
    let lines = Lines::of(existing);
    let last = Last::of(existing, &lines)?.ok_or(Error::NoPaths)?;
    let document = document::parse(last.text).map_err(|broken| Error::Unparsable(broken.reason))?;
    let tree = Tree::of(&document);
    let of_git = |it: &&Collection<'_>| {
        let around = it.parent.map(|parent| tree.collections[parent].key);
        it.key == "paths" && !it.is_mapping && around == Some("git")
    };
    let list = tree.collections.iter().find(of_git).ok_or(Error::NoPaths)?;
    let item = list.entries.last().map(|entry| &document.nodes[entry.node].span).ok_or(Error::NoPaths)?;
    let indent = last.indent_of_item(existing, &lines, item.start).ok_or(Error::NoPaths)?;
    let (before, after) = existing.split_at(lines.start_after(last.offset + item.start).unwrap_or(existing.len()));
    let line_break = if before.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{before}{line_break}{:indent$}- {}\n{after}", "", scalar(path)))
}

/// The last document of a text.
struct Last<'t> {
    text: &'t str,
    /// Where it begins.
    offset: usize,
}

impl<'t> Last<'t> {
    fn of(text: &'t str, lines: &Lines) -> Result<Option<Self>, Error> {
        let span = lines::documents(text, lines).pop();
        Ok(span.map(|span| Self { text: &text[span.clone()], offset: span.start }))
    }

    /// How far an item that begins somewhere in the document is indented; none if it does not have its line for itself.
    fn indent_of_item(&self, text: &str, lines: &Lines, start: usize) -> Option<usize> {
        let line = &text[lines.start_of(self.offset + start)..];
        let indent = line.len() - line.trim_start_matches(' ').len();
        line[indent..].starts_with("- ").then_some(indent)
    }
}

/// How far the items of `spec.images` are indented, if nothing follows them, and the namespace of the object.
fn images_of(text: &str) -> Result<(usize, String), Error> {
    let lines = Lines::of(text);
    let last = Last::of(text, &lines)?.ok_or(Error::NoList)?;
    let document = document::parse(last.text).map_err(|broken| Error::Unparsable(broken.reason))?;
    let tree = Tree::of(&document);
    let objects = Objects::of(&document, &tree).objects;
    let identity = objects.first().map(|object| object.identity(|_| None)).filter(|it| it.kind == "ImageAutomation");
    let namespace = namespace(identity.ok_or(Error::NoList)?.namespace);
    let is_list = |collection: &&Collection<'_>| collection.key == "images" && !collection.is_mapping;
    let list = tree.collections.iter().find(is_list).ok_or(Error::NoList)?.node;
    // Behind the list only the mappings around it may close.
    let closes = |it: &Node<'_>| matches!(it.kind, NodeKind::Close { open, .. } if open == list);
    let close = document.nodes.iter().position(closes).ok_or(Error::NoList)?;
    let is_last = document.nodes[close + 1..].iter().all(|it| matches!(it.kind, NodeKind::Close { .. }));
    let first = document.nodes.get(list + 2).ok_or(Error::NoList)?.span.start;
    let indent = last.indent_of_item(text, &lines, first).filter(|_| is_last).ok_or(Error::NoList)?;
    Ok((indent, namespace))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn automation(paths: &str) -> String {
        format!("kind: ImageAutomation\nspec:\n  git:\n    url: x\n{paths}  images:\n    - name: a\n")
    }

    #[test]
    fn a_path_is_one_line_more() {
        let before = automation("    paths:\n      - a # first\n      - b/c   # last\n");
        let after = automation("    paths:\n      - a # first\n      - b/c   # last\n      - d\n");
        assert_eq!(with_path(&before, "d").unwrap(), after);
        let two = format!("{}---\n{}", automation("    paths: [z]\n"), before);
        assert_eq!(with_path(&two, "d").unwrap(), format!("{}---\n{}", automation("    paths: [z]\n"), after));
        let same = automation("    paths:\n    - a\n");
        assert_eq!(with_path(&same, "true").unwrap(), automation("    paths:\n    - a\n    - 'true'\n"));
        let at_end = "spec:\n  git:\n    paths:\n    - a";
        assert_eq!(with_path(at_end, "b").unwrap(), format!("{at_end}\n    - b\n"));
    }

    #[test]
    fn what_is_written_otherwise_is_left() {
        for paths in ["", "    paths: [a]\n", "    paths: []\n", "    paths:\n"] {
            assert_eq!(with_path(&automation(paths), "d"), Err(Error::NoPaths), "{paths}");
        }
        assert!(matches!(with_path("a: [", "d"), Err(Error::Unparsable(_))));
        assert_eq!(with_path("", "d"), Err(Error::NoPaths));
    }
}
