//! Traces as others read them: the bodies that a collector gets, by OpenTelemetry's own messages for Python.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bot::{Shape, World};
use crate::collector::{Answer, Collector};
use crate::program;

/// Lines that begin with a word, in JSON behind it.
fn read(body: &[u8]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/traces.py");
    let mut command = Command::new(program("python"));
    let mut child =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body).unwrap();
    let read = child.wait_with_output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).unwrap()
}

#[test]
fn opentelemetrys_own_messages_read_a_trace() {
    let world = World::start(Shape::new(1, 1, Duration::from_secs(3600)));
    world.release(0);
    let collector = world.block_on(Collector::start(Answer::Taken));
    let mut command = world.command("once");
    let ran = command.args(["--once", "--otlp-endpoint", &collector.url()]).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let text: String = collector.sent().iter().map(|sent| read(&sent.body)).collect();
    assert!(text.contains("resource service.name \"tagwright\"\n"), "{text}");
    let spans: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("span "))
        .map(|span| serde_json::from_str(span).unwrap())
        .collect();
    let one = |name: &str| spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {text}"));
    let (whole, poll, run, push) = (one("pass"), one("poll"), one("run"), one("push"));
    assert_eq!((&whole["parent"], &poll["parent"], &run["parent"]), (&json!(""), &whole["id"], &whole["id"]));
    assert_eq!(push["parent"], run["id"]);
    assert_eq!((&push["kind"], &push["status"]), (&json!("SPAN_KIND_INTERNAL"), &json!("STATUS_CODE_UNSET")));
    assert_eq!(push["attributes"]["vcs.ref.head.revision"], json!(world.remote.at("main")));
    assert_eq!(run["attributes"]["tagwright.automations"], json!(["default/shop-0"]));
    let post = spans.iter().find(|span| span["name"] == "POST" && span["parent"] == push["id"]).unwrap();
    assert_eq!(
        (&post["kind"], &post["attributes"]["http.response.status_code"]),
        (&json!("SPAN_KIND_CLIENT"), &json!(200))
    );
    assert!(spans.iter().all(|span| span["trace"] == whole["trace"]));
}
