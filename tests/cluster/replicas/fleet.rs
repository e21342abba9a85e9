//! A namespace with many automations, and the replicas that work on them, each a process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::Disturbance;
use super::ledger::Act;
use crate::bot::{Bot, Chance};
use crate::cluster::{Cluster, Line, Passing, Space, WITHIN, eventually};
use crate::remote::{Behaviour, Server, git};
use crate::simulated::{Registry, World as Images};
use crate::world::deployed;

/// How many images are polled in a second, all in all, by programs with all their checks: each poll is a write to the API server, too.
const POLLS: usize = 20;

/// A time in which so many automations that are behind have committed, on a busy machine.
const EACH_AUTOMATION: Duration = Duration::from_secs(2);

/// Shards, all in all.
const SHARDS: usize = 64;

/// For how long a Lease counts, so that a test need not wait for minutes.
pub(super) const DURATION: Duration = Duration::from_secs(4);

const TIMING: [&str; 3] = [
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=500ms",
];

/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A namespace with many automations, and the replicas that work on them.
pub(super) struct Fleet<'c> {
    pub(super) space: Space<'c>,
    registry: Registry,
    server: Server,
    folder: TempDir,
    pub(super) automations: usize,
    pub(super) remotes: usize,
    replicas: BTreeMap<usize, Replica>,
    /// Those that are frozen or cut off.
    out: BTreeMap<usize, Disturbance>,
    started: usize,
    token: String,
    /// The tag that is the newest of all images: `1.RELEASES.0`.
    pub(super) releases: usize,
    /// What was done to replicas.
    pub(super) acts: Vec<Act>,
    /// The smallest and the largest share that one of so many had.
    pub(super) shares: BTreeMap<usize, (usize, usize)>,
}

struct Replica {
    bot: Bot,
    line: Line,
}

impl<'c> Fleet<'c> {
    /// Without a replica.
    pub(super) async fn new(cluster: &'c Cluster, automations: usize, remotes: usize) -> Self {
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
        let fleet = Self {
            space,
            registry,
            server,
            folder,
            automations,
            remotes,
            replicas: BTreeMap::new(),
            out: BTreeMap::new(),
            started: 0,
            token,
            releases: 0,
            acts: Vec::new(),
            shares: BTreeMap::new(),
        };
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

    /// Has so many replicas share the work, all of them well.
    pub(super) async fn be(&mut self, replicas: usize) {
        while let Some(number) = self.out.keys().next().copied() {
            self.come_back(number);
        }
        while self.replicas.len() > replicas {
            let (_, mut gone) = self.replicas.pop_last().unwrap();
            assert!(block_in_place(|| gone.bot.stop()).success());
        }
        while self.replicas.len() < replicas {
            self.join().await;
        }
        self.is_fair().await;
        self.all_tell_of(replicas).await;
    }

    /// Starts one more replica, with a line and a data directory of its own.
    async fn join(&mut self) {
        let number = self.started;
        self.started += 1;
        let line = Line::to(self.space.cluster).await;
        let bot = self.launch(number, &line.url);
        self.replicas.insert(number, Replica { bot, line });
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

    fn bare(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("remote-{}.git", number % self.remotes))
    }

    /// Publishes the next tag of every image, and waits until all have committed it. Meanwhile, each when by chance so many are still behind,
    /// the disturbances come, and those replicas come back that were out before. Those that go out of it stay out until the next wave.
    pub(super) async fn wave(&mut self, disturbances: &[Disturbance], chance: &mut Chance) {
        self.release();
        let mut moment = || chance.below(self.automations + 1);
        let mut back: Vec<(usize, usize)> = self.out.keys().map(|number| (moment(), *number)).collect();
        let mut coming: Vec<(usize, Disturbance)> = disturbances.iter().map(|what| (moment(), *what)).collect();
        back.sort_unstable();
        coming.sort_unstable();
        let began = Instant::now();
        let within = WITHIN + EACH_AUTOMATION * u32::try_from(self.automations).unwrap();
        loop {
            let behind = block_in_place(|| self.behind());
            while let Some((_, number)) = back.pop_if(|(at, _)| *at >= behind) {
                self.come_back(number);
            }
            while let Some((_, what)) = coming.pop_if(|(at, _)| *at >= behind) {
                // Somebody has to go on.
                if self.well().len() == 1
                    && let Some((_, number)) = back.pop()
                {
                    self.come_back(number);
                }
                self.disturb(what, chance).await;
            }
            if behind == 0 {
                break;
            }
            assert!(began.elapsed() < within, "{behind} automations have not committed tag {}", self.releases);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let (tag, took) = (self.releases, began.elapsed().as_secs_f64());
        println!("tag {tag}, {disturbances:?}: all committed after {took:.1} s");
        self.is_fair().await;
    }

    /// Those that are neither frozen nor cut off.
    fn well(&self) -> Vec<usize> {
        self.replicas.keys().filter(|number| !self.out.contains_key(number)).copied().collect()
    }

    /// Disturbs one of those that are well.
    async fn disturb(&mut self, what: Disturbance, chance: &mut Chance) {
        let whom = chance.pick(&self.well());
        let identity = self.identity(whom).await;
        self.acts.push(Act { what, identity, at: Instant::now() });
        match what {
            Disturbance::Killed => self.replicas.remove(&whom).unwrap().bot.kill(),
            Disturbance::Stopped => {
                let mut gone = self.replicas.remove(&whom).unwrap();
                assert!(block_in_place(|| gone.bot.stop()).success());
            }
            Disturbance::Frozen => self.replicas[&whom].bot.signal("STOP"),
            Disturbance::CutOff => self.replicas[&whom].line.set(Passing::Frozen),
        }
        match what {
            Disturbance::Killed | Disturbance::Stopped => self.join().await,
            Disturbance::Frozen | Disturbance::CutOff => drop(self.out.insert(whom, what)),
        }
    }

    /// Has one that is out go on, if it still is.
    fn come_back(&mut self, number: usize) {
        match self.out.remove(&number) {
            Some(Disturbance::Frozen) => self.replicas[&number].bot.signal("CONT"),
            Some(Disturbance::CutOff) => self.replicas[&number].line.set(Passing::Open),
            _ => {}
        }
    }

    /// Waits until those that are well hold all shards, in fair shares.
    async fn is_fair(&mut self) {
        let replicas = self.well().len();
        let held = fair(&self.space, replicas).await;
        let (least, most) = (held.iter().min().copied().unwrap(), held.iter().max().copied().unwrap());
        let known = self.shares.entry(replicas).or_insert((least, most));
        *known = (known.0.min(least), known.1.max(most));
    }

    /// What a replica says over its API of those who share the work.
    async fn told(&self, replica: &Replica) -> Option<serde_json::Value> {
        let started = block_in_place(|| replica.bot.wait_for(0, WITHIN, |line| line["message"] == "started")).unwrap();
        let url = format!("http://{}/api/v1/replicas", started["listen"].as_str().unwrap());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(&url).send().await.ok()?.json().await.ok()
    }

    /// As whom the Leases name a replica.
    async fn identity(&self, number: usize) -> String {
        let look = || async {
            let told = self.told(&self.replicas[&number]).await?;
            let this = told["replicas"].as_array()?.iter().find(|row| row["isThis"] == true)?;
            Some(this["identity"].as_str()?.to_owned())
        };
        eventually("a replica tells who it is", look).await
    }

    /// Waits until each replica tells over its API that so many share the work, and what each of them has.
    async fn all_tell_of(&self, replicas: usize) {
        for replica in self.replicas.values() {
            let look = || async {
                let told = self.told(replica).await?;
                let rows = told["replicas"].as_array()?;
                let shards: u64 = rows.iter().filter_map(|row| row["shards"].as_u64()).sum();
                let ours = rows.iter().filter(|row| row["isThis"] == true && row["shards"] != 0).count();
                let is_so = told["mode"] == "shards" && rows.len() == replicas && shards == SHARDS as u64 && ours == 1;
                is_so.then_some(())
            };
            eventually("a replica tells who shares the work", look).await;
        }
    }

    /// Every selection was committed once, in their order. Returns how many commits there are.
    pub(super) fn judge(&self) -> usize {
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
pub(super) async fn shares(space: &Space<'_>) -> BTreeMap<String, usize> {
    let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for lease in leases.list(&ListParams::default()).await.unwrap() {
        let name = lease.metadata.name.unwrap_or_default();
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        if name.contains("-shard-") && !holder.is_empty() {
            *shares.entry(holder).or_default() += 1;
        }
    }
    shares
}

/// Waits until so many replicas of a namespace hold all shards, in fair shares; returns these.
pub(crate) async fn fair(space: &Space<'_>, replicas: usize) -> Vec<usize> {
    let is_fair = |shares: &Vec<usize>| {
        let fair = SHARDS as f64 / replicas as f64;
        let within = |share: &usize| (*share as f64 - fair).abs() <= fair * 0.2 + 1.0;
        shares.len() == replicas && shares.iter().sum::<usize>() == SHARDS && shares.iter().all(within)
    };
    let look = || async { Some(shares(space).await.into_values().collect()).filter(is_fair) };
    eventually(&format!("{replicas} replicas have fair shares"), look).await
}
