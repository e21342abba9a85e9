//! Tells the bot's own commits from others, so that a pipeline need not build them.

use std::fmt;

use crate::message::DEFAULT_MESSAGE;
use crate::message::trailer::{AUTOMATION_TRAILER, values};

/// The author of a native automation that names none.
pub const DEFAULT_AUTHOR: Author<'static> = Author { name: "tagwright", email: "tagwright@users.noreply.example.com" };

/// The author of KubeVela's automations.
pub const KUBEVELA_AUTHOR: Author<'static> =
    Author { name: "kubevelabot", email: "kubevelabot@users.noreply.github.com" };

/// The authors that are taken for the bot: KubeVela's, and the one of native automations.
const DEFAULT_AUTHORS: [Author<'static>; 2] = [KUBEVELA_AUTHOR, DEFAULT_AUTHOR];

/// The beginnings of messages that are taken for the bot's: KubeVela's, and the default one.
const DEFAULT_PREFIXES: [&str; 2] = ["Update image automatically.", DEFAULT_MESSAGE];

/// The author of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author<'a> {
    /// The name, which may be empty.
    pub name: &'a str,
    /// The address; upper and lower case are the same.
    pub email: &'a str,
}

impl fmt::Display for Author<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// Signs of the bot's commits beside the defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct Criteria<'a> {
    /// Beginnings of messages. Empty ones are passed over.
    pub prefixes: &'a [String],
    /// Authors: an address, `Name <address>`, or a name.
    pub authors: &'a [String],
}

/// By what a commit is the bot's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// By the trailer that names the automation, which is its value.
    Trailer(String),
    /// By its author.
    Author(String),
    /// By how its message begins.
    Prefix(String),
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trailer(automation) => write!(f, "trailer {AUTOMATION_TRAILER}: {automation}"),
            Self::Author(author) => write!(f, "author {author}"),
            Self::Prefix(prefix) => write!(f, "message that begins with '{prefix}'"),
        }
    }
}

/// Whether a commit is the bot's own, and by what.
///
/// The trailer is looked at first, because it says most, then the author, then the beginning of the message.
/// A trailer counts only in the block of trailers at the end of the message, and when it names an automation; addresses count in
/// any case. The known beginnings end where a word does: `Update from image update automations are bad` is a person's.
///
/// ```
/// use tagwright_core::message::{Author, Criteria, recognise};
///
/// let author = Author { name: "Ada", email: "ada@example.com" };
/// let message = "Update images\n\nTagwright-Automation: default/shop\n";
/// let found = recognise(message, &author, &Criteria::default()).unwrap();
/// assert_eq!(found.to_string(), "trailer Tagwright-Automation: default/shop");
/// assert_eq!(recognise("Fix the shop", &author, &Criteria::default()), None);
/// ```
#[must_use]
pub fn recognise(message: &str, author: &Author<'_>, criteria: &Criteria<'_>) -> Option<Recognised> {
    if let Some(automation) = values(message, AUTOMATION_TRAILER).find(|value| is_automation(value)) {
        return Some(Recognised::Trailer(automation.to_owned()));
    }
    let by_default = DEFAULT_AUTHORS.iter().any(|known| author.email.trim().eq_ignore_ascii_case(known.email));
    if by_default || criteria.authors.iter().any(|known| is_author(author, known)) {
        return Some(Recognised::Author(author.to_string()));
    }
    let message = message.trim_start();
    let given = criteria.prefixes.iter().map(|prefix| prefix.trim()).filter(|prefix| !prefix.is_empty());
    let known = DEFAULT_PREFIXES.into_iter().filter(|prefix| begins_with_words(message, prefix));
    let prefix = known.chain(given.filter(|prefix| message.starts_with(prefix))).next()?;
    Some(Recognised::Prefix(prefix.to_owned()))
}

/// Whether a trailer's value is `namespace/name`.
fn is_automation(value: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c == '/' || c.is_whitespace());
    value.split_once('/').is_some_and(|(namespace, name)| is_name(namespace) && is_name(name))
}

/// Whether a message begins with words, the last of which does not go on after them.
fn begins_with_words(message: &str, words: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let goes_on = |rest: &str| words.ends_with(is_word) && rest.starts_with(is_word);
    message.strip_prefix(words).is_some_and(|rest| !goes_on(rest))
}

/// Whether a commit was written by a bot that commits as `own`: by its author's address, or by the name where `own` has no
/// address, or because it is [recognised](recognise) as a bot's anyway, this one's or another's.
///
/// ```
/// use tagwright_core::message::{Author, is_written_by};
///
/// let own = Author { name: "fluxcdbot", email: "flux@example.com" };
/// assert!(is_written_by(&own, "Release web", &Author { name: "Flux", email: "Flux@example.com" }));
/// assert!(!is_written_by(&own, "Release web", &Author { name: "fluxcdbot", email: "ada@example.com" }));
/// ```
#[must_use]
pub fn is_written_by(own: &Author<'_>, message: &str, author: &Author<'_>) -> bool {
    let is_own = match own.email.trim() {
        "" => !own.name.trim().is_empty() && author.name.trim() == own.name.trim(),
        email => author.email.trim().eq_ignore_ascii_case(email),
    };
    is_own || recognise(message, author, &Criteria::default()).is_some()
}

fn is_author(author: &Author<'_>, wanted: &str) -> bool {
    let wanted = wanted.trim();
    match wanted.strip_suffix('>').and_then(|wanted| wanted.split_once('<')) {
        Some((name, email)) => {
            author.email.trim().eq_ignore_ascii_case(email.trim())
                && (name.trim().is_empty() || author.name.trim() == name.trim())
        }
        None if wanted.is_empty() => false,
        None if wanted.contains('@') => author.email.trim().eq_ignore_ascii_case(wanted),
        None => author.name.trim() == wanted,
    }
}
