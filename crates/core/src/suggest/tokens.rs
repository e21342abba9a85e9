//! A tag as a row of tokens: what is written, before anyone asks what it means.

use super::moment::{self, Moment};

/// A part of a tag. Together the tokens are the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// One of `-`, `_`, `.`.
    Separator(&'t str),
    /// Letters, perhaps with digits among them, but never at the end: `alpine`, `k3s`, `amd`.
    Word(&'t str),
    /// Digits, or several numbers with dots between: `17`, `3.19`, `1.24.0.4930`.
    Number(&'t str),
    /// A commit hash.
    Hash(&'t str),
    /// A date, perhaps with a time.
    Moment(Moment<'t>),
}

/// Words before a commit hash.
const HASHED: &[&str] = &["commit", "git", "sha"];

/// How short an abbreviated hash may be.
pub(super) const HASH_DIGITS: usize = 7;

/// The fewest characters of a hash with underscores, as Jenkins writes them.
const JENKINS_HASH: usize = 12;

/// Reads a valid tag.
pub(super) fn read(tag: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = tag;
    while !rest.is_empty() {
        let taken = next(&mut tokens, rest);
        rest = &rest[taken..];
    }
    tokens
}

/// Takes the next token, or two, and returns their length, which is at least 1.
fn next<'t>(tokens: &mut Vec<Token<'t>>, rest: &'t str) -> usize {
    if rest.starts_with(['-', '_', '.']) {
        tokens.push(Token::Separator(&rest[..1]));
        return 1;
    }
    let behind_version = tokens.iter().any(|token| matches!(token, Token::Number(text) if text.contains('.')));
    let dotted = || behind_version.then(|| moment::dotted(rest)).flatten();
    if let Some((moment, taken)) = moment::read(rest).or_else(dotted) {
        tokens.push(Token::Moment(moment));
        return taken;
    }
    if let Some(taken) = x86(rest) {
        tokens.push(Token::Word(&rest[..taken]));
        return taken;
    }
    let atom = atom(rest);
    if let Some((lead, taken)) = hash(rest, atom, word_before(tokens)) {
        tokens.extend((lead > 0).then(|| Token::Word(&rest[..lead])));
        tokens.push(Token::Hash(&rest[lead..taken]));
        return taken;
    }
    let token = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        Token::Number(number(rest))
    } else {
        Token::Word(word(rest, atom))
    };
    let (Token::Number(text) | Token::Word(text)) = &token else { return 1 };
    let taken = text.len();
    tokens.push(token);
    taken
}

/// The length of `x86_64`, whose separator separates nothing.
fn x86(rest: &str) -> Option<usize> {
    let found = ["x86_64", "x86-64"].into_iter().find(|name| rest.starts_with(name))?;
    (!rest[found.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(found.len())
}

/// The text up to the next separator.
fn atom(rest: &str) -> &str {
    &rest[..rest.find(['-', '_', '.']).unwrap_or(rest.len())]
}

fn word_before<'t>(tokens: &[Token<'t>]) -> &'t str {
    match tokens {
        [.., Token::Word(word)] | [.., Token::Word(word), Token::Separator(_)] => word,
        _ => "",
    }
}

/// Digits, and more digits behind dots, but for a hash.
fn number(rest: &str) -> &str {
    let mut end = digits(rest);
    while let Some(more) = rest[end..].strip_prefix('.') {
        if digits(more) == 0 || (digits(more) < atom(more).len() && is_hash(atom(more))) {
            break;
        }
        end += 1 + digits(more);
    }
    &rest[..end]
}

/// The letters of an atom without the number that ends it; up to the first digit where a version or date follows.
fn word<'t>(rest: &'t str, atom: &'t str) -> &'t str {
    let letters = atom.find(|c: char| c.is_ascii_digit()).unwrap_or(atom.len());
    let end = atom.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let splits = matches!(&atom[..letters], "v" | "V") || moment::read(&rest[letters..]).is_some();
    if splits { &atom[..letters] } else { &atom[..end] }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Where a hash starts and ends: all of an atom, what follows a `g` as git describes commits, or `v…_…` as Jenkins does.
fn hash(rest: &str, atom: &str, word: &str) -> Option<(usize, usize)> {
    let named = HASHED.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is_hash(atom) || (named && is_hex(atom)) {
        return Some((0, atom.len()));
    }
    let glued = |name: &&&str| atom.strip_prefix(**name).is_some_and(is_hash);
    if let Some(name) = HASHED.iter().find(glued) {
        return Some((name.len(), atom.len()));
    }
    if let Some(hex) = atom.strip_prefix('g')
        && is_hex(hex)
        && hex.bytes().any(|b| b.is_ascii_digit())
    {
        return Some((1, atom.len()));
    }
    let jenkins = rest.strip_prefix('v')?;
    let end = jenkins.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f' | '_')).unwrap_or(jenkins.len());
    let is_one = end >= JENKINS_HASH && jenkins[..end].contains('_') && jenkins.bytes().any(|b| b.is_ascii_digit());
    (is_one && !jenkins[end..].starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((1, 1 + end))
}

fn is_hex(text: &str) -> bool {
    text.len() >= HASH_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Hexadecimal digits with both kinds among them, or as many as a whole hash has.
fn is_hash(text: &str) -> bool {
    let mixed = text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic());
    is_hex(text) && (mixed || text.len() >= 40)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, in this century's first half or so.
pub(super) fn is_timestamp(digits: &str) -> bool {
    matches!(digits.len(), 10 | 13 | 16 | 19) && matches!(digits.as_bytes()[0], b'1' | b'2')
}
