//! The kinds of objects that a bot in a cluster looks at.

use kubernetes::{Key, Kind};
use serde_json::Value;

/// The versions of Flux's image API, the best one first.
const IMAGE_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];

/// The versions of Flux's source API.
const SOURCE_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];

/// Annotations that somebody reads: orders and settings of ours, what asks for a pass, what events take along.
const ANNOTATIONS: [&str; 3] = [OURS, "reconcile.fluxcd.io/", "event.toolkit.fluxcd.io/"];

/// What annotations of ours begin with.
pub(super) const OURS: &str = "tagwright.dev/";

/// A kind of object that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    /// Labels of namespaces, which say who may use an image repository.
    Namespace,
    /// Flux's `GitRepository`.
    Git,
    /// Flux's `ImageRepository`.
    Repository,
    /// Flux's `ImagePolicy`.
    Policy,
    /// Flux's `ImageUpdateAutomation`.
    Automation,
    /// Our own `ImageAutomation`.
    Native,
    /// KubeVela's `Application`.
    Application,
}

/// An object among all that are looked at.
pub(super) type Id = (What, Key);

impl What {
    /// All of them, in the order in which they are read: who is named comes before who names.
    pub(super) const ALL: [Self; 7] =
        [Self::Namespace, Self::Git, Self::Repository, Self::Policy, Self::Automation, Self::Native, Self::Application];

    /// How the API server knows it.
    pub(crate) fn kind(self) -> Kind {
        let (group, versions, name, plural) = match self {
            Self::Namespace => ("", &["v1"][..], "Namespace", "namespaces"),
            Self::Git => ("source.toolkit.fluxcd.io", SOURCE_VERSIONS, "GitRepository", "gitrepositories"),
            Self::Repository => ("image.toolkit.fluxcd.io", IMAGE_VERSIONS, "ImageRepository", "imagerepositories"),
            Self::Policy => ("image.toolkit.fluxcd.io", IMAGE_VERSIONS, "ImagePolicy", "imagepolicies"),
            Self::Automation => {
                ("image.toolkit.fluxcd.io", IMAGE_VERSIONS, "ImageUpdateAutomation", "imageupdateautomations")
            }
            Self::Native => ("tagwright.dev", &["v1alpha1"][..], "ImageAutomation", "imageautomations"),
            Self::Application => ("core.oam.dev", &["v1beta1"][..], "Application", "applications"),
        };
        Kind { group, versions, name, plural }
    }

    /// The object that one of this kind is about: the image repository of a policy, the Git repository of an automation. Its name is
    /// empty where the specification names none.
    pub(super) fn reference(self, key: &Key, spec: &Value) -> Option<Id> {
        let (what, field) = match self {
            Self::Policy => (Self::Repository, "imageRepositoryRef"),
            Self::Automation => (Self::Git, "sourceRef"),
            Self::Namespace | Self::Git | Self::Repository | Self::Native | Self::Application => return None,
        };
        let text = |part| spec.get(field)?.get(part)?.as_str().filter(|text| !text.is_empty());
        let namespace = text("namespace").unwrap_or(&key.namespace).to_owned();
        Some((what, Key { namespace, name: text("name").unwrap_or_default().to_owned() }))
    }

    /// Whether its status is ours to write.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Repository | Self::Policy | Self::Automation | Self::Native)
    }

    /// Whether Flux's controllers have a finalizer on it, so that we do, too.
    pub(super) fn has_finalizer(self) -> bool {
        matches!(self, Self::Repository | Self::Policy | Self::Automation)
    }

    /// Who writes its status, as the API server records it: whom we stand in for.
    pub(super) fn manager(self) -> &'static str {
        match self {
            Self::Repository | Self::Policy => "image-reflector-controller",
            Self::Automation => "image-automation-controller",
            Self::Namespace | Self::Git | Self::Native | Self::Application => "tagwright",
        }
    }
}

/// Whether an annotation is read by anybody.
pub(super) fn keeps(annotation: &str) -> bool {
    ANNOTATIONS.iter().any(|prefix| annotation.starts_with(prefix))
}

/// An object for tests: the first version of it, that nothing has been done to.
#[cfg(test)]
pub(crate) fn object(what: What, key: Key, spec: &Value) -> kubernetes::Object {
    kubernetes::Object {
        api_version: format!("{}/{}", what.kind().group, what.kind().versions[0]),
        uid: key.name.clone(),
        key,
        resource_version: "1".to_owned(),
        generation: 1,
        deleting: false,
        finalizers: Vec::new(),
        labels: Default::default(),
        annotations: Default::default(),
        spec: spec.to_string().into(),
        status: "null".into(),
    }
}
