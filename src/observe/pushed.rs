//! Tags that somebody has just told of: what policies make of them, without a list of all tags.
//!
//! What was told is a hint. A tag that a policy would select is asked for by its digest, once for all policies, and one that the registry
//! does not have changes nothing. What is known of the repository stays as the last list had it: the next poll confirms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image::{Reference, Tag};
use jiff::{SignedDuration, Timestamp};
use tagwright_core::automation::{DigestReflection, ImagePolicy, ImageRepository, Schedule};

use super::digests::{Answer, Digests};
use super::hurry::Hurry;
use super::poll::{Polled, tell_moved};
use super::polls::Polls;
use super::tags::Tags;
use super::{admit, select, tags};
use crate::run::{Context, Lack, PolicyReport};
use crate::store::{Image, SeenTag};

/// Evaluates the policies of an image repository with tags that were pushed just now, beside those of the last list. None where that
/// is not enough to tell, so that the list has to be asked for: there is none yet, it is due, it is not believed; or a policy requires
/// more of an image than its tag.
pub async fn pushed(
    context: Context<'_>,
    repository: &ImageRepository,
    policies: &[Arc<ImagePolicy>],
    before: &Polls,
    told: &BTreeSet<Tag>,
) -> Option<Polled> {
    if repository.suspended || policies.iter().any(|policy| policy.asks()) {
        return None;
    }
    let image = context.image(&tags::key(repository)).await?;
    if image.doubted || is_due(&repository.schedule, image.polled, context.now) {
        return None;
    }
    // What was told of before is on no list yet, and what came of it stays.
    let selected = policies.iter().filter_map(|policy| before.of(policy)?.selection.as_ref().ok()?.tag.clone());
    let tags = with(&image, &selected.chain(told.iter().cloned()).collect(), context.now);
    let hurries = Hurry::all(context, policies.iter().map(Arc::as_ref)).await;
    let mut reports = Vec::with_capacity(policies.len());
    let mut open = Vec::new();
    for policy in policies {
        let known = before.of(policy)?;
        if matches!(known.selection, Err(Lack::NoAnswer(_) | Lack::Doubted(_))) {
            return None;
        }
        let mut report = select::evaluate(policy, Ok(&tags), hurries.get(&policy.id.marker()), context.now);
        select::stay(&mut report, Some(known));
        if let Some(tag) = report.selection.as_ref().ok().and_then(|selection| selection.tag.clone()) {
            let is_same = known.selection.as_ref().is_ok_and(|known| known.tag.as_ref() == Some(&tag));
            match (is_same, told.contains(&tag)) {
                // Its digest may be another now.
                (true, true) if policy.digest == DigestReflection::Always => open.push((reports.len(), tag)),
                (true, _) => report.selection.clone_from(&known.selection),
                (false, true) => open.push((reports.len(), tag)),
                // It has come of age meanwhile, and nobody has told of it.
                (false, false) if has_digest(context, policy) => return None,
                (false, false) => {}
            }
        }
        reports.push(report);
    }
    confirm(context, policies, before, &mut reports, open).await?;
    tell_moved(context, &reports).await;
    let newest = repository.max_interval.and_then(|_| tags.newest());
    let polled = Polled { newest, told: true, ..Polled::of(reports, Vec::new(), before) };
    let changed = polled.changed.len();
    tracing::debug!(
        image.repository = repository.image.name(),
        tags = told.len(),
        changed,
        "looked at what was pushed"
    );
    Some(polled)
}

/// Whether a policy takes the digest of what it selects along: where selections are published, also one that wants it once.
fn has_digest(context: Context<'_>, policy: &ImagePolicy) -> bool {
    match policy.digest {
        DigestReflection::Always => true,
        DigestReflection::IfNotPresent => context.summarise,
        DigestReflection::Never => false,
    }
}

/// Asks for the digests of tags that would be selected. A policy whose tag is not there keeps what it had; none where nobody answers.
async fn confirm(
    context: Context<'_>,
    policies: &[Arc<ImagePolicy>],
    before: &Polls,
    reports: &mut [PolicyReport],
    open: Vec<(usize, Tag)>,
) -> Option<()> {
    let mut digests = Digests::default();
    let wanted = open.iter().map(|(at, tag)| (&*policies[*at].repository, tag)).collect();
    digests.look_for(&context.edges.registry, wanted).await;
    let follows = |at: &usize| has_digest(context, &policies[*at]);
    let noted: Vec<_> =
        open.iter().filter(|(at, _)| follows(at)).map(|(at, tag)| (&policies[*at], tag.clone())).collect();
    let moved = admit::note(context, &noted, &digests).await;
    for (at, tag) in open {
        let policy = &policies[at];
        match digests.answer(&policy.repository, &tag)? {
            Answer::Digest(digest) => {
                let digest = follows(&at).then(|| digest.clone());
                let of_it = moved.iter().filter(|(id, _)| *id == policy.id).map(|(_, moved)| moved.clone());
                reports[at].moved.extend(of_it);
                reports[at].selection =
                    Ok(Reference { repository: policy.repository.image.clone(), tag: Some(tag), digest });
            }
            Answer::NoImage(reason) => {
                let policy = policy.id.marker();
                tracing::debug!(policy.name = policy, reason, "was told of a tag that is not there");
                reports[at] = PolicyReport::clone(before.of(&policies[at])?);
            }
            Answer::Failed(_) => return None,
        }
    }
    Some(())
}

/// Whether the list is due by now, so that this must not take the place of it.
fn is_due(schedule: &Schedule, polled: Timestamp, now: Timestamp) -> bool {
    match schedule {
        Schedule::Every(interval) => {
            SignedDuration::try_from(*interval).is_ok_and(|interval| now.duration_since(polled) >= interval)
        }
        Schedule::Cron(cron) => cron.last_until(now).is_some_and(|due| due > polled),
    }
}

/// The tags of the last list and these, which were told of, each with the time when it was first seen.
fn with(image: &Image, told: &BTreeSet<Tag>, now: Timestamp) -> Tags {
    let is_new = |tag: &&Tag| image.tags.binary_search_by(|seen| seen.name.cmp(tag)).is_err();
    let first_seen = |tag: &Tag| {
        let at = image.gone.binary_search_by(|seen| seen.name.cmp(tag)).ok();
        at.and_then(|at| image.gone.get(at)).map_or(now, |seen| seen.first_seen.min(now))
    };
    let new = told.iter().filter(is_new);
    let new: Vec<SeenTag> =
        new.map(|tag| SeenTag { name: tag.clone(), first_seen: first_seen(tag), pushed: None }).collect();
    let mut seen = Arc::clone(&image.tags);
    if !new.is_empty() {
        let all = Arc::make_mut(&mut seen);
        all.extend(new);
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
    Tags::known(seen, BTreeMap::new())
}
