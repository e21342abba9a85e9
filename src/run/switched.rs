//! What people asked for by hand, and windows: what holds an automation or its fields before its history is looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tagwright_core::guard::{self, Hold};
use tagwright_core::plan;

use crate::store::{Switch, Switches};

/// Why an automation does nothing, if it is suspended: in the configuration, or by hand.
#[must_use]
pub(crate) fn suspended(automation: &Automation, switches: &Switches) -> Option<String> {
    if automation.suspended {
        return Some("the automation is suspended".to_owned());
    }
    let Switch { since, reason } = switches.suspended.get(&automation.id.to_string())?;
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    Some(format!("suspended by hand since {since:.0}{reason}; `tagwright resume {}` lifts it", automation.id))
}

/// What holds fields of an automation, but for what the history says.
#[must_use]
pub(crate) fn guards<'a>(automation: &'a Automation, switches: &Switches, now: Timestamp) -> plan::Guards<'a> {
    let held = automation.policies.iter().filter_map(|policy| {
        let name = policy.id.marker();
        let switch = switches.held.get(&name)?;
        let hold = Hold::Manual { policy: name.clone(), since: switch.since, reason: switch.reason.clone() };
        Some((name, hold))
    });
    plan::Guards {
        policies: &automation.policies,
        held: held.collect(),
        fields: BTreeMap::new(),
        everything: guard::window(&automation.windows, now),
    }
}
