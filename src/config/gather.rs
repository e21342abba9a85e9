//! Collects the raw objects of all documents under their names.

use std::collections::BTreeMap;

use tagwright_core::automation::ObjectName;

use super::document::{self, Kind, Object, name_of};
use super::flux::Read;
use super::notification;
use super::raw::{Automation, GitRepository, ImagePolicy, ImageRepository, Meta};
use super::receiver::{self, Receiver};
use super::report::{Finding, Report};
use super::sync::{self, GitSync};
use super::yaml::{Place, Value};
use super::{flux, kubevela, native};

/// The Git repositories by name. Several can have one name, which matters only when it is used.
pub(super) type Repositories = BTreeMap<ObjectName, Vec<(Place, Option<GitRepository>)>>;

/// Everything that was written, in the order of files and documents. A name whose object could not be read stands for
/// nothing, so that what refers to it is not reported too.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) git: Repositories,
    pub(super) repositories: Pool<ImageRepository>,
    pub(super) policies: Pool<ImagePolicy>,
    pub(super) automations: Pool<Automation>,
    /// Where resources are submitted to.
    pub(super) syncs: Pool<GitSync>,
    /// Who may tell of pushes.
    pub(super) receivers: Vec<Receiver>,
    receiver_names: BTreeMap<ObjectName, Place>,
    /// Who is told of what happens.
    pub(super) told: notification::Gathered,
    told_names: BTreeMap<(Kind, ObjectName), Place>,
    /// Labels of namespaces, one set for each document.
    pub(super) namespaces: BTreeMap<String, Vec<BTreeMap<String, String>>>,
}

/// Objects of one kind with distinct names.
#[derive(Debug)]
pub(super) struct Pool<T> {
    names: BTreeMap<ObjectName, Place>,
    /// Boxed, since each is some kilobytes: the list grows by doubling, and what is made of them is put in its place.
    objects: Vec<(ObjectName, Option<Box<T>>)>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { names: BTreeMap::new(), objects: Vec::new() }
    }
}

impl<T> Pool<T> {
    /// Adds an object; false, and reported, when its name is taken.
    fn add(&mut self, report: &Report, noun: &str, meta: Option<&Meta>, object: Option<T>) -> bool {
        let Some(meta) = meta else { return true };
        if let Some(first) = self.names.get(&meta.id) {
            // A policy is written as markers name it.
            let name = if noun == POLICIES { meta.id.marker() } else { meta.id.to_string() };
            let finding = Finding::at(meta.place, format!("two {noun} have the name '{name}'"));
            report.add(finding.related(*first, "the first one"));
            return false;
        }
        self.names.insert(meta.id.clone(), meta.place);
        self.objects.push((meta.id.clone(), object.map(Box::new)));
        true
    }

    /// The objects in the order they were written.
    pub(super) fn into_objects(self) -> impl Iterator<Item = (ObjectName, Option<T>)> {
        self.objects.into_iter().map(|(id, object)| (id, object.map(|object| *object)))
    }
}

const REPOSITORIES: &str = "image repositories";
const POLICIES: &str = "policies";
const AUTOMATIONS: &str = "automations";

/// Reads all objects of all files. Beside what they come to are the secrets and service accounts, which are looked into when
/// something refers to them, and whether all documents could be read.
pub(super) fn gather(report: &Report) -> (Gathered, Vec<Object>, bool) {
    let (mut all, mut secrets) = (Gathered::default(), Vec::new());
    let are_whole = document::each(report, |object| match object.kind {
        Kind::Secret | Kind::ServiceAccount => secrets.push(object),
        _ => add(report, &mut all, &object),
    });
    (all, secrets, are_whole)
}

fn add(report: &Report, all: &mut Gathered, object: &Object) {
    match object.kind {
        Kind::ImageAutomation => add_native(report, all, object),
        Kind::GitRepository => {
            let (meta, content) = flux::git_repository(report, object);
            add_git(all, meta.as_ref(), content);
        }
        Kind::ImageRepository => {
            let (meta, content) = flux::image_repository(report, object);
            all.repositories.add(report, REPOSITORIES, meta.as_ref(), content);
        }
        Kind::ImagePolicy => {
            let (meta, content) = flux::image_policy(report, object);
            all.policies.add(report, POLICIES, meta.as_ref(), content);
        }
        Kind::ImageUpdateAutomation => {
            let (meta, content) = flux::automation(report, object);
            all.automations.add(report, AUTOMATIONS, meta.as_ref(), content);
        }
        Kind::Application => add_components(report, all, object),
        Kind::Receiver => add_receiver(report, all, object),
        Kind::GitSync => add_sync(report, all, sync::git_sync(report, object)),
        Kind::Autopilot => add_sync(report, all, sync::autopilot(report, object)),
        Kind::Notification | Kind::Provider | Kind::Alert => add_told(report, all, object),
        Kind::Namespace => add_namespace(all, object),
        Kind::Secret | Kind::ServiceAccount => {}
    }
}

fn add_native(report: &Report, all: &mut Gathered, object: &Object) {
    let ((meta, content), images) = native::automation(report, object);
    all.automations.add(report, AUTOMATIONS, meta.as_ref(), content);
    for (meta, content) in images {
        all.policies.add(report, POLICIES, meta.as_ref(), content);
    }
}

/// Its name is one of an automation, which orders and the history go by.
fn add_sync(report: &Report, all: &mut Gathered, (meta, content): Read<GitSync>) {
    if all.automations.add(report, AUTOMATIONS, meta.as_ref(), None) {
        all.syncs.add(report, AUTOMATIONS, meta.as_ref(), content);
    }
}

fn add_git(all: &mut Gathered, meta: Option<&Meta>, content: Option<GitRepository>) {
    if let Some(meta) = meta {
        all.git.entry(meta.id.clone()).or_default().push((meta.place, content));
    }
}

fn add_components(report: &Report, all: &mut Gathered, object: &Object) {
    for component in kubevela::components(report, object) {
        let meta = Some(&component.meta);
        let Some(automatic) = component.automatic else {
            if component.has_git {
                add_git(all, meta, component.git);
            }
            continue;
        };
        // A component whose name is taken is one mistake, not four.
        if all.policies.add(report, POLICIES, meta, automatic.policy) {
            if component.has_git {
                add_git(all, meta, component.git);
            }
            all.repositories.add(report, REPOSITORIES, meta, automatic.repository);
            all.automations.add(report, AUTOMATIONS, meta, automatic.automation);
        }
    }
}

fn add_receiver(report: &Report, all: &mut Gathered, object: &Object) {
    let (meta, content) = receiver::receiver(report, object);
    let Some(meta) = meta else { return };
    if let Some(first) = all.receiver_names.insert(meta.id.clone(), meta.place) {
        let finding = Finding::at(meta.place, format!("two receivers have the name '{}'", meta.id));
        report.add(finding.related(first, "the first one"));
        return;
    }
    all.receivers.extend(content);
}

fn add_told(report: &Report, all: &mut Gathered, object: &Object) {
    let mut is_new = |meta: Option<&Meta>, noun: &str| {
        let meta = meta?;
        let Some(first) = all.told_names.insert((object.kind, meta.id.clone()), meta.place) else {
            return Some(meta.id.clone());
        };
        let finding = Finding::at(meta.place, format!("two {noun} have the name '{}'", meta.id));
        report.add(finding.related(first, "the first one"));
        None
    };
    match object.kind {
        Kind::Provider => {
            let (meta, content) = notification::provider(report, object);
            let id = is_new(meta.as_ref(), "providers");
            all.told.providers.extend(id.zip(content));
        }
        Kind::Alert => {
            let (meta, content) = notification::alert(report, object);
            let id = is_new(meta.as_ref(), "alerts");
            all.told.alerts.extend(content.filter(|_| id.is_some()));
        }
        _ => {
            let (meta, content) = notification::notification(report, object);
            let id = is_new(meta.as_ref(), "notifications");
            all.told.notifications.extend(content.filter(|_| id.is_some()));
        }
    }
}

/// Labels only decide about access across namespaces, so what cannot be read grants nothing.
fn add_namespace(all: &mut Gathered, object: &Object) {
    let Some(id) = name_of(object) else { return };
    let mut labels = BTreeMap::new();
    if let Some(Value::Mapping(entries)) =
        object.node.get("metadata").and_then(|metadata| metadata.get("labels")).map(|labels| &labels.value)
    {
        for (key, value) in entries {
            if let (Some(key), Some(value)) = (key.text(), value.text()) {
                labels.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    all.namespaces.entry(id.name).or_default().push(labels);
}
