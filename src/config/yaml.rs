//! YAML text as a tree whose every node knows its bytes, so that each error can point at what it is about.
//!
//! A typed deserializer stops at its first error and loses the positions of values that turn out wrong later (a bad
//! regular expression, a secret that does not exist). This tree keeps them all. Aliases share their node, `<<` is
//! resolved, scalars keep the text of the source: `1.10` is `1.10` for whoever wants a text.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

/// How many levels of lists and mappings a document may have; aliases count with what they stand for.
pub(super) const MAX_DEPTH: usize = 64;

/// After how many syntax errors a file is not read on; reading resumes at the next `---` after each.
const MAX_SYNTAX_ERRORS: usize = 256;

/// How many fields `<<` may copy within a document.
const MAX_MERGED: usize = 10_000;

/// A range of bytes in one of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file's index in the report.
    pub(super) file: usize,
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last one.
    pub(super) end: usize,
}

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    height: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Value {
    /// A text, a number, a truth value, or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// Keys and values in the order of the document; a key can occur twice.
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// A scalar as decoded text.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: ScalarStyle,
}

/// One document, or what is wrong with it.
pub(super) type Document = Result<Rc<Node>, Unreadable>;

/// A document that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) error: SyntaxError,
    /// The bytes that were not read because of it: at least the document's, and all after it where reading ends.
    pub(super) unread: Range<usize>,
}

/// Why a document is no YAML that can be read.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Node {
    /// The scalar's text, if this is a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether this is YAML's null, which Kubernetes reads as if the field were not there.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.style == ScalarStyle::Plain
            && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of the first field of this name that is not null.
    pub(super) fn get(&self, name: &str) -> Option<&Rc<Node>> {
        match &self.value {
            Value::Mapping(entries) => {
                entries.iter().find(|(key, value)| key.text() == Some(name) && !value.is_null()).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What a reader calls this kind of value.
    pub(super) fn noun(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads the documents of a text, one after the other: their trees are many times as large as the text. Empty documents are left
/// out.
pub(super) fn each(file: usize, text: &str, mut take: impl FnMut(Document)) {
    let options = granit_parser::options! {
        libyaml_syntax: true,
        bom_inside_document_as_content: true,
        emit_comments: false,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut errors = 0;
    let mut builder = Builder::new(file);
    while let Some(event) = parser.next() {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(syntax_error(file, text, &error)),
        };
        match step {
            Ok(None) => {}
            Ok(Some(root)) if root.is_null() => {}
            Ok(Some(root)) => take(Ok(root)),
            Err(error) => {
                errors += 1;
                builder = Builder::new(file);
                let goes_on = errors < MAX_SYNTAX_ERRORS && parser.proceed_next_document().unwrap_or(false);
                let around = around(text, error.place.start);
                let unread = if goes_on { around } else { around.start..text.len() };
                take(Err(Unreadable { error, unread }));
                if !goes_on {
                    break;
                }
            }
        }
    }
}

/// The first document of a text, if that can be read.
pub(super) fn first(text: &str) -> Option<Rc<Node>> {
    let mut first = None;
    each(0, text, |document| {
        first.get_or_insert(document);
    });
    first?.ok()
}

/// The document around a byte; where one starts there, the one before as well, which may be to blame.
fn around(text: &str, offset: usize) -> Range<usize> {
    const BOUNDARY: &str = "\n---";
    let start = text.get(..offset).and_then(|before| before.rfind(BOUNDARY)).unwrap_or_default();
    let end = text.get(offset..).and_then(|rest| rest.find(BOUNDARY)).map_or(text.len(), |length| offset + length);
    start..end
}

fn syntax_error(file: usize, text: &str, error: &ScanError) -> SyntaxError {
    let marker = error.marker();
    let start = marker.byte_offset().unwrap_or_else(|| {
        text.char_indices().nth(marker.index()).map_or(text.len(), |(offset, _)| offset) // only streams lack bytes
    });
    let message = error.info();
    SyntaxError { place: Place { file, start, end: start }, message: message.lines().next().unwrap_or("").to_owned() }
}

/// Turns events into a tree.
struct Builder {
    file: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    merge_budget: usize,
}

/// A list or mapping whose end was not seen yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping { entries: Vec<(Rc<Node>, Rc<Node>)>, key: Option<Rc<Node>> },
}

impl Builder {
    fn new(file: usize) -> Self {
        Self { file, open: Vec::new(), anchors: HashMap::new(), merge_budget: MAX_MERGED }
    }

    /// Takes one event; returns the root when it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Rc<Node>>, SyntaxError> {
        let bytes = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => *self = Self::new(self.file),
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar(Scalar { text: text.into_owned(), style });
                return self.complete(bytes, anchor, value);
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => return self.attach(node),
                None => return Err(self.error(bytes, "an alias stands inside of what it stands for")),
            },
            Event::SequenceStart(_, anchor, _) => self.begin(bytes, anchor, Content::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.begin(bytes, anchor, Content::Mapping { entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(bytes),
            _ => {}
        }
        Ok(None)
    }

    fn begin(&mut self, bytes: Range<usize>, anchor: usize, content: Content) {
        self.open.push(Open { start: bytes.start, anchor, content });
    }

    fn end(&mut self, bytes: Range<usize>) -> Result<Option<Rc<Node>>, SyntaxError> {
        let Some(open) = self.open.pop() else { return Ok(None) };
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => match merged(entries, &mut self.merge_budget) {
                Some(entries) => Value::Mapping(entries),
                None => return Err(self.error(bytes, &format!("more than {MAX_MERGED} fields merged with `<<`"))),
            },
        };
        self.complete(open.start..bytes.end.max(open.start), open.anchor, value)
    }

    fn complete(&mut self, bytes: Range<usize>, anchor: usize, value: Value) -> Result<Option<Rc<Node>>, SyntaxError> {
        let below = match &value {
            Value::Scalar(_) => None,
            Value::Sequence(items) => items.iter().map(|item| item.height).max(),
            Value::Mapping(entries) => entries.iter().map(|(key, value)| key.height.max(value.height)).max(),
        };
        let height = below.map_or(0, |height| height + 1);
        if height > MAX_DEPTH {
            return Err(self.error(bytes, &format!("nested more than {MAX_DEPTH} levels deep")));
        }
        let place = Place { file: self.file, start: bytes.start, end: bytes.end };
        let node = Rc::new(Node { place, value, height });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node)
    }

    /// Puts a complete node into what is open, or returns it when nothing is.
    fn attach(&mut self, node: Rc<Node>) -> Result<Option<Rc<Node>>, SyntaxError> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => return Ok(Some(node)),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, key }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(None)
    }

    fn error(&self, bytes: Range<usize>, message: &str) -> SyntaxError {
        let place = Place { file: self.file, start: bytes.start, end: bytes.end };
        SyntaxError { place, message: message.to_owned() }
    }
}

type Entries = Vec<(Rc<Node>, Rc<Node>)>;

/// Resolves `<<`: adds the fields of the merged mappings that the mapping itself does not have. None when these are
/// more than the budget, which a few lines of text could otherwise multiply without end.
fn merged(entries: Entries, budget: &mut usize) -> Option<Entries> {
    let is_merge = |key: &Node| matches!(&key.value, Value::Scalar(scalar) if scalar.style == ScalarStyle::Plain && scalar.text == "<<");
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Some(entries);
    }
    let (merges, mut entries): (Entries, Entries) = entries.into_iter().partition(|(key, _)| is_merge(key));
    let mut known: HashSet<String> = entries.iter().filter_map(|(key, _)| key.text()).map(str::to_owned).collect();
    for source in merges.iter().flat_map(|(_, value)| merge_sources(value)) {
        for (key, value) in source {
            *budget = budget.checked_sub(1)?;
            if key.text().is_some_and(|text| known.insert(text.to_owned())) {
                entries.push((Rc::clone(key), Rc::clone(value)));
            }
        }
    }
    Some(entries)
}

/// The mappings that the value of `<<` names: itself, or the items of a list.
fn merge_sources(value: &Node) -> Vec<&Entries> {
    match &value.value {
        Value::Mapping(entries) => vec![entries],
        Value::Sequence(items) => items
            .iter()
            .filter_map(|item| match &item.value {
                Value::Mapping(entries) => Some(entries),
                _ => None,
            })
            .collect(),
        Value::Scalar(_) => Vec::new(),
    }
}
