//! What is answered, and to whom.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tagwright::server::{SOCKET, Server};

use crate::world::{World, answer};

#[tokio::test]
async fn the_status_is_the_bot_s_own() {
    let world = World::start().await;
    let (code, status) = world.ask("/api/v1/status").await;
    assert_eq!(code, 200);
    let names: Vec<_> = status["policies"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "postgres"]);
    let (client, base) = world.public();
    let (code, same) = answer(client.get(format!("{base}/api/v1/status"))).await;
    assert_eq!((code, &same["started"]), (200, &status["started"]));
}

#[tokio::test]
async fn orders_are_obeyed_and_kept() {
    let world = World::start().await;
    let hold = "/api/v1/policies/default/web/hold";
    let obeyed = |order: &str, name: &str, changed: bool, was_held: bool| {
        (200, json!({"order": order, "name": name, "changed": changed, "wasHeld": was_held}))
    };
    assert_eq!(world.order(hold, r#"{"reason": "1.2 eats data"}"#).await, obeyed("hold", "default:web", true, false));
    assert_eq!(world.order(hold, "").await, obeyed("hold", "default:web", false, true));
    let suspend = world.order("/api/v1/automations/default/shop/suspend", "{}").await;
    assert_eq!(suspend, obeyed("suspend", "default/shop", true, false));
    let switches = world.handle.store().switches().unwrap();
    assert_eq!(switches.held["default:web"].reason.as_deref(), Some("1.2 eats data"));
    assert!(switches.suspended.contains_key("default/shop"));
    let (_, status) = world.ask("/api/v1/status").await;
    assert_eq!(status["automations"][0]["suspended"], json!(true));
    let release = world.order("/api/v1/policies/default/web/release", "").await;
    assert_eq!(release, obeyed("release", "default:web", true, true));
    let resume = world.order("/api/v1/automations/default/shop/resume", "").await;
    assert_eq!(resume, obeyed("resume", "default/shop", true, false));

    let (code, history) = world.ask("/api/v1/history").await;
    let events: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|it| it["event"].as_str().unwrap()).collect();
    assert_eq!((code, &history["source"]), (200, &json!("store")));
    assert_eq!(events, ["automationResumed", "policyReleased", "automationSuspended", "policyHeld"]);
    let of_policy = world.ask("/api/v1/history?policy=default:web&limit=1").await.1;
    assert_eq!(of_policy["entries"].as_array().unwrap().len(), 1);
    assert_eq!(of_policy["entries"][0]["event"], "policyReleased");
    let later = world.ask("/api/v1/history?since=2999-01-01T00:00:00Z").await.1;
    assert_eq!(later["entries"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let world = World::start().await;
    let no = |code: u16, error: &str| (code, json!({"error": error}));
    let order = async |path: &str, body: &str| world.order(path, body).await;
    let unknown = order("/api/v1/policies/default/wep/hold", "").await;
    assert_eq!(unknown, no(404, "default:wep is not configured"));
    let other_kind = order("/api/v1/automations/default/web/suspend", "").await;
    assert_eq!(other_kind, no(404, "default/web is not configured"));
    let other_order = order("/api/v1/policies/default/web/suspend", "").await;
    assert_eq!(other_order, no(404, "there is no such order"));
    assert_eq!(world.ask("/nothing").await, no(404, "there is nothing at this path"));
    assert_eq!(world.ask("/api/v1/poll").await, no(405, "this path takes another method"));
    for body in ["[]x", "[]", r#"["why"]"#, "3", r#"{"reasons": "typo"}"#, r#"{"reason": 3}"#] {
        let (code, answer) = order("/api/v1/policies/default/web/hold", body).await;
        assert!(code == 400 && answer["error"].as_str().unwrap().starts_with("the body is not an order: "), "{answer}");
    }
    for reason in ["x".repeat(2000), "a\\nb".to_owned()] {
        let (code, answer) = order("/api/v1/policies/default/web/hold", &format!(r#"{{"reason": "{reason}"}}"#)).await;
        assert_eq!(code, 400, "{answer}");
    }
    for query in ["limit=x", "since=yesterday", "polcy=a"] {
        let (code, answer) = world.ask(&format!("/api/v1/history?{query}")).await;
        assert!(code == 400 && answer["error"].is_string(), "{query}: {answer}");
    }
    assert!(world.handle.store().switches().unwrap().held.is_empty());
}

#[tokio::test]
async fn strangers_may_ask_and_not_order() {
    let world = World::start().await;
    let (client, base) = world.public();
    for path in ["/livez", "/api/v1/history"] {
        assert_eq!(answer(client.get(format!("{base}{path}"))).await.0, 200, "{path}");
    }
    for path in [
        "/api/v1/policies/default/web/hold",
        "/api/v1/automations/default/shop/suspend",
        "/api/v1/freeze",
        "/api/v1/unfreeze",
        "/api/v1/poll",
        "/api/v1/status",
        "/livez",
    ] {
        let (code, answer) = answer(client.post(format!("{base}{path}"))).await;
        assert!(code == 403 && answer["error"].is_string(), "{path}: {code} {answer}");
    }
    let switches = world.handle.store().switches().unwrap();
    assert!(switches.held.is_empty() && switches.suspended.is_empty());
    // A name that somebody else has given this machine is no way in.
    let rebound = client.get(format!("{base}/api/v1/status")).header("host", "evil.example.com");
    assert_eq!(answer(rebound).await.0, 403);
}

#[tokio::test]
async fn polls_are_asked_for() {
    let world = World::start().await;
    let (code, all) = world.order("/api/v1/poll", "").await;
    assert!(code == 200 && all["due"].as_u64().unwrap() > 0, "{all}");
    assert_eq!(world.order("/api/v1/poll", r#"{"policy": "default:web"}"#).await.0, 200);
    assert_eq!(world.order("/api/v1/poll", r#"{"policy": "default:wep"}"#).await.0, 404);
    assert_eq!(world.order("/api/v1/poll", r#"{"policy": "web"}"#).await.0, 400);
    assert_eq!(world.order("/api/v1/poll", r#"{"image": "web"}"#).await.0, 400);
}

#[tokio::test]
async fn a_bot_that_lives_may_not_be_ready() {
    let world = World::start().await;
    assert_eq!(world.ask("/livez").await, (200, Value::String("ok\n".to_owned())));
    let (code, waits) = world.ask("/readyz").await;
    assert_eq!((code, waits), (503, json!({"error": "1 of 2 policies were not polled yet"})));
    world.handle.configure(Vec::new());
    assert_eq!(world.ask("/readyz").await.0, 200);
}

#[tokio::test]
async fn the_socket_is_private_and_goes_with_the_server() {
    let mut world = World::start().await;
    let socket = world.folder.path().join(SOCKET);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Server::bind(world.folder.path(), None).await.is_err(), "there is one bot for each folder");
    assert_eq!(world.ask("/livez").await.0, 200);
    world.stop().await;
    assert!(!socket.exists());
    Server::bind(world.folder.path(), None).await.unwrap();
}

#[tokio::test]
async fn a_bot_works_without_a_socket() {
    // A folder that cannot be written, whoever runs the test.
    let server = Server::bind("/proc/self".as_ref(), Some("127.0.0.1:0".parse().unwrap())).await.unwrap();
    assert!(server.address().is_some());
    let taken = Server::bind(std::env::temp_dir().join("nowhere").as_ref(), server.address()).await;
    assert!(taken.err().unwrap().to_string().starts_with("cannot listen on 127.0.0.1:"));
}

#[tokio::test]
async fn freezes_are_ordered_and_told() {
    let world = World::start().await;
    let (code, answer) =
        world.order("/api/v1/freeze", r#"{"until": "2999-01-01T00:00:00Z", "reason": "the fair"}"#).await;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["results"], json!([{"selector": "*", "changed": true, "until": "2999-01-01T00:00:00Z"}]));
    let (code, answer) = world.order("/api/v1/freeze", r#"{"selectors": ["default/shop", "default:web"]}"#).await;
    assert_eq!((code, answer["freezes"].as_array().unwrap().len()), (200, 3), "{answer}");
    let (_, status) = world.ask("/api/v1/status").await;
    assert_eq!(status["freezes"], answer["freezes"]);
    let message = status["automations"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("not run yet; frozen by hand since "), "{message}");

    let (code, answer) = world.order("/api/v1/unfreeze", "").await;
    assert_eq!((code, &answer["results"][0]["changed"]), (200, &json!(true)), "{answer}");
    let wish = r#"{"selectors": ["default:web"], "breakGlass": true, "reason": "CVE"}"#;
    let (code, answer) = world.order("/api/v1/unfreeze", wish).await;
    assert_eq!((code, &answer["freezes"][2]["kind"]), (200, &json!("exception")), "{answer}");
    let (code, answer) = world.order("/api/v1/unfreeze", r#"{"all": true}"#).await;
    assert_eq!((code, &answer["freezes"]), (200, &json!([])), "{answer}");
    let (_, history) = world.ask("/api/v1/history?automation=default/shop").await;
    let events: Vec<_> =
        history["entries"].as_array().unwrap().iter().map(|it| (&it["event"], &it["subject"])).collect();
    let (frozen, unfrozen) = (json!("frozen"), json!("unfrozen"));
    let (all, shop) = (json!("*"), json!("default/shop"));
    assert_eq!(events, [(&unfrozen, &shop), (&unfrozen, &all), (&frozen, &shop), (&frozen, &all)]);
    let (_, history) = world.ask("/api/v1/history?policy=default:web").await;
    assert_eq!(history["entries"][1]["event"], "glassBroken");

    for (path, body, code) in [
        ("freeze", r#"{"selectors": ["shop"]}"#, 400),
        ("freeze", r#"{"selectors": ["default/shpo"]}"#, 404),
        ("freeze", r#"{"selectors": ["other/*"]}"#, 404),
        ("freeze", r#"{"until": "2001-01-01T00:00:00Z"}"#, 400),
        ("unfreeze", r#"{"breakGlass": true}"#, 400),
        ("unfreeze", r#"{"breakGlass": true, "reason": "x", "until": "2999-01-01T00:00:00Z"}"#, 400),
        ("unfreeze", r#"{"glass": true}"#, 400),
    ] {
        let (found, answer) = world.order(&format!("/api/v1/{path}"), body).await;
        assert!(found == code && answer["error"].is_string(), "{path} {body}: {found} {answer}");
    }
    assert_eq!(world.handle.store().switches().unwrap().freezes.frozen.len(), 0);
}
