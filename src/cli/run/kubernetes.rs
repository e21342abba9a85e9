//! The flags of a bot in a cluster: ours, and those of Flux's controllers under their names.

use std::net::SocketAddr;
use std::time::Duration;

use kubernetes::lease::Timing;

use super::listen;
use crate::cli::kubernetes::{HEADING, Server, duration};
use crate::cluster::{Controllers, Mode, Settings};
use crate::failure::{Failure, Result};
use crate::telemetry;

/// The heading of flags that are taken for the sake of Flux's manifests.
const FLUX: &str = "Flags of Flux's controllers";

/// Those of them that are true or false.
const SWITCHES: [&str; 3] = ["watch_all_namespaces", "no_cross_namespace_refs", "enable_leader_election"];

/// The namespace of the pod, in Flux's manifests.
const NAMESPACE: &str = "RUNTIME_NAMESPACE";

/// When a policy without tags is looked at again, as it says with Flux.
const REQUEUE: &str = "30s";

// No documentation of the type: it would become that of the command.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Cluster {
    /// Take the configuration from the objects of a cluster, and say on them what is done
    #[arg(long, conflicts_with = "once", help_heading = HEADING)]
    pub(super) kubernetes: bool,
    #[command(flatten)]
    server: Server,
    /// Which halves of the work to do: image-reflector polls, image-automation commits
    #[arg(
        long,
        value_name = "NAMES",
        value_enum,
        value_delimiter = ',',
        default_values_t = [Controller::ImageReflector, Controller::ImageAutomation],
        requires = "kubernetes",
        help_heading = HEADING
    )]
    controllers: Vec<Controller>,
    /// Share the work with other replicas: each takes some of the image repositories and Git remotes
    #[arg(long, requires = "kubernetes", conflicts_with = "enable_leader_election", help_heading = HEADING)]
    replicas_share: bool,
    /// Obey Flux's Receivers, Providers and Alerts, too, where no notification-controller runs; their statuses stay as they are
    #[arg(long, requires = "kubernetes", conflicts_with = "events_addr", help_heading = HEADING)]
    flux_notifications: bool,
    #[command(flatten)]
    flux: Flux,
}

/// Half of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Controller {
    /// Poll image repositories and evaluate policies
    ImageReflector,
    /// Run automations
    ImageAutomation,
}

// No documentation of the type: it would become that of the command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = FLUX, mut_args(switch))]
struct Flux {
    /// Send events to notification-controller at this address
    #[arg(long, value_name = "URL", requires = "kubernetes", value_parser = address)]
    events_addr: Option<String>,
    /// Work on the objects of all namespaces
    #[arg(long, default_value = "true", requires = "kubernetes")]
    watch_all_namespaces: bool,
    /// Work on the objects whose labels match
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true, requires = "kubernetes")]
    watch_label_selector: String,
    /// Let no object use one of another namespace
    #[arg(long, default_value = "false", requires = "kubernetes")]
    no_cross_namespace_refs: bool,
    /// Let one replica lead, by the Leases of Flux's controllers, so that they and it exclude each other
    #[arg(long, default_value = "false", requires = "kubernetes")]
    enable_leader_election: bool,
    /// How long a Lease counts whose holder is not heard of [default: 35s, and 15s with --replicas-share]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "kubernetes")]
    leader_election_lease_duration: Option<Duration>,
    /// How long a holder tries to renew its Lease before it stops [default: 30s, and 10s with --replicas-share]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "kubernetes")]
    leader_election_renew_deadline: Option<Duration>,
    /// How long is waited between two tries [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "kubernetes")]
    leader_election_retry_period: Option<Duration>,
    /// What a policy without tags says of when it is looked at again, which is as soon as its tags are read
    #[arg(long, value_name = "DURATION", default_value = REQUEUE, value_parser = duration, requires = "kubernetes")]
    requeue_dependency: Duration,
    /// Answer the probes /livez, /healthz and /readyz here
    #[arg(long, value_name = "ADDRESS", default_value = ":9440", value_parser = listen, requires = "kubernetes")]
    health_addr: SocketAddr,
    /// Answer /metrics here, too, besides the probes, as Flux's controllers do at :8080
    #[arg(long, value_name = "ADDRESS", value_parser = listen, requires = "kubernetes")]
    metrics_addr: Option<SocketAddr>,
    /// What the log tells: trace, debug, info, error
    #[arg(long, value_name = "LEVEL", value_parser = ["trace", "debug", "info", "error"], requires = "kubernetes")]
    log_level: Option<String>,
    /// How the log looks: json, console
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "console"], requires = "kubernetes")]
    log_encoding: Option<String>,
    #[command(flatten)]
    idle: Idle,
}

/// Flags that Flux's manifests may have and that mean nothing here: there is no number of workers to set, no retries to time, no
/// database to collect. They are taken, and said to have no effect.
macro_rules! idle {
    ($($field:ident),* $(,)?) => {
        #[derive(Debug, Clone, Default, clap::Args)]
        struct Idle {
            $(
                #[arg(long, hide = true, value_name = "VALUE", num_args = 0..=1, require_equals = true, default_missing_value = "", requires = "kubernetes")]
                $field: Option<String>,
            )*
        }

        impl Idle {
            /// The names of those that are given.
            fn given(&self) -> Vec<String> {
                let all = [$((stringify!($field), self.$field.is_some())),*];
                all.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.replace('_', "-")).collect()
            }
        }
    };
}

idle!(
    concurrent,
    feature_gates,
    storage_path,
    watch_configs_label_selector,
    storage_value_log_file_size,
    gc_interval,
    leader_election_release_on_cancel,
    kube_api_qps,
    kube_api_burst,
    min_retry_delay,
    max_retry_delay,
    token_cache_max_size,
    ssh_kex_algos,
    ssh_hostkey_algos,
    default_service_account,
    interval_jitter_percentage,
    graceful_shutdown_timeout,
    aws_autologin_for_ecr,
    gcp_autologin_for_gcr,
    azure_autologin_for_acr,
);

impl Flux {
    /// How long Leases count, where nothing else is said as usual.
    fn timing(&self, usual: Timing) -> Result<Timing> {
        let duration = self.leader_election_lease_duration.unwrap_or(usual.duration());
        let deadline = self.leader_election_renew_deadline.unwrap_or(usual.deadline());
        let retry = self.leader_election_retry_period.unwrap_or(usual.retry());
        Timing::new(duration, deadline, retry).map_err(|error| {
            let hint = "the three are --leader-election-lease-duration, --leader-election-renew-deadline and \
                        --leader-election-retry-period, each shorter than the one before";
            Failure::usage(error.to_string(), hint)
        })
    }
}

impl Cluster {
    /// The settings of a bot in a cluster, if one is asked for.
    pub(super) fn settings(&self) -> Result<Option<Settings>> {
        if !self.kubernetes {
            return Ok(None);
        }
        let Flux { watch_all_namespaces, watch_label_selector, no_cross_namespace_refs, .. } = &self.flux;
        let mut options = self.server.options();
        // By hand, since a flag that is set from the environment would ask for --kubernetes.
        let set = || std::env::var(NAMESPACE).ok().filter(|namespace| !namespace.is_empty());
        options.namespace = options.namespace.or_else(set);
        let has = |controller| self.controllers.contains(&controller);
        let controllers =
            Controllers { reflector: has(Controller::ImageReflector), automation: has(Controller::ImageAutomation) };
        let replicas = match (self.replicas_share, self.flux.enable_leader_election) {
            (true, _) => Mode::Share,
            (false, true) => Mode::Lead,
            (false, false) => Mode::Alone,
        };
        if self.replicas_share && !(controllers.reflector && controllers.automation) {
            let message = "--replicas-share shares all of the work, not one half of it";
            return Err(Failure::usage(message, "leave out --controllers, or use --enable-leader-election"));
        }
        if self.flux_notifications && !(controllers.reflector && controllers.automation) {
            let message = "--flux-notifications is for a process that does both halves of the work";
            return Err(Failure::usage(message, "leave out --controllers"));
        }
        let timing = self.flux.timing(if self.replicas_share { Timing::SHARED } else { Timing::FLUX })?;
        Ok(Some(Settings {
            timing,
            options,
            all_namespaces: *watch_all_namespaces,
            selector: watch_label_selector.clone(),
            controllers,
            no_cross_namespace: *no_cross_namespace_refs,
            flux_notifications: self.flux_notifications,
            events_addr: self.flux.events_addr.clone(),
            requeue: self.flux.requeue_dependency,
            replicas,
            host: host(),
        }))
    }

    /// Says which flags mean nothing here.
    pub(super) fn tell_idle(&self) {
        let names = self.flux.idle.given();
        if !names.is_empty() {
            tracing::info!(flags = names.join(", "), "flags of Flux's controllers that have no effect here");
        }
    }

    /// Where probes are answered.
    pub(super) fn health_addr(&self) -> SocketAddr {
        self.flux.health_addr
    }

    /// Where metrics are answered besides.
    pub(super) fn metrics_addr(&self) -> Option<SocketAddr> {
        self.flux.metrics_addr
    }

    /// How much is logged, and how it looks, where Flux's flags say so.
    pub(super) fn logging(&self) -> (Option<u8>, Option<telemetry::Format>) {
        let verbosity = self.flux.log_level.as_deref().map(|level| match level {
            "trace" => 3,
            "debug" => 2,
            "error" => 0,
            _ => 1,
        });
        let format = self.flux.log_encoding.as_deref().map(|encoding| match encoding {
            "json" => telemetry::Format::Json,
            _ => telemetry::Format::Text,
        });
        (verbosity, format)
    }
}

/// The name of this host, which in a cluster is that of the pod.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "tagwright".to_owned() } else { name }
}

/// Makes those that are switches `--flag`, `--flag=true` or `--flag=false`, as those of Go's programs.
fn switch(flag: clap::Arg) -> clap::Arg {
    if !SWITCHES.contains(&flag.get_id().as_str()) {
        return flag;
    }
    let flag = flag.action(clap::ArgAction::Set).value_name("BOOL");
    flag.num_args(0..=1).require_equals(true).default_missing_value("true")
}

fn address(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(text.to_owned()),
        _ => Err("write a URL, as http://notification-controller.flux-system.svc.cluster.local./".to_owned()),
    }
}
