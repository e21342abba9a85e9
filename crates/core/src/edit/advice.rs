//! What to tell about a marker whose policy is not in scope.

use std::collections::BTreeMap;

use crate::edit::Selections;
use crate::marker::Marker;
use crate::spelling;

/// How many different unknown policies of a file are compared with known ones.
const MAX_UNKNOWN: usize = 16;

/// How many known policies an unknown one is compared with.
const MAX_KNOWN: usize = 1_000;

/// Messages about unknown policies, each composed once.
#[derive(Debug)]
pub(crate) struct Advice<'s> {
    selections: &'s Selections,
    messages: BTreeMap<String, String>,
}

impl<'s> Advice<'s> {
    pub(crate) fn new(selections: &'s Selections) -> Self {
        Self { selections, messages: BTreeMap::new() }
    }

    /// The message for a marker whose policy is not in scope.
    pub(crate) fn unknown(&mut self, marker: &Marker) -> &str {
        let compared = self.messages.len() < MAX_UNKNOWN;
        let policy = marker.policy();
        self.messages.entry(policy.to_owned()).or_insert_with(|| {
            let hint = if compared { hint(self.selections, marker) } else { String::new() };
            format!("no policy {policy:?} is in scope{hint}")
        })
    }
}

/// A known policy that an unknown one was probably meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Similar<'k> {
    /// One of the same name in another namespace.
    Namesake(&'k str),
    /// One with almost the same letters.
    Spelling(&'k str),
}

/// Looks for the policy, `namespace:name`, that was probably meant by one that is not known, as a marker or the command line has it.
///
/// ```
/// use tagwright_core::edit::meant;
/// let known = ["default:podinfo", "other:web"];
/// assert_eq!(meant(&known, "default:podinf"), Some("default:podinfo"));
/// assert_eq!(meant(&known, "default:web"), Some("other:web"));
/// assert_eq!(meant(&known, "default:api"), None);
/// ```
#[must_use]
pub fn meant<'k>(known: &[&'k str], policy: &str) -> Option<&'k str> {
    similar_to(known, policy.split_once(':')?).map(|(Similar::Namesake(policy) | Similar::Spelling(policy))| policy)
}

/// The same for a marker, with the way in which the two are alike.
pub(crate) fn similar<'k>(known: &[&'k str], marker: &Marker) -> Option<Similar<'k>> {
    similar_to(known, (marker.policy_namespace(), marker.policy_name()))
}

fn similar_to<'k>(known: &[&'k str], (namespace, name): (&str, &str)) -> Option<Similar<'k>> {
    let is_namesake = |policy: &&str| policy.split_once(':').is_some_and(|(_, known)| known == name);
    let namesake = known.iter().copied().find(is_namesake);
    if let Some(policy) = namesake {
        return Some(Similar::Namesake(policy));
    }
    // The namespace that two policies share says nothing about their names.
    let known =
        known[..known.len().min(MAX_KNOWN)].iter().filter_map(|policy| Some((*policy, policy.split_once(':')?)));
    let here: Vec<(&str, &str)> =
        known.filter(|(_, (of, _))| *of == namespace).map(|(policy, (_, name))| (policy, name)).collect();
    let names: Vec<&str> = here.iter().map(|(_, name)| *name).collect();
    let nearest = spelling::nearest(name, &names)?;
    here.iter().find(|(_, name)| *name == nearest).map(|(policy, _)| Similar::Spelling(policy))
}

fn hint(selections: &Selections, marker: &Marker) -> String {
    let known: Vec<&str> = selections.iter().map(|(policy, _)| policy).collect();
    match similar(&known, marker) {
        Some(Similar::Namesake(policy)) => {
            let namespace = policy.split(':').next().unwrap_or_default();
            format!("; one of that name is in namespace {namespace:?}")
        }
        Some(Similar::Spelling(policy)) => format!("; did you mean {policy:?}?"),
        None => String::new(),
    }
}
