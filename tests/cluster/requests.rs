//! Objects of Flux that propose what they change, by annotations, at a simulated forge that stands on the real remote.

use forge::Product;
use serde_json::{Value, json};

use crate::cluster::{Cluster, eventually};
use crate::forges::{Forge, TOKEN};
use crate::remote::{Behaviour, Server};
use crate::world::{World, condition, own_definitions};

const REPOSITORY: &str = "acme/config.git";

/// Waits until the requests are these.
async fn are(forge: &Forge, states: &[(u64, &str)]) {
    eventually(&format!("the requests are {states:?}"), || async { (forge.states() == states).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automation_of_flux_proposes_and_obeys_who_closes_and_who_releases() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let forge = Forge::start(Product::Gitea).await;
    forge.world().git = Some(world.remote.bare());
    // The remote is where a forge would have it: below its owner.
    let served = tempfile::tempdir().unwrap();
    std::fs::create_dir(served.path().join("acme")).unwrap();
    std::os::unix::fs::symlink(world.remote.bare(), served.path().join(REPOSITORY)).unwrap();
    let server = Server::start(served.path(), Behaviour::default()).await;
    let annotations = format!(
        "metadata:\n  name: shop\n  annotations:\n    tagwright.dev/pull-request: 'true'\n    \
         tagwright.dev/pull-request-labels: images\n    tagwright.dev/pull-request-forge: gitea\n    \
         tagwright.dev/pull-request-forge-url: {}\n    tagwright.dev/pull-request-secret: forge\nspec:\n  interval: 1s",
        forge.base
    );
    let objects = world
        .objects_with("", "")
        .replace(&world.server.url(), &format!("{}/{REPOSITORY}", server.base))
        .replace("metadata: {name: shop}\nspec:\n  interval: 1h", &annotations);
    world
        .space
        .apply(&format!(
            "{objects}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: forge}}\nstringData: {{token: {TOKEN}}}\n"
        ))
        .await;
    let _bot = world.bot("bot").await;
    world.release("1.1.0");
    are(&forge, &[(1, "open")]).await;
    let head = format!("tagwright/{}/shop", world.space.name);
    let says = world.file("1.1.0");
    assert_eq!(world.remote.show(&format!("{head}:app.yaml")), says);
    eventually("it has its label", || async { (forge.pull(1).labels == ["images"]).then_some(()) }).await;
    assert_eq!(world.remote.show("main:app.yaml"), world.file("1.0.0"));

    forge.close(1, "ada");
    let is_held = |shop: &Value| {
        let message = condition(shop, "tagwright.dev/Held")["message"].as_str().unwrap_or_default().to_owned();
        message.contains("ada closed pull request #1")
    };
    world.until("ImageUpdateAutomation", "shop", "says what is held", is_held).await;
    world
        .patch("ImagePolicy", "app", json!({"metadata": {"annotations": {"tagwright.dev/release": "it is fine"}}}))
        .await;
    are(&forge, &[(1, "closed"), (2, "open")]).await;

    forge.merge(2);
    let look = || async { (world.remote.show("main:app.yaml") == says).then_some(()) };
    eventually("it is merged", look).await;
    world.release("1.2.0");
    are(&forge, &[(1, "closed"), (2, "merged"), (3, "open")]).await;
}
