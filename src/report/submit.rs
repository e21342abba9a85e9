//! What became of resources that were submitted.

use crate::run::{AutomationReport, Error, Outcome};
use crate::wire::submit::{File, KeptFile, Submitted};

use super::diff;

impl From<&AutomationReport> for Submitted {
    fn from(report: &AutomationReport) -> Self {
        let planned = report.submitted.as_ref();
        let files = |of: fn(&tagwright_core::submit::Planned) -> &Vec<tagwright_core::submit::Change>| {
            planned.map(of).into_iter().flatten().map(File::from).collect()
        };
        let error = match &report.outcome {
            Outcome::Held { reason } => reason.clone(),
            outcome => outcome.error().map(Error::chain).unwrap_or_default(),
        };
        let commit = match &report.outcome {
            Outcome::Pushed { commit, .. } => commit.clone(),
            _ => String::new(),
        };
        Self {
            sync: report.id.to_string(),
            outcome: report.outcome.as_str().to_owned(),
            commit,
            url: report.url.clone(),
            branch: report.branch.clone(),
            message: report.message.clone(),
            created: files(|planned| &planned.created),
            updated: files(|planned| &planned.updated),
            removed: files(|planned| &planned.removed),
            kept: planned.into_iter().flat_map(|planned| &planned.kept).map(KeptFile::from).collect(),
            unchanged: planned.map_or(0, |planned| planned.unchanged),
            request: report.request.clone().unwrap_or_default(),
            error,
        }
    }
}

/// What became of a submission, a line for each thing to say. Failures are told elsewhere.
#[must_use]
pub(crate) fn submitted(report: &AutomationReport) -> String {
    let Some(planned) = &report.submitted else { return String::new() };
    let mut tally = planned.tally();
    tally.push(format!("{} as they are", planned.unchanged));
    let tally = tally.join(", ");
    let id = &report.id;
    let mut text = match &report.outcome {
        Outcome::Pushed { commit, .. } => {
            format!("{id}: pushed {} to {}: {tally}\n", words::short(commit), report.branch)
        }
        Outcome::Unchanged => format!("{id}: nothing to do on {}: {tally}\n", report.branch),
        Outcome::WouldPush => format!("{id}: would push to {}: {tally}\n", report.branch),
        Outcome::Held { reason } => format!("{id}: held: {reason}\n"),
        Outcome::Failed(_) => return String::new(),
    };
    for change in planned.updated.iter().filter(|change| change.edited) {
        text.push_str(&format!("  {}: somebody had changed it since it was written\n", change.path));
    }
    if !planned.kept.is_empty() {
        text.push_str(&format!("{} would be deleted, and stay:\n", words::plural(planned.kept.len(), "file")));
    }
    for kept in &planned.kept {
        text.push_str(&format!("  {}: {}\n", kept.path, kept.reason));
    }
    if let Some(request) = &report.request {
        text.push_str(&format!("{request}\n"));
    }
    text
}

/// The differences of a submission, in the form that `git apply` takes.
#[must_use]
pub(crate) fn differences(report: &AutomationReport) -> String {
    let deleted = |path: &String| report.submitted.as_ref().is_some_and(|planned| planned.deleted.contains(path));
    let one = |edit: &tagwright_core::plan::FileEdit| match (deleted(&edit.path), edit.old.is_empty()) {
        (true, _) => diff::gone_file(&edit.path, &edit.old),
        (false, true) => diff::new_file(&edit.path, &edit.new),
        (false, false) => diff::file(&edit.path, &edit.old, &edit.new),
    };
    report.edits.iter().map(one).collect()
}
