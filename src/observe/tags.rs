//! The tags of a repository: what the registry lists, what was known before, and whether it is believed.

use std::collections::BTreeMap;
use std::sync::Arc;

use image::{Digest, Tag};
use jiff::Timestamp;
use registry::{Fresh, Listing, Place};
use tagwright_core::automation::{ImagePolicy, ImageRepository};
use tagwright_core::guard::{self, Hold, Known};
use tagwright_core::policy::Order;

use super::polls::Polls;
use super::select;
use crate::run::{Context, Error, aside_if};
use crate::store::{self, Image, SeenTag};

/// How many tags are remembered that are not listed any more.
const MAX_GONE: usize = 1_000;

/// How many tags are looked at in a fraction of a millisecond, all policies together.
const FEW: usize = 1_000;

/// Whether looking at so many tags takes a while, with so many policies.
pub(super) fn is_much(tags: usize, policies: usize) -> bool {
    tags.saturating_mul(policies.max(1)) > FEW
}

/// What is known of a repository's tags after a poll.
#[derive(Debug)]
pub(super) struct Tags {
    /// In the order of their names.
    seen: Arc<Vec<SeenTag>>,
    /// In one sentence, which tags were dropped because OCI does not allow them.
    pub(super) refused: Option<String>,
    /// Why what the registry says now is not believed yet; the tags are those from before.
    pub(super) doubt: Option<Hold>,
    /// What tags point to, where the list says so beside when they were pushed.
    pub(super) digests: BTreeMap<Tag, Digest>,
}

impl Tags {
    /// Tags that are known without a list, in the order of their names.
    pub(super) const fn known(seen: Arc<Vec<SeenTag>>, digests: BTreeMap<Tag, Digest>) -> Self {
        Self { seen, refused: None, doubt: None, digests }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// The tags.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.seen.iter().map(|tag| tag.name.as_str())
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&SeenTag> {
        let at = self.seen.binary_search_by(|seen| seen.name.as_str().cmp(name)).ok()?;
        self.seen.get(at)
    }

    /// When the first of them was seen: with the list that was the first, or later, where all of that are gone.
    pub(super) fn begin(&self) -> Option<Timestamp> {
        self.seen.iter().map(|tag| tag.first_seen).min()
    }

    /// When the one that came last was first seen.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.seen.iter().map(|tag| tag.first_seen).max()
    }

    /// When a tag was pushed, where the registry says so, or when it was first seen.
    pub(super) fn since(&self, tag: &str) -> Option<Timestamp> {
        self.get(tag).map(|seen| seen.pushed.unwrap_or(seen.first_seen))
    }
}

/// Asks for the tags of a repository, and remembers them. Where they are many, now or the last time, the place is taken.
pub(super) async fn ask(
    context: Context<'_>,
    repository: &ImageRepository,
    policies: &[Arc<ImagePolicy>],
    polls: &Polls,
    place: &Place,
) -> Result<Tags, Error> {
    let key = key(repository);
    let known = context.known(&key).await;
    let validator = match &known {
        store::Known::All(image) => image.as_ref().and_then(|image| image.validator.as_deref()),
        store::Known::List { validator, .. } => validator.as_deref(),
    };
    let registry = &context.edges.registry;
    let fresh = registry.tags_since(&repository.image, &repository.access, validator, place).await;
    let fresh = fresh.map_err(|source| {
        let (image, registry) = (repository.image.name().to_owned(), repository.image.registry().to_owned());
        Error::Registry { image, registry, source: source.into() }
    })?;
    let before = match known {
        store::Known::All(image) => image,
        store::Known::List { is_large, .. } => {
            if is_large {
                place.take().await;
            }
            context.image(&key).await
        }
    };
    let (image, tags) = match (fresh, before) {
        (Fresh::Listing(listing), before) => {
            let tags = listing.tags.len() + before.as_ref().map_or(0, |before| before.tags.len());
            let is_long = is_much(tags, policies.len());
            aside_if(is_long, "compare tag lists", || merge(context, listing, before, policies, polls))
        }
        (Fresh::Unchanged, before) => unchanged(context, before.unwrap_or_default(), policies, polls),
    };
    context.memory.keep_image(key, image);
    Ok(tags)
}

/// Names a repository for good: what is known of one image says nothing about another that is configured in its place.
#[must_use]
pub fn key(repository: &ImageRepository) -> String {
    format!("{} {}", repository.id, repository.image.name())
}

/// The list is the one that was believed before.
fn unchanged(context: Context<'_>, before: Image, policies: &[Arc<ImagePolicy>], polls: &Polls) -> (Image, Tags) {
    let earlier = policies.iter().find_map(|policy| polls.last(&policy.id));
    let refused = earlier.and_then(|report| report.refused.clone());
    let tags = Tags { seen: Arc::clone(&before.tags), refused, doubt: None, digests: BTreeMap::new() };
    (Image { polled: context.now, doubted: false, ..before }, tags)
}

fn merge(
    context: Context<'_>,
    mut listing: Listing,
    before: Option<Image>,
    policies: &[Arc<ImagePolicy>],
    polls: &Polls,
) -> (Image, Tags) {
    let refused = select::refused(&listing);
    let before = before.unwrap_or_default();
    if let Err(doubt) = believe(&before, &listing.tags, policies, (polls, context.now)) {
        let tags = Tags { seen: Arc::clone(&before.tags), refused, doubt: Some(doubt), digests: BTreeMap::new() };
        // The validator stays: it belongs to the tags that are kept.
        return (Image { polled: context.now, doubted: true, ..before }, tags);
    }
    let (validator, digests) = (listing.validator.clone(), std::mem::take(&mut listing.digests));
    let seen = Arc::new(seen(context.now, listing, &before));
    let gone = gone(&before, &seen);
    let image = Image { tags: Arc::clone(&seen), gone, validator, polled: context.now, doubted: false };
    (image, Tags { seen, refused, doubt: None, digests })
}

/// Whether what the registry lists now is believed, after what was known of it; by all policies that look at it. In use is what
/// they selected at the last poll, and before there was one, what they select of the tags alone.
///
/// # Errors
/// It is not, and why.
pub fn believe(
    before: &Image,
    listed: &[Tag],
    policies: &[Arc<ImagePolicy>],
    (polls, now): (&Polls, Timestamp),
) -> Result<(), Hold> {
    let listed: Vec<&str> = listed.iter().map(Tag::as_str).collect();
    let old: Vec<&str> = before.tags.iter().map(|tag| tag.name.as_str()).collect();
    let known = Tags { seen: Arc::clone(&before.tags), refused: None, doubt: None, digests: BTreeMap::new() };
    let used: Vec<String> = policies
        .iter()
        .filter(|policy| !policy.suspended)
        .filter_map(|policy| match polls.of(policy) {
            Some(report) if report.selection.is_ok() || policy.asks() => {
                Some(report.selection.as_ref().ok()?.tag.as_ref()?.as_str().to_owned())
            }
            // Names do not tell which is the newest.
            None if policy.policy.order == Order::Newest => None,
            _ => select::in_use(policy, &known, now),
        })
        .collect();
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    guard::believe(&Known { tags: &old, in_use: &used, doubted: before.doubted }, &listed)
}

/// The tags that are not listed any more, in the order of their names; of very many those that were new the last.
fn gone(before: &Image, now: &[SeenTag]) -> Arc<Vec<SeenTag>> {
    let is_listed = |tag: &SeenTag| now.binary_search_by(|seen| seen.name.cmp(&tag.name)).is_ok();
    let lost: Vec<SeenTag> = before.tags.iter().filter(|tag| !is_listed(tag)).cloned().collect();
    if lost.is_empty() && !before.gone.iter().any(is_listed) {
        return Arc::clone(&before.gone);
    }
    let mut gone: Vec<SeenTag> = before.gone.iter().filter(|tag| !is_listed(tag)).cloned().chain(lost).collect();
    if gone.len() > MAX_GONE {
        gone.sort_by_key(|tag| std::cmp::Reverse(tag.first_seen));
        gone.truncate(MAX_GONE);
    }
    gone.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    gone.dedup_by(|a, b| a.name == b.name);
    Arc::new(gone)
}

/// The tags in the order of their names, each with the time when it was first seen.
///
/// A time that is still to come was seen while the clock was ahead, and counts as now. What a registry lists again that it had
/// lost is as old as it was, or a registry that loses its tags every now and then would keep all of them young.
fn seen(now: Timestamp, listing: Listing, before: &Image) -> Vec<SeenTag> {
    let first_seen = |name: &Tag| {
        let known = [&before.tags, &before.gone].into_iter().find_map(|known| {
            let at = known.binary_search_by(|seen| seen.name.cmp(name)).ok()?;
            known.get(at)
        });
        known.map_or(now, |seen| seen.first_seen.min(now))
    };
    let pushed = listing.pushed;
    let seen = |name: Tag| SeenTag { first_seen: first_seen(&name), pushed: pushed.get(&name).copied(), name };
    let mut tags: Vec<SeenTag> = listing.tags.into_iter().map(seen).collect();
    tags.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    tags
}
