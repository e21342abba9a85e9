//! The JSON document of a run, filled from its report.

use crate::run::{AutomationReport, Error, GroupReport, Outcome, PolicyReport, Report};
use crate::wire::edit::{Change, Diagnostic};
use crate::wire::run::{Automation, ChangeGroup, Held, Hold, PassedOver, Policy, Run};

impl From<&Report> for Run {
    fn from(report: &Report) -> Self {
        Self {
            policies: report.policies.iter().map(|policy| Policy::from(&**policy)).collect(),
            automations: report.automations.iter().map(Automation::from).collect(),
        }
    }
}

impl From<&PolicyReport> for Policy {
    fn from(report: &PolicyReport) -> Self {
        let (selected, error) = match &report.selection {
            Ok(reference) => (Some(reference), String::new()),
            Err(lack) => (None, lack.to_string()),
        };
        let tag = selected.and_then(|reference| reference.tag.as_ref()).map(ToString::to_string);
        let digest = selected.and_then(|reference| reference.digest.as_ref()).map(ToString::to_string);
        Self {
            namespace: report.id.namespace.clone(),
            name: report.id.name.clone(),
            image: report.image.clone(),
            tag: tag.unwrap_or_default(),
            digest: digest.unwrap_or_default(),
            hold: report.hold.as_ref().map(Hold::from),
            passed_over: report.passed_over.iter().map(PassedOver::from).collect(),
            remarks: report.remarks(),
            error,
        }
    }
}

impl From<&AutomationReport> for Automation {
    fn from(report: &AutomationReport) -> Self {
        let (commit, error) = match &report.outcome {
            Outcome::Pushed { commit, missed } => {
                (commit.clone(), missed.as_ref().map(Error::chain).unwrap_or_default())
            }
            Outcome::Failed(error) => (String::new(), error.chain()),
            Outcome::Held { reason } => (String::new(), reason.clone()),
            Outcome::Unchanged | Outcome::WouldPush => (String::new(), String::new()),
        };
        Self {
            namespace: report.id.namespace.clone(),
            name: report.id.name.clone(),
            outcome: report.outcome.as_str(),
            commit,
            branch: report.branch.clone(),
            changes: report.changes().map(Change::from).collect(),
            holds: report.holds.iter().map(Held::from).collect(),
            diagnostics: report.diagnostics.iter().map(Diagnostic::from).collect(),
            request: report.request.clone().unwrap_or_default(),
            groups: report.groups.iter().map(ChangeGroup::from).collect(),
            error,
        }
    }
}

impl From<&GroupReport> for ChangeGroup {
    fn from(report: &GroupReport) -> Self {
        Self {
            name: report.name.clone(),
            outcome: report.outcome,
            commit: report.commit.clone().unwrap_or_default(),
            branch: report.branch.clone(),
            changes: report.edits.iter().flat_map(|edit| &edit.changes).map(Change::from).collect(),
            request: report.request.clone().unwrap_or_default(),
            error: report.error.clone(),
        }
    }
}
