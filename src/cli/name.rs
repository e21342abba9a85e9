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
    parse_in(text, DEFAULT_NAMESPACE)
}

/// The same, with the namespace of a name that is written without one.
pub(super) fn parse_in(text: &str, namespace: &str) -> Result<ObjectName> {
    let (namespace, name) = text.split_once([':', '/']).unwrap_or((namespace, text));
    if namespace.is_empty() || name.is_empty() || name.contains([':', '/']) {
        let hint = "write a policy as NAMESPACE:NAME and an automation as NAMESPACE/NAME";
        return Err(Failure::usage(format!("{text:?} is not a name"), hint));
    }
    Ok(ObjectName { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// The hint for a name that a bot does not know; none when no known name is like it.
pub(super) fn meant(kind: ObjectKind, name: &ObjectName, known: &[ObjectName]) -> Option<String> {
    if let Some(other) = known.iter().find(|other| other.name == name.name) {
        return Some(format!("there is {} {}", kind.noun(), kind.written(other)));
    }
    Some(format!("did you mean {}?", kind.written(nearest(name, known)?)))
}

/// The known name in the same namespace that is almost the same. The namespace that two names share says nothing about them.
pub(super) fn nearest<'k>(
    name: &ObjectName,
    known: impl IntoIterator<Item = &'k ObjectName>,
) -> Option<&'k ObjectName> {
    let here: Vec<&ObjectName> = known.into_iter().filter(|known| known.namespace == name.namespace).collect();
    let names: Vec<&str> = here.iter().map(|known| known.name.as_str()).collect();
    let nearest = spelling::nearest(&name.name, &names)?;
    here.into_iter().find(|known| known.name == nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_told_by_the_name_and_not_by_its_namespace() {
        let name = |text: &str| parse(text).expect("a name");
        let known = ["production:web", "production:api", "shop:shop"].map(name);
        let nearest = |text: &str| nearest(&name(text), &known).map(ObjectName::marker);
        assert_eq!(nearest("production:wev").as_deref(), Some("production:web"));
        // Most of the letters are the same, and the names have nothing in common.
        assert_eq!(nearest("production:job"), None);
        assert_eq!(nearest("shop:web"), None);
    }

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
