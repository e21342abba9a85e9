//! Reads the objects of a cluster. Each stands for itself: what is wrong with one says nothing about others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};

use super::gather::gather;
use super::report::{Each, Report};
use super::source::{Origin, Source};
use super::{Notice, Problem, Referred, resolve};

/// One object.
#[derive(Debug, Clone)]
pub struct Object {
    /// What messages call it: `ImagePolicy flux-system/podinfo`.
    pub name: String,
    /// The object as JSON: `apiVersion`, `kind`, `metadata` with name, namespace, labels and the annotations that count, `spec`;
    /// of Secrets and ServiceAccounts all that they have. Shared, since it is read again when secrets are there.
    pub text: Arc<str>,
}

/// What objects come to.
#[derive(Debug, Default)]
pub struct Reading {
    /// The image repositories that can be polled.
    pub repositories: Vec<Arc<ImageRepository>>,
    /// The policies that can be evaluated.
    pub policies: Vec<Arc<ImagePolicy>>,
    /// The automations that can run.
    pub automations: Vec<Arc<Automation>>,
    /// Who may tell of pushes by webhooks, by the objects that they are written in.
    pub receivers: BTreeMap<usize, Arc<hooks::Receiver>>,
    /// Who is told of what happens, by the objects that they are written in.
    pub notifications: BTreeMap<usize, Arc<notify::Notification>>,
    /// What was found about the objects, by their index.
    pub about: BTreeMap<usize, About>,
    /// The objects that automations are written in, by the names of these.
    pub written: BTreeMap<ObjectName, usize>,
    /// The secrets and service accounts that the objects refer to, whether they were given or not, and the objects that do.
    pub referred: BTreeMap<Referred, BTreeSet<usize>>,
}

/// What was found about one object.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct About {
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What is worth knowing about it.
    pub notices: Vec<Notice>,
}

/// Reads objects. Touches no file. Of the secrets and service accounts that are not among them, some could not be had, which is said
/// in place of that they are missing.
#[must_use]
pub fn read_objects(objects: Vec<Object>, unreadable: BTreeMap<Referred, String>) -> Reading {
    let mut report = Report::of_objects(unreadable);
    for Object { name, text } in objects {
        report.source(Source { path: name, text, origin: Origin::Object });
    }
    let (gathered, secrets, _) = gather(&report);
    let resolved = resolve(&report, gathered, &secrets, None);
    drop(secrets);
    let Each { about, written, referred } = report.finish_each();
    Reading {
        repositories: resolved.repositories,
        policies: resolved.policies,
        automations: resolved.automations,
        receivers: resolved.receivers.into_iter().collect(),
        notifications: resolved.notifications.into_iter().collect(),
        about,
        written,
        referred,
    }
}
