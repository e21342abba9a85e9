//! What Flux has no words for: conditions of ours.

/// The type of the condition that tells what a guard holds back.
pub const HELD: &str = "tagwright.dev/Held";

/// The type of the condition that tells what was found beside the work, such as markers that name no policy.
pub const FINDINGS: &str = "tagwright.dev/Findings";

/// What is said of an object in conditions of ours, on every kind. They never make it unready.
///
/// A condition that becomes true or says something else is an event of severity info with the same reason and message, and so is a hold
/// that ends (reason `Released`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remarks<'a> {
    /// [`HELD`].
    pub held: Remark<'a>,
    /// [`FINDINGS`].
    pub findings: Remark<'a>,
}

/// What is said in a condition of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remark<'a> {
    /// The pass did not get so far as to know: the condition stays as it is.
    #[default]
    Unknown,
    /// There is nothing to say: the condition is removed.
    Nothing,
    /// The condition is true.
    Say {
        /// A word for the kind of remark, with hyphens as in `too-young`; the condition has the reason `TooYoung`.
        code: &'a str,
        /// The sentence.
        message: &'a str,
    },
}

impl<'a> Remarks<'a> {
    /// Each remark with the type of its condition and the reason of one whose code is not a word.
    pub(crate) fn each(&self) -> [(&'static str, &'static str, Remark<'a>); 2] {
        [(HELD, "Held", self.held), (FINDINGS, "Findings", self.findings)]
    }
}

/// Returns a code as a reason: `too-young` is `TooYoung`. A code that is not made of letters, digits and hyphens gives the other one.
pub(crate) fn reason(code: &str, otherwise: &str) -> String {
    let is_word = code.starts_with(|c: char| c.is_ascii_alphabetic())
        && code.chars().all(|c| c == '-' || c.is_ascii_alphanumeric());
    if is_word { code.split('-').map(capitalized).collect() } else { otherwise.to_owned() }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
}
