//! From raw automations and Git repositories to checked ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access;
use crate::automation::{Author, Automation, Commit, ImagePolicy, ObjectName, Remote};
use crate::template::Template;

use super::checkout;
use super::credentials;
use super::decode::{Text, nearest};
use super::gather::Pool;
use super::policies::{Context, floor, in_namespace};
use super::raw::{self, GitRepository, Message, Scope, SourceOf};
use super::remote;
use super::report::{Checked, Finding, Report, Reported};
use super::value;
use super::yaml::Place;
use super::{DEFAULT_GIT_TIMEOUT, DEFAULT_MESSAGE};

/// The name of message templates in errors, as in Flux.
const TEMPLATE_NAME: &str = "commit message";

/// The Git repositories by name.
type Repositories = BTreeMap<ObjectName, Vec<(Place, Option<GitRepository>)>>;

/// Checks all automations; what is wrong is reported and left out.
pub(super) fn resolve(
    context: &Context<'_>,
    repositories: &Repositories,
    policies: &[Arc<ImagePolicy>],
    automations: Pool<raw::Automation>,
) -> Vec<Arc<Automation>> {
    automations
        .into_objects()
        .into_iter()
        .filter_map(|(_, raw)| automation(context, repositories, policies, raw?).ok())
        .map(Arc::new)
        .collect()
}

fn automation(
    context: &Context<'_>,
    repositories: &Repositories,
    policies: &[Arc<ImagePolicy>],
    raw: raw::Automation,
) -> Checked<Automation> {
    let report = context.report;
    let source = match &raw.source {
        SourceOf::Own(own) => Ok(own.as_ref()),
        SourceOf::Named(id, place) => named(report, repositories, id, *place),
    };
    let reference = match (&raw.checkout, source) {
        (Some(reference), _) => Some(reference),
        (None, Ok(source)) => source.reference.as_ref(),
        (None, Err(Reported)) => None,
    };
    let target = checkout::resolve(report, reference, &raw.push);
    let paths = paths(report, &raw.paths);
    let message = message(report, raw.message.as_ref());
    let remote = source.and_then(|source| remote(context, source));
    let policies = in_scope(policies, &raw.scope, &raw.meta.id.namespace);
    if policies.is_empty() && !report.has_problems() {
        report.notice(format!("{}: automation {} has no policies", report.line_of(raw.meta.place), raw.meta.id));
    }
    let (checkout, push) = target?;
    Ok(Automation {
        id: raw.meta.id,
        remote: remote?,
        checkout,
        paths: paths?,
        policies,
        commit: Commit { author: author(&raw.author), message: message?, values: raw.values, trailers: raw.trailers },
        push,
        schedule: raw.schedule,
        suspended: raw.suspended,
    })
}

/// The Git repository that an automation names.
fn named<'r>(
    report: &Report,
    repositories: &'r Repositories,
    id: &ObjectName,
    place: Place,
) -> Checked<&'r GitRepository> {
    match repositories.get(id).map(Vec::as_slice) {
        Some([(_, repository)]) => repository.as_ref().ok_or(Reported),
        Some([(first, _), (second, _), ..]) => {
            let finding = Finding::at(*second, format!("two Git repositories have the name '{id}'"));
            Err(report.add(finding.related(*first, "the first one")))
        }
        _ => {
            let finding = Finding::at(place, format!("Git repository '{id}' does not exist"));
            let names: Vec<&str> = repositories
                .keys()
                .filter(|known| known.namespace == id.namespace)
                .map(|known| known.name.as_str())
                .collect();
            Err(report.add(match nearest(&id.name, &names) {
                Some(name) => finding.hint(format!("a Git repository with a similar name exists: `{name}`")),
                None => finding.hint(format!("add a `GitRepository` of this name in namespace `{}`", id.namespace)),
            }))
        }
    }
}

fn remote(context: &Context<'_>, source: &GitRepository) -> Checked<Remote> {
    let report = context.report;
    for (place, message) in &source.unsupported {
        report.error(*place, message.clone());
    }
    let address = remote::parse(&source.url.value)
        .map_err(|error| report.add(Finding::at(source.url.place, error.to_string()).hint(error.hint())));
    let secret = |name: &Option<Text>| match name {
        Some(name) => context.secrets.secret(&in_namespace(&source.meta.id.namespace, name), name.place).map(Some),
        None => Ok(None),
    };
    let login = secret(&source.secret);
    let proxy = secret(&source.proxy_secret).and_then(|secret| secret.as_ref().map(credentials::proxy).transpose());
    let address = address?;
    let (login, tls) = credentials::git(&address, login?.as_ref())?;
    let timeout = floor(source.timeout.unwrap_or(DEFAULT_GIT_TIMEOUT));
    if source.unsupported.is_empty() {
        Ok(Remote { url: address.url, access: access::Git { login, tls, proxy: proxy?, timeout } })
    } else {
        Err(Reported)
    }
}

/// Cleans the paths. If one of them is the root, everything is meant.
fn paths(report: &Report, paths: &[Text]) -> Checked<Vec<String>> {
    let cleaned: Vec<_> = paths.iter().map(|path| path.parsed(report, value::path)).collect();
    let cleaned: Vec<String> = cleaned.into_iter().collect::<Checked<_>>()?;
    Ok(if cleaned.iter().any(String::is_empty) { Vec::new() } else { cleaned })
}

/// What Git does not allow in a name or address is left out, as Flux does it.
fn author((name, email): &(String, String)) -> Author {
    let clean = |text: &str| text.chars().filter(|c| !matches!(c, '<' | '>') && !c.is_control()).collect();
    Author { name: clean(name), email: clean(email) }
}

fn message(report: &Report, message: Option<&Message>) -> Checked<Template> {
    let (text, prefix) = match message {
        None => (DEFAULT_MESSAGE.to_owned(), None),
        Some(Message { text, prefix: None }) => (text.value.clone(), None),
        Some(Message { text, prefix: Some(prefix) }) if text.is_empty() => ((*prefix).to_owned(), Some(prefix)),
        Some(Message { text, prefix: Some(prefix) }) => (format!("{prefix}\n{}", text.value), Some(prefix)),
    };
    Template::parse(TEMPLATE_NAME, &text).map_err(|error| {
        let Some(message) = message else { return Reported };
        let line = error.line.saturating_sub(usize::from(prefix.is_some()));
        let place = within(report, &message.text, line, error.column);
        let finding = Finding::at(place, error.to_string());
        report.add(match error.hint() {
            Some(hint) => finding.hint(hint),
            None => finding,
        })
    })
}

/// The place of a position in a text, if the source has the text as it is; otherwise that of the whole text.
fn within(report: &Report, text: &Text, line: usize, column: usize) -> Place {
    let found = if text.literal {
        report.line_within(text.place, line)
    } else {
        report.verbatim(text.place, &text.value).filter(|_| line == 1)
    };
    match found {
        Some(place) if column > 1 && place.start + column <= place.end => {
            Place { start: place.start + column - 1, ..place }
        }
        Some(place) => place,
        None => text.place,
    }
}

fn in_scope(policies: &[Arc<ImagePolicy>], scope: &Scope, namespace: &str) -> Vec<Arc<ImagePolicy>> {
    let applies = |policy: &&Arc<ImagePolicy>| match scope {
        Scope::Namespace(selector) => policy.id.namespace == namespace && selector.matches(&policy.labels),
        Scope::Own(names) => names.contains(&policy.id),
    };
    policies.iter().filter(applies).cloned().collect()
}
