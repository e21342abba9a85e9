//! A registry, a remote, and a bot that runs when it is told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use registry::{Client, DockerConfig, Settings};
use tagwright::config;
use tagwright::pass;
use tagwright::run::{self, Edges, Memory, Mode, Report};
use tagwright::store::Store;
use tagwright_core::automation::Automation;

use crate::simulated::{Registry, World};
use crate::support::{self, Behaviour, Remote, Server};

const MARKER: &str = "# {\"$imagepolicy\": \"default:app\"}";

/// What a bot works with whose mirrors are in this folder.
pub(crate) fn edges(data: &Path) -> Edges {
    let git = git::Git::new(support::settings(data, &[])).unwrap();
    Edges { registry: client(), git, forges: forge::Forges::default(), store: Store::in_memory() }
}

/// A bot with a registry, a remote and a memory.
pub(crate) struct Bot {
    pub(crate) registry: Registry,
    pub(crate) remote: Remote,
    pub(crate) server: Server,
    pub(crate) edges: Edges,
    pub(crate) memory: Memory,
    pub(crate) data: tempfile::TempDir,
    /// What the bot takes for the time.
    pub(crate) now: Timestamp,
}

impl Bot {
    pub(crate) async fn start(tags: &[&str]) -> Self {
        let registry = Registry::start(World::with("team/app", tags.iter().copied())).await;
        let remote = Remote::empty();
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let data = tempfile::tempdir().unwrap();
        let edges = edges(data.path());
        let bot = Self { registry, remote, server, edges, memory: Memory::default(), data, now: Timestamp::now() };
        bot.commit("1.1.0");
        bot
    }

    /// Somebody writes this tag into the marked file.
    pub(crate) fn commit(&self, tag: &str) {
        self.remote.commit(&[("app.yaml", &self.file(tag))], "somebody's");
    }

    pub(crate) fn image(&self) -> String {
        format!("{}/team/app", self.registry.host())
    }

    pub(crate) fn file(&self, tag: &str) -> String {
        format!("image: {}:{tag} {MARKER}\n", self.image())
    }

    pub(crate) fn configuration(&self, images: &str) -> Vec<Arc<Automation>> {
        self.reading("[]", images)
    }

    pub(crate) fn reading(&self, paths: &str, images: &str) -> Vec<Arc<Automation>> {
        config::parse("configuration.yaml", &self.text(paths, images)).unwrap().automations
    }

    /// The configuration's text.
    pub(crate) fn text(&self, paths: &str, images: &str) -> String {
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop, namespace: default}}\n\
             spec:\n  interval: 5m\n  git: {{url: '{}', branch: main, paths: {paths}}}\n  images:\n  \
             - {{name: app, image: {}, {images}}}\n",
            self.server.url(),
            self.image()
        )
    }

    /// Lets so many hours pass.
    pub(crate) fn later(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    pub(crate) fn context(&self) -> run::Context<'_> {
        run::Context {
            edges: &self.edges,
            memory: &self.memory,
            mode: Mode::Push,
            now: self.now,
            summarise: false,
            gate: None,
        }
    }

    /// Runs once; returns the report and how many requests the remote saw.
    pub(crate) async fn run(&self, automations: &[Arc<Automation>]) -> (Report, usize) {
        let _earlier = self.server.seen();
        let report = pass::once(self.context(), automations).await;
        (report, self.server.seen().len())
    }

    #[track_caller]
    pub(crate) fn check(&self, (report, requests): &(Report, usize), outcome: &str, expected: usize) {
        let found = &report.automations[0].outcome;
        assert_eq!((found.as_str(), *requests), (outcome, expected), "{found:?}");
        assert_eq!(report.automations[0].branch, "main");
    }

    pub(crate) fn mirrors(&self) -> PathBuf {
        self.data.path().join("mirrors")
    }
}

/// A client without anybody's logins.
pub(crate) fn client() -> Client {
    Client::new(Settings { docker_config: DockerConfig::none(), ..Settings::default() }).unwrap()
}

/// A policy that selects the highest version below 2.
pub(crate) const STABLE: &str = "policy: {semver: {range: 1.x}}";
