//! What goes over the wire beside the status and the history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Filter, MAX_RECORDS};

/// An answer that says no.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refusal {
    /// In one sentence.
    pub error: String,
}

/// Which part of the history is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Entries about this policy, `namespace:name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Entries about this automation, `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automation: Option<String>,
    /// Entries not older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What is to be polled now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The image repository of this policy, `namespace:name`; none is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// What a wish to poll came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// How many image repositories and automations are due now.
    pub due: usize,
}

impl From<&HistoryQuery> for Filter {
    fn from(query: &HistoryQuery) -> Self {
        let HistoryQuery { policy, automation, since, limit } = query.clone();
        Self { policy, automation, since, most: limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS) }
    }
}
