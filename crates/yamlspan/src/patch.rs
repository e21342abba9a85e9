//! The bytes that one new value replaces.
//!
//! A plain or quoted scalar is replaced as a whole, on one line; anchors and tags before it stay. An explicit
//! `!!int`, `!!float`, `!!bool`, `!!null`, `!!timestamp` or `!!binary` that the new value does not satisfy is
//! removed: a wrong tag would be worse. Of a block scalar the content is replaced by one line and the header is made
//! to strip the final line break (`|` becomes `|-`), because the value is the reference and nothing else; an empty
//! block scalar becomes a plain or quoted one.

use std::ops::Range;

use crate::document::{Style, TagKind, TagSite};
use crate::quote;
use crate::verify::TagFate;

/// Bytes of the old text and what takes their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The bytes that go.
    pub span: Range<usize>,
    /// The text that comes in their place.
    pub text: String,
}

/// A scalar as it is written, and may be written anew. All spans are bytes of one text.
#[derive(Debug, Clone)]
pub struct Slot<'s> {
    /// The scalar: quotes included; of a block scalar the content, blank lines before its text included, without its header.
    pub span: Range<usize>,
    /// The decoded value that the span stands for now.
    pub value: &'s str,
    /// The way it is written, which the new value follows where it can.
    pub style: Style,
    /// Whether the innermost collection around it is a flow collection.
    pub in_flow: bool,
    /// The explicit tag before it.
    pub tag: Option<&'s TagSite>,
    /// The header (`|`, `>2-`, …) of a block scalar.
    pub header: Option<Range<usize>>,
}

/// Appends the patches that give a scalar a new value, in the order of the text.
pub fn push(patches: &mut Vec<Patch>, text: &str, slot: &Slot<'_>, value: &str) {
    if let (Some(tag), TagFate::Removed) = (slot.tag, tag_fate(slot, value)) {
        patches.push(Patch { span: with_blanks(text, tag.span.clone()), text: String::new() });
    }
    match &slot.header {
        Some(header) => push_block(patches, text, slot, header.clone(), value),
        None => patches.push(Patch { span: slot.span.clone(), text: flow_text(slot, value) }),
    }
}

/// What [`push`] makes of the explicit tag of a marked scalar.
pub fn tag_fate(slot: &Slot<'_>, value: &str) -> TagFate {
    match slot.tag {
        None => TagFate::Absent,
        Some(tag) if fits(value, tag.kind) => TagFate::Kept,
        Some(_) => TagFate::Removed,
    }
}

/// Whether a new value takes the place of the old within its line, so that no comment can come to stand differently.
pub fn stays_in_line(text: &str, slot: &Slot<'_>, value: &str) -> bool {
    let one_line = !text[slot.span.clone()].contains(['\n', '\r']);
    one_line && slot.header.is_none() && tag_fate(slot, value) != TagFate::Removed
}

/// The old text with the patches applied.
pub fn apply(text: &str, patches: &[Patch]) -> String {
    let growth: usize = patches.iter().map(|patch| patch.text.len()).sum();
    let mut out = String::with_capacity(text.len() + growth);
    let mut from = 0;
    for Patch { span, text: new } in patches {
        out.push_str(&text[from..span.start]);
        out.push_str(new);
        from = span.end;
    }
    out.push_str(&text[from..]);
    out
}

fn fits(value: &str, kind: TagKind) -> bool {
    match kind {
        TagKind::Text => true,
        TagKind::Integer => quote::is_decimal(value),
        TagKind::Float => quote::is_decimal_float(value),
        TagKind::Other => false,
    }
}

/// A tag with the blanks that separate it from what follows.
fn with_blanks(text: &str, span: Range<usize>) -> Range<usize> {
    let rest = &text[span.end..];
    span.start..span.end + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
}

fn flow_text(slot: &Slot<'_>, value: &str) -> String {
    let is_number = |kind| matches!(kind, TagKind::Integer | TagKind::Float) && fits(value, kind);
    if slot.style == Style::Plain && slot.tag.is_some_and(|tag| is_number(tag.kind)) {
        return value.to_owned();
    }
    let written = quote::write(value, slot.style, slot.in_flow);
    // Only a colon gives a plain scalar single quotes. One that stood there without them may do so again.
    let quoted_for_colon = slot.style == Style::Plain && written.starts_with('\'');
    if quoted_for_colon && slot.value.contains(':') { value.to_owned() } else { written.into_owned() }
}

fn push_block(patches: &mut Vec<Patch>, text: &str, slot: &Slot<'_>, header: Range<usize>, value: &str) {
    let Some((span, indentation)) = content(text, slot, header.end) else {
        patches.push(Patch { span: header, text: flow_text(slot, value) });
        return;
    };
    let indicators = &text[header.clone()];
    if !indicators.contains('-') {
        patches.push(Patch { text: format!("{}-", indicators.replace('+', "")), span: header });
    }
    patches.push(Patch { span, text: format!("{indentation}{value}") });
}

/// From the start of a block scalar's first line of text to the end of its last, and the indentation if it must be
/// written. `None` for a block scalar without text.
fn content<'t>(text: &'t str, slot: &Slot<'_>, header_end: usize) -> Option<(Range<usize>, &'t str)> {
    let leading = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let extra = slot.value.split(['\n', '\r']).find(|line| !line.trim().is_empty()).map(leading)?;
    let start =
        header_end + text[header_end..].find(['\n', '\r']).map(|at| at + line_break(&text[header_end + at..]))?;
    let (mut from, mut indentation, mut end) = (None, "", start);
    // The span may reach into the indentation of the next node, never beyond.
    let text = &text[..slot.span.end];
    let mut at = start;
    while at < text.len() {
        let line = text[at..].split(['\n', '\r']).next().unwrap_or_default();
        if from.is_none() && !line.trim().is_empty() {
            indentation = &line[..leading(line).checked_sub(extra)?];
            from = Some(if at == start { start + indentation.len() } else { start });
        }
        if from.is_some() && line.len() > indentation.len() {
            end = at + line.len();
        }
        let next = at + line.len();
        at = next + line_break(&text[next..]).max(1);
    }
    from.map(|from| (from..end, if from == start { indentation } else { "" }))
}

fn line_break(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with(['\n', '\r'])) }
}
