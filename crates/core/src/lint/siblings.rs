//! Markers that disagree: the parts of one image, set by different policies.
//!
//! Two values of one mapping are parts of one image when their keys say the same but for the part: `repository` and
//! `tag`, `webImage` and `webTag`, `newName` and `newTag`. So a mapping with `webTag` and `workerTag` is left in peace.

use std::collections::BTreeMap;

use yamlspan::document::{self, Document, NodeKind};
use yamlspan::tree::Tree;

use super::text::MarkedText;
use super::{Finding, Related};
use crate::change::Code;
use crate::marker::{Field, Marker};

/// Words that name a part of an image.
const PARTS: [&str; 8] = ["repository", "image", "digest", "version", "name", "repo", "tag", "new"];

/// Finds the markers of a file that disagree with one before them.
pub(super) fn disagreements(marked: &MarkedText<'_>) -> Vec<Finding> {
    let scan = &marked.file.scan;
    let documents = scan.markers.chunk_by(|a, b| a.scalar.document == b.scalar.document);
    let mut findings = Vec::new();
    for markers in documents.filter(|markers| markers.iter().any(|marker| marker.policy() != markers[0].policy())) {
        let text = &marked.text[scan.documents[markers[0].scalar.document].span.clone()];
        if let Ok(document) = document::parse(text) {
            findings.extend(disagree(marked, &document, markers));
        }
    }
    findings
}

fn disagree(marked: &MarkedText<'_>, document: &Document<'_>, markers: &[Marker]) -> Vec<Finding> {
    let stems = stems(document, markers);
    let mut first: BTreeMap<&(usize, String), &Marker> = BTreeMap::new();
    let mut findings = Vec::new();
    for (marker, stem) in markers.iter().zip(&stems) {
        let Some(stem) = stem else { continue };
        let one = *first.entry(stem).or_insert(marker);
        if one.policy() != marker.policy() && one.field != marker.field {
            findings.push(finding(marked, one, marker));
        }
    }
    findings
}

fn finding(marked: &MarkedText<'_>, first: &Marker, second: &Marker) -> Finding {
    let message = format!(
        "the {} is set by policy {:?}, but the {} of the same image by {:?}",
        noun(second.field),
        second.policy(),
        noun(first.field),
        first.policy()
    );
    let related = Related { location: marked.policy(first), label: "the other marker".to_owned() };
    let finding = Finding::new(Code::Disagreement, marked.policy(second), message);
    Finding { related: Some(related), ..finding }.hint("let both markers name the same policy")
}

fn noun(field: Field) -> &'static str {
    match field {
        Field::Image => "image",
        Field::Name => "name",
        Field::Tag => "tag",
        Field::Digest => "digest",
    }
}

/// For each marker, the mapping that its value is in, and its key without the words for parts; none outside of
/// mappings.
fn stems(document: &Document<'_>, markers: &[Marker]) -> Vec<Option<(usize, String)>> {
    // Embedded YAML numbers its scalars by itself.
    let own = markers.iter().enumerate().filter(|(_, marker)| marker.scalar.embedded.is_none());
    let wanted: BTreeMap<usize, usize> = own.map(|(at, it)| (it.scalar.ordinal, at)).collect();
    let mut stems = vec![None; markers.len()];
    let tree = Tree::of(document);
    for (at, mapping) in tree.collections.iter().enumerate().filter(|(_, collection)| collection.is_mapping) {
        for entry in &mapping.entries {
            if let NodeKind::Scalar(scalar) = &document.nodes[entry.node].kind
                && let Some(&marker) = wanted.get(&scalar.ordinal)
            {
                stems[marker] = Some((at, stem(entry.key)));
            }
        }
    }
    stems
}

/// A key without the words for parts of images and what joins them.
fn stem(key: &str) -> String {
    let key = key.get(..64).unwrap_or(key).to_ascii_lowercase();
    let stem = PARTS.iter().fold(key, |key, word| key.replace(word, ""));
    stem.replace(['-', '_', '.'], "")
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn keys_of_one_image_have_one_stem() {
        for key in ["repository", "tag", "image", "imageTag", "newName", "newTag", "digest", "image.tag"] {
            assert_eq!(stem(key), "", "{key}");
        }
        for key in ["webTag", "web_repository", "web-image-tag"] {
            assert_eq!(stem(key), "web", "{key}");
        }
        assert_ne!(stem("webTag"), stem("workerTag"));
    }
}
