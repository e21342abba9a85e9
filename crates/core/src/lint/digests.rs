//! Digests that an update of the tag beside them leaves behind.
//!
//! Charts write a digest beside a tag, under any key (`digest`, `sha`, `sha256`, `genericDigest`), and use both. Where the tag
//! has a marker and the digest has none, an update makes a reference whose digest still is that of the old image, and
//! the digest is what runs.

use std::collections::BTreeMap;
use std::ops::Range;

use yamlspan::document::{self, NodeKind};
use yamlspan::lines::Lines;
use yamlspan::tree::{Collection, Tree};

use super::Finding;
use super::text::MarkedText;
use crate::change::Code;
use crate::edit::{pin, value};
use crate::marker::{Field, Marker, Scan};

/// Finds the digests without a marker that stand beside a marked tag.
pub(super) fn left_behind(marked: &MarkedText<'_>) -> Vec<Finding> {
    let scan = &marked.file.scan;
    let own = in_scan(marked.text, scan);
    let embedded = scan.blocks.iter().flat_map(|block| {
        let found = in_scan(&block.source.text, &block.scan).into_iter();
        found.map(|it| Digest { span: block.source.outward(&it.span), ..it })
    });
    let found: Vec<Digest> = own.into_iter().chain(embedded).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let lines = Lines::of(marked.text);
    found.into_iter().map(|digest| finding(marked, &lines, &digest)).collect()
}

/// A digest without a marker.
struct Digest {
    span: Range<usize>,
    /// The policy of the tag beside it.
    policy: String,
}

fn finding(marked: &MarkedText<'_>, lines: &Lines, digest: &Digest) -> Finding {
    let place = lines.position(marked.text, digest.span.start);
    let location = marked.location(place.line, place.column, digest.span.clone());
    let policy = &digest.policy;
    let message = format!(
        "this digest has no marker, and the tag beside it is set by policy {policy:?}: an update leaves it behind"
    );
    let finding = Finding::new(Code::UnmarkedDigest, location, message);
    finding.hint(format!("mark it with `{policy}:digest`, and let the policy reflect digests, or take it out"))
}

fn in_scan(text: &str, scan: &Scan) -> Vec<Digest> {
    let mut found = Vec::new();
    for (index, part) in scan.documents.iter().enumerate() {
        let markers = scan.markers.iter().filter(|it| it.scalar.document == index && it.scalar.embedded.is_none());
        let markers: BTreeMap<usize, &Marker> = markers.map(|it| (it.scalar.ordinal, it)).collect();
        let moves = |marker: &&Marker| matches!(marker.field, Field::Tag | Field::Image);
        let Some(text) = text.get(part.span.clone()).filter(|_| markers.values().any(moves)) else { continue };
        if let Ok(document) = document::parse(text) {
            let tree = Tree::of(&document);
            let looked = Looked { document: &document, tree: &tree, markers: &markers, offset: part.span.start };
            tree.collections.iter().for_each(|collection| looked.collection(collection, &mut found));
        }
    }
    found
}

/// A document with its markers, by the numbers of their scalars.
struct Looked<'l, 'd> {
    document: &'l document::Document<'d>,
    tree: &'l Tree<'l>,
    markers: &'l BTreeMap<usize, &'l Marker>,
    offset: usize,
}

impl<'l> Looked<'l, '_> {
    fn collection(&self, collection: &Collection<'l>, found: &mut Vec<Digest>) {
        let is_parameters = collection.key == "parameters" && !collection.is_mapping;
        if !collection.is_mapping && !is_parameters {
            return;
        }
        // Of each image, here or in a list of parameters, the policy of its tag.
        let mut policies: BTreeMap<&str, &str> = BTreeMap::new();
        for (image, node) in self.parts(collection) {
            let marker = self.marker(node).filter(|it| matches!(it.field, Field::Tag | Field::Image));
            let follows = |it: &&Marker| !value::current(it).is_ok_and(|current| current.pinned);
            if let Some(marker) = marker.filter(follows) {
                policies.entry(image).or_insert(marker.policy());
            }
        }
        if policies.is_empty() {
            return;
        }
        for (image, node) in self.parts(collection).filter(|(_, node)| self.marker(*node).is_none()) {
            let is_digest = self.tree.text(node).is_some_and(|text| pin::is_digest(text.value));
            if let (true, Some(policy)) = (is_digest, policies.get(image)) {
                let span = &self.document.nodes[node].span;
                found.push(Digest {
                    span: span.start + self.offset..span.end + self.offset,
                    policy: (*policy).to_owned(),
                });
            }
        }
    }

    /// The values of a mapping, or of a list of parameters, with the image that each is a part of.
    fn parts(&self, collection: &Collection<'l>) -> impl Iterator<Item = (&'l str, usize)> {
        let tree = self.tree;
        collection.entries.iter().filter_map(move |entry| match entry.collection.map(|at| &tree.collections[at]) {
            None => Some(("", entry.node)),
            Some(item) if tree.is_item(item) => {
                let name = tree.get(item, "name")?.value;
                Some((name.rsplit_once('.').map_or("", |(image, _)| image), tree.get(item, "value")?.node))
            }
            Some(_) => None,
        })
    }

    fn marker(&self, node: usize) -> Option<&'l Marker> {
        match &self.document.nodes[node].kind {
            NodeKind::Scalar(scalar) => self.markers.get(&scalar.ordinal).copied(),
            _ => None,
        }
    }
}
