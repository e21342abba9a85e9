//! Whether a marker stands, or can stand, at a scalar.

use std::collections::HashMap;

use yamlspan::document::{Document, NodeKind, Style};
use yamlspan::lines::Lines;

use super::{ImageScalar, LineEnd, Taken};
use crate::marker::{Field, Scan};

/// Answers for the scalars of one document.
pub(super) struct Scalars<'s> {
    text: &'s str,
    lines: &'s Lines,
    /// Where the document starts in the text.
    offset: usize,
    document: &'s Document<'s>,
    /// The policies of the markers in this document, by the number of the scalar.
    marked: HashMap<usize, &'s str>,
}

impl<'s> Scalars<'s> {
    pub(super) fn of(
        text: &'s str,
        lines: &'s Lines,
        offset: usize,
        document: &'s Document<'s>,
        scan: &'s Scan,
    ) -> Self {
        let here = |index: usize| scan.documents[index].span.start == offset;
        let markers = scan.markers.iter().filter(|marker| here(marker.scalar.document));
        let marked = markers.map(|marker| (marker.scalar.ordinal, marker.policy())).collect();
        Self { text, lines, offset, document, marked }
    }

    /// Describes a scalar; none if the node is no scalar that could be set.
    pub(super) fn scalar(&self, node: usize, field: Field) -> Option<ImageScalar> {
        let it = &self.document.nodes[node];
        let NodeKind::Scalar(written) = &it.kind else { return None };
        if !it.settable() {
            return None;
        }
        let span = it.span.start + self.offset..it.span.end + self.offset;
        let line_end = match self.marked.get(&written.ordinal) {
            Some(policy) => LineEnd::Marked((*policy).to_owned()),
            None if written.style == Style::Block || self.text[span.clone()].contains(['\n', '\r']) => {
                LineEnd::Taken(Taken::Block)
            }
            None => self.line_end(span.end, written.in_flow),
        };
        let position = self.lines.position(self.text, span.start);
        Some(ImageScalar { field, span, line: position.line, column: position.column, line_end })
    }

    fn line_end(&self, from: usize, in_flow: bool) -> LineEnd {
        let rest = &self.text[from..];
        let rest = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
        match rest.trim_matches([' ', '\t']) {
            "" => LineEnd::Free(from + rest.len()),
            "," if in_flow => LineEnd::Free(from + rest.len()),
            other if other.starts_with('#') => LineEnd::Taken(Taken::Comment),
            other if in_flow && other.trim_start_matches([',', ' ', '\t']).starts_with('#') => {
                LineEnd::Taken(Taken::Comment)
            }
            _ => LineEnd::Taken(Taken::Company),
        }
    }
}
