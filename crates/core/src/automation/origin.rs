//! Where the elements of a configuration are written, for those who have something to say about them.

use std::collections::BTreeMap;

use super::ObjectName;
use crate::change::Location;

/// A element of a configuration that can be pointed at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// The name of an automation.
    Automation(ObjectName),
    /// One of its paths, cleaned.
    Path(ObjectName, String),
    /// A line of its message template, from 1.
    Message(ObjectName, usize),
    /// The name of a policy.
    Policy(ObjectName),
    /// Where a policy's order is chosen.
    Order(ObjectName),
}

impl Element {
    /// The element that stands for this one where its place is not known.
    fn whole(&self) -> Option<Self> {
        match self {
            Self::Automation(_) | Self::Policy(_) => None,
            Self::Message(automation, line) if *line > 1 => Some(Self::Message(automation.clone(), 1)),
            Self::Path(automation, _) | Self::Message(automation, _) => Some(Self::Automation(automation.clone())),
            Self::Order(policy) => Some(Self::Policy(policy.clone())),
        }
    }
}

/// The places of elements. Empty for a configuration that was never text.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<Element, Location>);

impl Origins {
    /// Remembers a place.
    pub fn insert(&mut self, element: Element, location: Location) {
        self.0.insert(element, location);
    }

    /// The place of a element, or of what it belongs to; no file at all when neither is known.
    #[must_use]
    pub fn of(&self, element: Element) -> Location {
        let mut element = Some(element);
        while let Some(it) = element {
            if let Some(location) = self.0.get(&it) {
                return location.clone();
            }
            element = it.whole();
        }
        Location::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_looked_for_around() {
        let id = ObjectName { namespace: "default".to_owned(), name: "shop".to_owned() };
        let mut origins = Origins::default();
        assert_eq!(origins.of(Element::Message(id.clone(), 3)), Location::default());
        origins.insert(Element::Automation(id.clone()), Location::file("a.yaml"));
        assert_eq!(origins.of(Element::Message(id.clone(), 3)).file, "a.yaml");
        origins.insert(Element::Message(id.clone(), 1), Location { line: 9, ..Location::file("a.yaml") });
        assert_eq!(origins.of(Element::Message(id.clone(), 3)).line, 9);
        assert_eq!(origins.of(Element::Path(id, "apps".to_owned())).line, 0);
    }
}
