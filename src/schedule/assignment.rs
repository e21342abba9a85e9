//! What a bot is given to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use tagwright_core::automation::{Automation, ImagePolicy, ImageRepository, ObjectName};

/// What a bot is given to do. From automations alone, it polls what they need.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// The automations to run.
    pub automations: Vec<Arc<Automation>>,
    /// The image repositories to poll, each with the policies to evaluate; none for those that the automations need.
    pub polled: Option<Vec<Watched>>,
    /// What is due at once.
    pub news: News,
}

/// An image repository with the policies that look at it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The image repository.
    pub repository: Arc<ImageRepository>,
    /// The policies, each one once.
    pub policies: Vec<Arc<ImagePolicy>>,
}

/// What an assignment makes due at once, beside what was not part of the one before.
#[derive(Debug, Clone, Default)]
pub enum News {
    /// All of it.
    #[default]
    All,
    /// What has changed.
    Of {
        /// Names of image repositories.
        repositories: BTreeSet<ObjectName>,
        /// Names of automations.
        automations: BTreeSet<ObjectName>,
    },
}

impl News {
    pub(super) fn has_repository(&self, id: &ObjectName) -> bool {
        match self {
            Self::All => true,
            Self::Of { repositories, .. } => repositories.contains(id),
        }
    }

    pub(super) fn has_automation(&self, id: &ObjectName) -> bool {
        match self {
            Self::All => true,
            Self::Of { automations, .. } => automations.contains(id),
        }
    }
}

impl From<Vec<Arc<Automation>>> for Assignment {
    fn from(automations: Vec<Arc<Automation>>) -> Self {
        Self { automations, ..Self::default() }
    }
}
