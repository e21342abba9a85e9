//! Names for policies: short, valid, unique, and the same every time.

use std::collections::{BTreeMap, BTreeSet};

use image::Repository;

use crate::suggest::Derived;

/// The longest DNS label.
const MAX_LENGTH: usize = 63;

/// The longest part that a name is made of, so that there is room for what tells two apart.
const MAX_PART: usize = 40;

/// The names in use in one namespace.
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The repositories of the names chosen here.
    chosen: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new(taken: BTreeSet<String>) -> Self {
        Self { taken, chosen: BTreeMap::new() }
    }

    /// Chooses the last segment of the repository. If another repository has that name, the segment before is added, if
    /// it is this one under another policy, the variant or the versions it stays within; at last a number.
    pub(super) fn choose(&mut self, repository: &Repository, derived: &Derived) -> String {
        let mut segments = repository.path().rsplit('/').map(label).filter(|segment| !segment.is_empty());
        let last = segments.next().unwrap_or_else(|| "image".to_owned());
        let owner = segments.next().filter(|owner| owner != "library").unwrap_or_default();
        let (variant, line) = (label(&derived.variant), label(&derived.line));
        let own = [vec![last.as_str(), &variant], vec![&last, &line], vec![&last, &line, &variant]];
        let other = [vec![owner.as_str(), &last], vec![&owner, &last, &line, &variant]];
        let is_own = self.chosen.get(&last).is_some_and(|chosen| chosen == repository.name());
        let (first, second) = if is_own { (&own[..], &other[..]) } else { (&other[..], &own[..]) };
        let words = [last.clone()].into_iter().chain(first.iter().chain(second).map(|parts| joined(parts)));
        let numbers = (2_u64..).map(|number| joined(&[&last, &number.to_string()]));
        let name = words.chain(numbers).find(|name| !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(name.clone());
        self.chosen.insert(name.clone(), repository.name().to_owned());
        name
    }
}

fn joined(parts: &[&str]) -> String {
    let mut name = parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("-");
    name.truncate(MAX_LENGTH);
    name.trim_end_matches('-').to_owned()
}

/// A text as a part of a DNS label: lower-case letters, digits, and single dashes within.
pub(crate) fn label(text: &str) -> String {
    let mut label = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => label.push(c),
            _ if !label.is_empty() && !label.ends_with('-') => label.push('-'),
            _ => {}
        }
    }
    label.truncate(MAX_PART);
    label.trim_matches('-').to_owned()
}

/// Whether Kubernetes takes a text as the name of a namespace or object: a DNS label.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let within = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(within) && !text.starts_with('-') && !text.ends_with('-')
}

/// A name for the automation of a Git remote: the last part of its URL.
///
/// ```
/// assert_eq!(tagwright_core::mark::automation_name("ssh://git@git.example.com/acme/Config.git"), "config");
/// ```
#[must_use]
pub fn automation_name(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let name = label(last.strip_suffix(".git").unwrap_or(last));
    if name.is_empty() { "images".to_owned() } else { name }
}
