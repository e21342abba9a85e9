//! Why a request that is open stays as it is, whatever else there would be to propose in it.

use tagwright_core::edit::Selection;
use tagwright_core::plan;

use super::Proposes;
use crate::act::job::Job;
use crate::act::remote::Remote;
use crate::run::Lack;

impl Remote<'_> {
    /// Why the open request of a job stays as it is: something that it proposes is held, frozen or suspended, or has a registry that gives
    /// no answer, or none that is believed. Planned anew it would lose that, and whoever held it wants to find it there.
    pub(in crate::act) fn stays(&self, job: &Job<'_>, guards: &plan::Guards<'_>) -> Option<String> {
        let proposed = self.requests.proposed(job)?;
        if let Some(hold) = &guards.everything {
            return Some(hold.to_string());
        }
        let selected = self.polls.selected(job.automation);
        proposed.keys().find_map(|name| {
            // What is no policy of the automation any more has nothing left.
            let policy = job.automation.policies.iter().find(|policy| policy.id.marker() == *name)?;
            if let Some(hold) = guards.held.get(name) {
                return Some(format!("{name}: {hold}"));
            }
            match (selected.get(&policy.id), job.selections.get(name)) {
                (Some(Err(Lack::NoAnswer(_))) | None, _) | (Some(Ok(_)), Some(Selection::Open)) => {
                    Some(format!("{name}: the registry gives no answer"))
                }
                (Some(Err(lack @ (Lack::Suspended(_) | Lack::Doubted(_)))), _) => Some(format!("{name}: {lack}")),
                _ => None,
            }
        })
    }

    /// What is proposed where there is nothing to change: nothing, unless the request stays.
    pub(in crate::act) fn left(&self, job: &Job<'_>, guards: &plan::Guards<'_>) -> Proposes {
        match self.stays(job, guards) {
            Some(reason) => Proposes::Stays(reason),
            None if job.report.unanswered > 0 => Proposes::Unknown,
            None => Proposes::Nothing,
        }
    }
}
