//! Who is told of what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gotext::pattern::Pattern;
use gotext::template::Template;

use super::event::{About, Deployed, Event, Kind, Name, Severity};
use super::target::Target;

/// Somebody who is told.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Its name.
    pub name: Name,
    /// The least severity. Whoever was told that something fails is told that it works again, whatever this says.
    pub severity: Severity,
    /// Which kinds of events.
    pub kinds: BTreeSet<Kind>,
    /// What events have to be about; none for all.
    pub scope: Option<Scope>,
    /// One of these has to match the sentence of an event, if there are any.
    pub include: Vec<Pattern>,
    /// None of these may.
    pub exclude: Vec<Pattern>,
    /// What each message begins with; empty for nothing.
    pub summary: String,
    /// Further names and values that each message has. What an event says by itself wins.
    pub metadata: Vec<(String, String)>,
    /// The words, in place of ours.
    pub template: Option<Template>,
    /// For how long events are gathered for one message.
    pub group: Duration,
    /// For how long something has to be well before that is told.
    pub quiet: Duration,
    /// Where it is sent.
    pub target: Arc<Target>,
}

/// What events have to be about. A name may be `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Automations.
    pub automations: Vec<Name>,
    /// Policies.
    pub policies: Vec<Name>,
    /// Image repositories.
    pub repositories: Vec<Name>,
    /// URLs of Git remotes.
    pub remotes: Vec<String>,
}

impl Scope {
    /// Whether something is in it.
    #[must_use]
    pub fn covers(&self, about: &About) -> bool {
        let any = |wanted: &[Name], there: &[Name]| {
            let names = |it: &Name| {
                there.iter().any(|other| other.namespace == it.namespace && (it.name == "*" || other.name == it.name))
            };
            wanted.iter().any(names)
        };
        any(&self.automations, &about.automations)
            || any(&self.policies, &about.policies)
            || any(&self.repositories, &about.repositories)
            || about.remote.as_ref().is_some_and(|remote| self.remotes.contains(remote))
    }
}

impl Notification {
    /// The same, about this alone.
    #[must_use]
    pub fn within(&self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self.clone() }
    }

    /// The same, to be sent off this machine and its link alone.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self { target: Arc::new(self.target.elsewhere()), ..self.clone() }
    }

    /// Whether it wants to hear of an event that is no all-clear.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.wants_such((event.severity, event.kind), &event.about, &event.message)
    }

    /// Whether it wants to hear of an image that a commit has put to use: whoever does not hear of the commit does not.
    pub(crate) fn wants_deployed(&self, deployed: &Deployed) -> bool {
        self.wants_such((Severity::Info, Kind::Pushed), &deployed.about, &deployed.message)
    }

    fn wants_such(&self, (severity, kind): (Severity, Kind), about: &About, message: &str) -> bool {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.is_match(message));
        severity >= self.severity
            && self.kinds.contains(&kind)
            && self.scope.as_ref().is_none_or(|scope| scope.covers(about))
            && (self.include.is_empty() || matches(&self.include))
            && !matches(&self.exclude)
    }
}
