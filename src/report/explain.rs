//! The answer of `explain` as text: the funnel of a policy, the fate of one tag, and the fields.

mod json;

use std::fmt::Write;

use image::Digest;
use jiff::Timestamp;
use tagwright_core::automation::{DigestReflection, ImagePolicy};
use tagwright_core::explain::{Cause, Dropped, DroppedTag, Fate, Field, Fields, Funnel};
use tagwright_core::guard::{self, PassedOver, Refusal};
use tagwright_core::policy::{Direction, Filter, Order, Policy, Reason};

use super::quoted;
use super::tags::{Row, table};

/// Candidates that are shown, the best first, unless everything is asked for.
const CANDIDATES: usize = 10;

/// Tags that are shown as examples of each cause unless everything is asked for.
const EXAMPLES: usize = 5;

/// Labels longer than this are not padded.
const LABEL_WIDTH: usize = 60;

/// The length of the answer: long lists are cut unless somebody wants all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The first of each list, and how many more there are.
    Some,
    /// Every tag and candidate.
    All,
}

/// Whether the ages of tags are known. Without them a minimum age cannot be judged, and the text says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Ages were looked at.
    Yes,
    /// Nothing tells them.
    No,
}

/// Whether what a policy requires of an image was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    /// It was, or it requires nothing.
    Yes,
    /// The tags are not those of the policy's own repository.
    No,
}

/// The story of one policy.
#[derive(Debug)]
pub(crate) struct Story<'s> {
    /// The policy that is explained.
    pub(crate) policy: &'s ImagePolicy,
    /// The repository whose tags these are, or the file they come from.
    pub(crate) source: &'s str,
    /// The tags that fall away, each with its cause, and the candidates that are left.
    pub(crate) funnel: Funnel<'s>,
    /// Whether the ages of tags were looked at.
    pub(crate) ages: Known,
    /// The digest of what is selected, where the policy asks for it.
    pub(crate) digest: Option<Digest>,
    /// The best image that is passed over.
    pub(crate) passed_over: Option<PassedOver>,
    /// What else is to say about the selection, each in one sentence.
    pub(crate) remarks: Vec<String>,
    /// Whether what is required of images was looked at.
    pub(crate) images: Images,
    /// Why nothing is selected, whatever the tags are.
    pub(crate) held: Option<String>,
    /// Where fields were looked for.
    pub(crate) places: Vec<AutomationFields>,
}

/// The fields that one automation writes, or that are in a directory which no automation reads.
#[derive(Debug)]
pub(crate) struct AutomationFields {
    /// The automation that writes them; empty when none does.
    pub(crate) automation: String,
    /// Where they are, for people.
    pub(crate) title: String,
    /// The fields with their values now and after a run, and what was noticed in their files.
    pub(crate) fields: Fields,
    /// Why they are not known.
    pub(crate) error: Option<String>,
}

impl Story<'_> {
    /// The tag that is selected, unless something stands against it.
    #[must_use]
    pub(crate) fn selected(&self) -> Option<&str> {
        if self.held.is_some() { None } else { self.funnel.selected() }
    }
}

/// Writes the funnel and the fields.
#[must_use]
pub(crate) fn text(story: &Story<'_>, extent: Extent) -> String {
    let mut text = heading(story);
    text.push('\n');
    text.push_str(&funnel(&story.funnel, extent, &story.policy.policy));
    for place in &story.places {
        text.push('\n');
        text.push_str(&fields(story, place));
    }
    text
}

fn heading(story: &Story<'_>) -> String {
    let id = &story.policy.id;
    let mut text = format!("{}:{} takes from {} {}\n", id.namespace, id.name, story.source, rule(&story.policy.policy));
    if story.policy.digest != DigestReflection::Never {
        text.push_str("the digest behind the tag is written, too\n");
    }
    if let Some(group) = &story.policy.guards.together {
        let _ =
            writeln!(text, "it moves only together with the other policies of '{group}', which are not looked at here");
    }
    if story.images == Images::No {
        text.push_str(
            "what is required of images is not looked at, since these are not the tags of the policy's repository\n",
        );
    }
    if let Some(minimum) = story.policy.digest_age() {
        let _ = writeln!(text, "a digest counts once it has been known for {}", guard::length(minimum));
    }
    if let Some(minimum) = story.policy.tag_age() {
        let minimum = guard::length(minimum);
        let _ = match story.ages {
            Known::Yes => writeln!(text, "a tag counts once it has been known for {minimum}"),
            Known::No => writeln!(
                text,
                "a tag counts once it has been known for {minimum}, which is not looked at here, since nothing tells since \
                 when tags exist"
            ),
        };
    }
    if let Some(digest) = story.selected().and(story.digest.as_ref()) {
        let _ = writeln!(text, "the image that is selected is {digest}");
    }
    for remark in story.remarks.iter().filter(|_| story.held.is_none()) {
        let _ = writeln!(text, "{remark}");
    }
    if let Some(passed) = story.passed_over.as_ref().filter(|_| story.held.is_none()) {
        let _ = writeln!(text, "{passed}");
    }
    if let Some(held) = &story.held {
        let _ = writeln!(text, "nothing is selected: {held}");
    }
    text
}

/// A policy in a few words.
fn rule(policy: &Policy) -> String {
    let order = match &policy.order {
        Order::Semver(range) => format!("the highest version in '{range}'"),
        Order::Calver(format) => format!("the latest version in the format {}", format.as_str()),
        Order::Newest => "the newest tag".to_owned(),
        Order::Numerical(Direction::Ascending) => "the greatest number".to_owned(),
        Order::Numerical(Direction::Descending) => "the smallest number".to_owned(),
        Order::Alphabetical(Direction::Ascending) => "the last in the order of bytes".to_owned(),
        Order::Alphabetical(Direction::Descending) => "the first in the order of bytes".to_owned(),
    };
    match &policy.filter {
        None => order,
        Some(Filter { pattern, extract }) if extract.is_empty() => format!("{order} that {} matches", pattern.as_str()),
        Some(Filter { pattern, extract }) => {
            format!("{order}, read as {extract} from tags that match {}", pattern.as_str())
        }
    }
}

fn funnel(funnel: &Funnel<'_>, extent: Extent, policy: &Policy) -> String {
    let mut lines = vec![("  tags listed".to_owned(), funnel.listed, String::new())];
    let shown = |group: &Dropped<'_>| match extent {
        Extent::Some => examples(group),
        Extent::All => String::new(),
    };
    lines.extend(funnel.dropped.iter().map(|group| (format!("- {}", label(group, policy)), group.count, shown(group))));
    lines.push(("= candidates, best first".to_owned(), funnel.candidates.len(), String::new()));
    let label_width = lines.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or_default().min(LABEL_WIDTH);
    let count_width = funnel.listed.to_string().len();
    let mut text = String::new();
    for (label, count, examples) in lines {
        let line = format!("{label:label_width$}  {count:count_width$}  {examples}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str(&rows(funnel, extent));
    text
}

/// The candidates, and with [`Extent::All`] every other tag too.
fn rows(funnel: &Funnel<'_>, extent: Extent) -> String {
    let candidates = funnel.candidates.iter().enumerate().map(|(index, it)| Row::candidate(index, it));
    match extent {
        Extent::Some => {
            let mut text = table(&candidates.take(CANDIDATES).collect::<Vec<_>>());
            let hidden = funnel.candidates.len().saturating_sub(CANDIDATES);
            if hidden > 0 {
                let _ = writeln!(text, "  … and {hidden} more, which --all shows");
            }
            text
        }
        Extent::All => {
            let dropped = funnel.dropped.iter().flat_map(|group| group.tags.iter().map(move |it| (&group.cause, it)));
            let dropped = dropped.map(|(cause, it)| {
                Row::rejected(it.tag, &why(cause, it.reason.as_ref(), it.from, it.refusal.as_ref()))
            });
            table(&candidates.chain(dropped).collect::<Vec<_>>())
        }
    }
}

fn label(group: &Dropped<'_>, policy: &Policy) -> String {
    let range = match &policy.order {
        Order::Semver(range) => range.as_str(),
        Order::Calver(format) => format.as_str(),
        _ => "",
    };
    match &group.cause {
        Cause::NotAllowed => "not allowed by OCI".to_owned(),
        Cause::Excluded(_, pattern) => format!("excluded by {pattern}"),
        Cause::Denied(_, text) => format!("excluded by {text} of the policy"),
        Cause::TooYoung => "could be selected, but too young".to_owned(),
        Cause::NoImage => "no images, but signatures, SBOMs and the like".to_owned(),
        Cause::NotMatched => "not matched by the filter".to_owned(),
        Cause::NotAVersion => "not a version".to_owned(),
        Cause::TooFewDots => "fewer than two dots, so not taken for a version".to_owned(),
        Cause::OutOfRange => format!("not in the range '{range}'"),
        Cause::Prerelease => format!("pre-releases, which '{range}' does not ask for"),
        Cause::NotInFormat => format!("not in the format {range}"),
        Cause::NotANumber => "not a number".to_owned(),
        Cause::NumberTooLarge => "too large a number".to_owned(),
        Cause::Collides => "with the extracted value of another tag".to_owned(),
        Cause::PassedOver(code) => format!("could be selected, but passed over ({code})"),
    }
}

fn examples(group: &Dropped<'_>) -> String {
    let mut examples: Vec<String> = group.tags.iter().take(EXAMPLES).map(example).collect();
    if group.count > examples.len() {
        examples.push("…".to_owned());
    }
    examples.join(", ")
}

/// A tag with what was extracted from it, where that is what matters.
fn example(dropped: &DroppedTag<'_>) -> String {
    let tag = dropped.tag;
    match &dropped.reason {
        Some(
            Reason::NotAVersion { value }
            | Reason::TooFewDots { value }
            | Reason::NotInFormat { value, .. }
            | Reason::NotANumber { value }
            | Reason::NumberTooLarge { value },
        ) if value != tag => format!("{tag} ({})", quoted(value)),
        Some(Reason::Collides { with }) => format!("{tag} (as {with})"),
        None if dropped.from.is_some() => format!("{tag} ({})", since(dropped.from)),
        _ => tag.to_owned(),
    }
}

/// From when on a tag counts.
fn since(from: Option<Timestamp>) -> String {
    match from.map(|from| Timestamp::from_second(from.as_second()).unwrap_or(from)) {
        Some(from) => format!("from {from} on"),
        None => "nothing tells since when it exists".to_owned(),
    }
}

fn why(cause: &Cause, reason: Option<&Reason>, from: Option<Timestamp>, refusal: Option<&Refusal>) -> String {
    if let Some(refusal) = refusal {
        return format!("passed over: its image {refusal}");
    }
    match (cause, reason) {
        (Cause::TooYoung, _) => format!("too young ({})", since(from)),
        (Cause::Denied(_, text), _) => format!("excluded by {text} of the policy"),
        (_, Some(reason)) => reason.to_string(),
        (Cause::Excluded(_, pattern), None) => format!("excluded by the pattern '{pattern}' of the image repository"),
        _ => "OCI allows no such tag".to_owned(),
    }
}

/// Says in one sentence what becomes of a tag. `with` is the funnel that has the tag, if the story's has not.
#[must_use]
pub(crate) fn sentence(story: &Story<'_>, tag: &str, with: Option<&Funnel<'_>>) -> String {
    let Some(with) = with else {
        return match &story.held {
            Some(held) => format!("{tag} is not selected: {held}\n"),
            None => format!("{tag} {}\n", fate(&story.funnel, tag)),
        };
    };
    format!(
        "{tag} is not selected: it is not among the {} of {}; if it were, it {}\n",
        words::plural(story.funnel.listed, "tag"),
        story.source,
        would(with, tag)
    )
}

fn fate(funnel: &Funnel<'_>, tag: &str) -> String {
    match funnel.fate(tag) {
        Fate::Candidate { place: 1 } if funnel.candidates.len() == 1 => "is selected, as the only candidate".to_owned(),
        Fate::Candidate { place: 1 } => {
            format!("is selected, as the best of {} candidates{}", funnel.candidates.len(), ordered(funnel, 1))
        }
        Fate::Candidate { place } => {
            let best = funnel.selected().unwrap_or_default();
            let of = funnel.candidates.len();
            format!("is not selected: it is candidate {place} of {of}{}, and {best} is better", ordered(funnel, place))
        }
        Fate::Dropped { cause, reason, from, refusal } => {
            format!("is not selected: {}", why(cause, reason, from, refusal))
        }
        Fate::Absent => format!("is not selected: {}", why(&Cause::NotAllowed, None, None, None)),
    }
}

fn would(funnel: &Funnel<'_>, tag: &str) -> String {
    match funnel.fate(tag) {
        Fate::Candidate { place: 1 } => "would be selected".to_owned(),
        Fate::Candidate { place } => format!("would be candidate {place} of {}", funnel.candidates.len()),
        Fate::Dropped { cause, reason, from, refusal } => {
            format!("would be rejected: {}", why(cause, reason, from, refusal))
        }
        Fate::Absent => format!("would be rejected: {}", why(&Cause::NotAllowed, None, None, None)),
    }
}

fn ordered(funnel: &Funnel<'_>, place: usize) -> String {
    match funnel.candidates.get(place - 1) {
        Some(candidate) if candidate.value != candidate.tag => format!(", ordered by {}", quoted(&candidate.value)),
        _ => String::new(),
    }
}

fn fields(story: &Story<'_>, place: &AutomationFields) -> String {
    let AutomationFields { title, fields, error, .. } = place;
    let mut text = format!("{title}\n");
    if let Some(error) = error {
        let _ = writeln!(text, "  error: {error}");
    } else if fields.fields.is_empty() {
        let id = &story.policy.id;
        let _ = writeln!(text, "  no field is marked with {}", id.marker());
    }
    for field in &fields.fields {
        let _ = writeln!(text, "  {}", line(field));
        for detail in &field.details {
            let _ = writeln!(text, "    {detail}");
        }
    }
    for line in super::diagnostics(&fields.diagnostics).lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn line(field: &Field) -> String {
    let Field { file, line, column, setter, old, new, why, .. } = field;
    let old = quoted(old);
    match (new, why) {
        (_, Some(why)) => format!("{file}:{line}:{column}: {old} stays ({setter}): {why}"),
        (Some(new), None) if *new != field.old => {
            format!("{file}:{line}:{column}: {old} -> {} ({setter})", quoted(new))
        }
        _ => format!("{file}:{line}:{column}: {old} is up to date ({setter})"),
    }
}
