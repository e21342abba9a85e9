//! `tagwright.dev/v1alpha1 ImageAutomation`: one document that says it all.
//!
//! Each image becomes a policy `namespace:name` with a repository of its own. An image can have a `namespace` for its
//! marker; secrets are always looked for in the namespace of the automation.

use std::time::Duration;

use crate::automation::{DigestReflection, ObjectName, Schedule};

use super::decode::{Fields, Text};
use super::document::{Object, open};
use super::flux::{self, Read};
use super::raw::{
    Automation, Dialect, GitRepository, ImagePolicy, Message, Meta, Reference, RepositoryOf, Scope, SourceOf,
};
use super::report::{Finding, Report, quoted};
use super::value::{self, Units};

/// The interval of an automation that gives neither interval nor schedule.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// The author of commits where none is given.
pub const DEFAULT_AUTHOR: (&str, &str) = ("tagwright", "tagwright@localhost");

/// The zone of a cron expression where none is given.
const DEFAULT_TIME_ZONE: &str = "UTC";

/// Reads an automation and the policies of its images.
pub(super) fn automation(report: &Report, object: &Object) -> (Read<Automation>, Vec<Read<ImagePolicy>>) {
    let (meta, spec) = open(report, object);
    let Some(mut spec) = spec else { return ((meta, None), Vec::new()) };
    let schedule = match schedule(&mut spec) {
        Given::Absent => Some(Schedule::Every(DEFAULT_INTERVAL)),
        Given::Wrong => None,
        Given::Valid(schedule) => Some(schedule),
    };
    let suspended = spec.flag("suspend");
    let git = spec.required_fields("git").and_then(|fields| git(fields, &meta));
    if spec.key("images").is_none() {
        spec.missing("images");
    }
    let images: Vec<Read<ImagePolicy>> = spec
        .items("images")
        .unwrap_or_default()
        .into_iter()
        .map(|fields| image(fields, meta.as_ref(), schedule.as_ref()))
        .collect();
    spec.finish();
    let own = images.iter().filter_map(|(meta, _)| meta.as_ref().map(|meta| meta.id.clone())).collect();
    let content = git.and_then(|git| {
        Some(Automation {
            meta: meta.clone()?,
            source: SourceOf::Own(Box::new(git.repository?)),
            checkout: None,
            paths: git.paths,
            scope: Scope::Own(own),
            author: git.commit.author?,
            message: git.commit.message,
            values: git.commit.values,
            trailers: git.commit.trailers,
            push: git.push,
            schedule: schedule?,
            suspended,
        })
    });
    ((meta, content), images)
}

/// What an optional group of fields turned out to be.
enum Given<T> {
    Absent,
    Wrong,
    Valid(T),
}

/// Reads `interval`, or `schedule` with `timeZone`.
fn schedule(spec: &mut Fields<'_>) -> Given<Schedule> {
    let report = spec.report();
    let (has_interval, has_schedule) = (spec.key("interval"), spec.key("schedule"));
    let interval = spec.duration("interval", Units::UpToHours);
    let expression = spec.text("schedule");
    let zone = spec.text("timeZone");
    match (has_interval, has_schedule) {
        (Some(_), Some(place)) => {
            let message = format!("`{}` and `{}` exclude each other", spec.path("interval"), spec.path("schedule"));
            report.error(place, message);
            return Given::Wrong;
        }
        (None, Some(_)) => {
            let expression = expression.and_then(|text| parsed(report, &text, value::cron));
            let zone = match zone {
                Some(text) => parsed(report, &text, value::time_zone),
                None => Some(DEFAULT_TIME_ZONE.to_owned()),
            };
            return match (expression, zone) {
                (Some(expression), Some(time_zone)) => Given::Valid(Schedule::Cron { expression, time_zone }),
                _ => Given::Wrong,
            };
        }
        _ => {}
    }
    if let Some(zone) = zone {
        let finding = Finding::at(zone.place, format!("`{}` has no `schedule` to belong to", spec.path("timeZone")));
        report.add(finding.hint("an interval has no time zone; write `schedule` with a cron expression"));
        return Given::Wrong;
    }
    match has_interval {
        None => Given::Absent,
        Some(_) => match flux::checked_interval(spec, interval) {
            Some(interval) => Given::Valid(Schedule::Every(interval)),
            None => Given::Wrong,
        },
    }
}

fn parsed<T>(report: &Report, text: &Text, parse: fn(&str) -> Result<T, value::Error>) -> Option<T> {
    match parse(&text.value) {
        Ok(value) => Some(value),
        Err(error) => {
            report.error(text.place, format!("{}: {error}", quoted(&text.value)));
            None
        }
    }
}

/// `spec.git`.
struct Git {
    repository: Option<GitRepository>,
    paths: Vec<Text>,
    push: super::raw::Push,
    commit: Commit,
}

struct Commit {
    author: Option<(String, String)>,
    message: Option<Message>,
    values: std::collections::BTreeMap<String, String>,
    trailers: bool,
}

fn git(mut fields: Fields<'_>, meta: &Option<Meta>) -> Option<Git> {
    let url = fields.required_text("url");
    let reference = checkout(&mut fields);
    let paths = fields.texts("paths").unwrap_or_default();
    let secret = fields.reference("secretRef");
    let proxy_secret = fields.reference("proxySecretRef");
    let timeout = fields.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let push = fields.fields("push").map(flux::push).unwrap_or_default();
    let commit = match fields.fields("commit") {
        Some(fields) => commit(fields),
        None => Commit { author: Some(default_author()), message: None, values: Default::default(), trailers: true },
    };
    fields.finish();
    let repository = url.and_then(|url| {
        let meta = meta.clone()?;
        Some(GitRepository { meta, url, secret, proxy_secret, reference, timeout, unsupported: Vec::new() })
    });
    Some(Git { repository, paths, push, commit })
}

/// Reads `branch`, which is short for `ref.branch`, or `ref`.
fn checkout(fields: &mut Fields<'_>) -> Option<Reference> {
    let has_branch = fields.key("branch").is_some();
    let branch = fields.filled_text("branch");
    let key = fields.key("ref");
    let reference = fields.fields("ref").and_then(flux::reference);
    match key {
        Some(place) if has_branch => {
            let message = format!("`{}` and `{}` exclude each other", fields.path("branch"), fields.path("ref"));
            fields.report().error(place, message);
            None
        }
        Some(_) => reference,
        None => branch.map(|branch| Reference { branch: Some(branch), ..Reference::default() }),
    }
}

fn commit(mut fields: Fields<'_>) -> Commit {
    let author = match fields.key("author") {
        Some(_) => fields.fields("author").and_then(flux::author),
        None => Some(default_author()),
    };
    let message = fields.filled_text("message").map(|text| Message { text, prefix: None });
    let values = fields.map("values").into_iter().map(|(key, text)| (key, text.value)).collect();
    let trailers = fields.optional_flag("trailers").unwrap_or(true);
    fields.refuse("signingKey", "commit signing is not supported yet");
    fields.finish();
    Commit { author, message, values, trailers }
}

fn default_author() -> (String, String) {
    (DEFAULT_AUTHOR.0.to_owned(), DEFAULT_AUTHOR.1.to_owned())
}

/// Reads an item of `spec.images`.
fn image(mut fields: Fields<'_>, automation: Option<&Meta>, inherited: Option<&Schedule>) -> Read<ImagePolicy> {
    let name = fields.required_text("name");
    let namespace = fields.filled_text("namespace");
    let schedule = match schedule(&mut fields) {
        Given::Absent => inherited.cloned(),
        Given::Wrong => None,
        Given::Valid(schedule) => Some(schedule),
    };
    let name = name.and_then(|name| fields.object_name(&name, "name"));
    let namespace = match namespace {
        Some(namespace) => fields.object_name(&namespace, "namespace").map(|namespace| namespace.value),
        None => automation.map(|automation| automation.id.namespace.clone()),
    };
    let repository = flux::repository(&mut fields, automation, schedule);
    let choice = flux::choice(&mut fields, Dialect::Native);
    let filter = flux::filter(&mut fields);
    let (digest, _) = flux::digest(&mut fields);
    fields.finish();
    let Some((name, namespace)) = name.zip(namespace) else { return (None, None) };
    let id = ObjectName { namespace, name: name.value };
    let meta = Meta { id: id.clone(), place: name.place, labels: Default::default(), trailers: false };
    let content = repository.zip(choice).map(|(mut repository, choice)| {
        let suspended = repository.suspended;
        let refresh = match (&repository.schedule, digest) {
            (Schedule::Every(interval), DigestReflection::Always) => Some(*interval),
            _ => None,
        };
        repository.access_from = None;
        let repository = RepositoryOf::Own(Box::new(repository));
        ImagePolicy { meta: meta.clone(), repository, choice, filter, digest, refresh, suspended }
    });
    (Some(meta), content)
}
