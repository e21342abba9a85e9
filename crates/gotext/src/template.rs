//! Go's `text/template` language, with its built-in functions and sprig's repeatable ones.
//!
//! The rule book is Go's package `text/template` (with `range` over integers and `else with`), its package `fmt` for
//! printing, and sprig 3.3 as Flux offers it ("hermetic": nothing that reads the clock, the environment or the
//! network). Error texts are Go's, so that what users find about them applies: a template that does not parse says
//! `template: NAME:LINE: …`, one that fails when it runs says `template: NAME:LINE:COLUMN: executing "NAME" at <…>: …`.
//!
//! What differs from Go, on purpose:
//! - The same template and data always give the same text. Functions that make keys, certificates or random text, or
//!   look at the clock, are left out ([`ParseError::hint`] says so); `keys` and `values` come in sorted order; `toDate`
//!   reads times as UTC.
//! - Everything is bounded. A template has 256 KiB at most and nests 64 deep, its output has 1 MiB, its calls nest 160
//!   deep, its loops and lists of numbers have 100,000 steps, and all that it does costs from a budget of four million
//!   units of work. It never panics and never runs on.
//! - The calendar ends with the year 9999.
//! - Text is UTF-8. Where Go would cut a character in half (`trunc`, `substr`, `abbrev`), the rest of that character
//!   is U+FFFD. Complex numbers are refused when the template is parsed.
//!
//! A text becomes tokens, the tokens a tree, and the tree runs on a [`Value`]. Values know their Go types, because the rules for
//! comparing, printing and calling go by type and error texts name it; a program that offers its own data describes
//! it by [`StructType`] and [`Map`].
//!
//! ```
//! use gotext::template::{Template, Value};
//!
//! let template = Template::parse("commit message", "{{ . | upper | quote }}")?;
//! assert_eq!(template.render(&Value::string("a:1"))?, "\"A:1\"");
//!
//! let error = Template::parse("commit message", "{{ now }}").unwrap_err();
//! assert_eq!(error.to_string(), "template: commit message:1: function \"now\" not defined");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;
mod compare;
mod context;
mod execute;
mod float;
mod format;
mod function;
mod lex;
mod literal;
mod operand;
mod parse;
mod print;
mod sprig;
mod syntax;
mod token;
mod value;

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use self::syntax::Tree;
use crate::quote::quote;

pub use self::value::{Dict, Field, IntKind, List, Map, Method, MethodError, Parameter, Struct, StructType, Value};

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 256 * 1024;

/// The longest output, and the longest string that a function may make, in bytes.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// The most work one rendering may do. One unit is about one evaluated node, half a list element, or 16 bytes of text.
const MAX_WORK: u64 = 4_000_000;

/// The deepest nesting of blocks and parentheses in a template.
const MAX_NESTING: usize = 64;

/// The deepest nesting of blocks, parentheses and `template` calls while a template runs.
const MAX_DEPTH: usize = 160;

/// The deepest nesting of lists and dictionaries in a value.
const MAX_VALUE_DEPTH: usize = 64;

/// The longest text of an error, in bytes; a longer one is cut.
const MAX_MESSAGE: usize = 4096;

/// The largest number of repetitions in one `range` over an integer, `until`, `untilStep` or `seq`.
const MAX_RANGE: usize = 100_000;

/// A parsed template. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Template {
    tree: Arc<Tree>,
}

impl Template {
    /// Parses a template. The name is used in error messages.
    ///
    /// # Errors
    /// What Go calls a parse error: bad syntax, an unknown function, an undefined variable, an unclosed block.
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        let tree = parse::parse(name, text)?;
        Ok(Self { tree: Arc::new(tree) })
    }

    /// Runs the template on a value and returns its output, unchanged.
    ///
    /// # Errors
    /// What Go calls an execution error, and exceeding a limit of this module.
    pub fn render(&self, data: &Value) -> Result<String, RenderError> {
        execute::execute(&self.tree, data)
    }

    /// The text the template was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.tree.text
    }
}

/// The names of all functions.
pub fn functions() -> impl Iterator<Item = &'static str> {
    function::all().map(|(name, _)| name)
}

/// Why a text is not a template; displays as Go's `template: NAME:LINE: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The template's name.
    name: String,
    /// The line that Go reports, from 1.
    pub line: usize,
    /// The column in that line, in bytes, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    hint: Option<&'static str>,
    /// The function that is not there, where that is what is wrong.
    function: Option<String>,
}

impl ParseError {
    /// The name of the function that is not there, where that is what is wrong.
    #[must_use]
    pub fn unknown_function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// What a user may want to know beyond the message, such as why a function of sprig is not there.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

/// Why a template could not be run; displays as Go's
/// `template: NAME:LINE:COLUMN: executing "NAME" at <CONTEXT>: REASON`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct RenderError {
    /// Where in the template.
    place: Box<Place>,
    /// What went wrong.
    reason: Reason,
    /// The field that is not there, where that is what went wrong.
    missing: Option<Box<MissingField>>,
}

/// A field or method that was asked of a value which has none of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// The name that was asked for.
    pub name: String,
    /// What it was asked of.
    pub receiver: Receiver,
    /// Whether `$`, the whole of what the template was given, has it.
    pub is_of_whole: bool,
}

/// What a field was asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// A struct, with the names of its fields, also those of embedded ones, and methods.
    Struct(Vec<&'static str>),
    /// A list.
    List,
    /// A map whose keys are no strings.
    Map,
    /// A text, a number, or whatever else has no fields.
    Other,
}

impl RenderError {
    /// The field that is not there, where that is what went wrong.
    #[must_use]
    pub fn missing_field(&self) -> Option<&MissingField> {
        self.missing.as_deref()
    }

    /// Whether a limit of this module was exceeded: the template may be right, and what it was given too much for it.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(self.reason, Reason::Limit(_))
    }
}

/// A place in a template that was running, with all that Go's message says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The name of the whole template.
    name: String,
    /// The line, from 1.
    line: usize,
    /// The column in bytes, from 0 as Go counts it.
    column: usize,
    /// The name of the template that was running: `name`, or that of a `define`.
    executing: String,
    /// The piece of the template that failed.
    context: String,
}

/// What went wrong while a template ran.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Reason {
    /// An expression that cannot be evaluated: a missing field, a wrong type.
    #[error("{0}")]
    Evaluate(String),
    /// A function or method failed.
    #[error("error calling {function}: {message}")]
    Call {
        /// Its name.
        function: String,
        /// What it said.
        message: String,
    },
    /// A limit of this module was exceeded.
    #[error("{0}")]
    Limit(String),
    /// The data has this field no longer; the text says what to use.
    #[error("{0}")]
    Removed(String),
}

impl Reason {
    /// The reason with its text cut to [`MAX_MESSAGE`].
    fn bounded(self) -> Self {
        match self {
            Self::Call { function, message } => Self::Call { function, message: bounded(message) },
            Self::Evaluate(message) => Self::Evaluate(bounded(message)),
            Self::Limit(message) => Self::Limit(bounded(message)),
            Self::Removed(message) => Self::Removed(bounded(message)),
        }
    }
}

/// A text of an error, cut to [`MAX_MESSAGE`].
fn bounded(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}

impl RenderError {
    /// The line of the template that failed, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.place.line
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Reason::Removed(message) = &self.reason {
            return f.write_str(message);
        }
        let Place { name, line, column, executing, context } = &*self.place;
        let (executing, reason) = (quote(executing), &self.reason);
        write!(f, "template: {name}:{line}:{column}: executing {executing} at <{context}>: {reason}")
    }
}

#[cfg(test)]
mod tests;
