//! The API, the metrics and the server for assistants, judged by what others have written: schemathesis asks whatever the OpenAPI document
//! allows and what it does not, prometheus-client reads the metrics, the official client of MCP meets `tagwright mcp`, and OpenTelemetry's own
//! messages read traces.
//!
//! Needs what `tests/python/provide` prints, in `TAGWRIGHT_TEST_PYTHON`; `tests/run` sets it, or says loudly that these tests do not run.

#![allow(clippy::unwrap_used)]

#[path = "../support/bot.rs"]
mod bot;
#[path = "../support/collector.rs"]
mod collector;
#[path = "../support/git.rs"]
mod remote;
#[path = "../support/registry.rs"]
mod simulated;

mod mcp;
mod traces;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use bot::{Bot, Shape, World, eventually};

/// What is asked is what there is; nothing else happens meanwhile.
const SHAPE: Shape = Shape::new(4, 2, Duration::from_secs(3600));

/// How long the bot may take until it has run once.
const WITHIN: Duration = Duration::from_secs(60);

/// A token that may act.
const TOKEN: &str = "acts";

/// A token that may not.
const READS: &str = "reads";

struct Site {
    world: World,
    bot: Bot,
    base: String,
}

impl Site {
    fn start() -> Self {
        let world = World::start(SHAPE);
        let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let tokens = format!("ann act {}\ngrafana read {}\n", hash(TOKEN), hash(READS));
        std::fs::write(world.path("tokens"), tokens).unwrap();
        let mut command = world.command("bot");
        command.args(["--listen", "127.0.0.1:0", "--api-token-file"]).arg(world.path("tokens"));
        let bot = Bot::start(&mut command);
        let started = bot.wait_for(0, WITHIN, |line| line["message"] == "started").unwrap();
        let base = format!("http://{}", started["listen"].as_str().unwrap());
        let site = Self { world, bot, base };
        eventually("everything has run once", WITHIN, || {
            let status: Value = serde_json::from_str(&site.get("/api/v1/status")).unwrap();
            status["automations"].as_array().unwrap().iter().all(|it| !it["lastRun"].is_null())
        });
        site
    }

    fn get(&self, path: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        self.world.block_on(async {
            let response = client.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap();
            response.error_for_status().unwrap().text().await.unwrap()
        })
    }
}

/// The programs of the virtual environment.
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("TAGWRIGHT_TEST_PYTHON").map(PathBuf::from);
    folder.expect("TAGWRIGHT_TEST_PYTHON is what tests/python/provide prints").join("bin").join(name)
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_have() {
    let mut site = Site::start();
    let document = site.world.path("openapi.json");
    std::fs::write(&document, site.get("/api/v1/openapi.json")).unwrap();
    let mut command = Command::new(program("schemathesis"));
    command.arg("run").arg(&document).args([
        "--url",
        &site.base,
        "--header",
        &format!("Authorization: Bearer {TOKEN}"),
    ]);
    // What has no end cannot be judged by its end, and what a plan finds is its remote's business.
    command.args(["--exclude-path", "/api/v1/events", "--exclude-path-regex", "/pending$"]);
    // A seed, so that what is found is found again; and no more than a few minutes.
    command.args([
        "--checks",
        "all",
        "--max-examples",
        "40",
        "--seed",
        "14",
        "--generation-deterministic",
        "--workers",
        "1",
    ]);
    // An order that is repeated, or given to something that is not there, is no fault of who gives it.
    command.args(["--exclude-checks", "positive_data_acceptance,ensure_resource_availability"]);
    command.args(["--no-color", "--request-timeout", "30"]).current_dir(site.world.folder.path());
    command.env("HYPOTHESIS_STORAGE_DIRECTORY", site.world.path("hypothesis"));
    let ran = command.output().unwrap();
    site.bot.is_alive();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    // Its own failures may bring whole sources along.
    let lines = out.lines().chain(err.lines()).map(|line| line.chars().take(300).collect::<String>());
    assert!(ran.status.success(), "{}", lines.collect::<Vec<_>>().join("\n"));
    let complaints = site.bot.complaints();
    let panics: Vec<_> =
        complaints.iter().filter(|line| line["message"].as_str().is_some_and(|it| it.contains("panicked"))).collect();
    assert!(panics.is_empty(), "{panics:?}");
}

#[test]
fn prometheus_own_parser_reads_the_metrics() {
    let site = Site::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/metrics.py");
    let mut command = Command::new(program("python"));
    let mut child =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(site.get("/metrics").as_bytes()).unwrap();
    let read = child.wait_with_output().unwrap();
    let families = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{families}\n{}", String::from_utf8_lossy(&read.stderr));
    for line in ["tagwright_policy_ready gauge ", "tagwright_polls counter", "tagwright_registry_requests counter"] {
        assert!(families.lines().any(|family| family.starts_with(line)), "{line}\n{families}");
    }
    assert!(families.lines().count() > 20, "{families}");
}
