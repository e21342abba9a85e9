//! The log of a bot: each change once, nothing of what is as it was, and a sign of life every hour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::configured::Configured;
use crate::failure::Kind;
use crate::wire::HeldField;

/// The time between two signs of life, so that silence never means that all is well.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3600);

/// Whatever can fail for a while; the log names it when that begins and when it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The poll of an image repository: its key, and the image.
    Image(String, String),
    /// A Git remote, for all its automations.
    Remote(String),
    /// One automation, for reasons of its own.
    Automation(String),
    /// The digest of an image that a run on a remote needs.
    Digest(String, String),
    /// The configuration as it stands in its files.
    Configuration,
}

impl Subject {
    fn image(&self) -> Option<&str> {
        match self {
            Self::Image(_, image) | Self::Digest(_, image) => Some(image),
            _ => None,
        }
    }

    fn remote(&self) -> Option<&str> {
        match self {
            Self::Remote(url) | Self::Digest(url, _) => Some(url),
            _ => None,
        }
    }

    fn automation(&self) -> Option<&str> {
        match self {
            Self::Automation(id) => Some(id),
            _ => None,
        }
    }
}

/// The work since the last sign of life.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) polls: usize,
    pub(super) polls_failed: usize,
    pub(super) look_ups: usize,
    pub(super) look_ups_failed: usize,
    pub(super) runs: usize,
    pub(super) runs_failed: usize,
    pub(super) commits: usize,
}

/// The state of the log: what it has said is not said again.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Whatever fails now, with the age of the process when that began.
    failing: BTreeMap<Subject, Duration>,
    /// The held fields of each automation: file, line, policy and guard.
    held: BTreeMap<String, BTreeSet<(String, usize, String, String)>>,
    pub(super) counts: Counts,
    /// When there was a sign of life.
    alive: Duration,
}

impl Journal {
    /// Says that something fails, if it did not before.
    pub(super) fn fails(&mut self, subject: Subject, kind: Kind, error: &str, now: Duration) {
        let (image, remote, automation) = (subject.image(), subject.remote(), subject.automation());
        if self.failing.contains_key(&subject) {
            tracing::debug!(image.repository = image, git.remote = remote, automation, error, "still fails");
            return;
        }
        match kind {
            _ if subject == Subject::Configuration => {
                tracing::error!(
                    "the configuration as it is now cannot be used, and the one before goes on to be:\n{error}"
                );
            }
            Kind::Transient => {
                tracing::warn!(
                    image.repository = image,
                    git.remote = remote,
                    automation,
                    error,
                    "fails, and is tried again"
                );
            }
            Kind::Denied | Kind::Config | Kind::Internal => {
                tracing::error!(image.repository = image, git.remote = remote, automation, error, "fails");
            }
        }
        self.failing.insert(subject, now);
    }

    /// Says that something works again, if it failed.
    pub(super) fn works(&mut self, subject: &Subject, now: Duration) {
        if let Some(since) = self.failing.remove(subject) {
            let (image, remote, automation) = (subject.image(), subject.remote(), subject.automation());
            let failed_s = now.saturating_sub(since).as_secs();
            tracing::info!(image.repository = image, git.remote = remote, automation, failed_s, "works again");
        }
    }

    /// Says which digests of a remote's runs work again; `failing` are those that do not.
    pub(super) fn digests(&mut self, url: &str, failing: &BTreeSet<Subject>, now: Duration) {
        let of_remote = |subject: &&Subject| matches!(subject, Subject::Digest(remote, _) if remote == url);
        let works: Vec<Subject> =
            self.failing.keys().filter(of_remote).filter(|subject| !failing.contains(subject)).cloned().collect();
        for subject in works {
            self.works(&subject, now);
        }
    }

    /// Says which holds of an automation began, and which ended.
    pub(super) fn holds(&mut self, automation: &str, url: &str, holds: &[HeldField]) {
        let before = self.held.remove(automation).unwrap_or_default();
        let mut held = BTreeSet::new();
        for hold in holds {
            let key = (hold.file.clone(), hold.line, hold.policy.clone(), hold.code.clone());
            if !before.contains(&key) {
                let HeldField { policy, file, line, wanted, code, reason, .. } = hold;
                tracing::info!(
                    automation,
                    git.remote = url,
                    policy.name = policy,
                    file,
                    line,
                    wanted,
                    code,
                    reason,
                    "holds an update"
                );
            }
            held.insert(key);
        }
        for (file, line, policy, code) in before.difference(&held) {
            tracing::info!(
                automation,
                git.remote = url,
                policy.name = policy,
                file,
                line,
                code,
                "holds an update no more"
            );
        }
        if !held.is_empty() {
            self.held.insert(automation.to_owned(), held);
        }
    }

    /// Says a failure again the next time, because it is another one.
    pub(super) fn forget(&mut self, subject: &Subject) {
        self.failing.remove(subject);
    }

    /// Forgets automations and images that are not configured any more.
    pub(super) fn configure(&mut self, configured: &Configured) {
        let automations: BTreeSet<String> = configured.automations.iter().map(|it| it.id.to_string()).collect();
        let urls: BTreeSet<&String> = configured.automations.iter().map(|it| &it.remote.url).collect();
        self.held.retain(|automation, _| automations.contains(automation));
        self.failing.retain(|subject, _| match subject {
            Subject::Image(key, _) => configured.watched(key).is_some(),
            Subject::Remote(url) | Subject::Digest(url, _) => urls.contains(url),
            Subject::Automation(id) => automations.contains(id),
            Subject::Configuration => true,
        });
    }

    /// When the next sign of life is due.
    pub(super) fn next(&self) -> Duration {
        self.alive + SIGN_OF_LIFE
    }

    /// Gives a sign of life, if one is due. Returns whether it was.
    pub(super) fn look(&mut self, automations: usize, now: Duration) -> bool {
        if now < self.next() {
            return false;
        }
        self.alive = now;
        let Counts { polls, polls_failed, look_ups, look_ups_failed, runs, runs_failed, commits } =
            std::mem::take(&mut self.counts);
        let (failing, held) = (self.failing.len(), self.held.values().map(BTreeSet::len).sum::<usize>());
        tracing::info!(
            polls,
            polls_failed,
            look_ups,
            look_ups_failed,
            runs,
            runs_failed,
            commits,
            automations,
            failing,
            held,
            "alive"
        );
        true
    }
}
