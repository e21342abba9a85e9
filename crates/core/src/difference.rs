//! What changed between two images, as far as they say so: where their source is and at which commit, how large they are, what they
//! run on, and their labels.
//!
//! All of it is the images' word. A link is made of it only where both name the same repository, by an address of a forge whose pages
//! are known ([`crate::pages`]), and commits that look like such.

use std::collections::{BTreeMap, BTreeSet};

use words::one_line;

use crate::pages::Pages;

/// The label, or annotation, with the address of the source.
pub const SOURCE: &str = "org.opencontainers.image.source";

/// The label, or annotation, with the commit.
pub const REVISION: &str = "org.opencontainers.image.revision";

/// The longest address that is taken for one, in bytes.
const MAX_SOURCE: usize = 512;

/// The longest name of a commit, in bytes; a tag is one, too.
const MAX_REVISION: usize = 128;

/// How much of a text of an image is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// How many labels that differ are told.
const MAX_LABELS: usize = 10;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portrait {
    /// How many bytes its layers have, of an index those of the first image in it.
    pub size: Option<u64>,
    /// What it is for.
    pub platforms: BTreeSet<String>,
    /// Its labels, and its annotations where it has no label of that name.
    pub labels: BTreeMap<String, String>,
}

/// Two images, of which one takes the place of the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The one that was there; none where it is not known.
    pub old: Option<Portrait>,
    /// The one that comes.
    pub new: Portrait,
}

/// What changed, by marker, value before and value after.
pub type Differences = BTreeMap<(String, String, String), Difference>;

impl Portrait {
    /// The address of its source, without an ending that is for git alone; none where it is no address of a page.
    #[must_use]
    pub fn source(&self) -> Option<String> {
        let text = self.labels.get(SOURCE)?.trim();
        let text = text.strip_prefix("git+").unwrap_or(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:".contains(c);
        let (host, path) = rest.split_once('/')?;
        let is_address = !host.is_empty() && !path.is_empty() && rest.chars().all(is_plain) && text.len() <= MAX_SOURCE;
        let end = text.trim_end_matches('/');
        is_address.then(|| end.strip_suffix(".git").unwrap_or(end).to_owned())
    }

    /// The commit that it was built from; none where it is no name of one.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        let text = self.labels.get(REVISION)?.trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        let is_name = !text.is_empty() && text.len() <= MAX_REVISION && !text.starts_with('-');
        (is_name && text.chars().all(is_plain) && !text.contains("..")).then_some(text)
    }
}

impl Difference {
    /// The page that compares the commits, if both are known, of one repository, and of a forge that has such a page.
    #[must_use]
    pub fn compare(&self) -> Option<String> {
        let old = self.old.as_ref()?;
        let (source, before) = (self.new.source()?, old.source()?);
        let (from, to) = (old.revision()?, self.new.revision()?);
        if !source.eq_ignore_ascii_case(&before) || from == to {
            return None;
        }
        Some(Pages::of(&source)?.compare(from, to))
    }

    /// What changed, each in a few words.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let mut details = Vec::new();
        match (self.compare(), self.new.source(), self.new.revision()) {
            (Some(link), ..) => details.push(format!("commits: {link}")),
            (None, Some(source), Some(revision)) => details.push(format!("built from {source} at {revision}")),
            (None, Some(source), None) => details.push(format!("built from {source}")),
            (None, None, _) => {}
        }
        let Some(old) = &self.old else { return details };
        if let (Some(before), Some(after)) = (old.size, self.new.size)
            && before != after
        {
            details.push(format!("size: {} -> {}", megabytes(before), megabytes(after)));
        }
        let gained = self.new.platforms.difference(&old.platforms).map(|it| format!("+{it}"));
        let lost = old.platforms.difference(&self.new.platforms).map(|it| format!("-{it}"));
        let platforms: Vec<String> = gained.chain(lost).collect();
        if !platforms.is_empty() && !old.platforms.is_empty() {
            details.push(format!("platforms: {}", one_line(&platforms.join(" "), 2 * MAX_SHOWN)));
        }
        details.extend(self.labels());
        details
    }

    /// The labels that differ, but for those that differ with every build.
    fn labels(&self) -> Vec<String> {
        const EVERY: [&str; 4] =
            [SOURCE, REVISION, "org.opencontainers.image.created", "org.opencontainers.image.version"];
        let none = BTreeMap::new();
        let old = self.old.as_ref().map_or(&none, |old| &old.labels);
        let names: BTreeSet<&String> = old.keys().chain(self.new.labels.keys()).collect();
        let names = names.into_iter().filter(|name| !EVERY.contains(&name.as_str()));
        let differing: Vec<&String> = names.filter(|name| old.get(*name) != self.new.labels.get(*name)).collect();
        let shown = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), |it| one_line(it, MAX_SHOWN));
        let told = |name: &&String| {
            let (before, after) = (shown(old.get(*name)), shown(self.new.labels.get(*name)));
            format!("label {}: {before} -> {after}", one_line(name, MAX_SHOWN))
        };
        let mut labels: Vec<String> = differing.iter().take(MAX_LABELS).map(told).collect();
        if differing.len() > MAX_LABELS {
            labels.push(format!("and {} labels more", differing.len() - MAX_LABELS));
        }
        labels
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn portrait(source: &str, revision: &str) -> Portrait {
        let labels = [(SOURCE.to_owned(), source.to_owned()), (REVISION.to_owned(), revision.to_owned())];
        Portrait { labels: labels.into(), ..Portrait::default() }
    }

    /// The link between two commits of a source.
    fn check(source: &str, expect: &str) {
        let (old, new) = (portrait(source, "0a1b2c3"), portrait(source, "4d5e6f7"));
        let link = Difference { old: Some(old), new }.compare().unwrap_or_default();
        assert_eq!(link, expect, "{source}");
    }

    #[test]
    fn links_are_those_of_the_forge() {
        check("https://github.com/acme/app", "https://github.com/acme/app/compare/0a1b2c3...4d5e6f7");
        check("https://github.com/acme/app.git", "https://github.com/acme/app/compare/0a1b2c3...4d5e6f7");
        check(
            "git+https://github.acme.example/acme/app/",
            "https://github.acme.example/acme/app/compare/0a1b2c3...4d5e6f7",
        );
        check("https://gitlab.com/a/b/c", "https://gitlab.com/a/b/c/-/compare/0a1b2c3...4d5e6f7");
        check("https://codeberg.org/a/b", "https://codeberg.org/a/b/compare/0a1b2c3...4d5e6f7");
        check("http://gitea.lan:3000/a/b", "http://gitea.lan:3000/a/b/compare/0a1b2c3...4d5e6f7");
        check("https://bitbucket.org/a/b", "https://bitbucket.org/a/b/branches/compare/4d5e6f7%0D0a1b2c3");
        for nothing in [
            "https://example.com/a/b",
            "git@github.com:acme/app.git",
            "https://user:secret@github.com/acme/app",
            "https://github.com/acme/app?x=1",
            "https://github.com/acme/app)[x](https://evil.example",
            "https://github.com/a b",
            "https://github.com",
            "javascript://github.com/a",
            "",
        ] {
            check(nothing, "");
        }
        let link = |old: &Portrait, new: &Portrait| Difference { old: Some(old.clone()), new: new.clone() }.compare();
        let github = "https://github.com/acme/app";
        assert_eq!(link(&portrait(github, "a1"), &portrait("https://github.com/acme/other", "b2")), None);
        for wrong in ["", "a1", "a..b", "-x", "a b", "%0D"] {
            assert_eq!(link(&portrait(github, "a1"), &portrait(github, wrong)), None, "{wrong:?}");
        }
        assert_eq!(Difference { old: None, new: portrait(github, "b2") }.compare(), None);
    }

    #[test]
    fn what_changed_in_words() {
        let mut old = portrait("https://github.com/acme/app", "a1");
        let mut new = portrait("https://github.com/acme/app", "b2");
        (old.size, new.size) = (Some(12_345_678), Some(9_999_999));
        old.platforms = ["linux/amd64".to_owned(), "linux/386".to_owned()].into();
        new.platforms = ["linux/amd64".to_owned(), "linux/arm64".to_owned()].into();
        old.labels.insert("license".to_owned(), "MIT".to_owned());
        new.labels.insert("license".to_owned(), "BUSL\n1.1".to_owned());
        new.labels.insert("org.opencontainers.image.created".to_owned(), "now".to_owned());
        let difference = Difference { old: Some(old), new };
        assert_eq!(
            difference.details(),
            [
                "commits: https://github.com/acme/app/compare/a1...b2",
                "size: 12.3 MB -> 9.9 MB",
                "platforms: +linux/arm64 -linux/386",
                "label license: MIT -> BUSL\\n1.1"
            ]
        );
        let new = Portrait {
            labels: (0..20).map(|it| (format!("l{it:02}"), "x".to_owned())).collect(),
            ..Portrait::default()
        };
        let many = Difference { old: Some(Portrait::default()), new }.details();
        assert_eq!((many.len(), many[10].as_str()), (11, "and 10 labels more"));
        let alone = Difference { old: None, new: portrait("https://example.com/a/b", "c3") };
        assert_eq!(alone.details(), ["built from https://example.com/a/b at c3"]);
    }
}
