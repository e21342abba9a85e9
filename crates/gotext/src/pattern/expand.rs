//! Go's replacement templates: `$name`, `${name}`, `$$`.
//!
//! - `$name` takes the longest run of letters, digits and `_`: `$1x` is the group **named** `1x`; write `${1}x`.
//! - A name of digits alone, without a leading zero, is a group's number; `$0` is the whole match.
//! - A group that is not there, or took no part in the match, gives nothing. Of several groups with one name the first that
//!   took part counts.
//! - `$$` is `$`. A `$` that begins none of these stands for itself: `$`, `$-`, `${`, `${}`, `${1 }`. So does `\1`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{CaptureLocations, Captures, Regex};

/// Numbers from here on are names.
const NUMBER_LIMIT: usize = 100_000_000;

/// What Go takes for a letter or a digit beyond ASCII.
#[expect(clippy::unwrap_used, reason = "a constant pattern, which every test compiles")]
static LETTER_OR_DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Nd}]\z").unwrap());

/// A template that was read for the groups of one pattern.
///
/// ```
/// use gotext::pattern::Pattern;
/// let pattern = Pattern::parse(r"(a)(b)")?;
/// assert_eq!(pattern.expand_first("ab", "$2-${1}x$1x$$1").as_deref(), Some("b-ax$1"));
/// # Ok::<(), gotext::pattern::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The first of these groups that took part.
    Groups(Vec<usize>),
}

impl Replacement {
    /// Reads a template; `names` are the groups' names by number, the whole match first.
    pub(super) fn parse(template: &str, names: &[Option<String>]) -> Self {
        let text = |range: Range<usize>| Some(template[range].replace("$$", "$")).filter(|text| !text.is_empty());
        let mut parts = Vec::new();
        let mut from = 0;
        for Reference { name, span } in References::of(template) {
            parts.extend(text(from..span.start).map(Part::Text));
            parts.push(Part::Groups(groups(name, names)));
            from = span.end;
        }
        parts.extend(text(from..template.len()).map(Part::Text));
        Self { parts }
    }

    /// The number of the one group that the template is, where it is nothing else.
    #[must_use]
    pub fn as_group(&self) -> Option<usize> {
        let [Part::Groups(groups)] = self.parts.as_slice() else { return None };
        let [group] = groups.as_slice() else { return None };
        Some(*group)
    }

    /// Whether the template names no group, so that it always gives the same text.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The template with the groups of a match filled in.
    pub(crate) fn expanded(&self, captures: &Captures<'_>) -> String {
        let mut out = String::new();
        self.expand_with(|group| captures.get(group).map(|found| found.as_str()), &mut out);
        out
    }

    /// Appends the template with the groups of a match in `text` filled in.
    pub fn expand_locations(&self, text: &str, locations: &CaptureLocations, out: &mut String) {
        self.expand_with(|group| locations.get(group).and_then(|(start, end)| text.get(start..end)), out);
    }

    fn expand_with<'t>(&self, group: impl Fn(usize) -> Option<&'t str>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Groups(groups) => out.push_str(groups.iter().find_map(|index| group(*index)).unwrap_or_default()),
            }
        }
    }
}

/// A reference to a group in a template.
pub(super) struct Reference<'t> {
    /// The name or number of the group.
    pub(super) name: &'t str,
    /// Its bytes in the template, `$` and braces included.
    pub(super) span: Range<usize>,
}

/// The references of a template, in its order.
pub(super) struct References<'t> {
    template: &'t str,
    at: usize,
}

impl<'t> References<'t> {
    pub(super) fn of(template: &'t str) -> Self {
        Self { template, at: 0 }
    }
}

impl<'t> Iterator for References<'t> {
    type Item = Reference<'t>;

    fn next(&mut self) -> Option<Reference<'t>> {
        loop {
            let start = self.at + self.template[self.at..].find('$')?;
            let rest = &self.template[start + 1..];
            match reference(rest) {
                Some((name, after)) => {
                    self.at = self.template.len() - after.len();
                    return Some(Reference { name, span: start..self.at });
                }
                // `$$` is a dollar, so that the second one begins nothing.
                None => self.at = start + if rest.starts_with('$') { 2 } else { 1 },
            }
        }
    }
}

/// Reads the name after a `$`; gives it and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('{') {
        Some(inner) => {
            let (name, rest) = name(inner)?;
            Some((name, rest.strip_prefix('}')?))
        }
        None => name(text),
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|char: char| !is_name(char)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn is_name(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphanumeric() || char == '_';
    }
    LETTER_OR_DIGIT.is_match(char.encode_utf8(&mut [0; 4]))
}

/// The groups that a name or number stands for.
pub(super) fn groups(name: &str, names: &[Option<String>]) -> Vec<usize> {
    match number(name) {
        Some(group) if group < names.len() => vec![group],
        Some(_) => Vec::new(),
        None => (0..names.len()).filter(|group| names[*group].as_deref() == Some(name)).collect(),
    }
}

fn number(name: &str) -> Option<usize> {
    if name.len() > 1 && name.starts_with('0') {
        return None;
    }
    name.bytes().try_fold(0_usize, |value, byte| {
        (byte.is_ascii_digit() && value < NUMBER_LIMIT).then(|| value * 10 + usize::from(byte - b'0'))
    })
}
