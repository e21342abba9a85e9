//! Names of policies and automations on the command line, and what was meant by one that does not exist.

use tagwright_core::automation::ObjectName;
use tagwright_core::spelling;

use crate::failure::{Failure, Result};
use crate::wire::status::{AutomationStatus, PolicyStatus, Status};

/// The namespace of a name that is written without one.
const DEFAULT_NAMESPACE: &str = "default";

/// The kinds of objects that a command line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// A policy, written `NS:NAME` as in markers.
    Policy,
    /// An automation, written `NS/NAME`.
    Automation,
}

impl ObjectKind {
    /// A name of this kind as people and the store write it.
    pub(super) fn written(self, name: &ObjectName) -> String {
        match self {
            Self::Policy => name.marker(),
            Self::Automation => name.to_string(),
        }
    }

    /// The word for an object of this kind, in messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Automation => "automation",
        }
    }

    /// The indefinite article of the word.
    pub(super) fn article(self) -> &'static str {
        match self {
            Self::Policy => "a",
            Self::Automation => "an",
        }
    }

    /// The names of this kind that a bot knows.
    pub(super) fn known(self, status: &Status) -> Vec<ObjectName> {
        match self {
            Self::Policy => status.policies.iter().map(PolicyStatus::id).collect(),
            Self::Automation => status.automations.iter().map(AutomationStatus::id).collect(),
        }
    }
}

/// Reads `NS:NAME`, `NS/NAME` or `NAME`.
pub(super) fn parse(text: &str) -> Result<ObjectName> {
    let (namespace, name) = text.split_once([':', '/']).unwrap_or((DEFAULT_NAMESPACE, text));
    if namespace.is_empty() || name.is_empty() || name.contains([':', '/']) {
        let hint = "write a policy as NAMESPACE:NAME and an automation as NAMESPACE/NAME";
        return Err(Failure::usage(format!("{text:?} is no name"), hint));
    }
    Ok(ObjectName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// The hint for a name that a bot does not know; none when no known name is like it.
pub(super) fn meant(kind: ObjectKind, name: &ObjectName, status: &Status) -> Option<String> {
    let known = kind.known(status);
    if let Some(other) = known.iter().find(|other| other.name == name.name) {
        return Some(format!("there is {} {}", kind.noun(), kind.written(other)));
    }
    let known: Vec<String> = known.iter().map(|name| kind.written(name)).collect();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    Some(format!("did you mean {}?", spelling::nearest(&kind.written(name), &names)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_they_are_written_anywhere() {
        for (text, wanted) in [
            ("shop:web", Some("shop/web")),
            ("shop/web", Some("shop/web")),
            ("web", Some("default/web")),
            ("", None),
            (":web", None),
            ("shop:", None),
            ("shop:web:tag", None),
            ("a/b/c", None),
        ] {
            assert_eq!(parse(text).ok().map(|name| name.to_string()).as_deref(), wanted, "{text}");
        }
    }
}
