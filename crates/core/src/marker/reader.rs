//! Reads one document: its comments, the scalars they count for, and the block scalars that hold YAML of their own.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use yamlspan::dedent::Dedented;
use yamlspan::document::{self, Document, Node, NodeKind, Role, Scalar, TagSite};
use yamlspan::lines::{Lines, Position};
use yamlspan::placement::{Placement, Target};
use yamlspan::tree::Tree;

use super::{Field, MAX_DIAGNOSTICS, MarkedDocument, MarkedScalar, Marker, Scan, TOKEN, scan_text};
use crate::change::{Code, Diagnostic};
use crate::chart::ChartVersion;
use crate::marker::embedded::{self, Block, Home, MAX_LEVELS, Permission};
use crate::marker::grammar::{self, Reading, Setter};
use crate::marker::object::Objects;
use crate::marker::path::Paths;
use crate::marker::registry::Registries;
use crate::marker::target::{Aims, Page};

/// What ends a line in YAML 1.1 and not in 1.2: NEL, LS and PS. Programs that read the older one, such as Kubernetes', may see
/// two lines, and another value, where we see one.
const OLD_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Why a marker sets nothing that stands behind a value with one of them.
const OLD_BREAK: &str =
    "the value has a character (U+0085, U+2028 or U+2029) at which some programs end the line; remove it";

/// Reads one document of a file.
pub(super) struct Reader<'s> {
    pub(super) text: &'s str,
    pub(super) lines: &'s Lines,
    pub(super) span: Range<usize>,
    /// Which document of the text it is, from 1.
    pub(super) number: usize,
    /// 0 in a file, 1 in embedded YAML.
    pub(super) level: usize,
    /// What the targets of the file came to.
    pub(super) aims: &'s mut Aims,
    pub(super) scan: &'s mut Scan,
}

/// A marker comment and the scalar it counts for.
struct Hit {
    comment: usize,
    setter: Setter,
    target: Target,
}

impl Reader<'_> {
    pub(super) fn read(&mut self) {
        let text = &self.text[self.span.clone()];
        let document = match document::parse(text) {
            Ok(document) => document,
            Err(_) if !text.contains(TOKEN) && self.scan.targets.is_empty() => return,
            Err(broken) => {
                let hint = if text.contains("{{") { " (templates that are not YAML cannot be edited)" } else { "" };
                self.aims.is_broken = true;
                let has = if text.contains(TOKEN) { "markers" } else { "targets" };
                let message = format!("the document has {has} and cannot be parsed: {}{hint}", broken.reason);
                return self.report(broken.offset, Code::UnparsableDocument, message);
            }
        };
        let mut hits = self.hits(&document, text);
        let whole = if self.scan.targets.is_empty() { None } else { Some(self.aim(&document, &mut hits)) };
        let blocks = self.blocks(&document, text, &hits);
        if hits.is_empty() && blocks.is_empty() {
            return;
        }
        let (tree, objects) = whole.unwrap_or_else(|| {
            let tree = Tree::of(&document);
            let objects = Objects::of(&document, &tree);
            (tree, objects)
        });
        let mut marked = Vec::with_capacity(hits.len());
        let first = self.scan.markers.len();
        let is_named = |field: Field| matches!(field, Field::Name | Field::Image);
        let has_names = hits.iter().any(|hit| is_named(hit.setter.field));
        let registries = has_names.then(|| Registries::of(&tree));
        let targets: Vec<usize> = hits.iter().map(|hit| hit.target.node).collect();
        // A marked one may be another after the edit.
        let is_marked = |node| targets.binary_search(&node).is_ok();
        let paths = Paths::of(&tree, self.level > 0, is_marked);
        for hit in hits {
            let node = hit.target.node;
            let owner = objects.owner(&tree, node);
            if let Some(mut marker) = self.marker(&document.nodes[node], owner, hit) {
                marker.scalar.mapping = mapping(&tree, node);
                marker.scalar.path = paths.to(&tree, node);
                if let (true, Some(registries), Some(around)) = (is_named(marker.field), &registries, tree.around(node))
                {
                    marker.scalar.registry = registries.beside(&tree, around, is_marked);
                }
                if marker.field == Field::Tag {
                    marker.scalar.is_chart_version = is_chart_version(&tree, node);
                }
                if marker.field == Field::Image && is_tag_alone(&tree, node, &marker.value) {
                    marker.scalar.lacks_field = true;
                    let place = Position { line: marker.line, column: marker.column };
                    self.list(place, Code::UnreachableValue, tag_alone(&marker.setter));
                }
                marked.push(marker.scalar.ordinal);
                self.scan.markers.push(marker);
            }
        }
        for block in blocks {
            let home = Home {
                document: self.scan.documents.len(),
                object: objects.owner(&tree, block),
                block: self.scan.blocks.len(),
                path: paths.to(&tree, block),
            };
            marked.extend(self.block(&document.nodes[block], home, &objects));
        }
        if marked.is_empty() {
            return;
        }
        marked.sort_unstable();
        self.scan.markers[first..].sort_by_key(|marker| marker.span.start);
        let (span, fingerprint, objects) = (self.span.clone(), document.fingerprint(&marked), objects.objects);
        self.scan.documents.push(MarkedDocument { span, fingerprint, objects });
    }

    /// The markers that set something, in the order of their scalars.
    fn hits(&mut self, document: &document::Document<'_>, text: &str) -> Vec<Hit> {
        let placement = Placement::of(document, text, self.lines, self.span.start);
        let mut hits: Vec<Hit> = Vec::new();
        for (index, comment) in document.comments.iter().enumerate() {
            match grammar::read(&text[comment.clone()]) {
                Reading::Unrelated => {}
                Reading::Malformed(_) if grammar::is_talk(&text[comment.clone()], self.before(comment.start)) => {}
                // Whoever follows fields of the file by targets leaves Fleet's comments to Fleet.
                Reading::Malformed(_)
                    if !self.scan.targets.is_empty() && grammar::is_fleets(&text[comment.clone()]) => {}
                Reading::Malformed(reason) => {
                    self.report(comment.start, Code::MalformedMarker, format!("the comment is not a marker: {reason}"));
                }
                Reading::UnknownField(setter) => {
                    let message =
                        format!("the marker {setter:?} must end in :tag, :name, :digest or the policy's name");
                    self.report(comment.start, Code::UnknownField, message);
                }
                Reading::Marker(setter) => match placement.target(index) {
                    Ok(target) if text[document.nodes[target.node].span.clone()].contains(OLD_BREAKS) => {
                        self.misplaced(comment.start, OLD_BREAK);
                    }
                    Ok(target) if self.level > 0 => match embedded::unfit(&document.nodes[target.node]) {
                        Some(reason) => self.report(comment.start, Code::EmbeddedUnsupported, reason.to_owned()),
                        None => hits.push(Hit { comment: comment.start, setter, target }),
                    },
                    Ok(target) => hits.push(Hit { comment: comment.start, setter, target }),
                    Err(reason) => self.misplaced(comment.start, reason),
                },
            }
        }
        hits.sort_by_key(|hit| hit.target.node);
        hits.dedup_by(|later, first| {
            let same = later.target.node == first.target.node;
            if same {
                self.misplaced(later.comment, "the value has another marker");
            }
            same
        });
        hits
    }

    /// Adds what targets set. A value that has a marker, too, is that marker's.
    fn aim<'d>(&mut self, document: &'d Document<'d>, hits: &mut Vec<Hit>) -> (Tree<'d>, Objects) {
        let tree = Tree::of(document);
        let objects = Objects::of(document, &tree);
        let (text, lines, offset, number) = (self.text, self.lines, self.span.start, self.number);
        let page = Page { text, lines, offset, number, document, tree: &tree, objects: &objects };
        let targets = Arc::clone(&self.scan.targets);
        for (node, setter) in self.aims.nodes(&targets, &page, self.scan) {
            match hits.binary_search_by_key(&node, |hit| hit.target.node) {
                Ok(known) if hits[known].setter == setter => {}
                Ok(known) => {
                    let message = format!(
                        "the target of {:?} sets nothing: the value is that of {:?}",
                        setter.text, hits[known].setter.text
                    );
                    self.report(document.nodes[node].span.start, Code::TargetMissing, message);
                }
                Err(place) => hits.insert(place, Hit { comment: 0, setter, target: Target { node, header: None } }),
            }
        }
        (tree, objects)
    }

    /// What stands before a place of the document on its line.
    fn before(&self, offset: usize) -> &str {
        let at = self.span.start + offset;
        &self.text[self.lines.start_of(at)..at]
    }

    /// The block scalars that mention a marker and have none themselves.
    fn blocks(&self, document: &Document<'_>, text: &str, hits: &[Hit]) -> Vec<usize> {
        let mentions = |node: &Node<'_>| memmem::find(&text.as_bytes()[node.span.clone()], TOKEN.as_bytes()).is_some();
        let is_block = |&index: &usize| {
            let node = &document.nodes[index];
            node.is_block_scalar() && node.settable() && mentions(node)
        };
        let is_free = |index: &usize| hits.binary_search_by_key(index, |hit| hit.target.node).is_err();
        if self.level > MAX_LEVELS {
            return Vec::new();
        }
        (0..document.nodes.len()).filter(is_block).filter(is_free).collect()
    }

    /// Takes in the markers of a block scalar, if they count; returns the number of the scalar.
    fn block(&mut self, node: &Node<'_>, home: Home, objects: &Objects) -> Option<usize> {
        let NodeKind::Scalar(scalar) = &node.kind else { return None };
        let permission = match self.level {
            0 => self.scan.embedded.permission(&objects.objects[home.object]),
            _ => Permission::Granted,
        };
        if permission == Permission::Declined {
            return None;
        }
        let level = self.level + 1;
        let source = Dedented::of(self.text, self.lines, self.span.start, node, &scalar.value);
        let Some(source) = source.filter(|_| !scalar.folded && level <= MAX_LEVELS) else {
            let found = scan_text(&scalar.value, &self.within(), MAX_LEVELS + 1).markers.len();
            let place = node.span.start;
            match permission {
                _ if found == 0 => {}
                Permission::Granted => {
                    self.report(place, Code::EmbeddedUnsupported, embedded::unsupported(scalar, level))
                }
                _ => self.report(place, Code::EmbeddedOff, embedded::not_asked(found)),
            }
            return None;
        };
        let found = scan_text(&source.text, &self.within(), level);
        if permission != Permission::Granted {
            if let Some(marker) = found.markers.first() {
                let start = source.outward(&marker.span).start - self.span.start;
                self.report(start, Code::EmbeddedOff, embedded::not_asked(found.markers.len()));
            }
            return None;
        }
        for diagnostic in &found.diagnostics {
            let place = source.position(Position { line: diagnostic.line, column: diagnostic.column });
            self.list(place, diagnostic.code, diagnostic.message.clone());
        }
        if found.markers.is_empty() {
            return None;
        }
        let block = Block::new(scalar, source, found);
        self.scan.markers.extend(block.scan.markers.iter().map(|marker| block.outward(marker, home)));
        self.scan.blocks.push(block);
        Some(scalar.ordinal)
    }

    /// How YAML within this is scanned: it has no targets.
    fn within(&self) -> Scan {
        Scan { embedded: self.scan.embedded, ..Scan::default() }
    }

    fn marker(&self, node: &Node<'_>, object: usize, hit: Hit) -> Option<Marker> {
        let NodeKind::Scalar(Scalar { value, style, in_flow, tag, ordinal, .. }) = &node.kind else { return None };
        let base = self.span.start;
        let shift = |span: &Range<usize>| base + span.start..base + span.end;
        let span = shift(&node.span);
        let place = self.lines.position(self.text, span.start);
        let scalar = MarkedScalar {
            style: *style,
            in_flow: *in_flow,
            is_item: node.role == Role::Item,
            tag: tag.as_ref().map(|tag| TagSite { span: shift(&tag.span), kind: tag.kind }),
            header: hit.target.header.as_ref().map(shift),
            document: self.scan.documents.len(),
            ordinal: *ordinal,
            object,
            path: 0,
            embedded: None,
            mapping: None,
            registry: None,
            lacks_field: false,
            is_chart_version: false,
            sealed: false,
            namespace_length: hit.setter.namespace,
            policy_length: hit.setter.policy,
        };
        let span = scalar.header.as_ref().map_or(span.clone(), |header| self.with_blank_lines(header.end, span));
        let (value, setter, field) = (value.clone().into_owned(), hit.setter.text, hit.setter.field);
        Some(Marker { setter, field, span, line: place.line, column: place.column, value, scalar })
    }

    /// The span of a block scalar with the blank lines before its text, which are part of its value.
    fn with_blank_lines(&self, header_end: usize, span: Range<usize>) -> Range<usize> {
        let start = self.lines.start_after(header_end).unwrap_or(span.start);
        if start < self.lines.start_of(span.start) { start..span.end } else { span }
    }

    fn misplaced(&mut self, offset: usize, reason: &str) {
        self.report(offset, Code::MisplacedMarker, format!("the marker sets nothing: {reason}"));
    }

    fn report(&mut self, offset: usize, code: Code, message: String) {
        self.list(self.lines.position(self.text, self.span.start + offset), code, message);
    }

    fn list(&mut self, place: Position, code: Code, message: String) {
        let (line, column) = (place.line, place.column);
        let listed = self.scan.diagnostics.len();
        if listed == MAX_DIAGNOSTICS {
            return;
        }
        let note = if listed + 1 == MAX_DIAGNOSTICS { " (further findings in this file are not listed)" } else { "" };
        let message = message + note;
        self.scan.diagnostics.push(Diagnostic { file: String::new(), line, column, code, message });
    }
}

/// Whether a value is that of a key for tags, and is a tag or to be filled in. A parameter has the key in its `name`.
fn is_tag_alone(tree: &Tree<'_>, node: usize, value: &str) -> bool {
    if !value.is_empty() && !image::is_tag(value) {
        return false;
    }
    let Some(around) = tree.around(node) else { return false };
    let around = &tree.collections[around];
    let entry = around.entries.binary_search_by_key(&node, |entry| entry.node).map(|at| around.entries[at]);
    let key = match entry.map_or("", |entry| entry.key) {
        "value" => tree.get(around, "name").map_or("", |name| name.value),
        key => key,
    };
    let key = key.to_ascii_lowercase();
    ["tag", "version", "targetrevision"].iter().any(|ending| key.ends_with(ending))
}

/// Whether a value is the version of a Helm chart.
fn is_chart_version(tree: &Tree<'_>, node: usize) -> bool {
    let Some(around) = tree.around(node) else { return false };
    ChartVersion::of(tree, &tree.collections[around]).is_some_and(|chart| chart.version.node == node)
}

fn tag_alone(setter: &str) -> String {
    format!("the field is for a tag alone, and this marker writes a whole image; write `{{{TOKEN}: \"{setter}:tag\"}}`")
}

/// The mapping around a value, in which the other parts of its image are; of a parameter the list, where each part is an item.
fn mapping(tree: &Tree<'_>, node: usize) -> Option<usize> {
    let around = tree.around(node)?;
    let collection = &tree.collections[around];
    let is_parameter = collection.key == "parameters" && tree.is_item(collection);
    if is_parameter { collection.parent } else { Some(around) }
}
