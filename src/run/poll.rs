//! Observing registries: each image repository is polled once, each policy evaluated once.

mod select;
mod tags;

pub use self::tags::{believe, key as image_key};

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use image::Reference;
use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy, ImageRepository, ObjectName};

use super::Context;
use super::digests::Digests;
use super::outcome::{Error, PolicyReport};

pub use select::{no_match, refused};

/// Polls under way at once; the registry client bounds them further for each host.
pub(super) const CONCURRENT_POLLS: usize = 32;

/// What one poll came to.
#[derive(Debug)]
pub struct Polled {
    /// The policies, in the order given.
    pub policies: Vec<Arc<PolicyReport>>,
    /// Why the registry could not be asked, for tags or for digests; empty when all went well.
    pub failures: Vec<Error>,
    /// The policies that select something that runs did not know: something else than after the poll before, or the same
    /// after one that came to nothing.
    pub changed: BTreeSet<ObjectName>,
}

/// Asks for the tags of an image repository, evaluates the policies that look at it, and remembers what they came to. A
/// repository that is suspended is not asked.
///
/// What is new about tags is kept in memory until [`save`] is called.
pub async fn poll(context: Context<'_>, repository: &ImageRepository, policies: &[Arc<ImagePolicy>]) -> Polled {
    let started = Instant::now();
    let wanted = !repository.suspended && policies.iter().any(|policy| !policy.suspended);
    let asked = match wanted {
        true => Some(tags::ask(context, repository, policies).await),
        false => None,
    };
    let suspended = format!("the image repository {} is suspended", repository.id);
    let failure = asked.as_ref().and_then(|asked| asked.as_ref().err()).map(Error::chain);
    let tags = match &asked {
        Some(Ok(tags)) => Ok(tags),
        _ => Err(failure.as_deref().unwrap_or(&suspended)),
    };
    let mut reports: Vec<PolicyReport> =
        policies.iter().map(|policy| select::evaluate(policy, tags, context.now)).collect();
    let mut failures: Vec<Error> = asked.and_then(Result::err).into_iter().collect();
    failures.extend(digests(context, policies, &mut reports).await);
    let mut polled = Polled { policies: Vec::with_capacity(policies.len()), failures, changed: BTreeSet::new() };
    for (policy, report) in policies.iter().zip(reports) {
        let (report, changed) = context.memory.observe(policy, report);
        if changed {
            polled.changed.insert(report.id.clone());
        }
        polled.policies.push(report);
    }
    let (duration_ms, changed) = (started.elapsed().as_millis(), polled.changed.len());
    tracing::debug!(image.repository = repository.image.name(), changed, duration_ms, "polled");
    polled
}

/// What a look-up of digests between two polls came to.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// What was looked up.
    pub policies: Vec<Arc<PolicyReport>>,
    /// The policies whose digest could not be looked up, and why in one sentence. They keep the one they have.
    pub lacking: Vec<(ObjectName, String)>,
    /// Why the registry could not be asked; empty when all went well.
    pub failures: Vec<Error>,
    /// The policies that select another digest than before.
    pub changed: BTreeSet<ObjectName>,
}

/// Looks up again the digests of the tags that policies select, where the last poll found one. Tags are not listed.
///
/// A digest that cannot be had stays as it was: it was true a moment ago, while a poll that fails says nothing of the tag.
pub async fn look_up(context: Context<'_>, policies: &[Arc<ImagePolicy>]) -> LookedUp {
    let mut open = Vec::new();
    for policy in policies.iter().filter(|policy| policy.digest == DigestReflection::Always && !policy.suspended) {
        let Some(report) = context.memory.polled_as(policy) else { continue };
        if let Ok(Reference { tag: Some(tag), .. }) = &report.selection {
            open.push((policy, tag.clone(), report));
        }
    }
    let mut digests = Digests::default();
    let wanted = open.iter().map(|(policy, tag, _)| (&*policy.repository, tag)).collect();
    let failures = digests.look_up(&context.edges.registry, wanted).await;
    let mut looked_up = LookedUp { failures, ..LookedUp::default() };
    for (policy, tag, report) in open {
        match digests.digest(&policy.repository, &tag) {
            Ok(digest) => {
                let selection =
                    Reference { repository: policy.repository.image.clone(), tag: Some(tag), digest: Some(digest) };
                let report = PolicyReport { selection: Ok(selection), ..PolicyReport::clone(&report) };
                let (report, changed) = context.memory.observe(policy, report);
                if changed {
                    looked_up.changed.insert(report.id.clone());
                }
                looked_up.policies.push(report);
            }
            Err(reason) => looked_up.lacking.push((policy.id.clone(), reason)),
        }
    }
    looked_up
}

/// Completes selections with the digests that policies want at every poll.
async fn digests(context: Context<'_>, policies: &[Arc<ImagePolicy>], reports: &mut [PolicyReport]) -> Vec<Error> {
    let mut open = Vec::new();
    for (policy, report) in policies.iter().zip(reports) {
        if let (DigestReflection::Always, Ok(Reference { tag: Some(tag), .. })) = (policy.digest, &report.selection) {
            open.push((policy, tag.clone(), report));
        }
    }
    let mut digests = Digests::default();
    let wanted = open.iter().map(|(policy, tag, _)| (&*policy.repository, tag)).collect();
    let failures = digests.look_up(&context.edges.registry, wanted).await;
    for (policy, tag, report) in open {
        let digest = digests.digest(&policy.repository, &tag);
        report.selection = digest.map(|digest| Reference {
            repository: policy.repository.image.clone(),
            tag: Some(tag),
            digest: Some(digest),
        });
    }
    failures
}

/// Writes down what polls have found out about tags. That it cannot be written is said once, and tried again the next time.
pub async fn save(context: Context<'_>) {
    let images = context.memory.take_images();
    if images.is_empty() {
        return;
    }
    let (store, kept) = (context.edges.store.clone(), images.clone());
    let saved = tokio::task::spawn_blocking(move || store.put_images(images)).await;
    match saved {
        Ok(Ok(())) => context.memory.store_works("tag lists"),
        Ok(Err(error)) => {
            context.memory.store_fails("tag lists", &error);
            context.memory.put_images_back(kept);
        }
        Err(error) => tracing::error!(%error, "writing down the tag lists was stopped"),
    }
}

/// Forgets what is known of image repositories that are not configured any more.
pub(super) async fn forget(context: Context<'_>, automations: &[Arc<Automation>]) {
    let policies = automations.iter().flat_map(|automation| &automation.policies);
    let keys: BTreeSet<String> = policies.map(|policy| tags::key(&policy.repository)).collect();
    let store = context.edges.store.clone();
    let forgotten = tokio::task::spawn_blocking(move || store.retain_images(&keys)).await;
    if let Ok(Err(error)) = forgotten {
        context.memory.store_fails("tag lists", &error);
    }
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
    save(context).await;
    let mut observed = Observed {
        policies: policies.iter().filter_map(|policy| context.memory.polled(&policy.id)).collect(),
        failures: polls.into_iter().flat_map(|polled| polled.failures).collect(),
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
