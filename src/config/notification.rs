//! `Notification`: who is told of what happens; and Flux's `Provider` and `Alert`, which say the same in two documents.
//!
//! Flux's lie among the configuration of many, for its notification-controller. Those of a type that is not sent to here, without
//! their secret, or about nothing that is done here, are none of ours, and say so; one of ours has to be right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gotext::pattern::Pattern;
use gotext::template::Template;
use notify::{Name, Scope, Severity};
use tagwright_core::automation::{Automation, ImagePolicy, ObjectName};
use tagwright_core::message;
use tagwright_core::submit::GitSync;

use super::decode::Fields;
use super::document::{Object, open};
use super::flux::Read;
use super::gather::Repositories;
use super::policies::Context;
use super::raw::Meta;
use super::receiver::{self, Kind, Resource};
use super::report::{Checked, Finding, Report};
use super::target::{self, Owner, Place};
use super::text::Text;
use super::value::Units;

/// For how long events are gathered, where nothing is said of it, and at most.
const GROUP: Duration = Duration::from_secs(30);
const MAX_GROUP: Duration = Duration::from_secs(3600);

/// For how long something has to be well before that is told, where nothing is said of it, and at most.
const QUIET: Duration = Duration::from_secs(120);
const MAX_QUIET: Duration = Duration::from_secs(24 * 3600);

const SEVERITIES: [(&str, Severity); 2] = [("info", Severity::Info), ("error", Severity::Error)];

/// A document of ours, with what it names still to be looked up.
#[derive(Debug)]
pub(super) struct Notification {
    meta: Meta,
    interest: Interest,
    place: Place,
    suspended: bool,
}

/// Flux's `Provider`.
#[derive(Debug)]
pub(super) struct Provider {
    /// None where it is for Flux alone.
    place: Option<Place>,
    suspended: bool,
}

/// Flux's `Alert`.
#[derive(Debug)]
pub(super) struct Alert {
    meta: Meta,
    provider: Text,
    interest: Interest,
    suspended: bool,
}

/// Of what somebody wants to hear.
#[derive(Debug)]
struct Interest {
    severity: Severity,
    kinds: Vec<notify::Kind>,
    sources: Option<Vec<Resource>>,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    summary: String,
    metadata: Vec<(String, String)>,
    template: Option<Template>,
    group: Duration,
    quiet: Duration,
}

/// Reads a document of ours.
pub(super) fn notification(report: &Report, object: &Object) -> Read<Notification> {
    let (meta, spec) = opened(report, object);
    let content = spec.and_then(|mut spec| {
        let place = target::native(&mut spec);
        let severity = spec.one_of("severity", &SEVERITIES).map_or(Severity::Info, |(severity, _)| severity);
        let kinds = kinds(&mut spec);
        let sources = sources(&mut spec, "sources", meta.as_ref(), false);
        let (include, exclude) = (patterns(&mut spec, "include"), patterns(&mut spec, "exclude"));
        let summary = spec.filled_text("summary").map(|text| text.value).unwrap_or_default();
        let template = template(&mut spec);
        let group = within(&mut spec, "group", (GROUP, MAX_GROUP));
        let quiet = within(&mut spec, "quiet", (QUIET, MAX_QUIET));
        let suspended = spec.flag("suspend");
        if place.as_ref().is_some_and(Place::is_status) {
            place.iter().for_each(|place| place.has_no_use_for(&spec, &["summary", "template", "group", "quiet"]));
        }
        spec.finish();
        let interest = Interest {
            severity,
            kinds: kinds?,
            sources: sources?,
            include: include?,
            exclude: exclude?,
            summary,
            metadata: Vec::new(),
            template: template?,
            group: group?,
            quiet: quiet?,
        };
        Some(Notification { meta: meta.clone()?, interest, place: place?, suspended })
    });
    (meta, content)
}

/// Reads a `Provider` of Flux.
pub(super) fn provider(report: &Report, object: &Object) -> Read<Provider> {
    let (meta, spec) = opened(report, object);
    let content = spec.and_then(|mut spec| {
        let place = target::of_flux(&mut spec);
        let suspended = spec.flag("suspend");
        // How long Flux waits, and what it asks with which identity, is its own.
        spec.accept(&["timeout", "interval", "serviceAccountName", "commitStatusExpr"]);
        spec.finish();
        Some(Provider { place: place?, suspended })
    });
    (meta, content)
}

/// Reads an `Alert` of Flux.
pub(super) fn alert(report: &Report, object: &Object) -> Read<Alert> {
    let (meta, spec) = opened(report, object);
    let content = spec.and_then(|mut spec| {
        if spec.key("providerRef").is_none() {
            spec.missing("providerRef");
        }
        let provider = spec.reference("providerRef");
        let severity = spec.one_of("eventSeverity", &SEVERITIES).map_or(Severity::Info, |(severity, _)| severity);
        let sources = sources(&mut spec, "eventSources", meta.as_ref(), true);
        let (include, exclude) = (patterns(&mut spec, "inclusionList"), patterns(&mut spec, "exclusionList"));
        let summary = spec.filled_text("summary").map(|text| text.value).unwrap_or_default();
        let mut metadata = spec.map("eventMetadata");
        // `eventMetadata.summary` is what took the place of `summary`.
        let summary = metadata.remove("summary").map_or(summary, |text| text.value);
        let metadata = metadata.into_iter().map(|(name, text)| (name, text.value)).collect();
        let suspended = spec.flag("suspend");
        spec.finish();
        let interest = Interest {
            severity,
            kinds: notify::Kind::ALL.into(),
            sources: sources?,
            include: include?,
            exclude: exclude?,
            summary,
            metadata,
            template: None,
            group: GROUP,
            quiet: QUIET,
        };
        Some(Alert { meta: meta.clone()?, provider: provider?, interest, suspended })
    });
    (meta, content)
}

fn opened<'a>(report: &'a Report, object: &'a Object) -> (Option<Meta>, Option<Fields<'a>>) {
    let (meta, spec) = open(report, object);
    if let Some(meta) = &meta {
        meta.annotated.lost_guards(report, "guards are those of images");
        meta.annotated.lost_interval(report, "it is about an image");
    }
    (meta, spec)
}

fn kinds(spec: &mut Fields<'_>) -> Option<Vec<notify::Kind>> {
    let report = spec.report();
    let words = notify::Kind::ALL.map(notify::Kind::as_str);
    let Some(texts) = spec.texts("events") else { return Some(notify::Kind::ALL.into()) };
    let kind = |text: &Text| {
        let known = notify::Kind::ALL.into_iter().find(|kind| kind.as_str() == text.value);
        if known.is_none() {
            report.no_word(text, &words);
        }
        known
    };
    texts.iter().map(kind).collect::<Vec<_>>().into_iter().collect()
}

/// Reads what events have to be about: `Some(None)` where nothing is said of it.
#[expect(clippy::option_option, reason = "absent is not wrong, as everywhere here")]
fn sources(
    spec: &mut Fields<'_>,
    name: &'static str,
    meta: Option<&Meta>,
    is_flux: bool,
) -> Option<Option<Vec<Resource>>> {
    let has_any = spec.key(name).is_some();
    let items = spec.items(name);
    if !has_any {
        return Some(None);
    }
    let read = items?.into_iter().map(|item| receiver::resource(item, meta?, is_flux)).collect::<Vec<_>>();
    read.into_iter().collect::<Option<Vec<_>>>().map(Some)
}

fn patterns(spec: &mut Fields<'_>, name: &'static str) -> Option<Vec<Pattern>> {
    let report = spec.report();
    let texts = spec.texts(name).unwrap_or_default();
    let read: Vec<_> = texts.iter().map(|text| text.parsed(report, Pattern::parse)).collect();
    read.into_iter().collect()
}

#[expect(clippy::option_option, reason = "absent is not wrong, as everywhere here")]
fn template(spec: &mut Fields<'_>) -> Option<Option<Template>> {
    let report = spec.report();
    let Some(text) = spec.filled_text("template") else { return Some(None) };
    let wrong = |error: String, hint: Option<String>| {
        let finding = Finding::at(text.place, format!("`{}`: {error}", text.path));
        report.add(match hint {
            Some(hint) => finding.hint(hint),
            None => finding,
        });
    };
    let template = match Template::parse("template", &text.value) {
        Ok(template) => template,
        Err(error) => {
            wrong(error.to_string(), message::advice_on_text(&error));
            return None;
        }
    };
    match notify::check(&template) {
        Ok(()) => Some(Some(template)),
        Err(error) => {
            wrong(error.to_string(), message::advice(&error));
            None
        }
    }
}

fn within(spec: &mut Fields<'_>, name: &'static str, (default, most): (Duration, Duration)) -> Option<Duration> {
    if spec.key(name).is_none() {
        spec.accept(&[name]);
        return Some(default);
    }
    let (duration, place) = spec.duration(name, Units::UpToHours)?;
    if duration > most {
        let message = format!("`{}` is longer than {} h", spec.path(name), most.as_secs() / 3600);
        spec.report().error(place, message);
        return None;
    }
    Some(duration)
}

/// What notifications are resolved against.
pub(super) struct Known<'k> {
    pub(super) git: &'k Repositories,
    pub(super) policies: &'k [Arc<ImagePolicy>],
    pub(super) automations: &'k [Arc<Automation>],
    pub(super) syncs: &'k [Arc<GitSync>],
}

/// What was read of who is told.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) notifications: Vec<Notification>,
    pub(super) providers: BTreeMap<ObjectName, Provider>,
    pub(super) alerts: Vec<Alert>,
}

/// Looks up secrets, and what notifications are about; what is wrong is reported and left out. Each has the index of its source beside
/// it.
pub(super) fn resolve(
    context: &Context<'_>,
    gathered: Gathered,
    known: &Known<'_>,
) -> Vec<(usize, Arc<notify::Notification>)> {
    let mut found: Vec<(usize, Arc<notify::Notification>)> = Vec::new();
    for Notification { meta, interest, place, suspended } in gathered.notifications {
        let target = target::resolve(context, Owner::Native(&meta.id), &place);
        if let (Ok(Some(target)), false) = (target, suspended) {
            let told = told(context.report, &meta, interest, (known, false), target);
            found.extend(told.map(|told| (meta.place.file, told)));
        }
    }
    let mut targets: BTreeMap<ObjectName, Option<Arc<notify::Target>>> = BTreeMap::new();
    for (id, Provider { place, suspended }) in gathered.providers {
        let target = place.filter(|_| !suspended).map(|place| of_flux(context, &id, &place));
        targets.insert(id, target.and_then(Result::ok).flatten());
    }
    for Alert { meta, provider, interest, suspended } in gathered.alerts {
        let id = ObjectName { namespace: meta.id.namespace.clone(), name: provider.value.clone() };
        match targets.get(&id) {
            _ if suspended => {}
            Some(Some(target)) => {
                let told = told(context.report, &meta, interest, (known, true), Arc::clone(target));
                found.extend(told.map(|told| (meta.place.file, told)));
            }
            // What is to say of it is said where it stands.
            Some(None) => {}
            None => {
                let message = format!("passed over Alert {}, since its provider '{id}' is not here", meta.id);
                context.report.notice_at(provider.place, message);
            }
        }
    }
    found
}

/// The target of a `Provider`. One that a run could not use is for Flux alone.
fn of_flux(context: &Context<'_>, id: &ObjectName, place: &Place) -> Checked<Option<Arc<notify::Target>>> {
    for text in place.secrets() {
        let secret = ObjectName { namespace: id.namespace.clone(), name: text.value.clone() };
        if !context.secrets.finds_secret(&secret, text.place) {
            let message = format!("passed over Provider {id}, since its secret '{secret}' is not here");
            context.report.notice_at(text.place, message);
            return Ok(None);
        }
    }
    target::resolve(context, Owner::Flux(id), place)
}

fn told(
    report: &Report,
    meta: &Meta,
    interest: Interest,
    (known, is_flux): (&Known<'_>, bool),
    target: Arc<notify::Target>,
) -> Option<Arc<notify::Notification>> {
    let Interest { severity, kinds, sources, include, exclude, summary, metadata, template, group, quiet } = interest;
    let scope = match sources {
        Some(sources) => Some(scope(report, sources, known, is_flux)?),
        None => None,
    };
    // An `Alert` may have the name of a `Notification`.
    let name = if is_flux { format!("{} (Alert)", meta.id.name) } else { meta.id.name.clone() };
    let name = Name { namespace: meta.id.namespace.clone(), name };
    let kinds = kinds.into_iter().collect();
    let told = notify::Notification {
        name,
        severity,
        kinds,
        scope,
        include,
        exclude,
        summary,
        metadata,
        template,
        group,
        quiet,
        target,
    };
    Some(Arc::new(told))
}

/// What events have to be about; none where that is nothing that is done here.
fn scope(report: &Report, sources: Vec<Resource>, known: &Known<'_>, is_flux: bool) -> Option<Scope> {
    let (mut scope, mut is_any) = (Scope::default(), false);
    for Resource { kind, id, place } in sources {
        let names = |other: &ObjectName| other.namespace == id.namespace && (id.name == "*" || other.name == id.name);
        let name = Name { namespace: id.namespace.clone(), name: id.name.clone() };
        let policies = || known.policies.iter();
        let is_here = match kind {
            Kind::Repository => policies().any(|policy| names(&policy.repository.id)),
            Kind::Policy => policies().any(|policy| names(&policy.id)),
            Kind::Automation => known.automations.iter().any(|automation| names(&automation.id)),
            Kind::Sync => known.syncs.iter().any(|sync| names(&sync.automation.id)),
            Kind::Git => known.git.keys().any(names),
            Kind::Other => {
                if !is_flux {
                    let message = "a notification is about objects of another kind, of which nothing is ever told";
                    report.idle(place, message);
                }
                continue;
            }
        };
        is_any = true;
        if !is_here && !is_flux {
            report.idle(place, format!("a notification is about {id}, which is not here"));
        }
        match kind {
            Kind::Repository => scope.repositories.push(name),
            Kind::Policy => scope.policies.push(name),
            Kind::Automation | Kind::Sync => scope.automations.push(name),
            Kind::Git => {
                let git = known.git.iter().filter(|(other, _)| names(other)).flat_map(|(_, all)| all);
                scope.remotes.extend(git.filter_map(|(_, it)| it.as_ref()).map(|it| it.address.url.clone()));
            }
            Kind::Other => {}
        }
    }
    is_any.then_some(scope)
}
