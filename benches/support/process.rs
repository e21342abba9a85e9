//! A process that stays, as the bot does: what a run learnt is there for the next one.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use registry::{DockerConfig, Mirror};
use tagwright::run::{self, Edges, Memory, Mode};
use tagwright::store::Store;
use tagwright::{config, pass};
use tokio::runtime::Runtime;

pub(crate) struct Process {
    pub(crate) runtime: Runtime,
    pub(crate) edges: Edges,
    pub(crate) memory: Memory,
    pub(crate) configuration: config::Configuration,
}

impl Process {
    /// Reads a folder with the configuration, and keeps its mirrors in another.
    pub(crate) fn start(config: PathBuf, data: PathBuf, mirrors: Vec<Mirror>) -> Self {
        let sources = config::Sources { paths: vec![config], secrets: None, ..config::Sources::default() };
        let settings = registry::Settings { mirrors, docker_config: DockerConfig::none(), ..Default::default() };
        let edges = Edges {
            registry: registry::Client::new(settings).unwrap(),
            git: git::Git::new(git::Settings::of_machine(data)).unwrap(),
            forges: forge::Forges::default(),
            store: Store::in_memory(),
        };
        let runtime = Runtime::new().unwrap();
        Self { runtime, edges, memory: Memory::default(), configuration: config::load(&sources).unwrap() }
    }

    pub(crate) fn context(&self) -> run::Context<'_> {
        let now = jiff::Timestamp::now();
        run::Context { edges: &self.edges, memory: &self.memory, mode: Mode::Push, now, summarise: false, gate: None }
    }

    /// Polls the registries and runs the automations, of which the first has to end so.
    pub(crate) fn run(&self, expected: &str) -> Duration {
        let start = Instant::now();
        let report = self.runtime.block_on(pass::once(self.context(), &self.configuration.automations));
        let took = start.elapsed();
        assert_eq!(report.automations[0].outcome.as_str(), expected, "{:?}", report.automations[0].outcome);
        took
    }
}
