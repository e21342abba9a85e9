//! Observing registries: each image repository is polled once, each policy evaluated once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use flux::repository::Scan;
use futures_util::StreamExt;
use image::Reference;
use jiff::Timestamp;
use tagwright_core::automation::{Automation, DigestReflection, ImagePolicy, ImageRepository, ObjectName};
use tracing::{Instrument as _, Span};

use super::digests::Digests;
use super::hurry::Hurry;
use super::polls::Polls;
use super::tags::{Tags, is_much};
use super::{admit, select, tags};
use crate::run::{Context, Error, Lack, Mode, PolicyReport, Short, apart, aside_if};
use crate::store::{Event, Record};
use crate::trace;

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
    /// When the newest of the tags was first seen, where the interval may be stretched.
    pub newest: Option<Timestamp>,
    /// The list in short, where it was asked for and [`Context::summarise`] says that somebody wants it.
    pub scan: Option<Scan>,
    /// Whether only tags were looked at that somebody has told of, beside those of the last list.
    pub told: bool,
}

impl Polled {
    /// Takes the reports, and says on the span of the poll what it came to.
    pub(super) fn of(reports: Vec<PolicyReport>, failures: Vec<Error>, before: &Polls) -> Self {
        let changed = reports.iter().filter(|report| before.is_news(report)).map(|report| report.id.clone()).collect();
        let policies = reports.into_iter().map(Arc::new).collect();
        let polled = Self { policies, failures, changed, newest: None, scan: None, told: false };
        tell(&Span::current(), &polled);
        polled
    }
}

/// Asks for the tags of an image repository, and evaluates the policies that look at it; `before` is what the polls before
/// came to. A repository that is suspended is not asked.
///
/// What is new about tags is kept in memory until [`save`] is called; a large list is saved here, before the next one is read.
/// What it came to is said on the span in which it is called.
pub async fn poll(
    context: Context<'_>,
    repository: &ImageRepository,
    policies: &[Arc<ImagePolicy>],
    before: &Polls,
) -> Polled {
    let started = Instant::now();
    let wanted = !repository.suspended && (policies.is_empty() || policies.iter().any(|policy| !policy.suspended));
    let place = context.edges.registry.place();
    let asked = match wanted {
        true => Some(tags::ask(context, repository, policies, before, &place).await),
        false => None,
    };
    let tags = match &asked {
        Some(Ok(tags)) => Ok(tags),
        Some(Err(error)) => Err(Lack::NoAnswer(error.chain())),
        None => Err(Lack::Suspended(format!("the image repository {} is suspended", repository.id))),
    };
    let hurries = Hurry::all(context, policies.iter().map(Arc::as_ref)).await;
    let hurry = |policy: &ImagePolicy| hurries.get(&policy.id.marker());
    let evaluate = || {
        let one = |policy| select::evaluate(policy, tags.as_ref().copied(), hurry(policy), context.now);
        policies.iter().map(one).collect()
    };
    let count = tags.as_ref().map_or(0, |tags| tags.len());
    let mut reports: Vec<PolicyReport> = aside_if(is_much(count, policies.len()), "evaluate policies", evaluate);
    let rank = || {
        tags.as_ref().map_or_else(
            |_| Vec::new(),
            |tags| policies.iter().map(|policy| select::ranked(policy, tags, context.now)).collect::<Vec<_>>(),
        )
    };
    let ranked = match policies.iter().any(|policy| policy.asks()) {
        true => aside_if(is_much(count, policies.len()), "rank tags", rank),
        false => Vec::new(),
    };
    for report in &mut reports {
        select::stay(report, before.of(&report.policy).map(Arc::as_ref));
    }
    let listed = asked.as_ref().and_then(|asked| asked.as_ref().ok()).filter(|_| context.summarise);
    let newest = repository.max_interval.and_then(|_| tags.as_ref().ok()?.newest());
    let scan = listed.map(|tags| aside_if(is_much(count, 1), "sum up tags", || scan(repository, tags)));
    let mut failures: Vec<Error> = asked.and_then(Result::err).into_iter().collect();
    if place.is_taken() {
        // So that the list does not stay in memory until all others are there.
        save(context).await;
    }
    drop(place);
    if !ranked.is_empty() {
        failures.extend(Box::pin(admit::admit(context, policies, &mut reports, ranked, &hurries)).await);
    }
    failures.extend(digests(context, policies, &mut reports, before).await);
    tell_moved(context, &reports).await;
    let polled = Polled { newest, scan, ..Polled::of(reports, failures, before) };
    let (duration_ms, changed) = (started.elapsed().as_millis(), polled.changed.len());
    tracing::debug!(image.repository = repository.image.name(), changed, duration_ms, "polled");
    polled
}

/// Says on the span of a poll what it came to.
fn tell(span: &Span, polled: &Polled) {
    if span.is_disabled() {
        return;
    }
    trace::count(span, "tagwright.changed", polled.changed.len());
    let selected = polled.policies.iter().filter(|report| polled.changed.contains(&report.id));
    let selected = selected.filter_map(|report| Some((report.id.marker(), report.selection.as_ref().ok()?)));
    trace::images(span, selected);
    if let Some(error) = polled.failures.first() {
        trace::failed(span, error.kind(), &error.chain());
    }
}

/// Writes down which tags of releases have moved, each once for the repository.
pub(super) async fn tell_moved(context: Context<'_>, reports: &[PolicyReport]) {
    let mut told = BTreeSet::new();
    let records = reports.iter().flat_map(|report| report.moved.iter().map(move |moved| (report, moved)));
    let records = records.filter(|(_, moved)| told.insert(moved.tag.clone())).map(|(report, moved)| {
        Record::of(context.now, Event::TagMoved { policy: report.id.marker() }, moved.to_string())
    });
    let records: Vec<Record> = records.collect();
    if !records.is_empty() && context.mode != Mode::DryRun {
        context.keep_history(records).await;
    }
}

/// A list of tags in short, without those that the image repository excludes.
fn scan(repository: &ImageRepository, tags: &Tags) -> Scan {
    let is_excluded = |tag: &str| repository.exclusions.iter().any(|pattern| pattern.is_match(tag));
    Scan::of(tags.names().rev().filter(|tag| !is_excluded(tag)))
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
pub async fn look_up(context: Context<'_>, policies: &[Arc<ImagePolicy>], before: &Polls) -> LookedUp {
    let mut open = Vec::new();
    for policy in policies.iter().filter(|policy| policy.digest == DigestReflection::Always && !policy.suspended) {
        let Some(report) = before.of(policy) else { continue };
        if let Ok(Reference { tag: Some(tag), .. }) = &report.selection {
            open.push((policy, tag.clone(), report));
        }
    }
    let mut digests = Digests::default();
    let wanted = open.iter().filter(|(policy, ..)| !policy.asks());
    let wanted = wanted.map(|(policy, tag, _)| (&*policy.repository, tag)).collect();
    digests.look_up(&context.edges.registry, wanted).await;
    let mut looked_up = LookedUp::default();
    for (policy, tag, report) in open {
        let digest = match policy.asks() {
            true => Box::pin(admit::again(context, policy, &tag, &mut looked_up.failures)).await,
            false => digests.digest(&policy.repository, &tag).map(Some),
        };
        match digest {
            // Nothing that the tag has now is admitted, so that what was selected stays.
            Ok(None) => {}
            Ok(Some(digest)) => {
                let selection =
                    Reference { repository: policy.repository.image.clone(), tag: Some(tag), digest: Some(digest) };
                let mut report = PolicyReport { selection: Ok(selection.clone()), ..PolicyReport::clone(report) };
                // What moves together with others has what it selects among what it could.
                for same in report.alternatives.iter_mut().filter(|other| other.tag == selection.tag) {
                    same.clone_from(&selection);
                }
                if before.is_news(&report) {
                    looked_up.changed.insert(report.id.clone());
                }
                looked_up.policies.push(Arc::new(report));
            }
            Err(reason) => looked_up.lacking.push((policy.id.clone(), reason)),
        }
    }
    looked_up.failures.extend(digests.into_failures());
    looked_up
}

/// Completes selections with the digests that policies want at every poll, and where selections are published, with those that
/// they want once.
async fn digests(
    context: Context<'_>,
    policies: &[Arc<ImagePolicy>],
    reports: &mut [PolicyReport],
    before: &Polls,
) -> Vec<Error> {
    let mut open = Vec::new();
    // Those that require something of an image have asked for its digest.
    for (policy, report) in policies.iter().zip(reports).filter(|(policy, _)| !policy.asks()) {
        let Ok(Reference { tag: Some(tag), digest, .. }) = &mut report.selection else { continue };
        match policy.digest {
            DigestReflection::Always => {}
            DigestReflection::IfNotPresent if context.summarise => {
                let known = before.of(policy).and_then(|before| before.selection.as_ref().ok());
                if let Some(known) = known.filter(|known| known.tag.as_ref() == Some(tag) && known.digest.is_some()) {
                    digest.clone_from(&known.digest);
                    continue;
                }
            }
            DigestReflection::IfNotPresent | DigestReflection::Never => continue,
        }
        open.push((policy, tag.clone(), report));
    }
    let mut digests = Digests::default();
    let wanted = open.iter().map(|(policy, tag, _)| (&*policy.repository, tag)).collect();
    digests.look_up(&context.edges.registry, wanted).await;
    let asked: Vec<_> = open.iter().map(|(policy, tag, _)| (&**policy, tag.clone())).collect();
    let moved = admit::note(context, &asked, &digests).await;
    for (policy, tag, report) in open {
        report.moved.extend(moved.iter().filter(|(id, _)| *id == policy.id).map(|(_, moved)| moved.clone()));
        let digest = digests.digest(&policy.repository, &tag);
        report.short = digest.is_err().then(|| Short::WithoutDigest(tag.as_str().to_owned()));
        report.selection = digest.map_err(Lack::NoAnswer).map(|digest| Reference {
            repository: policy.repository.image.clone(),
            tag: Some(tag),
            digest: Some(digest),
        });
    }
    digests.into_failures()
}

/// Writes down what polls have found out about tags. That it cannot be written is said once, and tried again the next time.
pub async fn save(context: Context<'_>) {
    let (images, digests) = (context.memory.take_images(), context.memory.take_digests());
    if images.is_empty() && digests.is_empty() {
        return;
    }
    let (store, kept) = (context.edges.store.clone(), (images.clone(), digests.clone()));
    let write = move || {
        if !digests.is_empty() {
            store.put_digests(&digests)?;
        }
        if images.is_empty() { Ok(()) } else { store.put_images(images) }
    };
    match apart("write tag lists", write).await {
        Ok(Ok(())) => context.memory.store_works("tag lists"),
        Ok(Err(error)) => {
            context.memory.store_fails("tag lists", &error);
            context.memory.put_images_back(kept.0);
            context.memory.put_digests_back(kept.1);
        }
        Err(error) => tracing::error!(%error, "writing down the tag lists was stopped"),
    }
}

/// Forgets all other image repositories and remotes. What is in use stays until the next time.
pub async fn forget(context: Context<'_>, repositories: &[Arc<ImageRepository>], urls: &[String]) {
    let keys: BTreeSet<String> = repositories.iter().map(|repository| tags::key(repository)).collect();
    let store = context.edges.store.clone();
    let forgotten = apart("forget tag lists", move || store.retain_images(&keys)).await;
    if let Ok(Err(error)) = forgotten {
        context.memory.store_fails("tag lists", &error);
    }
    match context.edges.git.retain(urls).await {
        Ok(0) => {}
        Ok(mirrors) => tracing::info!(mirrors, "deleted mirrors of remotes that are not configured any more"),
        Err(error) => tracing::warn!(%error, "cannot delete mirrors of remotes that are not configured any more"),
    }
}

/// What the registries said of all image repositories.
#[derive(Debug, Default)]
pub struct Observed {
    /// What each policy came to.
    pub polls: Polls,
    /// The same in the configuration's order.
    pub policies: Vec<Arc<PolicyReport>>,
    /// Polls that failed.
    pub failures: Vec<Error>,
}

/// Polls the repositories of every policy of these automations, as a process does that has not polled before.
pub async fn poll_all(context: Context<'_>, automations: &[Arc<Automation>]) -> Observed {
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
    let before = &Polls::default();
    let done: Vec<Polled> = futures_util::stream::iter(repositories)
        .map(|(repository, policies)| {
            let span = trace::poll(repository, true, &[]);
            async move { poll(context, repository, &policies, before).await }.instrument(span)
        })
        .buffer_unordered(CONCURRENT_POLLS)
        .collect()
        .await;
    save(context).await;
    let mut observed = Observed::default();
    for polled in done {
        polled.policies.iter().for_each(|report| observed.polls.take(report));
        observed.failures.extend(polled.failures);
    }
    observed.policies = policies.iter().filter_map(|policy| observed.polls.last(&policy.id)).cloned().collect();
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
