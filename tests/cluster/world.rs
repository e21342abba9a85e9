//! One test's world: a namespace with an image, a policy, a remote and an automation, and bots that work on them.

use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, Space, eventually};
use crate::remote::{Behaviour, Remote, Server, git};
use crate::simulated::{self, Registry};

/// The repository's folder.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The kinds of Flux, as the API server knows them.
pub(crate) const IMAGE: &str = "image.toolkit.fluxcd.io/v1";

/// A namespace with one image, `shop/app`, and all that it takes to commit its tags.
pub(crate) struct World<'c> {
    pub(crate) space: Space<'c>,
    pub(crate) registry: Registry,
    pub(crate) remote: Remote,
    pub(crate) server: Server,
    folder: TempDir,
}

impl<'c> World<'c> {
    /// The world with the tag 1.0.0, on the registry and in the branch; no object is there yet.
    pub(crate) async fn new(cluster: &'c Cluster) -> Self {
        let space = Space::new(cluster).await;
        let registry = Registry::start(simulated::World::with("shop/app", ["1.0.0"])).await;
        let remote = Remote::empty();
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let world = Self { space, registry, remote, server, folder: tempfile::tempdir().unwrap() };
        world.remote.commit(&[("app.yaml", &world.file("1.0.0"))], "first");
        world
    }

    /// The name of the image repository.
    pub(crate) fn image(&self) -> String {
        format!("{}/shop/app", self.registry.host())
    }

    /// What the file of the branch says.
    pub(crate) fn file(&self, tag: &str) -> String {
        let (image, namespace) = (self.image(), &self.space.name);
        format!("kind: Settings\nimage: {image}:{tag} # {{\"$imagepolicy\": \"{namespace}:app\"}}\n")
    }

    /// The objects as documents, with lines of YAML in the `metadata` of all, and in the `spec` of the image repository.
    pub(crate) fn objects_with(&self, metadata: &str, repository: &str) -> String {
        let (image, url) = (self.image(), self.server.url());
        format!(
            "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: app{metadata}}}
spec: {{image: '{image}', interval: 1s, timeout: 30s, insecure: true{repository}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: app{metadata}}}
spec: {{imageRepositoryRef: {{name: app}}, policy: {{semver: {{range: 1.x}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: config{metadata}}}
spec: {{url: '{url}', interval: 1h, ref: {{branch: main}}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {{name: shop{metadata}}}
spec:
  interval: 1h
  sourceRef: {{kind: GitRepository, name: config}}
  git: {{commit: {{author: {{email: bot@example.com}}}}}}
"
        )
    }

    /// Applies the objects.
    pub(crate) async fn apply(&self) {
        self.space.apply(&self.objects_with("", "")).await;
    }

    /// A command that works on the objects of this namespace, as an account with the given token, by the API server at this URL.
    pub(crate) fn command(&self, name: &str, url: &str, token: &str) -> Command {
        let kubeconfig = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&kubeconfig, self.space.cluster.kubeconfig(url, token, &self.space.name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.args(["run", "-vv", "--log-format", "json", "--kubernetes", "--listen", "127.0.0.1:0"]);
        command.arg("--kubeconfig").arg(kubeconfig).arg("--data-dir").arg(self.data(name));
        command.current_dir(self.folder.path());
        command
    }

    /// The data folder of a bot.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a bot for this namespace alone, as the account of the shipped roles for that.
    pub(crate) async fn bot(&self, name: &str) -> Bot {
        self.bot_behind(name, &self.space.cluster.url()).await
    }

    /// The same, by the API server at this URL.
    pub(crate) async fn bot_behind(&self, name: &str, url: &str) -> Bot {
        self.space.apply_file(deployed("standalone/namespaced/rbac.yaml")).await;
        let token = self.space.token("tagwright").await;
        Bot::start(self.command(name, url, &token).arg("--watch-all-namespaces=false"))
    }

    /// Publishes a tag.
    pub(crate) fn release(&self, tag: &str) {
        self.registry.change(|world| world.repositories.get_mut("shop/app").unwrap().push(tag.to_owned()));
    }

    /// The objects of a kind.
    pub(crate) async fn all(&self, kind: &str) -> Api<DynamicObject> {
        let admin = self.space.admin.clone();
        let api_version = if kind == "GitRepository" { "source.toolkit.fluxcd.io/v1" } else { IMAGE };
        self.space.objects(&admin, api_version, kind).await
    }

    /// An object as it is; null where there is none.
    pub(crate) async fn object(&self, kind: &str, name: &str) -> Value {
        let found = self.all(kind).await.get_opt(name).await;
        found.ok().flatten().map_or(Value::Null, |object| json!(object))
    }

    /// Changes an object as a person does.
    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) {
        self.all(kind).await.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits until something can be said of an object.
    pub(crate) async fn until(&self, kind: &str, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let look = || async { Some(self.object(kind, name).await).filter(&is) };
        eventually(&format!("{kind} {name}: {what}"), look).await
    }

    /// Waits until the branch and the objects say that a tag was committed.
    pub(crate) async fn committed(&self, tag: &str) {
        let says = self.file(tag);
        let look = || async { (self.remote.show("main:app.yaml") == says).then_some(()) };
        eventually(&format!("{tag} is in the branch"), look).await;
        let head = self.remote.at("main");
        self.until("ImageUpdateAutomation", "shop", "the commit is its last", |shop| {
            shop["status"]["lastPushCommit"] == head.as_str() && is_ready(shop)
        })
        .await;
    }

    /// How many commits the branch has.
    pub(crate) fn commits(&self) -> usize {
        git(&self.remote.bare(), &["rev-list", "--count", "main"]).trim().parse().unwrap()
    }

    /// The events about objects of a kind, as `TYPE reason: message`.
    pub(crate) async fn events(&self, kind: &str) -> Vec<String> {
        let told = |event: Event| {
            let [level, reason, message] = [event.type_, event.reason, event.message].map(Option::unwrap_or_default);
            format!("{level} {reason}: {message}")
        };
        self.stored_events(kind).await.into_iter().map(told).collect()
    }

    /// Waits until the same was told twice of an object of a kind.
    pub(crate) async fn counted(&self, kind: &str) {
        let is_counted = |event: &Event| event.count.is_some_and(|count| count > 1);
        let look = || async { self.stored_events(kind).await.iter().any(is_counted).then_some(()) };
        eventually(&format!("the same is told twice of an {kind}"), look).await;
    }

    async fn stored_events(&self, kind: &str) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.space.admin.clone(), &self.space.name);
        let mut events = events.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| event.involved_object.kind.as_deref() == Some(kind));
        events
    }
}

/// A file or folder of `deploy/kubernetes`.
pub(crate) fn deployed(path: &str) -> PathBuf {
    Path::new(ROOT).join("deploy/kubernetes").join(path)
}

/// The definitions of our own kinds.
pub(crate) fn own_definitions() -> Manifest {
    let files = ["imageautomations", "receivers", "notifications"];
    Manifest(files.iter().flat_map(|plural| Manifest::read(&deployed(&format!("crds/{plural}.yaml"))).0).collect())
}

/// A condition of an object; null where it has none.
pub(crate) fn condition(object: &Value, name: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == name).cloned().unwrap_or_default()
}

/// Whether an object is ready, and says so of what it is now.
pub(crate) fn is_ready(object: &Value) -> bool {
    let generation = &object["metadata"]["generation"];
    condition(object, "Ready")["status"] == "True" && object["status"]["observedGeneration"] == *generation
}
