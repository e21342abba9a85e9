//! Which number of a tag is the version that moves, and whose numbers the others are.

use super::moment;
use super::siblings::Siblings;
use super::tokens::Token;
use super::words;

/// The token of the version that moves: the first number with a dot that is not a base's or runtime's.
pub(super) fn main(tokens: &[Token<'_>], siblings: &Siblings<'_>) -> Option<usize> {
    let dots = |at: &usize| match &tokens[*at] {
        Token::Number(text) => text.matches('.').count(),
        _ => 0,
    };
    let moment = tokens.iter().position(|token| matches!(token, Token::Moment(_)));
    let own = |at: &usize| {
        let other = |owner: Owner<'_>| words::is_fixed(owner.word) || words::is_request(owner.word);
        // What was built of a branch, `v20231102-92dfe5f2a2-1.28`, has the time for its version.
        let line = dots(at) == 1 && moment.is_some_and(|moment| moment < *at);
        !owner(tokens, *at).is_some_and(other) && !behind_moment(tokens, *at) && !line
    };
    let java = is_java(tokens);
    if is_of_one_number(tokens) {
        return Some(0);
    }
    let mut found = (0..tokens.len()).filter(|at| dots(at) > 0).filter(own);
    let moments = moment.is_some();
    let at = match (found.next(), found.next()) {
        _ if java => return None,
        // `3.10-7.3.13`: what has fewer numbers is a line, and what follows it the version.
        (Some(first), Some(second)) if second == first + 2 && dots(&first) == 1 && dots(&second) == 2 => second,
        (Some(first), _) => first,
        // `go1.21.3` is the version where nothing else is one.
        (None, _) if !moments => {
            let at = (0..tokens.len()).find(|at| dots(at) > 1)?;
            if counts(&tokens[..at]) {
                return None;
            }
            at
        }
        (None, _) => return None,
    };
    let Token::Number(text) = &tokens[at] else { return None };
    let release = dots(&at) == 1 && is_release(text) && !siblings.years_and_months(at);
    (!(release || dots(&at) == 1 && is_moving(tokens, at))).then_some(at)
}

/// Whether a version of one number begins a tag: `17rc1` and `17-ea-20`, or Java's first of a line, `21_35-jdk`.
fn is_of_one_number(tokens: &[Token<'_>]) -> bool {
    let (Some(Token::Number(first)), rest) = (tokens.first(), tokens.get(1..).unwrap_or_default()) else {
        return false;
    };
    let counted = match rest {
        [Token::Word(word), Token::Number(_), ..]
        | [Token::Separator(_), Token::Word(word), Token::Number(_), ..]
        | [Token::Separator(_), Token::Word(word), Token::Separator(_), Token::Number(_), ..] => {
            words::is_prerelease(word)
        }
        [Token::Separator("_"), Token::Number(_), Token::Separator(_), Token::Word(word), ..] => words::is_java(word),
        _ => false,
    };
    counted && !first.contains('.')
}

/// Whether two numbers are a line whose newest the publisher moves: `3.13-rc`, `v1.28-latest`, `1.21-dev-rootless`.
fn is_moving(tokens: &[Token<'_>], at: usize) -> bool {
    let numbered =
        |rest: &[Token<'_>]| matches!(rest, [Token::Number(_), ..] | [Token::Separator(_), Token::Number(_), ..]);
    let prerelease = matches!(&tokens[at + 1..], [Token::Separator(_), Token::Word(word), rest @ ..]
        if words::is_prerelease(word) && !numbered(rest));
    let built = |token: &Token<'_>| matches!(token, Token::Moment(_) | Token::Hash(_));
    let channel = |token: &Token<'_>| matches!(token, Token::Word(word) if words::is_channel(word));
    prerelease || (tokens.iter().any(channel) && !tokens.iter().any(built) && !counts(tokens))
}

/// Whether a tag has Java's old versions, `8u402`.
pub(super) fn is_java(tokens: &[Token<'_>]) -> bool {
    tokens.windows(3).any(|it| matches!(it, [Token::Number(_), Token::Word("u"), Token::Number(_)]))
}

/// Whether nothing but a separator stands between a date and a number.
pub(super) fn behind_moment(tokens: &[Token<'_>], at: usize) -> bool {
    matches!(tokens[..at], [.., Token::Moment(_), Token::Separator(_)])
}

/// Whether any number stands behind a word that counts.
fn counts(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len()).any(|at| {
        matches!(&tokens[at], Token::Number(text) if !text.contains('.'))
            && owner(tokens, at).is_some_and(|owner| words::is_counted(owner.word))
    })
}

/// Whether a text is a year and month in which Ubuntu is released.
pub(super) fn is_release(text: &str) -> bool {
    let Some((year, month)) = text.split_once('.') else { return false };
    let year = if year.len() == 2 { year.parse().unwrap_or(0) } else { 0 };
    (month == "04" && (6..=39).contains(&year)) || (month == "10" && (18..=39).contains(&year))
}

/// The word that a number belongs to.
pub(super) struct Owner<'t> {
    pub(super) word: &'t str,
    /// Whether nothing stands between.
    pub(super) glued: bool,
}

pub(super) fn owner<'t>(tokens: &[Token<'t>], at: usize) -> Option<Owner<'t>> {
    match &tokens[..at] {
        [.., Token::Word(word)] => Some(Owner { word, glued: true }),
        [.., Token::Word(word), Token::Separator(_)] => Some(Owner { word, glued: false }),
        _ => None,
    }
}

/// Whether a version starts with a year, or with a year of two digits and a month.
pub(super) fn is_calendar(text: &str, years_and_months: impl Fn() -> bool) -> bool {
    let numbers: Vec<&str> = text.split('.').collect();
    let month = |text: &str| text.len() == 2 && text.parse().is_ok_and(|month: u32| (1..=12).contains(&month));
    match numbers[..] {
        [year, ..] if moment::is_year(year) => true,
        [year, ..] if year.len() == 6 && moment::is_year(&year[..4]) && month(&year[4..]) => true,
        [year, number, ..] => {
            let short = year.len() == 2 && year.parse().is_ok_and(|year: u32| (15..=39).contains(&year));
            let dated =
                numbers.get(2).is_some_and(|it| it.len() == 8 && it.starts_with("20") && it[2..].starts_with(year));
            short && month(number) && (number.starts_with('0') || dated || years_and_months())
        }
        _ => false,
    }
}
