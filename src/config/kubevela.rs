//! KubeVela's `Application`: each component of type `kustomize` stands for a `GitRepository`, and with an
//! `imageRepository` also for an `ImageRepository`, an `ImagePolicy` and an `ImageUpdateAutomation`, all of them named
//! like the component, in the namespace of the Application. This is what KubeVela's fluxcd addon makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use ::image::Repository;
use tagwright_core::automation::{Author, Batch, DigestReflection, Gather, ObjectName, Origin, Schedule};
use tagwright_core::message::KUBEVELA_AUTHOR;
use tagwright_core::spelling::nearest;

use super::decode::Fields;
use super::document::{Object, open};
use super::flux::checked_interval;
use super::raw::{
    Automation, GitRepository, ImagePolicy, ImageRepository, Message, Meta, Paths, Push, Reference, RepositoryOf,
    Scope, SourceOf,
};
use super::remote::Address;
use super::report::{Finding, Report, quoted};
use super::requests::Request;
use super::select::Selector;
use super::text::Text;
use super::value::Units;
use super::yaml::Place;
use super::{flux, git, guards, image, requests};

/// The beginning of every message; pipelines look for it.
const MESSAGE: &str = "Update image automatically.";

/// The branch where none is given.
const DEFAULT_BRANCH: &str = "main";

/// What only concerns how files get into the cluster.
const OTHERS: [&str; 9] = [
    "pullInterval",
    "retryInterval",
    "prune",
    "force",
    "targetNamespace",
    "decryption",
    "healthCheck",
    "healthChecks",
    "oss",
];

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
    let request = requests::annotated(report, &meta.requests);
    let components = spec.items("components").unwrap_or_default();
    let mut found = Vec::new();
    let mut others = 0;
    for component in components {
        match read(component, &meta, request.as_ref()) {
            Some(component) => found.push(component),
            None => others += 1,
        }
    }
    if request.is_some() && found.iter().all(|component| component.automatic.is_none()) {
        requests::lost(report, &meta);
    }
    let idle = others + found.iter().filter(|component| component.automatic.is_none()).count();
    if idle > 0 {
        let components = if idle == 1 { "component" } else { "components" };
        let message = format!("passed over {idle} {components} of Application {} without images", meta.id);
        report.notice_at(object.place, message);
    }
    found
}

/// Reads one component; none when it is not of type `kustomize`.
fn read(mut component: Fields<'_>, application: &Meta, request: Option<&Request>) -> Option<Component> {
    let kind = component.text("type");
    if kind.is_none_or(|kind| kind.value != "kustomize") {
        return None;
    }
    let report = component.report();
    let name = component.name("name");
    let properties = component.required_fields("properties");
    component.accept(&["traits", "dependsOn", "inputs", "outputs", "scopes", "externalRevision", "replicaKey"]);
    component.finish();
    let (name, mut properties) = name.zip(properties)?;
    let id = ObjectName { namespace: application.id.namespace.clone(), name: name.value };
    let meta = Meta { id, place: name.place, labels: BTreeMap::new(), ..application.clone() };
    if properties.key("imageRepository").is_none() {
        let git = source_alone(report, properties, &meta);
        return Some(Component { has_git: git.is_some(), git, meta, automatic: None });
    }
    let git = git_properties(&mut properties, &meta);
    let images = properties.fields("imageRepository").map(|fields| images(fields, &meta));
    properties.accept(&OTHERS);
    properties.idle(&["suspend"]);
    properties.finish();
    let (has_git, git, source) = match git {
        Some(GitProperties { repository, source }) => (repository.is_some(), repository, Some(source)),
        None => (true, None, None),
    };
    let automatic = images.map(|images| Automatic {
        automation: source.and_then(|source| automation(source, images.message, images.interval, (&meta, request))),
        repository: images.repository,
        policy: images.policy,
    });
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
    let address = git::address(report, &url?)?;
    Some(repository(meta, address, secret, Reference::default(), None))
}

fn repository(
    meta: &Meta,
    address: Address,
    secret: Option<Text>,
    reference: Reference,
    timeout: Option<Duration>,
) -> GitRepository {
    let namespace = meta.id.namespace.clone();
    GitRepository {
        namespace,
        address,
        secret,
        proxy_secret: None,
        reference,
        timeout,
        provider: None,
        service_account: None,
        unsupported: Vec::new(),
    }
}

/// What the properties say about Git.
struct GitProperties {
    /// None when the component uses the source of another one.
    repository: Option<GitRepository>,
    source: Source,
}

/// What the automation takes from it.
struct Source {
    id: ObjectName,
    place: Place,
    branch: String,
    paths: Paths,
}

fn git_properties(properties: &mut Fields<'_>, meta: &Meta) -> Option<GitProperties> {
    let report = properties.report();
    if let Some(kind) = properties.filled_text("repoType").filter(|kind| kind.value != "git") {
        let message = format!("`{}` is {}, but images are written to Git", kind.path, quoted(&kind.value));
        report.add(Finding::at(kind.place, message).hint("use `repoType: git` with `imageRepository`"));
    }
    let other = properties.optional_name("sourceName");
    let uses_other = matches!(other, Some(Some(_)));
    let url = if uses_other { properties.text("url") } else { properties.required_text("url") };
    let address = url.and_then(|url| git::address(report, &url));
    let path = properties.required_text("path").and_then(|path| git::paths(report, &[path]));
    let secret = properties.optional_name("secretRef");
    let timeout = properties.duration("timeout", Units::UpToMinutes).map(|(timeout, _)| timeout);
    let place = properties.key("git").unwrap_or(properties.place);
    let reference = properties.optional_fields("git", |mut fields| {
        // Which forge's API Vela speaks; a push needs none.
        fields.accept(&["provider"]);
        git::reference(fields)
    });
    let reference = reference?.unwrap_or_default();
    let branch = reference.branch.clone().unwrap_or_else(|| {
        report
            .notice_at(place, format!("`{}` is not given, so it is `{DEFAULT_BRANCH}`", properties.path("git.branch")));
        DEFAULT_BRANCH.to_owned()
    });
    let (id, place) = match other? {
        Some(name) => (ObjectName { name: name.value, ..meta.id.clone() }, name.place),
        None => (meta.id.clone(), meta.place),
    };
    let secret = secret?;
    let repository = match uses_other {
        true => None,
        false => Some(repository(meta, address?, secret, reference, timeout)),
    };
    Some(GitProperties { repository, source: Source { id, place, branch, paths: path? } })
}

/// What `imageRepository` says.
struct Images {
    repository: Option<ImageRepository>,
    policy: Option<ImagePolicy>,
    message: Option<Message>,
    interval: Option<Duration>,
}

fn images(mut fields: Fields<'_>, meta: &Meta) -> Images {
    let report = fields.report();
    let image = fields.required_text("image").and_then(|image| image.parsed(report, Repository::parse_written));
    let secret = fields.optional_name("secretRef");
    let message = fields.filled_text("commitMessage");
    let message = git::message_after(report, MESSAGE, message.as_ref());
    let interval = match fields.key("interval") {
        Some(_) => {
            let interval = fields.duration("interval", Units::UpToHours);
            checked_interval(&fields, interval)
        }
        None => {
            fields.accept(&["interval"]);
            Some(DEFAULT_INTERVAL)
        }
    };
    let order = fields.key("policy");
    let policy = image::policy(&mut fields, image::Dialect::Flux);
    let place = fields.place;
    fields.finish();
    let repository = image.zip(interval).zip(secret).and_then(|((image, interval), secret)| {
        let (schedule, longest) = (Schedule::Every(interval), meta.annotated.max_interval);
        Some(ImageRepository {
            id: meta.id.clone(),
            namespace: meta.id.namespace.clone(),
            image,
            max_interval: longest.and_then(|it| guards::max_interval(report, it, &schedule)),
            schedule,
            timeout: None,
            secret,
            cert_secret: None,
            proxy_secret: None,
            service_account: None,
            provider: None,
            insecure: false,
            exclusions: image::default_exclusions()?,
            access_from: None,
            suspended: false,
        })
    });
    let policy = policy.map(|policy| ImagePolicy {
        meta: meta.clone(),
        repository: RepositoryOf::Named(meta.id.clone(), place),
        policy: flux::newest(policy, Some(meta)),
        guards: meta.annotated.guards.clone(),
        verify: meta.annotated.verify.clone(),
        order,
        digest: DigestReflection::Never,
        refresh: None,
        targets: Vec::new(),
        suspended: false,
    });
    Images { repository, policy, message, interval }
}

fn automation(
    source: Source,
    message: Option<Message>,
    interval: Option<Duration>,
    (meta, request): (&Meta, Option<&Request>),
) -> Option<Automation> {
    Some(Automation {
        meta: meta.clone(),
        origin: Origin::Application,
        source: SourceOf::Named(source.id, source.place),
        checkout: Some(Reference { branch: Some(source.branch), ..Reference::default() }),
        paths: source.paths,
        scope: Scope::Namespace(Selector::default()),
        author: Author { name: KUBEVELA_AUTHOR.name.to_owned(), email: KUBEVELA_AUTHOR.email.to_owned() },
        message: message?,
        values: BTreeMap::new(),
        trailers: meta.trailers,
        signed_off: false,
        signing: None,
        by_forge: None,
        embedded: meta.embedded,
        push: Push { request: request.cloned(), ..Push::default() },
        schedule: Schedule::Every(interval?),
        batch: Batch::default(),
        gather: Gather::default(),
        windows: Vec::new(),
        freeze: Vec::new(),
        suspended: false,
    })
}
