//! What the other tags of a repository say about one of them.
//!
//! Siblings are tags with the same words and separators in the same places. A number that several of them share, while
//! the rest moves, is a line of its own; one that is different in each of them moves with the releases.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::moment;
use super::tokens::{self, HASH_DIGITS, Token};

/// More siblings than these say nothing new.
const MAX_SIBLINGS: usize = 1024;

/// More tags than these are not read in search of siblings.
const MAX_READ: usize = 4096;

/// Fewer siblings than these say nothing.
const MIN_SIBLINGS: usize = 4;

/// Of so many siblings one has to share a number that stays.
const RECURRENCE: usize = 4;

/// Revisions start below, and begin again with each version; runtimes are beyond.
const MIN_LINE: u64 = 3;

/// The siblings of a tag, itself among them where it is listed.
#[derive(Debug, Default)]
pub(super) struct Siblings<'s> {
    own: Vec<Token<'s>>,
    siblings: Vec<Vec<Token<'s>>>,
}

impl<'s> Siblings<'s> {
    /// Finds the siblings of a tag among those of its repository.
    pub(super) fn of(own: &[Token<'s>], tags: &[&'s str]) -> Self {
        // Most tags of a long list need not be read to see that they are none.
        let parts = |tag: &str| tag.bytes().filter(|byte| matches!(byte, b'-' | b'_')).count();
        let own_parts = own.iter().map(|token| parts(&text(token))).sum::<usize>();
        let first = match own {
            [Token::Word(word), ..] => word,
            _ => "",
        };
        let may_be_one = |tag: &&str| tag.starts_with(first) && parts(tag) == own_parts;
        let candidates = tags.iter().copied().filter(may_be_one).take(MAX_READ);
        let siblings = candidates.map(tokens::read).filter(|tokens| alike(own, tokens)).take(MAX_SIBLINGS);
        Self { own: own.to_vec(), siblings: siblings.collect() }
    }

    /// Whether the digits of a token are a hash without letters: those of its siblings have some, or all of them have none.
    pub(super) fn is_hash(&self, at: usize) -> Option<bool> {
        if self.siblings.iter().any(|tokens| matches!(tokens[at], Token::Hash(_))) {
            return Some(true);
        }
        (self.siblings.len() >= MIN_SIBLINGS).then_some(false)
    }

    /// Whether first numbers are years of two digits, and second ones months with two. Months in which Ubuntu is released
    /// alone are no evidence.
    pub(super) fn years_and_months(&self, at: usize) -> bool {
        let mut months = BTreeSet::new();
        for tokens in self.siblings.iter().filter(|tokens| self.as_many_dots(tokens, at)) {
            let Token::Number(text) = tokens[at] else { return false };
            let (year, rest) = text.split_once('.').unwrap_or((text, ""));
            let month = rest.split('.').next().unwrap_or_default();
            let valid =
                |text: &str, most: u32| text.len() == 2 && text.parse().is_ok_and(|it: u32| (1..=most).contains(&it));
            if !valid(year, 39) || !valid(month, 12) {
                return false;
            }
            months.insert(month);
        }
        months.iter().any(|month| month.starts_with('0') && *month != "04")
    }

    fn as_many_dots(&self, tokens: &[Token<'_>], at: usize) -> bool {
        let dots = |token: &Token<'_>| match token {
            Token::Number(text) => text.matches('.').count(),
            _ => 0,
        };
        dots(&self.own[at]) == dots(&tokens[at])
    }

    /// Whether numbers behind the third one are updates, which not every version has; none where the siblings do not tell.
    /// Three numbers that are the start of others are mostly a name that moves, not a version without an update.
    pub(super) fn have_updates(&self, at: usize) -> Option<bool> {
        let texts = || self.siblings.iter().filter_map(|tokens| number(&tokens[at]));
        let (short, long): (BTreeSet<&str>, BTreeSet<&str>) = texts().partition(|text| text.matches('.').count() < 3);
        let three = short.iter().filter(|text| text.matches('.').count() == 2);
        let starts = |text: &&&str| {
            long.iter().any(|other| other.strip_prefix(**text).is_some_and(|rest| rest.starts_with('.')))
        };
        let (moving, versions): (Vec<&&str>, Vec<&&str>) = three.partition(starts);
        match (moving.len(), versions.len()) {
            (0, 0) => (self.siblings.len() >= MIN_SIBLINGS).then_some(false),
            (moving, versions) => Some(versions >= moving),
        }
    }

    /// Whether two numbers are a version whose third is 0, as in `3.9` beside `3.10.1`, and not a name that moves with those of
    /// three: most have none of three that they are the start of.
    pub(super) fn leave_zeros_out(&self, at: usize) -> bool {
        let texts = || self.siblings.iter().filter_map(|tokens| number(&tokens[at]));
        let (two, three): (BTreeSet<&str>, BTreeSet<&str>) = (with_dots(texts(), 1), with_dots(texts(), 2));
        let starts =
            |short: &str| three.iter().any(|it| it.strip_prefix(short).is_some_and(|rest| rest.starts_with('.')));
        let moving = two.iter().filter(|short| starts(short)).count();
        !three.is_empty() && self.siblings.len() >= MIN_SIBLINGS && moving * 2 < two.len()
    }

    /// Whether some siblings have two numbers where a tag has three.
    pub(super) fn are_shorter(&self, at: usize) -> bool {
        let dots = |token: &Token<'_>| matches!(token, Token::Number(text) if text.matches('.').count() == 1);
        self.siblings.iter().any(|tokens| dots(&tokens[at]))
    }

    /// Whether a number is one of several lines that go on side by side: there are fewer lines than tags, all numbers are beyond
    /// what revisions start with, and two lines share more than one version.
    pub(super) fn is_line(&self, at: usize) -> bool {
        let mut lines: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for tokens in &self.siblings {
            let Token::Number(number) = tokens[at] else { return false };
            lines.entry(number).or_default().insert(without(tokens, at));
        }
        let Token::Number(number) = self.own[at] else { return false };
        let Some(own) = lines.get(number) else { return false };
        let beyond = |number: &&str| number.contains('.') || number.parse().is_ok_and(|number: u64| number >= MIN_LINE);
        let shares = |other: &BTreeSet<String>| own.intersection(other).nth(1).is_some();
        lines.len() * 2 <= self.siblings.len()
            && lines.keys().all(beyond)
            && lines.iter().any(|(other, versions)| *other != number && shares(versions))
    }

    /// Whether a number is another one in most siblings; none where these are too few.
    pub(super) fn moves(&self, at: usize) -> Option<bool> {
        let same = self.siblings.iter().filter(|tokens| tokens[at] == self.own[at]).count();
        (self.siblings.len() >= MIN_SIBLINGS).then_some(same * RECURRENCE <= self.siblings.len())
    }
}

fn number<'t>(token: &Token<'t>) -> Option<&'t str> {
    if let Token::Number(text) = token { Some(text) } else { None }
}

/// Those of several numbers that have so many dots.
fn with_dots<'t>(numbers: impl Iterator<Item = &'t str>, dots: usize) -> BTreeSet<&'t str> {
    numbers.filter(|text| text.matches('.').count() == dots).collect()
}

/// What a tag has besides one token, hashes apart.
fn without(tokens: &[Token<'_>], at: usize) -> String {
    let others = tokens[..at].iter().chain(&tokens[at + 1..]);
    others.filter(|token| !matches!(token, Token::Hash(_))).map(text).collect()
}

fn text<'t>(token: &Token<'t>) -> Cow<'t, str> {
    match token {
        Token::Separator(text) | Token::Word(text) | Token::Number(text) | Token::Hash(text) => Cow::Borrowed(text),
        Token::Moment(moment) => moment::text(moment).into(),
    }
}

/// Whether two tags have the same words and separators, and numbers, dates and hashes in the same places.
fn alike(first: &[Token<'_>], second: &[Token<'_>]) -> bool {
    let may_be_hash = |token: &Token<'_>| match token {
        Token::Hash(_) => true,
        Token::Number(text) => text.len() >= HASH_DIGITS && !text.contains('.'),
        _ => false,
    };
    first.len() == second.len()
        && first.iter().zip(second).all(|(first, second)| match (first, second) {
            (Token::Separator(_) | Token::Word(_), _) => first == second,
            (Token::Number(_), Token::Number(_)) | (Token::Moment(_), Token::Moment(_)) => true,
            _ => may_be_hash(first) && may_be_hash(second),
        })
}
