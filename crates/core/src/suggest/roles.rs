//! The roles of a tag's tokens: what counts, what identifies a commit, and what stays.
//!
//! The doubtful cases lean towards staying: a number taken for fixed makes a policy that stands still, a fixed one taken for
//! a number that counts makes one that changes the base image.

use super::moment::{Moment, MomentPart};
use super::siblings::Siblings;
use super::tokens::{self, HASH_DIGITS, Token};
use super::version::{self, Owner, behind_moment, is_calendar, is_java, is_release, owner};
use super::words;

/// A part of a tag with its role. Together the pieces are the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that every tag of this kind has.
    Literal(&'t str),
    /// The version that moves.
    Version(Version<'t>),
    /// A word behind the version that ranks below the release, perhaps with a number.
    Prerelease(Behind<'t>),
    /// A number that a version may have behind it: an update of that version.
    Update(Behind<'t>),
    /// A commit hash.
    Hash(&'t str),
    /// A date, perhaps with a time.
    Moment(Moment<'t>),
    /// A number that grows, or several with dots between.
    Number(&'t str),
}

/// One to three numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version<'t> {
    pub(super) text: &'t str,
    /// Whether the first number is a year.
    pub(super) calendar: bool,
    /// Whether numbers that it does not have may follow.
    pub(super) patch: bool,
}

/// What a version has behind it: `-`, `rc`, `.` and `1`, of which the word and the number may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Behind<'t> {
    pub(super) lead: &'t str,
    pub(super) word: &'t str,
    pub(super) between: &'t str,
    pub(super) number: &'t str,
}

impl Behind<'_> {
    /// Whether a pre-release ends with the release that it leads to, as `rc` does; builds of a branch go on.
    pub(super) fn ends_with_release(&self) -> bool {
        words::is_prerelease(self.word) || words::is_python_prerelease(self.word, self.lead, self.number)
    }
}

/// From this many digits on, a lone number is a counter; `16` and `21` are rather major versions.
const COUNTER_DIGITS: usize = 3;

/// The most digits of a number that may be a hash without letters.
const MAX_HASH_NUMBER: usize = 9;

/// Assigns the roles.
pub(super) fn assign<'t>(tokens: &[Token<'t>], siblings: &Siblings<'_>) -> Vec<Piece<'t>> {
    Reader { tokens, siblings, main: version::main(tokens, siblings) }.read()
}

struct Reader<'r, 't> {
    tokens: &'r [Token<'t>],
    siblings: &'r Siblings<'r>,
    main: Option<usize>,
}

/// What becomes of a number that is not the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Stays,
    Counts,
    Hash,
}

impl<'t> Reader<'_, 't> {
    fn read(&self) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            at += self.next(&mut pieces, at);
        }
        pieces
    }

    /// Adds the pieces of the tokens from one on, and says how many it took.
    fn next(&self, pieces: &mut Vec<Piece<'t>>, at: usize) -> usize {
        match &self.tokens[at] {
            Token::Separator(text) | Token::Word(text) => pieces.push(Piece::Literal(text)),
            Token::Hash(text) => pieces.push(Piece::Hash(text)),
            Token::Moment(moment) => pieces.push(Piece::Moment(moment.clone())),
            Token::Number(text) if self.main == Some(at) => return self.version(pieces, at, text),
            Token::Number(text) => match self.role(at, text) {
                Role::Stays => pieces.push(Piece::Literal(text)),
                Role::Hash => pieces.push(Piece::Hash(text)),
                Role::Counts if is_java(self.tokens) && owner(self.tokens, at).is_some_and(|it| it.word == "b") => {
                    let (build, update) = text.split_once('.').unwrap_or((text, ""));
                    let update = Behind { lead: ".", number: update, ..Behind::default() };
                    pieces.extend([Piece::Number(build), Piece::Update(update)]);
                }
                Role::Counts => pieces.push(Piece::Number(text)),
            },
        }
        1
    }

    /// The version with a fourth number, and the pre-release or update behind it.
    fn version(&self, pieces: &mut Vec<Piece<'t>>, at: usize, text: &'t str) -> usize {
        let calendar = is_calendar(text, || self.siblings.years_and_months(at));
        let end = text.match_indices('.').nth(2).map_or(text.len(), |(end, _)| end);
        let (version, more) = text.split_at(end);
        let next = self.tokens.get(at + 1..at + 3);
        let revision =
            matches!(next, Some([Token::Separator(_), Token::Number(_)])) && self.role_at(at + 2) == Role::Counts;
        let behind = self.prerelease(at + 1).or_else(|| self.update(at + 1));
        let prerelease = matches!(behind, Some((Piece::Prerelease(_), _)));
        // What has a build has all its numbers, so that two are a version whose third is 0.
        let counter = (at + 1..self.tokens.len()).any(|at| self.role_at(at) == Role::Counts);
        let short = version.matches('.').count() < 2 || (counter && more.is_empty() && self.siblings.are_shorter(at));
        let one = !text.contains('.');
        let ends = matches!(behind, Some((Piece::Prerelease(it), _)) if it.ends_with_release());
        let patch =
            (counter || prerelease || self.siblings.leave_zeros_out(at)) && short && !calendar && !(one && ends);
        pieces.push(Piece::Version(Version { text: version, calendar, patch }));
        if let Some(fourth) = more.strip_prefix('.') {
            if calendar && fourth.len() == HASH_DIGITS {
                pieces.extend([Piece::Literal(&more[..1]), Piece::Hash(fourth)]);
            } else if !calendar && self.siblings.have_updates(at).unwrap_or_else(|| is_update(fourth)) {
                let update = |number| Piece::Update(Behind { lead: ".", number, ..Behind::default() });
                pieces.extend(fourth.split('.').map(update));
            } else {
                pieces.extend([Piece::Literal(&more[..1]), Piece::Number(fourth)]);
            }
        } else if revision && self.tokens[at + 1] == Token::Separator("_") && (one || !patch) {
            // Java's `17.0.8.1_1` comes between `17.0.8_7` and `17.0.9_9`.
            pieces.push(Piece::Update(Behind { lead: ".", ..Behind::default() }));
        }
        match behind {
            Some((piece, taken)) => {
                pieces.push(piece);
                1 + taken
            }
            None => 1,
        }
    }

    fn prerelease(&self, at: usize) -> Option<(Piece<'t>, usize)> {
        let (behind, taken) = self.behind(at)?;
        let is_one = if behind.number.is_empty() {
            words::is_prerelease(behind.word) && self.ends_or_base(at + taken)
        } else {
            // A nightly build of a day has no release that it leads to.
            let dated = matches!(self.tokens[at + taken - 1], Token::Moment(_));
            words::is_prerelease(behind.word)
                || (words::is_numbered_prerelease(behind.word) && !dated)
                || (behind.word == "a" && behind.lead.is_empty())
        };
        is_one.then_some((Piece::Prerelease(behind), taken))
    }

    /// Whether the tag ends, or goes on with a base.
    fn ends_or_base(&self, at: usize) -> bool {
        match &self.tokens[at..] {
            [] => true,
            [Token::Separator(_), Token::Word(word), ..] => words::is_fixed(word),
            _ => false,
        }
    }

    fn update(&self, at: usize) -> Option<(Piece<'t>, usize)> {
        let (behind, taken) = self.behind(at)?;
        let number = !behind.number.is_empty() && !behind.number.contains('.');
        let is_one = words::is_update(behind.word) && number;
        is_one.then_some((Piece::Update(behind), taken))
    }

    /// A word behind the version, and the number behind that; how many tokens these are.
    fn behind(&self, at: usize) -> Option<(Behind<'t>, usize)> {
        let (lead, rest) = match self.tokens.get(at..)? {
            [Token::Separator(lead), rest @ ..] => (*lead, rest),
            rest => ("", rest),
        };
        let [Token::Word(word), rest @ ..] = rest else { return None };
        let (between, number) = match rest {
            [Token::Separator(between), number, ..] => (*between, digits(number)),
            [number, ..] => ("", digits(number)),
            [] => ("", ""),
        };
        let between = if number.is_empty() { "" } else { between };
        let behind = Behind { lead, word, between, number };
        let taken = [lead, word, between, number].iter().filter(|part| !part.is_empty()).count();
        Some((behind, taken))
    }

    fn role_at(&self, at: usize) -> Role {
        match &self.tokens[at] {
            Token::Number(text) if self.main != Some(at) => self.role(at, text),
            _ => Role::Stays,
        }
    }

    fn role(&self, at: usize, text: &str) -> Role {
        let owner = owner(self.tokens, at);
        let glued_counter = owner.as_ref().is_some_and(|owner| owner.glued && words::is_counted(owner.word));
        if self.main.is_some_and(|main| main < at && self.is_package(main, at, text)) {
            return Role::Counts;
        }
        // `bullseye.1` is the second image of that release, not another release.
        let fixed = |it: &Owner<'_>| words::is_fixed(it.word) && !(words::is_codename(it.word) && self.main.is_some());
        if owner.as_ref().is_some_and(|it| (fixed(it) && !glued_counter) || words::is_request(it.word)) {
            return Role::Stays;
        }
        // `4ddf5b` is a name.
        if matches!(self.tokens.get(at + 1), Some(Token::Word(_))) && !glued_counter {
            return Role::Stays;
        }
        let unknown = owner.as_ref().is_some_and(|owner| !words::is_counted(owner.word));
        if may_be_hash(text) && !glued_counter && !unknown {
            match self.siblings.is_hash(at) {
                Some(true) => return Role::Hash,
                Some(false) if self.main.is_none() && at + 1 == self.tokens.len() => return Role::Counts,
                _ => {}
            }
        }
        if text.contains('.') {
            let counts = match self.main {
                Some(main) if main < at && self.siblings.is_line(at) => false,
                Some(main) if main < at && self.siblings.moves(at) == Some(true) => true,
                main => main.is_some_and(|main| self.is_second(main, at, text)),
            };
            let counts = counts || glued_counter || behind_moment(self.tokens, at) || self.implements(at, text);
            return if counts { Role::Counts } else { Role::Stays };
        }
        match self.main {
            Some(main) if at > main && !glued_counter && self.siblings.is_line(at) => Role::Stays,
            Some(main) if at > main => match self.behind_version(main, at, text, owner.as_ref()) {
                Role::Stays if !self.echo(main, at) && self.siblings.moves(at) == Some(true) => Role::Counts,
                role => role,
            },
            Some(_) if glued_counter && self.siblings.moves(at) == Some(true) => Role::Counts,
            Some(_) => Role::Stays,
            None => self.without_version(at, text, owner.as_ref()),
        }
    }

    /// Whether a number with dots is the revision of a distribution's package, as in `v1.16.2-debian-1.1` and
    /// `v1.16.2-debian-elasticsearch7-1.1`; a release of a distribution is well above 1.
    fn is_package(&self, main: usize, at: usize, text: &str) -> bool {
        let distribution = |token: &Token<'_>| matches!(token, Token::Word(word) if words::is_distribution(word));
        let fixed = |it: Owner<'_>| it.glued || (words::is_fixed(it.word) && !words::is_distribution(it.word));
        matches!(text.split('.').next(), Some("0" | "1"))
            && self.tokens[main + 1..at].iter().any(distribution)
            && !owner(self.tokens, at).is_some_and(fixed)
    }

    /// Whether a number with dots belongs to the release as the version right before it does: `2.3.1-2.6.0`, `4.6.0_v2.0.9`. A
    /// release of a distribution does not, nor what has fewer numbers and a base behind it, as in `1.1.5-3.11-bookworm`.
    fn is_second(&self, main: usize, at: usize, text: &str) -> bool {
        let Token::Number(version) = self.tokens[main] else { return false };
        let dots = text.matches('.').count();
        match self.tokens.get(main + 1..at).unwrap_or_default() {
            [Token::Separator(_)] => {
                !(is_release(text) || dots < version.matches('.').count() && self.is_before_base(at))
            }
            [Token::Separator(_), Token::Word("v")] => dots > 1,
            _ => false,
        }
    }

    /// Whether a number of three parts is the version of the runtime before it, as in `8u292-b10-jre-openj9-0.26.0`.
    fn implements(&self, at: usize, text: &str) -> bool {
        let Some(before) = at.checked_sub(2).filter(|_| text.matches('.').count() > 1) else { return false };
        let fixed = owner(self.tokens, before).is_some_and(|owner| owner.glued && words::is_fixed(owner.word));
        fixed && matches!(self.tokens[before], Token::Number(_)) && matches!(self.tokens[at - 1], Token::Separator(_))
    }

    fn behind_version(&self, main: usize, at: usize, text: &str, owner: Option<&Owner<'_>>) -> Role {
        let is_hash = owner.is_none() && may_be_hash(text);
        let echo = self.echo(main, at);
        match owner {
            _ if is_hash => Role::Hash,
            _ if echo => Role::Stays,
            Some(owner) if owner.glued && owner.word == "v" && main + 3 < at => Role::Stays,
            Some(owner) if words::is_counted(owner.word) => Role::Counts,
            None if main + 2 == at && self.may_be_runtime(at, text) => Role::Stays,
            None if main + 2 == at => Role::Counts,
            _ if self.is_last(main, at) => Role::Counts,
            _ => Role::Stays,
        }
    }

    /// Whether a number repeats the version's line, as `1-28` does in `v1.28.4-eks-1-28-11`.
    fn echo(&self, main: usize, at: usize) -> bool {
        let Token::Number(version) = &self.tokens[main] else { return false };
        let numbers: Vec<&str> = version.split('.').take(2).collect();
        let number = |at: usize| match self.tokens.get(at) {
            Some(Token::Number(text)) => *text,
            _ => "",
        };
        let pair = |at: usize| [number(at), number(at + 2)] == numbers[..];
        pair(at) || (at >= 2 && pair(at - 2) && at - 2 > main)
    }

    /// Whether no number behind this one counts, of bare ones.
    fn is_last(&self, main: usize, at: usize) -> bool {
        !(at + 1..self.tokens.len()).any(|later| {
            let own = owner(self.tokens, later);
            matches!(&self.tokens[later], Token::Number(text) if !text.contains('.'))
                && !own.is_some_and(|it| words::is_fixed(it.word))
                && !self.echo(main, later)
        })
    }

    /// Whether a number between a version and the base of a runtime may be that runtime's: `18` in `1.0.0-18-alpine3.17`.
    fn may_be_runtime(&self, at: usize, text: &str) -> bool {
        self.is_before_base(at) && text.len() > 1 && self.tokens[at - 1] == Token::Separator("-")
    }

    fn is_before_base(&self, at: usize) -> bool {
        let next = self.tokens.get(at + 1..at + 3);
        matches!(next, Some([Token::Separator(_), Token::Word(word)]) if words::is_slim_base(word))
    }

    fn without_version(&self, at: usize, text: &str, owner: Option<&Owner<'_>>) -> Role {
        let moments = || self.tokens.iter().any(|token| matches!(token, Token::Moment(_)));
        let timestamps =
            || self.tokens.iter().any(|token| matches!(token, Token::Number(text) if tokens::is_timestamp(text)));
        match owner {
            _ if tokens::is_timestamp(text) => Role::Counts,
            _ if text.len() >= HASH_DIGITS && (moments() || timestamps()) => Role::Hash,
            Some(owner) if words::is_branch(owner.word) && may_be_hash(text) => Role::Hash,
            Some(owner) if words::is_counted(owner.word) => Role::Counts,
            Some(owner) if owner.word == "v" && self.tokens.len() == 2 && is_build(text) => Role::Counts,
            Some(_) => Role::Stays,
            None if self.tokens.len() == 1 && may_be_hash(text) => Role::Hash,
            None if self.tokens.len() == 1 && is_build(text) => Role::Counts,
            None if self.follows_count(at) || self.before_hash(at, text) => Role::Counts,
            None if at == 0 && super::moment::is_short_date(text) => Role::Counts,
            None => Role::Stays,
        }
    }

    /// Whether a number stands behind something that counts, or behind a hash that does not follow a request's number.
    fn follows_count(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(2) else { return false };
        if !matches!(self.tokens[at - 1], Token::Separator(_)) {
            return false;
        }
        match &self.tokens[before] {
            Token::Moment(_) | Token::Hash(_) => true,
            Token::Number(_) => self.role_at(before) != Role::Stays,
            _ => false,
        }
    }

    /// Whether a number is a build's before the hash of its commit, not a major version.
    fn before_hash(&self, at: usize, text: &str) -> bool {
        let hash = matches!(self.tokens.get(1..3), Some([Token::Separator(_), Token::Hash(_) | Token::Word("v")]));
        at == 0 && hash && (text.len() >= COUNTER_DIGITS || self.siblings.moves(at) == Some(true))
    }
}

/// A number, or a date that is written as one; empty for anything else.
fn digits<'t>(token: &Token<'t>) -> &'t str {
    match token {
        Token::Number(text) => text,
        Token::Moment(parts) => match parts[..] {
            [MomentPart::Digits(_, text)] => text,
            _ => "",
        },
        _ => "",
    }
}

/// Whether a lone number is a build's, not a major version or a year.
fn is_build(digits: &str) -> bool {
    digits.len() >= COUNTER_DIGITS && !super::moment::is_year(digits)
}

/// Whether a fourth number updates the third one. Every version has one where it is 0 or has more digits.
fn is_update(fourth: &str) -> bool {
    matches!(fourth.as_bytes(), [b'1'..=b'9'])
}

/// Seven to nine digits, which an abbreviated hash may have by chance.
fn may_be_hash(digits: &str) -> bool {
    (HASH_DIGITS..=MAX_HASH_NUMBER).contains(&digits.len())
}
