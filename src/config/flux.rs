//! Flux's objects: `GitRepository`, `ImageRepository`, `ImagePolicy`, `ImageUpdateAutomation` in v1, v1beta2 and v1beta1.
//!
//! The versions differ in which fields exist, not in their meaning, so one reader serves all three.

use std::time::Duration;

use crate::automation::{DigestReflection, ObjectName, Schedule};

use super::decode::{Fields, Text, listed, nearest};
use super::document::{Object, open};
use super::raw::{
    Automation, Choice, Dialect, Filter, GitRepository, ImagePolicy, ImageRepository, Message, Meta, Push, Reference,
    RepositoryOf, Scope, SourceOf,
};
use super::report::{Finding, quoted};
use super::select::Selector;
use super::value::Units;
use super::{MAX_EXCLUSIONS, MIN_INTERVAL};

/// Reads an object's name, and its content where that is readable.
pub(super) type Read<T> = (Option<Meta>, Option<T>);

/// Reads a `GitRepository`. What only other controllers look at is accepted.
pub(super) fn git_repository(report: &super::Report, object: &Object) -> Read<GitRepository> {
    let (meta, spec) = open(report, object);
    let content = spec.and_then(|mut spec| {
        let url = spec.required_text("url");
        let reference = spec.fields("ref").and_then(reference);
        let secret = spec.reference("secretRef");
        let proxy_secret = spec.reference("proxySecretRef");
        let timeout = spec.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
        let mut unsupported = Vec::new();
        if let Some(provider) = spec.filled_text("provider").filter(|provider| provider.value != "generic") {
            let path = spec.path("provider");
            unsupported.push((provider.place, format!("`{path}`: {} is not supported yet", quoted(&provider.value))));
        }
        if let Some(account) = spec.filled_text("serviceAccountName") {
            let path = spec.path("serviceAccountName");
            unsupported.push((account.place, format!("`{path}`: workload identity is not supported yet")));
        }
        spec.accept(&["interval", "gitImplementation", "accessFrom", "ignore", "include", "sparseCheckout"]);
        spec.idle(&["suspend", "verify", "recurseSubmodules"]);
        spec.finish();
        Some(GitRepository { meta: meta.clone()?, url: url?, secret, proxy_secret, reference, timeout, unsupported })
    });
    (meta, content)
}

/// Reads `ref`.
pub(super) fn reference(mut fields: Fields<'_>) -> Option<Reference> {
    let reference = Reference {
        branch: fields.filled_text("branch"),
        tag: fields.filled_text("tag"),
        semver: fields.filled_text("semver"),
        name: fields.filled_text("name"),
        commit: fields.filled_text("commit"),
    };
    fields.finish();
    Some(reference)
}

/// Reads an `ImageRepository`.
pub(super) fn image_repository(report: &super::Report, object: &Object) -> Read<ImageRepository> {
    let (meta, spec) = open(report, object);
    let content = spec.and_then(|mut spec| {
        let interval = required_interval(&mut spec);
        let content = repository(&mut spec, meta.as_ref(), interval.map(Schedule::Every));
        spec.finish();
        content
    });
    (meta, content)
}

/// Reads the fields of an image repository that Flux's objects and native images share.
pub(super) fn repository(
    spec: &mut Fields<'_>,
    meta: Option<&Meta>,
    schedule: Option<Schedule>,
) -> Option<ImageRepository> {
    let image = spec.required_text("image");
    let timeout = spec.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let secret = spec.reference("secretRef");
    let cert_secret = spec.reference("certSecretRef");
    let proxy_secret = spec.reference("proxySecretRef");
    let service_account = spec.filled_text("serviceAccountName");
    let service_account = service_account.and_then(|name| spec.object_name(&name, "serviceAccountName"));
    let insecure = spec.flag("insecure");
    let exclusions = exclusions(spec);
    let access_from = spec.fields("accessFrom").map(access_from);
    let suspended = spec.flag("suspend");
    refuse_cloud(spec);
    Some(ImageRepository {
        meta: meta?.clone(),
        image: image?,
        schedule: schedule?,
        timeout,
        secret,
        cert_secret,
        proxy_secret,
        service_account,
        insecure,
        exclusions,
        access_from,
        suspended,
    })
}

fn refuse_cloud(spec: &mut Fields<'_>) {
    if let Some(provider) = spec.filled_text("provider").filter(|provider| provider.value != "generic") {
        let message = format!("`{}`: {} is not supported yet", spec.path("provider"), quoted(&provider.value));
        let hint =
            "name a secret with a registry login in `secretRef`, or log in with the machine's Docker configuration";
        spec.report().add(Finding::at(provider.place, message).hint(hint));
    }
}

fn exclusions(spec: &mut Fields<'_>) -> Option<Vec<Text>> {
    let place = spec.key("exclusionList");
    let exclusions = spec.texts("exclusionList")?;
    if let (Some(place), true) = (place, exclusions.len() > MAX_EXCLUSIONS) {
        let message = format!("`{}` has more than {MAX_EXCLUSIONS} items", spec.path("exclusionList"));
        spec.report().error(place, message);
    }
    Some(exclusions)
}

fn access_from(mut fields: Fields<'_>) -> Vec<std::collections::BTreeMap<String, String>> {
    if fields.key("namespaceSelectors").is_none() {
        fields.missing("namespaceSelectors");
    }
    let selectors = fields.items("namespaceSelectors").unwrap_or_default();
    fields.finish();
    let labels = |mut selector: Fields<'_>| {
        let labels = selector.map("matchLabels");
        selector.finish();
        labels.into_iter().map(|(key, text)| (key, text.value)).collect()
    };
    selectors.into_iter().map(labels).collect()
}

/// Reads an `ImagePolicy`.
pub(super) fn image_policy(report: &super::Report, object: &Object) -> Read<ImagePolicy> {
    let (meta, spec) = open(report, object);
    let content = spec.and_then(|mut spec| {
        let place = spec.key("imageRepositoryRef");
        let target = spec.required_fields("imageRepositoryRef").and_then(|fields| object_reference(fields, &meta, &[]));
        let choice = choice(&mut spec, Dialect::Flux);
        let filter = filter(&mut spec);
        let (digest, digest_place) = digest(&mut spec);
        let refresh = spec.duration("interval", Units::UpToHours);
        let suspended = spec.flag("suspend");
        match (digest, refresh) {
            (DigestReflection::Always, None) if spec.key("interval").is_none() => {
                let message = "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'";
                report.error(digest_place.unwrap_or(spec.place), message);
            }
            (DigestReflection::Never | DigestReflection::IfNotPresent, Some((_, place))) => {
                let message = "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'";
                report.error(place, message);
            }
            _ => {}
        }
        spec.finish();
        Some(ImagePolicy {
            meta: meta.clone()?,
            repository: RepositoryOf::Named(target?, place?),
            choice: choice?,
            filter,
            digest,
            refresh: refresh.map(|(refresh, _)| refresh.max(MIN_INTERVAL)),
            suspended,
        })
    });
    (meta, content)
}

/// Reads name and namespace of another object; the namespace is by default the one of the object that refers to it.
fn object_reference(mut fields: Fields<'_>, meta: &Option<Meta>, others: &[&'static str]) -> Option<ObjectName> {
    let name = fields.required_text("name");
    let namespace = fields.filled_text("namespace");
    fields.accept(others);
    let name = name.and_then(|name| fields.object_name(&name, "name"));
    let namespace = match namespace {
        Some(namespace) => fields.object_name(&namespace, "namespace").map(|namespace| namespace.value),
        None => meta.as_ref().map(|meta| meta.id.namespace.clone()),
    };
    fields.finish();
    Some(ObjectName { namespace: namespace?, name: name?.value })
}

/// Reads `policy`: one of `semver`, `alphabetical`, `numerical`.
pub(super) fn choice(spec: &mut Fields<'_>, dialect: Dialect) -> Option<Choice> {
    let mut fields = spec.required_fields("policy")?;
    let (report, place, path) = (fields.report(), fields.place, spec.path("policy"));
    let given: Vec<_> = ORDERS.into_iter().filter_map(|order| fields.key(order).map(|key| (order, key))).collect();
    let semver = fields.fields("semver").and_then(|mut semver| {
        let range = semver.required_text("range");
        semver.finish();
        range.map(Choice::Semver)
    });
    let alphabetical = fields.fields("alphabetical").map(|fields| Choice::Alphabetical(order(fields)));
    let numerical = fields.fields("numerical").map(|fields| Choice::Numerical(order(fields)));
    fields.finish();
    let hint = format!("write one of {}", listed(&ORDERS));
    match given.as_slice() {
        [] => {
            report.add(Finding::at(place, format!("no policy is given in `{path}`")).hint(hint));
            return None;
        }
        [_] => {}
        [(first, _), (second, key), ..] if dialect == Dialect::Native => {
            let message = format!("`{path}` has both `{first}` and `{second}`");
            report.add(Finding::at(*key, message).hint(hint));
            return None;
        }
        [(first, key), ..] => report.notice(format!(
            "{}: `{path}` has more than one order, and `{first}` is the one that counts",
            report.line_of(*key)
        )),
    }
    match given[0].0 {
        "semver" => semver,
        "alphabetical" => alphabetical,
        _ => numerical,
    }
}

/// In the order of precedence.
const ORDERS: [&str; 3] = ["semver", "alphabetical", "numerical"];

fn order(mut fields: Fields<'_>) -> Option<Text> {
    let order = fields.text("order");
    fields.finish();
    order
}

/// Reads `filterTags`.
pub(super) fn filter(spec: &mut Fields<'_>) -> Option<Filter> {
    let mut fields = spec.fields("filterTags")?;
    let pattern = fields.text("pattern");
    let extract = fields.text("extract").map(|text| text.value).unwrap_or_default();
    let place = fields.place;
    fields.finish();
    let pattern = pattern.unwrap_or(Text { value: String::new(), place, literal: false });
    Some(Filter { pattern, extract })
}

/// Reads `digestReflectionPolicy`.
pub(super) fn digest(spec: &mut Fields<'_>) -> (DigestReflection, Option<super::yaml::Place>) {
    const VALUES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
    let Some(text) = spec.filled_text("digestReflectionPolicy") else { return (DigestReflection::Never, None) };
    let digest = match text.value.as_str() {
        "Always" => DigestReflection::Always,
        "IfNotPresent" => DigestReflection::IfNotPresent,
        "Never" => DigestReflection::Never,
        other => {
            let path = spec.path("digestReflectionPolicy");
            one_of(spec, &text, &format!("`{path}` cannot be {}", quoted(other)), &VALUES);
            DigestReflection::Never
        }
    };
    (digest, Some(text.place))
}

fn one_of(spec: &Fields<'_>, text: &Text, message: &str, values: &[&str]) {
    let hint = match nearest(&text.value, values) {
        Some(known) => format!("a similar value exists: `{known}`"),
        None => format!("the values are {}", listed(values)),
    };
    spec.report().add(Finding::at(text.place, message).hint(hint));
}

/// Reads an `ImageUpdateAutomation`.
pub(super) fn automation(report: &super::Report, object: &Object) -> Read<Automation> {
    let (meta, spec) = open(report, object);
    let content = spec.and_then(|mut spec| {
        let source = source(&mut spec, &meta);
        let schedule = required_interval(&mut spec).map(Schedule::Every);
        let path = update(&mut spec);
        let selector = match spec.fields("policySelector") {
            Some(fields) => Selector::read(fields),
            None => Some(Selector::default()),
        };
        let suspended = spec.flag("suspend");
        if spec.key("git").is_none() {
            let message = "source kind 'GitRepository' necessitates field .spec.git";
            report.error(spec.place, message);
        }
        let git = spec.fields("git").and_then(git);
        spec.finish();
        let (git, (target, place), meta) = (git?, source?, meta.clone()?);
        Some(Automation {
            source: SourceOf::Named(target, place),
            checkout: git.checkout,
            paths: path.into_iter().collect(),
            scope: Scope::Namespace(selector?),
            author: git.author?,
            message: git.message,
            values: git.values,
            trailers: meta.trailers,
            push: git.push,
            schedule: schedule?,
            suspended,
            meta,
        })
    });
    (meta, content)
}

fn source(spec: &mut Fields<'_>, meta: &Option<Meta>) -> Option<(ObjectName, super::yaml::Place)> {
    let place = spec.key("sourceRef");
    let mut fields = spec.required_fields("sourceRef")?;
    let kind = fields.filled_text("kind");
    let target = object_reference(fields, meta, &["apiVersion"]);
    if let Some(kind) = kind.filter(|kind| kind.value != "GitRepository") {
        let message = format!("source kind {} is not supported", quoted(&kind.value));
        spec.report().add(Finding::at(kind.place, message).hint("the only kind is `GitRepository`"));
        return None;
    }
    Some((target?, place?))
}

/// Reads `update` and returns its path.
fn update(spec: &mut Fields<'_>) -> Option<Text> {
    let mut fields = spec.fields("update")?;
    let path = fields.filled_text("path");
    if let Some(strategy) = fields.filled_text("strategy").filter(|strategy| strategy.value != "Setters") {
        let message = format!("unsupported update strategy: {}", quoted(&strategy.value));
        fields.report().add(Finding::at(strategy.place, message).hint("the only strategy is `Setters`"));
    }
    fields.finish();
    path
}

/// `spec.git` of an automation.
struct Git {
    checkout: Option<Reference>,
    author: Option<(String, String)>,
    message: Option<Message>,
    values: std::collections::BTreeMap<String, String>,
    push: Push,
}

fn git(mut fields: Fields<'_>) -> Option<Git> {
    let checkout = fields.fields("checkout").and_then(|mut checkout| {
        let read = checkout.required_fields("ref").and_then(reference);
        checkout.finish();
        read
    });
    let commit = fields.required_fields("commit").map(|mut commit| {
        let author = commit.required_fields("author").and_then(author);
        let message = commit.filled_text("messageTemplate").map(|text| Message { text, prefix: None });
        let values = commit.map("messageTemplateValues");
        commit.refuse("signingKey", "commit signing is not supported yet");
        commit.finish();
        (author, message, values.into_iter().map(|(key, text)| (key, text.value)).collect())
    });
    let push = fields.fields("push").map(push).unwrap_or_default();
    fields.finish();
    let (author, message, values) = commit?;
    Some(Git { checkout, author, message, values, push })
}

/// Reads `author` as (name, email).
pub(super) fn author(mut fields: Fields<'_>) -> Option<(String, String)> {
    let name = fields.text("name").map(|name| name.value).unwrap_or_default();
    let email = fields.required_text("email");
    fields.finish();
    Some((name, email?.value))
}

/// Reads `push`.
pub(super) fn push(mut fields: Fields<'_>) -> Push {
    let push = Push {
        branch: fields.filled_text("branch"),
        refspec: fields.filled_text("refspec"),
        options: fields.map("options"),
    };
    fields.finish();
    push
}

/// Reads the required field `interval`.
fn required_interval(spec: &mut Fields<'_>) -> Option<Duration> {
    let interval = spec.required_duration("interval", Units::UpToHours);
    checked_interval(spec, interval)
}

/// Reports an interval that is too short to wait for.
pub(super) fn checked_interval(
    spec: &Fields<'_>,
    interval: Option<(Duration, super::yaml::Place)>,
) -> Option<Duration> {
    let (interval, place) = interval?;
    if interval < MIN_INTERVAL {
        spec.report().error(place, format!("`{}` must be at least 1s", spec.path("interval")));
        return None;
    }
    Some(interval)
}
