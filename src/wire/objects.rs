//! What the objects of a cluster say of themselves: one row for each policy and each automation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::automation::ObjectName;

use super::status::Ready;

/// The document of `status --kubernetes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Objects {
    /// Every `ImagePolicy`, and every image of an `ImageAutomation`, by namespace and name.
    pub(crate) policies: Vec<PolicyObject>,
    /// Every `ImageUpdateAutomation` and `ImageAutomation`, by namespace and name.
    pub(crate) automations: Vec<AutomationObject>,
}

/// The row of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyObject {
    /// The namespace.
    pub(crate) namespace: String,
    /// The name.
    pub(crate) name: String,
    /// The `ImageAutomation` that it is an image of, `namespace/name`; none for an `ImagePolicy`.
    pub(crate) automation: Option<String>,
    /// The image repository's name, once something was selected.
    pub(crate) image: Option<String>,
    /// The selected tag.
    pub(crate) tag: Option<String>,
    /// The digest that was selected with it.
    pub(crate) digest: Option<String>,
    /// What the condition `Ready` says.
    pub(crate) ready: Ready,
    /// Whether the object is suspended.
    pub(crate) suspended: bool,
    /// What keeps its fields as they are, in one sentence.
    pub(crate) held: Option<String>,
    /// The message of the condition `Ready`.
    pub(crate) message: String,
}

impl PolicyObject {
    /// Its namespace and its name.
    pub(crate) fn id(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// The row of one automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AutomationObject {
    /// `ImageUpdateAutomation` or `ImageAutomation`.
    pub(crate) kind: String,
    /// The namespace.
    pub(crate) namespace: String,
    /// The name.
    pub(crate) name: String,
    /// When it last ran.
    pub(crate) last_run: Option<Timestamp>,
    /// The last commit that was pushed, a full hash.
    pub(crate) last_commit: Option<String>,
    /// What the condition `Ready` says.
    pub(crate) ready: Ready,
    /// Whether the object is suspended.
    pub(crate) suspended: bool,
    /// Why, where somebody has said so.
    pub(crate) reason: Option<String>,
    /// What keeps updates back, in one sentence.
    pub(crate) held: Option<String>,
    /// What was found beside the work, such as markers that name no policy.
    pub(crate) findings: Option<String>,
    /// The message of the condition `Ready`.
    pub(crate) message: String,
}

impl AutomationObject {
    /// Its namespace and its name.
    pub(crate) fn id(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}
