//! Which references a remote is asked about.
//!
//! A remote may have hundreds of thousands of references, and each automation looks up a few of them by name. Version 2 of the
//! protocol gives those alone whose names begin as asked for.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::fetch::Want;

/// What the full names of branches begin with.
pub(super) const BRANCHES: &str = "refs/heads/";

/// What the full names of tags begin with.
pub(super) const TAGS: &str = "refs/tags/";

/// The most names that a remote is asked for one by one; beyond that, all are asked for.
const MAX_NAMES: usize = 1_000;

/// The longest beginning of a name that is asked for, in bytes. What begins alike comes with it.
const MAX_LENGTH: usize = 1_000;

/// A reference as people call it.
///
/// ```
/// assert_eq!(git::in_words("refs/heads/main"), "branch main");
/// assert_eq!(git::in_words("refs/tags/v1"), "tag v1");
/// assert_eq!(git::in_words("HEAD"), "default branch");
/// assert_eq!(git::in_words("refs/for/main"), "refs/for/main");
/// ```
#[must_use]
pub fn in_words(reference: &str) -> String {
    match (reference.strip_prefix(BRANCHES), reference.strip_prefix(TAGS)) {
        (Some(branch), _) => format!("branch {branch}"),
        (None, Some(tag)) => format!("tag {tag}"),
        (None, None) if reference == "HEAD" => "default branch".to_owned(),
        (None, None) => reference.to_owned(),
    }
}

/// Which references are asked about: `HEAD` always, and others by their names or what these begin with. An
/// [`Advertisement`](super::Advertisement) tells nothing of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// What the names begin with.
    beginnings: BTreeSet<String>,
    is_all: bool,
    /// Whether it has to be known which branch `HEAD` names.
    default_branch: bool,
}

impl Names {
    /// Every reference.
    #[must_use]
    pub fn all() -> Self {
        Self { is_all: true, default_branch: true, ..Self::default() }
    }

    /// Adds a reference by its full name; a trailing `^{}` is ignored.
    pub fn add(&mut self, name: &str) {
        let mut beginning = name.trim_end_matches("^{}");
        // Of what can be no name, as much is asked for as can be.
        if let Some(end) = beginning.find(['\n', '\0']) {
            beginning = &beginning[..end];
        }
        let beginning = &beginning[..beginning.floor_char_boundary(MAX_LENGTH)];
        if !beginning.is_empty() && !self.covers(beginning) {
            self.beginnings.retain(|other| !other.starts_with(beginning));
            self.beginnings.insert(beginning.to_owned());
        }
        if self.beginnings.len() > MAX_NAMES {
            *self = Self { default_branch: self.default_branch, ..Self::all() };
        }
    }

    /// Adds a branch, without `refs/heads/`.
    pub fn add_branch(&mut self, branch: &str) {
        self.add(&format!("refs/heads/{branch}"));
    }

    /// Adds all tags.
    pub fn add_tags(&mut self) {
        self.add("refs/tags/");
    }

    /// Adds what has to be known to fetch something.
    pub fn add_want(&mut self, want: &Want) {
        match want {
            Want::DefaultBranch | Want::Commit { branch: None, .. } => self.default_branch = true,
            Want::Branch(branch) | Want::Commit { branch: Some(branch), .. } => self.add_branch(branch),
            Want::Tag(tag) => self.add(&format!("refs/tags/{tag}")),
            Want::Reference(name) => self.add(name),
        }
    }

    /// The same, and all branches.
    pub(super) fn with_branches(mut self) -> Self {
        self.add("refs/heads/");
        self
    }

    /// Whether all references are asked for.
    pub(super) const fn is_all(&self) -> bool {
        self.is_all
    }

    /// Whether it has to be known which branch `HEAD` names.
    pub(super) const fn wants_default_branch(&self) -> bool {
        self.default_branch
    }

    /// Whether a reference comes if it is there. What can be no name is known not to be.
    pub(super) fn covers(&self, name: &str) -> bool {
        let is_none = name.is_empty() || name.starts_with(['\n', '\0']);
        // None of them begins like another, so that no other stands between one of them and a name that begins so.
        let before = self.beginnings.range::<str, _>((Bound::Unbounded, Bound::Included(name))).next_back();
        let begins = before.is_some_and(|beginning| name.starts_with(beginning.as_str()));
        self.is_all || is_none || name == "HEAD" || begins
    }

    /// What the names begin with; nothing where all are asked for.
    pub(super) fn beginnings(&self) -> impl Iterator<Item = &str> {
        let head = (!self.is_all).then_some("HEAD");
        head.into_iter().chain(self.beginnings.iter().map(String::as_str))
    }
}

impl FromIterator<Want> for Names {
    fn from_iter<I: IntoIterator<Item = Want>>(wants: I) -> Self {
        let mut names = Self::default();
        wants.into_iter().for_each(|want| names.add_want(&want));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &Names) -> Vec<&str> {
        names.beginnings().collect()
    }

    #[test]
    fn what_begins_alike_is_asked_for_once() {
        let mut names: Names =
            [Want::Branch("main".to_owned()), Want::Reference("refs/tags/v1^{}".to_owned()), Want::DefaultBranch]
                .into_iter()
                .collect();
        assert_eq!(shown(&names), ["HEAD", "refs/heads/main", "refs/tags/v1"]);
        names.add_branch("main-2");
        names.add_tags();
        names.add("");
        assert_eq!(shown(&names), ["HEAD", "refs/heads/main", "refs/tags/"]);
        assert!(names.covers("refs/tags/x") && names.covers("refs/heads/main") && names.covers("HEAD"));
        assert!(!names.covers("refs/heads/mai") && !names.covers("refs/pull/1/head"));
        assert!(names.wants_default_branch());
    }

    /// A server may give a million names that nobody asked for, where a thousand were asked for.
    #[test]
    fn whether_a_name_was_asked_for_is_found_at_once() {
        let mut names = Names::default();
        (0..MAX_NAMES).for_each(|n| names.add_branch(&format!("{n:04}/")));
        let start = std::time::Instant::now();
        assert_eq!((0..200_000).filter(|n| names.covers(&format!("refs/heads/{n:06}/x"))).count(), 0);
        assert_eq!((0..200_000).filter(|n| names.covers(&format!("refs/heads/{:04}/{n}", n % 2_000))).count(), 100_000);
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }

    #[test]
    fn too_many_are_all_and_long_ones_are_cut() {
        let mut names = Names::default();
        names.add_branch(&"ö".repeat(60_000));
        assert!(shown(&names)[1].len() <= MAX_LENGTH && names.covers(&format!("refs/heads/{}", "ö".repeat(60_000))));
        names.add("refs/heads/a\nb");
        assert!(names.covers("refs/heads/a\nb") && shown(&names).iter().all(|name| !name.contains('\n')));
        (0..=MAX_NAMES).for_each(|n| names.add_branch(&format!("{n:04}/")));
        assert!(names.is_all() && !names.wants_default_branch() && shown(&names).is_empty());
    }
}
