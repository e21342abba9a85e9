//! Which scalar a marker comment sets.
//!
//! A comment after something on its line is a **line comment** and counts for the scalar it follows, commas passed
//! over: the last line of a multi-line scalar, the header of a block scalar, an entry of a multi-line flow
//! collection, or, when only a tag, an anchor or a flow `key:` stands before it, the scalar that follows. After a
//! flow collection of one line it counts for the only value therein. After a block `key:` it belongs to the key and
//! sets nothing.
//!
//! A comment on its own line, or after a lone `- `, is a **head comment** and counts for the scalar that comes next,
//! when that is a sequence item, a value below its key, or a whole document, and not a key or a collection. It must be
//! the only comment there and the scalar must have no line comment. Comment lines that follow content directly and are
//! cut off by a blank line belong to that content.

use std::ops::Range;

use crate::document::{Document, Node, NodeKind, Role};
use crate::lines::{BYTE_ORDER_MARK, Lines};

/// The scalar that a comment counts for.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Its index among the document's nodes.
    pub node: usize,
    /// Of a block scalar, where its header (`|`, `>2-`, …) is.
    pub header: Option<Range<usize>>,
}

/// Why a comment counts for nothing; completes "the marker sets nothing: …".
pub type Misplaced = &'static str;

const KEY: Misplaced = "it belongs to a mapping key; put it at the end of the value's line";
const NO_VALUE: Misplaced = "there is no value on its line";
const ALIAS: Misplaced = "an alias repeats the value of its anchor; put it where the anchor is";
const COLLECTION: Misplaced = "what follows is a mapping or sequence; put it at the end of the value's line";
const OPENING: Misplaced = "it stands before the first entry of a collection; put it after the entry";
const CLOSING: Misplaced = "it stands after a collection of several lines; put it after the entry";
const AMBIGUOUS: Misplaced = "the collection before it does not hold exactly one value; put the entry on its own line";
const TEMPLATE: Misplaced = "an unquoted template expression is not a value; quote the expression";
const COMPANY: Misplaced = "it is not the only comment above the item; put it at the end of the value's line";
const CUT_OFF: Misplaced = "a blank line separates it from the item; put it at the end of the value's line";
const DEEPER: Misplaced = "it is indented as the entries above it; put it at the end of the value's line";
const OUTRANKED: Misplaced = "the value has a comment at the end of its line, which is the one that counts";

/// Answers for the comments of one document.
#[derive(Debug)]
pub struct Placement<'d> {
    text: &'d str,
    lines: &'d Lines,
    /// Where the document starts in the text of `lines`.
    offset: usize,
    document: &'d Document<'d>,
    /// The nodes that take up room in the text, and all block scalars.
    solid: Vec<usize>,
    groups: Vec<Option<Group>>,
}

/// The comments that stand together before a node, as seen from one of them.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: usize,
    /// The last comment that belongs to the content above.
    foot: Option<usize>,
    /// Whether a blank line would still cut off what is above it.
    open: bool,
}

impl<'d> Placement<'d> {
    /// Looks at all comments of a document, which starts at `offset` in the text of `lines`; `text` is its own.
    #[must_use]
    pub fn of(document: &'d Document<'d>, text: &'d str, lines: &'d Lines, offset: usize) -> Self {
        let solid = |&index: &usize| !document.nodes[index].span.is_empty() || document.nodes[index].is_block_scalar();
        let solid = (0..document.nodes.len()).filter(solid).collect();
        let mut placement = Self { text, lines, offset, document, solid, groups: Vec::new() };
        for index in 0..document.comments.len() {
            let group = placement.group(index);
            placement.groups.push(group);
        }
        placement
    }

    /// Finds the scalar that a comment counts for.
    pub fn target(&self, comment: usize) -> Result<Target, Misplaced> {
        let span = &self.document.comments[comment];
        let target = match self.gap_before(span.start) {
            None => self.head(comment),
            Some(gap) => self.line(comment, gap),
        }?;
        if self.node(target.node).settable() { Ok(target) } else { Err(self.why_not(target.node)) }
    }

    fn node(&self, index: usize) -> &'d Node<'d> {
        &self.document.nodes[index]
    }

    fn line_start(&self, offset: usize) -> usize {
        self.lines.start_of(self.offset + offset).saturating_sub(self.offset)
    }

    /// The last solid node that starts before an offset.
    fn previous(&self, offset: usize) -> Option<usize> {
        let after = self.solid.partition_point(|&index| self.node(index).span.start < offset);
        after.checked_sub(1).map(|position| self.solid[position])
    }

    /// The first solid node that starts at an offset or later.
    fn next(&self, offset: usize) -> Option<usize> {
        let position = self.solid.partition_point(|&index| self.node(index).span.start < offset);
        self.solid.get(position).copied()
    }

    /// What stands on the comment's line between the last node and the comment; `None` if the line has nothing else.
    fn gap_before(&self, comment: usize) -> Option<&'d str> {
        let line_start = self.line_start(comment);
        let before = self.text[line_start..comment].trim_matches(is_blank).trim_start_matches(BYTE_ORDER_MARK);
        if before.is_empty() {
            return None;
        }
        let end = self.previous(comment).map_or(0, |node| self.node(node).span.end);
        Some(self.text[end.clamp(line_start, comment)..comment].trim_matches(is_blank))
    }

    fn line(&self, comment: usize, gap: &str) -> Result<Target, Misplaced> {
        let span = &self.document.comments[comment];
        let line_start = self.line_start(span.start);
        let previous = self.previous(span.start).filter(|&node| self.node(node).span.end > line_start);
        if let ("" | ",", Some(previous)) = (gap, previous) {
            return self.after(previous, comment, line_start);
        }
        let last = gap.rsplit(is_blank).next().unwrap_or_default();
        if is_header(last) {
            let end = self.text[..span.start].trim_end_matches(is_blank).len();
            let node = self.next(span.end).filter(|&node| self.node(node).is_block_scalar()).ok_or(NO_VALUE)?;
            return Ok(Target { node, header: Some(end - last.len()..end) });
        }
        match last.as_bytes() {
            b"-" => self.head(comment),
            [b'&' | b'!', ..] => self.following(comment),
            [.., b':'] => self.following(comment).ok().filter(|target| self.is_flow_value(target.node)).ok_or(KEY),
            [b'?'] => Err(KEY),
            _ => Err(NO_VALUE),
        }
    }

    /// A line comment right after a node.
    fn after(&self, node: usize, comment: usize, line_start: usize) -> Result<Target, Misplaced> {
        match self.node(node).kind {
            NodeKind::Scalar(_) | NodeKind::Alias => Ok(Target { node, header: None }),
            NodeKind::Start => self.following(comment),
            NodeKind::Open { .. } => Err(OPENING),
            NodeKind::Close { open, .. } => self.only_value(open, node, line_start),
        }
    }

    /// The only value of a flow collection that lies on one line.
    fn only_value(&self, open: usize, close: usize, line_start: usize) -> Result<Target, Misplaced> {
        let span = &self.node(open).span;
        if self.node(open).in_key {
            return Err(KEY);
        }
        if self.text[span.start..].starts_with("{{") {
            return Err(TEMPLATE);
        }
        if span.start < line_start {
            return Err(CLOSING);
        }
        let mut values = (open + 1..close).filter(|&index| {
            let node = self.node(index);
            !node.in_key && matches!(node.kind, NodeKind::Scalar(_) | NodeKind::Alias)
        });
        match (values.next(), values.next()) {
            (Some(node), None) => Ok(Target { node, header: None }),
            _ => Err(AMBIGUOUS),
        }
    }

    /// The scalar that a tag, an anchor, a `---` or a flow `key:` before the comment announces.
    fn following(&self, comment: usize) -> Result<Target, Misplaced> {
        let span = &self.document.comments[comment];
        let node = self.next(span.end).ok_or(NO_VALUE)?;
        let from = self.previous(span.start).map_or(0, |node| self.node(node).span.end);
        for between in self.absent(from.max(self.line_start(span.start)), node) {
            match between.kind {
                NodeKind::Scalar(_) => return Err(NO_VALUE),
                NodeKind::Open { .. } if between.span.start >= span.end => return Err(COLLECTION),
                _ => {}
            }
        }
        if self.node(node).is_block_scalar() { self.head(comment) } else { Ok(Target { node, header: None }) }
    }

    fn is_flow_value(&self, node: usize) -> bool {
        let node = self.node(node);
        node.role == Role::Value && matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.in_flow)
    }

    fn head(&self, comment: usize) -> Result<Target, Misplaced> {
        let span = &self.document.comments[comment];
        let node = self.next(span.end).ok_or(NO_VALUE)?;
        let header = self.walk_to(node, span.end)?;
        if self.fills_no_item(comment, node) {
            return Err(NO_VALUE);
        }
        if !self.node(node).settable() {
            return Err(self.why_not(node));
        }
        if self.ends_collection(comment, node) {
            return Err(DEEPER);
        }
        self.check_group(comment)?;
        if header.is_none() && self.has_line_comment(node) {
            return Err(OUTRANKED);
        }
        Ok(Target { node, header })
    }

    /// Checks that nothing but one indicator, tags and anchors lies between an offset and a node, and finds the
    /// node's header.
    fn walk_to(&self, node: usize, from: usize) -> Result<Option<Range<usize>>, Misplaced> {
        let is_block = self.node(node).is_block_scalar();
        let end = self.node(node).span.start;
        let (mut at, mut indicators) = (from, 0);
        while let Some(skipped) = self.text[at..end].find(|c: char| !is_blank(c) && !is_break(c)) {
            at += skipped;
            let rest = &self.text[at..end];
            let word = rest.split(|c| is_blank(c) || is_break(c)).next().unwrap_or_default();
            match word.as_bytes() {
                [b'#', ..] => return Err(COMPANY),
                b"-" | b":" if indicators == 0 => indicators = 1,
                b"-" => return Err(COLLECTION),
                b"?" => return Err(KEY),
                [b'&' | b'!', ..] => {}
                _ if is_block && is_header(word) => {
                    let line = self.text[at + word.len()..].split(is_break).next().unwrap_or_default();
                    let header = at..at + word.len();
                    return if line.trim_matches(is_blank).is_empty() { Ok(Some(header)) } else { Err(OUTRANKED) };
                }
                _ => return Err(NO_VALUE),
            }
            at += word.len();
        }
        Ok(None)
    }

    /// Whether the comment follows a `-` that has no value of its own, so that the next node is another item.
    fn fills_no_item(&self, comment: usize, next: usize) -> bool {
        let span = &self.document.comments[comment];
        let mut absent = self.absent(self.line_start(span.start), next);
        absent.any(|node| matches!(node.kind, NodeKind::Scalar(_)) && node.span.start <= span.end)
    }

    /// Whether the comment is indented as the entries of a block collection that ends before the next node.
    fn ends_collection(&self, comment: usize, next: usize) -> bool {
        let column = |offset: usize| offset - self.line_start(offset);
        let start = self.document.comments[comment].start;
        let ends = |node: &Node<'_>| match node.kind {
            NodeKind::Close { flow: false, open } => column(self.node(open).span.start) <= column(start),
            _ => false,
        };
        self.absent(start, next).any(ends)
    }

    /// The nodes from an offset on that take up no room, up to the first that does or to the given one.
    fn absent(&self, from: usize, to: usize) -> impl Iterator<Item = &'d Node<'d>> {
        let first = self.document.nodes.partition_point(|node| node.span.start < from);
        self.document.nodes.get(first..to).unwrap_or_default().iter().take_while(|node| node.span.is_empty())
    }

    fn has_line_comment(&self, node: usize) -> bool {
        let end = self.node(node).span.end;
        let position = self.document.comments.partition_point(|comment| comment.start < end);
        self.document
            .comments
            .get(position)
            .is_some_and(|comment| matches!(self.text[end..comment.start].trim_matches(is_blank), "" | ","))
    }

    fn why_not(&self, node: usize) -> Misplaced {
        match &self.node(node).kind {
            NodeKind::Alias => ALIAS,
            _ if self.node(node).in_key => KEY,
            NodeKind::Open { .. } => COLLECTION,
            _ => NO_VALUE,
        }
    }

    fn check_group(&self, comment: usize) -> Result<(), Misplaced> {
        let Some(group) = self.groups[comment] else { return Ok(()) };
        let end = self.document.comments[comment].end;
        let rest = &self.text[end..];
        let blank = &rest[..rest.find(|c| !is_blank(c) && !is_break(c)).unwrap_or(rest.len())];
        if group.open && has_blank_line(blank) {
            return Err(CUT_OFF);
        }
        let first = group.foot.map_or(group.first, |foot| foot + 1);
        if first == comment { Ok(()) } else { Err(COMPANY) }
    }

    /// The group that a head comment is in; `None` for a line comment.
    fn group(&self, comment: usize) -> Option<Group> {
        let span = &self.document.comments[comment];
        let gap = self.gap_before(span.start);
        if gap.is_some_and(|gap| gap != "-" && !gap.ends_with(" -") && !gap.ends_with("\t-")) {
            return None;
        }
        let previous = self.previous(span.start).map(|node| self.node(node).span.end);
        let above = comment
            .checked_sub(1)
            .filter(|&above| previous.is_none_or(|end| self.document.comments[above].start >= end));
        let start = above.map_or(previous.unwrap_or_default(), |above| self.document.comments[above].end);
        let start = self.text[..start].trim_end_matches(|c| is_blank(c) || is_break(c)).len();
        let blank = has_blank_line(&self.text[start..span.start]);
        match above.and_then(|above| self.groups[above].map(|group| (above, group))) {
            Some((above, Group { first, open: true, .. })) if blank => {
                Some(Group { first, foot: Some(above), open: false })
            }
            Some((_, Group { first, foot, open })) => Some(Group { first, foot, open: open && !blank }),
            None => {
                let after_key =
                    previous.is_some_and(|end| self.text[end..].trim_start_matches(is_blank).starts_with(':'));
                Some(Group { first: comment, foot: None, open: !blank && !after_key && gap.is_none() })
            }
        }
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

fn has_blank_line(white: &str) -> bool {
    let breaks = white.matches('\n').count() + white.matches('\r').count() - white.matches("\r\n").count();
    breaks > 1
}

fn is_header(word: &str) -> bool {
    let indicators = word.strip_prefix(['|', '>']);
    indicators.is_some_and(|rest| rest.len() <= 2 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-')))
}
