//! Metrics in OpenMetrics: what is counted as it happens, and what is read off when somebody asks.
//!
//! Names, labels and buckets stand here and in `docs/reference/metrics.md`, which a test holds equal. Units are base units. Labels are
//! closed sets of words, and names of what is configured: no label has a tag, a message or a URL, and hosts are counted one by one as
//! long as they are few.

mod flux;
mod gauges;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::flux::Flux;
pub(crate) use self::gauges::{AutomationGauges, Gauges, HostCounts, PolicyGauges, Queued};

/// What an answer with metrics is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The bounds of polls and runs, in seconds: from 50 ms to 14 minutes.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.05, 2.0, 15))
}

/// How something ended that can only go well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

impl Ended {
    const fn of(is_well: bool) -> Self {
        Self { result: if is_well { "success" } else { "failure" } }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    source: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Notified {
    r#type: &'static str,
    result: &'static str,
}

/// Why a push was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The remote declined it.
    Declined,
    /// The remote could not do it at the moment.
    Busy,
    /// The branch moved during every attempt.
    Race,
    /// The second destination has moved on its own.
    Diverged,
}

impl Rejected {
    const ALL: [Self; 4] = [Self::Declined, Self::Busy, Self::Race, Self::Diverged];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Race => "race",
            Self::Diverged => "diverged",
        }
    }
}

/// The outcomes of runs, as they are written everywhere.
const OUTCOMES: [&str; 4] = ["pushed", "unchanged", "held", "failed"];

/// What is counted as it happens.
pub(crate) struct Metrics {
    registry: Registry,
    polls: Family<Ended, Counter>,
    poll_seconds: Histogram,
    look_ups: Family<Ended, Counter>,
    runs: Family<ByOutcome, Counter>,
    run_seconds: Histogram,
    commits: Counter,
    changes: Counter,
    moved_tags: Counter,
    rejected: Family<ByReason, Counter>,
    webhooks: Family<Received, Counter>,
    notifications: Family<Notified, Counter>,
    shards: Mutex<Vec<(&'static str, usize)>>,
    /// The series of Flux's controllers.
    pub(crate) flux: Flux,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Everything at zero; what has words for labels is there from the beginning, so that an increase is seen.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("tagwright");
        let polls = Family::<Ended, Counter>::default();
        registry.register("polls", "Polls of image repositories", polls.clone());
        let poll_seconds = durations();
        let help = "How long polls of image repositories take, waits for their budget included";
        registry.register_with_unit("poll_duration", help, Unit::Seconds, poll_seconds.clone());
        let look_ups = Family::<Ended, Counter>::default();
        registry.register("digest_lookups", "Look-ups of digests between two polls", look_ups.clone());
        let runs = Family::<ByOutcome, Counter>::default();
        registry.register("runs", "Runs of automations", runs.clone());
        let run_seconds = durations();
        let help = "How long runs take, of all automations of a remote that are due together";
        registry.register_with_unit("run_duration", help, Unit::Seconds, run_seconds.clone());
        let (commits, changes) = (Counter::default(), Counter::default());
        registry.register("commits", "Commits that were pushed, of each automation", commits.clone());
        registry.register("changes", "Fields that were changed by commits that were pushed", changes.clone());
        let moved_tags = Counter::default();
        let help = "Tags of releases that were found to point to something else than before";
        registry.register("moved_tags", help, moved_tags.clone());
        let rejected = Family::<ByReason, Counter>::default();
        registry.register("pushes_rejected", "Pushes that a remote did not take", rejected.clone());
        let webhooks = Family::<Received, Counter>::default();
        registry.register(
            "webhooks",
            "Webhooks that were received, by their source and what came of them",
            webhooks.clone(),
        );
        let notifications = Family::<Notified, Counter>::default();
        let help = "Notifications, by the type of where they go and what became of them";
        registry.register("notifications", help, notifications.clone());
        for is_well in [true, false] {
            drop(polls.get_or_create(&Ended::of(is_well)));
            drop(look_ups.get_or_create(&Ended::of(is_well)));
        }
        for outcome in OUTCOMES {
            drop(runs.get_or_create(&ByOutcome { outcome }));
        }
        for reason in Rejected::ALL {
            drop(rejected.get_or_create(&ByReason { reason: reason.as_str() }));
        }
        let (flux, shards) = (Flux::default(), Mutex::default());
        Self {
            registry,
            polls,
            poll_seconds,
            look_ups,
            runs,
            run_seconds,
            commits,
            changes,
            moved_tags,
            rejected,
            webhooks,
            notifications,
            shards,
            flux,
        }
    }

    /// Counts a poll.
    pub(crate) fn polled(&self, is_well: bool) {
        self.polls.get_or_create(&Ended::of(is_well)).inc();
    }

    /// Counts tags of releases that have moved.
    pub(crate) fn moved(&self, tags: usize) {
        self.moved_tags.inc_by(tags as u64);
    }

    /// Counts a look-up of digests.
    pub(crate) fn looked_up(&self, is_well: bool) {
        self.look_ups.get_or_create(&Ended::of(is_well)).inc();
    }

    /// Counts how a run of an automation ended, and the fields that it changed if it pushed.
    pub(crate) fn ran(&self, outcome: &'static str, changes: usize) {
        if !OUTCOMES.contains(&outcome) {
            return;
        }
        self.runs.get_or_create(&ByOutcome { outcome }).inc();
        if outcome == "pushed" {
            self.commits.inc();
            self.changes.inc_by(u64::try_from(changes).unwrap_or(u64::MAX));
        }
    }

    /// Counts a push that a remote did not take.
    pub(crate) fn rejected(&self, reason: Rejected) {
        self.rejected.get_or_create(&ByReason { reason: reason.as_str() }).inc();
    }

    /// Counts a webhook.
    pub(crate) fn received(&self, source: &'static str, result: &'static str) {
        self.webhooks.get_or_create(&Received { source, result }).inc();
    }

    /// Counts a notification, by the type of where it goes and what became of it.
    pub(crate) fn notified(&self, kind: &'static str, result: &'static str) {
        self.notifications.get_or_create(&Notified { r#type: kind, result }).inc();
    }

    /// Takes in how many shards of each half of the work this process holds.
    pub(crate) fn holds_shards(&self, shards: Vec<(&'static str, usize)>) {
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = shards;
    }

    /// How many shards of each half of the work this process holds.
    pub(crate) fn shards(&self) -> Vec<(&'static str, usize)> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes down how long a poll took.
    pub(crate) fn poll_took(&self, duration: Duration) {
        self.poll_seconds.observe(duration.as_secs_f64());
    }

    /// Takes down how long a run took.
    pub(crate) fn run_took(&self, duration: Duration) {
        self.run_seconds.observe(duration.as_secs_f64());
    }

    /// Everything as a text, with what is read off now.
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let mut text = String::new();
        let read_off = gauges.registry();
        // A text takes whatever is written to it.
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &read_off))
            .and_then(|()| self.flux.write(&mut text))
            .and_then(|()| encode_eof(&mut text));
        debug_assert!(written.is_ok(), "a text takes everything");
        text
    }
}

/// A number that has digits behind the point.
type Fraction = prometheus_client::metrics::gauge::Gauge<f64, AtomicU64>;

/// A sum that has digits behind the point.
type Sum = Counter<f64, AtomicU64>;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Metrics with something of everything.
    pub(crate) fn full() -> String {
        let metrics = Metrics::new();
        metrics.polled(true);
        metrics.poll_took(Duration::from_millis(70));
        metrics.looked_up(false);
        metrics.ran("pushed", 3);
        metrics.ran("would-push", 3);
        metrics.run_took(Duration::from_secs(2));
        metrics.rejected(Rejected::Declined);
        metrics.received("github", "accepted");
        metrics.notified("slack", "sent");
        metrics.flux.reconciled("ImagePolicy", ("shop", "web"), true, Duration::from_millis(3));
        metrics.flux.reconciled("ImageUpdateAutomation", ("shop", "web"), false, Duration::from_secs(3));
        metrics.text(&gauges::tests::full())
    }

    /// Each metric of a text: its type, and the names of its labels but for `le`.
    fn families(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let twice = found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
                assert!(twice.is_none(), "{name} is there twice");
            }
            let Some((name, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) else { continue };
            let of =
                found.iter().filter(|(known, _)| name.starts_with(known.as_str())).max_by_key(|(known, _)| known.len());
            let family = of.unwrap().0.clone();
            let labels = rest.rsplit_once('}').unwrap().0;
            let names = labels.split("\",").map(|label| label.split('=').next().unwrap().to_owned());
            found.get_mut(&family).unwrap().1.extend(names.filter(|name| name != "le" && !name.is_empty()));
        }
        found
    }

    #[test]
    fn the_table_of_the_documents_has_each_metric_and_no_other() {
        let page = include_str!("../docs/reference/metrics.md");
        let mut documented = BTreeMap::new();
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).skip(1).collect();
            let name = cells[0].trim_matches('`');
            let labels: BTreeSet<String> = cells[2]
                .split(", ")
                .map(|label| label.trim_matches('`').to_owned())
                .filter(|it| !it.is_empty())
                .collect();
            documented.insert(name.to_owned(), (cells[1].to_owned(), labels));
        }
        // As a query names them.
        let exposed: BTreeMap<_, _> = families(&full())
            .into_iter()
            .map(|(name, (kind, labels))| match kind.as_str() {
                "counter" => (format!("{name}_total"), (kind, labels)),
                "info" => (format!("{name}_info"), (kind, labels)),
                _ => (name, (kind, labels)),
            })
            .collect();
        assert_eq!(documented, exposed);
    }

    #[test]
    fn names_have_base_units_and_say_what_they_are() {
        let text = full();
        assert!(text.ends_with("# EOF\n"));
        for (name, (kind, _)) in families(&text) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
            let is_ours = name.starts_with("tagwright_");
            assert!(is_ours || name.starts_with("gotk_") || name.starts_with("controller_runtime_"), "{name}");
            for bad in ["_ms", "_millis", "_minutes", "_kib", "_mb", "_count", "_total"] {
                assert!(!name.ends_with(bad), "{name}");
            }
            assert!(["counter", "gauge", "histogram", "info"].contains(&kind.as_str()), "{name} is a {kind}");
        }
        assert!(text.contains("tagwright_runs_total{outcome=\"pushed\"} 1\n"), "{text}");
        assert!(text.contains("tagwright_runs_total{outcome=\"failed\"} 0\n"), "{text}");
        assert!(text.contains("tagwright_changes_total 3\n"), "{text}");
    }

    #[test]
    fn a_label_that_somebody_else_wrote_breaks_no_line() {
        let mut gauges = gauges::tests::full();
        gauges.policies[0].name = "a\"b\\c\nd".to_owned();
        let text = Metrics::new().text(&gauges);
        assert!(text.contains(r#"policy="a\"b\\c\nd""#), "{text}");
    }
}
