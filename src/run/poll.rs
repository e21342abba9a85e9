//! Observing registries: each image repository is polled once, each policy evaluated once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::StreamExt;

use super::Context;
use super::outcome::{Error, PolicyReport};
use crate::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};
use crate::image::{Digest, Reference, Tag};
use crate::policy::{Evaluation, Reason, Rejection};
use crate::registry;

/// Polls under way at once; the registry client bounds them further for each host.
pub(super) const CONCURRENT_POLLS: usize = 32;

/// The longest part of a tag that stands as an example, in characters.
const MAX_EXAMPLE: usize = 60;

/// What one poll came to.
#[derive(Debug)]
pub struct Polled {
    /// The policies, in the order given.
    pub policies: Vec<Arc<PolicyReport>>,
    /// Why the registry could not be asked, if it could not.
    pub failure: Option<Error>,
    /// Whether a policy selects something else than after the poll before.
    pub changed: bool,
}

/// Asks for the tags of an image repository, evaluates the policies that look at it, and remembers what they came to. A
/// repository that is suspended is not asked.
pub async fn poll(context: Context<'_>, repository: &ImageRepository, policies: &[Arc<ImagePolicy>]) -> Polled {
    let wanted = !repository.suspended && policies.iter().any(|policy| !policy.suspended);
    let listing = match wanted {
        true => Some(list(&context.edges.registry, repository).await),
        false => None,
    };
    let mut polled = Polled { policies: Vec::with_capacity(policies.len()), failure: None, changed: false };
    for policy in policies {
        polled.changed |= context.memory.observe(evaluate(policy, listing.as_ref()));
        polled.policies.extend(context.memory.polled(&policy.id));
    }
    polled.failure = listing.and_then(Result::err);
    polled
}

/// What the registries said.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// In the configuration's order.
    pub(super) policies: Vec<Arc<PolicyReport>>,
    /// Polls that failed.
    pub(super) failures: Vec<Error>,
}

/// Polls the repositories of every policy of these automations.
pub(super) async fn observe(context: Context<'_>, automations: &[Arc<Automation>]) -> Observed {
    let policies = policies_in_use(automations);
    let mut repositories: Vec<(&Arc<ImageRepository>, Vec<Arc<ImagePolicy>>)> = Vec::new();
    let mut known: HashMap<*const ImageRepository, usize> = HashMap::new();
    for policy in &policies {
        let at = *known.entry(Arc::as_ptr(&policy.repository)).or_insert_with(|| {
            repositories.push((&policy.repository, Vec::new()));
            repositories.len() - 1
        });
        repositories[at].1.push(Arc::clone(policy));
    }
    let polls: Vec<Polled> = futures_util::stream::iter(repositories)
        .map(|(repository, policies)| async move { poll(context, repository, &policies).await })
        .buffer_unordered(CONCURRENT_POLLS)
        .collect()
        .await;
    let mut observed = Observed {
        policies: policies.iter().filter_map(|policy| context.memory.polled(&policy.id)).collect(),
        failures: polls.into_iter().filter_map(|polled| polled.failure).collect(),
    };
    observed.failures.sort_by_cached_key(Error::chain);
    observed
}

fn policies_in_use(automations: &[Arc<Automation>]) -> Vec<&Arc<ImagePolicy>> {
    distinct(automations.iter().filter(|automation| !automation.suspended).flat_map(|automation| &automation.policies))
}

/// Drops repeated pointers, keeping the order.
fn distinct<'a, T>(items: impl Iterator<Item = &'a Arc<T>>) -> Vec<&'a Arc<T>> {
    let mut seen = std::collections::HashSet::new();
    items.filter(|item| seen.insert(Arc::as_ptr(item))).collect()
}

async fn list(client: &registry::Client, repository: &ImageRepository) -> Result<registry::Listing, Error> {
    let started = std::time::Instant::now();
    let listing = client.tags(&repository.image, &repository.access).await;
    let duration_ms = started.elapsed().as_millis();
    match listing {
        Ok(listing) => {
            let tags = listing.tags.len();
            tracing::debug!(image.repository = repository.image.name(), tags, duration_ms, "polled");
            Ok(listing)
        }
        Err(source) => Err(Error::Registry { image: repository.image.name().to_owned(), source }),
    }
}

fn evaluate(policy: &ImagePolicy, listing: Option<&Result<registry::Listing, Error>>) -> PolicyReport {
    let mut report = PolicyReport {
        id: policy.id.clone(),
        image: policy.repository.image.name().to_owned(),
        tags: None,
        refused: None,
        selection: Err(String::new()),
    };
    report.selection = match listing {
        _ if policy.suspended => Err("the policy is suspended".to_owned()),
        None => Err(format!("the image repository {} is suspended", policy.repository.id)),
        Some(Err(error)) => Err(error.chain()),
        Some(Ok(listing)) => {
            report.refused = refused(listing);
            let tags: Vec<&str> =
                listing.tags.iter().map(String::as_str).filter(|tag| !excluded(policy, tag)).collect();
            report.tags = Some(tags.len());
            select(policy, &tags)
        }
    };
    report
}

fn excluded(policy: &ImagePolicy, tag: &str) -> bool {
    policy.repository.exclusions.iter().any(|pattern| pattern.is_match(tag))
}

fn select(policy: &ImagePolicy, tags: &[&str]) -> Result<Reference, String> {
    match policy.policy.select(tags) {
        Some(tag) => {
            let tag = Tag::parse(tag).map_err(|error| error.to_string())?;
            Ok(Reference { repository: policy.repository.image.clone(), tag: Some(tag), digest: None })
        }
        None => Err(no_match(&policy.policy.evaluate(tags), tags.len())),
    }
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
    let example: String = first.tag.chars().take(MAX_EXAMPLE).flat_map(char::escape_debug).collect();
    match &first.reason {
        Reason::NotMatched => format!("{count} not matched by the filter, such as '{example}'"),
        Reason::NotAVersion { .. } => format!("{count} not a version, such as '{example}'"),
        Reason::TooFewDots { .. } => format!("{count} with fewer than two dots, such as '{example}'"),
        Reason::OutOfRange { range } => format!("{count} not in the range '{range}', such as '{example}'"),
        Reason::Prerelease { range } => {
            format!("{count} a pre-release, which the range '{range}' does not ask for, such as '{example}'")
        }
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

/// Digests looked up during one run, so that each tag is asked for once.
#[derive(Debug, Default)]
pub(super) struct Digests(HashMap<(ObjectName, Tag), Result<Digest, String>>);

impl Digests {
    /// Looks up the digests of tags that are not known yet; returns what failed.
    pub(super) async fn look_up(
        &mut self,
        client: &registry::Client,
        wanted: Vec<(&ImageRepository, &Tag)>,
    ) -> Vec<Error> {
        let unknown: BTreeMap<_, _> = wanted
            .into_iter()
            .map(|(repository, tag)| ((repository.id.clone(), tag.clone()), repository))
            .filter(|(key, _)| !self.0.contains_key(key))
            .collect();
        let answers: Vec<_> = futures_util::stream::iter(unknown)
            .map(|(key, repository)| async move {
                let answer = client.digest(&repository.image, &key.1, &repository.access).await;
                let image = format!("{}:{}", repository.image, key.1);
                (key, answer.map_err(|source| Error::Registry { image, source }))
            })
            .buffer_unordered(CONCURRENT_POLLS)
            .collect()
            .await;
        let mut failures = Vec::new();
        for (key, answer) in answers {
            let known = answer.map_err(|error| {
                let text = error.chain();
                failures.push(error);
                text
            });
            self.0.insert(key, known);
        }
        failures
    }

    /// Returns the digest of a tag that was looked up, or in one sentence why it is not known.
    pub(super) fn digest(&self, repository: &ImageRepository, tag: &Tag) -> Result<Digest, String> {
        match self.0.get(&(repository.id.clone(), tag.clone())) {
            Some(answer) => answer.clone(),
            None => Err(format!("the digest of {}:{tag} was not looked up", repository.image)),
        }
    }
}
