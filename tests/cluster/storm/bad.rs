//! Objects that are not as their kinds say, since the cluster's definitions let everything pass, and namespaces that are going.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::world::{Kind, World};
use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, eventually};

/// Wrong objects: the kind, the name, the spec.
fn wrong_ones() -> Vec<(Kind, &'static str, Value)> {
    let policy = json!({"semver": {"range": "1.x"}});
    let git = json!({"commit": {"author": {"email": "bot@example.com"}}});
    vec![
        (Kind::Repository, "no-spec", Value::Null),
        (Kind::Repository, "text", "text".into()),
        (Kind::Repository, "list", json!([{"image": "example.com/app"}])),
        (Kind::Repository, "image-number", json!({"image": 5, "interval": "1h"})),
        (Kind::Repository, "image-missing", json!({"interval": "1h"})),
        (Kind::Repository, "image-wrong", json!({"image": "https://example.com/app", "interval": "1h"})),
        (Kind::Repository, "interval-map", json!({"image": "example.com/app", "interval": {"hours": 1}})),
        (Kind::Repository, "interval-wrong", json!({"image": "example.com/app", "interval": "-1 fortnight"})),
        (Kind::Repository, "secret-text", json!({"image": "example.com/app", "interval": "1h", "secretRef": "login"})),
        (Kind::Repository, "exclusions", json!({"image": "example.com/app", "interval": "1h", "exclusionList": ["("]})),
        (Kind::Repository, "suspend-text", json!({"image": "example.com/app", "interval": "1h", "suspend": "no"})),
        (Kind::Policy, "no-spec", Value::Null),
        (Kind::Policy, "text", "text".into()),
        (Kind::Policy, "reference-text", json!({"imageRepositoryRef": "app-0", "policy": policy})),
        (Kind::Policy, "reference-number", json!({"imageRepositoryRef": {"name": 7}, "policy": policy})),
        (Kind::Policy, "policy-text", json!({"imageRepositoryRef": {"name": "app-0"}, "policy": "semver"})),
        (Kind::Policy, "policy-missing", json!({"imageRepositoryRef": {"name": "app-0"}})),
        (
            Kind::Policy,
            "range-number",
            json!({"imageRepositoryRef": {"name": "app-0"}, "policy": {"semver": {"range": [1]}}}),
        ),
        (
            Kind::Policy,
            "filter",
            json!({"imageRepositoryRef": {"name": "app-0"}, "policy": policy, "filterTags": {"pattern": "("}}),
        ),
        (Kind::Automation, "no-spec", Value::Null),
        (Kind::Automation, "text", "text".into()),
        (Kind::Automation, "source-number", json!({"interval": "1h", "sourceRef": 7, "git": git})),
        (
            Kind::Automation,
            "git-list",
            json!({"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "shop"}, "git": []}),
        ),
        (
            Kind::Automation,
            "interval-number",
            json!({"interval": 5, "sourceRef": {"kind": "GitRepository", "name": "shop"}, "git": git}),
        ),
        (
            Kind::Automation,
            "selector",
            json!({"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "shop"}, "git": git, "policySelector": {"matchExpressions": "all"}}),
        ),
        (
            Kind::Automation,
            "no-source",
            json!({"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "none"}, "git": git}),
        ),
        (
            Kind::Automation,
            "bucket",
            json!({"interval": "1h", "sourceRef": {"kind": "Bucket", "name": "shop"}, "git": git}),
        ),
    ]
}

/// Statuses that nobody of us has written.
fn wrong_statuses() -> [Value; 5] {
    [
        "text".into(),
        json!({"conditions": "none", "observedGeneration": "one"}),
        json!({"conditions": [5, {"type": 5}, {"type": "Ready", "status": true}], "lastScanResult": [], "latestRef": 7}),
        json!({"latestRef": {"name": 1, "tag": {}}, "lastHandledReconcileAt": {}, "observedPolicies": []}),
        json!([1, 2, 3]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_objects_say_so_and_the_others_go_on() {
    let cluster = Cluster::bare();
    for kind in [Kind::Repository, Kind::Policy, Kind::Automation, Kind::Git] {
        cluster.apply(&permissive(kind)).await;
    }
    let world = World::new(&cluster, 1).await;
    world.populate().await;
    // What is not known is not looked at.
    world.patch(Kind::Repository, "app-0", json!({"spec": {"nonsense": {"deep": [1, {"x": null}]}}})).await;
    world.patch(Kind::Policy, "app-0", json!({"spec": {"nonsense": "yes"}})).await;
    world.patch(Kind::Automation, "shop", json!({"spec": {"nonsense": 5}})).await;
    for (kind, name, spec) in wrong_ones() {
        put(&world, kind, name, spec).await;
    }
    let mut bot = world.bot_with(&[]).await;
    world.settles(&mut bot, "among wrong objects").await;
    for (kind, name, _) in wrong_ones() {
        let said = world.says(kind, name, "what is wrong", |ready| ready.0 == "False").await;
        assert!(!said.2.is_empty() && !said.2.contains("panicked"), "{kind:?} {name}: {said:?}");
    }

    for (n, status) in wrong_statuses().into_iter().enumerate() {
        for (kind, name) in [(Kind::Repository, "app-0"), (Kind::Policy, "app-0"), (Kind::Automation, "shop")] {
            let (api, patch) = (world.api(kind), Patch::Merge(json!({"status": status})));
            api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
            world.request(kind, name, &format!("after {n}")).await;
        }
        world.release(0);
        world.settles(&mut bot, &format!("after the status {status}")).await;
    }

    going(&world, &mut bot).await;
    assert!(bot.stop().success());
}

/// Objects of a namespace that is being deleted: work goes on, though nothing can be made there, and they go when they are told to.
async fn going(world: &World<'_>, bot: &mut Bot) {
    let namespaces = Api::<Namespace>::all(world.space.admin.clone());
    namespaces.delete(&world.space.name, &DeleteParams::default()).await.unwrap();
    world.disturb(1).await;
    world.release(0);
    world.settles(bot, "in a namespace that is going").await;
    for kind in Kind::WRITTEN {
        let name = if kind == Kind::Automation { "shop" } else { "app-0" };
        world.delete(kind, name).await;
        eventually(&format!("{kind:?} {name} is gone"), || async {
            world.api(kind).get_opt(name).await.ok().filter(Option::is_none)
        })
        .await;
    }
    bot.is_alive();
}

async fn put(world: &World<'_>, kind: Kind, name: &str, spec: Value) {
    let types = kind.resource();
    let mut object = json!({
        "apiVersion": types.api_version, "kind": types.kind,
        "metadata": {"name": name, "namespace": world.space.name},
    });
    if !spec.is_null() {
        object["spec"] = spec;
    }
    world.space.cluster.apply(&Manifest(vec![object])).await;
}

/// The definition of a kind that lets everything pass.
fn permissive(kind: Kind) -> Manifest {
    let types = kind.resource();
    let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
    Manifest(vec![json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.definition()},
        "spec": {
            "group": types.group, "scope": "Namespaced",
            "names": {"kind": types.kind, "plural": types.plural, "singular": types.kind.to_lowercase(), "listKind": format!("{}List", types.kind)},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"spec": anything, "status": anything},
                }},
            }],
        },
    })])
}
