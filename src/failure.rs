//! A failure as everybody outside gets it: one value behind the exit code, the next try, the text, the hint and the JSON.
//!
//! Each module has typed errors of its own. Where one of them reaches the command line or the bot it becomes a [`Failure`],
//! once; from there on nobody asks again what it was. The modules of the program convert their errors beside the errors
//! themselves, those of other crates are converted in `convert.rs`.
//!
//! ```text
//! error: cannot read the changes in missing.json
//!   caused by: no such file or directory
//!   hint: check the path
//! ```

mod convert;

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use serde_json::error::Category;

use crate::snippet::{Style, levels};

/// What a failure calls for. It alone decides retries and the exit code; of several failures, the greatest is the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A timeout, a 5xx, a push race lost too often: worth trying again.
    Transient,
    /// Not permitted, or not there: worth another look at the next interval.
    Denied,
    /// The configuration or the command line has to change.
    Config,
    /// A broken invariant.
    Internal,
}

impl Kind {
    /// The process's exit code for a failure of this kind.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Transient | Self::Denied => 1,
            Self::Config => 2,
            Self::Internal => 70,
        }
    }
}

/// A result whose error is a [`Failure`] unless another type is named.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What went wrong, in words, and what that calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    story: Story,
    hint: Option<String>,
    retry_after: Option<Duration>,
}

/// The words of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Story {
    /// What failed, and its causes, from the outermost to the innermost.
    Sentences { what: String, causes: Vec<String> },
    /// Paragraphs that stand for themselves, each with its place and its hint.
    Report { plain: String, colored: String },
    /// Nobody reads the standard output any more, as when it is piped into `head`: there is nothing to tell.
    Unread,
}

/// Words that mean something to programmers alone, and JSON's for the same.
const JSON_WORDS: [(&str, &str); 4] = [
    ("expected usize", "expected a number"),
    ("expected a sequence", "expected a list"),
    ("type: sequence", "type: list"),
    ("type: map", "type: object"),
];

impl Failure {
    /// A failure that is told in one sentence: lower case, no final period.
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        let story = Story::Sentences { what: what.into(), causes: Vec::new() };
        Self { kind, story, hint: None, retry_after: None }
    }

    /// The command line, or a file that it names, cannot be used as it is. An empty hint is none.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::Config, what).with_hint(Some(hint))
    }

    /// A JSON document has another shape than it should.
    pub(crate) fn shape(what: impl Into<String>) -> Self {
        Self::usage(what, "docs/reference/json.md shows the shape of every JSON document")
    }

    /// A text is not the JSON that it should be.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let words = error.to_string();
        let what = words.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&words);
        let what = JSON_WORDS.iter().fold(what.to_owned(), |what, (theirs, ours)| what.replace(theirs, ours));
        // Of a whole document that is another thing than it should be, no column is known.
        let place = if column == 0 { String::new() } else { format!(", in line {line}, column {column}") };
        Self::shape(match error.classify() {
            Category::Eof if (line, column) <= (1, 0) => "it is empty".to_owned(),
            Category::Eof => format!("the JSON ends too early, in line {line}"),
            Category::Syntax => format!("it is not JSON: {what}{place}"),
            Category::Io | Category::Data => format!("{what}{place}"),
        })
    }

    /// What was asked for is not there, or not now. An empty hint is none.
    pub(crate) fn missing(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::Denied, what).with_hint(Some(hint))
    }

    /// A report that is written without and with colours, in place of a sentence.
    pub(crate) const fn report(kind: Kind, plain: String, colored: String) -> Self {
        Self { kind, story: Story::Report { plain, colored }, hint: None, retry_after: None }
    }

    /// Nobody reads the standard output any more.
    pub(crate) const fn unread() -> Self {
        Self { kind: Kind::Denied, story: Story::Unread, hint: None, retry_after: None }
    }

    /// A typed error with everything that caused it.
    pub(crate) fn of(kind: Kind, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(words::system(&cause.to_string()));
            source = cause.source();
        }
        let story = Story::Sentences { what: words::system(&error.to_string()), causes };
        Self { kind, story, hint: None, retry_after: None }
    }

    /// The same with a hint, where there is one.
    pub(crate) fn with_hint(self, hint: Option<impl Into<String>>) -> Self {
        let hint = hint.map(Into::into).filter(|hint| !hint.is_empty());
        Self { hint, ..self }
    }

    /// The same, with the time that the other side asks to be left alone.
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// The failure of a remote that has just been named.
    pub(crate) fn of_it(error: &git::Error) -> Self {
        let failure = Self::from(error);
        let story = match failure.story {
            Story::Sentences { causes, .. } => Story::Sentences { what: error.of_it(), causes },
            story => story,
        };
        Self { story, ..failure }
    }

    /// The same as the cause of what this sentence says.
    pub(crate) fn under(self, sentence: impl Into<String>) -> Self {
        let story = match self.story {
            Story::Sentences { what, mut causes } => {
                causes.insert(0, what);
                Story::Sentences { what: sentence.into(), causes }
            }
            story => story,
        };
        Self { story, ..self }
    }

    /// What it calls for.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// How long the other side asks to wait before the next attempt, where it says so.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The process's exit code. That nobody reads on is no failure of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.story == Story::Unread { 0 } else { self.kind.exit_code() }
    }

    /// All of it on one line, without the hint; a report keeps its lines.
    pub(crate) fn line(&self) -> String {
        match &self.story {
            Story::Sentences { what, causes } => {
                causes.iter().fold(words::escape(what), |text, cause| format!("{text}: {}", words::escape(cause)))
            }
            Story::Report { plain, .. } => plain.clone(),
            Story::Unread => String::new(),
        }
    }

    /// All of it for people: a line for each cause, then the hint.
    pub(crate) fn render(&self, style: Style) -> String {
        let (what, causes) = match &self.story {
            Story::Sentences { what, causes } => (what, causes),
            Story::Report { plain, colored } => {
                return if style == Style::Colored { colored.clone() } else { plain.clone() };
            }
            Story::Unread => return String::new(),
        };
        // Each on one line: whatever they repeat, it must not look like a line of ours.
        let mut text = format!("error: {}\n", words::escape(what));
        for cause in causes {
            let _ = writeln!(text, "  caused by: {}", words::escape(cause));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "  hint: {}", words::escape(hint));
        }
        levels(&text, style)
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// Makes the error the cause of this sentence.
    fn context(self, sentence: impl Into<String>) -> Result<T>;

    /// The same, for a sentence that has to be put together first.
    fn with_context(self, sentence: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Failure>> Context<T> for Result<T, E> {
    fn context(self, sentence: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.into().under(sentence))
    }

    fn with_context(self, sentence: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().under(sentence()))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_exit_code_the_text_and_the_line_come_from_one_value() {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let failure = Err::<(), _>(missing()).context("cannot read a.json").expect_err("it failed");
        assert_eq!((failure.kind(), failure.exit_code(), failure.hint()), (Kind::Config, 2, Some("check the path")));
        assert_eq!(failure.line(), "cannot read a.json: no such file");
        assert_eq!(
            failure.render(Style::Plain),
            "error: cannot read a.json\n  caused by: no such file\n  hint: check the path\n"
        );
        assert_eq!(failure.under("cannot start").line(), "cannot start: cannot read a.json: no such file");
    }

    #[test]
    fn a_broken_connection_is_a_failure_and_a_closed_output_is_none() {
        let broken = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).under("the bot does not answer");
        assert_eq!(broken.exit_code(), 1);
        assert!(broken.render(Style::Plain).starts_with("error: the bot does not answer\n  caused by: "));
        let unread = Failure::unread().under("cannot write to standard output");
        assert_eq!((unread.exit_code(), unread.render(Style::Plain)), (0, String::new()));
    }

    #[test]
    fn a_report_stands_for_itself() {
        let failure = Failure::report(Kind::Config, "error: plain".to_owned(), "error: colored".to_owned());
        let failure = failure.under("cannot begin");
        assert_eq!(failure.render(Style::Plain), "error: plain");
        assert_eq!(failure.render(Style::Colored), "error: colored");
        assert_eq!(failure.exit_code(), 2);
    }

    #[test]
    fn an_empty_hint_is_none() {
        assert_eq!(Failure::usage("wrong", "").render(Style::Plain), "error: wrong\n");
        assert_eq!(Failure::missing("nothing there", "look elsewhere").hint(), Some("look elsewhere"));
    }
}
