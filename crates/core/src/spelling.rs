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
    let from: Vec<char> = from.chars().take(MAX_NAME).collect();
    let to: Vec<char> = to.chars().take(MAX_NAME).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut cost = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                cost = cost.min(rows[i - 1][j - 1] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}
