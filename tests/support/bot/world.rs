//! A registry with a number of images, a remote with their fields, and the configuration that joins them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Bot, History};
use crate::remote::{Behaviour, Remote, Server, git};
use crate::simulated::{self, Fault, Registry};

/// The threads of registry and remote.
const THREADS: usize = 2;

/// How long to wait between two looks at a condition.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A time in which any answer comes, however busy the machine is.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a person's push may take.
const SOMEBODY_WITHIN: Duration = Duration::from_secs(60);

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Image repositories; each has one policy, one file, and two fields: the image and its tag alone.
    pub(crate) images: usize,
    /// Automations on the one branch; images are dealt out to them.
    pub(crate) automations: usize,
    /// How often images are polled and automations run.
    pub(crate) interval: Duration,
    /// How long an answer of registry or remote may take.
    pub(crate) timeout: Duration,
    /// More of the `spec` of each automation, as a line of YAML.
    pub(crate) more: &'static str,
}

impl Shape {
    /// So many images and automations, polled so often.
    pub(crate) const fn new(images: usize, automations: usize, interval: Duration) -> Self {
        Self { images, automations, interval, timeout: TIMEOUT, more: "" }
    }
}

/// Servers on threads of their own, and a folder for everything.
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) registry: Registry,
    pub(crate) remote: Remote,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    runtime: Runtime,
}

impl World {
    pub(crate) fn start(shape: Shape) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let images = (0..shape.images).fold(simulated::World::default(), |world, n| world.and(&name(n), ["1.0.0"]));
        let registry = runtime.block_on(Registry::start(images));
        let remote = Remote::empty();
        let server = runtime.block_on(Server::start(remote.root.path(), Behaviour::default()));
        let world = Self { shape, registry, remote, server, folder: tempfile::tempdir().unwrap(), runtime };
        let files: Vec<(String, String)> = (0..shape.images).map(|n| (world.file(n), world.text(n, "1.0.0"))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        world.remote.commit(&files, "first");
        world.configure(&world.server.url());
        world
    }

    /// Runs something on the servers' threads.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration, with the remote at this URL.
    pub(crate) fn configure(&self, url: &str) {
        let mut text = String::new();
        for automation in 0..self.shape.automations {
            text += &self.automation(automation, url);
        }
        std::fs::create_dir_all(self.path("config")).unwrap();
        // Written aside and moved into place: a bot that watches must not read half of it.
        std::fs::write(self.path("next.yaml"), text).unwrap();
        std::fs::rename(self.path("next.yaml"), self.path("config/bot.yaml")).unwrap();
    }

    fn automation(&self, automation: usize, url: &str) -> String {
        let [interval, timeout] = [self.shape.interval, self.shape.timeout].map(|time| time.as_secs());
        let more = self.shape.more;
        let mut text = format!(
            "---\napiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\n\
             metadata: {{name: shop-{automation}, namespace: default}}\nspec:\n  interval: {interval}s\n  {more}\n  \
             git: {{url: '{url}', branch: main, paths: [apps/{automation}], timeout: {timeout}s}}\n  images:\n"
        );
        for n in (automation..self.shape.images).step_by(self.shape.automations) {
            let image = self.image(n);
            writeln!(text, "  - {{name: app-{n}, image: {image}, insecure: true, timeout: {timeout}s, policy: {{semver: {{range: 1.x}}}}}}")
                .unwrap();
        }
        text
    }

    /// The name of an image repository.
    pub(crate) fn image(&self, n: usize) -> String {
        format!("{}/{}", self.registry.host(), name(n))
    }

    /// Where the fields of an image are.
    pub(crate) fn file(&self, n: usize) -> String {
        format!("apps/{}/app-{n}.yaml", n % self.shape.automations)
    }

    /// What the file says.
    pub(crate) fn text(&self, n: usize, tag: &str) -> String {
        let marker = |field: &str| format!("# {{\"$imagepolicy\": \"default:app-{n}{field}\"}}");
        let (image, whole, alone) = (self.image(n), marker(""), marker(":tag"));
        format!("kind: Settings\nname: app-{n}\nimage: {image}:{tag} {whole}\ntag: {tag} {alone}\n")
    }

    /// The command of a bot with a data folder of its own, which logs all that it does.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.quiet_command(name);
        command.arg("-vv");
        command
    }

    /// The same with the log that a bot has by default.
    pub(crate) fn quiet_command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.args(["run", "--log-format", "json", "--config"]).arg(self.path("config"));
        command.arg("--data-dir").arg(self.data(name)).current_dir(self.folder.path());
        command
    }

    /// The data folder of a bot.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path(&format!("data-{name}"))
    }

    /// Starts a bot.
    pub(crate) fn bot(&self, name: &str) -> Bot {
        Bot::start(&mut self.command(name))
    }

    /// Starts a bot whose requests to the registry begin with its name.
    pub(crate) fn named_bot(&self, name: &str) -> Bot {
        let mirror = format!("{}={}/{name}", self.registry.host(), self.registry.url());
        Bot::start(self.command(name).args(["--registry-mirror", &mirror]))
    }

    /// How often the tags of an image were asked for since a moment.
    pub(crate) fn polls(&self, n: usize, since: Instant) -> usize {
        let path = format!("/v2/{}/tags/list", name(n));
        self.registry.seen().iter().filter(|seen| seen.path.ends_with(&path) && seen.at > since).count()
    }

    /// Changes the tags of an image.
    pub(crate) fn change_tags(&self, n: usize, change: impl FnOnce(&mut Vec<String>)) {
        self.registry.change(|world| change(world.repositories.get_mut(&name(n)).unwrap()));
    }

    /// Answers every request for the tags of an image with this, or as usual again.
    pub(crate) fn answer(&self, n: usize, fault: Option<Fault>) {
        let path = format!("/v2/{}/tags/list", name(n));
        self.registry.change(|world| {
            world.broken.remove(&path);
            world.broken.extend(fault.map(|fault| (path, fault)));
        });
    }

    /// Whether the branch has this tag in the fields of an image.
    pub(crate) fn says(&self, n: usize, patch: usize) -> bool {
        self.remote.show(&format!("main:{}", self.file(n))) == self.text(n, &format!("1.0.{patch}"))
    }

    /// What a running bot says about itself; none when it cannot be asked yet.
    pub(crate) fn status(&self, name: &str) -> Option<serde_json::Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        let data = self.data(name);
        let told = command.args(["status", "--output", "json", "--data-dir"]).arg(data).output().unwrap();
        // What it says without a bot is what an earlier one has left.
        (told.status.success() && told.stderr.is_empty()).then(|| serde_json::from_slice(&told.stdout).unwrap())
    }

    /// Releases the next tag of an image; returns its patch number.
    pub(crate) fn release(&self, n: usize) -> usize {
        let mut patch = 0;
        self.registry.change(|world| {
            let tags = world.repositories.get_mut(&name(n)).unwrap();
            patch = tags.len();
            tags.push(format!("1.0.{patch}"));
        });
        patch
    }

    /// The newest patch numbers of all images.
    pub(crate) fn newest(&self) -> Vec<usize> {
        let mut newest = Vec::new();
        self.registry.change(|world| {
            newest = (0..self.shape.images).map(|n| world.repositories[&name(n)].len().saturating_sub(1)).collect();
        });
        newest
    }

    /// Whether the branch says the newest tag of each image, in both fields.
    pub(crate) fn is_current(&self) -> bool {
        let fields = git(&self.remote.bare(), &["grep", "--fixed-strings", "$imagepolicy", "main", "--"]);
        let fields: BTreeSet<&str> = fields.lines().collect();
        let is = |(n, patch): (usize, &usize)| {
            let text = self.text(n, &format!("1.0.{patch}"));
            let file = self.file(n);
            let mut marked = text.lines().filter(|line| line.contains("$imagepolicy"));
            marked.all(|line| fields.contains(format!("main:{file}:{line}").as_str()))
        };
        self.newest().iter().enumerate().all(is)
    }

    /// Somebody commits a file on top of the branch, as often as it takes among bots that push as well.
    pub(crate) fn somebody(&self, path: &str, text: &str) {
        let work = self.remote.work();
        eventually("somebody's push is the faster one", SOMEBODY_WITHIN, || {
            git(&work, &["fetch", "-q", "origin"]);
            git(&work, &["reset", "-q", "--hard", "origin/main"]);
            std::fs::write(work.join(path), text).unwrap();
            git(&work, &["add", "-A"]);
            git(&work, &["commit", "-q", "-m", text]);
            let push = Command::new("git").args(["push", "-q", "origin", "HEAD"]).current_dir(&work).output();
            push.unwrap().status.success()
        });
    }

    /// The branch as it is now.
    pub(crate) fn history(&self) -> History {
        History::read(&self.remote.bare(), "main")
    }
}

fn name(n: usize) -> String {
    format!("shop/app-{n}")
}

/// Waits until something is so; panics when it does not come about.
#[track_caller]
pub(crate) fn eventually(what: &str, within: Duration, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !is() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}
