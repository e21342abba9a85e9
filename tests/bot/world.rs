//! A registry, a remote, and a bot on clocks that the test drives.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use registry::{Client, DockerConfig, Settings as RegistrySettings};
use tagwright::config;
use tagwright::run::Edges;
use tagwright::schedule::{Bot, Handle, Settings};
use tagwright::store::Store;
use tagwright::wire::status::{AutomationStatus, Status};
use tagwright_core::automation::Automation;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::simulated::{Registry, World as Listed};
use crate::support::{self, Behaviour, Remote, Server};

/// Repositories of the registry: `team/app-0`, `team/app-1`, …
pub(crate) const IMAGES: usize = 6;

/// A registry with [`IMAGES`] repositories and a remote with a file for each.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) remote: Remote,
    pub(crate) server: Server,
    pub(crate) data: tempfile::TempDir,
    clock: Clock,
    /// Keeps a thread busy: tokio moves a paused clock by itself only while none is.
    _busy: mpsc::Sender<()>,
}

/// A wall clock that goes with tokio's, and can be set.
#[derive(Clone)]
pub(crate) struct Clock {
    start: Instant,
    offset: Arc<AtomicI64>,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), offset: Arc::new(AtomicI64::new(0)) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
        start + self.start.elapsed() + SignedDuration::from_secs(self.offset.load(Ordering::SeqCst))
    }

    /// Sets it forward or back.
    pub(crate) fn jump(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let mut listed = Listed::default();
        for number in 0..IMAGES {
            listed = listed.and(&format!("team/app-{number}"), ["1.0.0"]);
        }
        let registry = Registry::start(listed).await;
        let remote = Remote::empty();
        for number in 0..IMAGES {
            let text = line(&registry, number, "1.0.0");
            remote.commit(&[(&format!("app-{number}.yaml"), text.as_str())], "somebody's");
        }
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let (busy, end) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || end.recv());
        Self { registry, remote, server, data: tempfile::tempdir().unwrap(), clock: Clock::new(), _busy: busy }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// An automation for some of the images, on the remote of this URL.
    pub(crate) fn automation(&self, name: &str, url: &str, images: std::ops::Range<usize>) -> Vec<Arc<Automation>> {
        let images: String = images
            .map(|number| {
                let image = format!("{}/team/app-{number}", self.registry.host());
                format!(
                    "  - {{name: {name}-{number}, image: {image}, interval: 1m, policy: {{semver: {{range: 1.x}}}}}}\n"
                )
            })
            .collect();
        let text = format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}, namespace: default}}\n\
             spec:\n  interval: 1m\n  git: {{url: '{url}', branch: main}}\n  images:\n{images}"
        );
        config::parse("configuration.yaml", &text).unwrap().automations
    }

    pub(crate) fn edges(&self) -> Edges {
        let settings = RegistrySettings { docker_config: DockerConfig::none(), ..RegistrySettings::default() };
        let git = git::Git::new(support::settings(self.data.path(), &[])).unwrap();
        Edges {
            registry: Client::new(settings).unwrap(),
            git,
            forges: forge::Forges::default(),
            store: Store::in_memory(),
        }
    }

    /// The name of an image repository.
    pub(crate) fn image(&self, number: usize) -> String {
        format!("{}/team/app-{number}", self.registry.host())
    }

    /// Settings on this world's clock.
    pub(crate) fn settings(&self) -> Settings {
        let clock = self.clock.clone();
        Settings { clock: Arc::new(move || clock.now()), seed: 7, ..Settings::default() }
    }

    /// Starts a bot.
    pub(crate) fn bot(&self, automations: Vec<Arc<Automation>>, settings: Settings) -> (JoinHandle<()>, Handle) {
        let (bot, handle) = Bot::new(self.edges(), automations, settings);
        (tokio::spawn(bot.run()), handle)
    }

    pub(crate) fn release(&self, number: usize, tag: &str) {
        let name = format!("team/app-{number}");
        self.registry.change(|world| world.repositories.get_mut(&name).unwrap().push(tag.to_owned()));
    }

    /// The tag in the file of an image.
    pub(crate) fn tag(&self, number: usize) -> String {
        let file = self.remote.show(&format!("main:app-{number}.yaml"));
        file.split('#').next().unwrap().trim().rsplit(':').next().unwrap().to_owned()
    }

    pub(crate) fn commits(&self) -> usize {
        support::git(&self.remote.bare(), &["rev-list", "--count", "main"]).trim().parse().unwrap()
    }
}

/// A file of the remote.
fn line(registry: &Registry, number: usize, tag: &str) -> String {
    let markers = ["shop", "web"].map(|name| format!("{{\"$imagepolicy\": \"default:{name}-{number}\"}}"));
    let marker = if number < IMAGES / 2 { &markers[0] } else { &markers[1] };
    format!("image: {}/team/app-{number}:{tag} # {marker}\n", registry.host())
}

/// Lets time pass, second by second; whatever becomes due is done before the next.
pub(crate) async fn pass(handle: &Handle, time: Duration) {
    for _ in 0..time.as_secs() {
        tokio::time::advance(Duration::from_secs(1)).await;
        handle.settled().await;
    }
}

/// The row of an automation.
pub(crate) fn row<'s>(status: &'s Status, name: &str) -> &'s AutomationStatus {
    status.automations.iter().find(|row| row.name == name).unwrap()
}
