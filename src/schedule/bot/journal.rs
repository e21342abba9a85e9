//! The log of a bot: each change once, nothing of what is as it was, and a sign of life every hour.

mod noticed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tagwright_core::submit::GitSync;

use self::noticed::Noticed;
use super::configured::Configured;
use super::rows::Rows;
use crate::announce;
use crate::failure::{Failure, Kind};
use crate::run::{AutomationReport, Cause, Error};
use crate::schedule::assignment::News;

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

    /// What people call it.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Image(_, image) => image.clone(),
            Self::Remote(url) => url.clone(),
            Self::Automation(id) => id.clone(),
            Self::Digest(_, image) => image.clone(),
            Self::Configuration => "the configuration".to_owned(),
        }
    }

    /// What tells it from all others.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Image(key, _) => announce::of_image(key),
            Self::Remote(url) => announce::of_remote(url),
            Self::Automation(id) => announce::of_automation(id),
            Self::Digest(url, image) => announce::of_digest(url, image),
            Self::Configuration => announce::OF_CONFIGURATION.to_owned(),
        }
    }
}

/// A failure as the log tells it.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: Kind,
    pub(super) error: String,
    pub(super) hint: Option<String>,
    pub(super) cause: Option<Cause>,
    /// Whether the remote did not take what was pushed.
    pub(super) is_rejected: bool,
}

/// Something that does not fail any more.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) subject: Subject,
    /// The host that was to blame.
    pub(super) cause: Option<Cause>,
}

impl Trouble {
    /// A failure that is told in one sentence.
    pub(super) fn new(kind: Kind, error: &str) -> Self {
        Self { kind, error: error.to_owned(), hint: None, cause: None, is_rejected: false }
    }
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        let failure = Failure::from(error);
        let hint = failure.hint().map(str::to_owned);
        let is_rejected = announce::is_rejected(error);
        Self { kind: error.kind(), error: failure.line(), hint, cause: error.cause(), is_rejected }
    }
}

/// Something that fails now.
#[derive(Debug)]
struct Failing {
    /// The age of the process when that began.
    since: Duration,
    /// The host that is to blame.
    cause: Option<Cause>,
    /// In one sentence.
    error: String,
    hint: Option<String>,
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
    /// Whatever fails now.
    failing: BTreeMap<Subject, Failing>,
    noticed: Noticed,
    pub(super) counts: Counts,
    /// The first round with the configuration, until it is over.
    round: Option<Round>,
    /// When there was a sign of life.
    alive: Duration,
}

/// The first polls and runs with a configuration.
#[derive(Debug)]
struct Round {
    since: Timestamp,
    commits: usize,
}

impl Journal {
    /// Says that something fails, if it did not before, and returns whether it did not. Of all that one host stops, the first is named.
    pub(super) fn fails(&mut self, subject: Subject, trouble: Trouble, now: Duration) -> bool {
        let (image, remote, automation) = (subject.image(), subject.remote(), subject.automation());
        let Trouble { kind, error, hint, cause, is_rejected: _ } = trouble;
        if let Some(failing) = self.failing.get_mut(&subject) {
            tracing::debug!(image.repository = image, git.remote = remote, automation, error, "still fails");
            (failing.error, failing.hint) = (error, hint);
            return false;
        }
        let host = cause.as_ref().map(|cause| cause.host.as_str());
        if cause.is_some() && self.failing.values().any(|failing| failing.cause == cause) {
            tracing::debug!(host, image.repository = image, git.remote = remote, error, "fails for the same reason");
        } else {
            match kind {
                _ if subject == Subject::Configuration => {
                    tracing::error!(
                        "the configuration as it is now cannot be used, and the one before goes on to be:\n{error}"
                    );
                }
                Kind::Transient => {
                    tracing::warn!(
                        host,
                        image.repository = image,
                        git.remote = remote,
                        automation,
                        error,
                        hint,
                        "failed, will retry"
                    );
                }
                Kind::Denied | Kind::Config | Kind::Internal => {
                    tracing::error!(
                        host,
                        image.repository = image,
                        git.remote = remote,
                        automation,
                        error,
                        hint,
                        "fails"
                    );
                }
            }
        }
        self.failing.insert(subject, Failing { since: now, cause, error, hint });
        true
    }

    /// Says that something works again, if it failed, and returns that it did; of all that one host has stopped, the last is named.
    pub(super) fn works(&mut self, subject: &Subject, now: Duration) -> Option<Ended> {
        let Failing { since, cause, .. } = self.failing.remove(subject)?;
        let ended = Ended { subject: subject.clone(), cause: cause.clone() };
        if *subject == Subject::Configuration {
            // Whoever has read it says that it is used.
            return Some(ended);
        }
        let (image, remote, automation) = (subject.image(), subject.remote(), subject.automation());
        let failed_s = now.saturating_sub(since).as_secs();
        let host = cause.as_ref().map(|cause| cause.host.as_str());
        if cause.is_some() && self.failing.values().any(|failing| failing.cause == cause) {
            tracing::debug!(host, image.repository = image, git.remote = remote, failed_s, "one works again");
            return Some(ended);
        }
        tracing::info!(host, image.repository = image, git.remote = remote, automation, failed_s, "works again");
        Some(ended)
    }

    /// Whatever fails now: since which age of the process, the sentence, and what to do about it.
    pub(super) fn troubles(&self) -> impl Iterator<Item = (&Subject, Duration, &str, Option<&str>)> {
        self.failing.iter().map(|(subject, it)| (subject, it.since, it.error.as_str(), it.hint.as_deref()))
    }

    /// Says which digests of a remote's runs work again, and returns them; `failing` are those that do not.
    pub(super) fn digests(&mut self, url: &str, failing: &BTreeSet<Subject>, now: Duration) -> Vec<Ended> {
        let of_remote = |subject: &&Subject| matches!(subject, Subject::Digest(remote, _) if remote == url);
        let works: Vec<Subject> =
            self.failing.keys().filter(of_remote).filter(|subject| !failing.contains(subject)).cloned().collect();
        works.iter().filter_map(|subject| self.works(subject, now)).collect()
    }

    /// Says which holds and findings of an automation began, and which ended, and returns those that began. A run that did not get
    /// to look says nothing.
    pub(super) fn noticed(&mut self, report: &AutomationReport) -> noticed::Begun {
        if report.has_looked() { self.noticed.take(report) } else { noticed::Begun::default() }
    }

    /// Counts the commits of a run.
    pub(super) fn committed(&mut self, commits: usize) {
        self.counts.commits += commits;
        if let Some(round) = &mut self.round {
            round.commits += commits;
        }
    }

    /// Says what the first round with a configuration came to, once it is over: that there was nothing to do is news, too.
    pub(super) fn first_round(&mut self, configured: &Configured, rows: &Rows) {
        let over = self.round.as_ref().and_then(|round| rows.had_their_turn(configured, round.since));
        let (Some((policies, answered)), Some(Round { commits, .. })) = (over, &self.round) else { return };
        let mut said = match (policies, answered) {
            (1, 1) => "1 policy polled".to_owned(),
            _ if policies == answered => format!("{policies} policies polled"),
            _ => format!("{answered} of {policies} policies polled"),
        };
        said.push_str(&match commits {
            0 => ", nothing to do".to_owned(),
            1 => ", 1 commit pushed".to_owned(),
            commits => format!(", {commits} commits pushed"),
        });
        let (held, findings) = (self.noticed.held(), self.noticed.findings());
        for (count, what) in [(self.failing(), "failing"), (held, "held"), (findings, "findings")] {
            if count > 0 {
                said.push_str(&format!("; {what}: {count}"));
            }
        }
        tracing::info!("{said}");
        self.round = None;
    }

    /// Says a failure again the next time, because it is another one.
    pub(super) fn forget(&mut self, subject: &Subject) {
        self.failing.remove(subject);
    }

    /// Begins a round with a configuration of which all is new. Forgets automations, images and submitters that are not configured any more,
    /// and returns what failed of these.
    pub(super) fn configure(
        &mut self,
        (configured, syncs): (&Configured, &[Arc<GitSync>]),
        news: &News,
        now: Timestamp,
    ) -> Vec<Ended> {
        if matches!(news, News::All) && !(configured.automations.is_empty() && configured.policies.is_empty()) {
            self.round = Some(Round { since: now, commits: 0 });
        }
        let all = || configured.automations.iter().chain(syncs.iter().map(|sync| &sync.automation));
        let automations: BTreeSet<String> = all().map(|it| it.id.to_string()).collect();
        let urls: BTreeSet<&String> = all().map(|it| &it.remote.url).collect();
        self.noticed.retain(&automations);
        let stays = |subject: &Subject| match subject {
            Subject::Image(key, _) => configured.watched(key).is_some(),
            Subject::Remote(url) | Subject::Digest(url, _) => urls.contains(url),
            Subject::Automation(id) => automations.contains(id),
            Subject::Configuration => true,
        };
        let gone = self.failing.extract_if(.., |subject, _| !stays(subject));
        gone.map(|(subject, failing)| Ended { subject, cause: failing.cause }).collect()
    }

    /// How many things fail, for reasons of their own or one of several.
    pub(super) fn failing(&self) -> usize {
        self.failing.len()
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
        let (failing, held, findings) = (self.failing(), self.noticed.held(), self.noticed.findings());
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
            findings,
            "alive"
        );
        true
    }
}
