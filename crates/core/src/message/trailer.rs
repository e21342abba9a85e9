//! Git trailers: lines such as `Signed-off-by: …` in the last paragraph of a message.
//!
//! What counts as a block of trailers is what `git interpret-trailers` says: the last paragraph, not the first one,
//! when all of its lines are trailers (or continue one), or when one of them is Git's own (`Signed-off-by: `,
//! `(cherry picked from commit `) and at least a quarter are trailers.

use std::collections::{BTreeSet, HashSet};

use crate::automation::Author;
use crate::message::{DEFAULT_MESSAGE, Facts};

/// The trailer that names the automation, as `namespace/name`.
pub(super) const AUTOMATION_TRAILER: &str = "Tagwright-Automation";

/// The trailer that names a policy that changed something, as `namespace:name`.
const POLICY_TRAILER: &str = "Tagwright-Policy";

/// The trailer by which a person lets the bot write again what was taken back; its value is `namespace:name`, or several.
pub(crate) const RELEASE_TRAILER: &str = "Tagwright-Release";

/// The trailer by which an author signs off.
const SIGN_OFF_TRAILER: &str = "Signed-off-by";

const GIT_PREFIXES: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// Ends a message with trailers that name the automation and, sorted, the policies that changed something.
///
/// The trailers join a block that is already there; otherwise a blank line comes before them. A message of nothing
/// but white space gets [`DEFAULT_MESSAGE`] as its subject, because a subject cannot be a trailer.
///
/// ```
/// use std::collections::BTreeMap;
/// use tagwright_core::message::{Facts, with_trailers};
///
/// let facts = Facts {
///     automation_namespace: "default",
///     automation_name: "shop",
///     group: "",
///     values: &BTreeMap::new(),
///     changes: &[],
///     images: &BTreeMap::new(),
///     differences: &BTreeMap::new(),
/// };
/// assert_eq!(with_trailers("Update images", &facts), "Update images\n\nTagwright-Automation: default/shop\n");
/// ```
#[must_use]
pub fn with_trailers(message: &str, facts: &Facts<'_>) -> String {
    with_trailers_of_all(message, std::iter::once(lines(facts)))
}

/// Ends a message with the trailers of several automations, as [`with_trailers`] does for one after the other, in a time that
/// grows with their number.
pub(crate) fn with_trailers_of_each<'f>(message: &str, facts: impl Iterator<Item = Facts<'f>>) -> String {
    with_trailers_of_all(message, facts.map(|facts| lines(&facts)))
}

/// Ends a message with the author's sign-off, as `git commit -s` does; one that is there already stays alone.
#[must_use]
pub(crate) fn with_sign_off(message: &str, author: &Author) -> String {
    let who = trailer(SIGN_OFF_TRAILER, &format!("{} <{}>", author.name, author.email));
    with_trailers_of_all(message, std::iter::once(vec![who]))
}

fn with_trailers_of_all(message: &str, automations: impl Iterator<Item = Vec<String>>) -> String {
    let body = message.trim_end();
    let body = if body.is_empty() { DEFAULT_MESSAGE } else { body };
    let block = block(body);
    // What was added is part of the block from then on, since it consists of trailers.
    let known = block.into_iter().flat_map(str::lines).map(|line| line.trim_end().to_owned());
    let mut known: HashSet<String> = known.collect();
    let mut out = body.to_owned();
    let mut gap = if block.is_some() { "\n" } else { "\n\n" };
    for lines in automations {
        out.truncate(out.trim_end().len());
        out.push_str(gap);
        gap = "\n";
        // One automation's own lines are compared with what was there before it; they differ from each other.
        let new: Vec<String> = lines.into_iter().filter(|line| !known.contains(line.as_str())).collect();
        for line in new {
            out.push_str(&line);
            out.push('\n');
            known.insert(line.trim_end().to_owned());
        }
    }
    out
}

fn lines(facts: &Facts<'_>) -> Vec<String> {
    let automation = format!("{}/{}", facts.automation_namespace, facts.automation_name);
    let policies: BTreeSet<&str> = facts.changes.iter().map(|change| change.policy()).collect();
    let policies = policies.into_iter().map(|policy| trailer(POLICY_TRAILER, policy));
    std::iter::once(trailer(AUTOMATION_TRAILER, &automation)).chain(policies).collect()
}

/// One line: whatever could end it becomes a space.
fn trailer(key: &str, value: &str) -> String {
    let clean: String = value.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    format!("{key}: {}", clean.trim())
}

/// Whether a character is a control, ends a line, or turns the direction of reading for what follows it.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The policies that a commit's message releases, as `namespace:name`; `namespace/name` is read, too.
///
/// ```
/// let message = "Fix the shop\n\nTagwright-Release: shop:web, shop:worker\n";
/// assert_eq!(tagwright_core::message::releases(message), ["shop:web", "shop:worker"]);
/// ```
#[must_use]
pub fn releases(message: &str) -> Vec<String> {
    let words = |value: &'_ str| {
        let words = value.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
        words.map(|word| word.replacen('/', ":", 1)).collect::<Vec<_>>()
    };
    values(message, RELEASE_TRAILER).flat_map(words).collect()
}

/// The values of all trailers with a key, in any case, in the block at the end of a message.
pub(super) fn values<'m>(message: &'m str, key: &str) -> impl Iterator<Item = &'m str> {
    block(message).unwrap_or_default().lines().filter_map(move |line| {
        let (found, value) = line.split_at(separator(line)?);
        found.trim_end().eq_ignore_ascii_case(key).then(|| value[1..].trim())
    })
}

/// Where the separator of a trailer line is; nothing for other lines.
fn separator(line: &str) -> Option<usize> {
    let colon = line.find(':')?;
    let key = line[..colon].trim_end_matches([' ', '\t']);
    let valid = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    valid.then_some(colon)
}

/// The block of trailers at the end of a message.
fn block(message: &str) -> Option<&str> {
    let is_blank = |line: &str| line.trim().is_empty();
    let body = message.trim_end();
    let mut start = body.len();
    let mut after_blank = false;
    for line in body.split('\n').rev() {
        if is_blank(line) {
            after_blank = true;
            break;
        }
        start = start.saturating_sub(line.len() + 1);
    }
    // The first paragraph is the subject, whatever it looks like.
    if !after_blank || is_blank(&body[..start]) {
        return None;
    }
    let block = body[start..].trim_start_matches('\n');
    is_trailer_block(block).then_some(block)
}

fn is_trailer_block(block: &str) -> bool {
    let (mut trailers, mut others, mut from_git, mut in_trailer) = (0, 0, false, false);
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        let is_git = GIT_PREFIXES.iter().any(|prefix| line.starts_with(prefix));
        if is_git || separator(line).is_some() {
            from_git |= is_git;
            trailers += 1;
            in_trailer = true;
        } else if !(in_trailer && line.starts_with([' ', '\t'])) {
            others += 1;
            in_trailer = false;
        }
    }
    trailers > 0 && (others == 0 || from_git && trailers * 3 >= others)
}
