//! `Receiver` and `Notification` as objects: who is let in and who is told, and what their statuses say of it.

mod flux;
mod incidents;
mod kinds;
mod replicas;
mod tenants;
mod told;
mod webhooks;
mod wrong;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bot::Bot;
use crate::cluster::{Cluster, Space, eventually};
use crate::world::{World, condition, is_ready, own_definitions};

/// How long a bot may take until it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The address at which a bot listens.
fn address(bot: &Bot) -> String {
    let started = bot.wait_for(0, STARTS_WITHIN, |line| line["message"] == "started");
    format!("http://{}", started.as_ref().and_then(|line| line["listen"].as_str()).unwrap())
}

/// Sends JSON to a bot as a pipeline does; returns the status and the answer.
async fn post(address: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{address}{path}")).bearer_auth(token).json(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// The objects of a kind of ours.
async fn own(space: &Space<'_>, kind: &str) -> Api<DynamicObject> {
    space.objects(&space.admin, "tagwright.dev/v1alpha1", kind).await
}

/// Waits until something can be said of an object of ours.
async fn until(space: &Space<'_>, kind: &str, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let all = own(space, kind).await;
    let look = || async { all.get(name).await.ok().map(|object| json!(object)).filter(&is) };
    eventually(&format!("{kind} {name}: {what}"), look).await
}

/// Changes an object of ours as a person does.
async fn patch(space: &Space<'_>, kind: &str, name: &str, patch: Value) {
    own(space, kind).await.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// Asks for a look at an object of ours, and waits until it was had.
async fn request(space: &Space<'_>, kind: &str, name: &str, text: &str) -> Value {
    patch(space, kind, name, json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": text}}})).await;
    until(space, kind, name, "what was asked for is answered", |it| it["status"]["lastHandledReconcileAt"] == text)
        .await
}

/// Whether an object says that it is not ready, for this reason and in such words.
fn says<'s>(reason: &'s str, words: &'s str) -> impl Fn(&Value) -> bool + 's {
    move |object| {
        let ready = condition(object, "Ready");
        let message = ready["message"].as_str().unwrap_or_default();
        ready["status"] == "False" && ready["reason"] == reason && message.contains(words)
    }
}

/// A secret with a key.
async fn secret(space: &Space<'_>, name: &str, key: &str, value: &str) {
    let metadata = format!("metadata: {{name: {name}}}");
    space.apply(&format!("apiVersion: v1\nkind: Secret\n{metadata}\nstringData: {{'{key}': '{value}'}}\n")).await;
}

/// A namespace with our own kinds, and an automation for the image that is due so often.
async fn world<'c>(cluster: &'c Cluster, interval: &str) -> World<'c> {
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let (image, url) = (world.image(), world.server.url());
    let text = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\n\
         spec:\n  interval: {interval}\n  git: {{url: '{url}', branch: main}}\n  images:\n  \
         - {{name: app, image: '{image}', insecure: true, policy: {{semver: {{range: 1.x}}}}}}\n"
    );
    world.space.apply(&text).await;
    world
}

/// Waits until the branch has a tag, and the automation says so.
async fn committed(world: &World<'_>, tag: &str) {
    let says = world.file(tag);
    let look = || async { (world.remote.show("main:app.yaml") == says).then_some(()) };
    eventually(&format!("{tag} is in the branch"), look).await;
    let head = world.remote.at("main");
    let is_last = |shop: &Value| shop["status"]["lastPushCommit"] == head.as_str() && is_ready(shop);
    until(&world.space, "ImageAutomation", "shop", "the commit is its last", is_last).await;
}

/// A program that takes events.
struct Program {
    url: String,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Program {
    async fn start() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let kept = Arc::clone(&heard);
        let take = move |request: Request<Body>| async move {
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            "{}"
        };
        let router = Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, heard }
    }

    /// The reasons and messages of what it has heard.
    fn heard(&self) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        self.heard.lock().unwrap().iter().map(|event| (text(event, "reason"), text(event, "message"))).collect()
    }

    fn count(&self, reason: &str) -> usize {
        self.heard().iter().filter(|(heard, _)| heard == reason).count()
    }

    /// Waits until it has heard of something so often.
    async fn hears(&self, reason: &str, times: usize) {
        let look = || async { (self.count(reason) >= times).then_some(()) };
        eventually(&format!("`{reason}` is heard {times} times"), look).await;
        assert_eq!(self.count(reason), times, "{:?}", self.heard());
    }
}
