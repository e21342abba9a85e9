//! The page in a headless Chromium, with a bot that has something to tell: `page.mjs` is what a person does and sees, here is the bot.
//!
//! Needs what `tests/browser/provide` prints, in `TAGWRIGHT_TEST_BROWSER`; `tests/run` sets it, or says loudly that these tests do not
//! run. Screenshots of each view, light, dark and on a phone, are in `target/browser/screenshots`.

#![allow(clippy::unwrap_used)]

#[path = "../support/bot.rs"]
mod bot;
#[path = "../support/page.rs"]
mod page;
#[path = "../support/git.rs"]
mod remote;
#[path = "../support/registry.rs"]
mod simulated;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use bot::{Bot, Shape, World, eventually};
use simulated::Fault;

/// Nothing is polled or run but what a test asks for.
const SHAPE: Shape = Shape::new(12, 3, Duration::from_secs(3600));

/// How long anything may take until it shows.
const WITHIN: Duration = Duration::from_secs(60);

/// The tokens: one that may look, and those of two people who may act.
const TOKENS: [(&str, &str, &str); 3] =
    [("grafana", "read", "looks"), ("ann", "act", "acts"), ("bob", "act", "acts-too")];

/// One browser at a time: they take as much of a machine as there is.
static BROWSER: Mutex<()> = Mutex::new(());

/// A bot with a history: commits, a hold that waits for somebody, an automation that is suspended, a poll that fails.
struct Site {
    world: World,
    bot: Bot,
    base: String,
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    fn start() -> Self {
        let turn = BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
        let world = World::start(SHAPE);
        let hash = |token: &str| Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let lines = TOKENS.map(|(name, right, token)| format!("{name} {right} {}\n", hash(token)));
        std::fs::write(world.path("tokens"), lines.concat()).unwrap();
        // Something is wrong in a file, too.
        world
            .remote
            .commit(&[("apps/0/other.yaml", "image: a:1 # {\"$imagepolicy\": \"default:nobody\"}\n")], "second");
        let mut command = world.command("bot");
        command.args(["--listen", "127.0.0.1:0", "--api-token-file"]).arg(world.path("tokens"));
        let bot = Bot::start(&mut command);
        let started = bot.wait_for(0, WITHIN, |line| line["message"] == "started").unwrap();
        let base = format!("http://{}", started["listen"].as_str().unwrap());
        let site = Self { world, bot, base, _turn: turn };
        site.tell();
        site
    }

    /// Lets things happen that the page has to tell.
    fn tell(&self) {
        let is_settled = || {
            let status = self.ask("status");
            let ran = |it: &Value| !it["lastRun"].is_null();
            status["automations"].as_array().unwrap().iter().all(ran)
        };
        eventually("everything has run once", WITHIN, is_settled);
        for n in [0, 3, 7] {
            self.world.release(n);
            self.order("poll", &format!(r#"{{"policy": "default:app-{n}"}}"#));
            eventually("a release is written", WITHIN, || self.world.says(n, 1));
        }
        self.order("policies/default/app-1/hold", r#"{"reason": "1.0.1 eats data"}"#);
        self.world.release(1);
        self.order("poll", r#"{"policy": "default:app-1"}"#);
        let is_held = || {
            let holds = self.ask("holds");
            let holds = holds["holds"].as_array().unwrap();
            holds
                .iter()
                .any(|hold| hold["policy"] == "default:app-1" && hold["wanted"].as_str().unwrap().ends_with("1.0.1"))
        };
        eventually("an update is held", WITHIN, is_held);
        self.world.answer(10, Some(Fault::error(401, "UNAUTHORIZED", "authentication required")));
        self.order("poll", r#"{"policy": "default:app-10"}"#);
        let fails = || {
            self.ask("registries")["registries"][0]["lastError"]["hint"].as_str().is_some_and(|hint| !hint.is_empty())
        };
        eventually("a poll fails", WITHIN, fails);
        self.order("automations/default/shop-2/suspend", r#"{"reason": "the cluster moves"}"#);
        // For the test that has it polled.
        self.world.release(6);
    }

    /// Asks the API.
    fn ask(&self, path: &str) -> Value {
        self.request(|client| client.get(format!("{}/api/v1/{path}", self.base)))
    }

    /// Orders something in the name of bob.
    fn order(&self, path: &str, body: &str) -> Value {
        self.request(|client| client.post(format!("{}/api/v1/{path}", self.base)).body(body.to_owned()))
    }

    fn request(&self, make: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        self.world.block_on(async {
            let response = make(&client).bearer_auth(TOKENS[2].2).send().await.unwrap();
            let status = response.status();
            let text = response.text().await.unwrap();
            assert!(status.is_success(), "{status}: {text}");
            serde_json::from_str(&text).unwrap()
        })
    }

    /// Does what a person does; returns what the script has printed.
    fn plays(&mut self, scenario: &str) -> String {
        let folder = std::env::var_os("TAGWRIGHT_TEST_BROWSER").map(PathBuf::from);
        let folder = folder.expect("TAGWRIGHT_TEST_BROWSER is what tests/browser/provide prints");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shots = folder.parent().unwrap().join("screenshots");
        let mut command = Command::new(folder.join("node"));
        command.arg(root.join("tests/browser/page.mjs")).arg(scenario).current_dir(self.world.folder.path());
        command.env("TAGWRIGHT_TEST_BROWSER", &folder).env("BASE", &self.base).env("SHOTS", shots);
        for ((_, _, token), variable) in TOKENS.iter().zip(["READ_TOKEN", "ACT_TOKEN", "OTHER_TOKEN"]) {
            command.env(variable, token);
        }
        let played = command.output().unwrap();
        self.bot.is_alive();
        let (out, err) = (String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
        assert!(played.status.success(), "{scenario}: {out}\n{err}");
        out.into_owned()
    }
}

#[test]
fn every_view_is_good_to_look_at_and_for_everybody() {
    Site::start().plays("views");
}

#[test]
fn every_text_is_there_without_scripts() {
    Site::start().plays("bare");
}

#[test]
fn a_hold_is_released() {
    let mut site = Site::start();
    site.plays("release");
    assert!(site.world.says(1, 1), "the bot has written it");
}

#[test]
fn what_happens_shows_as_it_does() {
    Site::start().plays("live");
}

#[test]
fn search_keys_and_favourites() {
    Site::start().plays("search");
}

#[test]
fn whoever_may_look_looks() {
    Site::start().plays("rights");
}

/// The guide has the same questions and the same clicks.
#[test]
fn ten_questions_of_a_newcomer() {
    let played = Site::start().plays("questions");
    let played = played.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let played: Vec<[String; 2]> =
        played.map(|it| ["question", "clicks"].map(|key| it[key].as_str().unwrap().to_owned())).collect();
    let guide = page::Page::at("docs/guides/status-page.md").below("## Ten questions");
    let told: Vec<[String; 2]> = guide.rows().iter().map(|row| [row[0].to_owned(), row[1].replace('*', "")]).collect();
    assert_eq!(played, told);
    assert_eq!(played.len(), 10);
}
