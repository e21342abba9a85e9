//! Replicas that share the work, as processes: killed, frozen, cut off, more of them and fewer. Each selection is committed once.
//!
//! `TAGWRIGHT_DISTURBANCES` makes it as many disturbances as it says, `TAGWRIGHT_AUTOMATIONS` as many automations, and
//! `TAGWRIGHT_REMOTES` spreads them over as many remotes. With more automations there is more time for everything, and images are
//! polled at longer intervals.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use tempfile::TempDir;

use crate::bot::{Bot, Chance};
use crate::cluster::{Cluster, Line, Passing, Space, WITHIN, eventually};
use crate::remote::{Behaviour, Server, git};
use crate::simulated::{Registry, World as Images};
use crate::world::deployed;

/// Git remotes, automations and disturbances, where nobody says how many.
const REMOTES: usize = 6;
const AUTOMATIONS: usize = 12;

/// How many images are polled in a second, all in all, by programs with all their checks: each poll is a write to the API server, too.
const POLLS: usize = 20;

/// A time in which so many automations that are behind have committed, on a busy machine.
const EACH_AUTOMATION: Duration = Duration::from_secs(2);

/// Shards, all in all.
const SHARDS: usize = 64;

/// The Leases count for so long, so that a test need not wait for minutes.
const TIMING: [&str; 3] = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A namespace with many automations, and the replicas that work on them.
struct Fleet<'c> {
    space: Space<'c>,
    registry: Registry,
    server: Server,
    folder: TempDir,
    automations: usize,
    remotes: usize,
    replicas: BTreeMap<usize, Replica>,
    started: usize,
    token: String,
    /// The tag that is the newest of all images: `1.RELEASES.0`.
    releases: usize,
}

struct Replica {
    bot: Bot,
    line: Line,
}

impl<'c> Fleet<'c> {
    async fn new(cluster: &'c Cluster, automations: usize, remotes: usize) -> Self {
        let space = Space::new(cluster).await;
        let mut images = Images::default();
        for number in 0..automations {
            images = images.and(&format!("team/app-{number}"), ["1.0.0"]);
        }
        let registry = Registry::start(images).await;
        let folder = tempfile::tempdir().unwrap();
        for remote in 0..remotes {
            git(folder.path(), &["init", "-q", "--bare", "-b", "main", &format!("remote-{remote}.git")]);
            git(&folder.path().join(format!("remote-{remote}.git")), &["config", "http.receivepack", "true"]);
        }
        let server = Server::start(folder.path(), Behaviour::default()).await;
        space.apply_file(deployed("standalone/namespaced/rbac.yaml")).await;
        space.apply_file(deployed("standalone/replicas/rbac.yaml")).await;
        let token = space.token("tagwright").await;
        let (replicas, started) = (BTreeMap::new(), 0);
        let releases = 0;
        let fleet = Self { space, registry, server, folder, automations, remotes, replicas, started, token, releases };
        fleet.files();
        fleet.objects().await;
        fleet
    }

    /// The first commit of each remote: a file for each automation.
    fn files(&self) {
        for remote in 0..self.remotes {
            let work = self.folder.path().join("work");
            git(self.folder.path(), &["clone", "-q", &format!("remote-{remote}.git"), "work"]);
            for number in (0..self.automations).filter(|number| number % self.remotes == remote) {
                std::fs::create_dir_all(work.join(format!("app-{number}"))).unwrap();
                let (host, namespace) = (self.registry.host(), &self.space.name);
                let marker = format!("# {{\"$imagepolicy\": \"{namespace}:app-{number}\"}}");
                let text = format!("image: {host}/team/app-{number}:1.0.0 {marker}\n");
                std::fs::write(work.join(format!("app-{number}/app.yaml")), text).unwrap();
            }
            git(&work, &["add", "--all"]);
            git(&work, &["commit", "-q", "--allow-empty", "-m", "first"]);
            git(&work, &["push", "-q", "origin", "HEAD:main"]);
            std::fs::remove_dir_all(work).unwrap();
        }
    }

    async fn objects(&self) {
        let mut text = String::new();
        let (host, url) = (self.registry.host(), self.server.url());
        let base = url.rsplit_once('/').unwrap().0;
        let interval = self.interval().as_secs();
        let waves = interval.max(10);
        for remote in 0..self.remotes {
            text += &format!(
                "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: remote-{remote}}}\n\
                 spec: {{url: '{base}/remote-{remote}.git', interval: 1h, ref: {{branch: main}}}}\n"
            );
        }
        for number in 0..self.automations {
            let remote = number % self.remotes;
            text += &format!(
                "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {{name: app-{number}}}\n\
                 spec: {{image: '{host}/team/app-{number}', interval: {interval}s, timeout: 30s, insecure: true}}\n\
                 ---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: app-{number}, labels: {{app: app-{number}}}}}\n\
                 spec: {{imageRepositoryRef: {{name: app-{number}}}, policy: {{semver: {{range: 1.x}}}}}}\n\
                 ---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: app-{number}}}\n\
                 spec: {{interval: {waves}s, sourceRef: {{kind: GitRepository, name: remote-{remote}}},\n  \
                 policySelector: {{matchLabels: {{app: app-{number}}}}},\n  \
                 git: {{commit: {{author: {{email: bot@example.com}}}}}}, update: {{path: ./app-{number}, strategy: Setters}}}}\n"
            );
        }
        self.space.apply(&text).await;
    }

    /// How often each image is polled.
    fn interval(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.automations / POLLS).unwrap().max(2))
    }

    /// Starts one more replica, with a line and a data directory of its own.
    async fn join(&mut self) -> usize {
        let number = self.started;
        self.started += 1;
        let line = Line::to(self.space.cluster).await;
        let bot = self.launch(number, &line.url);
        self.replicas.insert(number, Replica { bot, line });
        number
    }

    fn launch(&self, number: usize, url: &str) -> Bot {
        let kubeconfig = self.folder.path().join(format!("{number}.kubeconfig"));
        std::fs::write(&kubeconfig, self.space.cluster.kubeconfig(url, &self.token, &self.space.name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.args(["run", "--log-format", "json", "--kubernetes", "--replicas-share", "--listen", "127.0.0.1:0"]);
        command.arg("--watch-all-namespaces=false").args(TIMING);
        command.arg("--kubeconfig").arg(kubeconfig);
        command.arg("--data-dir").arg(self.folder.path().join(format!("data-{number}")));
        Bot::start(&mut command)
    }

    /// Publishes the next tag of every image.
    fn release(&mut self) {
        self.releases += 1;
        let tag = format!("1.{}.0", self.releases);
        self.registry.change(|world| {
            for repository in world.repositories.values_mut() {
                repository.push(tag.clone());
            }
        });
    }

    /// How many automations have not committed the newest tag yet.
    fn behind(&self) -> usize {
        let newest = format!(":1.{}.0 ", self.releases);
        let committed = |remote: usize| {
            let found =
                Command::new("git").current_dir(self.bare(remote)).args(["grep", "-c", "-F", &newest, "main"]).output();
            String::from_utf8(found.unwrap().stdout).unwrap().lines().count()
        };
        self.automations - (0..self.remotes).map(committed).sum::<usize>()
    }

    fn bare(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("remote-{}.git", number % self.remotes))
    }

    async fn caught_up(&self, what: &str) {
        let began = Instant::now();
        let within = WITHIN + EACH_AUTOMATION * u32::try_from(self.automations).unwrap();
        while self.behind() > 0 {
            assert!(began.elapsed() < within, "{} automations have not committed after {what}", self.behind());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        println!("{what}: all committed after {:.1} s", began.elapsed().as_secs_f64());
    }

    async fn fair(&self, replicas: usize) {
        fair(&self.space, replicas).await;
    }

    /// Waits until each replica tells over its API that so many share the work, and what each of them has.
    async fn all_tell_of(&self, replicas: usize) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for replica in self.replicas.values() {
            let started =
                replica.bot.wait_for(0, Duration::from_secs(30), |line| line["message"] == "started").unwrap();
            let url = format!("http://{}/api/v1/replicas", started["listen"].as_str().unwrap());
            let told = || async {
                let told: serde_json::Value = client.get(&url).send().await.ok()?.json().await.ok()?;
                let rows = told["replicas"].as_array()?;
                let shards: u64 = rows.iter().filter_map(|row| row["shards"].as_u64()).sum();
                let ours = rows.iter().filter(|row| row["isThis"] == true && row["shards"] != 0).count();
                let is_so = told["mode"] == "shards" && rows.len() == replicas && shards == SHARDS as u64 && ours == 1;
                is_so.then_some(())
            };
            eventually("a replica tells who shares the work", told).await;
        }
    }

    /// Every selection was committed once, in their order. Returns how many commits there are.
    fn judge(&self) -> usize {
        let mut tags: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut commits = 0;
        for remote in 0..self.remotes.min(self.automations) {
            git(&self.bare(remote), &["fsck", "--strict"]);
            let log = git(
                &self.bare(remote),
                &["log", "--reverse", "--format=tformat:commit", "--patch", "--unified=0", "main"],
            );
            let mut path = "";
            for line in log.lines() {
                match line.strip_prefix("+++ b/") {
                    Some(file) => path = file,
                    None if line == "commit" => commits += 1,
                    None if line.starts_with("+image: ") => {
                        let tag = line.split(":1.").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
                        tags.entry(path.to_owned()).or_default().push(tag.parse().unwrap());
                    }
                    None => {}
                }
            }
        }
        assert_eq!(tags.len(), self.automations);
        for (path, tags) in tags {
            // Each was waited for, so that none was passed over.
            assert_eq!(tags, (0..=self.releases).collect::<Vec<_>>(), "{path}");
        }
        commits
    }
}

/// How many shards each holder has.
async fn shares(space: &Space<'_>) -> Vec<usize> {
    let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for lease in leases.list(&ListParams::default()).await.unwrap() {
        let name = lease.metadata.name.unwrap_or_default();
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        if name.contains("-shard-") && !holder.is_empty() {
            *shares.entry(holder).or_default() += 1;
        }
    }
    shares.into_values().collect()
}

/// Waits until so many replicas of a namespace hold all shards, in fair shares.
pub(crate) async fn fair(space: &Space<'_>, replicas: usize) {
    let is_fair = |shares: &Vec<usize>| {
        let fair = SHARDS as f64 / replicas as f64;
        let within = |share: &usize| (*share as f64 - fair).abs() <= fair * 0.2 + 1.0;
        shares.len() == replicas && shares.iter().sum::<usize>() == SHARDS && shares.iter().all(within)
    };
    let look = || async { Some(shares(space).await).filter(is_fair) };
    eventually(&format!("{replicas} replicas have fair shares"), look).await;
}

/// What happens to a replica.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Killed,
    Frozen,
    CutOff,
    Stopped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_come_and_go_and_each_selection_is_committed_once() {
    const ALL: [Disturbance; 4] = [Disturbance::Killed, Disturbance::Frozen, Disturbance::CutOff, Disturbance::Stopped];
    let automations = from_environment("TAGWRIGHT_AUTOMATIONS", AUTOMATIONS);
    let disturbances = from_environment("TAGWRIGHT_DISTURBANCES", ALL.len());
    let mut fleet = Fleet::new(Cluster::shared(), automations, from_environment("TAGWRIGHT_REMOTES", REMOTES)).await;
    fleet.join().await;
    fleet.release();
    fleet.caught_up("the first start").await;
    fleet.join().await;
    fleet.join().await;
    fleet.fair(3).await;
    fleet.all_tell_of(3).await;
    fleet.release();
    fleet.caught_up("three replicas have shares").await;

    let mut chance = Chance::new(26);
    for round in 0..disturbances {
        let what = ALL[round % ALL.len()];
        let whom = chance.pick(&fleet.replicas.keys().copied().collect::<Vec<_>>());
        fleet.release();
        match what {
            Disturbance::Killed => {
                let mut gone = fleet.replicas.remove(&whom).unwrap();
                gone.bot.kill();
                fleet.join().await;
            }
            Disturbance::Frozen => {
                fleet.replicas[&whom].bot.signal("STOP");
                fleet.caught_up("one is frozen").await;
                fleet.fair(2).await;
                fleet.release();
                fleet.replicas[&whom].bot.signal("CONT");
            }
            Disturbance::CutOff => {
                fleet.replicas[&whom].line.set(Passing::Frozen);
                fleet.caught_up("one is cut off").await;
                fleet.fair(2).await;
                fleet.release();
                fleet.replicas[&whom].line.set(Passing::Open);
            }
            Disturbance::Stopped => {
                let mut gone = fleet.replicas.remove(&whom).unwrap();
                assert!(gone.bot.stop().success());
                fleet.join().await;
            }
        }
        fleet.caught_up(&format!("round {round}: {what:?}")).await;
        fleet.fair(3).await;
    }

    for _ in 0..2 {
        fleet.join().await;
    }
    fleet.fair(5).await;
    fleet.release();
    fleet.caught_up("there are five").await;
    while fleet.replicas.len() > 1 {
        let (_, mut gone) = fleet.replicas.pop_last().unwrap();
        assert!(gone.bot.stop().success());
    }
    fleet.fair(1).await;
    fleet.release();
    fleet.caught_up("there is one again").await;
    let commits = fleet.judge();
    println!("{automations} automations, {disturbances} disturbances, {} tags, {commits} commits", fleet.releases);
}
