//! The automations of one remote, in the order in which they are worked on.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Distinct as _, Fingerprint};
use tagwright_core::automation::Automation;

/// The automations of one Git remote that log in alike, with their positions in the configuration.
pub(crate) type Login = Vec<(usize, Arc<Automation>)>;

/// The automations of one Git remote, grouped by how they log in. The logins are worked on one after the other, since they
/// share a mirror.
#[derive(Debug)]
pub struct Queue {
    logins: Vec<Login>,
    /// What tells the logins apart.
    ways: Vec<Fingerprint>,
}

impl Queue {
    /// Groups automations by URL, in the order in which each URL first appears.
    #[must_use]
    pub fn of_remotes(automations: &[Arc<Automation>]) -> Vec<Self> {
        let mut queues: Vec<Self> = Vec::new();
        let mut by_url: HashMap<&str, usize> = HashMap::new();
        for (position, automation) in automations.iter().enumerate() {
            let at = *by_url.entry(&automation.remote.url).or_insert_with(|| {
                queues.push(Self { logins: Vec::new(), ways: Vec::new() });
                queues.len() - 1
            });
            queues[at].add(position, Arc::clone(automation));
        }
        queues
    }

    fn add(&mut self, position: usize, automation: Arc<Automation>) {
        let way = automation.remote.access.fingerprint();
        match self.ways.iter().position(|known| *known == way) {
            Some(at) => self.logins[at].push((position, automation)),
            None => {
                self.ways.push(way);
                self.logins.push(vec![(position, automation)]);
            }
        }
    }

    /// The automations that log in alike, one group after the other.
    pub(crate) fn logins(&self) -> &[Login] {
        &self.logins
    }

    /// All automations of the remote.
    pub fn automations(&self) -> impl Iterator<Item = &Arc<Automation>> {
        self.logins.iter().flatten().map(|(_, automation)| automation)
    }

    /// Where they stand in the configuration, in order.
    #[must_use]
    pub fn positions(&self) -> Vec<usize> {
        let mut positions: Vec<usize> = self.logins.iter().flatten().map(|(position, _)| *position).collect();
        positions.sort_unstable();
        positions
    }
}
