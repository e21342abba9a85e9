//! What was probably meant by a name that does not exist.
//!
//! One rule for everything that has a name: fields of documents, policies in markers, words on the command line. A hint that
//! is wrong costs more than none, so a name counts as meant only when a third of its letters differ, or one.

/// How much of a name is compared, in characters, because the time grows with the square of it.
const MAX_NAME: usize = 64;

/// The known name that a wrong one was probably meant to be: the one with the fewest different letters, upper and lower case
/// being the same; of several the first in byte order.
///
/// ```
/// use tagwright_core::spelling::nearest;
/// let known = ["digest", "name", "tag"];
/// assert_eq!(nearest("tags", &known), Some("tag"));
/// assert_eq!(nearest("Nmae", &known), Some("name"));
/// assert_eq!(nearest("version", &known), None);
/// ```
#[must_use]
pub fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let lower = name.to_ascii_lowercase();
    let allowed = |candidate: &str| (candidate.len().max(name.len()) / 3).max(1);
    known
        .iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= allowed(candidate))
        .map(|candidate| (distance(&lower, &candidate.to_ascii_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= allowed(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names in the order of the alphabet, as part of a sentence.
///
/// ```
/// assert_eq!(tagwright_core::spelling::listed(&["tag", "name", "tag"]), "`name`, `tag`");
/// ```
#[must_use]
pub fn listed(names: &[&str]) -> String {
    let mut names: Vec<&str> = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The number of letters to put in, leave out, replace or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let [from, to] = [from, to].map(|name| name.chars().take(MAX_NAME).collect::<String>());
    strsim::osa_distance(&from, &to)
}
