//! Answers of the API that hold documents of `status`, `history` and `run` by parts: rows by themselves, and what is to come.

use serde::Serialize;
use utoipa::ToSchema;

use super::HeldField;
use super::freeze::FreezeStatus;
use super::machinery::{RegistryStatus, RemoteStatus};
use super::run::Automation;
use super::status::{AutomationFinding, AutomationStatus, PolicyStatus};

/// Policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Policies {
    /// Each as in the status, in the configuration's order.
    pub(crate) policies: Vec<PolicyStatus>,
}

/// Automations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Automations {
    /// Each as in the status, in the configuration's order.
    pub(crate) automations: Vec<AutomationStatus>,
}

/// Fields that keep their values although others are selected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Holds {
    /// One for each field, by automation.
    pub(crate) holds: Vec<Held>,
}

/// A field that keeps its value, with the automation that would change it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Held {
    /// The automation, `namespace/name`.
    pub(crate) automation: String,
    /// The field.
    #[serde(flatten)]
    pub(crate) field: HeldField,
}

/// What is wrong at places of files.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Findings {
    /// One for each place, by automation.
    pub(crate) findings: Vec<Finding>,
}

/// Something that is wrong, with the automation whose file it is in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Finding {
    /// The automation, `namespace/name`.
    pub(crate) automation: String,
    /// What it is.
    #[serde(flatten)]
    pub(crate) finding: AutomationFinding,
}

/// Freezes, and exceptions to them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Freezes {
    /// Each as in the status.
    pub(crate) freezes: Vec<FreezeStatus>,
}

/// Registries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registries {
    /// Each as in the status, by host.
    pub(crate) registries: Vec<RegistryStatus>,
}

/// Git remotes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Remotes {
    /// One for each, in the configuration's order.
    pub(crate) remotes: Vec<RemoteStatus>,
}

/// What an automation would write if it ran now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// How a run would end, as `run --once --dry-run --output json` says it.
    pub(crate) automation: Automation,
    /// The unified diff of its files; empty where nothing would be written.
    pub(crate) diff: String,
}
