//! Requests to a bot over HTTP and their answers, beside its status and its history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::automation::ObjectName;
use utoipa::{IntoParams, ToSchema};

/// An answer that says no.
#[derive(Debug, Clone, Serialize, ToSchema, Deserialize)]
pub(crate) struct Refusal {
    /// In one sentence.
    pub(crate) error: String,
}

/// Which part of the history is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, IntoParams, Deserialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Entries about this policy, `namespace:name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// Entries about this automation, `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) automation: Option<String>,
    /// Entries not older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    /// Entries that are older than those of an answer, by its `next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(format = "uint64")]
    pub(crate) before: Option<u64>,
}

/// Which images are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, IntoParams, Deserialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImagesQuery {
    /// Those of so many commits of each branch, the newest first; 50 where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub(crate) commits: Option<usize>,
    /// Those of this registry alone, such as `registry.example.com:5000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registry: Option<String>,
}

/// The request to poll now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    /// The image repository of this policy, `namespace:name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// The image repositories of this automation, `namespace/name`, which then runs. Neither is everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) automation: Option<String>,
    /// Why, for those who will ask. An order that says why is kept in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The request to run an automation now, on what the last polls came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// The automation, `namespace/name`.
    #[serde(default)]
    #[schema(required, pattern = "^[^/]+/.+$")]
    pub(crate) automation: String,
    /// Why, for those who will ask. An order that says why is kept in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The answer to both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
pub(crate) struct Due {
    /// The number of image repositories and automations that are due now.
    pub(crate) due: usize,
}

/// An order about a policy or an automation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// The fields of a policy stay as they are.
    Hold,
    /// They do not any more; holds for reverts are lifted, too.
    Release,
    /// What is there of a policy by now need not become older first.
    Hurry,
    /// An automation does nothing.
    Suspend,
    /// It does what it is for.
    Resume,
}

/// The body of an order.
#[derive(Debug, Clone, Default, Serialize, ToSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// Why, for those who will ask.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Obeyed {
    /// The order that was carried out.
    pub(crate) order: Order,
    /// The policy (`namespace:name`) or automation (`namespace/name`).
    pub(crate) name: String,
    /// Whether something is, or may be, otherwise than before.
    pub(crate) changed: bool,
    /// Whether the policy was held by hand.
    #[serde(default)]
    pub(crate) was_held: bool,
}

impl Order {
    /// The order in a path of the API.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Hurry => "hurry",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// Whether it is about a policy; otherwise about an automation.
    #[must_use]
    pub(crate) const fn is_for_policies(self) -> bool {
        matches!(self, Self::Hold | Self::Release | Self::Hurry)
    }

    /// The name as the store and people know it.
    #[must_use]
    pub(crate) fn written(self, name: &ObjectName) -> String {
        if self.is_for_policies() { name.marker() } else { name.to_string() }
    }
}
