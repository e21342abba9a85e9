//! A namespace with image repositories, policies and an automation, the registry and the remote that they name, and a bot.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bot::{Bot, History, allocator};
use crate::cluster::{Cluster, Line, Manifest, Snapshot, Space, WITHIN, eventually};
use crate::remote::{Behaviour, Remote, Server};
use crate::simulated::{self, Registry};

/// The rights of a bot, as they are shipped.
pub(super) const RIGHTS: &str = "deploy/kubernetes/standalone/cluster-wide/rbac.yaml";

/// Whose rights they are.
const ACCOUNT: &str = "tagwright";

/// A condition: status, reason, message.
pub(super) type Ready = (String, String, String);

/// A time in which everything is as it must be, after any storm: the longest pause between two tries to write a status is a
/// minute, and the machine may be busy.
const SETTLES_WITHIN: Duration = Duration::from_secs(150);

/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A kind of the image API, or the Git repository that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Repository,
    Policy,
    Automation,
    Git,
}

impl Kind {
    /// Those whose status is written.
    pub(super) const WRITTEN: [Self; 3] = [Self::Repository, Self::Policy, Self::Automation];

    pub(super) fn resource(self) -> ApiResource {
        let (group, name, plural) = match self {
            Self::Repository => ("image", "ImageRepository", "imagerepositories"),
            Self::Policy => ("image", "ImagePolicy", "imagepolicies"),
            Self::Automation => ("image", "ImageUpdateAutomation", "imageupdateautomations"),
            Self::Git => ("source", "GitRepository", "gitrepositories"),
        };
        let kind = GroupVersionKind::gvk(&format!("{group}.toolkit.fluxcd.io"), "v1", name);
        ApiResource::from_gvk_with_plural(&kind, plural)
    }

    /// The name of its definition.
    pub(super) fn definition(self) -> String {
        let ApiResource { group, plural, .. } = self.resource();
        format!("{plural}.{group}")
    }
}

pub(super) struct World<'a> {
    pub(super) space: Space<'a>,
    pub(super) line: Line,
    pub(super) registry: Registry,
    pub(super) remote: Remote,
    pub(super) server: Server,
    /// How many images there are.
    pub(super) images: usize,
    folder: TempDir,
    went_back: AtomicBool,
}

impl<'a> World<'a> {
    /// So many images with one tag, and fields that say it. Nothing but rights is in the cluster yet.
    pub(super) async fn new(cluster: &'a Cluster, images: usize) -> Self {
        let world = Self::without_rights(cluster, images).await;
        world.space.apply_file(RIGHTS).await;
        world
    }

    pub(super) async fn without_rights(cluster: &'a Cluster, images: usize) -> Self {
        let tags = (0..images).fold(simulated::World::default(), |world, n| world.and(&image(n), ["1.0.0"]));
        let registry = Registry::start(tags).await;
        let remote = Remote::empty();
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let (space, line) = (Space::new(cluster).await, Line::to(cluster).await);
        let world = Self {
            space,
            line,
            registry,
            remote,
            server,
            images,
            folder: tempfile::tempdir().unwrap(),
            went_back: AtomicBool::default(),
        };
        let files: Vec<(String, String)> = (0..images).map(|n| (file(n), world.text(n, 0))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        world.remote.commit(&files, "first");
        // From the start, so that it is in each copy of what the cluster has.
        world.space.token(ACCOUNT).await;
        world
    }

    /// Everything that the bot works on: one repository and one policy for each image, and one automation for all.
    pub(super) async fn populate(&self) {
        let mut text = self.automation();
        for n in 0..self.images {
            text += &self.repository(n, "");
            text += &self.policy(n);
        }
        self.space.apply(&text).await;
    }

    pub(super) fn automation(&self) -> String {
        format!(
            "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: shop, labels: {{team: shop}}}}\n\
             spec: {{url: '{}', interval: 1h, ref: {{branch: main}}}}\n\
             ---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {{name: shop, labels: {{team: shop}}}}\n\
             spec:\n  interval: 1s\n  sourceRef: {{kind: GitRepository, name: shop}}\n  update: {{path: apps}}\n  \
             git: {{commit: {{author: {{name: bot, email: bot@example.com}}}}}}\n",
            self.server.url()
        )
    }

    /// An image repository, with more of its spec.
    pub(super) fn repository(&self, n: usize, more: &str) -> String {
        let image = self.image(n);
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {{name: app-{n}, labels: {{team: shop}}}}\n\
             spec: {{image: '{image}', interval: 1s, insecure: true{more}}}\n"
        )
    }

    pub(super) fn policy(&self, n: usize) -> String {
        format!(
            "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {{name: app-{n}, labels: {{team: shop}}}}\n\
             spec: {{imageRepositoryRef: {{name: app-{n}}}, policy: {{semver: {{range: 1.x}}}}}}\n"
        )
    }

    /// The name of an image repository.
    pub(super) fn image(&self, n: usize) -> String {
        format!("{}/{}", self.registry.host(), image(n))
    }

    /// What the file of an image says.
    fn text(&self, n: usize, patch: usize) -> String {
        let name = &self.space.name;
        let marker = |field: &str| format!("# {{\"$imagepolicy\": \"{name}:app-{n}{field}\"}}");
        let (image, whole, alone) = (self.image(n), marker(""), marker(":tag"));
        format!("kind: Settings\nname: app-{n}\nimage: {image}:1.0.{patch} {whole}\ntag: 1.0.{patch} {alone}\n")
    }

    /// Starts a bot that works on this namespace alone.
    pub(super) async fn bot(&self) -> Bot {
        self.bot_with(&["--watch-all-namespaces=false"]).await
    }

    /// Starts a bot with more flags.
    pub(super) async fn bot_with(&self, flags: &[&str]) -> Bot {
        let token = self.space.token(ACCOUNT).await;
        let kubeconfig = self.path("kubeconfig");
        std::fs::write(&kubeconfig, self.space.cluster.kubeconfig(&self.line.url, &token, &self.space.name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
        command.envs(allocator());
        command.args(["run", "--kubernetes", "--log-format", "json", "--health-addr", "127.0.0.1:0"]).args(flags);
        command.arg("--kubeconfig").arg(kubeconfig).arg("--data-dir").arg(self.path("data"));
        Bot::start(command.current_dir(self.folder.path()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.space.admin.clone(), &self.space.name, &kind.resource())
    }

    /// An object as it is stored; null where there is none, or nobody answers.
    pub(super) async fn get(&self, kind: Kind, name: &str) -> Value {
        match self.api(kind).get(name).await {
            Ok(object) => serde_json::to_value(object).unwrap(),
            Err(_) => Value::Null,
        }
    }

    /// Waits until the condition `Ready` of an object is so; returns it.
    #[track_caller]
    pub(super) fn says<'s>(
        &'s self,
        kind: Kind,
        name: &'s str,
        what: &'s str,
        is: impl Fn(&Ready) -> bool + 's,
    ) -> impl Future<Output = Ready> + 's {
        let place = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + WITHIN;
            loop {
                let object = self.get(kind, name).await;
                if let Some(ready) = ready(&object).filter(&is) {
                    return ready;
                }
                assert!(Instant::now() < deadline, "at {place}: {kind:?} {name} does not say {what}: {object:#}");
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
    }

    /// Puts etcd back to a copy. What was pushed since, no status says.
    pub(super) fn goes_back(&self, snapshot: &Snapshot) {
        self.space.cluster.restore(snapshot);
        self.went_back.store(true, Ordering::SeqCst);
    }

    /// Merges a patch into an object, as a person does it, as soon as somebody answers.
    pub(super) async fn patch(&self, kind: Kind, name: &str, patch: Value) {
        let (api, patch) = (self.api(kind), Patch::Merge(patch));
        eventually(&format!("{kind:?} {name} takes {patch:?}"), || async {
            api.patch(name, &PatchParams::default(), &patch).await.ok()
        })
        .await;
    }

    /// Asks for a pass.
    pub(super) async fn request(&self, kind: Kind, name: &str, text: &str) {
        self.patch(kind, name, json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": text}}})).await;
    }

    /// Deletes an object; what keeps it is for the bot.
    pub(super) async fn delete(&self, kind: Kind, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// What people do while it storms: specs change, and passes are asked for.
    pub(super) async fn disturb(&self, round: usize) {
        let (name, other) = (format!("app-{}", round % self.images), format!("app-{}", (round + 1) % self.images));
        self.patch(Kind::Repository, &name, json!({"spec": {"timeout": format!("{}s", 20 + round)}})).await;
        self.patch(
            Kind::Policy,
            &other,
            json!({"spec": {"policy": {"semver": {"range": format!("1.x || 0.{round}")}}}}),
        )
        .await;
        self.patch(Kind::Automation, "shop", json!({"spec": {"interval": format!("1.{round}s")}})).await;
        self.request(Kind::Repository, &other, &format!("round {round}")).await;
        self.request(Kind::Policy, &name, &format!("round {round}")).await;
        self.request(Kind::Automation, "shop", &format!("round {round}")).await;
    }

    /// Releases the next tag of an image; returns its patch number.
    pub(super) fn release(&self, n: usize) -> usize {
        let mut patch = 0;
        self.registry.change(|world| {
            let tags = world.repositories.get_mut(&image(n)).unwrap();
            patch = tags.len();
            tags.push(format!("1.0.{patch}"));
        });
        patch
    }

    pub(super) fn release_all(&self) {
        for n in 0..self.images {
            self.release(n);
        }
    }

    /// The newest patch number of an image.
    pub(super) fn newest(&self, n: usize) -> usize {
        let mut newest = 0;
        self.registry.change(|world| newest = world.repositories[&image(n)].len() - 1);
        newest
    }

    /// How often the tags of an image were asked for.
    pub(super) fn polls(&self, n: usize) -> usize {
        self.registry.count(&format!("/{}/tags/list", image(n)))
    }

    /// Waits until all images are polled once more, by a poll that began after this call.
    pub(super) async fn polled_again(&self, n: usize) {
        // One may be under way.
        let before = self.polls(n);
        eventually(&format!("image {n} is polled"), || async { (self.polls(n) > before + 1).then_some(()) }).await;
    }

    /// Whether the branch says the newest tag of an image.
    pub(super) fn is_committed(&self, n: usize) -> bool {
        self.remote.show(&format!("main:{}", file(n))) == self.text(n, self.newest(n))
    }

    /// The branch as it is now.
    pub(super) fn history(&self) -> History {
        History::read(&self.remote.bare(), "main")
    }

    /// Waits until everything says the newest tags: objects and branch. Then the branch is judged.
    #[track_caller]
    pub(super) fn settles<'s>(&'s self, bot: &'s mut Bot, when: &'s str) -> impl Future<Output = ()> + 's {
        let place = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + SETTLES_WITHIN;
            loop {
                let wrong = self.wrong().await;
                bot.is_alive();
                if wrong.is_empty() {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "{when}, at {place}: not right within {SETTLES_WITHIN:?}: {wrong:#?}\n{:#?}",
                    bot.complaints().iter().rev().take(30).collect::<Vec<_>>()
                );
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            self.remote.fsck();
            assert_eq!(self.history().faults(), Vec::<String>::new(), "{when}");
        }
    }

    /// What does not say the newest tags, or not rightly.
    async fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut found = Vec::new();
        for kind in Kind::WRITTEN {
            match self.api(kind).list(&Default::default()).await {
                Ok(list) => found.push(list.items.into_iter().map(|it| serde_json::to_value(it).unwrap()).collect()),
                Err(error) => return vec![format!("{kind:?}: {error}")],
            }
        }
        let [repositories, policies, automations] = <[Vec<Value>; 3]>::try_from(found).unwrap();
        for object in repositories.iter().chain(&policies).chain(&automations) {
            // What tests add beside it has names of its own.
            let name = object["metadata"]["name"].as_str().unwrap();
            if name == "shop" || name.starts_with("app-") {
                wrong.extend(unready(object));
            }
        }
        let newest: Vec<(String, usize)> = (0..self.images).map(|n| (format!("app-{n}"), self.newest(n))).collect();
        let of = |objects: &[Value], name: &str, pointer: &str| {
            let object = objects.iter().find(|object| object["metadata"]["name"] == name);
            object.and_then(|object| object.pointer(pointer)).cloned().unwrap_or_default()
        };
        let head = self.remote.at("main");
        for (n, (name, patch)) in newest.iter().enumerate() {
            let tag = Value::from(format!("1.0.{patch}"));
            for (what, is, must) in [
                ("scan", of(&repositories, name, "/status/lastScanResult/tagCount"), Value::from(patch + 1)),
                ("selection", of(&policies, name, "/status/latestRef/tag"), tag.clone()),
                ("observed", of(&automations, "shop", &format!("/status/observedPolicies/{name}/tag")), tag.clone()),
            ] {
                if is != must {
                    wrong.push(format!("{name}: {what} is {is}, not {must}"));
                }
            }
            if !self.is_committed(n) {
                wrong.push(format!("{name}: the branch does not say {tag}"));
            }
        }
        let pushed = of(&automations, "shop", "/status/lastPushCommit");
        if pushed != head && self.history().updates() > 0 && !self.went_back.load(Ordering::SeqCst) {
            wrong.push(format!("pushed {pushed}, the branch is at {head}"));
        }
        wrong
    }
}

/// What is not right about an object that is worked on in peace.
pub(super) fn unready(object: &Value) -> Vec<String> {
    let (metadata, status) = (&object["metadata"], &object["status"]);
    let name = format!("{} {}", object["kind"].as_str().unwrap_or("none"), metadata["name"]);
    let mut wrong = Vec::new();
    let conditions: Vec<Value> = status["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|it| it["type"] == "Ready");
    if ready.is_none_or(|ready| ready["status"] != "True" || ready["observedGeneration"] != metadata["generation"]) {
        wrong.push(format!("{name}: {ready:?}"));
    }
    wrong.extend(
        conditions
            .iter()
            .filter(|it| it["type"] == "Reconciling" || it["type"] == "Stalled")
            .map(|it| format!("{name}: {it}")),
    );
    if status["observedGeneration"] != metadata["generation"] {
        wrong.push(format!("{name}: observed {}, is {}", status["observedGeneration"], metadata["generation"]));
    }
    let requested = metadata.pointer("/annotations/reconcile.fluxcd.io~1requestedAt");
    if let Some(requested) = requested.filter(|requested| **requested != status["lastHandledReconcileAt"]) {
        wrong.push(format!("{name}: handled {}, not {requested}", status["lastHandledReconcileAt"]));
    }
    let kept = |it: &Value| it.as_array().is_some_and(|all| all.iter().any(|it| it == "finalizers.fluxcd.io"));
    if !kept(&metadata["finalizers"]) {
        wrong.push(format!("{name}: no finalizer"));
    }
    wrong
}

/// The condition `Ready` of an object.
fn ready(object: &Value) -> Option<Ready> {
    let conditions = object["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
    let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

/// Rights as they are shipped, without those to read secrets.
pub(super) fn rights_without_secrets() -> Manifest {
    let mut rights = Manifest::read(RIGHTS.as_ref());
    rights.0.retain(|object| object["metadata"]["name"] != "tagwright-secrets");
    rights
}

fn image(n: usize) -> String {
    format!("shop/app-{n}")
}

fn file(n: usize) -> String {
    format!("apps/app-{n}.yaml")
}
