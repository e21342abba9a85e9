//! The history as JSON: what `history --output json` prints and the bot answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangedField, HeldField};

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    /// Where it comes from.
    pub(crate) source: Source,
    /// The entries, newest first.
    pub(crate) entries: Vec<Entry>,
    /// What to ask for by `before` to get older ones; none where there are none, or nobody keeps more.
    #[serde(default)]
    pub(crate) next: Option<u64>,
}

/// Where a history comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    /// A bot kept it.
    Store,
    /// It was found in the commits of the Git remotes: commits alone, holds and failures are not known.
    Git,
}

/// One thing that was done, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// The moment; of an entry that was found in Git, the time of the commit.
    pub(crate) time: Timestamp,
    /// The kind of entry: `pushed`, `held`, `failed`, `tagMoved`, or by hand `policyHeld`, `policyReleased`, `automationSuspended`,
    /// `automationResumed`, `frozen`, `unfrozen`, `glassBroken`, `pollOrdered`, `runOrdered`.
    pub(crate) event: Event,
    /// The automation, `namespace/name`; empty where it is not known.
    pub(crate) automation: String,
    /// The Git remote, without credentials.
    pub(crate) remote: String,
    /// The push branch; empty where it is not known.
    pub(crate) branch: String,
    /// The full hash of the commit; empty where there is none.
    pub(crate) commit: String,
    /// A sentence for people.
    pub(crate) message: String,
    /// Why the second destination of the push did not get the commit; empty where there is none, or it did.
    #[serde(default)]
    pub(crate) missed: String,
    /// The policy (`namespace:name`), automation (`namespace/name`) or selector of a freeze that an order by hand was about, or the
    /// policy whose tag has moved; empty
    /// otherwise.
    pub(crate) subject: String,
    /// Who ordered it: the name of a token, or `socket` for the user who runs the bot; empty where that is not known.
    #[serde(default)]
    pub(crate) by: String,
    /// Why what was selected did not have to become older, each in one sentence that begins with the policy.
    #[serde(default)]
    pub(crate) remarks: Vec<String>,
    /// The fields that were changed.
    pub(crate) changes: Vec<ChangedField>,
    /// The fields that were held back.
    pub(crate) holds: Vec<HeldField>,
    /// The number of changes and holds that were too many to be kept.
    pub(crate) left_out: usize,
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Event {
    /// A commit was pushed.
    Pushed,
    /// All that was to be done was held back.
    Held,
    /// It could not be done.
    Failed,
    /// A tag of a release was found to point to something else than before.
    TagMoved,
    /// A policy was held by hand.
    PolicyHeld,
    /// A policy was released by hand.
    PolicyReleased,
    /// Somebody let what is there of a policy be selected before it is old enough.
    PolicyHurried,
    /// An automation was suspended by hand.
    AutomationSuspended,
    /// An automation was resumed by hand.
    AutomationResumed,
    /// What a selector names was frozen by hand.
    Frozen,
    /// That was ended by hand.
    Unfrozen,
    /// What a selector names is written although it is frozen, by an order with a reason.
    GlassBroken,
    /// Somebody had registries asked at once, and said why.
    PollOrdered,
    /// Somebody had an automation run at once, and said why.
    RunOrdered,
}
