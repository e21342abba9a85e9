//! `tagwright.dev/v1alpha1 ImageAutomation`: one document that says it all.
//!
//! Each image becomes a policy `namespace:name` with a repository of its own. An image can have a `namespace` for its
//! marker; secrets are always looked for in the namespace of the automation.

use std::collections::BTreeMap;
use std::time::Duration;

use tagwright_core::automation::{Author, DigestReflection, ObjectName, Origin, Schedule};
use tagwright_core::marker::Target;
use tagwright_core::message::{DEFAULT_AUTHOR, DEFAULT_MESSAGE, NATIVE_MESSAGE};
use tagwright_core::policy::{Order, Policy};

use super::decode::Fields;
use super::document::{Object, open};
use super::flux::{Read, checked_interval};
use super::raw::{
    Automation, GitRepository, ImagePolicy, ImageRepository, Message, Meta, Paths, Push, Reference, RepositoryOf,
    Scope, SourceOf,
};
use super::report::Report;
use super::signing::{self, ByForge, SigningKey};
use super::value::{self, Units};
use super::yaml::Place;
use super::{freeze, git, guards, image, provider, requests, targets, verify};

/// The interval of an automation that gives neither interval nor schedule.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// Reads an automation and the policies of its images.
pub(super) fn automation(report: &Report, object: &Object) -> (Read<Automation>, Vec<Read<ImagePolicy>>) {
    let (meta, spec) = open(report, object);
    let Some(mut spec) = spec else { return ((meta, None), Vec::new()) };
    let schedule = schedule(&mut spec).map(|given| given.unwrap_or(Schedule::Every(DEFAULT_INTERVAL)));
    let suspended = spec.flag("suspend");
    let (batch, gather, windows) = (guards::batch(&mut spec), guards::gather(&mut spec), guards::windows(&mut spec));
    let freeze = freeze::periods(&mut spec);
    if let Some(meta) = &meta {
        meta.annotated
            .lost_guards(report, "write `exclude`, `minimumAge` and the like of the images below `spec.images`");
        meta.annotated.lost_interval(report, "write `maxInterval` of the images below `spec.images`");
        requests::lost(report, meta);
    }
    let git = spec.required_fields("git").and_then(|fields| git_fields(fields, meta.as_ref()));
    if spec.key("images").is_none() {
        spec.missing("images");
    }
    let images: Vec<Read<ImagePolicy>> = spec
        .items("images")
        .unwrap_or_default()
        .into_iter()
        .map(|fields| image_fields(fields, meta.as_ref(), schedule.as_ref()))
        .collect();
    spec.finish();
    let own = images.iter().filter_map(|(meta, _)| meta.as_ref().map(|meta| meta.id.clone())).collect();
    let content = git.and_then(|git| {
        Some(Automation {
            meta: meta.clone()?,
            origin: Origin::ImageAutomation,
            source: SourceOf::Own(Box::new(git.repository)),
            checkout: None,
            paths: git.paths,
            embedded: git.embedded,
            scope: Scope::Own(own),
            author: git.commit.author,
            message: git.commit.message,
            values: git.commit.values,
            trailers: git.commit.trailers,
            signed_off: git.commit.signed_off,
            signing: git.commit.signing,
            by_forge: git.commit.by_forge,
            push: git.push,
            schedule: schedule?,
            batch,
            gather,
            windows,
            freeze,
            suspended,
        })
    });
    ((meta, content), images)
}

/// Reads `interval`, or `schedule` with `timeZone`: `Some(None)` when none is given, `None` when something is wrong.
fn schedule(fields: &mut Fields<'_>) -> Option<Option<Schedule>> {
    let (has_interval, has_schedule) = (fields.key("interval"), fields.key("schedule"));
    let interval = fields.duration("interval", Units::UpToHours);
    let cron = guards::cron(fields);
    match (has_interval, has_schedule) {
        (Some(_), Some(place)) => {
            let message = format!("`{}` and `{}` exclude each other", fields.path("interval"), fields.path("schedule"));
            fields.report().error(place, message);
            None
        }
        (Some(_), None) => {
            cron?;
            checked_interval(fields, interval).map(|interval| Some(Schedule::Every(interval)))
        }
        (None, _) => cron.map(|cron| cron.map(Schedule::Cron)),
    }
}

/// `spec.git`.
struct Git {
    repository: GitRepository,
    paths: Paths,
    embedded: bool,
    push: Push,
    commit: Commit,
}

/// `commit`.
pub(super) struct Commit {
    pub(super) author: Author,
    pub(super) message: Message,
    pub(super) values: BTreeMap<String, String>,
    pub(super) trailers: bool,
    pub(super) signed_off: bool,
    pub(super) signing: Option<SigningKey>,
    pub(super) by_forge: Option<ByForge>,
}

fn git_fields(mut fields: Fields<'_>, meta: Option<&Meta>) -> Option<Git> {
    let report = fields.report();
    let address = fields.required_text("url").and_then(|url| git::address(report, &url));
    let reference = checkout(&mut fields);
    let paths = fields.texts("paths").unwrap_or_default();
    let paths = git::paths(report, &paths);
    let embedded = fields.optional_flag("embedded").unwrap_or_else(|| meta.is_some_and(|meta| meta.embedded));
    let secret = fields.reference("secretRef");
    let proxy_secret = fields.reference("proxySecretRef");
    let timeout = fields.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let provider = provider::of_git(&mut fields);
    let push = fields.optional_fields("push", git::push_or_propose);
    let commit = commit_of(&mut fields);
    fields.finish();
    let repository = GitRepository {
        namespace: meta?.id.namespace.clone(),
        address: address?,
        secret,
        proxy_secret,
        reference: reference?,
        timeout,
        provider,
        service_account: None,
        unsupported: Vec::new(),
    };
    Some(Git { repository, paths: paths?, embedded, push: push?.unwrap_or_default(), commit: commit? })
}

/// Reads `branch`, which is short for `ref.branch`, or `ref`.
fn checkout(fields: &mut Fields<'_>) -> Option<Reference> {
    let has_branch = fields.key("branch").is_some();
    let branch = fields.optional("branch", value::branch);
    let key = fields.key("ref");
    let reference = fields.optional_fields("ref", git::reference);
    match key {
        Some(place) if has_branch => {
            let message = format!("`{}` and `{}` exclude each other", fields.path("branch"), fields.path("ref"));
            fields.report().error(place, message);
            None
        }
        Some(_) => reference?,
        None => Some(Reference { branch: branch?, ..Reference::default() }),
    }
}

/// Reads `commit`, which may be absent.
pub(super) fn commit_of(fields: &mut Fields<'_>) -> Option<Commit> {
    match fields.optional_fields("commit", commit) {
        Some(None) => default_commit(fields.report()),
        given => given.flatten(),
    }
}

fn commit(mut fields: Fields<'_>) -> Option<Commit> {
    let report = fields.report();
    let author = fields.optional_fields("author", git::author);
    let message = fields.filled_text("message");
    let values = git::values(fields.map("values"));
    let trailers = fields.optional_flag("trailers").unwrap_or(true);
    // Without trailers the text is what the commit is known by.
    let default = if trailers { NATIVE_MESSAGE } else { DEFAULT_MESSAGE };
    let message = git::message(report, message.as_ref(), default);
    let signed_off = fields.flag("signedOffBy");
    let by_forge = signing::by_forge(&mut fields, trailers, signed_off);
    let signing = signing::key(&mut fields);
    fields.finish();
    let author = author?.unwrap_or_else(default_author);
    let (message, signing, by_forge) = (message?, signing?, by_forge?);
    Some(Commit { author, message, values, trailers, signed_off, signing, by_forge })
}

pub(super) fn default_commit(report: &Report) -> Option<Commit> {
    let message = git::message(report, None, NATIVE_MESSAGE)?;
    let (author, values) = (default_author(), BTreeMap::new());
    Some(Commit { author, message, values, trailers: true, signed_off: false, signing: None, by_forge: None })
}

fn default_author() -> Author {
    Author { name: DEFAULT_AUTHOR.name.to_owned(), email: DEFAULT_AUTHOR.email.to_owned() }
}

/// Reads an item of `spec.images`.
fn image_fields(mut fields: Fields<'_>, automation: Option<&Meta>, inherited: Option<&Schedule>) -> Read<ImagePolicy> {
    let name = fields.name("name");
    let owner = automation.map(|automation| automation.id.namespace.as_str());
    let namespace = match fields.optional_name("namespace") {
        Some(None) => owner.map(str::to_owned),
        given => given.flatten().map(|namespace| namespace.value),
    };
    let schedule = schedule(&mut fields).and_then(|given| given.or_else(|| inherited.cloned()));
    let id = name.as_ref().zip(namespace).map(|(name, namespace)| ObjectName { namespace, name: name.value.clone() });
    let longest = fields.duration("maxInterval", Units::UpToHours);
    let repository = image::repository(&mut fields, image::Dialect::Native, id.clone(), owner, schedule);
    let order = fields.key("policy");
    let is_chart = image::is_chart(&fields);
    let policy = image::policy(&mut fields, image::Dialect::Native).map(|policy| match policy.order {
        Order::Semver(_) if is_chart && policy.filter.is_none() => {
            Policy { filter: image::chart_filter(fields.report()), ..policy }
        }
        _ => policy,
    });
    let digest = image::pin(&mut fields);
    let repository = repository.map(|repository| {
        let longest = longest.filter(|(_, place)| !follows_digest(&fields, digest, *place));
        let max_interval = longest.and_then(|it| guards::max_interval(fields.report(), it, &repository.schedule));
        ImageRepository { max_interval, ..repository }
    });
    let guards = guards::guards(&mut fields);
    let verify = verify::verify(&mut fields, owner);
    let targets = targets::targets(&mut fields, repository.as_ref().map(|it| &it.image));
    guards::in_vain(&fields, &guards, digest);
    fields.finish();
    let Some((name, id)) = name.zip(id) else { return (None, None) };
    let meta = Meta::of(id, name.place);
    let content = repository.zip(policy).zip(verify).zip(targets).map(|(((repository, policy), verify), targets)| {
        let suspended = repository.suspended;
        let named = |target: Target| Target { policy: meta.id.marker(), ..target };
        let targets = targets.into_iter().map(named).collect();
        let repository = RepositoryOf::Own(Box::new(repository));
        // The image has one interval, at which its tags and the digest are looked at together.
        let (meta, refresh) = (meta.clone(), None);
        ImagePolicy { meta, repository, policy, guards, verify, order, digest, refresh, targets, suspended }
    });
    (Some(meta), content)
}

/// A digest moves without a new tag, so that a quiet list says nothing of it.
fn follows_digest(fields: &Fields<'_>, digest: DigestReflection, place: Place) -> bool {
    let follows = digest == DigestReflection::Always;
    if follows {
        let (longest, digest) = (fields.path("maxInterval"), fields.path("digestReflectionPolicy"));
        fields.report().error(place, format!("`{longest}` and `{digest}: Always` exclude each other"));
    }
    follows
}
