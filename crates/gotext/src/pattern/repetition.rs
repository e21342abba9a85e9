//! Repetition operators: `*`, `+`, `?` and counts.
//!
//! Go refuses counts whose product is above 1000, because it writes repetitions out when it compiles; so does the crate.
//! A brace that begins no count, such as in `{a}` or `{,3}`, stands for itself.

/// The largest repeat count, also as a product of nested ones.
pub(super) const MAX_REPEAT: u32 = 1000;

/// The largest number that is read as a repeat count at all.
const MAX_REPEAT_TEXT: u32 = 100_000_000;

/// A repetition operator: one of `*+?`, or counts.
pub(super) struct Repetition {
    pub(super) length: usize,
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) symbol: Option<char>,
}

impl Repetition {
    pub(super) fn write(&self, out: &mut String) {
        match (self.symbol, self.max) {
            (Some(symbol), _) => out.push(symbol),
            (None, Some(max)) if max == self.min => out.push_str(&format!("{{{max}}}")),
            (None, Some(max)) => out.push_str(&format!("{{{},{max}}}", self.min)),
            (None, None) => out.push_str(&format!("{{{},}}", self.min)),
        }
    }

    /// How often the innermost thing is there when it was there `inside` times. Only counts multiply, as in Go.
    pub(super) fn copies(&self, inside: u32) -> u32 {
        match (self.symbol, self.max) {
            (None, Some(0)) => 1,
            (None, max) => inside.saturating_mul(max.unwrap_or(self.min).max(1)),
            (Some(_), _) => inside,
        }
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`. Anything else that starts with a brace is literal.
pub(super) fn counted(text: &str) -> Option<Repetition> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            (Some(max), rest)
        }
    };
    let rest = rest.strip_prefix('}')?;
    Some(Repetition { length: text.len() - rest.len(), min, max, symbol: None })
}

/// A decimal number without leading zeros; what is too large to matter is [`MAX_REPEAT_TEXT`].
fn count(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(MAX_REPEAT_TEXT).min(MAX_REPEAT_TEXT), rest))
}
