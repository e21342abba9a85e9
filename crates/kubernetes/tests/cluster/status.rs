//! Statuses and finalizers, as the API server takes them.

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kubernetes::object::{Key, Object, Wire};
use kubernetes::status::{self, Target, Written};
use kubernetes::{Kind, finalizer};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Space, eventually};

const GROUP: &str = "image.toolkit.fluxcd.io";
const POLICY: Kind = Kind { group: GROUP, versions: &["v1"], name: "ImagePolicy", plural: "imagepolicies" };
const MANAGER: &str = "image-reflector-controller";
const FINALIZER: &str = "finalizers.fluxcd.io";

const OBJECT: &str = "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app}
spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: '*'}}}
";

/// The least rights for writing statuses, and those for finalizers.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: status}
rules: [{apiGroups: [image.toolkit.fluxcd.io], resources: [imagepolicies/status], verbs: [patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: status}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: status}
subjects: [{kind: ServiceAccount, name: status}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: finalizer}
rules: [{apiGroups: [image.toolkit.fluxcd.io], resources: [imagepolicies], verbs: [patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: finalizer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: finalizer}
subjects: [{kind: ServiceAccount, name: finalizer}]
";

/// A policy, and whoever writes it.
struct Policy<'a> {
    space: Space<'a>,
    resource: ApiResource,
    key: Key,
    all: Api<DynamicObject>,
}

impl Policy<'static> {
    async fn new() -> Self {
        let space = Space::new(Cluster::shared()).await;
        space.apply(OBJECT).await;
        space.apply(RIGHTS).await;
        let key = Key { namespace: space.name.clone(), name: "app".to_owned() };
        let all = space.objects(&space.admin, "image.toolkit.fluxcd.io/v1", "ImagePolicy").await;
        Self { space, resource: POLICY.resource("v1"), key, all }
    }

    fn target<'t>(&'t self, client: &'t kube::Client) -> Target<'t> {
        Target { client, resource: &self.resource, key: &self.key, manager: MANAGER, keeps: |_| true }
    }

    async fn now(&self) -> Object {
        let wire: Wire = serde_json::from_value(json!(self.all.get("app").await.unwrap())).unwrap();
        wire.into_object(&self.resource, |_| true)
    }

    /// A write of somebody that the object's writer does not see.
    async fn label(&self, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"by": value}}}));
        self.all.patch("app", &PatchParams::default(), &patch).await.unwrap();
    }
}

fn latest(tag: &str, digest: Option<&str>) -> Value {
    let mut latest = json!({"name": "registry.example.com/app", "tag": tag});
    if let Some(digest) = digest {
        latest["digest"] = digest.into();
    }
    json!({"observedGeneration": 1, "latestRef": latest})
}

#[tokio::test]
async fn what_an_earlier_controller_left_is_removed_and_its_entry_goes_on() {
    let policy = Policy::new().await;
    // As a controller of Flux has left it: written by update, under the same name.
    let before = json!({"status": latest("1.0.0", Some("sha256:00"))});
    let as_flux = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    policy.all.patch_status("app", &as_flux, &Patch::Merge(before)).await.unwrap();

    let read = policy.now().await;
    let bot = policy.space.client("status").await;
    let written = eventually("the role counts", || async {
        status::write(policy.target(&bot), &read.resource_version, &read.status(), &latest("1.1.0", None)).await.ok()
    })
    .await;
    let Written::Stored(stored) = written else { panic!("{written:?}") };
    assert_eq!(stored.status(), latest("1.1.0", None), "no digest beside another tag");
    assert_eq!(stored.generation, read.generation);
    let entries = policy.all.get("app").await.unwrap().metadata.managed_fields.unwrap();
    let ours: Vec<_> = entries.iter().filter(|entry| entry.manager.as_deref() == Some(MANAGER)).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!((ours[0].operation.as_deref(), ours[0].subresource.as_deref()), (Some("Update"), Some("status")));

    let same = status::write(policy.target(&bot), &stored.resource_version, &stored.status(), &stored.status()).await;
    assert!(matches!(same, Ok(Written::Unchanged)));
    let user = policy.space.user("status");
    let asked = || async { policy.space.cluster.asked_by(&user).into_iter().find(|asked| asked.code == 200) };
    eventually("the patch is in the audit log", asked).await;
    let counted = policy.space.cluster.asked_by(&user).into_iter().filter(|asked| asked.code == 200);
    let counted: Vec<_> = counted.map(|asked| format!("{} {}", asked.verb, asked.resource)).collect();
    assert_eq!(counted, ["patch imagepolicies/status"], "one write, and no read");
}

#[tokio::test]
async fn a_write_on_what_somebody_has_changed_is_a_conflict_and_is_made_again() {
    let policy = Policy::new().await;
    let read = policy.now().await;
    policy.label("somebody").await;
    let target = policy.target(&policy.space.admin);
    let stale = status::write(target, &read.resource_version, &read.status(), &latest("1", None)).await;
    assert!(matches!(stale, Ok(Written::Conflict)), "{stale:?}");
    assert_eq!(policy.now().await.status(), json!({"observedGeneration": -1}));

    let mut seen = Vec::new();
    let written = status::update(target, &read, |object| {
        seen.push(object.labels.get("by").cloned());
        latest("1", None)
    });
    let written = written.await;
    assert!(matches!(&written, Ok(Written::Stored(object)) if object.status() == latest("1", None)), "{written:?}");
    assert_eq!(seen, [None, Some("somebody".to_owned())]);
}

#[tokio::test]
async fn what_the_kind_forbids_is_refused_in_the_servers_words() {
    let policy = Policy::new().await;
    let read = policy.now().await;
    let target = policy.target(&policy.space.admin);
    let wrong = json!({"observedGeneration": 1, "latestRef": {"name": "app"}});
    let refused = status::write(target, &read.resource_version, &read.status(), &wrong).await;
    assert!(matches!(&refused, Ok(Written::Refused(why)) if why.contains("status.latestRef.tag")), "{refused:?}");
}

#[tokio::test]
async fn an_object_with_a_finalizer_waits_for_it_and_no_longer() {
    let policy = Policy::new().await;
    let bot = policy.space.client("finalizer").await;
    let target = policy.target(&bot);
    let read = policy.now().await;
    let added = eventually("the role counts", || async { finalizer::add(target, &read, FINALIZER).await.ok() }).await;
    let Written::Stored(held) = added else { panic!("{added:?}") };
    assert_eq!((held.finalizers.as_slice(), held.generation), (&[FINALIZER.to_owned()][..], 1));
    let stale = Object { resource_version: read.resource_version, ..(*held).clone() };
    assert!(matches!(finalizer::remove(target, &stale, FINALIZER).await, Ok(Written::Conflict)));

    policy.all.delete("app", &DeleteParams::default()).await.unwrap();
    let deleted = policy.now().await;
    assert!(deleted.deleting);
    assert!(matches!(finalizer::add(target, &deleted, "another.example.com/one").await, Ok(Written::Unchanged)));
    assert!(matches!(finalizer::remove(target, &deleted, FINALIZER).await, Ok(Written::Gone)));
    assert!(policy.all.get_opt("app").await.unwrap().is_none());

    let target = policy.target(&policy.space.admin);
    let late = status::write(target, &deleted.resource_version, &deleted.status(), &latest("1", None)).await;
    assert!(matches!(late, Ok(Written::Gone)), "{late:?}");
}
