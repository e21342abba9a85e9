//! One document as a flat list of nodes and comments with byte spans; the only module that knows the parser.
//!
//! The parser is granit-parser: it alone gives exact byte ranges of every scalar and reports comments. Its placement
//! hints are not used; where a comment belongs is decided in `marker::placement` from the bytes. It reads what the
//! parsers behind kubectl, Flux, Helm and Ansible (go-yaml, libyaml, PyYAML) read, also where YAML 1.2 forbids it
//! (`vendor/granit-parser/PATCH.md`): a file that is in use is not ours to refuse.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag, options};
use serde::{Deserialize, Serialize};

use crate::fingerprint::{Fingerprint, Properties};

/// How many collections may be open at once; deeper documents are refused.
pub const MAX_DEPTH: usize = 255;

/// How many nodes a document may have, more than any file of ten megabytes that says something; one of nothing but brackets
/// would take a lot of memory.
const MAX_NODES: usize = 4_000_000;

/// How many comments may precede one collection entry. The parser's own default of 96 is less than some licence texts.
const MAX_COMMENTS: usize = 1 << 20;

const CORE_NAMESPACE: &str = "tag:yaml.org,2002:";

/// A parsed document. All spans are bytes of the document's own text.
#[derive(Debug, Default)]
pub struct Document<'a> {
    /// In the order of the text.
    pub nodes: Vec<Node<'a>>,
    /// In the order of the text, `#` included, line break excluded.
    pub comments: Vec<Range<usize>>,
}

/// A token of the document that is or bounds a node.
#[derive(Debug)]
pub struct Node<'a> {
    /// Empty where the text has nothing for it: block collections, absent values.
    pub span: Range<usize>,
    /// Its place in the collection around it.
    pub role: Role,
    /// Whether it is a mapping key, or lies within one.
    pub in_key: bool,
    /// The scalar, alias, or end of a collection that it is.
    pub kind: NodeKind<'a>,
    /// The number of its anchor, or of the anchor it repeats, or 0.
    anchor: usize,
    /// Its resolved tag; few nodes have one, and a file can have many nodes.
    tag: Option<Box<Cow<'a, Tag>>>,
}

/// The place of a node in the collection around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has none: the document's own value.
    Root,
    /// The key of a mapping's entry.
    Key,
    /// The value of a mapping's entry.
    Value,
    /// An entry of a sequence.
    Item,
}

/// A scalar, an alias, or a bound of a collection.
#[derive(Debug)]
pub enum NodeKind<'a> {
    /// An explicit `---`, which has no value of its own.
    Start,
    /// A text, perhaps an absent one.
    Scalar(Scalar<'a>),
    /// `*anchor`.
    Alias,
    /// The start of a collection.
    Open {
        /// Whether it is a mapping, not a sequence.
        mapping: bool,
    },
    /// The end of a collection.
    Close {
        /// Whether it is written with brackets.
        flow: bool,
        /// The index of the node that opened it.
        open: usize,
    },
}

/// A scalar with its decoded value and all that is needed to write another one in its way.
#[derive(Debug)]
pub struct Scalar<'a> {
    /// The text that the scalar stands for.
    pub value: Cow<'a, str>,
    /// The way it is written, quotes or none.
    pub style: Style,
    /// Whether it is a block scalar whose lines are joined (`>`).
    pub folded: bool,
    /// Whether the innermost collection around it is a flow collection.
    pub in_flow: bool,
    /// The explicit tag before it.
    pub tag: Option<Box<TagSite>>,
    /// Its number among the scalars of the document, absent values included; the second parser counts the same.
    pub ordinal: usize,
}

/// The way a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// `|` or `>` and indented lines.
    Block,
}

/// An explicit tag before a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagSite {
    /// The bytes of the tag, without the blanks behind it.
    pub span: Range<usize>,
    /// The values that it allows.
    pub kind: TagKind,
}

/// The values that an explicit tag may stand before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagKind {
    /// `!!str`, and every tag that YAML has no values for.
    Text,
    /// `!!int`
    Integer,
    /// `!!float`
    Float,
    /// `!!bool`, `!!null`, `!!timestamp` or `!!binary`, which no image, tag or digest satisfies.
    Other,
}

/// Why a document cannot be read, and at which byte of it.
#[derive(Debug)]
pub struct Broken {
    /// The byte at which reading stopped.
    pub offset: usize,
    /// The parser's words, for the person who wrote the document.
    pub reason: String,
}

impl Node<'_> {
    /// The scalar that is there in the text and is neither a key nor within one.
    pub fn settable(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar(_)) && !self.in_key && (!self.span.is_empty() || self.is_block_scalar())
    }

    /// The number of its anchor, or of the anchor that it repeats; 0 where it has none.
    #[must_use]
    pub const fn anchor(&self) -> usize {
        self.anchor
    }

    /// Whether it has a tag that is none of YAML's own, or on a collection another than those of its kind.
    #[must_use]
    pub fn has_foreign_tag(&self) -> bool {
        let Some(tag) = &self.tag else { return false };
        match (tag.suffix_in_namespace(CORE_NAMESPACE).as_deref(), &self.kind) {
            (Some(suffix), NodeKind::Open { mapping }) => suffix != if *mapping { "map" } else { "seq" },
            (Some(_), _) => false,
            (None, _) => true,
        }
    }

    /// Returns whether it is written as `|` or `>` and indented lines.
    #[must_use]
    pub fn is_block_scalar(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(scalar) if scalar.style == Style::Block)
    }
}

impl Document<'_> {
    /// Where a scalar begins before the last one ended, or a comment within one: the parser goes on with a plain scalar
    /// after some comments that end it. Nothing can be said about what stands where in such a document.
    fn entangled(&self) -> Option<usize> {
        let mut comments = self.comments.iter().map(|comment| comment.start).peekable();
        let mut end = 0;
        let scalars =
            self.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Scalar(_)) && !node.span.is_empty());
        for Node { span, .. } in scalars {
            if span.start < end {
                return Some(span.start);
            }
            end = span.end;
            while comments.next_if(|comment| *comment < span.start).is_some() {}
            if let Some(comment) = comments.next_if(|comment| *comment < span.end) {
                return Some(comment);
            }
        }
        None
    }

    /// Sums up the document but for the marked scalars, which are given by their numbers in ascending order.
    pub fn fingerprint(&self, marked: &[usize]) -> u64 {
        let mut fingerprint = Fingerprint::default();
        let mut marked = marked.iter().copied().peekable();
        for node in &self.nodes {
            let tag = node.tag.as_ref().map(|tag| (tag.handle(), tag.suffix()));
            let properties = Properties { tag, anchor: node.anchor };
            match &node.kind {
                NodeKind::Start => {}
                NodeKind::Alias => fingerprint.alias(node.anchor),
                NodeKind::Open { mapping } => fingerprint.open(*mapping, &properties),
                NodeKind::Close { .. } => fingerprint.close(),
                NodeKind::Scalar(scalar) if marked.next_if_eq(&scalar.ordinal).is_some() => {
                    fingerprint.marked(node.anchor)
                }
                NodeKind::Scalar(scalar) => {
                    let absent = scalar.style == Style::Plain && node.span.is_empty();
                    fingerprint.scalar(if absent { "" } else { &scalar.value }, scalar.style, &properties);
                }
            }
        }
        fingerprint.finish()
    }
}

/// Parses the text of one document.
pub fn parse(text: &str) -> Result<Document<'_>, Broken> {
    let options = options! {
        libyaml_syntax: true,
        bom_inside_document_as_content: true,
        max_buffered_comment_events: MAX_COMMENTS,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| Broken {
            offset: floor_boundary(text, error.marker().byte_offset().unwrap_or_default()),
            reason: error.info(),
        })?;
        let bytes = span.byte_range().unwrap_or_default();
        let tag = span.tag_span().and_then(|tag| tag.byte_range());
        if builder.document.nodes.len() == MAX_NODES {
            return Err(Broken { offset: bytes.start, reason: format!("it has more than {MAX_NODES} values") });
        }
        builder.push(event, bytes, tag);
    }
    builder.document.comments.sort_by_key(|comment| comment.start);
    match builder.document.entangled() {
        Some(offset) => Err(Broken { offset, reason: "a comment interrupts a value".to_owned() }),
        None => Ok(builder.document),
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|&index| text.is_char_boundary(index)).unwrap_or_default()
}

#[derive(Default)]
struct Builder<'a> {
    document: Document<'a>,
    frames: Vec<Frame>,
    scalars: usize,
}

struct Frame {
    open: usize,
    flow: bool,
    in_key: bool,
    /// `None` in a sequence; in a mapping, the role of the next node.
    next: Option<Role>,
}

impl<'a> Builder<'a> {
    fn push(&mut self, event: Event<'a>, span: Range<usize>, tag_span: Option<Range<usize>>) {
        match event {
            Event::Comment(..) => self.document.comments.push(span),
            Event::DocumentStart(true, _) => {
                let (role, in_key) = (Role::Root, false);
                self.document.nodes.push(Node { span, role, in_key, kind: NodeKind::Start, anchor: 0, tag: None });
            }
            Event::Alias(anchor) => self.add(span, NodeKind::Alias, anchor, None),
            Event::Scalar(value, style, anchor, tag) => {
                let in_flow = self.frames.last().is_some_and(|frame| frame.flow);
                let site =
                    tag_span.zip(tag.as_ref()).map(|(span, tag)| Box::new(TagSite { span, kind: tag_kind(tag) }));
                let folded = style == ScalarStyle::Folded;
                let style = style_of(style);
                let scalar = Scalar { value, style, folded, in_flow, tag: site, ordinal: self.scalars };
                self.scalars += 1;
                self.add(span, NodeKind::Scalar(scalar), anchor, tag);
            }
            Event::SequenceStart(style, anchor, tag) => self.open(span, style, None, anchor, tag),
            Event::MappingStart(style, anchor, tag) => self.open(span, style, Some(Role::Key), anchor, tag),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Frame { open, flow, .. }) = self.frames.pop() {
                    let Node { role, in_key, .. } = self.document.nodes[open];
                    let kind = NodeKind::Close { flow, open };
                    self.document.nodes.push(Node { span, role, in_key, kind, anchor: 0, tag: None });
                }
            }
            _ => {}
        }
    }

    fn open(
        &mut self,
        span: Range<usize>,
        style: StructureStyle,
        next: Option<Role>,
        anchor: usize,
        tag: Option<Cow<'a, Tag>>,
    ) {
        let open = self.document.nodes.len();
        self.add(span, NodeKind::Open { mapping: next.is_some() }, anchor, tag);
        let in_key = self.document.nodes[open].in_key;
        self.frames.push(Frame { open, flow: style == StructureStyle::Flow, in_key, next });
    }

    fn add(&mut self, span: Range<usize>, kind: NodeKind<'a>, anchor: usize, tag: Option<Cow<'a, Tag>>) {
        let (role, in_key) = self.child();
        let tag = tag.map(Box::new);
        self.document.nodes.push(Node { span, role, in_key, kind, anchor, tag });
    }

    /// The role of the next child of the innermost collection, and whether it is part of a key.
    fn child(&mut self) -> (Role, bool) {
        let Some(frame) = self.frames.last_mut() else { return (Role::Root, false) };
        let role = match frame.next {
            None => Role::Item,
            Some(role) => {
                frame.next = Some(if role == Role::Key { Role::Value } else { Role::Key });
                role
            }
        };
        (role, frame.in_key || role == Role::Key)
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

fn tag_kind(tag: &Tag) -> TagKind {
    match tag.suffix_in_namespace(CORE_NAMESPACE).as_deref() {
        Some("int") => TagKind::Integer,
        Some("float") => TagKind::Float,
        Some("bool" | "null" | "timestamp" | "binary") => TagKind::Other,
        _ => TagKind::Text,
    }
}
