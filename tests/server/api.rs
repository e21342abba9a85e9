//! The API as its description has it: who is let in, each question, and answers that are as they are described.

use std::collections::BTreeSet;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::{World, answer};

fn hash(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server whose file knows a token that may ask, `asks`, and one that may order, `orders`.
async fn with_tokens() -> World {
    World::with_tokens(&format!("grafana read {}\nann act {}\n", hash("asks"), hash("orders"))).await
}

/// A machine that polls every minute says nothing, and leaves the history to what was done.
#[tokio::test]
async fn polls_and_runs_are_in_the_history_where_it_is_said_why() {
    let world = World::start().await;
    let order = async |path: &str, body: &str| world.order(path, body).await;
    assert_eq!(order("/api/v1/poll", "").await.0, 200);
    assert_eq!(order("/api/v1/run", r#"{"automation": "default/shop"}"#).await.0, 200);
    assert_eq!(order("/api/v1/poll", r#"{"reason": ""}"#).await.0, 200);
    assert_eq!(world.ask("/api/v1/history").await.1["entries"], json!([]));
    assert_eq!(order("/api/v1/poll", r#"{"policy": "default:web", "reason": "the fix is out"}"#).await.0, 200);
    assert_eq!(order("/api/v1/run", r#"{"automation": "default/shop", "reason": "now"}"#).await.0, 200);
    assert_eq!(order("/api/v1/poll", r#"{"policy": "default:nothing", "reason": "x"}"#).await.0, 404);
    assert_eq!(order("/api/v1/poll", r#"{"reason": "two\nlines"}"#).await.0, 400);
    let history = world.ask("/api/v1/history").await.1;
    let rows: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ["event", "subject", "message", "by"].map(|name| it[name].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(
        rows,
        [["runOrdered", "default/shop", "now", "socket"], ["pollOrdered", "default:web", "the fix is out", "socket"]]
    );
    let about = world.ask("/api/v1/history?automation=default/shop").await.1;
    assert_eq!(about["entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn over_tcp_a_token_says_who_asks_and_who_orders() {
    let world = with_tokens().await;
    let (client, base) = world.public();
    let poll = format!("{base}/api/v1/poll");
    let status = format!("{base}/api/v1/status");
    assert_eq!(answer(client.get(&status)).await.0, 401);
    let response = client.get(&status).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"tagwright\"");
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("referrer-policy", "no-referrer")]
    {
        assert_eq!(response.headers()[name], value);
    }
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(answer(client.get(&status).bearer_auth("asks")).await.0, 200);
    assert_eq!(answer(client.post(&poll).bearer_auth("asks")).await.0, 403);
    assert_eq!(answer(client.post(&poll).bearer_auth("nobody")).await.0, 401);
    assert_eq!(answer(client.post(&poll).bearer_auth("orders")).await.0, 200);
    let foreign = client.post(&poll).bearer_auth("orders").header("origin", "https://evil.example.com");
    assert_eq!(answer(foreign).await.0, 403);
    for path in ["/livez", "/metrics"] {
        assert_eq!(answer(client.get(format!("{base}{path}"))).await.0, 200, "{path}");
    }

    // What is ordered is taken down with who did.
    let hold = client.post(format!("{base}/api/v1/policies/default/web/hold")).bearer_auth("orders");
    assert_eq!(answer(hold.body(r#"{"reason": "1.2 eats data"}"#)).await.0, 200);
    let freeze = client.post(format!("{base}/api/v1/freeze")).bearer_auth("orders");
    assert_eq!(answer(freeze).await.0, 200);
    world.order("/api/v1/automations/default/shop/suspend", "").await;
    let (_, history) = world.ask("/api/v1/history").await;
    let rows: Vec<_> = history["entries"].as_array().unwrap().iter().map(|it| (&it["event"], &it["by"])).collect();
    let (ann, socket) = (json!("ann"), json!("socket"));
    let expect = [(json!("automationSuspended"), &socket), (json!("frozen"), &ann), (json!("policyHeld"), &ann)];
    assert_eq!(rows, expect.iter().map(|(event, by)| (event, *by)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_token_that_is_taken_out_of_the_file_is_none_any_more() {
    let world = with_tokens().await;
    let (client, base) = world.public();
    let ask = async || answer(client.get(format!("{base}/api/v1/status")).bearer_auth("asks")).await.0;
    assert_eq!(ask().await, 200);
    std::fs::write(world.folder.path().join("tokens"), format!("ann act {}\n", hash("orders"))).unwrap();
    assert_eq!(ask().await, 401);
}

/// The description, as the server gives it.
async fn document(world: &World) -> Value {
    let (code, document) = world.ask("/api/v1/openapi.json").await;
    assert_eq!(code, 200);
    document
}

/// Each operation: its method, its path, what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.clone(), path.clone(), operation.clone()))
    });
    of.collect()
}

fn filled(path: &str) -> String {
    let name = if path.contains("/policies/") { "web" } else { "shop" };
    path.replace("{namespace}", "default").replace("{name}", name)
}

#[tokio::test]
async fn every_operation_is_described_and_answers_as_it_is_described() {
    let world = World::start().await;
    let mut document = document(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    world.order("/api/v1/policies/default/web/hold", r#"{"reason": "x"}"#).await;
    world.order("/api/v1/freeze", "").await;
    let operations = operations(&document);
    assert!(operations.len() >= 20, "{}", operations.len());
    let mut names = BTreeSet::new();
    // Schemas stand below the document, which is none itself.
    document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    let mut asked = 0;
    for (method, path, operation) in operations {
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        assert!(operation["tags"][0].is_string() && operation["responses"]["200"].is_object(), "{method} {path}");
        let is_order = operation["tags"][0] == "orders";
        assert_eq!(method == "post", is_order, "{path}");
        // One asks a remote, and one has no end.
        if is_order || path.ends_with("/pending") || path.ends_with("/events") {
            continue;
        }
        let (code, body) = world.ask(&filled(&path)).await;
        if path == "/readyz" {
            assert_eq!(code, 503, "nothing was polled");
            continue;
        }
        assert_eq!(code, 200, "{path}: {body}");
        let Some(schema) = operation["responses"]["200"]["content"]["application/json"]["schema"].as_object() else {
            continue;
        };
        let mut compiler = Compiler::new();
        let mut described = document.clone();
        described["allOf"] = json!([schema]);
        compiler.add_resource("http://localhost/openapi.json", described).unwrap();
        let mut schemas = Schemas::new();
        let index: SchemaIndex = compiler.compile("http://localhost/openapi.json", &mut schemas).unwrap();
        if let Err(error) = schemas.validate(&body, index) {
            panic!("{path}: {error}\n{body:#}");
        }
        asked += 1;
    }
    assert!(asked >= 9, "{asked}");
}

#[tokio::test]
async fn questions_are_about_parts_of_the_status() {
    let world = World::start().await;
    // When something is due next moves with the clock as long as nothing was done.
    let still = |mut value: Value| {
        let rows = value.as_array_mut().unwrap().iter_mut();
        rows.for_each(|row| drop(row.as_object_mut().unwrap().remove("next")));
        value
    };
    let (_, mut status) = world.ask("/api/v1/status").await;
    let (policies, automations) = (still(status["policies"].take()), still(status["automations"].take()));
    assert_eq!(still(world.ask("/api/v1/policies").await.1["policies"].take()), policies);
    assert_eq!(still(json!([world.ask("/api/v1/policies/default/web").await.1]))[0], policies[0]);
    assert_eq!(still(world.ask("/api/v1/automations").await.1["automations"].take()), automations);
    assert_eq!(still(json!([world.ask("/api/v1/automations/default/shop").await.1]))[0], automations[0]);
    assert_eq!(world.ask("/api/v1/holds").await.1, json!({"holds": []}));
    assert_eq!(world.ask("/api/v1/findings").await.1, json!({"findings": []}));
    let (code, tags) = world.ask("/api/v1/policies/default/postgres/tags").await;
    assert_eq!((code, &tags["held"], &tags["listed"]), (200, &json!("the policy is suspended"), &json!(0)));
    for path in
        ["policies/default/wep", "policies/default/wep/tags", "automations/default/web", "automations/a/b/pending"]
    {
        let (code, answer) = world.ask(&format!("/api/v1/{path}")).await;
        assert!(code == 404 && answer["error"].as_str().unwrap().starts_with("there is no "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn the_history_is_read_page_by_page() {
    let world = World::start().await;
    for number in 0..5 {
        world.order("/api/v1/policies/default/web/hold", &format!(r#"{{"reason": "{number}"}}"#)).await;
    }
    world.order("/api/v1/automations/default/shop/suspend", "").await;
    let (mut messages, mut pages, mut before) = (Vec::new(), 0, String::new());
    loop {
        let (code, page) = world.ask(&format!("/api/v1/history?policy=default:web&limit=2{before}")).await;
        assert_eq!(code, 200, "{page}");
        pages += 1;
        let entries = page["entries"].as_array().unwrap().clone();
        messages.extend(entries.iter().map(|entry| entry["message"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_u64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!((pages, messages.join(" ").as_str()), (3, "4 3 2 1 0"));
    assert_eq!(world.ask("/api/v1/history?before=0").await.1["entries"], json!([]));
    assert_eq!(world.ask("/api/v1/history?before=-1").await.0, 400);
}

#[tokio::test]
async fn what_happens_is_told_as_it_does() {
    let world = World::start().await;
    let (client, base) = world.private();
    let listen = async |last: Option<u64>| {
        let request = client.get(format!("{base}/api/v1/events"));
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response
    };
    /// The events of an answer, until there are so many: their numbers, and what happened.
    async fn told(response: &mut reqwest::Response, count: usize) -> Vec<(u64, Value)> {
        let mut text = String::new();
        loop {
            let events =
                text.split_inclusive("\n\n").filter(|event| event.ends_with("\n\n") && event.contains("data:"));
            let events: Vec<_> = events
                .map(|event| {
                    let line =
                        |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
                    assert_eq!(line("event:"), "entry");
                    (line("id:").parse().unwrap(), serde_json::from_str(&line("data:")).unwrap())
                })
                .collect();
            if events.len() >= count {
                return events;
            }
            text += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
        }
    }
    let mut first = listen(None).await;
    for reason in ["one", "two"] {
        world.order("/api/v1/policies/default/web/hold", &format!(r#"{{"reason": "{reason}"}}"#)).await;
    }
    let events = told(&mut first, 2).await;
    assert_eq!((&events[0].1["message"], &events[1].1["event"]), (&json!("one"), &json!("policyHeld")));
    // Who comes back misses nothing, and who is new is told what is new.
    let (mut again, mut new) = (listen(Some(events[0].0)).await, listen(None).await);
    assert_eq!(told(&mut again, 1).await[0], events[1]);
    world.order("/api/v1/freeze", "").await;
    let frozen = told(&mut new, 1).await.remove(0);
    assert_eq!(frozen.1["event"], "frozen");
    assert_eq!(told(&mut first, 1).await[0], frozen);
    let wrong = client.get(format!("{base}/api/v1/events")).header("last-event-id", "x");
    assert_eq!(answer(wrong).await.0, 400);
}
