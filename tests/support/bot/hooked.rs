//! A bot that is told of pushes by webhooks, and does nothing by itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bot, Shape, TIMEOUT, World, eventually};

/// Nothing is polled or run by itself.
pub(crate) const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The token of all receivers.
pub(crate) const TOKEN: &str = "s3cret-of-the-hook";

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

/// How long the first polls and runs may take.
const FIRST_WITHIN: Duration = Duration::from_secs(300);

/// The bot, its world, and whoever sends to it.
pub(crate) struct Hooked {
    pub(crate) world: World,
    pub(crate) bot: Bot,
    pub(crate) address: String,
    pub(crate) client: reqwest::Client,
}

impl Hooked {
    /// Starts one that logs all that it does.
    pub(crate) fn start(shape: Shape) -> Self {
        Self::start_with(shape, "", |world| {
            let mut command = world.command("bot");
            command.args(["--listen", "127.0.0.1:0"]);
            command
        })
    }

    /// Starts one with more receivers, by a command that listens.
    pub(crate) fn start_with(
        shape: Shape,
        receivers: &str,
        command: impl FnOnce(&World) -> std::process::Command,
    ) -> Self {
        let world = World::start(shape);
        std::fs::write(world.path("config/hooks.yaml"), format!("{RECEIVERS}{receivers}")).unwrap();
        let bot = Bot::start(&mut command(&world));
        let started = bot.wait_for(0, TIMEOUT, |line| line["message"] == "started");
        let address = started.as_ref().and_then(|line| line["listen"].as_str()).unwrap().to_owned();
        // One that is refused may try again at once, on a connection of its own.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(64).build().unwrap();
        let hooked = Self { world, bot, address, client };
        hooked.at_rest();
        hooked
    }

    /// Waits until everything was done once, and nothing is under way.
    pub(crate) fn at_rest(&self) {
        eventually("the bot is at rest", FIRST_WITHIN, || {
            let status = self.status();
            let all = |rows: &str, when: &str| status[rows].as_array().unwrap().iter().all(|row| row[when].is_string());
            all("policies", "lastPoll") && all("automations", "lastRun") && status["work"] == json!([])
        });
    }

    /// What the bot says of itself.
    pub(crate) fn status(&self) -> Value {
        self.world.block_on(async {
            let url = format!("http://{}/api/v1/status", self.address);
            let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
            serde_json::from_str(&text).unwrap()
        })
    }

    /// Sends a webhook; returns the status of the answer.
    pub(crate) fn post(&self, receiver: &str, headers: &[(&str, &str)], body: &Value) -> u16 {
        self.world.block_on(async {
            let request =
                self.client.post(format!("http://{}/hooks/default/{receiver}", self.address)).body(body.to_string());
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            request.send().await.unwrap().status().as_u16()
        })
    }

    /// Tells that a tag of the first image was pushed.
    pub(crate) fn tell(&self, tag: &str) -> u16 {
        let bearer = format!("Bearer {TOKEN}");
        self.post("ci", &[("Authorization", &bearer)], &json!({"image": self.world.image(0), "tag": tag}))
    }

    /// What the registry was asked about the first image since a moment.
    pub(crate) fn asked(&self, since: Instant) -> Vec<String> {
        let seen = self.world.registry.seen();
        seen.iter()
            .filter(|seen| seen.path.contains("/shop/app-0/") && seen.at > since)
            .map(|seen| seen.line())
            .collect()
    }
}
