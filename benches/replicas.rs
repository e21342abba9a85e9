//! Replicas that share the polls of one cluster: how many they make together, one, three and five of them.
//!
//! `cargo bench --features real-cluster --bench replicas`; needs git, and kube-apiserver and etcd as the tests do
//! (`KUBEBUILDER_ASSETS`). 1,000 image repositories are due every second, on 8 registries each of which is 20 ms away, so that there is
//! always more to poll than is polled. Each poll ends with a write to the API server, which is on the same machine, as are all replicas:
//! where its cores are busy, more replicas poll no more. The registries take as many requests as there are: replicas share what a
//! registry is asked at once, so that with its usual budget there would be no more polls of it, however many replicas there are.
//!
//! `-- --images 200 --registries 1 --latency-ms 100 --seconds 60` has it otherwise.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::{Value, json};

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "support/child.rs"]
mod child;
#[path = "../tests/support/cluster.rs"]
mod cluster;
#[path = "support/far.rs"]
mod far;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;

use bot::Bot;
use cluster::{Cluster, Manifest, Space};
use far::Way;
use simulated::{Registry, World};

/// How many replicas there are, one after the other.
const REPLICAS: [usize; 3] = [1, 3, 5];

/// Shards, all in all.
const SHARDS: usize = 64;

/// Objects that are made at once.
const AT_ONCE: usize = 16;

/// How long the first pass over everything, and each change of shares, may take.
const SETTLES_WITHIN: Duration = Duration::from_secs(1_200);

/// What each registry may be asked: more at once, and in a second, than all replicas together can.
const BUDGET: &str = "1000:10000";

/// How long the Leases count.
const TIMING: [&str; 3] =
    ["--leader-election-lease-duration=8s", "--leader-election-renew-deadline=6s", "--leader-election-retry-period=1s"];

const IMAGE: &str = "image.toolkit.fluxcd.io/v1";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str, otherwise: u64| {
        let found = arguments.windows(2).find(|pair| pair[0] == name).and_then(|pair| pair[1].parse().ok());
        found.unwrap_or(otherwise)
    };
    let (images, registries) = (given("--images", 1_000) as usize, given("--registries", 8) as usize);
    let (latency, watched) =
        (Duration::from_millis(given("--latency-ms", 20)), Duration::from_secs(given("--seconds", 30)));
    let names = (0..images).fold(World::default(), |world, number| world.and(&format!("team/app-{number}"), ["1.0.0"]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let registry = runtime.block_on(Registry::start(names));
    let port = registry.host().rsplit_once(':').unwrap().1.parse().unwrap();
    let ways: Vec<Way> = (0..registries).map(|_| Way::to(port, latency)).collect();
    let hosts: Vec<String> = ways.iter().map(|way| format!("127.0.0.1:{}", way.port)).collect();
    println!("{images} image repositories on {registries} registries, {} ms away", latency.as_millis());
    runtime.block_on(measure(images, &hosts, &registry, watched));
}

async fn measure(images: usize, hosts: &[String], registry: &Registry, watched: Duration) {
    let cluster = Cluster::start();
    let space = Space::new(&cluster).await;
    create(&space, &objects(hosts, images)).await;
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/standalone");
    for role in ["namespaced/rbac.yaml", "replicas/rbac.yaml"] {
        space.apply_file(roles.join(role)).await;
    }
    let (token, user) = (space.token("tagwright").await, space.user("tagwright"));
    let folder = tempfile::tempdir().unwrap();
    let mut bots: Vec<Bot> = Vec::new();
    for replicas in REPLICAS {
        while bots.len() < replicas {
            bots.push(start(&cluster, &space, &token, folder.path(), bots.len()));
        }
        fair(&space, &mut bots).await;
        ready(&space, images, &mut bots).await;
        let writes =
            || cluster.asked_by(&user).iter().filter(|asked| asked.resource == "imagerepositories/status").count();
        let used = |bots: &[Bot]| bots.iter().map(|bot| child::cpu(bot.id())).sum::<Duration>();
        let (began, polls, written, before) = (Instant::now(), registry.count("/tags/list"), writes(), used(&bots));
        tokio::time::sleep(watched).await;
        let took = began.elapsed().as_secs_f64();
        let (polls, cpu) = (registry.count("/tags/list") - polls, used(&bots) - before);
        println!(
            "{replicas} replicas: {:.0} polls/s, {:.0} statuses/s, {:.0}% of a core each, {} MiB at most",
            polls as f64 / took,
            (writes() - written) as f64 / took,
            100.0 * cpu.as_secs_f64() / took / replicas as f64,
            bots.iter().map(|bot| child::memory(bot.id())).max().unwrap() >> 10
        );
    }
    for bot in &mut bots {
        assert!(bot.stop().success());
    }
}

fn start(cluster: &Cluster, space: &Space<'_>, token: &str, folder: &Path, number: usize) -> Bot {
    let kubeconfig = folder.join(format!("{number}.kubeconfig"));
    std::fs::write(&kubeconfig, cluster.kubeconfig(&cluster.url(), token, &space.name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    command.envs(bot::allocator()).env("GIT_CONFIG_NOSYSTEM", "1").env("TAGWRIGHT_REGISTRY_BUDGET", BUDGET);
    command.args(["run", "--log-format", "json", "--kubernetes", "--replicas-share", "--watch-all-namespaces=false"]);
    command.args(["--listen", "127.0.0.1:0"]).args(TIMING).arg("--kubeconfig").arg(&kubeconfig);
    command.arg("--data-dir").arg(folder.join(format!("data-{number}")));
    Bot::start(&mut command)
}

/// Waits until all replicas hold all shards, in shares that differ by no more than a fifth.
async fn fair(space: &Space<'_>, bots: &mut [Bot]) {
    let replicas = bots.len();
    let leases: Api<Lease> = Api::namespaced(space.admin.clone(), &space.name);
    let deadline = Instant::now() + SETTLES_WITHIN;
    loop {
        let mut shares: BTreeMap<String, usize> = BTreeMap::new();
        for lease in leases.list(&ListParams::default()).await.unwrap() {
            let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            if lease.metadata.name.unwrap_or_default().contains("-shard-") && !holder.is_empty() {
                *shares.entry(holder).or_default() += 1;
            }
        }
        let fair = SHARDS as f64 / replicas as f64;
        let is_fair = |share: &usize| (*share as f64 - fair).abs() <= fair * 0.2 + 1.0;
        if shares.len() == replicas && shares.values().sum::<usize>() == SHARDS && shares.values().all(is_fair) {
            return println!("shares of {replicas}: {:?}", shares.values().collect::<Vec<_>>());
        }
        assert!(Instant::now() < deadline, "no fair shares: {shares:?}");
        bots.iter_mut().for_each(Bot::is_alive);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until all image repositories are ready.
async fn ready(space: &Space<'_>, images: usize, bots: &mut [Bot]) {
    let objects = space.objects(&space.admin, IMAGE, "ImageRepository").await;
    let is_ready = |object: &&DynamicObject| {
        let conditions = object.data["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
    };
    let deadline = Instant::now() + SETTLES_WITHIN;
    while objects.list(&ListParams::default()).await.unwrap().items.iter().filter(is_ready).count() < images {
        assert!(Instant::now() < deadline, "not all are ready in time");
        bots.iter_mut().for_each(Bot::is_alive);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn objects(hosts: &[String], images: usize) -> Vec<Value> {
    let object = |number: usize| {
        let (name, host) = (format!("app-{number}"), &hosts[number % hosts.len()]);
        let spec =
            json!({"image": format!("{host}/team/{name}"), "interval": "1s", "timeout": "30s", "insecure": true});
        json!({"apiVersion": IMAGE, "kind": "ImageRepository", "metadata": {"name": name}, "spec": spec})
    };
    (0..images).map(object).collect()
}

async fn create(space: &Space<'_>, objects: &[Value]) {
    let pieces = objects.chunks(objects.len().div_ceil(AT_ONCE)).map(|objects| {
        let manifest = Manifest(objects.to_vec()).placed(&space.name);
        async move { drop(space.cluster.apply(&manifest).await) }
    });
    futures_util::stream::iter(pieces).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}
