//! Policies that move only together: the tag that all of them can select, and who waits for whom.
//!
//! Each of them says which tags it can select, best first. The best of the first one that all others have is what all of them
//! select. Whoever would select something else alone waits, and the hold names who lacks it.
//!
//! ```
//! use tagwright_core::guard::{Member, agree};
//! let members = [
//!     Member { policy: "shop:api", tags: vec!["1.3.0", "1.2.0"] },
//!     Member { policy: "shop:web", tags: vec!["1.2.0", "1.1.0"] },
//! ];
//! let agreement = agree("backend", &members);
//! assert_eq!(agreement.tag, Some("1.2.0"));
//! let hold = agreement.waiting["shop:api"].to_string();
//! assert!(hold.starts_with("1.3.0 waits for shop:web, which cannot select it"), "{hold}");
//! ```

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use words::one_line;

use super::hold::{Hold, MAX_QUOTED};

/// How many of those who lack a tag are named.
const MAX_NAMED: usize = 5;

/// One of several policies that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'m> {
    /// The policy, `namespace:name`.
    pub policy: &'m str,
    /// The tags that it can select, best first; none where it selects nothing.
    pub tags: Vec<&'m str>,
}

/// What policies that move together come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreement<'m> {
    /// The tag that all of them select; none where there is no such tag.
    pub tag: Option<&'m str>,
    /// Those that would select another tag alone, and for whom they wait.
    pub waiting: BTreeMap<&'m str, Hold>,
}

/// A tag that waits for other policies. Printed, it is one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together {
    /// The name by which the policies belong together.
    pub group: String,
    /// The tag that waits.
    pub tag: String,
    /// The policies that cannot select it.
    pub lacking: Vec<String>,
}

impl fmt::Display for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, group) = (one_line(&self.tag, MAX_QUOTED), one_line(&self.group, MAX_QUOTED));
        let named = self.lacking.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = match self.lacking.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        match self.lacking.len() {
            0 => write!(f, "{tag} waits, since the policies of '{group}' move only together and prefer different tags"),
            1 => write!(
                f,
                "{tag} waits for {named}, which cannot select it yet; the policies of '{group}' move only together"
            ),
            _ => write!(
                f,
                "{tag} waits for {named}{more}, which cannot select it yet; the policies of '{group}' move only together"
            ),
        }
    }
}

/// Finds the tag that all members of a group can select.
#[must_use]
pub fn agree<'m>(group: &str, members: &[Member<'m>]) -> Agreement<'m> {
    let sets: Vec<HashSet<&str>> = members.iter().map(|member| member.tags.iter().copied().collect()).collect();
    let have = |tag: &str| sets.iter().all(|tags| tags.contains(tag));
    let Some(first) = members.first() else { return Agreement::default() };
    let tag = first.tags.iter().copied().find(|tag| have(tag));
    let mut waiting = BTreeMap::new();
    for member in members {
        let Some(best) = member.tags.first().filter(|best| tag != Some(**best)) else { continue };
        let lacks =
            |(other, tags): (&Member<'_>, &HashSet<&str>)| (!tags.contains(best)).then(|| other.policy.to_owned());
        let lacking = members.iter().zip(&sets).filter_map(lacks).collect();
        let together = Together { group: group.to_owned(), tag: (*best).to_owned(), lacking };
        waiting.insert(member.policy, Hold::Together(Box::new(together)));
    }
    Agreement { tag, waiting }
}
