//! The answer of `mark`: the policies it derived, the images it left alone, and the same as JSON.

use std::fmt::Write;
use std::path::Path;

use tagwright_core::automation::DigestReflection;
use tagwright_core::mark::{Edit, File, Group, Left, Marking, Member, Origin, Outlook, Reason, Why};
use tagwright_core::marker::Field;
use tagwright_core::policy::{Direction, Order};

use words::one_line;

use crate::wire::mark::{Choice, Document, FilterTags, LeftAlone, MarkedField, Policy};

/// How much of an image is shown that has no repository's name, in characters.
const MAX_SHOWN: usize = 100;

/// Writes one line for each policy, then one for each image left alone, then a sum.
#[must_use]
pub(crate) fn summary(files: &[File], marking: &Marking) -> String {
    let mut text = String::new();
    for group in &marking.groups {
        let _ = writeln!(text, "{}", group_line(group));
    }
    for left in &marking.left {
        let _ = writeln!(text, "left alone: {}", left_line(files, left));
    }
    if marking.groups.is_empty() && marking.left.is_empty() && marking.marked == 0 {
        let _ = match files.len() {
            0 => writeln!(text, "no image was found: no file here has a name that ends in .yaml or .yml and names one"),
            count => writeln!(text, "no image was found in {} that may name one", words::plural(count, "file")),
        };
        return text;
    }
    let images: usize = marking.groups.iter().map(|group| group.images().count()).sum();
    let policies = marking.groups.iter().filter(|group| group.origin == Origin::Derived).count();
    let (images, left) = (words::plural(images, "image"), words::plural(marking.left.len(), "image"));
    let policies = words::plural(policies, "new policy");
    let marked = marking.marked;
    let _ = writeln!(text, "{images} to mark with {policies}, {left} left alone, {marked} marked before");
    text
}

/// Files that are named one by one; the rest is counted.
const MAX_FILES_NAMED: usize = 5;

/// What became of a marking.
#[derive(Debug)]
pub(crate) struct Done<'d> {
    pub(crate) mode: Mode,
    pub(crate) edits: &'d [Edit],
    /// Where the policies go; without it they are printed.
    pub(crate) config: Option<&'d Path>,
    /// Whether there is something to write there.
    pub(crate) has_policies: bool,
    /// The path that the automation reads from now on, too.
    pub(crate) path: Option<&'d str>,
}

impl Done<'_> {
    /// Says what was written, what was not, and what to do next.
    #[must_use]
    pub(crate) fn sentences(&self) -> String {
        let config = self.config.map(|path| words::escape(&path.display().to_string()));
        let path = self.path.map_or_else(String::new, |path| format!(", which reads {} now, too", words::escape(path)));
        let files = self.files();
        if self.edits.is_empty() && !self.has_policies {
            return "nothing to write\n".to_owned();
        }
        match (self.mode, config) {
            (Mode::Shown, Some(config)) => {
                let policies =
                    if self.has_policies { format!(", and the policies to {config}{path}") } else { String::new() };
                format!("nothing was written; --write writes markers to {files}{policies}\n")
            }
            (Mode::Shown, None) => format!(
                "nothing was written; --write writes markers to {files}, and --config FILE the policies to a file\n"
            ),
            (Mode::Written, Some(config)) => {
                let policies =
                    if self.has_policies { format!(", and the policies to {config}{path}") } else { String::new() };
                format!(
                    "wrote markers to {files}{policies}\nnext: commit and push the markers, then `tagwright run --once --dry-run \
                     --config {config}`\n"
                )
            }
            (Mode::Written, None) => format!(
                "wrote markers to {files}; the policies are on stdout, and in no file (--config FILE)\nnext: keep the policies, commit \
                 and push the markers, then `tagwright run --once --dry-run`\n"
            ),
        }
    }

    fn files(&self) -> String {
        if self.edits.is_empty() { "no file".to_owned() } else { named(self.edits) }
    }
}

/// The first files of edits by their names.
pub(crate) fn named(edits: &[Edit]) -> String {
    let names: Vec<String> = edits.iter().take(MAX_FILES_NAMED).map(|edit| words::escape(&edit.path)).collect();
    let more = match edits.len().saturating_sub(MAX_FILES_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// Describes a policy: its name, what it follows, where, and what it selects.
#[must_use]
pub(crate) fn group_line(group: &Group) -> String {
    let places = match group.targeted.len() {
        0 => words::plural(group.members.len(), "image"),
        targeted => format!("{}, {targeted} by target", words::plural(group.images().count(), "image")),
    };
    let origin = if group.origin == Origin::Known { ", a policy that exists" } else { "" };
    let now = match &group.outlook {
        Outlook::Selects { tag, tags } => format!("; would select {tag} of {}", words::plural(*tags, "tag")),
        Outlook::Alone { tag, tags } => {
            format!("; would stay at {tag}, as no other of {} is like it", words::plural(*tags, "tag"))
        }
        Outlook::SelectsNone(reason) => format!("; would select nothing: {reason}"),
        Outlook::Unknown(reason) => format!("; not verified: {reason}"),
        Outlook::NotAsked => String::new(),
    };
    let Group { namespace, name, repository, explanation, .. } = group;
    let order = order_text(&group.policy.order);
    format!("{namespace}:{name}: {repository}, {explanation} ({order}), for {places}{origin}{now}")
}

/// Where an image is: `file:line`.
#[must_use]
pub(crate) fn place(files: &[File], member: Member) -> String {
    let file = &files[member.file];
    format!("{}:{}", words::escape(&file.path), file.inventory.images[member.image].line())
}

fn left_line(files: &[File], left: &Left) -> String {
    let image = &files[left.member.file].inventory.images[left.member.image];
    let tag = if image.tag.is_empty() { String::new() } else { format!(":{}", image.tag) };
    let hint = match &left.why {
        Why::NotOrderable(Reason::Hash(_)) => {
            "; --newest follows the image that came last, --track-digests pins the digest behind it and follows that"
        }
        Why::NotOrderable(reason) if reason.trackable() => {
            "; --track-digests pins the digest behind it and follows that"
        }
        _ => "",
    };
    format!("{}: {}{tag}: {}{hint}", place(files, left.member), one_line(&image.shown, MAX_SHOWN), left.why)
}

fn order_text(order: &Order) -> String {
    match order {
        Order::Semver(range) => format!("semver {}", range.as_str()),
        Order::Calver(format) => format!("calver {}", format.as_str()),
        Order::Newest => "newest".to_owned(),
        Order::Numerical(direction) => format!("numerical {}", direction_text(*direction)),
        Order::Alphabetical(direction) => format!("alphabetical {}", direction_text(*direction)),
    }
}

fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "asc",
        Direction::Descending => "desc",
    }
}

/// Whether the files were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The files have their markers and policies now.
    Written,
    /// Nothing was touched; the answer shows what would be written.
    Shown,
}

impl Document {
    /// Puts the whole answer together.
    #[must_use]
    pub(crate) fn new(files: &[File], marking: &Marking, edits: &[Edit], document: Option<String>, mode: Mode) -> Self {
        let policies = marking.groups.iter().map(|group| policy(files, group)).collect();
        let left_alone = marking.left.iter().map(|left| left_alone(files, left)).collect();
        let diff = edits.iter().map(|edit| super::diff::file(&edit.path, &edit.old, &edit.new)).collect();
        Self { written: mode == Mode::Written, policies, left_alone, marked_before: marking.marked, diff, document }
    }
}

fn policy(files: &[File], group: &Group) -> Policy {
    let (selected, problem) = match &group.outlook {
        Outlook::Selects { tag, .. } => (Some(tag.clone()), None),
        Outlook::Alone { tag, tags } => {
            (Some(tag.clone()), Some(format!("no other of {} is like it", words::plural(*tags, "tag"))))
        }
        Outlook::SelectsNone(reason) | Outlook::Unknown(reason) => (None, Some(reason.clone())),
        Outlook::NotAsked => (None, None),
    };
    let filter = group.policy.filter.as_ref();
    Policy {
        namespace: group.namespace.clone(),
        name: group.name.clone(),
        image: group.repository.name().to_owned(),
        tag: group.tag.clone(),
        filter_tags: filter
            .map(|it| FilterTags { pattern: it.pattern.as_str().to_owned(), extract: it.extract.clone() }),
        policy: match &group.policy.order {
            Order::Semver(range) => Choice::Semver { range: range.as_str().to_owned() },
            Order::Calver(format) => Choice::Calver { format: format.as_str().to_owned() },
            Order::Newest => Choice::Newest {},
            Order::Numerical(direction) => Choice::Numerical { order: direction_text(*direction) },
            Order::Alphabetical(direction) => Choice::Alphabetical { order: direction_text(*direction) },
        },
        digest_reflection_policy: match group.digest {
            DigestReflection::Never => "Never",
            DigestReflection::IfNotPresent => "IfNotPresent",
            DigestReflection::Always => "Always",
        },
        explanation: group.explanation.clone(),
        known: group.origin == Origin::Known,
        selected,
        problem,
        fields: group.members.iter().flat_map(|member| fields(files, *member)).collect(),
        targets: group.targeted.iter().map(|it| it.places.len()).sum(),
    }
}

fn fields(files: &[File], member: Member) -> Vec<MarkedField> {
    let file = &files[member.file];
    let scalars = file.inventory.images[member.image].free_scalars();
    let field = |field| match field {
        Field::Image => "image",
        Field::Name => "name",
        Field::Tag => "tag",
        Field::Digest => "digest",
    };
    scalars
        .map(|scalar| MarkedField {
            file: file.path.clone(),
            line: scalar.line,
            column: scalar.column,
            field: field(scalar.field),
        })
        .collect()
}

fn left_alone(files: &[File], left: &Left) -> LeftAlone {
    let file = &files[left.member.file];
    let image = &file.inventory.images[left.member.image];
    LeftAlone {
        file: file.path.clone(),
        line: image.line(),
        image: image.shown.clone(),
        tag: image.tag.clone(),
        reason: left.why.to_string(),
    }
}
