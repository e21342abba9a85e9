//! What a policy selects of the tags that are known, and why not if nothing.

use std::sync::Arc;

use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::ImagePolicy;
use tagwright_core::guard::{self, Choice, Hold};
use tagwright_core::policy::{self, Evaluation, Order, Reason, Rejection};

use super::admit::{MAX_WALKED, Ranked};
use super::hurry::Hurry;
use super::tags::Tags;
use crate::run::{Lack, PolicyReport, Short};
use crate::trace;

/// How many tags policies that move together may differ by.
pub(super) const MAX_ALTERNATIVES: usize = 100;

/// The longest part of a tag that stands as an example, in characters.
const MAX_EXAMPLE: usize = 60;

/// Evaluates a policy; `tags` are what is known of its repository, or why nothing is.
pub(super) fn evaluate(
    policy: &Arc<ImagePolicy>,
    tags: Result<&Tags, &Lack>,
    hurry: Option<&Hurry>,
    now: Timestamp,
) -> PolicyReport {
    let suspended = Err(Lack::Suspended("the policy is suspended".to_owned()));
    let mut report = PolicyReport::of(policy, suspended);
    if policy.suspended {
        return report;
    }
    let span = trace::select(policy);
    report.selection = match tags {
        Err(lack) => Err(lack.clone()),
        Ok(tags) => {
            let names = names(policy, tags);
            let choice = guard::choose(policy, &names, &|tag| Hurry::since(hurry, tags.since(tag)), now);
            if let Some(hurry) = hurry.filter(|_| policy.tag_age().is_some()) {
                let since = choice.selected.and_then(|tag| tags.since(tag));
                report.hurried = hurry.told(since, policy.tag_age(), now);
            }
            report.refused.clone_from(&tags.refused);
            report.tags = Some(names.len());
            report.considered = Some(choice.considered.len());
            if let Some(selected) = choice.selected {
                let as_good = policy.policy.as_good_as(selected, &choice.considered);
                report.as_good = as_good.into_iter().map(str::to_owned).collect();
            }
            if policy.guards.together.is_some() {
                report.as_good = Vec::new();
                report.alternatives = alternatives(policy, tags, &choice);
            }
            report.hold = tags.doubt.clone().or(choice.waiting.clone());
            report.short = choice.selected.is_none().then(|| short(policy, &choice, names.len()));
            trace::count(&span, "tagwright.tags", names.len());
            if let Some(selected) = choice.selected {
                span.record("tagwright.selected", selected);
            }
            match &tags.doubt {
                Some(doubt) => Err(Lack::Doubted(doubt.to_string())),
                None => selected(policy, tags, &choice, names.len()),
            }
        }
    };
    report
}

/// How far the tags came of which none is selected.
fn short(policy: &ImagePolicy, choice: &Choice<'_>, listed: usize) -> Short {
    if listed == 0 {
        return Short::Empty;
    }
    let evaluation = policy.policy.evaluate(&choice.considered);
    let matched = |rejection: &&Rejection<'_>| !matches!(rejection.reason, Reason::NotMatched | Reason::NoImage);
    let mut ordered = evaluation.rejected.iter().filter(matched).peekable();
    match ordered.peek() {
        None => Short::Filtered,
        Some(_) => match ordered.find(|rejection| matches!(rejection.reason, Reason::NotANumber { .. })) {
            Some(rejection) => Short::NotANumber(rejection.tag.to_owned()),
            None => Short::Unordered,
        },
    }
}

/// Keeps the selection of the poll before where the new one ranks equal to it: what is selected does not change because another
/// tag that is as good came.
pub(super) fn stay(report: &mut PolicyReport, before: Option<&PolicyReport>) {
    let known = before.and_then(|before| before.selection.as_ref().ok()?.tag.clone());
    let (Some(known), Ok(selected)) = (known, &mut report.selection) else { return };
    let Some(place) = report.as_good.iter_mut().find(|tag| *tag == known.as_str()) else { return };
    if let Some(other) = selected.tag.replace(known) {
        *place = other.as_str().to_owned();
        report.as_good.sort_unstable_by(|left, right| right.cmp(left));
    }
}

/// The tag that a policy selects of what is known, whatever is doubted.
pub(super) fn in_use(policy: &ImagePolicy, tags: &Tags, now: Timestamp) -> Option<String> {
    let choice = guard::choose(policy, &names(policy, tags), &|tag| tags.since(tag), now);
    choice.selected.map(str::to_owned)
}

/// The candidates of a policy that requires something of the image behind a tag, best first; of very many the first.
pub(super) fn ranked(policy: &ImagePolicy, tags: &Tags, now: Timestamp) -> Vec<Ranked> {
    if !policy.asks() || policy.suspended || tags.doubt.is_some() {
        return Vec::new();
    }
    let choice = guard::choose(policy, &names(policy, tags), &|tag| tags.since(tag), now);
    let candidates = policy.policy.evaluate(&choice.considered).candidates;
    let begin = tags.begin();
    let ranked = |candidate: &policy::Candidate<'_>| {
        let seen = tags.get(candidate.tag)?;
        let digest = tags.digests.get(&seen.name).cloned();
        let (value, seen_at) = (candidate.value.clone(), Some(seen.first_seen));
        let arrived = begin.is_some_and(|begin| begin < seen.first_seen);
        Some(Ranked { tag: seen.name.clone(), value, pushed: seen.pushed, digest, seen: seen_at, arrived })
    };
    // Which of them is the newest is not told by their names.
    let most = if policy.policy.order == Order::Newest { usize::MAX } else { MAX_WALKED };
    candidates.iter().take(most).filter_map(ranked).collect()
}

/// The best tags that a policy can select, for those with which it moves together.
fn alternatives(policy: &ImagePolicy, tags: &Tags, choice: &Choice<'_>) -> Vec<Reference> {
    let candidates = policy.policy.evaluate(&choice.considered).candidates;
    let repository = &policy.repository.image;
    let tags = candidates.iter().take(MAX_ALTERNATIVES).filter_map(|it| Some(tags.get(it.tag)?.name.clone()));
    tags.map(|tag| Reference { repository: repository.clone(), tag: Some(tag), digest: None }).collect()
}

/// The tags that the policy's repository does not exclude.
fn names<'t>(policy: &ImagePolicy, tags: &'t Tags) -> Vec<&'t str> {
    let excluded = |tag: &&str| policy.repository.exclusions.iter().any(|pattern| pattern.is_match(tag));
    tags.names().filter(|tag| !excluded(tag)).collect()
}

fn selected(policy: &ImagePolicy, tags: &Tags, choice: &Choice<'_>, listed: usize) -> Result<Reference, Lack> {
    let tag = choice.selected.and_then(|tag| tags.get(tag)).map(|seen| seen.name.clone());
    let tag = tag.ok_or_else(|| match &choice.waiting {
        Some(_) => Lack::Waiting(nothing(policy, choice, listed)),
        None => Lack::NoTag(nothing(policy, choice, listed)),
    })?;
    Ok(Reference { repository: policy.repository.image.clone(), tag: Some(tag), digest: None })
}

/// Says in one sentence why nothing is selected.
fn nothing(policy: &ImagePolicy, choice: &Choice<'_>, listed: usize) -> String {
    let mut reasons = Vec::new();
    if choice.denied > 0 {
        reasons.push(format!("{} named by `exclude`", choice.denied));
    }
    if let Some(waiting @ Hold::TooYoung { .. }) = &choice.waiting {
        reasons.push(format!("{} too young: {waiting}", choice.young));
    }
    if reasons.is_empty() {
        return no_match(&policy.policy.evaluate(&choice.considered), listed);
    }
    if !choice.considered.is_empty() {
        reasons.push(no_match(&policy.policy.evaluate(&choice.considered), choice.considered.len()));
    }
    format!("none of {listed} tags can be selected: {}", reasons.join(", "))
}

/// Says in one sentence what became of the tags when none was selected.
#[must_use]
pub fn no_match(evaluation: &Evaluation<'_>, listed: usize) -> String {
    if listed == 0 {
        return "there are no tags".to_owned();
    }
    let mut counts: Vec<(&Rejection<'_>, usize)> = Vec::new();
    for rejection in &evaluation.rejected {
        let kind = std::mem::discriminant(&rejection.reason);
        match counts.iter_mut().find(|(first, _)| std::mem::discriminant(&first.reason) == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((rejection, 1)),
        }
    }
    let reasons: Vec<String> = counts.into_iter().map(|(first, count)| counted(first, count)).collect();
    match listed {
        1 => format!("the only tag cannot be selected: {}", reasons.join(", ")),
        _ => format!("none of {listed} tags can be selected: {}", reasons.join(", ")),
    }
}

/// How many tags were rejected for one kind of reason, and the first of them.
fn counted(first: &Rejection<'_>, count: usize) -> String {
    let example = words::one_line(first.tag, MAX_EXAMPLE);
    match &first.reason {
        Reason::NoImage => format!("{count} no image but a signature or the like of another, such as '{example}'"),
        Reason::NotMatched => format!("{count} not matched by the filter, such as '{example}'"),
        Reason::NotAVersion { .. } => format!("{count} not a version, such as '{example}'"),
        Reason::TooFewDots { .. } => format!("{count} with fewer than two dots, such as '{example}'"),
        Reason::OutOfRange { range } => format!("{count} not in the range '{range}', such as '{example}'"),
        Reason::Prerelease { range } => {
            format!("{count} a pre-release, which the range '{range}' does not ask for, such as '{example}'")
        }
        Reason::NotInFormat { format, .. } => format!("{count} not in the format {format}, such as '{example}'"),
        Reason::NotANumber { .. } => format!("{count} not a number, such as '{example}'"),
        Reason::NumberTooLarge { .. } => format!("{count} too large a number, such as '{example}'"),
        Reason::Collides { .. } => format!("{count} with the extracted value of another, such as '{example}'"),
    }
}

/// Says in one sentence which tags of a listing are none that OCI allows; nothing if all are.
#[must_use]
pub fn refused(listing: &registry::Listing) -> Option<String> {
    let registry::Listing { refused, refused_sample, .. } = listing;
    let sample: Vec<String> = refused_sample.iter().map(|tag| format!("'{tag}'")).collect();
    let such_as = if sample.len() == *refused { "" } else { "such as " };
    let tags = if *refused == 1 { "a tag" } else { "tags" };
    (*refused > 0)
        .then(|| format!("lists {tags} that OCI does not allow ({refused}, ignored): {such_as}{}", sample.join(", ")))
}
