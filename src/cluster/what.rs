//! The kinds of objects that a bot in a cluster looks at.

use kubernetes::{Key, Kind};
use serde_json::Value;

/// The versions of Flux's image API, the best one first.
const IMAGE_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];

/// The versions of Flux's source API.
const SOURCE_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];

/// Flux's notification API.
const FLUX_NOTIFICATIONS: &str = "notification.toolkit.fluxcd.io";

/// The versions of its receivers.
const RECEIVER_VERSIONS: &[&str] = &["v1", "v1beta2", "v1beta1"];

/// The versions of its providers and alerts.
const ALERT_VERSIONS: &[&str] = &["v1beta3", "v1beta2", "v1beta1"];

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
    /// Our own `Receiver`.
    Receiver,
    /// Our own `Notification`.
    Notification,
    /// Flux's `Receiver`, where nobody else obeys it.
    FluxReceiver,
    /// Flux's `Provider`, in the same way.
    FluxProvider,
    /// Flux's `Alert`, in the same way.
    FluxAlert,
}

/// An object among all that are looked at.
pub(super) type Id = (What, Key);

impl What {
    /// All of them, in the order in which they are read: who is named comes before who names.
    pub(super) const ALL: [Self; 12] = [
        Self::Namespace,
        Self::Git,
        Self::Repository,
        Self::Policy,
        Self::Automation,
        Self::Native,
        Self::Application,
        Self::Receiver,
        Self::Notification,
        Self::FluxReceiver,
        Self::FluxProvider,
        Self::FluxAlert,
    ];

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
            Self::Receiver => ("tagwright.dev", &["v1alpha1"][..], "Receiver", "receivers"),
            Self::Notification => ("tagwright.dev", &["v1alpha1"][..], "Notification", "notifications"),
            Self::FluxReceiver => (FLUX_NOTIFICATIONS, RECEIVER_VERSIONS, "Receiver", "receivers"),
            Self::FluxProvider => (FLUX_NOTIFICATIONS, ALERT_VERSIONS, "Provider", "providers"),
            Self::FluxAlert => (FLUX_NOTIFICATIONS, ALERT_VERSIONS, "Alert", "alerts"),
        };
        Kind { group, versions, name, plural }
    }

    /// The object that one of this kind is about: the image repository of a policy, the Git repository of an automation. Its name is
    /// empty where the specification names none.
    pub(super) fn reference(self, key: &Key, spec: &Value) -> Option<Id> {
        let (what, field) = match self {
            Self::Policy => (Self::Repository, "imageRepositoryRef"),
            Self::Automation => (Self::Git, "sourceRef"),
            _ => return None,
        };
        let text = |part| spec.get(field)?.get(part)?.as_str().filter(|text| !text.is_empty());
        let namespace = text("namespace").unwrap_or(&key.namespace).to_owned();
        Some((what, Key { namespace, name: text("name").unwrap_or_default().to_owned() }))
    }

    /// Another namespace, of which an object of this kind names something.
    pub(super) fn other_namespace(self, key: &Key, spec: &Value) -> Option<String> {
        let list = match self {
            Self::Receiver | Self::FluxReceiver => "resources",
            Self::Notification => "sources",
            Self::FluxAlert => "eventSources",
            _ => {
                let (_, of) = self.reference(key, spec)?;
                return (of.namespace != key.namespace).then_some(of.namespace);
            }
        };
        let named = spec.get(list)?.as_array()?.iter().filter_map(|item| item.get("namespace")?.as_str());
        named.filter(|namespace| !namespace.is_empty()).find(|it| *it != key.namespace).map(str::to_owned)
    }

    /// Whether its status is ours to write.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Repository | Self::Policy | Self::Automation | Self::Native) || self.stands()
    }

    /// Whether it counts as soon as it is read, and no pass is made over it.
    pub(super) fn stands(self) -> bool {
        matches!(self, Self::Receiver | Self::Notification)
    }

    /// Whether it is of Flux's notification-controller, which alone writes what there is to say of it.
    pub(super) fn is_of_notification_controller(self) -> bool {
        matches!(self, Self::FluxReceiver | Self::FluxProvider | Self::FluxAlert)
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
            _ => "tagwright",
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
