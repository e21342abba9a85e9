//! Variables in a value, and the defaults that are written beside them.
//!
//! Compose, shells, Flux's `postBuild` and template engines put values into texts. What they put in is not known here, so that
//! a text with a variable is never replaced; but a default that stands in it, as in `${TAG:-1.4.2}`, is what the text says
//! when nothing else does, and can be updated where it stands.
//!
//! | form | is |
//! |---|---|
//! | `${NAME:-default}`, `${NAME-default}`, `${NAME:=default}`, `${NAME=default}` | a variable with a default, which may be quoted, and hold others |
//! | `${NAME}`, `${NAME:?error}`, `${NAME:+other}`, `$NAME`, `$(NAME)`, `$[…]`, `$$` | a variable without one |
//! | `{{ … }}`, `${{ … }}`, `{% … %}`, `{NAME}`, `#{NAME}#`, `` `command` `` | the same |
//! | `%NAME%`, `%(NAME)s`, `@NAME@`, `((NAME))`, `[[ … ]]`, `<< … >>`, `<% … %>` | the same |
//!
//! No reference, tag or digest holds any of these.

use std::ops::Range;

use crate::marker::grammar::MENTION;

/// How deep defaults are read within defaults.
const MAX_DEPTH: usize = 8;

/// The longest text in which defaults are looked for, in bytes; no reference is as long.
const MAX_LENGTH: usize = 1024;

/// A text as it reads when no variable is set, and where each part of that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expanded {
    /// The text with each variable replaced by its default.
    pub(crate) text: String,
    /// What the text is made of, in its order.
    pieces: Vec<Piece>,
    /// Whether there are variables in the raw text.
    pub(crate) has_variables: bool,
}

/// A part of an expanded text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Where it starts in the expanded text.
    start: usize,
    /// The bytes of the raw text that it is.
    raw: Range<usize>,
    is_default: bool,
}

impl Piece {
    fn end(&self) -> usize {
        self.start + self.raw.len()
    }
}

/// Replaces variables by their defaults.
///
/// # Errors
/// The first variable that has none.
pub(crate) fn expand(raw: &str) -> Result<Expanded, &str> {
    let mut expanded = Expanded { text: String::with_capacity(raw.len()), pieces: Vec::new(), has_variables: false };
    if raw.len() <= MAX_LENGTH {
        expanded.add(raw, 0..raw.len(), 0)?;
    } else if let Some(at) = raw.find(['$', '{']) {
        return Err(&raw[at..=at]);
    } else {
        expanded.piece(raw, 0..raw.len(), false);
    }
    Ok(expanded)
}

/// Whether a text has a variable, with a default or without.
pub(crate) fn has_variable(text: &str) -> bool {
    expand(text).map_or(true, |expanded| expanded.has_variables)
}

impl Expanded {
    fn add<'r>(&mut self, raw: &'r str, span: Range<usize>, depth: usize) -> Result<(), &'r str> {
        let mut from = span.start;
        while let Some(variable) = variable(&raw[from..span.end]) {
            let found = from + variable.span.start..from + variable.span.end;
            let default = variable.default.filter(|_| depth < MAX_DEPTH).ok_or(&raw[found.clone()])?;
            self.has_variables = true;
            self.piece(raw, from..found.start, depth > 0);
            self.add(raw, from + default.start..from + default.end, depth + 1)?;
            from = found.end;
        }
        self.piece(raw, from..span.end, depth > 0);
        Ok(())
    }

    fn piece(&mut self, raw: &str, span: Range<usize>, is_default: bool) {
        if !span.is_empty() {
            let start = self.text.len();
            self.text.push_str(&raw[span.clone()]);
            self.pieces.push(Piece { start, raw: span, is_default });
        }
    }

    /// The raw text with other bytes in place of parts of the expanded one; `parts` are in the order of the text. None where
    /// that would need a change on both sides of a variable's end: in `v${VERSION:-1.2}`, only what begins with `v` can be
    /// written.
    pub(crate) fn with(&self, raw: &str, parts: &[(Range<usize>, String)]) -> Option<String> {
        let mut new = String::with_capacity(raw.len());
        let mut from = 0;
        for (span, text) in parts.iter().filter(|(span, text)| self.text[span.clone()] != **text) {
            let (span, text) = self.within_one(span.clone(), text)?;
            new.push_str(raw.get(from..span.start)?);
            new.push_str(text);
            from = span.end;
        }
        new.push_str(&raw[from..]);
        Some(new)
    }

    /// The bytes of the raw text to replace, and the text for them, all within one piece; the text around has to be what it is.
    fn within_one<'t>(&self, span: Range<usize>, text: &'t str) -> Option<(Range<usize>, &'t str)> {
        let touched: Vec<&Piece> =
            self.pieces.iter().filter(|piece| piece.start < span.end && span.start < piece.end()).collect();
        let mut defaults = touched.iter().filter(|piece| piece.is_default);
        let home = match touched[..] {
            [one] => one,
            _ => defaults.next().filter(|_| defaults.next().is_none())?,
        };
        let (start, end) = (span.start.max(home.start), span.end.min(home.end()));
        let inner = text.strip_prefix(&self.text[span.start..start])?.strip_suffix(&self.text[end..span.end])?;
        let outward = |at: usize| home.raw.start + at - home.start;
        (!inner.is_empty()).then(|| (outward(start)..outward(end), inner))
    }
}

/// A variable in a text.
struct Variable {
    span: Range<usize>,
    /// Where its default is.
    default: Option<Range<usize>>,
}

/// The first variable of a text. One that does not end is one all the same, so that nothing is searched for twice.
fn variable(text: &str) -> Option<Variable> {
    text.char_indices().find_map(|(at, first)| {
        let rest = &text[at..];
        let (length, default) = match first {
            '$' => dollar(rest)?,
            '%' if rest.starts_with("%(") => (between(rest, "%(", ")")?, None),
            '%' | '@' => (named(rest, first)?, None),
            '{' => (pair(rest, [("{{", "}}"), ("{%", "%}")]).or_else(|| named(rest, '}'))?, None),
            '(' => (between(rest, "((", "))")?, None),
            '[' => (between(rest, "[[", "]]")?, None),
            '<' => (pair(rest, [("<<", ">>"), ("<%", "%>")])?, None),
            '`' => (between(rest, "`", "`")?, None),
            _ => return None,
        };
        let default: Option<Range<usize>> = default;
        Some(Variable { span: at..at + length, default: default.map(|it| at + it.start..at + it.end) })
    })
}

/// What a `$` begins: its length, and where the default in it is.
fn dollar(text: &str) -> Option<(usize, Option<Range<usize>>)> {
    let rest = &text[1..];
    match rest.chars().next()? {
        '{' => Some(braces(rest).map_or((2, None), |length| (1 + length, default(text, 1 + length)))),
        '(' => Some((1 + between(rest, "(", ")")?, None)),
        '[' => Some((1 + between(rest, "[", "]")?, None)),
        '$' => Some((2, None)),
        // A block of text may have markers of its own.
        first if is_name_start(first) && !text.starts_with(MENTION) => Some((1 + name(rest), None)),
        _ => None,
    }
}

/// Where the default of `${NAME:-default}` is; the text may go on behind the variable, which has this length.
fn default(text: &str, length: usize) -> Option<Range<usize>> {
    let inner = &text[2..length - 1];
    let named = name(inner);
    let operator = &inner[named..];
    let operators = [":-", ":=", "-", "="];
    let found = operators.into_iter().find(|it| operator.starts_with(it)).filter(|_| named > 0)?;
    let (start, end) = (2 + named + found.len(), length - 1);
    let written = &text[start..end];
    let is_quoted = |quote: char| written.len() > 1 && written.starts_with(quote) && written.ends_with(quote);
    Some(if is_quoted('"') || is_quoted('\'') { start + 1..end - 1 } else { start..end })
}

/// The length of `{…}` with what is nested in it, as in `${A:-${B}}`.
fn braces(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// The length of what stands between two signs; where the second is missing, that of the first.
fn between(text: &str, open: &str, close: &str) -> Option<usize> {
    let inner = text.strip_prefix(open)?;
    Some(open.len() + inner.find(close).map_or(0, |end| end + close.len()))
}

fn pair(text: &str, signs: [(&str, &str); 2]) -> Option<usize> {
    signs.into_iter().find_map(|(open, close)| between(text, open, close))
}

/// The length of `%NAME%`, `@NAME@` or `{NAME}`, where a name may have dots.
fn named(text: &str, close: char) -> Option<usize> {
    let inner = &text[1..];
    let length = inner.find(|c| !is_name_part(c) && c != '.')?;
    (inner.starts_with(is_name_start) && inner[length..].starts_with(close)).then_some(length + 2)
}

/// The length of the name that a text begins with.
fn name(text: &str) -> usize {
    if text.starts_with(is_name_start) { text.find(|c| !is_name_part(c)).unwrap_or(text.len()) } else { 0 }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_are_what_a_text_says() {
        let check = |raw: &str, expect: Result<&str, &str>| {
            assert_eq!(expand(raw).as_ref().map(|it| it.text.as_str()).map_err(|it| *it), expect, "{raw}");
        };
        check("acme/web:1.0", Ok("acme/web:1.0"));
        check("acme/web:${TAG:-1.0}", Ok("acme/web:1.0"));
        check("${A-x}${B:=y}${C=z}${D:-}", Ok("xyz"));
        check("${IMAGE:-${REGISTRY:-ghcr.io}/web:${TAG-1}}", Ok("ghcr.io/web:1"));
        check("${A:-\"1\"}${B-'2'}${C-'}", Ok("12'"));
        check("${TAG:?no tag}", Err("${TAG:?no tag}"));
        check("${TAG:+1.0}", Err("${TAG:+1.0}"));
        check("a:${TAG}", Err("${TAG}"));
        check("a:${:-1}", Err("${:-1}"));
        check("a:$TAG.1", Err("$TAG"));
        check("a:$(TAG)", Err("$(TAG)"));
        check("a:$$TAG", Err("$$"));
        check("a:{{ .Values.tag | default \"1}\" }}", Err("{{ .Values.tag | default \"1}\" }}"));
        check("a:${{ env.TAG }}-1", Err("${{ env.TAG }}"));
        check("a:{% if x %}1{% endif %}", Err("{% if x %}"));
        check("a:`tag`", Err("`tag`"));
        check("a:%TAG%", Err("%TAG%"));
        check("a:%(tag)s", Err("%(tag)"));
        check("a:@project.version@", Err("@project.version@"));
        check("a:((tag))", Err("((tag))"));
        check("a:[[ .Tag ]]", Err("[[ .Tag ]]"));
        check("a:<< parameters.tag >>", Err("<< parameters.tag >>"));
        check("a:#{Tag}#", Err("{Tag}"));
        check("<image>", Ok("<image>"));
        check("a $ b % c { d", Ok("a $ b % c { d"));
        check("a:${TAG", Err("${"));
        check("a:{{ TAG", Err("{{"));
        check("a:1@sha256:0@x", Ok("a:1@sha256:0@x"));
        let deep = format!("{}1{}", "${A:-".repeat(20), "}".repeat(20));
        assert!(expand(&deep).is_err());
    }

    #[test]
    fn parts_are_written_where_they_stand() {
        let check = |raw: &str, old: &str, new: &str, expect: Option<&str>| {
            let expanded = expand(raw).unwrap();
            let at = expanded.text.find(old).unwrap();
            let found = expanded.with(raw, &[(at..at + old.len(), new.to_owned())]);
            assert_eq!(found.as_deref(), expect, "{raw}");
        };
        check("web:${TAG:-1.0}", "1.0", "1.1", Some("web:${TAG:-1.1}"));
        check("web:v${TAG:-1.0}-alpine", "v1.0-alpine", "v1.1-alpine", Some("web:v${TAG:-1.1}-alpine"));
        check("web:v${TAG:-1.0}", "v1.0", "1.1", None);
        check("${R:-x}/${TAG:-1.0}", "x/1.0", "x/1.1", None);
        check("${R:-x}/${TAG:-1.0}", "x/1.0", "x/1.0", Some("${R:-x}/${TAG:-1.0}"));
        check("${A:-${B:-1.0}}", "1.0", "1.1", Some("${A:-${B:-1.1}}"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(raw in "([$%@#(){}<>\\[\\]:=?+-]|\\$\\{A:-|[aé1]){0,24}", new in "[a1]{0,4}") {
            if let Ok(expanded) = expand(&raw) {
                for start in 0..=expanded.text.len() {
                    if expanded.text.is_char_boundary(start) {
                        let _ = expanded.with(&raw, &[(start..expanded.text.len(), new.clone())]);
                    }
                }
                if !expanded.has_variables {
                    proptest::prop_assert_eq!(&expanded.text, &raw);
                }
            }
        }
    }
}
