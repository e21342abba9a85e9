//! Flux's objects: `GitRepository`, `ImageRepository`, `ImagePolicy`, `ImageUpdateAutomation` in v1, v1beta2 and v1beta1.
//!
//! The versions differ in which fields exist, not in their meaning, so one reader serves all three.

use std::collections::BTreeMap;
use std::time::Duration;

use tagwright_core::automation::{Author, Batch, DigestReflection, Gather, ObjectName, Origin, Schedule};
use tagwright_core::message::DEFAULT_MESSAGE;
use tagwright_core::policy::{Filter, Order, Policy};

use super::MIN_INTERVAL;
use super::decode::Fields;
use super::document::{Object, open};
use super::raw::{
    Automation, GitRepository, ImagePolicy, ImageRepository, Message, Meta, Paths, Push, Reference, RepositoryOf,
    Scope, SourceOf,
};
use super::report::{Finding, Report, quoted};
use super::select::Selector;
use super::signing::{self, SigningKey};
use super::text::Text;
use super::value::Units;
use super::yaml::Place;
use super::{git, guards, image, provider, requests};

/// An object's name, and its content where that is right.
pub(super) type Read<T> = (Option<Meta>, Option<T>);

const GUARDS_HINT: &str = "guards are annotations of an `ImagePolicy`";

/// Guards are the policies', and the interval is the image repositories'.
fn only_on_images(report: &Report, meta: Option<&Meta>) {
    if let Some(meta) = meta {
        meta.annotated.lost_guards(report, GUARDS_HINT);
        meta.annotated.lost_interval(report, "it is an annotation of an `ImageRepository`");
    }
}

/// A pull request is an automation's.
fn only_on_automations(report: &Report, meta: Option<&Meta>) {
    if let Some(meta) = meta {
        requests::lost(report, meta);
    }
}

/// Reads a `GitRepository`. What only other controllers look at is accepted.
pub(super) fn git_repository(report: &Report, object: &Object) -> Read<GitRepository> {
    let (meta, spec) = open(report, object);
    only_on_images(report, meta.as_ref());
    only_on_automations(report, meta.as_ref());
    let content = spec.and_then(|mut spec| {
        let address = spec.required_text("url").and_then(|url| git::address(report, &url));
        let reference = spec.optional_fields("ref", git::reference);
        let secret = spec.reference("secretRef");
        let proxy_secret = spec.reference("proxySecretRef");
        let timeout = spec.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
        let provider = provider::of_git(&mut spec);
        let (service_account, unsupported) = service_account(&mut spec, provider::knows_accounts(provider.as_ref()));
        spec.accept(&["interval", "gitImplementation", "accessFrom", "ignore", "include", "sparseCheckout"]);
        spec.idle(&["suspend", "verify", "recurseSubmodules"]);
        spec.finish();
        Some(GitRepository {
            namespace: meta.as_ref()?.id.namespace.clone(),
            address: address?,
            secret,
            proxy_secret,
            reference: reference?.unwrap_or_default(),
            timeout,
            provider,
            service_account,
            unsupported,
        })
    });
    (meta, content)
}

/// The service account as whom a cloud is asked, and why not where that cannot be.
fn service_account(spec: &mut Fields<'_>, is_known: bool) -> (Option<Text>, Vec<(Place, String)>) {
    let is_of_objects = spec.report().is_of_objects();
    let Some(account) = spec.filled_text("serviceAccountName") else { return (None, Vec::new()) };
    let reason = match (is_known, is_of_objects) {
        (true, true) => return (Some(account), Vec::new()),
        (false, _) => "it is for the providers `aws` and `azure`",
        (true, false) => "only a cluster gives out tokens of a service account, and these are files",
    };
    let unsupported = (account.place, format!("`{}`: {reason}", account.path));
    (None, vec![unsupported])
}

/// Reads an `ImageRepository`.
pub(super) fn image_repository(report: &Report, object: &Object) -> Read<ImageRepository> {
    let (meta, spec) = open(report, object);
    if let Some(meta) = &meta {
        meta.annotated.lost_guards(report, GUARDS_HINT);
        requests::lost(report, meta);
    }
    let content = spec.and_then(|mut spec| {
        let interval = required_interval(&mut spec);
        let access_from = spec.fields("accessFrom").map(access_from);
        let id = meta.as_ref().map(|meta| meta.id.clone());
        let namespace = meta.as_ref().map(|meta| meta.id.namespace.as_str());
        let content = image::repository(&mut spec, image::Dialect::Flux, id, namespace, interval.map(Schedule::Every));
        spec.finish();
        let content = content?;
        let longest = meta.as_ref().and_then(|meta| meta.annotated.max_interval);
        let max_interval = longest.and_then(|longest| guards::max_interval(report, longest, &content.schedule));
        Some(ImageRepository { access_from, max_interval, ..content })
    });
    (meta, content)
}

fn access_from(mut fields: Fields<'_>) -> Vec<BTreeMap<String, String>> {
    if fields.key("namespaceSelectors").is_none() {
        fields.missing("namespaceSelectors");
    }
    let selectors = fields.items("namespaceSelectors").unwrap_or_default();
    fields.finish();
    let labels = |mut selector: Fields<'_>| {
        let labels = selector.map("matchLabels");
        selector.finish();
        git::values(labels)
    };
    selectors.into_iter().map(labels).collect()
}

/// The policy of an object, with the order that its annotations say.
pub(super) fn newest(policy: Policy, meta: Option<&Meta>) -> Policy {
    if !meta.is_some_and(|meta| meta.annotated.newest) {
        return policy;
    }
    let filter = policy.filter.and_then(|filter| Filter::new(filter.pattern, "").ok());
    Policy { filter, order: Order::Newest }
}

/// Reads an `ImagePolicy`.
pub(super) fn image_policy(report: &Report, object: &Object) -> Read<ImagePolicy> {
    let (meta, spec) = open(report, object);
    if let Some(meta) = &meta {
        meta.annotated.lost_interval(report, "it is an annotation of an `ImageRepository`");
        requests::lost(report, meta);
    }
    let content = spec.and_then(|mut spec| {
        let place = spec.key("imageRepositoryRef");
        let target = spec.required_fields("imageRepositoryRef").and_then(|fields| target(fields, meta.as_ref(), &[]));
        let order = spec.key("policy");
        let policy = image::policy(&mut spec, image::Dialect::Flux);
        let (digest, refresh) = digest(&mut spec);
        let suspended = spec.flag("suspend");
        spec.finish();
        Some(ImagePolicy {
            meta: meta.clone()?,
            repository: RepositoryOf::Named(target?, place?),
            policy: newest(policy?, meta.as_ref()),
            guards: meta.as_ref()?.annotated.guards.clone(),
            verify: meta.as_ref()?.annotated.verify.clone(),
            order,
            digest,
            refresh,
            targets: Vec::new(),
            suspended,
        })
    });
    (meta, content)
}

/// Reads `digestReflectionPolicy` and `interval`, which belong together.
fn digest(spec: &mut Fields<'_>) -> (DigestReflection, Option<Duration>) {
    let report = spec.report();
    let (digest, place) = image::digest(spec);
    let has_interval = spec.key("interval").is_some();
    let refresh = spec.duration("interval", Units::UpToHours);
    match (digest, refresh) {
        (DigestReflection::Always, None) if !has_interval => {
            let message = "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'";
            report.error(place.unwrap_or(spec.place), message);
        }
        (DigestReflection::Never | DigestReflection::IfNotPresent, Some((_, place))) => {
            let message = "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'";
            report.error(place, message);
        }
        _ => {}
    }
    (digest, refresh.map(|(refresh, _)| refresh.max(MIN_INTERVAL)))
}

/// Reads name and namespace of another object; the namespace is by default the one of the object that refers to it.
fn target(mut fields: Fields<'_>, meta: Option<&Meta>, others: &[&'static str]) -> Option<ObjectName> {
    let name = fields.name("name");
    let namespace = fields.optional_name("namespace");
    fields.accept(others);
    fields.finish();
    let namespace = match namespace? {
        Some(namespace) => namespace.value,
        None => meta?.id.namespace.clone(),
    };
    Some(ObjectName { namespace, name: name?.value })
}

/// Reads an `ImageUpdateAutomation`.
pub(super) fn automation(report: &Report, object: &Object) -> Read<Automation> {
    let (meta, spec) = open(report, object);
    only_on_images(report, meta.as_ref());
    let content = spec.and_then(|mut spec| {
        let source = source(&mut spec, meta.as_ref());
        let interval = required_interval(&mut spec);
        let paths = spec.optional_fields("update", update);
        let selector = spec.optional_fields("policySelector", Selector::read);
        let suspended = spec.flag("suspend");
        if spec.key("git").is_none() {
            report.error(spec.place, "source kind 'GitRepository' necessitates field .spec.git");
        }
        let git = spec.fields("git").and_then(git_fields);
        spec.finish();
        let request = meta.as_ref().and_then(|meta| requests::annotated(report, &meta.requests));
        let (git, (target, place), meta) = (git?, source?, meta.clone()?);
        Some(Automation {
            origin: Origin::ImageUpdateAutomation,
            source: SourceOf::Named(target, place),
            checkout: git.checkout,
            paths: paths?.unwrap_or_default(),
            scope: Scope::Namespace(selector?.unwrap_or_default()),
            author: git.author,
            message: git.message,
            values: git.values,
            trailers: meta.trailers,
            signed_off: false,
            signing: git.signing,
            by_forge: None,
            embedded: meta.embedded,
            push: Push { request, ..git.push },
            schedule: Schedule::Every(interval?),
            batch: Batch::default(),
            gather: Gather::default(),
            windows: Vec::new(),
            freeze: Vec::new(),
            suspended,
            meta,
        })
    });
    (meta, content)
}

fn source(spec: &mut Fields<'_>, meta: Option<&Meta>) -> Option<(ObjectName, Place)> {
    let place = spec.key("sourceRef");
    let mut fields = spec.required_fields("sourceRef")?;
    let kind = fields.filled_text("kind");
    let target = target(fields, meta, &["apiVersion"]);
    if let Some(kind) = kind.filter(|kind| kind.value != "GitRepository") {
        let message = format!("source kind {} is not supported", quoted(&kind.value));
        spec.report().add(Finding::at(kind.place, message).hint("the only kind is `GitRepository`"));
        return None;
    }
    Some((target?, place?))
}

/// Reads `update` and returns its path.
fn update(mut fields: Fields<'_>) -> Option<Paths> {
    let report = fields.report();
    let path = fields.filled_text("path");
    let strategy = fields.filled_text("strategy").filter(|strategy| strategy.value != "Setters");
    fields.finish();
    if let Some(strategy) = strategy {
        let message = format!("unsupported update strategy: {}", quoted(&strategy.value));
        report.add(Finding::at(strategy.place, message).hint("the only strategy is `Setters`"));
        return None;
    }
    git::paths(report, path.as_slice())
}

/// `spec.git` of an automation.
struct Git {
    checkout: Option<Reference>,
    author: Author,
    message: Message,
    values: BTreeMap<String, String>,
    signing: Option<SigningKey>,
    push: Push,
}

fn git_fields(mut fields: Fields<'_>) -> Option<Git> {
    let checkout = fields.optional_fields("checkout", |mut checkout| {
        let reference = checkout.required_fields("ref").and_then(git::reference);
        checkout.finish();
        reference
    });
    let commit = fields.required_fields("commit").and_then(commit);
    let push = fields.optional_fields("push", git::push);
    fields.finish();
    let (author, message, values, signing) = commit?;
    Some(Git { checkout: checkout?, author, message, values, signing, push: push?.unwrap_or_default() })
}

type Commit = (Author, Message, BTreeMap<String, String>, Option<SigningKey>);

fn commit(mut fields: Fields<'_>) -> Option<Commit> {
    let author = fields.required_fields("author").and_then(git::author);
    let message = fields.filled_text("messageTemplate");
    let message = git::message(fields.report(), message.as_ref(), DEFAULT_MESSAGE);
    let values = git::values(fields.map("messageTemplateValues"));
    let signing = signing::key(&mut fields);
    fields.finish();
    Some((author?, message?, values, signing?))
}

fn required_interval(spec: &mut Fields<'_>) -> Option<Duration> {
    let interval = spec.required_duration("interval", Units::UpToHours);
    checked_interval(spec, interval)
}

/// Reports an interval that is too short to wait for.
pub(super) fn checked_interval(spec: &Fields<'_>, interval: Option<(Duration, Place)>) -> Option<Duration> {
    let (interval, place) = interval?;
    if interval < MIN_INTERVAL {
        spec.report().error(place, format!("`{}` must be at least 1s", spec.path("interval")));
        return None;
    }
    Some(interval)
}
