//! The roles that people apply: no verb is missing, and none is needless.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::cluster::{Answer, Asked, Cluster, Line, Manifest, eventually};
use crate::simulated::Fault;
use crate::world::{World, condition, deployed, is_ready, own_definitions};

/// A right: API group, resource, verb.
type Right = (String, String, String);

/// The rights that the roles of a file give an account.
fn granted(manifest: &Manifest, account: &str) -> BTreeSet<Right> {
    let of_kind =
        |kind: &'static str| manifest.0.iter().filter(move |object| object["kind"].as_str().unwrap().ends_with(kind));
    let names =
        |binding: &Value| binding["subjects"].as_array().unwrap().iter().any(|subject| subject["name"] == account);
    let bound: Vec<&Value> =
        of_kind("RoleBinding").filter(|binding| names(binding)).map(|binding| &binding["roleRef"]).collect();
    let roles = of_kind("Role").filter(|role| {
        bound.iter().any(|bound| bound["name"] == role["metadata"]["name"] && bound["kind"] == role["kind"])
    });
    let mut rights = BTreeSet::new();
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        let texts = |name: &str| -> Vec<String> {
            rule[name].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                rights.extend(texts("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    assert!(!rights.is_empty(), "{account} has none");
    rights
}

/// Each status is refused once since somebody was faster, so that its object has to be read again.
fn conflict_once(line: &Line) {
    let mut met = BTreeSet::new();
    line.answer(move |method, path| {
        let path = path.split('?').next().unwrap_or_default();
        let is_first = method == "PATCH" && path.ends_with("/status") && met.insert(path.to_owned());
        is_first.then(|| Answer::refusal(409, "Conflict", "the object has been modified"))
    });
}

/// Waits until an account has used all of its rights, and panics when it was ever refused one.
async fn uses_all(cluster: &Cluster, user: &str, granted: &BTreeSet<Right>) {
    let used = || -> BTreeSet<Right> {
        let asked = cluster.asked_by(user);
        let refused: Vec<&Asked> = asked.iter().filter(|asked| asked.code == 403).collect();
        assert!(refused.is_empty(), "a right is missing: {refused:#?}");
        let right = |asked: Asked| (asked.group, asked.resource, asked.verb);
        asked.into_iter().filter(|asked| !asked.resource.is_empty()).map(right).collect()
    };
    let all = || async { used().is_superset(granted).then_some(()) };
    let all = tokio::time::timeout(crate::cluster::WITHIN / 3, eventually("all rights are used", all)).await;
    assert!(all.is_ok(), "needless rights: {:#?}", granted.difference(&used()).collect::<Vec<_>>());
}

/// Logins for the registry, by name and by a service account, and one for the remote.
const LOGINS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{\"auths\": {}}'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: puller}
imagePullSecrets: [{name: registry}]
---
apiVersion: v1
kind: Secret
metadata: {name: remote}
stringData: {username: bot, password: secret}
---
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {token: secret}
";

async fn with_logins(world: &World<'_>) {
    world.space.apply(LOGINS).await;
    world.space.apply(&world.objects_with("", ", secretRef: {name: registry}, serviceAccountName: puller")).await;
    world.patch("GitRepository", "config", json!({"spec": {"secretRef": {"name": "remote"}}})).await;
}

/// Deletes an object, and waits until nobody holds it.
async fn delete(world: &World<'_>, kind: &str, name: &str) {
    world.all(kind).await.delete(name, &Default::default()).await.unwrap();
    world.until(kind, name, "it is gone", Value::is_null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drop_in_needs_what_its_roles_give_and_nothing_more() {
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    let accounts = Manifest::read(&deployed("flux/accounts/rbac.yaml"));
    world.space.apply_file(deployed("flux/accounts/rbac.yaml")).await;
    let line = Line::to(&cluster).await;
    conflict_once(&line);
    let mut bots = Vec::new();
    for half in ["image-reflector", "image-automation"] {
        let token = world.space.token(&format!("tagwright-{half}")).await;
        let mut command = world.command(half, &line.url, &token);
        command.args(["--controllers", half, "--enable-leader-election"]);
        bots.push(Bot::start(&mut command));
    }
    with_logins(&world).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    for (kind, name) in [("ImageRepository", "app"), ("ImagePolicy", "app"), ("ImageUpdateAutomation", "shop")] {
        let object = world.until(kind, name, "it is ready", is_ready).await;
        assert_eq!(object["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]), "{kind}");
    }
    release(&world.all("ImagePolicy").await, "app").await;
    fail_again_and_again(&world).await;
    for (kind, name) in [("ImageUpdateAutomation", "shop"), ("ImagePolicy", "app"), ("ImageRepository", "app")] {
        delete(&world, kind, name).await;
    }
    for bot in &mut bots {
        assert!(bot.stop().success());
    }
    for half in ["tagwright-image-reflector", "tagwright-image-automation"] {
        uses_all(&cluster, &world.space.user(half), &granted(&accounts, half)).await;
    }
}

/// Lets scans and passes fail until the same was told twice, which is one event that is counted.
async fn fail_again_and_again(world: &World<'_>) {
    world
        .registry
        .change(|registry| drop(registry.broken.insert("/v2/shop/app/tags/list".to_owned(), Fault::status(404))));
    let nowhere = format!("{}nowhere", world.server.url());
    world.patch("GitRepository", "config", json!({"spec": {"url": nowhere}})).await;
    let failed = |shop: &Value| condition(shop, "Ready")["status"] == "False";
    world.until("ImageUpdateAutomation", "shop", "it fails", failed).await;
    // A remote that is not there is not asked again before the interval, unless somebody wants it.
    for at in ["once", "twice"] {
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": at}}});
        world.patch("ImageUpdateAutomation", "shop", asked).await;
        let handled = |shop: &Value| shop["status"]["lastHandledReconcileAt"] == at;
        world.until("ImageUpdateAutomation", "shop", "what was asked for is done", handled).await;
    }
    world.counted("ImageUpdateAutomation").await;
    world.counted("ImageRepository").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_namespace_needs_what_its_roles_give_and_nothing_more() {
    let cluster = Cluster::shared();
    let world = World::new(cluster).await;
    cluster.apply(&own_definitions()).await;
    let line = Line::to(cluster).await;
    conflict_once(&line);
    let bot = world.bot_behind("bot", &line.url).await;
    uses_what_its_roles_give(&world, bot, "standalone/namespaced/rbac.yaml").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_namespaces_need_what_their_roles_give_and_nothing_more() {
    // Those of other tests are not worked on.
    let cluster = Cluster::start();
    let world = World::new(&cluster).await;
    cluster.apply(&own_definitions()).await;
    let line = Line::to(&cluster).await;
    conflict_once(&line);
    world.space.apply_file(deployed("standalone/cluster-wide/rbac.yaml")).await;
    let token = world.space.token("tagwright").await;
    let bot = Bot::start(&mut world.command("bot", &line.url, &token));
    uses_what_its_roles_give(&world, bot, "standalone/cluster-wide/rbac.yaml").await;
}

/// Has a bot do whatever it does, with both halves of the work; it uses all the rights of a file's roles, and lacks none.
async fn uses_what_its_roles_give(world: &World<'_>, mut bot: Bot, roles: &str) {
    with_logins(world).await;
    world.space.apply(&native(world)).await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let own = world.space.objects(&world.space.admin, "tagwright.dev/v1alpha1", "ImageAutomation").await;
    for (kind, name) in [("ImageAutomation", "own"), ("Receiver", "ci"), ("Notification", "events")] {
        let all = world.space.objects(&world.space.admin, "tagwright.dev/v1alpha1", kind).await;
        let ready = || async { all.get(name).await.ok().map(|object| json!(object)).filter(is_ready) };
        eventually(&format!("{kind} {name} is ready"), ready).await;
    }
    release(&own, "own").await;
    release(&world.all("ImagePolicy").await, "app").await;
    fail_again_and_again(world).await;
    for (kind, name) in [("ImageUpdateAutomation", "shop"), ("ImagePolicy", "app"), ("ImageRepository", "app")] {
        delete(world, kind, name).await;
    }
    assert!(bot.stop().success());
    let roles = Manifest::read(&deployed(roles));
    uses_all(world.space.cluster, &world.space.user("tagwright"), &granted(&roles, "tagwright")).await;
}

/// Our own kinds: for the same image and remote, on a branch of its own; and who may tell of it, and is told.
fn native(world: &World<'_>) -> String {
    let (image, url) = (world.image(), world.server.url());
    format!(
        "
apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {{name: own}}
spec:
  interval: 1h
  git: {{url: '{url}', branch: main, push: {{branch: own}}}}
  images:
  - {{name: other, image: '{image}', insecure: true, policy: {{semver: {{range: 1.x}}}}}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Receiver
metadata: {{name: ci}}
spec: {{type: generic, secretRef: {{name: token}}}}
---
apiVersion: tagwright.dev/v1alpha1
kind: Notification
metadata: {{name: events}}
spec: {{type: generic-hmac, address: 'https://events.example.com/', secretRef: {{name: token}}, events: [moved-tag]}}
"
    )
}

/// Orders a release, and waits until it is taken off, as it is once it is obeyed.
async fn release(objects: &Api<DynamicObject>, name: &str) {
    let annotations = json!({"metadata": {"annotations": {"tagwright.dev/release": "now"}}});
    objects.patch(name, &PatchParams::default(), &Patch::Merge(&annotations)).await.unwrap();
    let is_obeyed = || async {
        let object = objects.get(name).await.ok()?;
        (!object.metadata.annotations.unwrap_or_default().contains_key("tagwright.dev/release")).then_some(())
    };
    eventually(&format!("the release of {name} is obeyed"), is_obeyed).await;
}
