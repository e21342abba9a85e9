//! Markers within values.
//!
//! A run passes over them in silence, since what is inside a value is a part of it. Here they are found, so that nobody waits for an
//! update that never comes. Comments that are almost markers are findings of the scan.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use memchr::memmem;
use yamlspan::document::{self, Document, Node, NodeKind, Style};
use yamlspan::lines::{self, Lines};
use yamlspan::tree::Tree;

use super::Finding;
use super::text::MarkedText;
use crate::change::Code;
use crate::marker::grammar::{self, MENTION, Reading};
use crate::marker::object::Objects;
use crate::marker::{self, Marker, TOKEN};

/// How many policies that bad markers name are remembered for each file.
const MAX_POLICIES: usize = 1_000;

/// How many findings of this kind are listed for each file.
const MAX_FINDINGS: usize = 1_000;

/// The marker to write, as advice.
const WRITE: &str =
    "write `# {\"$imagepolicy\": \"NAMESPACE:POLICY\"}` behind the value, with a blank before it and double quotes";

/// Where a marker counts for a block of text, as advice.
const HEADER: &str = "for the text as a whole put it behind the `|`; within, it counts in a mapping or a sequence, where somebody asks for \
                      embedded YAML to be edited";

/// How far before the key the comment of a marker within a value may begin, in bytes.
const MAX_COMMENT: usize = 128;

/// Finds the markers that are a part of a value.
pub(super) fn within_values(marked: &MarkedText<'_>) -> Vec<Finding> {
    let text = marked.text;
    if text.len() > marker::MAX_FILE_BYTES {
        return Vec::new();
    }
    let lines = Lines::of(text);
    let mut findings = Vec::new();
    for span in lines::documents(text, &lines) {
        let part = &text[span.clone()];
        if memmem::find(part.as_bytes(), MENTION.as_bytes()).is_none() {
            continue;
        }
        if let Ok(document) = document::parse(part) {
            let read = Read::of(marked, &lines, span.start);
            let looked = Looked { marked, lines: &lines, span, document: &document, read, owners: OnceCell::new() };
            looked.values(&mut findings);
        }
    }
    findings.truncate(MAX_FINDINGS);
    findings
}

/// A document that mentions markers.
struct Looked<'l, 'd> {
    marked: &'l MarkedText<'l>,
    lines: &'l Lines,
    span: Range<usize>,
    document: &'l Document<'d>,
    read: Read,
    /// For each node, whether its object declines; found out when it is asked for.
    owners: OnceCell<Vec<bool>>,
}

/// What the scan of the file has read already.
struct Read {
    /// The numbers of the marked scalars of the document.
    marked: BTreeSet<usize>,
    /// The lines of markers in embedded YAML, and of findings.
    lines: BTreeSet<usize>,
}

impl Read {
    fn of(marked: &MarkedText<'_>, lines: &Lines, start: usize) -> Self {
        let scan = &marked.file.scan;
        let is_here = |marker: &&Marker| scan.documents[marker.scalar.document].span.start == start;
        let (embedded, own): (Vec<&Marker>, Vec<&Marker>) =
            scan.markers.iter().filter(is_here).partition(|marker| marker.scalar.embedded.is_some());
        let first = lines.position(marked.text, start).line;
        let findings = scan.diagnostics.iter().map(|it| it.line).filter(|line| *line >= first);
        Self {
            marked: own.iter().map(|marker| marker.scalar.ordinal).collect(),
            lines: embedded.iter().map(|marker| marker.line).chain(findings).collect(),
        }
    }
}

impl Looked<'_, '_> {
    fn text(&self) -> &str {
        &self.marked.text[self.span.clone()]
    }

    fn finding(&self, code: Code, span: Range<usize>, message: String) -> Finding {
        let span = self.span.start + span.start..self.span.start + span.end;
        let place = self.lines.position(self.marked.text, span.start);
        Finding::new(code, self.marked.location(place.line, place.column, span), message)
    }

    /// The markers that are a part of a value.
    fn values(&self, findings: &mut Vec<Finding>) {
        let text = self.text();
        let nodes = self.document.nodes.iter().enumerate();
        for (index, node) in nodes.filter(|(_, node)| !node.in_key && !node.span.is_empty()) {
            let mentions = memmem::find(&text.as_bytes()[node.span.clone()], MENTION.as_bytes()).is_some();
            let NodeKind::Scalar(scalar) = &node.kind else { continue };
            if !mentions || self.is_read(node, scalar.ordinal) || !scalar.value.lines().any(holds_marker) {
                continue;
            }
            if node.is_block_scalar() && self.is_declined(index) {
                continue;
            }
            let (code, reason, hint) = match (scalar.style, node.is_block_scalar()) {
                (_, true) => (Code::EmbeddedUnsupported, "it is in a text that is not read as YAML", HEADER),
                (Style::Plain, _) => {
                    (Code::MisplacedMarker, "no blank stands before its #, so that it is a part of the value", WRITE)
                }
                _ => (Code::MisplacedMarker, "it stands within the quotes, and is a part of the value", WRITE),
            };
            let message = format!("the marker sets nothing: {reason}");
            findings.push(self.finding(code, self.mention(node), message).hint(hint));
        }
    }

    /// Whether the scan has said something of a block scalar, or taken its markers in.
    fn is_read(&self, node: &Node<'_>, ordinal: usize) -> bool {
        let line = |offset: usize| self.lines.position(self.marked.text, self.span.start + offset).line;
        let within = || line(node.span.start)..=line(node.span.end.saturating_sub(1).max(node.span.start));
        self.read.marked.contains(&ordinal)
            || node.is_block_scalar() && self.read.lines.range(within()).next().is_some()
    }

    /// Whether the object that a node is in says that its embedded YAML is none of ours.
    fn is_declined(&self, node: usize) -> bool {
        let owners = self.owners.get_or_init(|| {
            let tree = Tree::of(self.document);
            let objects = Objects::of(self.document, &tree);
            let nodes = 0..self.document.nodes.len();
            nodes.map(|node| objects.objects[objects.owner(&tree, node)].embedded == Some(false)).collect()
        });
        owners.get(node).copied().unwrap_or_default()
    }

    /// Where the first marker within a scalar is.
    fn mention(&self, node: &Node<'_>) -> Range<usize> {
        let text = &self.text()[node.span.clone()];
        let mut next = 0;
        let mut mentions: Vec<(usize, &str)> = Vec::new();
        for line in text.split_inclusive('\n') {
            mentions.extend(line.contains(MENTION).then(|| (next, line.trim_end())));
            next += line.len();
        }
        // In quotes it may be written with escapes, so that it does not read as one.
        let found = mentions.iter().find(|(_, line)| holds_marker(line)).or_else(|| mentions.first());
        let (at, line) = found.copied().unwrap_or_default();
        let mention = line.find(MENTION).unwrap_or_default();
        let column = line[..mention].rfind('#').unwrap_or(mention);
        node.span.start + at + column..node.span.start + at + line.len()
    }
}

/// How long a marker within a value may be, in bytes.
const MAX_MARKER: usize = 1024;

/// Whether a line holds what would be a marker behind a value; a line that is a comment as a whole does not.
fn holds_marker(line: &str) -> bool {
    let is_comment = line.trim_start().starts_with('#');
    let is_one = |mention: usize| {
        let from = line.floor_char_boundary(mention.saturating_sub(MAX_COMMENT));
        let Some(at) = line[from..mention].rfind('#').map(|at| from + at) else { return false };
        let rest = &line[at..line.floor_char_boundary(at + MAX_MARKER)];
        let comment = rest.split_inclusive('}').next().unwrap_or_default();
        matches!(grammar::read(comment), Reading::Marker(_) | Reading::UnknownField(_))
    };
    !is_comment && line.match_indices(MENTION).any(|(mention, _)| is_one(mention))
}

/// The policies, `namespace:name`, that markers name wherever they stand, also in documents that cannot be parsed.
pub(super) fn policies(bytes: &[u8]) -> BTreeSet<String> {
    let mut policies = BTreeSet::new();
    for at in memmem::find_iter(bytes, TOKEN).take(MAX_POLICIES) {
        let Some(start) = memchr::memrchr(b'{', &bytes[..at]) else { continue };
        let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = String::from_utf8_lossy(&bytes[start..end]);
        let comment = format!("#{}", line.find('}').map_or(&*line, |close| &line[..=close]));
        match grammar::read(&comment) {
            Reading::Marker(setter) => policies.insert(setter.text[..setter.policy].to_owned()),
            Reading::UnknownField(text) => policies.insert(text.split(':').take(2).collect::<Vec<_>>().join(":")),
            Reading::Unrelated | Reading::Malformed(_) => false,
        };
    }
    policies
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Lines from public repositories, with whether one deserves a finding.
    #[derive(serde::Deserialize)]
    struct Case {
        line: String,
        finding: bool,
    }

    #[test]
    fn lines_that_were_seen() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/markers/lines.json");
        let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() > 20);
        for Case { line, finding } in cases {
            let text = format!("first: 1\n{line}\nlast: 1\n");
            let checked = crate::lint::files(&[crate::plan::MarkedFile::new("a.yaml".to_owned(), text.into())], None);
            assert_eq!(!checked.findings.is_empty(), finding, "{line}: {:?}", checked.findings);
        }
    }

    #[test]
    fn bad_markers_name_policies_too() {
        let text = r#"
a: {{ x }}:1 # {"$imagepolicy": "default:web"}
b: 1 # keep {"$imagepolicy": "default:api:tag"} pinned
c: 1 # {"$imagepolicy": "default:db:tags"}
d: 1 # {'$imagepolicy': 'default:no'}
"#;
        let found: Vec<String> = policies(text.as_bytes()).into_iter().collect();
        assert_eq!(found, ["default:api", "default:db", "default:web"]);
    }
}
