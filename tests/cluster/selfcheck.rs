//! The API server with kube's client alone: when one of these fails, look at the machine before the code.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::cluster::{Answer, Cluster, Line, Part, Passing, Space, WITHIN, eventually};

const IMAGE: &str = "image.toolkit.fluxcd.io/v1";

/// A server that stands still answers within no time.
const MOMENT: Duration = Duration::from_millis(300);

/// Rights as a manifest has them; the API server is asked by exactly these.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [image.toolkit.fluxcd.io], resources: [imagerepositories], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: elsewhere}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: bot, namespace: elsewhere}]
";

const REPOSITORY: &str = "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: app}
spec: {image: registry.example.com/app, interval: 5m}
";

fn code<T>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
        Ok(_) => 200,
    }
}

/// A map of one entry, which a test changes to be told of it.
async fn put(maps: &Api<ConfigMap>, name: &str, value: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}});
    maps.patch(name, &PatchParams::apply("test"), &Patch::Apply(map)).await.unwrap();
}

/// The name and the value of the next map that a watch tells; none when it ends, with an error or without.
async fn next<S: Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin>(
    watch: &mut S,
) -> Option<(String, String)> {
    loop {
        match tokio::time::timeout(WITHIN, watch.next()).await.unwrap()? {
            Ok(WatchEvent::Added(map) | WatchEvent::Modified(map)) => {
                return Some((map.metadata.name.unwrap(), map.data.unwrap_or_default()["value"].clone()));
            }
            Ok(WatchEvent::Bookmark(_)) => {}
            Ok(event) => panic!("{event:?}"),
            Err(_) => return None,
        }
    }
}

#[tokio::test]
async fn objects_get_the_defaults_of_their_kind_and_are_held_to_its_rules() {
    let space = Space::new(Cluster::shared()).await;
    let [stored] = <[DynamicObject; 1]>::try_from(space.apply(REPOSITORY).await).unwrap();
    assert_eq!(stored.data["spec"]["provider"], "generic");
    assert_eq!(stored.data["spec"]["exclusionList"], json!([r"^.*\.sig$"]));
    assert_eq!(stored.data["status"], json!({"observedGeneration": -1}));
    assert_eq!(stored.metadata.generation, Some(1));

    let policies = space.objects(&space.admin, IMAGE, "ImagePolicy").await;
    let policy: DynamicObject = serde_json::from_value(json!({
        "apiVersion": IMAGE, "kind": "ImagePolicy", "metadata": {"name": "app"},
        "spec": {"imageRepositoryRef": {"name": "app"}, "policy": {"semver": {"range": "*"}}, "interval": "5m"},
    }))
    .unwrap();
    let refused = policies.create(&PostParams::default(), &policy).await.unwrap_err().to_string();
    assert!(
        refused.contains("spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_account_may_do_what_its_roles_say_and_nothing_else() {
    let cluster = Cluster::shared();
    let space = Space::new(cluster).await;
    space.apply(REPOSITORY).await;
    let bot = space.client("bot").await;
    let repositories = space.objects(&bot, IMAGE, "ImageRepository").await;
    assert_eq!(code(repositories.get("app").await), 403, "before it has a role");
    space.apply(RIGHTS).await;
    // The API server takes a moment to know of a role.
    eventually("the role counts", || async { repositories.get("app").await.ok() }).await;

    let patch = Patch::Merge(json!({"spec": {"suspend": true}}));
    assert_eq!(code(repositories.patch("app", &PatchParams::default(), &patch).await), 403);
    assert_eq!(code(space.objects(&bot, IMAGE, "ImagePolicy").await.list(&Default::default()).await), 403);
    let elsewhere = Space::new(cluster).await;
    assert_eq!(code(elsewhere.objects(&bot, IMAGE, "ImageRepository").await.list(&Default::default()).await), 403);
    assert_eq!(code(Api::<ConfigMap>::default_namespaced(cluster.nobody().await).get("none").await), 403);

    let user = space.user("bot");
    let patches = || async {
        let asked = cluster.asked_by(&user);
        let writes: Vec<_> = asked.into_iter().filter(crate::cluster::Asked::is_write).collect();
        (!writes.is_empty()).then_some(writes)
    };
    let [asked] = <[_; 1]>::try_from(eventually("the refused patch is in the audit log", patches).await).unwrap();
    let seen = (asked.verb.as_str(), asked.resource.as_str(), asked.name.as_str(), asked.code);
    assert_eq!(seen, ("patch", "imagerepositories", "app", 403));
    assert_eq!(asked.namespace, space.name);
}

#[tokio::test]
async fn a_watch_is_cut_in_the_middle_of_an_event() {
    let cluster = Cluster::shared();
    let space = Space::new(cluster).await;
    let line = Line::to(cluster).await;
    let behind: Api<ConfigMap> = Api::namespaced(cluster.client(&line.url, &admin_of(&space).await).await, &space.name);
    let maps: Api<ConfigMap> = Api::namespaced(space.admin.clone(), &space.name);

    let mut watch = behind.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    put(&maps, "one", "1").await;
    assert_eq!(next(&mut watch).await, Some(("one".to_owned(), "1".to_owned())));
    line.cut_watches();
    put(&maps, "two", "2").await;
    assert_eq!(next(&mut watch).await, None, "half an event is none");

    // The next one is whole again.
    let mut watch = behind.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let mut told = vec![next(&mut watch).await.unwrap().0, next(&mut watch).await.unwrap().0];
    told.sort();
    assert_eq!(told, ["one", "two"]);
}

#[tokio::test]
async fn a_line_freezes_refuses_and_answers_by_itself() {
    let cluster = Cluster::shared();
    let space = Space::new(cluster).await;
    let line = Line::to(cluster).await;
    let token = admin_of(&space).await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(&line.url, &token).await, &space.name);
    put(&maps, "map", "1").await;

    let started = Instant::now();
    line.answer(|method, path| {
        (method == "PATCH" && path.contains("/configmaps/map"))
            .then(|| Answer::refusal(429, "TooManyRequests", "later").with_header("Retry-After", "1"))
    });
    let patch = Patch::Merge(json!({"data": {"value": "2"}}));
    assert_eq!(code(maps.patch("map", &PatchParams::default(), &patch).await), 429);
    assert!(
        line.seen(started).iter().any(|seen| seen.starts_with("PATCH /api/v1/namespaces/")),
        "{:?}",
        line.seen(started)
    );
    line.answer_nothing();
    assert_eq!(code(maps.patch("map", &PatchParams::default(), &patch).await), 200, "on the same connection");

    line.set(Passing::Frozen);
    let asks = tokio::spawn({
        let maps = maps.clone();
        async move { maps.get("map").await }
    });
    eventually("the request waits", || async { line.holds().then_some(()) }).await;
    assert!(!asks.is_finished());
    line.set(Passing::Open);
    assert_eq!(value(&asks.await.unwrap().unwrap()), "2");

    line.set(Passing::Refused);
    assert!(!matches!(maps.get("map").await, Ok(_) | Err(kube::Error::Api(_))), "nobody answers");
    line.set(Passing::Open);
    eventually("it is open again", || async { maps.get("map").await.ok() }).await;
}

#[tokio::test]
async fn servers_are_killed_frozen_and_put_back() {
    let cluster = Cluster::bare();
    let space = Space::new(&cluster).await;
    let maps: Api<ConfigMap> = Api::namespaced(space.admin.clone(), &space.name);
    put(&maps, "map", "before").await;
    let snapshot = cluster.snapshot();
    put(&maps, "map", "after").await;
    let version = |map: &ConfigMap| map.metadata.resource_version.as_ref().unwrap().parse::<u64>().unwrap();
    let after = maps.get("map").await.unwrap();

    cluster.kill(Part::ApiServer);
    assert!(maps.get("map").await.is_err());
    cluster.bring_back();
    assert_eq!(value(&maps.get("map").await.unwrap()), "after");

    cluster.freeze(Part::ApiServer);
    let mut asks = Box::pin(maps.get("map"));
    assert!(tokio::time::timeout(MOMENT, &mut asks).await.is_err(), "nobody answers");
    cluster.thaw(Part::ApiServer);
    assert_eq!(value(&asks.await.unwrap()), "after");

    cluster.restore(&snapshot);
    let restored = maps.get("map").await.unwrap();
    assert_eq!(value(&restored), "before");
    assert!(version(&restored) < version(&after), "resourceVersions go back");
}

fn value(map: &ConfigMap) -> Value {
    map.data.as_ref().unwrap()["value"].as_str().into()
}

/// The token of an account that may do everything: a line knows no client certificates, and tokens of accounts are what bots have.
async fn admin_of(space: &Space<'_>) -> String {
    space
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: admin}]
",
        )
        .await;
    let token = space.token("admin").await;
    let client: Client = space.client("admin").await;
    let maps: Api<ConfigMap> = Api::namespaced(client, &space.name);
    eventually("the role counts", || async { maps.list(&Default::default()).await.ok() }).await;
    token
}
