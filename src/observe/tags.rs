//! The tags of a repository: what the registry lists, what was known before, and whether it is believed.

use image::Tag;
use jiff::Timestamp;
use registry::{Fresh, Listing};
use tagwright_core::automation::{ImagePolicy, ImageRepository};
use tagwright_core::guard::{self, Hold, Known};

use super::polls::Polls;
use super::select;
use crate::run::{Context, Error, aside};
use crate::store::{Image, SeenTag};

/// What is known of a repository's tags after a poll.
#[derive(Debug)]
pub(super) struct Tags {
    /// In the order of their names.
    seen: Vec<SeenTag>,
    /// In one sentence, which tags were dropped because OCI does not allow them.
    pub(super) refused: Option<String>,
    /// Why what the registry says now is not believed yet; the tags are those from before.
    pub(super) doubt: Option<Hold>,
}

impl Tags {
    /// The tags.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().map(|tag| tag.name.as_str())
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&SeenTag> {
        let at = self.seen.binary_search_by(|seen| seen.name.as_str().cmp(name)).ok()?;
        self.seen.get(at)
    }

    /// When a tag was pushed, where the registry says so, or when it was first seen.
    pub(super) fn since(&self, tag: &str) -> Option<Timestamp> {
        self.get(tag).map(|seen| seen.pushed.unwrap_or(seen.first_seen))
    }
}

/// Asks for the tags of a repository, and remembers them.
pub(super) async fn ask(
    context: Context<'_>,
    repository: &ImageRepository,
    policies: &[std::sync::Arc<ImagePolicy>],
    polls: &Polls,
) -> Result<Tags, Error> {
    let key = key(repository);
    let before = context.image(&key).await;
    let validator = before.as_ref().and_then(|image| image.validator.as_deref());
    let fresh = context.edges.registry.tags_since(&repository.image, &repository.access, validator).await;
    let fresh = fresh.map_err(|source| Error::Registry { image: repository.image.name().to_owned(), source })?;
    let (image, tags) = match (fresh, before) {
        (Fresh::Listing(listing), before) => aside(|| merge(context, listing, before, policies)),
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
fn unchanged(
    context: Context<'_>,
    before: Image,
    policies: &[std::sync::Arc<ImagePolicy>],
    polls: &Polls,
) -> (Image, Tags) {
    let earlier = policies.iter().find_map(|policy| polls.last(&policy.id));
    let refused = earlier.and_then(|report| report.refused.clone());
    let tags = Tags { seen: before.tags.clone(), refused, doubt: None };
    (Image { polled: context.now, doubted: false, ..before }, tags)
}

fn merge(
    context: Context<'_>,
    listing: Listing,
    before: Option<Image>,
    policies: &[std::sync::Arc<ImagePolicy>],
) -> (Image, Tags) {
    let refused = select::refused(&listing);
    let before = before.unwrap_or_default();
    if let Err(doubt) = believe(&before, &listing.tags, policies, context.now) {
        let tags = Tags { seen: before.tags.clone(), refused, doubt: Some(doubt) };
        // The validator stays: it belongs to the tags that are kept.
        return (Image { polled: context.now, doubted: true, ..before }, tags);
    }
    let seen = seen(context.now, &listing, &before.tags);
    let image =
        Image { tags: seen.clone(), validator: listing.validator, polled: context.now, doubted: false, ..before };
    (image, Tags { seen, refused, doubt: None })
}

/// Whether what the registry lists now is believed, after what was known of it; by all policies that look at it.
///
/// # Errors
/// It is not, and why.
pub fn believe(
    before: &Image,
    listed: &[Tag],
    policies: &[std::sync::Arc<ImagePolicy>],
    now: Timestamp,
) -> Result<(), Hold> {
    let listed: Vec<&str> = listed.iter().map(Tag::as_str).collect();
    let old: Vec<&str> = before.tags.iter().map(|tag| tag.name.as_str()).collect();
    let known = Tags { seen: before.tags.clone(), refused: None, doubt: None };
    let used: Vec<String> = policies
        .iter()
        .filter(|policy| !policy.suspended)
        .filter_map(|policy| select::in_use(policy, &known, now))
        .collect();
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    guard::believe(&Known { tags: &old, in_use: &used, doubted: before.doubted }, &listed)
}

/// The tags in the order of their names, each with the time when it was first seen.
fn seen(now: Timestamp, listing: &Listing, before: &[SeenTag]) -> Vec<SeenTag> {
    let first_seen = |name: &str| {
        let at = before.binary_search_by(|seen| seen.name.as_str().cmp(name));
        at.map_or(now, |at| before[at].first_seen)
    };
    let seen = |name: &Tag| SeenTag {
        name: name.clone(),
        first_seen: first_seen(name.as_str()),
        pushed: listing.pushed.get(name).copied(),
    };
    let mut tags: Vec<SeenTag> = listing.tags.iter().map(seen).collect();
    tags.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    tags
}
