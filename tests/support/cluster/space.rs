//! One test's own namespace, and who acts in it.

use std::path::Path;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;

use super::manifest::Manifest;
use super::server::Cluster;
use super::wait::eventually;

/// Whose the objects of tests are, for server-side apply.
const MANAGER: &str = "test";

impl Cluster {
    /// Applies objects as the one who may do everything; returns them as they are stored. CRDs are served when this ends.
    pub(crate) async fn apply(&self, manifest: &Manifest) -> Vec<DynamicObject> {
        let client = self.admin().await;
        let mut stored = Vec::new();
        for object in &manifest.0 {
            stored.push(apply(&client, object).await);
        }
        for object in manifest.0.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
            served(&client, object).await;
        }
        stored
    }
}

/// A namespace with a random name.
pub(crate) struct Space<'a> {
    pub(crate) name: String,
    pub(crate) cluster: &'a Cluster,
    /// May do everything.
    pub(crate) admin: Client,
}

impl<'a> Space<'a> {
    pub(crate) async fn new(cluster: &'a Cluster) -> Self {
        let admin = cluster.admin().await;
        let metadata = ObjectMeta { generate_name: Some("test-".to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let namespace = Api::<Namespace>::all(admin.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        Self { name: namespace.metadata.name.unwrap(), cluster, admin }
    }

    /// Applies documents here, as [placed](Manifest::placed).
    pub(crate) async fn apply(&self, text: &str) -> Vec<DynamicObject> {
        self.cluster.apply(&Manifest::parse(text).placed(&self.name)).await
    }

    /// The same for a file, or each `.yaml` of a folder.
    pub(crate) async fn apply_file(&self, path: impl AsRef<Path>) -> Vec<DynamicObject> {
        self.cluster.apply(&Manifest::read(path.as_ref()).placed(&self.name)).await
    }

    /// A token of a ServiceAccount, which is made where it is missing. It lasts an hour.
    pub(crate) async fn token(&self, account: &str) -> String {
        self.apply(&format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}}}\n")).await;
        let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.clone(), &self.name);
        let request = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
        request.status.unwrap().token
    }

    /// What the API server calls a ServiceAccount.
    pub(crate) fn user(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.name)
    }

    /// A client with the rights of a ServiceAccount.
    pub(crate) async fn client(&self, account: &str) -> Client {
        self.cluster.client(&self.cluster.url(), &self.token(account).await).await
    }

    /// The objects of a kind here, such as `image.toolkit.fluxcd.io/v1` and `ImagePolicy`, as a client sees them.
    pub(crate) async fn objects(&self, client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (resource, _) = resource(&self.admin, api_version, kind).await;
        Api::namespaced_with(client.clone(), &self.name, &resource)
    }
}

async fn apply(client: &Client, object: &Value) -> DynamicObject {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {object}")).to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let name = text(&object["metadata"]["name"]);
    let (resource, is_namespaced) = resource(client, &api_version, &kind).await;
    let api: Api<DynamicObject> = if is_namespaced {
        Api::namespaced_with(client.clone(), object["metadata"]["namespace"].as_str().unwrap_or("default"), &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    let applied = api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await;
    applied.unwrap_or_else(|error| panic!("{kind} {name}: {error}"))
}

/// How a kind is asked for, and whether it is in namespaces. Waits for one that was just defined.
async fn resource(client: &Client, api_version: &str, kind: &str) -> (ApiResource, bool) {
    let types = TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() };
    let kind = GroupVersionKind::try_from(types).unwrap();
    let look = || async { pinned_kind(client, &kind).await.ok() };
    let (resource, abilities) = eventually(&format!("{api_version} {} is served", kind.kind), look).await;
    (resource, abilities.scope == Scope::Namespaced)
}

/// Waits until a definition is in force.
async fn served(client: &Client, definition: &Value) {
    let name = definition["metadata"]["name"].as_str().unwrap();
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    eventually(&format!("{name} is established"), || async {
        let conditions = definitions.get(name).await.ok()?.status?.conditions?;
        conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True").then_some(())
    })
    .await;
    let group = definition["spec"]["group"].as_str().unwrap();
    let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
    for version in definition["spec"]["versions"].as_array().unwrap().iter().filter(|version| version["served"] == true)
    {
        resource(client, &format!("{group}/{}", version["name"].as_str().unwrap()), kind).await;
    }
}
