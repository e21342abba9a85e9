//! How Updatecli commits: as whom, and with which message.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Import;
use super::node::Node;
use super::updatecli::SOURCE;
use crate::mark::File;

/// The author of its commits, where none is configured.
const AUTHOR: (&str, &str) = ("updatecli-bot", "updatecli-bot@updatecli.io");
/// The type of its commits, where none is configured.
const TYPE: &str = "chore";
/// How long the first line of a message is, in bytes; a longer name goes on below.
const MAX_TITLE: usize = 72;
/// What a message has that it takes from its source: the tag, or the digest where that is all that is new.
const SELECTED: &str = "{{ with first .Images }}{{ or .NewTag .NewDigest }}{{ end }}";

static SELECTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\{\{-?\s*source\s+["`]([^"`]+)["`]\s*-?\}\}"#).ok());

/// The author that an SCM names; none where it is a template.
pub(super) fn author(spec: &Node) -> Option<(String, String)> {
    let said = |key: &str, default: &str| match spec.text_of(key).filter(|it| !it.is_empty()) {
        Some(text) => Some(text.to_owned()).filter(|it| !it.contains("{{")),
        None => Some(default.to_owned()),
    };
    said("user", AUTHOR.0).zip(said("email", AUTHOR.1))
}

/// A target, and what its commit is called after.
pub(super) struct Titled<'t> {
    pub(super) id: &'t str,
    pub(super) target: &'t Node,
    /// The name of its source.
    pub(super) source: &'t str,
    /// Whether nothing else is in its commits.
    pub(super) is_alone: bool,
}

/// The message of a target's commits, without the line that names Updatecli; none where that of several is one commit, or nothing names it.
pub(super) fn message(import: &mut Import, file: &File, scm: &Node, of: &Titled<'_>) -> Option<String> {
    let said = scm.get("spec").and_then(|it| it.get("commitmessage").or_else(|| it.get("commitMessage")));
    let text = |key: &str| said.and_then(|it| it.text_of(key)).filter(|it| !it.is_empty());
    for (key, node) in said.map(Node::entries).unwrap_or_default() {
        let known = ["type", "scope", "title", "body", "footers", "hidecredit"];
        if !known.contains(&key.to_lowercase().as_str()) {
            import.leave(SOURCE, &node.spot(&file.path), format!("commitmessage: {key}"), "it has no counterpart");
        }
    }
    let kind = text("type").unwrap_or(TYPE);
    let scope = text("scope").map(|scope| format!("({scope})")).unwrap_or_default();
    let prefix = format!("{kind}{scope}: ");
    let (title, body) = match (text("title"), of.target.text_of("name")) {
        (Some(title), _) => (title.to_owned(), text("body").unwrap_or_default().to_owned()),
        (None, Some(name)) if of.is_alone => split(name, MAX_TITLE.saturating_sub(prefix.len())),
        _ => return None,
    };
    let below = [Some(body.as_str()), text("footers")].into_iter().flatten().filter(|it| !it.is_empty());
    let whole = below.fold(format!("{prefix}{title}"), |whole, part| format!("{whole}\n\n{}", part.trim_end()));
    let own = |found: &Captures<'_>| if &found[1] == of.source { SELECTED.to_owned() } else { found[0].to_owned() };
    let whole = SELECTION.as_ref().map_or(whole.clone(), |it| it.replace_all(&whole, own).into_owned());
    if whole.replace(SELECTED, "").contains("{{") {
        let why = "it is a template, whose values are not known here; write one under `git.commit.message`";
        import.leave(SOURCE, &of.target.spot(&file.path), format!("the commit message of the target {}", of.id), why);
        return None;
    }
    Some(whole)
}

/// A name as a title of at most so many bytes, and what is left of it.
fn split(name: &str, most: usize) -> (String, String) {
    let (line, rest) = name.split_once('\n').unwrap_or((name, ""));
    if line.len() <= most || line.contains("{{") {
        return (line.to_owned(), rest.trim_end().to_owned());
    }
    let end = (0..=most.saturating_sub(3)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    let body = format!("... {}\n{rest}", &line[end..]);
    (format!("{}...", &line[..end]), body.trim_end().to_owned())
}
