//! The history as JSON: what `history --output json` prints and the bot answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Event, Record, RecordedChange, RecordedHold, Toggle};

/// What was done, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Where it comes from.
    pub source: Source,
    /// The entries, newest first.
    pub entries: Vec<Entry>,
}

/// Where a history comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A bot kept it.
    Store,
    /// It was found in the commits of the Git remotes: commits alone, holds and failures are not known.
    Git,
}

/// One thing that was done, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// What: `pushed`, `held`, `failed`, or by hand `policyHeld`, `policyReleased`, `automationSuspended`,
    /// `automationResumed`.
    pub event: What,
    /// The automation, `namespace/name`; empty where it is not known.
    pub automation: String,
    /// The Git remote, without credentials.
    pub remote: String,
    /// The branch.
    pub branch: String,
    /// The full hash of the commit; empty where there is none.
    pub commit: String,
    /// A sentence for people.
    pub message: String,
    /// Why the second destination of the push did not get the commit; empty where there is none, or it did.
    #[serde(default)]
    pub missed: String,
    /// The policy (`namespace:name`) or automation (`namespace/name`) that an order by hand was about; empty otherwise.
    pub subject: String,
    /// The fields that were changed.
    pub changes: Vec<Changed>,
    /// The fields that were held back.
    pub holds: Vec<Held>,
    /// How many changes and holds were too many to be kept.
    pub left_out: usize,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// A commit was pushed.
    Pushed,
    /// All that was to be done was held back.
    Held,
    /// It could not be done.
    Failed,
    /// A policy was held by hand.
    PolicyHeld,
    /// A policy was released by hand.
    PolicyReleased,
    /// An automation was suspended by hand.
    AutomationSuspended,
    /// An automation was resumed by hand.
    AutomationResumed,
}

/// A field that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
}

/// A field that was held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The policy, `namespace:name`.
    pub policy: String,
    /// The file, from the root of the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The value that stays.
    pub current: String,
    /// The value that was selected.
    pub wanted: String,
    /// Which guard held it.
    pub code: String,
    /// Why, in one sentence.
    pub reason: String,
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        let Record { time, automation, url, branch, event, message, changes, holds, left_out } = record;
        let (mut commit, mut missed, mut subject) = (String::new(), String::new(), String::new());
        let event = match event {
            Event::Pushed { commit: pushed, missed: reason } => {
                (commit, missed) = (pushed, reason.unwrap_or_default());
                What::Pushed
            }
            Event::Held => What::Held,
            Event::Failed => What::Failed,
            Event::Switched { name, to } => {
                subject = name;
                What::from(to)
            }
        };
        let changes = changes.into_iter().map(Changed::from).collect();
        let holds = holds.into_iter().map(Held::from).collect();
        Self {
            time,
            event,
            automation,
            remote: url,
            branch,
            commit,
            message,
            missed,
            subject,
            changes,
            holds,
            left_out,
        }
    }
}

impl From<Toggle> for What {
    fn from(toggle: Toggle) -> Self {
        match toggle {
            Toggle::Held => Self::PolicyHeld,
            Toggle::Released => Self::PolicyReleased,
            Toggle::Suspended => Self::AutomationSuspended,
            Toggle::Resumed => Self::AutomationResumed,
        }
    }
}

impl From<RecordedChange> for Changed {
    fn from(change: RecordedChange) -> Self {
        let RecordedChange { policy, file, line, old, new } = change;
        Self { policy, file, line, old, new }
    }
}

impl From<RecordedHold> for Held {
    fn from(hold: RecordedHold) -> Self {
        let RecordedHold { policy, file, line, current, wanted, code, reason } = hold;
        Self { policy, file, line, current, wanted, code, reason }
    }
}
