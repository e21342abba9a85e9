//! How a client works, and how much it reads.

use std::time::Duration;

use web::Pauses;

use super::machine::DockerConfig;
use super::mirror::Mirror;

/// How many requests are under way at once to one host.
pub const PER_HOST: usize = 16;
/// How long a connection, TLS included, may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a registry may be silent in the middle of an answer, or before it.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a host may take to show whether it speaks HTTPS, where plain HTTP is allowed too.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a credential helper may take.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(20);
/// The wait before the second attempt; the one before the third is three times as long.
pub const RETRY_WAIT: Duration = Duration::from_secs(1);

/// How a [`Client`](super::Client) works; what differs between repositories is in [`Registry`](access::Registry).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where requests for some registries go first.
    pub mirrors: Vec<Mirror>,
    /// The credentials for repositories that have none of their own.
    pub docker_config: DockerConfig,
    /// What the `User-Agent` header says.
    pub user_agent: String,
    /// How much of what a registry sends is read.
    pub limits: Limits,
    /// The hosts that are left alone for a while. Default: a table of its own.
    pub pauses: Pauses,
    /// How many requests are under way at once to one host. Default: [`PER_HOST`].
    pub per_host: usize,
    /// Default: [`CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// Default: [`READ_TIMEOUT`].
    pub read_timeout: Duration,
    /// Default: [`PROBE_TIMEOUT`].
    pub probe_timeout: Duration,
    /// Default: [`HELPER_TIMEOUT`].
    pub helper_timeout: Duration,
    /// Default: [`RETRY_WAIT`].
    pub retry_wait: Duration,
}

impl Default for Settings {
    /// No mirrors, and the machine's Docker configuration.
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            docker_config: DockerConfig::machine(),
            user_agent: concat!("tagwright/", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: Limits::default(),
            pauses: Pauses::default(),
            per_host: PER_HOST,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            probe_timeout: PROBE_TIMEOUT,
            helper_timeout: HELPER_TIMEOUT,
            retry_wait: RETRY_WAIT,
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
