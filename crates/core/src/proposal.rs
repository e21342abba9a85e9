//! What a pull request says: the title, the text that people read, and a mark in it that we read.
//!
//! The default text answers what a reviewer asks, in this order: what changes, where, what was verified, how to take it back, how to
//! hold it. All that comes from manifests and registries stands in code spans, on one line each, so that it can be no Markdown, no
//! mention and no mark.
//!
//! The mark is a comment of HTML at the end, which forges do not show. It has what is proposed, so that a bot that has lost its state,
//! or another replica, knows what a person turned down ([`Mark`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gotext::template::{RenderError, Template};
use serde_json::{Value, json};
use words::one_line;

use crate::automation::Automation;
use crate::change::Change;
use crate::difference::Differences;
use crate::group::Group;
use crate::message::{self, Facts};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;
/// The longest text without the mark, in characters; forges take from 65,536 bytes on.
const MAX_BODY: usize = 40_000;
/// How many rows the table of changes has, and how many places a row.
const MAX_ROWS: usize = 100;
const MAX_PLACES: usize = 5;
/// How much of a value is shown, in characters.
const MAX_VALUE: usize = 120;
/// How many policies the mark has.
const MAX_MARKED: usize = 100;

const MARK: &str = "<!-- tagwright: ";
const END: &str = " -->";

/// What a pull request proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The title, one line.
    pub title: String,
    /// The text, with its mark.
    pub body: String,
    /// The selection of each policy that changes something, by `namespace:name`.
    pub proposes: BTreeMap<String, String>,
}

/// What the text of a request says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The automation, `namespace/name`.
    pub automation: String,
    /// The group of its changes that it proposes, as [`Group::key`] has it; empty for all.
    pub group: String,
    /// The selection of each policy that it proposes, by `namespace:name`.
    pub proposes: BTreeMap<String, String>,
    /// Whether a bot closed it.
    pub closed: bool,
}

/// What a proposal is made of.
#[derive(Debug, Clone, Copy)]
pub struct Content<'c> {
    /// The automation.
    pub automation: &'c Automation,
    /// Which of its changes are proposed, where that is not all.
    pub group: Option<&'c Group>,
    /// The branch that it goes to.
    pub base: &'c str,
    /// The message of the commit.
    pub message: &'c str,
    /// The changes.
    pub changes: &'c [Change],
    /// The selected reference of each policy, by `namespace:name`.
    pub images: &'c BTreeMap<String, String>,
    /// What changed between images, as far as it was asked for.
    pub differences: &'c Differences,
}

impl Proposal {
    /// Makes a proposal of changes.
    ///
    /// # Errors
    /// A template of the automation fails on them.
    pub fn of(content: Content<'_>) -> Result<Self, RenderError> {
        let Content { automation, group, message, changes, images, differences, .. } = content;
        let requests = automation.requests.as_ref();
        let facts = Facts {
            automation_namespace: &automation.id.namespace,
            automation_name: &automation.id.name,
            group: group.map_or("", |group| &group.name),
            values: &automation.commit.values,
            changes,
            images,
            differences,
        };
        let rendered = |template: Option<&Template>| template.map(|it| message::render(it, &facts)).transpose();
        let title = rendered(requests.and_then(|it| it.title.as_ref()))?;
        let title = title.as_deref().unwrap_or(message).lines().map(str::trim).find(|line| !line.is_empty());
        let title = title_of(title.unwrap_or(message::DEFAULT_MESSAGE));
        let text = match rendered(requests.and_then(|it| it.body.as_ref()))? {
            Some(text) => text,
            None => default_body(content),
        };
        // No text of ours or theirs may look like the mark.
        let text: String = text.replace(MARK.trim_end(), "").chars().take(MAX_BODY).collect();
        let proposes: BTreeMap<String, String> = changes
            .iter()
            .map(|change| {
                let policy = change.policy().to_owned();
                let value = images.get(&policy).unwrap_or(&change.new).clone();
                (policy, value)
            })
            .collect();
        let proposes: BTreeMap<String, String> = proposes.into_iter().take(MAX_MARKED).collect();
        let group = group.map(Group::key).unwrap_or_default();
        let mark = Mark { automation: automation.id.to_string(), group, proposes: proposes.clone(), closed: false };
        Ok(Self { title, body: mark.beneath(&text), proposes })
    }
}

impl Proposal {
    /// Makes a proposal of no policy: a title, of which the first line counts, and a text.
    pub(crate) fn plain(automation: &Automation, title: &str, text: &str) -> Self {
        let title = title.lines().map(str::trim).find(|line| !line.is_empty());
        let title = title_of(title.unwrap_or(message::DEFAULT_MESSAGE));
        let text: String = text.replace(MARK.trim_end(), "").chars().take(MAX_BODY).collect();
        let proposes = BTreeMap::new();
        let mark = Mark { automation: automation.id.to_string(), group: String::new(), proposes, closed: false };
        Self { title, body: mark.beneath(&text), proposes: BTreeMap::new() }
    }
}

impl Mark {
    /// Reads the mark of a text; none where it has none, or no whole one.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let (_, rest) = body.rsplit_once(MARK)?;
        let (json, _) = rest.split_once(END)?;
        let json: Value = serde_json::from_str(json).ok()?;
        let proposes = json.get("proposes")?.as_object()?.iter().take(MAX_MARKED);
        let proposes = proposes.filter_map(|(policy, value)| Some((policy.clone(), value.as_str()?.to_owned())));
        Some(Self {
            automation: json.get("automation")?.as_str()?.to_owned(),
            group: json.get("group").and_then(Value::as_str).unwrap_or_default().to_owned(),
            proposes: proposes.collect(),
            closed: json.get("closed").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// The text with this mark in place of the one that it has.
    #[must_use]
    pub fn beneath(&self, text: &str) -> String {
        let text = text.rsplit_once(MARK).map_or(text, |(text, _)| text).trim_end();
        let mut json = json!({ "automation": self.automation, "proposes": self.proposes });
        if !self.group.is_empty() {
            json["group"] = json!(self.group);
        }
        if self.closed {
            json["closed"] = json!(true);
        }
        // Two hyphens may end a comment.
        format!("{text}\n\n{MARK}{}{END}\n", json.to_string().replace("--", "-\\u002d"))
    }
}

/// A title: no forge reads anything of it as markup but mentions.
fn title_of(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut title: String = plain.trim().chars().take(MAX_TITLE).collect();
    if plain.trim().chars().count() > MAX_TITLE {
        title.push('…');
    }
    title
}

/// A text in a code span that stands in a table.
fn code(text: &str) -> String {
    let line = one_line(text, MAX_VALUE).replace('`', "'").replace('|', "\\|");
    if line.is_empty() { "``".to_owned() } else { format!("`{line}`") }
}

/// A row of the table: what one policy changes from one value to another.
struct Row<'c> {
    policy: &'c str,
    old: &'c str,
    new: &'c str,
    places: Vec<&'c Change>,
}

fn rows(changes: &[Change]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for change in changes {
        let (policy, old, new) = (change.policy(), change.old.as_str(), change.new.as_str());
        match rows.iter_mut().find(|row| (row.policy, row.old, row.new) == (policy, old, new)) {
            Some(row) => row.places.push(change),
            None => rows.push(Row { policy, old, new, places: vec![change] }),
        }
    }
    rows
}

/// What differs of a value: without the image where it begins with that.
fn short<'v>(value: &'v str, image: &str) -> &'v str {
    let rest = value.strip_prefix(image).unwrap_or(value);
    rest.strip_prefix(':').filter(|rest| !rest.is_empty()).unwrap_or(value)
}

fn default_body(content: Content<'_>) -> String {
    let Content { automation, group, base, changes, differences, .. } = content;
    let rows = rows(changes);
    let mut files: Vec<&str> = changes.iter().map(|change| change.file.as_str()).collect();
    files.sort_unstable();
    files.dedup();
    let mut policies: Vec<&str> = changes.iter().map(Change::policy).collect();
    policies.sort_unstable();
    policies.dedup();
    let image = |policy: &str| {
        let known = automation.policies.iter().find(|known| known.id.marker() == policy);
        known.map_or("", |known| known.repository.image.name())
    };
    let of_group = group.and_then(|group| Some((group.grouping.word()?, &group.name)));
    let of_group = of_group.map(|(word, name)| format!(" It has what changes for the {word} {}.", code(name)));
    let of_group = of_group.unwrap_or_default();
    let mut text = format!(
        "## Summary\n\nUpdates {} for {} in {}. The automation {} of tagwright keeps this request current, as one commit on the \
         newest {}.{}\n\n",
        words::plural(changes.len(), "field"),
        words::plural(policies.len(), "policy"),
        words::plural(files.len(), "file"),
        code(&automation.id.to_string()),
        code(base),
        of_group,
    );
    text.push_str("## Changes\n\n| policy | image | from | to | where |\n|---|---|---|---|---|\n");
    for row in rows.iter().take(MAX_ROWS) {
        let image = image(row.policy);
        let places = row.places.iter().take(MAX_PLACES);
        let mut places: Vec<String> = places.map(|change| code(&format!("{}:{}", change.file, change.line))).collect();
        if row.places.len() > MAX_PLACES {
            places.push(format!("and {} more", row.places.len() - MAX_PLACES));
        }
        let (old, mut new) = (code(short(row.old, image)), code(short(row.new, image)));
        let difference = |change: &&Change| {
            differences.get(&(change.setter.clone(), change.old.clone(), change.new.clone()))?.compare()
        };
        if let Some(link) = row.places.iter().find_map(difference) {
            let _ = write!(new, " ([compare]({link}))");
        }
        let _ = writeln!(text, "| {} | {} | {old} | {new} | {} |", code(row.policy), code(image), places.join(", "));
    }
    if rows.len() > MAX_ROWS {
        let _ = writeln!(text, "\nand {} more.", rows.len() - MAX_ROWS);
    }
    text.push_str(
        "\n## Verification\n\n- Only values behind markers change; a second YAML parser has confirmed each file.\n- Each new value is \
         what its policy selects, and ranks above the old one.\n",
    );
    for policy in automation.policies.iter().filter(|policy| policies.contains(&policy.id.marker().as_str())) {
        let name = code(&policy.id.marker());
        if policy.guards.verify.is_some() {
            let _ = writeln!(text, "- {name}: the signature of the image is verified.");
        }
        if let Some(age) = policy.guards.minimum_age {
            let _ = writeln!(text, "- {name}: known for at least {}.", crate::guard::length(age));
        }
    }
    let first = policies.first().copied().unwrap_or_default();
    let _ = write!(
        text,
        "\n## How to roll back\n\nRevert the merge. tagwright sees that in the history, and proposes these values again only once \
         `tagwright release {}` says so.\n\n## How to hold it\n\nClose this request without merging it: these values are not proposed \
         again until another one is selected, or `tagwright release {}` lifts that. Commits of yours on this branch are kept, and it \
         is left to you from then on.\n",
        one_line(first, MAX_VALUE).replace('`', "'"),
        one_line(first, MAX_VALUE).replace('`', "'"),
    );
    text
}

/// What is said where a request is closed, since nothing is left of what it proposed.
#[must_use]
pub fn superseded(base: &str) -> String {
    format!(
        "Closed by tagwright: nothing is left to propose. What this request proposed is on {} already, or is not selected any more.",
        code(base)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mark() -> Mark {
        let proposes = [("shop:web".to_owned(), "ghcr.io/acme/web:1.4--rc".to_owned())].into();
        Mark { automation: "shop/all".to_owned(), group: String::new(), proposes, closed: false }
    }

    #[test]
    fn marks_are_read_back() {
        let body = mark().beneath("Hello\n\n<!-- tagwright: old -->\n");
        assert_eq!(
            body,
            "Hello\n\n<!-- tagwright: {\"automation\":\"shop/all\",\"proposes\":{\"shop:web\":\"ghcr.io/acme/web:1.4-\\u002drc\"}} \
             -->\n"
        );
        assert_eq!(Mark::read(&body), Some(mark()));
        let closed = Mark { closed: true, ..mark() };
        assert_eq!(Mark::read(&closed.beneath(&body)), Some(closed.clone()));
        assert_eq!(closed.beneath(&body).matches(MARK).count(), 1);
        let grouped = Mark { group: "policy shop:web".to_owned(), ..mark() };
        assert_eq!(Mark::read(&grouped.beneath(&body)), Some(grouped));
    }

    #[test]
    fn what_is_no_mark_is_none() {
        for body in
            ["", "Hello", "<!-- tagwright: {} -->", "<!-- tagwright: {\"automation\":\"a/b\"", "<!-- tagwright: [] -->"]
        {
            assert_eq!(Mark::read(body), None, "{body}");
        }
    }

    #[test]
    fn nothing_leaves_its_code_span() {
        assert_eq!(code("a`b|c\n@all"), r"`a'b\|c\n@all`");
        assert_eq!(short("ghcr.io/a/b:1.2", "ghcr.io/a/b"), "1.2");
        assert_eq!(short("ghcr.io/a/bc:1.2", "ghcr.io/a/b"), "ghcr.io/a/bc:1.2");
        assert_eq!(short("1.2", "ghcr.io/a/b"), "1.2");
        assert_eq!(title_of("Update\tweb\u{7}"), "Update web");
    }
}
