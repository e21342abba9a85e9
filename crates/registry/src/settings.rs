//! How a client works, and how much it reads.

use std::time::Duration;

use cloud::{Cloud, Environment};
use web::{Common, Pauses};

use super::budget::Budgets;
use super::machine::DockerConfig;
use super::mirror::Mirror;
use super::realm::TokenServers;

/// How long a registry may be silent, before an answer or in the middle of it.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a credential helper may take.
const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// The wait before the second attempt; the one before the third is three times as long.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// How long a connection, TLS included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a host may take to show whether it speaks HTTPS, where plain HTTP is allowed too.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a [`Client`](super::Client) works; what differs between repositories is in [`Registry`](access::Registry).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where requests for some registries go first.
    pub mirrors: Vec<Mirror>,
    /// Servers that may give out tokens, wherever they are.
    pub token_servers: TokenServers,
    /// The credentials for repositories that have none of their own.
    pub docker_config: DockerConfig,
    /// Who gives out the logins of clouds. Default: as whoever this process is known.
    pub cloud: Cloud,
    /// How much of what a registry sends is read.
    pub limits: Limits,
    /// The hosts that are left alone for a while. Default: a table of its own.
    pub pauses: Pauses,
    /// How much is asked of one host. Default: 16 requests at once, 100 a second.
    pub budgets: Budgets,
    /// How long a registry may be silent, before an answer or in the middle of it. Default: 30 s.
    pub read_timeout: Duration,
    /// How long a credential helper may take. Default: 20 s.
    pub helper_timeout: Duration,
    /// The wait before the second attempt; the one before the third is three times as long, and both vary. Default: 1 s.
    pub retry_wait: Duration,
}

impl Default for Settings {
    /// No mirrors, no token servers beyond the rule, and the machine's Docker configuration.
    fn default() -> Self {
        let pauses = Pauses::default();
        Self {
            mirrors: Vec::new(),
            token_servers: TokenServers::default(),
            docker_config: DockerConfig::machine(),
            cloud: Cloud::new(Environment::of_process(), pauses.clone()),
            limits: Limits::default(),
            pauses,
            budgets: Budgets::default(),
            read_timeout: READ_TIMEOUT,
            helper_timeout: HELPER_TIMEOUT,
            retry_wait: RETRY_WAIT,
        }
    }
}

impl Settings {
    /// Returns what all connections have in common.
    pub(crate) fn connections(&self) -> Common {
        Common {
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: self.read_timeout,
            idle_per_host: self.budgets.most_at_once(),
        }
    }
}

/// How much of what a registry sends is read. More is an error, since half a list would look like a smaller one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one page, unpacked. Default: 32 MiB, since older registries send all tags in one page.
    pub page_bytes: usize,
    /// Pages of one listing. Default: 10,000.
    pub pages: usize,
    /// Tags of one repository. Default: 1,000,000.
    pub tags: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { page_bytes: 32 * 1024 * 1024, pages: 10_000, tags: 1_000_000 }
    }
}
