//! Groups of the changes of an automation, each of which is proposed in a request of its own.
//!
//! A group is named by what its changes have in common: the policy, the image or the file. Policies that move only together share
//! one, whichever of the first two it is. The name is part of the branch, in letters that Git takes everywhere ([`Group::slug`]), so that
//! no two groups have one branch, and none a branch that lies below another's. [`Group::branch_of`] is the rule for the branches of all
//! requests, with groups and without.

use std::fmt::Write as _;

use gotext::template::{RenderError, Template};
use sha2::{Digest as _, Sha256};

use crate::automation::{Automation, Grouping, ImagePolicy, ObjectName};
use crate::message::{self, Facts};

/// The longest name of a branch, in bytes; forges take 255.
const MAX_BRANCH: usize = 200;
/// The longest part of a branch that stands for a group without a hash, in bytes.
const MAX_SLUG: usize = 100;

/// Some changes of an automation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// What its changes have in common.
    pub grouping: Grouping,
    /// Which policy (`namespace:name`), image or file; empty for all changes.
    pub name: String,
}

impl Group {
    /// All changes of an automation.
    #[must_use]
    pub const fn whole() -> Self {
        Self { grouping: Grouping::Automation, name: String::new() }
    }

    /// The group of a change that a policy makes in a file.
    #[must_use]
    pub fn of(grouping: Grouping, automation: &Automation, policy: &ImagePolicy, file: &str) -> Self {
        let name = match grouping {
            Grouping::Automation => String::new(),
            Grouping::Policy => first(automation, policy).id.marker(),
            Grouping::Image => first(automation, policy).repository.image.name().to_owned(),
            Grouping::File => file.to_owned(),
        };
        Self { grouping, name }
    }

    /// Whether changes that a policy makes in some file are of this group.
    #[must_use]
    pub fn takes_policy(&self, automation: &Automation, policy: &ImagePolicy) -> bool {
        automation.requests.as_ref().is_some_and(|requests| requests.grouping == self.grouping)
            && Self::of(self.grouping, automation, policy, &self.name) == *self
    }

    /// Whether changes in a file, by whichever policy, may be of this group.
    #[must_use]
    pub fn takes_file(&self, path: &str) -> bool {
        self.grouping != Grouping::File || self.name == path
    }

    /// What it is called in records and marks: `policy shop:web`; empty for all changes.
    #[must_use]
    pub fn key(&self) -> String {
        match self.grouping.word() {
            None => String::new(),
            Some(word) => format!("{word} {}", self.name),
        }
    }

    /// Reads a [`Group::key`].
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        if key.is_empty() {
            return Some(Self::whole());
        }
        let (word, name) = key.split_once(' ')?;
        let grouping =
            [Grouping::Policy, Grouping::Image, Grouping::File].into_iter().find(|it| it.word() == Some(word));
        grouping.filter(|_| !name.is_empty()).map(|grouping| Self { grouping, name: name.to_owned() })
    }

    /// The name as a part of a branch, another one for each name: slashes and colons become two hyphens. What would not be clear, or is long,
    /// has a hash at its end, and so has what would look like that.
    #[must_use]
    pub fn slug(&self) -> String {
        let name = match self.grouping {
            Grouping::Policy => self.name.replacen(':', "/", 1),
            _ => self.name.clone(),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        let slug = valid(&name.replace('/', "--"));
        let is_clear = name.chars().all(is_plain)
            && !["--", "-/", "/-", "//"].iter().any(|unclear| name.contains(unclear))
            && slug == name.replace('/', "--")
            && !ends_with_a_hash(&slug)
            && slug != "HEAD";
        if is_clear && slug.len() <= MAX_SLUG {
            return slug;
        }
        let slug = slug.get(..slug.floor_char_boundary(MAX_SLUG)).unwrap_or_default().replace('/', "-");
        format!("{}-{}", slug.trim_end_matches(['.', '-']), hash(&self.key())).trim_start_matches('-').to_owned()
    }

    /// The branch of its request: that of [`Group::branch_of`], or the push branch of an automation that has one.
    ///
    /// # Errors
    /// The template fails.
    pub fn branch(&self, automation: &Automation) -> Result<String, RenderError> {
        match automation.requests.as_ref().and_then(|requests| requests.branch.as_ref()) {
            Some(template) => self.branch_of(template, &automation.id),
            None => Ok(automation.push.branch.clone().unwrap_or_default()),
        }
    }

    /// The branch that a template makes: a name that Git takes ([`valid`]), of at most 200 bytes, where a longer one ends with a hash of all of
    /// it. It ends with the group where the template does not name that, or makes nothing of it. Empty only for all changes, where the
    /// template makes nothing.
    ///
    /// # Errors
    /// The template fails.
    pub fn branch_of(&self, template: &Template, automation: &ObjectName) -> Result<String, RenderError> {
        let slug = self.slug();
        let text = message::render(
            template,
            &Facts {
                automation_namespace: &automation.namespace,
                automation_name: &automation.name,
                group: &slug,
                values: &Default::default(),
                changes: &[],
                images: &Default::default(),
                differences: &Default::default(),
            },
        )?;
        let branch = valid(&text);
        let names_it = template.source().contains(".Group") && !branch.is_empty();
        let branch = match names_it || self.grouping == Grouping::Automation {
            true => branch,
            false => valid(&format!("{branch}--{slug}")),
        };
        if branch.len() <= MAX_BRANCH {
            return Ok(branch);
        }
        let beginning = branch.get(..branch.floor_char_boundary(MAX_BRANCH - 9)).unwrap_or_default();
        let all = format!("{} {branch}", self.key());
        Ok(format!("{}-{}", beginning.trim_end_matches(['.', '-', '/']), hash(&all)))
    }

    /// Whether an automation may propose changes in a request on this branch that are of `group` or like it: one for one of its policies or
    /// images, or for a file that it reads. Which files have changes is not known before they are read.
    #[must_use]
    pub fn may_be_on(branch: &str, automation: &Automation, group: &Self) -> bool {
        let Some(requests) = &automation.requests else { return false };
        let is_it = |own: &Self| own.branch(automation).is_ok_and(|own| own == branch);
        match requests.grouping {
            Grouping::Automation => false,
            Grouping::File => {
                // The names of files that have the part of the branch which this group has, as far as that tells.
                let alike = [group.name.clone(), group.slug().replace("--", "/")];
                let mut files = alike.into_iter().filter(|file| automation.reads(file));
                files.any(|name| is_it(&Self { grouping: Grouping::File, name }))
            }
            grouping => {
                automation.policies.iter().any(|policy| is_it(&Self::of(grouping, automation, policy, &group.name)))
            }
        }
    }
}

/// Eight digits for a text.
fn hash(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(4).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a text ends as one does that has a hash.
fn ends_with_a_hash(text: &str) -> bool {
    let end = text.rsplit_once('-').map_or(text, |(_, end)| end);
    end.len() == 8 && end.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Of the policies that move only together with this one, the first; itself where there are none.
fn first<'a>(automation: &'a Automation, policy: &'a ImagePolicy) -> &'a ImagePolicy {
    let Some(together) = &policy.guards.together else { return policy };
    let others = automation.policies.iter().map(|other| &**other);
    let with_it = others.filter(|other| other.guards.together.as_ref() == Some(together));
    with_it.min_by_key(|other| &other.id).unwrap_or(policy)
}

/// The name of a branch that is like a text: what Git does not allow becomes a hyphen. It may be empty, and long.
#[must_use]
pub fn valid(text: &str) -> String {
    let mut name = String::new();
    for part in text.trim().split('/') {
        let clean: String = part
            .chars()
            .map(|c| if c.is_control() || c.is_whitespace() || "~^:?*[\\@{}\"'".contains(c) { '-' } else { c })
            .collect();
        let clean = clean.replace("..", "-");
        let mut clean = clean.as_str();
        loop {
            // What is taken off one end may lay bare more of it.
            let less = clean.trim_matches(['.', '-']);
            let less = less.strip_suffix(".lock").unwrap_or(less);
            if less == clean {
                break;
            }
            clean = less;
        }
        if !clean.is_empty() {
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(clean);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn group(grouping: Grouping, name: &str) -> Group {
        Group { grouping, name: name.to_owned() }
    }

    #[test]
    fn no_two_groups_have_one_slug() {
        for (group, expect) in [
            (group(Grouping::Policy, "shop:web"), "shop--web"),
            (group(Grouping::Image, "ghcr.io/acme/web"), "ghcr.io--acme--web"),
            (group(Grouping::File, "apps/web.yaml"), "apps--web.yaml"),
            (group(Grouping::File, "web"), "web"),
            // What is unclear has a hash.
            (group(Grouping::File, "apps--web.yaml"), "apps--web.yaml-"),
            (group(Grouping::File, "a b"), "a-b-"),
            (group(Grouping::File, "a..b"), "a-b-"),
            (group(Grouping::File, ".github/x.yaml"), "github--x.yaml-"),
            (group(Grouping::File, "ünïcode"), "ünïcode-"),
            (group(Grouping::File, "~"), ""),
            (group(Grouping::File, "a.lock-"), "a-"),
            (group(Grouping::File, "HEAD"), "HEAD-"),
            (group(Grouping::File, "a-0123abcd"), "a-0123abcd-"),
            (group(Grouping::File, "0123abcd"), "0123abcd-"),
        ] {
            let slug = group.slug();
            let is_it = if expect.is_empty() || expect.ends_with('-') {
                slug.starts_with(expect) && slug.len() == expect.len() + 8
            } else {
                slug == expect
            };
            assert!(is_it, "{group:?}: {slug}");
            assert_eq!(valid(&slug), slug);
            assert!(is_taken_by_git(&slug), "{slug}");
            assert!(!slug.contains('/'), "no branch lies below another");
        }
        let long = group(Grouping::File, &"a/".repeat(300)).slug();
        assert!(long.len() < MAX_SLUG + 10, "{long}");
        let twins = ["a/b", "a--b", "a-/b", "a:b", "a b", "a~b"].map(|name| group(Grouping::File, name).slug());
        let distinct: std::collections::BTreeSet<&String> = twins.iter().collect();
        assert_eq!(distinct.len(), twins.len(), "{twins:?}");
        // A name that is another's with its hash.
        let imitated = group(Grouping::File, "a b").slug();
        assert_ne!(group(Grouping::File, &imitated).slug(), imitated);
    }

    /// The rules of `git check-ref-format --branch`.
    fn is_taken_by_git(branch: &str) -> bool {
        let is_part =
            |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && !part.ends_with('.');
        let refused = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
        branch.split('/').all(is_part)
            && !branch.contains(refused)
            && !branch.contains("..")
            && !branch.contains("@{")
            && !branch.starts_with('-')
            && branch != "@"
    }

    #[test]
    fn git_takes_whatever_is_made_of_a_text() {
        let parts = ["", ".", "-", "/", ".lock", "a", "@{", "~"];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer = |text: &String| parts.map(|part| format!("{text}{part}"));
            texts = texts.iter().flat_map(longer).collect();
        }
        for text in texts {
            let made = valid(&text);
            assert!(made.is_empty() || is_taken_by_git(&made), "{text:?}: {made:?}");
            assert_eq!(valid(&made), made, "{text:?}");
        }
    }

    #[test]
    fn branches_that_are_cut_differ_as_what_was_cut() {
        let template = |text: &str| Template::parse("branch", text).unwrap();
        let id = ObjectName { namespace: "shop".to_owned(), name: "all".to_owned() };
        let long = "x/".repeat(120);
        let branch = |group: &Group, text: &str| group.branch_of(&template(text), &id).unwrap();
        let made = [
            branch(&Group::whole(), &format!("{long}a")),
            branch(&Group::whole(), &format!("{long}b")),
            branch(&group(Grouping::File, "a"), &long),
            branch(&group(Grouping::File, "b"), &long),
        ];
        let distinct: std::collections::BTreeSet<&String> = made.iter().collect();
        assert_eq!(distinct.len(), made.len(), "{made:?}");
        assert!(made.iter().all(|branch| branch.len() <= MAX_BRANCH && is_taken_by_git(branch)), "{made:?}");
        for (text, expect) in [
            ("images/{{ .Group }}", "images/web"),
            ("images", "images--web"),
            ("images.lock/", "images--web"),
            ("{{ if not .Group }}x{{ end }}", "web"),
        ] {
            assert_eq!(branch(&group(Grouping::File, "web"), text), expect, "{text}");
        }
        assert_eq!(branch(&Group::whole(), "tagwright/{{ .AutomationObject.Name }}"), "tagwright/all");
    }

    #[test]
    fn keys_are_read_back() {
        for known in [Group::whole(), group(Grouping::Policy, "shop:web"), group(Grouping::File, "a b/c d.yaml")] {
            assert_eq!(Group::parse(&known.key()), Some(known));
        }
        for key in ["policy", "policy ", "planet x"] {
            assert_eq!(Group::parse(key), None, "{key}");
        }
    }

    #[test]
    fn any_text_becomes_a_branch() {
        for (text, expect) in [
            ("tagwright/default/shop", "tagwright/default/shop"),
            (" images: ghcr.io/acme/web \n", "images--ghcr.io/acme/web"),
            ("/a//b/", "a/b"),
            ("a..b/.c/d.lock/e.", "a-b/c/d/e"),
            ("-x/@{1}", "x/1"),
            ("a.lock-", "a"),
            ("a.lock./-b.lock.lock-.", "a/b"),
            ("ünïcode/~^:?*[\\", "ünïcode"),
        ] {
            assert_eq!(valid(text), expect, "{text:?}");
        }
    }
}
