//! `Receiver`: who may tell of pushes by webhooks, in a document of ours or of Flux's notification-controller.
//!
//! Flux's lie among the configuration of many, for Flux. One whose secret is not here, or whose type is not received here, is none of
//! ours, and says so; one of ours has to be right.

use std::sync::Arc;

use hooks::{Identity, Scope, Source};
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::spelling::{listed, nearest};

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
    secret: Text,
    events: Vec<String>,
    resources: Option<Vec<Resource>>,
    suspended: bool,
}

/// Something that a receiver is about.
#[derive(Debug)]
struct Resource {
    kind: Kind,
    id: ObjectName,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Repository,
    Policy,
    Automation,
    Git,
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
    if spec.key("secretRef").is_none() {
        spec.missing("secretRef");
    }
    let secret = spec.reference("secretRef");
    let events = spec.texts("events").unwrap_or_default().into_iter().map(|event| event.value).collect();
    let has_resources = spec.key("resources").is_some();
    let resources =
        spec.items("resources").map(|items| items.into_iter().map(|item| resource(item, &meta, is_flux)).collect());
    let suspended = spec.flag("suspend");
    // How often Flux looks at the object, and a narrower choice of what it is about; a hint more than needed does no harm.
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
    Some(Receiver { meta, is_flux, source, secret: secret?, events, resources, suspended })
}

fn known(kind: &Text) -> Option<Source> {
    Source::ALL.into_iter().find(|source| source.as_str() == kind.value)
}

fn source(report: &Report, kind: &Text) -> Option<Source> {
    let known = known(kind);
    if known.is_none() {
        let words = Source::ALL.map(Source::as_str);
        let hint = match nearest(&kind.value, &words) {
            Some(known) => format!("a similar value exists: `{known}`"),
            None => format!("the values are {}", listed(&words)),
        };
        let message = format!("`{}` cannot be {}", kind.path, quoted(&kind.value));
        report.add(Finding::at(kind.place, message).hint(hint));
    }
    known
}

fn resource(mut item: Fields<'_>, meta: &Meta, is_flux: bool) -> Option<Resource> {
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
pub(super) fn resolve(context: &Context<'_>, gathered: Vec<Receiver>, known: &Known<'_>) -> Vec<Arc<hooks::Receiver>> {
    gathered.into_iter().filter_map(|raw| one(context, raw, known).ok().flatten()).map(Arc::new).collect()
}

fn one(context: &Context<'_>, raw: Receiver, known: &Known<'_>) -> Checked<Option<hooks::Receiver>> {
    let id = in_namespace(&raw.meta.id.namespace, &raw.secret);
    if raw.suspended {
        return Ok(None);
    }
    if raw.is_flux && !context.secrets.has_secret(&id) {
        let message = format!("passed over Receiver {}, since its secret '{id}' is not here", raw.meta.id);
        context.report.notice_at(raw.secret.place, message);
        return Ok(None);
    }
    let Some(secret) = context.secrets.secret(&id, raw.secret.place)? else { return Ok(None) };
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
                context.report.notice_at(raw.secret.place, message);
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
    Ok(email.zip(audience).map(|(email, audience)| Identity { email: line(email), audience: line(audience) }))
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
            Kind::Other => continue,
        }
        if scope.repositories.len() + scope.remotes.len() == before {
            report.idle(place, format!("a receiver is about {id}, which is not here"));
        }
    }
    scope
}
