//! KubeVela's `Application`: each component of type `kustomize` stands for a `GitRepository`, and with an
//! `imageRepository` also for an `ImageRepository`, an `ImagePolicy` and an `ImageUpdateAutomation`, all of them named
//! like the component, in the namespace of the Application. This is what KubeVela's fluxcd addon makes of it.

use std::time::Duration;

use crate::automation::{DigestReflection, ObjectName, Schedule};

use super::decode::{Fields, Text, nearest};
use super::document::{Object, open};
use super::flux;
use super::raw::{
    Automation, Dialect, GitRepository, ImagePolicy, ImageRepository, Message, Meta, Push, Reference, RepositoryOf,
    Scope, SourceOf,
};
use super::report::{Finding, Report, quoted};
use super::select::Selector;
use super::value::Units;

/// Who commits.
const AUTHOR: (&str, &str) = ("kubevelabot", "kubevelabot@users.noreply.github.com");

/// The beginning of every message; pipelines look for it.
const MESSAGE: &str = "Update image automatically.";

/// The branch where none is given.
const DEFAULT_BRANCH: &str = "main";

/// How often images are polled where nothing is said.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// What one component stands for.
#[derive(Debug)]
pub(super) struct Component {
    /// The names of all objects.
    pub(super) meta: Meta,
    /// Whether the component has a source of its own.
    pub(super) has_git: bool,
    pub(super) git: Option<GitRepository>,
    pub(super) automatic: Option<Automatic>,
}

/// What an `imageRepository` stands for; nothing where it is wrong.
#[derive(Debug, Default)]
pub(super) struct Automatic {
    pub(super) repository: Option<ImageRepository>,
    pub(super) policy: Option<ImagePolicy>,
    pub(super) automation: Option<Automation>,
}

/// Reads the components that matter here.
pub(super) fn components(report: &Report, object: &Object) -> Vec<Component> {
    let (meta, spec) = open(report, object);
    let Some((meta, mut spec)) = meta.zip(spec) else { return Vec::new() };
    let components = spec.items("components").unwrap_or_default();
    let mut found = Vec::new();
    let mut others = 0;
    for component in components {
        match read(component, &meta) {
            Some(component) => found.push(component),
            None => others += 1,
        }
    }
    let idle = others + found.iter().filter(|component| component.automatic.is_none()).count();
    if idle > 0 {
        let components = if idle == 1 { "component" } else { "components" };
        let line = report.line_of(object.place);
        report.notice(format!("{line}: passed over {idle} {components} of Application {} without images", meta.id));
    }
    found
}

/// Reads one component; none when it is not of type `kustomize`.
fn read(mut component: Fields<'_>, application: &Meta) -> Option<Component> {
    let kind = component.text("type");
    if kind.is_none_or(|kind| kind.value != "kustomize") {
        return None;
    }
    let report = component.report();
    let name = component.required_text("name").and_then(|name| component.object_name(&name, "name"));
    let properties = component.required_fields("properties");
    component.accept(&["traits", "dependsOn", "inputs", "outputs", "scopes", "externalRevision", "replicaKey"]);
    component.finish();
    let (name, mut properties) = name.zip(properties)?;
    let id = ObjectName { namespace: application.id.namespace.clone(), name: name.value };
    let meta = Meta { id, place: name.place, labels: Default::default(), trailers: application.trailers };
    if properties.key("imageRepository").is_none() {
        let git = source_alone(report, properties, &meta);
        return Some(Component { has_git: git.is_some(), git, meta, automatic: None });
    }
    let git = git_properties(&mut properties);
    let images = properties.fields("imageRepository").and_then(|fields| images(fields, &meta));
    properties.accept(&["pullInterval", "prune", "force", "targetNamespace", "decryption", "healthCheck", "oss"]);
    properties.idle(&["suspend"]);
    properties.finish();
    let automatic = images.zip(git.as_ref()).map(|(images, git)| emitted(images, git, &meta));
    let has_git = git.as_ref().is_none_or(|git| git.source_name.is_none());
    let git = git.filter(|_| has_git).and_then(|git| git.repository(&meta));
    Some(Component { has_git, git, meta, automatic: Some(automatic.unwrap_or_default()) })
}

/// Reads a component that has no images: only a source that others may use. Nothing in it is our concern, unless
/// `imageRepository` is there and misspelt.
fn source_alone(report: &Report, mut properties: Fields<'_>, meta: &Meta) -> Option<GitRepository> {
    properties.accept(&["imageRepository"]);
    let kind = properties.text("repoType");
    let url = properties.text("url");
    let secret = properties.filled_text("secretRef");
    let has_source = properties.text("sourceName").is_some();
    properties.accept(&["git", "pullInterval", "timeout", "path"]);
    for (name, place) in properties.unknown() {
        if nearest(name, &["imageRepository"]).is_some() {
            let finding = Finding::at(place, format!("unknown field {}", quoted(&properties.path(name))));
            report.add(finding.hint("a field with a similar name exists: `imageRepository`"));
        }
    }
    if has_source || kind.is_some_and(|kind| kind.value != "git") {
        return None;
    }
    Some(GitRepository {
        meta: meta.clone(),
        url: url?,
        secret,
        proxy_secret: None,
        reference: None,
        timeout: None,
        unsupported: Vec::new(),
    })
}

/// What the properties say about Git.
struct GitProperties {
    url: Option<Text>,
    secret: Option<Text>,
    timeout: Option<Duration>,
    source_name: Option<Text>,
    reference: Reference,
    branch: Text,
    path: Option<Text>,
}

impl GitProperties {
    fn repository(self, meta: &Meta) -> Option<GitRepository> {
        Some(GitRepository {
            meta: meta.clone(),
            url: self.url?,
            secret: self.secret,
            proxy_secret: None,
            reference: Some(self.reference),
            timeout: self.timeout,
            unsupported: Vec::new(),
        })
    }
}

fn git_properties(properties: &mut Fields<'_>) -> Option<GitProperties> {
    let report = properties.report();
    if let Some(kind) = properties.filled_text("repoType").filter(|kind| kind.value != "git") {
        let message =
            format!("`{}` is {}, but images are written to Git", properties.path("repoType"), quoted(&kind.value));
        report.add(Finding::at(kind.place, message).hint("use `repoType: git` with `imageRepository`"));
    }
    let source_name = properties.filled_text("sourceName");
    let source_name = source_name.and_then(|name| properties.object_name(&name, "sourceName"));
    let url = if source_name.is_some() { properties.text("url") } else { properties.required_text("url") };
    let path = properties.required_text("path");
    let secret = properties.filled_text("secretRef");
    let secret = secret.and_then(|name| properties.object_name(&name, "secretRef"));
    let timeout = properties.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let place = properties.key("git").unwrap_or(properties.place);
    let reference = properties.fields("git").and_then(flux::reference).unwrap_or_default();
    let branch = reference.branch.clone().unwrap_or_else(|| {
        let line = report.line_of(place);
        report.notice(format!("{line}: `{}` is not given, so it is `{DEFAULT_BRANCH}`", properties.path("git.branch")));
        Text { value: DEFAULT_BRANCH.to_owned(), place, literal: false }
    });
    Some(GitProperties { url, secret, timeout, source_name, reference, branch, path })
}

/// What `imageRepository` says.
struct Images {
    repository: Option<ImageRepository>,
    policy: Option<ImagePolicy>,
    message: Option<Text>,
    interval: Option<Duration>,
    place: super::yaml::Place,
}

fn images(mut fields: Fields<'_>, meta: &Meta) -> Option<Images> {
    let image = fields.required_text("image");
    let secret = fields.filled_text("secretRef");
    let secret = secret.and_then(|name| fields.object_name(&name, "secretRef"));
    let message = fields.filled_text("commitMessage");
    let interval = match fields.key("interval") {
        Some(_) => {
            let interval = fields.duration("interval", Units::UpToHours);
            flux::checked_interval(&fields, interval)
        }
        None => Some(DEFAULT_INTERVAL),
    };
    let choice = flux::choice(&mut fields, Dialect::Flux);
    let filter = flux::filter(&mut fields);
    let place = fields.place;
    fields.finish();
    let repository = image.zip(interval).map(|(image, interval)| ImageRepository {
        meta: meta.clone(),
        image,
        schedule: Schedule::Every(interval),
        timeout: None,
        secret,
        cert_secret: None,
        proxy_secret: None,
        service_account: None,
        insecure: false,
        exclusions: None,
        access_from: None,
        suspended: false,
    });
    let policy = choice.map(|choice| ImagePolicy {
        meta: meta.clone(),
        repository: RepositoryOf::Named(meta.id.clone(), place),
        choice,
        filter,
        digest: DigestReflection::Never,
        refresh: None,
        suspended: false,
    });
    Some(Images { repository, policy, message, interval, place })
}

/// The objects that an `imageRepository` stands for.
fn emitted(images: Images, git: &GitProperties, meta: &Meta) -> Automatic {
    let (source, place) = match &git.source_name {
        Some(name) => (ObjectName { namespace: meta.id.namespace.clone(), name: name.value.clone() }, name.place),
        None => (meta.id.clone(), images.place),
    };
    let text = images.message.unwrap_or(Text { value: String::new(), place: images.place, literal: false });
    let branch = Reference { branch: Some(git.branch.clone()), ..Reference::default() };
    let automation = images.interval.map(|interval| Automation {
        meta: meta.clone(),
        source: SourceOf::Named(source, place),
        checkout: Some(branch),
        paths: git.path.clone().into_iter().collect(),
        scope: Scope::Namespace(Selector::default()),
        author: (AUTHOR.0.to_owned(), AUTHOR.1.to_owned()),
        message: Some(Message { text, prefix: Some(MESSAGE) }),
        values: Default::default(),
        trailers: meta.trailers,
        push: Push::default(),
        schedule: Schedule::Every(interval),
        suspended: false,
    });
    Automatic { repository: images.repository, policy: images.policy, automation }
}
