//! What a person may order: holding a policy, suspending an automation, and the end of either.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tagwright_core::automation::ObjectName;

use crate::store::{self, Event, Record, Store, Toggle};

/// An order about a policy or an automation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// The fields of a policy stay as they are.
    Hold,
    /// They do not any more; holds for reverts are lifted, too.
    Release,
    /// An automation does nothing.
    Suspend,
    /// It does what it is for.
    Resume,
}

/// What an order comes with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Why, for those who will ask.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What an order came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obeyed {
    /// The order.
    pub order: Order,
    /// The policy (`namespace:name`) or automation (`namespace/name`).
    pub name: String,
    /// Whether something is, or may be, otherwise than before.
    pub changed: bool,
}

impl Order {
    /// The order in a path of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    /// Whether it is about a policy; otherwise about an automation.
    #[must_use]
    pub const fn is_for_policies(self) -> bool {
        matches!(self, Self::Hold | Self::Release)
    }

    /// The name as the store and people know it.
    #[must_use]
    pub fn written(self, name: &ObjectName) -> String {
        if self.is_for_policies() { format!("{}:{}", name.namespace, name.name) } else { name.to_string() }
    }

    /// Carries it out and keeps a record of it. Ordered twice is as good as once.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn obey(
        self,
        store: &Store,
        name: &ObjectName,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<Obeyed, store::Error> {
        let name = self.written(name);
        let switches = store.switches()?;
        // Said again without another reason, it keeps its time.
        let same = |switch: &store::Switch| reason.is_none() || switch.reason.as_deref() == reason;
        let changed = match self {
            Self::Hold if switches.held.get(&name).is_some_and(same) => false,
            Self::Suspend if switches.suspended.get(&name).is_some_and(same) => false,
            Self::Hold => store.hold(&name, reason, now).map(|()| true)?,
            Self::Suspend => store.suspend(&name, reason, now).map(|()| true)?,
            // Whether a revert held it is known when the next plan is made, so this is always something new.
            Self::Release => store.release(&name, now).map(|_| true)?,
            Self::Resume => store.resume(&name)?,
        };
        if changed {
            store.record(vec![self.record(&name, reason, now)])?;
        }
        Ok(Obeyed { order: self, name, changed })
    }

    fn record(self, name: &str, reason: Option<&str>, now: Timestamp) -> Record {
        let to = match self {
            Self::Hold => Toggle::Held,
            Self::Release => Toggle::Released,
            Self::Suspend => Toggle::Suspended,
            Self::Resume => Toggle::Resumed,
        };
        Record {
            time: now,
            automation: String::new(),
            url: String::new(),
            branch: String::new(),
            event: Event::Switched { name: name.to_owned(), to },
            message: reason.unwrap_or_default().to_owned(),
            changes: Vec::new(),
            holds: Vec::new(),
            left_out: 0,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Filter;

    #[test]
    fn ordered_twice_is_as_good_as_once() {
        let store = Store::in_memory();
        let name = ObjectName { namespace: "default".into(), name: "app".into() };
        let at = |second| Timestamp::from_second(second).unwrap();
        let obey = |order: Order, reason, second| order.obey(&store, &name, reason, at(second)).unwrap().changed;
        assert!(obey(Order::Hold, Some("broken"), 1));
        assert!(!obey(Order::Hold, None, 2));
        assert!(!obey(Order::Hold, Some("broken"), 3));
        assert_eq!(store.switches().unwrap().held["default:app"].since, at(1));
        assert!(obey(Order::Hold, Some("still broken"), 4));
        assert_eq!(store.switches().unwrap().held["default:app"].reason.as_deref(), Some("still broken"));
        assert!(obey(Order::Release, None, 5));
        assert!(obey(Order::Release, None, 6));
        assert_eq!(store.switches().unwrap().released["default:app"], at(6), "reverts until then are lifted");
        assert!(!obey(Order::Resume, None, 7));
        assert!(obey(Order::Suspend, None, 8));
        assert!(store.switches().unwrap().suspended.contains_key("default/app"));
        assert!(obey(Order::Resume, None, 9));
        let records = store.records(&Filter::default()).unwrap();
        assert_eq!(records.len(), 6, "{records:?}");
    }
}
