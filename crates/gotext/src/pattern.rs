//! Go's regular expressions (RE2 with Perl's flags), on the `regex` crate.
//!
//! Users write patterns for Flux, which hands them to Go's `regexp`. The `regex` crate is close to it and differs in what it
//! accepts (`[\w-.]`, a literal `{`, `\Q…\E`, octal escapes, groups of one name, group names that start with a digit) and in
//! what it means (`&&`, `--`, `~~` and nested `[` in classes, `\<`, `\b{start}`, `\w \d \s \b` beyond ASCII). So a pattern is
//! read here by Go's rules, with Go's errors, and written anew in the crate's syntax; nothing passes through unread.
//!
//! - [`Pattern::parse`] reads, [`Pattern::is_match`] and [`Pattern::regex`] search: unanchored, leftmost first.
//! - [`Pattern::expand_first`] and [`Replacement`] fill in Go's `$name` templates.
//!
//! A hostile pattern cannot cost much: it has 8 KiB at most, nests 200 deep and compiles to 10 MiB. Searching takes time linear
//! in the text.

mod class;
mod escape;
mod expand;
mod repetition;
mod syntax;
mod unicode;
mod unknown;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

pub use expand::Replacement;
pub use unknown::UnknownGroup;

/// The longest pattern that is read, in bytes.
pub(crate) const MAX_PATTERN_LENGTH: usize = 8 * 1024;

/// How deep groups and repetitions may nest. Go allows 1000; the compiler below recurses, so this is what a small stack holds.
const MAX_DEPTH: usize = 200;

/// The most memory a compiled pattern may take, in bytes.
pub(crate) const MAX_PROGRAM_SIZE: usize = 10 * 1024 * 1024;

/// The most memory that searching for a pattern keeps for later searches, in bytes; of a small pattern less.
const MAX_CACHE_SIZE: usize = 2 * 1024 * 1024;

/// A regular expression, compiled. Cloning is cheap.
///
/// ```
/// use gotext::pattern::Pattern;
/// let pattern = Pattern::parse(r"^[\w-.]+-(?P<ts>\d+)$")?;
/// assert_eq!(pattern.expand_first("main-1.2-1656569910", "$ts").as_deref(), Some("1656569910"));
/// # Ok::<(), gotext::pattern::Error>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    /// Shared by clones: each compiled expression has memory of its own for its searches, some kilobytes once it was used.
    regex: Arc<Regex>,
    names: Arc<[Option<String>]>,
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Pattern {
    /// Reads a pattern in Go's syntax and compiles it.
    ///
    /// # Errors
    /// What Go's `regexp.Compile` says of it, in its words. [`Reason::TooLarge`] and [`Reason::TooDeep`] come earlier here.
    pub fn parse(go: &str) -> Result<Self, Error> {
        Self::parse_within(go, MAX_PROGRAM_SIZE)
    }

    /// As [`Pattern::parse`], for a compiled pattern of no more than `size` bytes: how long a search may take grows with it.
    pub(crate) fn parse_within(go: &str, size: usize) -> Result<Self, Error> {
        if go.len() > MAX_PATTERN_LENGTH {
            return Err(Error::new(&shorten(go), Reason::TooLarge, &shorten(go)));
        }
        let translation = syntax::translate(go).map_err(|fault| Error::new(go, fault.reason, fault.text))?;
        let regex = RegexBuilder::new(&translation.regex)
            .size_limit(size)
            .dfa_size_limit(MAX_CACHE_SIZE.min(4 * size))
            .nest_limit(8 * MAX_DEPTH as u32)
            .build()
            .map_err(|error| Error::new(go, Reason::of(&error), go))?;
        Ok(Self { text: go.into(), regex: Arc::new(regex), names: translation.names.into() })
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches anywhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Expands a template with the groups of the first match; nothing where the pattern does not match.
    ///
    /// The rules of templates are those of [`Replacement`].
    #[must_use]
    pub fn expand_first(&self, text: &str, template: &str) -> Option<String> {
        Some(self.replacement(template).expanded(&self.regex.captures(text)?))
    }

    /// Reads a template for this pattern's groups, to be expanded many times.
    #[must_use]
    pub fn replacement(&self, template: &str) -> Replacement {
        Replacement::parse(template, &self.names)
    }

    /// Finds a reference in a template to a group that the pattern does not have; it expands to nothing.
    #[must_use]
    pub fn unknown_group(&self, template: &str) -> Option<UnknownGroup> {
        UnknownGroup::find(template, &self.names)
    }

    /// Replaces every match by the expanded template, as Go's `ReplaceAllString` does.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        let replacement = self.replacement(template);
        self.regex.replace_all(text, |captures: &regex::Captures<'_>| replacement.expanded(captures)).into_owned()
    }

    /// The compiled expression. Its groups have no names (the crate allows fewer names than Go does): see [`Pattern::names`].
    #[must_use]
    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The names of the groups by number, the whole match first; several groups may have one name.
    #[must_use]
    pub fn names(&self) -> &[Option<String>] {
        &self.names
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// Why a pattern cannot be used, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid regular expression pattern '{pattern}': {}", self.detail())]
pub struct Error {
    /// The whole pattern.
    pub pattern: String,
    /// What is wrong.
    pub reason: Reason,
    /// The part of the pattern that is wrong.
    pub text: String,
}

impl Error {
    fn new(pattern: &str, reason: Reason, text: &str) -> Self {
        Self { pattern: pattern.to_owned(), reason, text: text.to_owned() }
    }

    /// Go's own message, without the pattern: `error parsing regexp: …`.
    pub(crate) fn detail(&self) -> String {
        format!("error parsing regexp: {}: `{}`", self.reason, self.text)
    }
}

/// What can be wrong with a pattern; displayed in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// A range that ends below its start, or an unknown class: `[z-a]`, `[[:foo:]]`, `\p{Foo}`.
    #[error("invalid character class range")]
    CharacterRange,
    /// An escape that Go does not have: `\Z`, `\1`.
    #[error("invalid escape sequence")]
    Escape,
    /// A group name that is not `[A-Za-z0-9_]+`, or not closed.
    #[error("invalid named capture")]
    NamedCapture,
    /// `(?=`, `(?#`, `(?x)` and the like.
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    /// `a**`, `a*+`, `a{1}{2}`.
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    /// A repeat count above 1000, also as a product of nested ones, or one that ends below its start.
    #[error("invalid repeat count")]
    RepeatCount,
    /// A class without its end.
    #[error("missing closing ]")]
    MissingBracket,
    /// A group without its end.
    #[error("missing closing )")]
    MissingParenthesis,
    /// A repetition with nothing before it.
    #[error("missing argument to repetition operator")]
    MissingArgument,
    /// A lone `\` at the end.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// The end of a group that was not begun.
    #[error("unexpected )")]
    UnexpectedParenthesis,
    /// More than 200 groups and repetitions within each other.
    #[error("expression nests too deeply")]
    TooDeep,
    /// Longer than 8 KiB, or larger than 10 MiB when compiled.
    #[error("expression too large")]
    TooLarge,
    /// The translation was not accepted: a defect of this module.
    #[error("regexp/syntax: internal error")]
    Internal,
}

impl Reason {
    fn of(error: &regex::Error) -> Self {
        match error {
            regex::Error::CompiledTooBig(_) => Self::TooLarge,
            _ => Self::Internal,
        }
    }
}

/// The start of a text that is too long to be repeated in a message.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    text.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
