//! A bot in a cluster with 2,000 image repositories, 2,000 policies and 500 automations on 20 Git remotes.
//!
//! `cargo bench --features real-cluster --bench cluster`; needs git, and kube-apiserver and etcd as the tests do
//! (`KUBEBUILDER_ASSETS`). What is measured is the process of `tagwright run --kubernetes` from outside: `VmRSS`, the CPU time that the
//! kernel says it has used, what the API server's audit log says it has written; and the time from the request for a scan of
//! an image with a new tag to the status of its policy, and to the commit.
//!
//! `cargo bench --features real-cluster --bench cluster -- 200` has a tenth of all.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

#[path = "../tests/support/bot.rs"]
mod bot;
#[path = "support/child.rs"]
mod child;
#[path = "../tests/support/cluster.rs"]
mod cluster;
#[path = "../tests/support/git.rs"]
mod remote;
#[path = "../tests/support/registry.rs"]
mod simulated;

use bot::Bot;
use cluster::{Asked, Cluster, Manifest, Space};
use remote::{Behaviour, Server, git};
use simulated::{Registry, World};

/// Image repositories, and as many policies.
const IMAGES: usize = 2_000;

/// Git remotes.
const REMOTES: usize = 20;

/// Images for each automation.
const IMAGES_OF_ONE: usize = 4;

/// Objects that are made at once.
const AT_ONCE: usize = 16;

/// How long the first pass over everything may take.
const FIRST_PASS: Duration = Duration::from_secs(1_200);

/// How long the process is looked at while nothing is due.
const WATCHED: Duration = Duration::from_secs(30);

/// How long the process must have been at rest before that.
const AT_REST: Duration = Duration::from_secs(3);

/// A process that uses less of a core than this is at rest.
const RESTING_SHARE: f64 = 0.1;

const IMAGE: &str = "image.toolkit.fluxcd.io/v1";

fn main() {
    let images = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(IMAGES);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(images, images / IMAGES_OF_ONE));
}

async fn measure(images: usize, automations: usize) {
    let cluster = Cluster::start();
    let space = Space::new(&cluster).await;
    let mut listed = World::default();
    for number in 0..images {
        listed = listed.and(&format!("team/app-{number}"), ["1.0.0"]);
    }
    let registry = Registry::start(listed).await;
    let folder = tempfile::tempdir().unwrap();
    remotes(folder.path(), &registry.host(), &space.name, images, automations);
    let server = Server::start(folder.path(), Behaviour::default()).await;
    let base = server.url().rsplit_once('/').unwrap().0.to_owned();
    create(&space, &objects(&registry.host(), &base, images, automations)).await;

    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/standalone/namespaced/rbac.yaml");
    space.apply_file(roles).await;
    let (token, user) = (space.token("tagwright").await, space.user("tagwright"));
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig(&cluster.url(), &token, &space.name)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder.path());
    command.envs(bot::allocator()).env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["run", "--log-format", "json", "--kubernetes", "--watch-all-namespaces=false"]);
    command.args(["--listen", "127.0.0.1:0"]).arg("--kubeconfig").arg(&kubeconfig);
    command.arg("--data-dir").arg(folder.path().join("data"));
    let begin = Instant::now();
    let mut bot = Bot::start(&mut command);
    for (kind, count) in [("ImageRepository", images), ("ImagePolicy", images), ("ImageUpdateAutomation", automations)]
    {
        ready(&space, kind, count, &mut bot).await;
    }
    let first = begin.elapsed();
    let writes = writes_of(&cluster, &user);
    let statuses: usize = writes.iter().filter(|(what, _)| what.contains("/status")).map(|(_, times)| times).sum();
    let passes = 2 * images + automations;
    println!("first pass over {passes} objects: {:.1} s", first.as_secs_f64());
    println!("API writes of statuses: {:.2} a pass; in all {writes:?}", statuses as f64 / passes as f64);

    // What is left to tell are events, one after the other; then nothing is due for minutes.
    let told = settle(&mut bot).await;
    println!("at rest {:.1} s after that", told.as_secs_f64());
    let (before, memory) = (child::cpu(bot.id()), child::memory(bot.id()));
    tokio::time::sleep(WATCHED).await;
    let used = child::cpu(bot.id()) - before;
    println!(
        "resident: {} MiB, {} MiB after {} s at rest (wanted: 64)",
        memory >> 10,
        child::memory(bot.id()) >> 10,
        WATCHED.as_secs()
    );
    println!("CPU at rest: {:.2}% of a core", 100.0 * used.as_secs_f64() / WATCHED.as_secs_f64());

    let (mut to_status, mut to_commit) = (Vec::new(), Vec::new());
    for number in (0..images).step_by(images / 20) {
        let (status, commit) = release(&space, &registry, folder.path(), number, automations).await;
        to_status.push(status);
        to_commit.push(commit);
    }
    to_status.sort_unstable();
    to_commit.sort_unstable();
    let median = |times: &[Duration]| times[times.len() / 2].as_millis();
    println!(
        "a new tag, scan asked for: to the policy's status {} ms, to the commit {} ms (median of 20)",
        median(&to_status),
        median(&to_commit)
    );

    let before = writes_of(&cluster, &user);
    let repositories = space.objects(&space.admin, IMAGE, "ImageRepository").await;
    let requested = format!("scan of all {}", before.values().sum::<usize>());
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": requested}}});
    let patches = (0..images).map(|number| {
        let (repositories, patch) = (repositories.clone(), patch.clone());
        async move {
            repositories.patch(&format!("app-{number}"), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap()
        }
    });
    let begin = Instant::now();
    futures_util::stream::iter(patches).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == requested.as_str();
    while repositories.list(&ListParams::default()).await.unwrap().items.iter().filter(|it| handled(it)).count()
        < images
    {
        bot.is_alive();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = begin.elapsed();
    let mut writes = writes_of(&cluster, &user);
    writes.iter_mut().for_each(|(what, times)| *times -= before.get(what).copied().unwrap_or_default());
    println!(
        "{images} scans asked for at once: {:.1} s, {:.2} API writes a scan (wanted: 1): {writes:?}",
        took.as_secs_f64(),
        writes.values().sum::<usize>() as f64 / images as f64
    );
    println!("resident in the end: {} MiB", child::memory(bot.id()) >> 10);
}

/// How often a user has written what so far; what was refused is counted by itself, with the server's answer.
fn writes_of(cluster: &Cluster, user: &str) -> BTreeMap<String, usize> {
    let mut writes = BTreeMap::new();
    for asked in cluster.asked_by(user).into_iter().filter(Asked::is_write) {
        let refusal = if asked.code >= 400 { format!(" {}", asked.code) } else { String::new() };
        *writes.entry(format!("{} {}{refusal}", asked.verb, asked.resource)).or_default() += 1;
    }
    writes
}

/// Waits until a bot is at rest; returns how long that took.
async fn settle(bot: &mut Bot) -> Duration {
    let (begin, mut used) = (Instant::now(), child::cpu(bot.id()));
    while begin.elapsed() < FIRST_PASS {
        tokio::time::sleep(AT_REST).await;
        bot.is_alive();
        let before = std::mem::replace(&mut used, child::cpu(bot.id()));
        if (used - before).as_secs_f64() < RESTING_SHARE * AT_REST.as_secs_f64() {
            return begin.elapsed() - AT_REST;
        }
    }
    panic!("it is not at rest after {FIRST_PASS:?}");
}

/// Publishes a tag and asks for a scan; returns the time to the policy's status, and to the commit.
async fn release(
    space: &Space<'_>,
    registry: &Registry,
    folder: &Path,
    number: usize,
    automations: usize,
) -> (Duration, Duration) {
    registry
        .change(|world| world.repositories.get_mut(&format!("team/app-{number}")).unwrap().push("1.1.0".to_owned()));
    let repositories = space.objects(&space.admin, IMAGE, "ImageRepository").await;
    let policies = space.objects(&space.admin, IMAGE, "ImagePolicy").await;
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}});
    let name = format!("app-{number}");
    let begin = Instant::now();
    repositories.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    while policies.get(&name).await.unwrap().data["status"]["latestRef"]["tag"] != "1.1.0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = begin.elapsed();
    let bare = folder.join(format!("remote-{}.git", (number % automations) % REMOTES));
    while !git(&bare, &["show", &format!("main:app-{number}.yaml")]).contains(":1.1.0 ") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (status, begin.elapsed())
}

/// Waits until all objects of a kind are ready.
async fn ready(space: &Space<'_>, kind: &str, count: usize, bot: &mut Bot) {
    let objects = space.objects(&space.admin, IMAGE, kind).await;
    let is_ready = |object: &DynamicObject| {
        let conditions = object.data["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True")
    };
    let deadline = Instant::now() + FIRST_PASS;
    while objects.list(&ListParams::default()).await.unwrap().items.iter().filter(|it| is_ready(it)).count() < count {
        assert!(Instant::now() < deadline, "{kind}: not ready in time");
        bot.is_alive();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The remotes, each with a file for each image of its automations.
fn remotes(folder: &Path, host: &str, namespace: &str, images: usize, automations: usize) {
    for remote in 0..REMOTES {
        let (bare, work) = (format!("remote-{remote}.git"), folder.join("work"));
        git(folder, &["init", "-q", "--bare", "-b", "main", &bare]);
        git(&folder.join(&bare), &["config", "http.receivepack", "true"]);
        git(folder, &["clone", "-q", &bare, "work"]);
        for number in (0..images).filter(|number| (number % automations) % REMOTES == remote) {
            let marker = format!("# {{\"$imagepolicy\": \"{namespace}:app-{number}\"}}");
            let text = format!("image: {host}/team/app-{number}:1.0.0 {marker}\n");
            std::fs::write(work.join(format!("app-{number}.yaml")), text).unwrap();
        }
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "-q", "--allow-empty", "-m", "first"]);
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
        std::fs::remove_dir_all(work).unwrap();
    }
}

fn objects(host: &str, base: &str, images: usize, automations: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for remote in 0..REMOTES {
        all.push(json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": format!("remote-{remote}")},
            "spec": {"url": format!("{base}/remote-{remote}.git"), "interval": "10m", "ref": {"branch": "main"}}}));
    }
    for number in 0..images {
        let (name, group) = (format!("app-{number}"), format!("group-{}", number % automations));
        all.push(json!({"apiVersion": IMAGE, "kind": "ImageRepository", "metadata": {"name": name},
            "spec": {"image": format!("{host}/team/{name}"), "interval": "10m", "insecure": true}}));
        all.push(
            json!({"apiVersion": IMAGE, "kind": "ImagePolicy", "metadata": {"name": name, "labels": {"group": group}},
            "spec": {"imageRepositoryRef": {"name": name}, "policy": {"semver": {"range": "1.x"}}}}),
        );
    }
    for number in 0..automations {
        let remote = number % REMOTES;
        all.push(json!({"apiVersion": IMAGE, "kind": "ImageUpdateAutomation", "metadata": {"name": format!("group-{number}")},
            "spec": {"interval": "10m", "sourceRef": {"kind": "GitRepository", "name": format!("remote-{remote}")},
                "policySelector": {"matchLabels": {"group": format!("group-{number}")}},
                "git": {"commit": {"author": {"email": "bot@example.com"}}}, "update": {"path": ".", "strategy": "Setters"}}}));
    }
    all
}

async fn create(space: &Space<'_>, objects: &[Value]) {
    let pieces = objects.chunks(objects.len().div_ceil(AT_ONCE)).map(|objects| {
        let manifest = Manifest(objects.to_vec()).placed(&space.name);
        async move { drop(space.cluster.apply(&manifest).await) }
    });
    futures_util::stream::iter(pieces).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
}
