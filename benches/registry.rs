//! Lists the tags of 2,000 repositories of 20 tags, 8 in flight, on Debian's docker-registry, beside one `curl` process that
//! fetches the same list with `--parallel --parallel-max 8`. Then the same with a way of 20 ms between them, there and back, beside
//! curl and beside what cannot be less: 20 ms for each of the requests that follow each other.
//!
//! Then one list of 100,000 tags in pages of 100 and of 1,000, beside `skopeo list-tags`: time and memory of both processes.
//!
//! `cargo bench --bench registry`, or with `-- long` the last part alone; needs the Debian packages docker-registry and curl, which `tests/run` installs. A last
//! pass against a registry that logs every request counts connections and pings.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use image::Repository;
use registry::{Budget, Budgets, Client, DockerConfig, Settings};

#[path = "support/child.rs"]
mod child;
#[path = "support/far.rs"]
mod far;
#[path = "../tests/support/registry.rs"]
mod simulated;
#[path = "support/table.rs"]
mod table;

use child::Server;

const REPOSITORIES: usize = 2_000;
const TAGS: usize = 20;
const IN_FLIGHT: usize = 8;
const ROUNDS: usize = 7;

/// How long a request and its answer are under way, in the part that adds this.
const UNDER_WAY: Duration = Duration::from_millis(20);
const SLOW_ROUNDS: usize = 2;

/// Tags of the one long list, and how often it is asked for.
const MANY: usize = 100_000;
const LONG_ROUNDS: usize = 3;

fn main() {
    let what = format!("{REPOSITORIES} repositories of {TAGS} tags, {IN_FLIGHT} in flight");
    table::head();
    if std::env::args().any(|argument| argument == "long") {
        return long_lists(tempfile::tempdir().unwrap().path());
    }
    for program in ["docker-registry", "curl"] {
        if !child::is_installed(program) {
            return table::not_measured(&what, &format!("install the Debian package {program}"));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("storage"));

    let registry = Registry::start(folder.path(), "error");
    let (ours, theirs) = table::turns(ROUNDS, || poll(registry.port), || curl(folder.path(), registry.port));
    table::row(&what, ours, "curl --parallel --parallel-max 8", theirs, 1.2);
    let far = far::Way::to(registry.port, UNDER_WAY);
    let (ours, theirs) = table::turns(SLOW_ROUNDS, || poll(far.port), || curl(folder.path(), far.port));
    table::row("  the same, 20 ms away", ours, "curl --parallel --parallel-max 8", theirs, 1.2);
    let least = UNDER_WAY * u32::try_from(REPOSITORIES / IN_FLIGHT).unwrap();
    table::row("  the same, beside 20 ms for every eight", ours, "what cannot be less", least, 1.2);
    drop((far, registry));

    let registry = Registry::start(folder.path(), "info");
    poll(registry.port);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    let pings = log.lines().filter(|line| line.contains("\"GET /v2/ ")).count();
    let connections: HashSet<&str> = log.lines().filter_map(|line| field(line, "http.request.remoteaddr=")).collect();
    // One more than the slots: the question whether the host speaks HTTPS, asked once for each host.
    table::amount("connections", connections.len() as u64, IN_FLIGHT as u64 + 1, "");
    table::amount("pings", pings as u64, 1, "");
    long_lists(folder.path());
}

/// One long list, with `select` and with skopeo, each a process from start to exit.
fn long_lists(home: &Path) {
    if !child::is_installed("skopeo") {
        return table::not_measured("a list of 100,000 tags", "install the Debian package skopeo");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for size in [100, 1_000] {
        // In the order of their names, as registries give them.
        let tags: Vec<String> = (0..MANY).map(|n| format!("1.{n:06}")).collect();
        let world = simulated::World::with("team/app", tags).paged(size, simulated::Links::Relative);
        let registry = runtime.block_on(simulated::Registry::start(world));
        let image = format!("{}/team/app", registry.host());
        let ours = || {
            let mut command = child::command(env!("CARGO_BIN_EXE_tagwright"), home);
            command.args(["select", "--alphabetical", "asc", "--insecure", "--image", &image]);
            command.env(Budgets::VARIABLE, "16:10000");
            command
        };
        let theirs = || {
            let mut command = child::command("skopeo", home);
            command.args(["list-tags", "--tls-verify=false", &format!("docker://{image}")]);
            command
        };
        let (our_time, their_time) =
            table::turns(LONG_ROUNDS, || child::run(&mut ours()), || child::run(&mut theirs()));
        table::row(&format!("{MANY} tags in pages of {size}"), our_time, "skopeo list-tags", their_time, 1.0);
        let (our_peak, their_peak) = (child::peak(&mut ours()), child::peak(&mut theirs()));
        table::amount("  its peak memory, beside a quarter of skopeo's", our_peak, their_peak / 4, "KiB");
    }
}

/// Asks for the same lists with one curl.
fn curl(folder: &Path, port: u16) -> Duration {
    let list = folder.join(format!("list-{port}"));
    let url = |n| format!("url = \"http://127.0.0.1:{port}/v2/{}/tags/list\"\noutput = /dev/null\n", name(n));
    fs::write(&list, (0..REPOSITORIES).map(url).collect::<String>()).unwrap();
    let parallel = ["--silent", "--fail", "--parallel", "--parallel-max", &IN_FLIGHT.to_string(), "--config"];
    child::run(child::command("curl", folder).args(parallel).arg(&list))
}

/// Polls every repository with a client of its own, as a run that starts does.
fn poll(port: u16) -> Duration {
    let start = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings {
        docker_config: DockerConfig::none(),
        budgets: Budgets::of_each(Budget { at_once: IN_FLIGHT, a_second: usize::MAX }),
        ..Settings::default()
    };
    let client = &Client::new(settings).unwrap();
    let access = &access();
    let polls = futures_util::stream::iter(0..REPOSITORIES).map(|n| async move {
        let repository = Repository::parse(&format!("127.0.0.1:{port}/{}", name(n))).unwrap();
        client.tags(&repository, access).await.unwrap().tags.len()
    });
    let tags = runtime.block_on(polls.buffer_unordered(IN_FLIGHT).fold(0, |sum, tags| async move { sum + tags }));
    assert_eq!(tags, REPOSITORIES * TAGS);
    start.elapsed()
}

fn access() -> access::Registry {
    let tls = access::Tls::default();
    access::Registry {
        logins: Vec::new(),
        provider: None,
        account: None,
        tls,
        proxy: None,
        insecure: false,
        timeout: Duration::from_secs(60),
    }
}

fn name(n: usize) -> String {
    format!("team-{:02}/app-{n:04}", n % 50)
}

/// Writes what docker-registry keeps of tags, which is all that listing them reads.
fn fill(storage: &Path) {
    let digest = "0".repeat(64);
    for n in 0..REPOSITORIES {
        for tag in 0..TAGS {
            let repository = storage.join("docker/registry/v2/repositories").join(name(n));
            let current = repository.join(format!("_manifests/tags/1.{tag}.0/current"));
            fs::create_dir_all(&current).unwrap();
            fs::write(current.join("link"), format!("sha256:{digest}")).unwrap();
        }
    }
}

struct Registry {
    _server: Server,
    port: u16,
}

impl Registry {
    fn start(folder: &Path, level: &str) -> Self {
        let port = child::free_port();
        let settings = format!(
            "version: 0.1\nlog: {{level: {level}, accesslog: {{disabled: {}}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}', secret: bench}}\n",
            level == "error",
            folder.join("storage").display()
        );
        let path = folder.join("config.yml");
        fs::write(&path, settings).unwrap();
        let mut command = child::command("docker-registry", folder);
        let server = Server::start(command.arg("serve").arg(path), port, &folder.join("log"));
        Self { _server: server, port }
    }
}

/// The value of a field of a log line.
fn field<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(name)?;
    Some(rest.trim_start_matches('"').split(['"', ' ']).next().unwrap_or(rest))
}
