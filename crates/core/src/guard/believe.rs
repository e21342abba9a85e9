//! Whether a list of tags is believed.

use super::Hold;

/// The share of the known tags that may be gone at once, as a divisor: a quarter. A registry that lost a page of its list, or
/// a mirror that is being filled, has lost more; cleaning up after a release loses less.
const MAX_LOSS: usize = 4;

/// Lists with fewer tags may lose any share of them, since one or two deleted tags are a large one; the tag in use may not be
/// among them.
const SMALL_LIST: usize = 8;

/// The last list of a repository that was believed, and how it is used.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The tags of the last list that was believed.
    pub tags: &'a [&'a str],
    /// Those that policies selected of it.
    pub in_use: &'a [&'a str],
    /// Whether the last poll was not believed.
    pub doubted: bool,
}

/// Whether to believe the tags that a registry lists now.
///
/// A list is doubted once: what the poll after that says is believed, whatever it is, because a registry that says the same
/// twice, an interval apart, means it.
///
/// # Errors
/// The list is empty and was not; it lacks a tag in use; or it lacks more than one in `MAX_LOSS` of at least
/// `SMALL_LIST` tags.
pub fn believe(known: &Known<'_>, now: &[&str]) -> Result<(), Hold> {
    if known.doubted || known.tags.is_empty() {
        return Ok(());
    }
    let (listed, before) = (sorted(now), sorted(known.tags));
    let is_listed = |tag: &str| listed.binary_search(&tag).is_ok();
    let missing = before.iter().filter(|tag| !is_listed(tag)).count();
    let in_use = known.in_use.iter().find(|tag| before.binary_search(tag).is_ok() && !is_listed(tag));
    let too_much = missing * MAX_LOSS > before.len() && before.len() >= SMALL_LIST;
    if in_use.is_some() || too_much || missing == before.len() {
        let in_use = in_use.map(|tag| (*tag).to_owned());
        return Err(Hold::Shrunk { known: before.len(), missing, in_use });
    }
    Ok(())
}

/// Each once. In a list rather than a set, which would take several times the memory for a million tags.
fn sorted<'a>(tags: &[&'a str]) -> Vec<&'a str> {
    let mut tags = tags.to_vec();
    tags.sort_unstable();
    tags.dedup();
    tags
}
