//! Pieces of a secret in a text: what a server cut out of it, or broke in two.
//!
//! A piece counts when it is half of the secret, and no shorter than [`LEAST`] characters; [`MOST`] count of any secret. Shorter
//! pieces are parts of words, and would be told by what is left out.

use std::collections::HashMap;

/// A piece is no shorter than this, in bytes.
const LEAST: usize = 8;
/// This much of a secret counts, however long it is.
const MOST: usize = 16;

/// A text, and where each sequence of [`LEAST`] bytes stands in it.
pub(super) struct Windows<'t> {
    text: &'t str,
    at: HashMap<&'t [u8], Vec<usize>>,
    /// Which bytes are part of a piece that was found. What begins there is not looked at again, so that a text of the same
    /// character again and again takes no longer than others.
    found: Vec<bool>,
}

impl<'t> Windows<'t> {
    /// Takes in a text.
    pub(super) fn of(text: &'t str) -> Self {
        let mut at: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (place, window) in text.as_bytes().windows(LEAST).enumerate() {
            at.entry(window).or_default().push(place);
        }
        Self { text, at, found: vec![false; text.len()] }
    }

    /// Where pieces of a secret stand in the text that were not found before, at whole characters.
    pub(super) fn pieces(&mut self, secret: &str) -> Vec<(usize, usize)> {
        let mut pieces = Vec::new();
        let least = (secret.len() / 2).clamp(LEAST, MOST);
        // Each piece that is long enough has one of these windows in it.
        for start in (0..(secret.len() + 1).saturating_sub(LEAST)).step_by(least - LEAST + 1) {
            let places = self.at.get(&secret.as_bytes()[start..start + LEAST]);
            for &place in places.into_iter().flatten() {
                if self.found[place] {
                    continue;
                }
                if let Some((from, to)) = self.around(place, secret, start, least) {
                    self.found[from..to].fill(true);
                    pieces.push((from, to));
                }
            }
        }
        pieces
    }

    /// The piece around a window that stands in both, if it is long enough.
    fn around(&self, place: usize, secret: &str, start: usize, least: usize) -> Option<(usize, usize)> {
        let (text, secret) = (self.text.as_bytes(), secret.as_bytes());
        let same = |(a, b): &(&u8, &u8)| a == b;
        let before = text[..place].iter().rev().zip(secret[..start].iter().rev()).take_while(same).count();
        let after = text[place..].iter().zip(&secret[start..]).take_while(same).count();
        let (from, to) = (place - before, place + after);
        (to - from >= least).then(|| (self.text.floor_char_boundary(from), self.text.ceil_char_boundary(to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secret: &str, expect: &[&str]) {
        let mut found = Windows::of(text).pieces(secret);
        found.sort_unstable();
        let found: Vec<&str> = found.into_iter().map(|(from, to)| &text[from..to]).collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn halves_and_long_parts() {
        let secret = "0123456789abcdefghij";
        check("0123456789 abcdefghij", secret, &["0123456789", "abcdefghij"]);
        check("no 23456789abcd no", secret, &["23456789abcd"]);
        check("no 123456789 no", secret, &[]);
        check("short: 12345678", "0123456789", &["12345678"]);
        check("short: 1234567", "0123456789", &[]);
        check("a word", "word", &[]);
        let long = format!("{secret}{}", "-x.".repeat(100));
        for from in 0..5 {
            check(&secret[from..from + 16], &long, &[&secret[from..from + 16]]);
            check(&secret[from..from + 15], &long, &[]);
        }
    }

    #[test]
    fn characters_stay_whole() {
        // The two share a byte of a character.
        check("0123456é", "0123456ê", &["0123456é"]);
        check("日本語テスト", "日本語テスト", &["日本語テスト"]);
    }
}
