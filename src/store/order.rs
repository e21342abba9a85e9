//! Carrying out what a person orders: holding a policy, suspending an automation, and the end of either.

use jiff::Timestamp;
use tagwright_core::automation::ObjectName;

use super::{Error, Event, Record, Store, Switch, Toggle};
use crate::wire::request::{Obeyed, Order};

/// Carries an order out and keeps a record of it. Ordered twice is as good as once.
///
/// # Errors
/// The store cannot be written.
pub(crate) fn obey(
    order: Order,
    store: &Store,
    name: &ObjectName,
    (reason, by): (Option<&str>, &str),
    now: Timestamp,
) -> Result<Obeyed, Error> {
    let name = order.written(name);
    let switches = store.switches()?;
    // Said again without another reason, it keeps its time.
    let same = |switch: &Switch| reason.is_none() || switch.reason.as_deref() == reason;
    let was_held = order.is_for_policies() && switches.held.contains_key(&name);
    let changed = match order {
        Order::Hold if switches.held.get(&name).is_some_and(same) => false,
        Order::Suspend if switches.suspended.get(&name).is_some_and(same) => false,
        Order::Hold => store.hold(&name, reason, now).map(|()| true)?,
        Order::Suspend => store.suspend(&name, reason, now).map(|()| true)?,
        // Whether a revert held it is known when the next plan is made, so this is always something new.
        Order::Release => store.release(&name, now).map(|_| true)?,
        Order::Hurry => store.hurry(&name, reason, now).map(|()| true)?,
        Order::Resume => store.resume(&name)?,
    };
    if changed {
        store.record(vec![record(order, &name, (reason, by), now)])?;
    }
    Ok(Obeyed { order, name, changed, was_held })
}

fn record(order: Order, name: &str, (reason, by): (Option<&str>, &str), now: Timestamp) -> Record {
    let to = match order {
        Order::Hold => Toggle::Held,
        Order::Release => Toggle::Released,
        Order::Hurry => Toggle::Hurried,
        Order::Suspend => Toggle::Suspended,
        Order::Resume => Toggle::Resumed,
    };
    let event = Event::Switched { name: name.to_owned(), to };
    Record { by: by.to_owned(), ..Record::of(now, event, reason.unwrap_or_default().to_owned()) }
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
        let obey = |order: Order, reason, second| {
            super::obey(order, &store, &name, (reason, "ann"), at(second)).unwrap().changed
        };
        assert!(obey(Order::Hold, Some("broken"), 1));
        assert!(!obey(Order::Hold, None, 2));
        assert!(!obey(Order::Hold, Some("broken"), 3));
        assert_eq!(store.switches().unwrap().held["default:app"].since, at(1));
        assert!(obey(Order::Hold, Some("still broken"), 4));
        assert_eq!(store.switches().unwrap().held["default:app"].reason.as_deref(), Some("still broken"));
        assert!(obey(Order::Release, None, 5));
        assert!(obey(Order::Release, None, 6));
        assert_eq!(store.switches().unwrap().released["default:app"].at, at(6), "reverts until then are lifted");
        assert!(!obey(Order::Resume, None, 7));
        assert!(obey(Order::Suspend, None, 8));
        assert!(store.switches().unwrap().suspended.contains_key("default/app"));
        assert!(obey(Order::Resume, None, 9));
        let records = store.records(&Filter::default()).unwrap();
        assert_eq!(records.len(), 6, "{records:?}");
    }
}
