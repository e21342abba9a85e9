//! `tagwright mcp` before clients that speak badly, or not at all; `tests/python/mcp.rs` has one that speaks well.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::World;

/// What a client sends that begins a session, and what comes behind it.
fn session(behind: &[String]) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let lines = [hello.to_string(), ready.to_string()].into_iter().chain(behind.iter().cloned());
    lines.map(|line| line + "\n").collect()
}

fn call(id: usize, tool: &str, arguments: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

#[test]
fn a_client_that_leaves_at_once_is_no_failure() {
    let world = World::new();
    world.feed("", ["mcp"]).prints(0, "");
    world.run(["mcp", "--config=policies", "--allow-orders"]).refuses(2, "cannot be used with");
    world.run(["mcp", "--config=policies", "--url=http://127.0.0.1:1"]).refuses(2, "cannot be used with");
    world.run(["mcp", "--secrets=secrets"]).refuses(2, "--config");
    world.run(["mcp", "--url=http://127.0.0.1:1", "--secrets=secrets"]).refuses(2, "cannot be used with");
}

/// What cannot be made whole is told as a failure, with what there is: somebody may delete what is not in a list.
#[test]
fn what_is_not_whole_is_told_so() {
    let world = World::new();
    world.write("policies/one.yaml", AWAY);
    let behind = [call(2, "images", &json!({})), call(3, "explain", &json!({"policy": "default:app", "tag": ".."}))];
    let mut command = world.tagwright(["mcp", "--config=policies"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(session(&behind).as_bytes()).unwrap();
    // The input stays open until all is answered; one that never is ends with the child.
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(1 + behind.len());
    let answers: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let of = |id: usize| answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{answers:?}"));
    let texts = |id: usize| of(id)["result"]["content"].to_string();
    assert!(of(2)["result"]["isError"] == true && texts(2).contains("\\\"images\\\""), "{}", of(2));
    assert!(texts(2).contains("away.git"), "{}", texts(2));
    assert!(of(3)["result"]["isError"] == true && texts(3).contains("is no tag"), "{}", of(3));
}

const AWAY: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: a}
spec:
  interval: 5m
  git: {url: /nowhere/away.git, branch: main}
  images:
    - {name: app, image: registry.example.com/app, policy: {semver: {range: '*'}}}
";

#[test]
fn standard_output_is_the_protocols_whatever_comes() {
    let world = World::new();
    let behind = [
        "garbage".to_owned(),
        "{\"jsonrpc\": \"2.0\", \"id\": 2, \"method\": \"nothing\"}".to_owned(),
        call(3, "status", &json!({"names": ["x".repeat(300_000)]})),
        call(4, "status", &json!({})),
        call(5, "explain", &json!({"policy": "default:app"})),
        call(6, "hold", &json!({"policy": "default:app", "reason": "x"})),
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string(),
    ];
    let run = world.feed(&session(&behind), ["mcp", "-v", "--data-dir=data"]);
    let answers: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: usize| answers.iter().find(|answer| answer["id"] == id);
    assert_eq!(of(1).unwrap()["result"]["serverInfo"]["name"], "tagwright", "{run:?}");
    assert_eq!(of(1).unwrap()["result"]["protocolVersion"], "2025-06-18");
    for id in [4, 5] {
        // Whoever closes its input while something is asked may not get all answers.
        if let Some(answer) = of(id) {
            assert!(answer["result"]["isError"] == true, "{answer}");
            assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("no bot is running"), "{answer}");
        }
    }
    assert!(of(3).is_none_or(|answer| answer.get("result").is_none()), "it is too long");
    assert!(of(6).is_none_or(|answer| answer.get("error").is_some()), "there are no orders");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!world.path("data").exists(), "who asks makes nothing");
}
