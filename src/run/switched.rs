//! What people asked for by hand, freezes and windows: what holds an automation or its fields before its history is looked at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tagwright_core::automation::Automation;
use tagwright_core::freeze::Active;
use tagwright_core::guard::{self, Declined, Hold};
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

/// What is frozen of an automation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Freeze {
    /// All of it: it writes nothing, not even what an earlier run has left over.
    Whole(Hold),
    /// The fields of these policies, by `namespace:name`; perhaps none.
    Policies(BTreeMap<String, Hold>),
}

impl Freeze {
    /// Whether it holds the fields of a policy, `namespace:name`.
    pub(crate) fn holds(&self, policy: &str) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Policies(policies) => policies.contains_key(policy),
        }
    }
}

/// What is frozen of an automation. One of which every policy is frozen by the same freeze is frozen as a whole.
#[must_use]
pub(crate) fn freeze(automation: &Automation, switches: &Switches, now: Timestamp) -> Freeze {
    let active = Active::at(&switches.freezes, &switches.calendar, now);
    let policies = automation.policies.iter().filter_map(|policy| {
        let hold = active.hold(&automation.id, &policy.id, &automation.freeze)?;
        Some((policy.id.marker(), hold))
    });
    let policies: BTreeMap<String, Hold> = policies.collect();
    match active.hold_all(&automation.id, &automation.freeze) {
        // An exception for one of its policies is one for all that it takes to write that.
        Some(hold) if policies.len() == automation.policies.len() => Freeze::Whole(hold),
        _ => Freeze::Policies(policies),
    }
}

/// What people turned down of an automation that opens pull requests, as far as nobody has released it since.
fn declined(automation: &Automation, switches: &Switches) -> Vec<Declined> {
    let known = switches.declined.get(&automation.id.to_string()).filter(|_| automation.requests.is_some());
    let is_released = |it: &&Declined| switches.released.get(&it.policy).is_some_and(|release| release.at >= it.at);
    known.into_iter().flatten().filter(|it| !is_released(it)).cloned().collect()
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
    let mut held: BTreeMap<String, Hold> = held.collect();
    let mut everything = guard::window(&automation.windows, now);
    match freeze(automation, switches, now) {
        // What is frozen waits for the end of that, whenever a window opens.
        Freeze::Whole(hold) => everything = Some(hold),
        Freeze::Policies(policies) => {
            for (policy, hold) in policies {
                held.entry(policy).or_insert(hold);
            }
        }
    }
    let declined = declined(automation, switches);
    plan::Guards { policies: &automation.policies, held, declined, everything, ..plan::Guards::default() }
}
