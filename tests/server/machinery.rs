//! Registries, remotes and replicas over the API, as far as a bot that does nothing knows of them.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn what_was_not_asked_yet_is_there_with_its_budget() {
    let world = World::start().await;
    let (code, registries) = world.ask("/api/v1/registries").await;
    assert_eq!(code, 200);
    let rows = registries["registries"].as_array().unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (&row["host"], &row["policies"], &row["atOnce"], &row["aSecond"])).collect();
    // What is suspended is polled by nobody, and its registry is there all the same.
    let expect = [
        (json!("ghcr.io"), json!(1), json!(16), json!(100)),
        (json!("index.docker.io"), json!(1), json!(16), json!(100)),
    ];
    assert_eq!(told, expect.iter().map(|(a, b, c, d)| (a, b, c, d)).collect::<Vec<_>>());
    assert_eq!(world.ask("/api/v1/status").await.1["registries"], registries["registries"]);

    let (_, remotes) = world.ask("/api/v1/remotes").await;
    let row = &remotes["remotes"][0];
    assert_eq!(
        (&row["remote"], &row["automations"]),
        (&json!("https://git.example.com/acme/config.git"), &json!(["default/shop"]))
    );
    assert_eq!((&row["lastPush"], &row["lastError"]), (&json!(null), &json!(null)));
    assert_eq!(world.ask("/api/v1/replicas").await.1, json!({"mode": "alone", "replicas": []}));
}

#[tokio::test]
async fn an_automation_runs_without_a_poll() {
    let world = World::start().await;
    let run = async |body: &str| world.order("/api/v1/run", body).await;
    assert_eq!(run(r#"{"automation": "default/shop"}"#).await, (200, json!({"due": 1})));
    assert_eq!(run(r#"{"automation": "default/web"}"#).await.0, 404);
    for body in ["", "{}", "null", r#"{"automation": "shop"}"#, r#"{"policy": "default:web"}"#, "[]"] {
        assert_eq!(run(body).await.0, 400, "{body}");
    }
}
