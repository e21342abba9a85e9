//! What a bot works with: registries with what may be asked of them, Git remotes with their mirrors, and the replicas that share the work.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A host that images or their logins come from, as far as this process has asked it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryStatus {
    /// The host, with its port where it has one.
    pub host: String,
    /// How many policies select among its tags.
    pub policies: usize,
    /// How many of them got no answer the last time.
    pub failing: usize,
    /// How many requests may be under way at once.
    pub at_once: usize,
    /// How many may go to it in any second.
    pub a_second: usize,
    /// How many were sent in the last minute.
    pub last_minute: u64,
    /// How many were sent since the process began, by what became of them: `2xx`, `3xx`, `4xx`, `5xx`, `none`.
    pub requests: BTreeMap<String, u64>,
    /// How many it refused for being one too many, or answered with a wait.
    pub throttled: u64,
    /// Until when nothing is asked, since it said so or refuses.
    pub throttled_until: Option<Timestamp>,
    /// How many requests go to it in a minute at most, since it refused more; none where the budget alone counts.
    pub slowed_to: Option<u64>,
    /// How long requests waited, all together, in milliseconds.
    pub waited_ms: u64,
    /// What it last said is left of what it allows.
    pub remaining: Option<u64>,
    /// How much it allows in all, where it says so.
    pub limit: Option<u64>,
    /// Why one of its policies got no answer.
    pub last_error: Option<Trouble>,
}

/// Something that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What it is about: an image repository, an automation (`namespace/name`) or a Git remote.
    pub subject: String,
    /// Since when, in this process.
    pub since: Timestamp,
    /// In one sentence.
    pub message: String,
    /// What to do about it; empty where that is not known.
    pub hint: String,
}

/// A Git remote and its mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteStatus {
    /// The remote, without credentials.
    pub remote: String,
    /// Its automations, `namespace/name`.
    pub automations: Vec<String>,
    /// How many bytes its mirror takes on the disk, as it was at most five minutes ago.
    pub mirror_bytes: Option<u64>,
    /// When it was last asked for its references with success, since the process began.
    pub last_asked: Option<Timestamp>,
    /// When something was last fetched, since the process began.
    pub last_fetch: Option<Timestamp>,
    /// When something was last pushed, since the process began.
    pub last_push: Option<Timestamp>,
    /// Why one of its automations failed the last time.
    pub last_error: Option<Trouble>,
}

/// The processes that share the work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// How the work is shared.
    pub mode: Sharing,
    /// The processes, each with what it has. One that does all of the work is not listed.
    pub replicas: Vec<ReplicaStatus>,
}

/// How processes share the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sharing {
    /// This process does all of it.
    #[default]
    Alone,
    /// One does all of it, the others wait.
    Leader,
    /// Each has some of its shards.
    Shards,
}

/// One of the processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// Its identity, as in the Leases.
    pub identity: String,
    /// Whether it is the one that answers.
    pub is_this: bool,
    /// The Leases that it holds.
    pub leases: Vec<String>,
    /// Of how many shards.
    pub shards: usize,
}
