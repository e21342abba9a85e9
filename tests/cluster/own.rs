//! Our own kind, `ImageAutomation`: what people order about it with the roles that come with a bot of one namespace, and objects that
//! stand beside it.

use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::people::Person;
use crate::world::{World, condition, is_ready, own_definitions};

/// A namespace in which our own kind commits the tags of the image.
struct Own<'c> {
    world: World<'c>,
    all: Api<DynamicObject>,
}

impl<'c> Own<'c> {
    async fn new() -> Own<'static> {
        let cluster = Cluster::shared();
        cluster.apply(&own_definitions()).await;
        let world = World::new(cluster).await;
        let all = world.space.objects(&world.space.admin, "tagwright.dev/v1alpha1", "ImageAutomation").await;
        Own { world, all }
    }

    /// Makes an object of this name; it is due every second.
    async fn apply(&self, name: &str) {
        let (image, url) = (self.world.image(), self.world.server.url());
        let text = format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: {name}}}\n\
             spec:\n  interval: 1s\n  git: {{url: '{url}', branch: main}}\n  images:\n  \
             - {{name: app, image: '{image}', insecure: true, policy: {{semver: {{range: 1.x}}}}}}\n"
        );
        self.world.space.apply(&text).await;
    }

    async fn until(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let look = || async { self.all.get(name).await.ok().map(|object| json!(object)).filter(&is) };
        eventually(&format!("ImageAutomation {name}: {what}"), look).await
    }

    /// Waits until the branch and the object say that a tag was committed.
    async fn committed(&self, tag: &str) {
        let says = self.world.file(tag);
        let look = || async { (self.world.remote.show("main:app.yaml") == says).then_some(()) };
        eventually(&format!("{tag} is in the branch"), look).await;
        let head = self.world.remote.at("main");
        let is_last = |shop: &Value| shop["status"]["lastPushCommit"] == head.as_str() && is_ready(shop);
        self.until("shop", "the commit is its last", is_last).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_obeys_what_is_ordered_about_our_own_kind() {
    let own = Own::new().await;
    let world = &own.world;
    own.apply("shop").await;
    let mut bot = world.bot("bot").await;
    world.release("1.1.0");
    own.committed("1.1.0").await;
    let person = Person::of_namespace(world, "person", &["edit"]).await;
    let viewer = Person::of_namespace(world, "viewer", &["view"]).await;
    assert_eq!(viewer.says(&["status"]).await.code, 0);
    let refused = viewer.says(&["hold", "shop"]).await;
    assert_eq!(refused.code, 1);
    for words in [
        "the right to patch imageautomations.tagwright.dev in the namespace NS is missing",
        "or to the Role tagwright-edit of deploy/kubernetes/standalone/namespaced/users.yaml",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }

    // Held: what is selected is not committed.
    let reason = "1.2 loses sessions";
    Person::check(&person.says(&["hold", "shop", "--reason", reason]).await, (0, "automation NS/shop held\n", ""));
    let status: Value = serde_json::from_str(&person.says(&["status", "-o", "json"]).await.stdout).unwrap();
    assert_eq!(status["automations"][0]["held"], format!("held by hand: {reason}"), "nothing is kept back yet");
    assert_eq!(status["policies"][0]["automation"], "NS/shop");
    world.release("1.2.0");
    let is_held = |shop: &Value| condition(shop, "tagwright.dev/Held")["status"] == "True";
    let shop = own.until("shop", "says what is held", is_held).await;
    let message = condition(&shop, "tagwright.dev/Held")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("app.yaml:2: ") && message.contains(reason), "{message}");
    let polled = person.says(&["poll", "shop"]).await;
    assert!(polled.code == 0 && polled.stdout.starts_with("automation NS/shop: "), "{polled:?}");
    let status: Value = serde_json::from_str(&person.says(&["status", "-o", "json"]).await.stdout).unwrap();
    assert_eq!((&status["policies"][0]["name"], &status["policies"][0]["tag"]), (&json!("app"), &json!("1.2.0")));
    assert!(status["automations"][0]["held"].as_str().is_some_and(|held| held.contains(reason)), "{status}");
    assert_eq!(world.commits(), 2, "nothing is committed that is held");

    // An image is no object of its own.
    let refused = person.says(&["hold", "app"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("`tagwright hold NS/shop --kubernetes`"), "{refused:?}");

    // Released: it is, once, and the order is gone.
    Person::check(&person.says(&["release", "shop"]).await, (0, "automation NS/shop released\n", ""));
    own.committed("1.2.0").await;
    own.until("shop", "has no order any more", |shop| {
        let annotations = &shop["metadata"]["annotations"];
        let is_held = !condition(shop, "tagwright.dev/Held").is_null();
        annotations["tagwright.dev/hold"].is_null() && annotations["tagwright.dev/release"].is_null() && !is_held
    })
    .await;

    // Suspended: nothing is polled and nothing runs.
    let suspended = person.says(&["suspend", "shop", "--reason", "the cluster moves"]).await;
    Person::check(&suspended, (0, "automation NS/shop suspended\n", ""));
    let refused = person.says(&["poll", "shop"]).await;
    assert!(
        refused.code == 1 && refused.stderr.starts_with("error: automation NS/shop is suspended: the cluster moves\n"),
        "{refused:?}"
    );
    let observed = |shop: &Value| shop["status"]["observedGeneration"] == shop["metadata"]["generation"];
    own.until("shop", "its suspension is taken note of", observed).await;
    world.release("1.3.0");
    Person::check(&person.says(&["resume", "--all"]).await, (0, "automation NS/shop resumed\n", ""));
    own.committed("1.3.0").await;
    assert_eq!(world.commits(), 4, "each selection was committed once");

    // Polled: not before it is asked for.
    let patch = json!({"spec": {"interval": "1h"}});
    own.all.patch("shop", &Default::default(), &kube::api::Patch::Merge(patch)).await.unwrap();
    own.until("shop", "its interval is observed", |shop| observed(shop) && is_ready(shop)).await;
    world.release("1.4.0");
    let polled = person.says(&["poll", "shop"]).await;
    assert_eq!((polled.code, polled.stderr.as_str()), (0, ""), "{polled:?}");
    own.committed("1.4.0").await;
    assert!(bot.stop().success());
}

/// While somebody moves from one kind to the other, both may have the same name.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_our_kind_does_not_stop_one_of_flux_that_has_its_name() {
    let own = Own::new().await;
    let world = &own.world;
    world.apply().await;
    let mut bot = world.bot("bot").await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    own.apply("shop").await;
    let says = |reason: &'static str, words: &'static str| {
        move |shop: &Value| {
            let ready = condition(shop, "Ready");
            ready["reason"] == reason && ready["message"].as_str().is_some_and(|message| message.contains(words))
        }
    };
    own.until("shop", "the name is taken", says("InvalidConfiguration", "two automations have the name")).await;
    world.release("1.2.0");
    world.committed("1.2.0").await;

    // Whoever is alone has the name.
    world.all("ImageUpdateAutomation").await.delete("shop", &Default::default()).await.unwrap();
    world.all("ImagePolicy").await.delete("app", &Default::default()).await.unwrap();
    world.release("1.3.0");
    own.committed("1.3.0").await;
    assert!(bot.stop().success());
}

/// What cannot be done is said by what it calls for.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_has_the_reason_of_what_it_calls_for() {
    let own = Own::new().await;
    let world = &own.world;
    let _bot = world.bot("bot").await;
    own.apply("shop").await;
    own.until("shop", "is ready", is_ready).await;
    let patch = |url: String| {
        let patch = kube::api::Patch::Merge(json!({"spec": {"git": {"url": url}}}));
        let all = own.all.clone();
        async move { all.patch("shop", &Default::default(), &patch).await.unwrap() }
    };
    let reason = |reason: &'static str| move |shop: &Value| condition(shop, "Ready")["reason"] == reason;
    patch(format!("{}nowhere", world.server.url())).await;
    own.until("shop", "the remote is not there", reason("AccessDenied")).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    patch(format!("http://{nobody}/config.git")).await;
    own.until("shop", "nobody answers", reason("TransientFailure")).await;
    patch(world.server.url().to_owned()).await;
    own.until("shop", "is ready again", is_ready).await;
}
