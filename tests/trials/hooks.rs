//! From a webhook to the pushed commit: no list of tags, one question about the tag, and what is not there changes nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bot::{Bot, Shape, TIMEOUT, World, eventually};

/// Nothing is done by itself.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

const TOKEN: &str = "s3cret-of-the-hook";

const RECEIVERS: &str = "
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: ci}
spec: {type: generic, secretRef: {name: hook}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {name: pushes}
spec: {type: gitlab, secretRef: {name: hook}}
---
apiVersion: v1
kind: Secret
metadata: {name: hook}
stringData: {token: s3cret-of-the-hook}
";

struct Trial {
    world: World,
    bot: Bot,
    address: String,
}

impl Trial {
    fn start() -> Self {
        let world = World::start(Shape::new(2, 1, INTERVAL));
        std::fs::write(world.path("config/hooks.yaml"), RECEIVERS).unwrap();
        let bot = Bot::start(world.command("bot").args(["--listen", "127.0.0.1:0"]));
        let started = bot.wait_for(0, TIMEOUT, |line| line["message"] == "started");
        let address = started.as_ref().and_then(|line| line["listen"].as_str()).unwrap().to_owned();
        let trial = Self { world, bot, address };
        trial.at_rest();
        trial
    }

    /// Waits until everything was done once, and nothing is under way.
    fn at_rest(&self) {
        eventually("the bot is at rest", TIMEOUT, || {
            let Some(status) = self.world.status("bot") else { return false };
            let all = |rows: &str, when: &str| status[rows].as_array().unwrap().iter().all(|row| row[when].is_string());
            all("policies", "lastPoll") && all("automations", "lastRun") && status["work"] == json!([])
        });
    }

    fn post(&self, receiver: &str, headers: &[(&str, &str)], body: &Value) -> u16 {
        self.world.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request =
                client.post(format!("http://{}/hooks/default/{receiver}", self.address)).body(body.to_string());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap().status().as_u16()
        })
    }

    /// Tells that a tag of the first image was pushed.
    fn tell(&self, tag: &str) -> u16 {
        let bearer = format!("Bearer {TOKEN}");
        self.post("ci", &[("Authorization", &bearer)], &json!({"image": self.world.image(0), "tag": tag}))
    }

    /// What the registry was asked about the first image since a moment.
    fn asked(&self, since: Instant) -> Vec<String> {
        let seen = self.world.registry.seen();
        seen.iter()
            .filter(|seen| seen.path.contains("/shop/app-0/") && seen.at > since)
            .map(|seen| seen.line())
            .collect()
    }
}

#[test]
fn a_pushed_tag_is_a_commit_without_a_list() {
    let mut trial = Trial::start();
    let since = Instant::now();
    let patch = trial.world.release(0);
    assert_eq!(trial.tell(&format!("1.0.{patch}")), 202);
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, patch));
    trial.at_rest();
    assert_eq!(trial.asked(since), [format!("HEAD /v2/shop/app-0/manifests/1.0.{patch}")]);
    assert_eq!(trial.world.history().updates(), 1);

    // What the registry does not have, and what no policy would select.
    let from = trial.bot.position();
    assert_eq!(trial.tell("1.0.77"), 202);
    let told = trial.bot.wait_for(from, TIMEOUT, |line| line["message"] == "was told of a tag that is not there");
    assert!(told.is_some(), "{:#?}", trial.bot.log());
    let since = Instant::now();
    for tag in ["0.9.0", "latest", "1.0.0"] {
        let from = trial.bot.position();
        assert_eq!(trial.tell(tag), 202);
        let looked = trial.bot.wait_for(from, TIMEOUT, |line| line["message"] == "looked at what was pushed");
        assert!(looked.is_some(), "{tag}: {:#?}", trial.bot.log());
    }
    assert_eq!(trial.asked(since), [String::new(); 0]);

    // The next poll confirms it, and there is nothing to do.
    let since = Instant::now();
    trial.bot.signal("USR1");
    eventually("the image is polled", TIMEOUT, || trial.world.polls(0, since) == 1);
    trial.at_rest();
    assert_eq!((trial.world.history().updates(), trial.world.says(0, patch)), (1, true));
    assert!(trial.bot.stop().success());
    let log: String = trial.bot.log().iter().map(ToString::to_string).collect();
    assert!(!log.contains(TOKEN));
}

/// Somebody pushes to the branch, the forge says so, and the bot looks at once.
#[test]
fn a_push_to_the_branch_is_looked_at_at_once() {
    let mut trial = Trial::start();
    trial.world.change_tags(0, |tags| tags.push("1.0.1".to_owned()));
    trial.bot.signal("USR1");
    eventually("the tag is committed", TIMEOUT, || trial.world.says(0, 1));
    trial.at_rest();
    // A new field, which wants the tag that is selected.
    let field = trial.world.text(0, "1.0.0").replace("name: app-0", "name: second");
    trial.world.somebody("apps/0/second.yaml", &field);
    let url = trial.world.server.url();
    let push = json!({"object_kind": "push", "project": {"git_http_url": url}});
    assert_eq!(trial.post("pushes", &[("X-Gitlab-Token", "wrong")], &push), 401);
    assert_eq!(trial.post("pushes", &[("X-Gitlab-Token", TOKEN)], &push), 202);
    eventually("the new field is written", TIMEOUT, || {
        trial.world.remote.show("main:apps/0/second.yaml").contains(":1.0.1 #")
    });
    assert!(trial.bot.stop().success());
}
