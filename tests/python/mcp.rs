//! `tagwright mcp`, as the official client of the protocol meets it: each tool, wrong arguments, and orders that are refused, confirmed, or
//! not taken at all.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::bot::eventually;
use crate::{READS, Site, TOKEN, WITHIN, program};

const POLICY: &str = "default:app-0";
const AUTOMATION: &str = "default/shop-0";

/// What the assistant does; the answer of its user is none where it cannot ask.
struct Assistant<'s> {
    site: &'s Site,
    arguments: Vec<String>,
    token: &'s str,
    answer: Option<&'s str>,
    mode: &'s str,
}

impl<'s> Assistant<'s> {
    /// One whose server asks the bot of the site.
    fn of(site: &'s Site) -> Self {
        let arguments = vec!["mcp".to_owned(), "--url".to_owned(), site.base.clone()];
        Self { site, arguments, token: TOKEN, answer: None, mode: "auto" }
    }

    fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&it| it.to_owned()));
        self
    }

    fn does(&self, calls: &Value) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/assistant.py");
        let command = self.site.world.command("assistant");
        let mut environment: serde_json::Map<String, Value> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), json!(value?.to_str()?))))
            .collect();
        environment.insert("TAGWRIGHT_API_TOKEN".to_owned(), json!(self.token));
        let spec = json!({
            "program": env!("CARGO_BIN_EXE_tagwright"), "arguments": self.arguments, "environment": environment,
            "answer": self.answer, "mode": self.mode, "calls": calls,
        });
        let mut child = Command::new(program("python"));
        let child = child.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.current_dir(self.site.world.folder.path()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(spec.to_string().as_bytes()).unwrap();
        let came = child.wait_with_output().unwrap();
        assert!(came.status.success(), "{}", String::from_utf8_lossy(&came.stderr));
        serde_json::from_slice(&came.stdout).unwrap()
    }
}

/// The document of a call that went well.
fn document(came: &Value, at: usize) -> Value {
    let result = &came["results"][at];
    assert_eq!(result["isError"], false, "{result}");
    serde_json::from_str(result["texts"][0].as_str().unwrap()).unwrap()
}

/// What a call that did not is told.
fn told(came: &Value, at: usize) -> &str {
    let result = &came["results"][at];
    assert_eq!(result["isError"], true, "{result}");
    result["texts"][0].as_str().unwrap()
}

/// A site whose bot has pushed an update of the first image.
fn site() -> Site {
    let site = Site::start();
    site.world.release(0);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let poll = client.post(format!("{}/api/v1/poll", site.base)).bearer_auth(TOKEN).send();
    assert!(site.world.block_on(poll).unwrap().status().is_success());
    eventually("the update is pushed", WITHIN, || {
        let history: Value = serde_json::from_str(&site.get("/api/v1/history")).unwrap();
        history["entries"].as_array().unwrap().iter().any(|entry| entry["event"] == "pushed")
    });
    site
}

fn names(came: &Value) -> Vec<&str> {
    came["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn an_assistant_asks_a_bot_everything_and_orders_nothing() {
    let site = site();
    let policies: Value = serde_json::from_str(&site.get("/api/v1/policies")).unwrap();
    let policies = policies["policies"].as_array().unwrap();
    let tag = "1.0.1";
    let calls = json!([
        ["status", {}],
        ["status", {"names": [POLICY]}],
        ["selections", {}],
        ["explain", {"policy": POLICY}],
        ["explain", {"policy": POLICY, "tag": tag}],
        ["history", {"limit": 1}],
        ["history", {"policy": POLICY, "since": "24h"}],
        ["findings", {}],
        ["findings", {"automation": AUTOMATION}],
        ["pending", {"automation": AUTOMATION}],
        ["explain", {"policy": "default:nothing"}],
        ["explain", {}],
        ["explain", {"policy": POLICY, "tags": 7}],
        ["history", {"since": "yesterdayish"}],
        ["pending", {"automation": "::"}],
        ["status", {"names": "all"}],
        ["hold", {"policy": POLICY, "reason": "broken"}],
        ["images", {}],
        ["rm", {}],
        ["images", {"commits": 0}],
    ]);
    for mode in ["auto", "legacy"] {
        let came = Assistant { mode, ..Assistant::of(&site) }.does(&calls);
        assert_eq!(came["protocol"], "2025-11-25");
        assert!(came["instructions"].as_str().unwrap().contains("no instructions"));
        assert_eq!(names(&came), ["status", "selections", "explain", "history", "findings", "pending", "images"]);
        for tool in came["tools"].as_array().unwrap() {
            assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
            assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        }
        assert!(document(&came, 0)["automations"].as_array().is_some_and(|all| !all.is_empty()));
        let one = document(&came, 1);
        assert_eq!((one["policies"].as_array().unwrap().len(), &one["policies"][0]["tag"]), (1, &json!(tag)));
        assert_eq!(document(&came, 2)["policies"].as_array().unwrap().len(), policies.len());
        assert_eq!(document(&came, 3)["selected"], tag);
        assert_eq!(document(&came, 4)["tag"], tag);
        assert_eq!(document(&came, 5)["entries"].as_array().unwrap().len(), 1);
        document(&came, 6);
        assert!(document(&came, 7)["findings"].is_array() && document(&came, 8)["findings"].is_array());
        assert_eq!(document(&came, 9)["diff"], "");
        assert!(told(&came, 10).contains("there is no policy default/nothing"));
        assert!(told(&came, 11).contains("missing field `policy`"), "{}", told(&came, 11));
        assert!(told(&came, 12).contains("unknown field `tags`"), "{}", told(&came, 12));
        assert!(told(&came, 13).contains("is not a time"), "{}", told(&came, 13));
        assert!(told(&came, 14).contains("is not a name"), "{}", told(&came, 14));
        assert!(told(&came, 15).contains("the arguments are wrong"), "{}", told(&came, 15));
        let images = document(&came, 17)["images"].as_array().unwrap().clone();
        assert!(images.iter().any(|it| it["tag"] == tag && it["now"] == true), "{images:?}");
        assert!(told(&came, 19).contains("from 1 to 10000"), "{}", told(&came, 19));
        for at in [16, 18] {
            assert!(
                came["results"][at]["refused"].as_str().unwrap().contains("there is no tool"),
                "{}",
                came["results"][at]
            );
        }
    }
    let history: Value = serde_json::from_str(&site.get("/api/v1/history")).unwrap();
    assert!(history["entries"].as_array().unwrap().iter().all(|entry| entry["event"] == "pushed"), "{history}");

    // A token that is wrong is said, and not shown.
    let came = Assistant { token: "wrong-token", ..Assistant::of(&site) }.does(&json!([["status", {}]]));
    assert!(told(&came, 0).contains("a token is needed") && !told(&came, 0).contains("wrong-token"), "{came}");
}

#[test]
fn orders_are_confirmed_before_they_are_carried_out() {
    let site = site();
    let hold = json!({"policy": POLICY, "reason": "loses sessions"});
    let confirmed = json!({"policy": POLICY, "reason": "loses sessions", "confirm": "$TOKEN"});
    let orders = Assistant::of(&site).with(&["--allow-orders"]);

    // In two steps, where nobody can be asked.
    let came = orders.does(&json!([
        ["hold", hold],
        ["release", confirmed],
        ["hold", {"policy": POLICY, "reason": "another", "confirm": "$TOKEN"}],
        ["hold", {"policy": POLICY, "reason": "loses sessions", "confirm": "guessed"}],
        ["hold", {"policy": POLICY}],
        ["hold", {"policy": POLICY, "reason": "  "}],
    ]));
    let tools: Vec<&str> = names(&came);
    assert_eq!(tools[7..], ["hold", "release", "suspend", "resume", "freeze", "poll", "run"]);
    for tool in &came["tools"].as_array().unwrap()[7..] {
        let writes = ["release", "resume", "run"].contains(&tool["name"].as_str().unwrap());
        assert_eq!(
            (&tool["annotations"]["readOnlyHint"], &tool["annotations"]["destructiveHint"]),
            (&json!(false), &json!(writes))
        );
    }
    assert!(told(&came, 0).contains("not done yet") && told(&came, 0).contains("loses sessions"), "{}", told(&came, 0));
    for at in 1..=3 {
        assert!(told(&came, at).contains("is not one of this order"), "{}", told(&came, at));
    }
    assert!(told(&came, 4).contains("missing field `reason`") && told(&came, 5).contains("a reason is"), "{came}");
    let ordered = |site: &Site| -> Vec<(String, String)> {
        let history: Value = serde_json::from_str(&site.get("/api/v1/history")).unwrap();
        let entries = history["entries"].as_array().unwrap().iter().filter(|entry| entry["by"] == "ann");
        entries
            .map(|it| (it["event"].as_str().unwrap().to_owned(), it["message"].as_str().unwrap().to_owned()))
            .collect()
    };
    assert_eq!(ordered(&site), []);

    let suspend = json!({"automation": AUTOMATION, "reason": "the cluster moves"});
    let suspended = json!({"automation": AUTOMATION, "reason": "the cluster moves", "confirm": "$TOKEN"});
    let came = orders.does(&json!([
        ["hold", hold],
        ["hold", confirmed],
        ["hold", confirmed],
        ["suspend", suspend],
        ["suspend", suspended],
        ["resume", suspend],
        ["resume", suspended],
        ["freeze", {"selectors": [AUTOMATION], "until": "4h", "reason": "the fair"}],
        ["freeze", {"selectors": [AUTOMATION], "until": "4h", "reason": "the fair", "confirm": "$TOKEN"}],
        ["poll", {"policy": POLICY, "reason": "the fix is out"}],
        ["poll", {"policy": POLICY, "reason": "the fix is out", "confirm": "$TOKEN"}],
        ["run", {"automation": AUTOMATION, "reason": "now"}],
        ["run", {"automation": AUTOMATION, "reason": "now", "confirm": "$TOKEN"}],
        ["release", hold],
        ["release", confirmed],
    ]));
    assert_eq!(document(&came, 1)["changed"], true);
    assert!(told(&came, 2).contains("is not one of this order"), "it was used");
    for at in [4, 6, 8, 10, 12, 14] {
        document(&came, at);
    }
    let kinds: Vec<String> = ordered(&site).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        [
            "policyReleased",
            "runOrdered",
            "pollOrdered",
            "frozen",
            "automationResumed",
            "automationSuspended",
            "policyHeld"
        ]
    );

    // By a question, where somebody can be asked: then a token counts for nothing.
    for (answer, at_end) in [("decline", 7), ("unticked", 7), ("accept", 8)] {
        let orders = Assistant { answer: Some(answer), ..Assistant::of(&site).with(&["--allow-orders"]) };
        let came = orders.does(&json!([["hold", hold], ["explain", {"policy": POLICY}]]));
        let asked = came["asked"].as_array().unwrap();
        assert_eq!(asked.len(), 1, "{came}");
        assert!(asked[0].as_str().unwrap().starts_with(&format!("hold {POLICY}: ")), "{asked:?}");
        if answer == "accept" {
            assert_eq!(document(&came, 0)["changed"], true);
        } else {
            assert!(told(&came, 0).contains("the user has refused it"), "{came}");
        }
        let count = ordered(&site).len();
        assert_eq!(count, at_end, "{answer}");
    }

    // Who may only read orders nothing, whatever the assistant is allowed.
    let refused = Assistant { token: READS, ..Assistant::of(&site).with(&["--allow-orders"]) };
    let came = refused.does(&json!([["hold", hold], ["hold", confirmed]]));
    assert!(told(&came, 1).contains("this token may ask, and not order"), "{came}");
}

#[test]
fn an_assistant_asks_a_configuration() {
    let site = site();
    let config = site.world.path("config").to_str().unwrap().to_owned();
    let mut assistant = Assistant::of(&site);
    assistant.arguments = vec!["mcp".to_owned(), "--config".to_owned(), config];
    let came = assistant.does(&json!([
        ["explain", {"policy": POLICY}],
        ["explain", {"policy": POLICY, "tag": "no-such-tag"}],
        ["history", {"limit": 2}],
        ["findings", {}],
        ["images", {"now": true}],
        ["images", {"commits": 0}],
        ["explain", {"policy": "default:nothing"}],
        ["explain", {"policy": "--output=text"}],
        ["findings", {"automation": "default/x"}],
    ]));
    assert_eq!(names(&came), ["explain", "history", "findings", "images"]);
    assert_eq!(document(&came, 0)["selected"], "1.0.1");
    assert_eq!(document(&came, 1)["tag"], "no-such-tag");
    assert_eq!(document(&came, 2)["source"], "git");
    document(&came, 3);
    assert!(document(&came, 4)["images"].as_array().is_some_and(|images| !images.is_empty()));
    assert!(told(&came, 5).contains("commits"), "{}", told(&came, 5));
    assert!(told(&came, 6).contains("no policy default:nothing is configured"), "{}", told(&came, 6));
    assert!(told(&came, 7).contains("no policy"), "{}", told(&came, 7));
    assert!(told(&came, 8).contains("unknown field"), "{}", told(&came, 8));
}
