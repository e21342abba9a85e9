//! What is read off when somebody asks: the state of policies, automations and the process.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Fraction, Sum};

/// The state of a process.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// When the process began.
    pub(crate) started: Timestamp,
    /// Its policies.
    pub(crate) policies: Vec<PolicyGauges>,
    /// Its automations.
    pub(crate) automations: Vec<AutomationGauges>,
    /// How many fields are held, for each reason that there is.
    pub(crate) holds: Vec<(&'static str, usize)>,
    /// How many findings there are, for each code that was found.
    pub(crate) findings: Vec<(String, usize)>,
    /// How many freezes are in force, for each kind that there is.
    pub(crate) freezes: Vec<(&'static str, usize)>,
    /// What waits and what is under way, of polls and of runs.
    pub(crate) queues: Vec<(&'static str, Queued)>,
    /// What was asked of registries.
    pub(crate) hosts: Vec<HostCounts>,
    /// How much the mirrors take, once that is known.
    pub(crate) mirror_bytes: Option<u64>,
    /// How many shards are held by this process, of polls and of runs, where replicas share the work.
    pub(crate) shards: Vec<(&'static str, usize)>,
    /// Whether the configuration as it stands is the one in use.
    pub(crate) is_configuration_used: bool,
    /// Whether the data directory can be used.
    pub(crate) is_data_usable: bool,
}

/// The state of a policy.
#[derive(Debug, Default, Clone)]
pub(crate) struct PolicyGauges {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Whether the last poll went well and a tag is selected; none before the first.
    pub(crate) ready: Option<bool>,
    pub(crate) polled: Option<Timestamp>,
    pub(crate) changed: Option<Timestamp>,
    pub(crate) tags: Option<usize>,
    pub(crate) considered: Option<usize>,
}

/// The state of an automation.
#[derive(Debug, Default, Clone)]
pub(crate) struct AutomationGauges {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Whether the last run went well; none before the first.
    pub(crate) ready: Option<bool>,
    pub(crate) suspended: bool,
    pub(crate) frozen: bool,
    pub(crate) ran: Option<Timestamp>,
}

/// What waits and what is under way.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Queued {
    /// How many are due and wait.
    pub(crate) waiting: usize,
    /// For how long the first of them has.
    pub(crate) longest: Duration,
    /// How many are under way.
    pub(crate) under_way: usize,
}

/// What was asked of a host.
#[derive(Debug, Default, Clone)]
pub(crate) struct HostCounts {
    pub(crate) host: String,
    /// Requests by what became of them.
    pub(crate) requests: Vec<(&'static str, u64)>,
    pub(crate) throttled: u64,
    pub(crate) waited: Duration,
    /// What the host says is left of what it allows.
    pub(crate) remaining: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPolicy {
    namespace: String,
    policy: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAutomation {
    namespace: String,
    automation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByHost {
    host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    host: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

type Of<L> = Family<L, Gauge>;

impl Gauges {
    /// The metrics of this state.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("tagwright");
        self.policies(&mut registry);
        self.automations(&mut registry);
        self.work(&mut registry);
        self.registries(&mut registry);
        self.process(&mut registry);
        registry
    }

    fn policies(&self, registry: &mut Registry) {
        let (ready, polled, changed) =
            (Of::default(), Family::<_, Fraction>::default(), Family::<_, Fraction>::default());
        let (tags, considered) = (Of::default(), Of::default());
        for policy in &self.policies {
            let label = ByPolicy { namespace: policy.namespace.clone(), policy: policy.name.clone() };
            if let Some(is_ready) = policy.ready {
                ready.get_or_create(&label).set(i64::from(is_ready));
            }
            if let Some(time) = policy.polled {
                polled.get_or_create(&label).set(seconds(time));
            }
            if let Some(time) = policy.changed {
                changed.get_or_create(&label).set(seconds(time));
            }
            if let Some(count) = policy.tags {
                tags.get_or_create(&label).set(number(count));
            }
            if let Some(count) = policy.considered {
                considered.get_or_create(&label).set(number(count));
            }
        }
        registry.register("policy_ready", "Whether the last poll went well and a tag is selected", ready);
        let help = "When the registry last gave an answer";
        registry.register_with_unit("policy_last_successful_poll_timestamp", help, Unit::Seconds, polled);
        let help = "When another tag or digest was selected, since the process began";
        registry.register_with_unit("policy_selection_changed_timestamp", help, Unit::Seconds, changed);
        registry.register("policy_tags", "Tags that the registry lists, without those that are excluded", tags);
        let help = "Tags among which the policy selects: neither denied nor too young";
        registry.register("policy_considered_tags", help, considered);
    }

    fn automations(&self, registry: &mut Registry) {
        let (ready, suspended, frozen) = (Of::default(), Of::default(), Of::default());
        let ran = Family::<_, Fraction>::default();
        for automation in &self.automations {
            let label = ByAutomation { namespace: automation.namespace.clone(), automation: automation.name.clone() };
            if let Some(is_ready) = automation.ready {
                ready.get_or_create(&label).set(i64::from(is_ready));
            }
            suspended.get_or_create(&label).set(i64::from(automation.suspended));
            frozen.get_or_create(&label).set(i64::from(automation.frozen));
            if let Some(time) = automation.ran {
                ran.get_or_create(&label).set(seconds(time));
            }
        }
        registry.register("automation_ready", "Whether the last run went well and something could be written", ready);
        registry.register("automation_suspended", "Whether it is suspended", suspended);
        registry.register("automation_frozen", "Whether all that it writes is frozen", frozen);
        registry.register_with_unit("automation_last_run_timestamp", "When it last ran", Unit::Seconds, ran);
        let (holds, findings, freezes) = (Of::default(), Of::default(), Of::default());
        for (reason, count) in &self.holds {
            holds.get_or_create(&ByReason { reason }).set(number(*count));
        }
        for (code, count) in &self.findings {
            findings.get_or_create(&ByCode { code: code.clone() }).set(number(*count));
        }
        for (kind, count) in &self.freezes {
            freezes.get_or_create(&ByKind { kind }).set(number(*count));
        }
        registry.register("holds", "Fields that keep their values although others are selected", holds);
        registry.register("findings", "Findings in files, of which each automation shows the 100 gravest", findings);
        registry.register("freezes", "Freezes, and exceptions to them, that are in force", freezes);
    }

    fn work(&self, registry: &mut Registry) {
        let (waiting, under_way) = (Of::default(), Of::default());
        let longest = Family::<_, Fraction>::default();
        for (kind, queued) in &self.queues {
            let label = ByKind { kind };
            waiting.get_or_create(&label).set(number(queued.waiting));
            longest.get_or_create(&label).set(queued.longest.as_secs_f64());
            under_way.get_or_create(&label).set(number(queued.under_way));
        }
        registry.register("queue_length", "Polls and runs that are due and wait for a place", waiting);
        let help = "For how long the first of them has waited";
        registry.register_with_unit("queue_age", help, Unit::Seconds, longest);
        registry.register("work_in_progress", "Polls and runs under way", under_way);
        let shards = Of::default();
        for (kind, count) in &self.shards {
            shards.get_or_create(&ByKind { kind }).set(number(*count));
        }
        registry.register(
            "shards_held",
            "Shards whose Lease this process holds, where replicas share the work",
            shards,
        );
    }

    fn registries(&self, registry: &mut Registry) {
        let requests = Family::<ByStatus, Counter>::default();
        let (throttled, waited) = (Family::<ByHost, Counter>::default(), Family::<ByHost, Sum>::default());
        let remaining = Of::default();
        for host in &self.hosts {
            let label = ByHost { host: host.host.clone() };
            for (status, count) in &host.requests {
                requests.get_or_create(&ByStatus { host: host.host.clone(), status }).inc_by(*count);
            }
            throttled.get_or_create(&label).inc_by(host.throttled);
            waited.get_or_create(&label).inc_by(host.waited.as_secs_f64());
            if let Some(left) = host.remaining {
                remaining.get_or_create(&label).set(i64::try_from(left).unwrap_or(i64::MAX));
            }
        }
        let help = "Requests to registries and their token servers, by the class of the answer's status";
        registry.register("registry_requests", help, requests);
        let help = "Requests that a registry refused for being one too many, or answered with a wait";
        registry.register("registry_throttled", help, throttled);
        let help = "How long requests waited for their budget, or for a registry that asked for it";
        registry.register_with_unit("registry_wait", help, Unit::Seconds, waited);
        let help = "What a registry last said is left of what it allows";
        registry.register("registry_allowance_remaining", help, remaining);
    }

    fn process(&self, registry: &mut Registry) {
        if let Some(bytes) = self.mirror_bytes {
            let mirrors = Gauge::<i64>::default();
            mirrors.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            let help = "How much the mirrors of Git remotes take, as it was at most five minutes ago";
            registry.register_with_unit("mirror_size", help, Unit::Bytes, mirrors);
        }
        let flag = |value: bool| {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::from(value));
            gauge
        };
        let help = "Whether the configuration as it stands is the one in use";
        registry.register("configuration_valid", help, flag(self.is_configuration_used));
        registry.register("data_directory_usable", "Whether the data directory can be used", flag(self.is_data_usable));
        let started = Fraction::default();
        started.set(seconds(self.started));
        registry.register_with_unit("start_time", "When the process began", Unit::Seconds, started);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the program", build);
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A point in time, in seconds since 1970.
#[allow(clippy::cast_precision_loss)]
fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// A state with something of everything.
    pub(crate) fn full() -> Gauges {
        let time: Timestamp = "2026-05-01T08:00:00.25Z".parse().unwrap();
        let (namespace, name) = ("shop".to_owned(), "web".to_owned());
        let policy = PolicyGauges {
            namespace: namespace.clone(),
            name: name.clone(),
            ready: Some(true),
            polled: Some(time),
            changed: Some(time),
            tags: Some(20),
            considered: Some(12),
        };
        let automation =
            AutomationGauges { namespace, name, ready: Some(false), suspended: true, frozen: true, ran: Some(time) };
        Gauges {
            started: time,
            policies: vec![policy],
            automations: vec![automation],
            holds: vec![("reverted", 2)],
            findings: vec![("TW001".to_owned(), 3)],
            freezes: vec![("hand", 1)],
            queues: vec![("poll", Queued { waiting: 1, longest: Duration::from_millis(1500), under_way: 2 })],
            hosts: vec![HostCounts {
                host: "ghcr.io".to_owned(),
                requests: vec![("2xx", 7)],
                throttled: 1,
                waited: Duration::from_millis(2500),
                remaining: Some(97),
            }],
            mirror_bytes: Some(1024),
            shards: vec![("poll", 4)],
            is_configuration_used: true,
            is_data_usable: true,
        }
    }

    #[test]
    fn numbers_are_in_base_units() {
        let text = crate::metrics::Metrics::new().text(&full());
        for line in [
            "tagwright_policy_last_successful_poll_timestamp_seconds{namespace=\"shop\",policy=\"web\"} 1777622400.25",
            "tagwright_queue_age_seconds{kind=\"poll\"} 1.5",
            "tagwright_registry_wait_seconds_total{host=\"ghcr.io\"} 2.5",
            "tagwright_mirror_size_bytes 1024",
            "tagwright_automation_ready{namespace=\"shop\",automation=\"web\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
