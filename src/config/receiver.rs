//! `Receiver`: who may tell of pushes by webhooks, in a document of ours or of Flux's notification-controller.
//!
//! Flux's lie among the configuration of many, for Flux. One whose secret is not here, or whose type is not received here, is none of
//! ours, and says so; one of ours has to be right.

use std::sync::Arc;

use hooks::{Identity, Scope, Source};
use oidc::Condition;
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};

use super::decode::Fields;
use super::document::{Object, open};
use super::flux::Read;
use super::gather::Repositories;
use super::policies::{Context, in_namespace};
use super::raw::Meta;
use super::report::{Checked, Finding, Report, quoted};
use super::secrets::Secret;
use super::text::Text;
use super::yaml::{Place, Value};

/// The key of a secret with the token.
const TOKEN: &str = "token";

/// A document, with what it names still to be looked up.
#[derive(Debug)]
pub(super) struct Receiver {
    meta: Meta,
    is_flux: bool,
    source: Source,
    /// With the token; none where tokens of an issuer are all that is shown.
    secret: Option<Text>,
    /// Whose tokens these are.
    identity: Option<Identity>,
    events: Vec<String>,
    resources: Option<Vec<Resource>>,
    suspended: bool,
}

/// Something that a receiver, or a notification, is about.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) id: ObjectName,
    pub(super) place: Place,
}

/// The kind of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Repository,
    Policy,
    Automation,
    Git,
    Sync,
    /// What only concerns Flux.
    Other,
}

/// Reads a receiver.
pub(super) fn receiver(report: &Report, object: &Object) -> Read<Receiver> {
    let version = object.node.get("apiVersion").map(|version| &version.value);
    let is_flux = matches!(version, Some(Value::Scalar(version)) if version.text.starts_with("notification."));
    let (meta, spec) = open(report, object);
    if let Some(meta) = &meta {
        meta.annotated.lost_guards(report, "guards are those of images");
        meta.annotated.lost_interval(report, "it is about an image");
    }
    let content = spec.and_then(|spec| read(report, spec, meta.clone()?, is_flux));
    (meta, content)
}

fn read(report: &Report, mut spec: Fields<'_>, meta: Meta, is_flux: bool) -> Option<Receiver> {
    let kind = spec.required_text("type");
    if let Some(kind) = kind.as_ref().filter(|kind| is_flux && known(kind).is_none()) {
        let kind_of_flux = quoted(&kind.value);
        report.notice_at(kind.place, format!("passed over a Receiver, since {kind_of_flux} is not received here"));
        return None;
    }
    // Nobody knows of a type that is not known; both are read then.
    let by_issuer = kind.as_ref().and_then(known).map(|source| source == Source::GenericOidc);
    if by_issuer == Some(true) && is_flux {
        let message = "passed over a Receiver, since what tokens have to say is written otherwise here; write one of tagwright.dev";
        report.notice_at(spec.place, message.to_owned());
        return None;
    }
    match by_issuer {
        Some(true) => needless(report, &mut spec, "secretRef", "a receiver of the type `generic-oidc` has no secret"),
        Some(false) => needless(report, &mut spec, "oidc", "it is for the type `generic-oidc` alone"),
        None => {}
    }
    let (has_issuer, has_secret) = (spec.key("oidc").is_some(), spec.key("secretRef").is_some());
    match by_issuer {
        Some(true) if !has_issuer => spec.missing("oidc"),
        Some(false) | None if !has_secret && !has_issuer => spec.missing("secretRef"),
        _ => {}
    }
    let identity = spec.fields("oidc").map(identity_of);
    let identity = has_issuer.then(|| identity.flatten());
    let secret = Some(spec.reference("secretRef")).filter(|_| has_secret);
    let events = spec.texts("events").unwrap_or_default().into_iter().map(|event| event.value).collect();
    let has_resources = spec.key("resources").is_some();
    let resources =
        spec.items("resources").map(|items| items.into_iter().map(|item| resource(item, &meta, is_flux)).collect());
    let suspended = spec.flag("suspend");
    if spec.key("resourceFilter").is_some() && is_flux {
        let filter = spec.path("resourceFilter");
        report.notice_at(
            spec.place,
            format!("passed over a Receiver, since `{filter}` is a CEL expression, which is not evaluated here"),
        );
        return None;
    }
    needless(
        report,
        &mut spec,
        "resourceFilter",
        "CEL expressions are not evaluated here; name what it is about in `resources`",
    );
    // How often Flux looks at the object, and whose tokens it takes for a type that is written otherwise here.
    for name in ["interval", "oidcProviders"] {
        if let Some(place) = spec.key(name).filter(|_| !is_flux) {
            report.idle(place, format!("`{}` has no effect: it is for Flux", spec.path(name)));
        }
    }
    spec.accept(&["interval", "resourceFilter", "oidcProviders"]);
    spec.finish();
    let resources: Option<Vec<Resource>> = match (has_resources, resources) {
        (false, _) => None,
        (true, resources) => {
            let resources: Vec<Option<Resource>> = resources?;
            Some(resources.into_iter().collect::<Option<_>>()?)
        }
    };
    let source = source(report, &kind?)?;
    let (secret, identity) = (optional(secret)?, optional(identity)?);
    if secret.is_none() && identity.is_none() {
        return None;
    }
    Some(Receiver { meta, is_flux, source, secret, identity, events, resources, suspended })
}

/// What was read, where it had to be; none where it was, and could not be read.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}

/// Reports a field of another type of receiver.
fn needless(report: &Report, spec: &mut Fields<'_>, name: &'static str, why: &str) {
    if let Some(place) = spec.key(name) {
        report.add(Finding::at(place, format!("`{}`: {why}", spec.path(name))).hint("leave it out"));
        spec.accept(&[name]);
    }
}

/// Whose tokens count: those of an issuer, for an audience, that say each of these claims.
fn identity_of(mut fields: Fields<'_>) -> Option<Identity> {
    let report = fields.report();
    let issuer = fields.required_text("issuer").filter(|issuer| {
        let is_one = oidc::is_issuer(&issuer.value);
        if !is_one {
            let message = format!("`{}` is no issuer", issuer.path);
            let hint = "an issuer is a URL that begins with https:// and has no user, query or fragment";
            report.add(Finding::at(issuer.place, message).hint(hint));
        }
        is_one
    });
    let audience = fields.required_text("audience").filter(|audience| {
        if audience.is_empty() {
            report.error(audience.place, format!("`{}` is empty", audience.path));
        }
        !audience.is_empty()
    });
    let (place, path) = (fields.place, fields.path("claims"));
    let claims = fields.map("claims");
    fields.finish();
    if claims.is_empty() {
        let hint =
            "whoever has an account at the issuer gets tokens of it: say what those of the sender have, such as `sub`";
        report.add(Finding::at(place, format!("`{path}` names no claim")).hint(hint));
        return None;
    }
    let conditions = claims.into_iter().map(|(claim, value)| Condition::new(claim, value.value)).collect();
    Some(Identity { issuer: issuer?.value, alias: None, audience: audience?.value, conditions })
}

fn known(kind: &Text) -> Option<Source> {
    Source::ALL.into_iter().find(|source| source.as_str() == kind.value)
}

fn source(report: &Report, kind: &Text) -> Option<Source> {
    let known = known(kind);
    if known.is_none() {
        report.no_word(kind, &Source::ALL.map(Source::as_str));
    }
    known
}

/// Reads a name of something.
pub(super) fn resource(mut item: Fields<'_>, meta: &Meta, is_flux: bool) -> Option<Resource> {
    let kind = item.required_text("kind");
    let name = item.required_text("name");
    let namespace = item.optional_name("namespace");
    item.accept(&["apiVersion"]);
    let labels = item.map("matchLabels");
    let (place, report) = (item.place, item.report());
    item.finish();
    // Flux's name some of a namespace by them; to look at more of it than that does no harm.
    if let Some(label) = labels.values().next().filter(|_| !is_flux) {
        let finding = Finding::at(label.place, format!("`{}`: labels of resources are not looked at", label.path));
        report.add(finding.hint("name the resources, or all of the namespace with `*`"));
        return None;
    }
    let kind = match kind?.value.as_str() {
        "ImageRepository" => Kind::Repository,
        "ImagePolicy" => Kind::Policy,
        "ImageUpdateAutomation" | "ImageAutomation" => Kind::Automation,
        "GitRepository" => Kind::Git,
        "GitSync" => Kind::Sync,
        _ => Kind::Other,
    };
    let namespace = namespace?.map_or_else(|| meta.id.namespace.clone(), |namespace| namespace.value);
    Some(Resource { kind, id: ObjectName { namespace, name: name?.value }, place })
}

/// What receivers are resolved against.
pub(super) struct Known<'k> {
    pub(super) git: &'k Repositories,
    pub(super) policies: &'k [Arc<ImagePolicy>],
    pub(super) automations: &'k [Arc<Automation>],
}

/// Looks up the secrets of receivers and what they are about; what is wrong is reported and left out.
/// Each has the index of its source beside it.
pub(super) fn resolve(
    context: &Context<'_>,
    gathered: Vec<Receiver>,
    known: &Known<'_>,
) -> Vec<(usize, Arc<hooks::Receiver>)> {
    let read = gathered.into_iter().map(|raw| (raw.meta.place.file, one(context, raw, known)));
    read.filter_map(|(source, read)| Some((source, Arc::new(read.ok()??)))).collect()
}

fn one(context: &Context<'_>, raw: Receiver, known: &Known<'_>) -> Checked<Option<hooks::Receiver>> {
    if raw.suspended {
        return Ok(None);
    }
    let Some(named) = raw.secret else {
        let scope = raw.resources.map(|resources| scope(context.report, resources, known));
        let ObjectName { namespace, name } = raw.meta.id;
        let (source, events, identity, token) = (raw.source, raw.events, raw.identity, String::new().into());
        return Ok(Some(hooks::Receiver { namespace, name, source, token, events, scope, identity }));
    };
    let id = in_namespace(&raw.meta.id.namespace, &named);
    if raw.is_flux && !context.secrets.finds_secret(&id, named.place) {
        let message = format!("passed over Receiver {}, since its secret '{id}' is not here", raw.meta.id);
        context.report.notice_at(named.place, message);
        return Ok(None);
    }
    let Some(secret) = context.secrets.secret(&id, named.place)? else { return Ok(None) };
    let Some(token) = secret.filled(TOKEN)? else {
        return Err(secret.error(format!("{}: key '{TOKEN}' not found", secret.noun())));
    };
    let identity = match raw.source {
        Source::Gcr => match identity(&secret)? {
            Some(identity) => Some(identity),
            // Anybody's token of Google would do.
            None if raw.is_flux => {
                let message = format!(
                    "passed over Receiver {}, since {} lacks `email` or `audience`",
                    raw.meta.id,
                    secret.noun()
                );
                context.report.notice_at(named.place, message);
                return Ok(None);
            }
            None => {
                let needs = "a receiver of the type `gcr` needs both 'email' and 'audience'";
                return Err(secret.error(format!("{}: {needs}", secret.noun())));
            }
        },
        _ => None,
    };
    let scope = raw.resources.map(|resources| scope(context.report, resources, known));
    let ObjectName { namespace, name } = raw.meta.id;
    let (source, events) = (raw.source, raw.events);
    Ok(Some(hooks::Receiver { namespace, name, source, token: token.into(), events, scope, identity }))
}

/// Whose tokens of Google count.
fn identity(secret: &Secret<'_>) -> Checked<Option<Identity>> {
    let (email, audience) = (secret.filled("email")?, secret.filled("audience")?);
    let line = |text: String| text.trim().to_owned();
    Ok(email.zip(audience).map(|(email, audience)| Identity::of_google(&line(email), line(audience))))
}

fn scope(report: &Report, resources: Vec<Resource>, known: &Known<'_>) -> Scope {
    let mut scope = Scope::default();
    for Resource { kind, id, place } in resources {
        let names = |other: &ObjectName| other.namespace == id.namespace && (id.name == "*" || other.name == id.name);
        let before = scope.repositories.len() + scope.remotes.len();
        match kind {
            Kind::Repository => scope.repositories.push((id.namespace.clone(), id.name.clone())),
            Kind::Policy => {
                let policies = known.policies.iter().filter(|policy| names(&policy.id));
                let repositories = policies.map(|policy| &policy.repository.id);
                scope.repositories.extend(repositories.map(|it| (it.namespace.clone(), it.name.clone())));
            }
            Kind::Automation => {
                let automations = known.automations.iter().filter(|automation| names(&automation.id));
                scope.remotes.extend(automations.map(|automation| automation.remote.url.clone()));
            }
            Kind::Git => {
                let git = known.git.iter().filter(|(other, _)| names(other)).flat_map(|(_, all)| all);
                scope.remotes.extend(git.filter_map(|(_, it)| it.as_ref()).map(|it| it.address.url.clone()));
            }
            // Nothing is fetched for it, so that no push is of concern.
            Kind::Sync => {}
            Kind::Other => continue,
        }
        if scope.repositories.len() + scope.remotes.len() == before {
            report.idle(place, format!("a receiver is about {id}, which is not here"));
        }
    }
    scope
}
