//! docs/guides/from-flux.md, in the cluster: a trial beside Flux's controllers, the switch and the way back, as the page says it.
//!
//! The commands of the page are run as they are. What a cluster would do is done here: what a Deployment runs is started as its
//! account, with the arguments that it has. Where it has an image of Flux, that is tagwright, too, in Flux's place; and `flux`
//! is a script that does with kubectl what Flux does.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bot::Bot;
use crate::cluster::{Cluster, Manifest, WITHIN, eventually};
use crate::page::Page;
use crate::remote::{Behaviour, Remote, Server};
use crate::simulated::{self, Registry};
use crate::tools::{Tools, printed};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where Flux is.
const NAMESPACE: &str = "flux-system";

/// What is done with kubectl in place of what Flux does.
const FLUX: &str = r#"#!/bin/bash
set -eu
namespace=flux-system
reconcile() {
  at=$(date +%s%N)
  kubectl --namespace $namespace annotate --overwrite "$1" reconcile.fluxcd.io/requestedAt="$at"
  kubectl --namespace $namespace wait --timeout=60s --for=jsonpath='{.status.lastHandledReconcileAt}'="$at" "$1"
}
case "$*" in
  "reconcile kustomization flux-system --with-source")
    kubectl kustomize clusters/prod/flux-system | kubectl apply --server-side --force-conflicts --filename - ;;
  "reconcile image repository podinfo") reconcile imagerepository/podinfo ;;
  "reconcile image update flux-system") reconcile imageupdateautomation/flux-system ;;
  "get images all --all-namespaces") kubectl get imagerepositories,imagepolicies,imageupdateautomations --all-namespaces ;;
  *) echo "what does $* do?" >&2; exit 1 ;;
esac
"#;

/// What Flux's accounts may do; in an installation that is a role of Flux's own.
const FLUX_RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: crd-controller-flux-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
  - {kind: ServiceAccount, name: image-reflector-controller, namespace: flux-system}
  - {kind: ServiceAccount, name: image-automation-controller, namespace: flux-system}
";

/// A reader of the page, with a cluster that Flux runs in.
struct Reader {
    cluster: Cluster,
    tools: Tools,
    folder: TempDir,
    registry: Registry,
    remote: Remote,
    server: Server,
    /// What runs, by Deployment: what it was made of, and the process.
    running: BTreeMap<String, (Value, Bot)>,
    /// The variables that were set.
    variables: String,
}

/// What the bots of a reader that got stuck have to say.
impl Drop for Reader {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, (_, bot)) in &self.running {
                bot.log().iter().for_each(|line| eprintln!("{name}: {line}"));
            }
        }
    }
}

impl Reader {
    async fn new() -> Self {
        let cluster = Cluster::start();
        let tools = Tools::of(&cluster.admin_kubeconfig());
        let registry = Registry::start(simulated::World::with("stefanprodan/podinfo", ["6.5.4"])).await;
        let remote = Remote::empty();
        let server = Server::start(remote.root.path(), Behaviour::default()).await;
        let reader = Self {
            cluster,
            tools,
            folder: tempfile::tempdir().unwrap(),
            registry,
            remote,
            server,
            running: BTreeMap::new(),
            variables: String::new(),
        };
        reader.remote.commit(&[("podinfo.yaml", &reader.file("6.5.4"))], "first");
        reader.write("bin/flux", FLUX);
        std::fs::set_permissions(reader.path("bin/flux"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let flux = format!("{ROOT}/fixtures/deploy/flux/gotk-components.yaml");
        reader.write("here/clusters/prod/flux-system/gotk-components.yaml", &std::fs::read_to_string(flux).unwrap());
        let sync = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sync, namespace: flux-system}\n";
        reader.write("here/clusters/prod/flux-system/gotk-sync.yaml", sync);
        reader.kustomization("resources: [gotk-components.yaml, gotk-sync.yaml]\n");
        reader.bash(
            "git init --quiet --bare ../origin.git && git init --quiet && git remote add origin ../origin.git && \
             git config user.name Ada && git config user.email ada@example.com && \
             git add . && git commit --quiet --message Flux && git push --quiet --set-upstream origin HEAD",
        );
        reader
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn kustomization(&self, text: &str) {
        self.write("here/clusters/prod/flux-system/kustomization.yaml", text);
    }

    /// What the file of the branch says.
    fn file(&self, tag: &str) -> String {
        let image = format!("{}/stefanprodan/podinfo", self.registry.host());
        format!("kind: Settings\nimage: {image}:{tag} # {{\"$imagepolicy\": \"{NAMESPACE}:podinfo\"}}\n")
    }

    /// The objects of the image automation.
    fn objects(&self) -> String {
        let (host, url) = (self.registry.host(), self.server.url());
        format!(
            "
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: podinfo, namespace: {NAMESPACE}}}
spec: {{image: '{host}/stefanprodan/podinfo', interval: 1s, timeout: 30s, insecure: true}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: podinfo, namespace: {NAMESPACE}}}
spec: {{imageRepositoryRef: {{name: podinfo}}, policy: {{semver: {{range: 6.x}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: flux-system, namespace: {NAMESPACE}}}
spec: {{url: '{url}', interval: 1h, ref: {{branch: main}}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {{name: flux-system, namespace: {NAMESPACE}}}
spec:
  interval: 1h
  sourceRef: {{kind: GitRepository, name: flux-system}}
  git: {{commit: {{author: {{email: bot@example.com}}}}}}
"
        )
    }

    /// Runs a line as the reader would; returns its exit code.
    fn code(&self, line: &str) -> Option<i32> {
        let tools = std::env::var("TAGWRIGHT_TEST_TOOLS").unwrap_or_default();
        let path = format!("{}:{tools}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut bash = self.tools.command("bash", ["-c", &format!("{}{line}", self.variables)]);
        let output = bash.env("PATH", path).current_dir(self.path("here")).output().unwrap();
        println!("$ {line}\n{}", String::from_utf8_lossy(&output.stdout));
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        output.status.code()
    }

    #[track_caller]
    fn bash(&self, line: &str) {
        assert_eq!(self.code(line), Some(0), "{line}");
    }

    /// Follows the commands of a block.
    async fn follow(&mut self, block: &str) {
        for line in block.lines() {
            let line = line.replace("…/tagwright/", &format!("{ROOT}/"));
            match line.split(' ').next().unwrap() {
                // There is no container to run it in.
                "kubectl" if line.contains(" exec ") => {}
                // It says by its exit code that there are differences.
                "kubectl" if line.contains(" | kubectl diff ") => assert_eq!(self.code(&line), Some(1), "{line}"),
                word if word.contains('=') => self.variables.push_str(&format!("{line}\n")),
                _ => self.bash(&line),
            }
            if line.starts_with("flux reconcile kustomization") {
                self.run_deployments().await;
            }
        }
    }

    /// Runs what the Deployments say, as a cluster would: what is another than before ends first.
    async fn run_deployments(&mut self) {
        let found = printed(&mut self.tools.kubectl(["--namespace", NAMESPACE, "get", "deployments", "--output=json"]));
        let found: Value = serde_json::from_str(&found).unwrap();
        let found: BTreeMap<String, Value> = found["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|deployment| (deployment["metadata"]["name"].as_str().unwrap().to_owned(), deployment.clone()))
            .collect();
        let pod = |deployment: &Value| deployment["spec"]["template"]["spec"].clone();
        for (name, (before, mut bot)) in std::mem::take(&mut self.running) {
            if found.get(&name).map(pod).as_ref() == Some(&before) {
                self.running.insert(name, (before, bot));
            } else {
                assert!(bot.stop().success(), "{name}");
            }
        }
        for (name, deployment) in found {
            let pod = pod(&deployment);
            if !self.running.contains_key(&name) {
                let bot = Bot::start(&mut self.program(&name, &pod));
                self.running.insert(name.clone(), (pod, bot));
            }
            let status = json!({"status": {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            }});
            let patch = format!("--patch={status}");
            let arguments = ["--namespace", NAMESPACE, "patch", "deployment", &name, "--subresource=status"];
            printed(&mut self.tools.kubectl(arguments.into_iter().chain(["--type=merge", &patch])));
        }
    }

    /// What a pod runs, as its account.
    fn program(&self, name: &str, pod: &Value) -> Command {
        let account = pod["serviceAccountName"].as_str().unwrap();
        let token = printed(&mut self.tools.kubectl(["--namespace", NAMESPACE, "create", "token", account]));
        let kubeconfig = self.path(&format!("{name}.kubeconfig"));
        let text = self.cluster.kubeconfig(&self.cluster.url(), token.trim(), NAMESPACE);
        std::fs::write(&kubeconfig, text).unwrap();
        let container = &pod["containers"][0];
        let texts = |field: &str| container[field].as_array().into_iter().flatten().map(|text| text.as_str().unwrap());
        let asked: Vec<&str> = texts("command").skip(1).chain(texts("args")).collect();
        let stands_in = container["image"].as_str().unwrap().contains("/fluxcd/");
        let half = format!("--controllers={}", name.trim_end_matches("-controller"));
        let ours = ["run", "--kubernetes", &half];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("RUNTIME_NAMESPACE", NAMESPACE);
        command.args(ours.into_iter().filter(|_| stands_in));
        // Places and addresses of a container are others here; nobody receives the events.
        let of_the_container = ["--data-dir=", "--listen=", "--metrics-addr=", "--health-addr=", "--events-addr="];
        command.args(asked.into_iter().filter(|argument| !of_the_container.iter().any(|it| argument.starts_with(it))));
        command.arg(format!("--data-dir={}", self.path(name).display())).arg("--listen=127.0.0.1:0");
        command.arg("--kubeconfig").arg(kubeconfig);
        command
    }

    /// Publishes a tag, and waits until it is committed and told, by these accounts: of the policy's status and the automation's.
    async fn release(&self, tag: &str, by: [&str; 2]) {
        let tags = &mut |world: &mut simulated::World| {
            world.repositories.get_mut("stefanprodan/podinfo").unwrap().push(tag.to_owned());
        };
        self.registry.change(tags);
        let says = self.file(tag);
        let look = || async { (self.remote.show("main:podinfo.yaml") == says).then_some(()) };
        eventually(&format!("{tag} is in the branch"), look).await;
        let head = self.remote.at("main");
        let is_told = || async {
            let path = "--output=jsonpath={.status.lastPushCommit}";
            let arguments = ["--namespace", NAMESPACE, "get", "imageupdateautomation", "flux-system", path];
            (printed(&mut self.tools.kubectl(arguments)) == head).then_some(())
        };
        eventually(&format!("the commit of {tag} is told"), is_told).await;
        // What was written is in the audit log after it can be read.
        let writers =
            || ["imagepolicies/status", "imageupdateautomations/status"].map(|resource| self.writer(resource));
        let is_by = || async { (writers() == by).then_some(()) };
        let is_by = tokio::time::timeout(WITHIN / 2, eventually("who tells is written down", is_by)).await;
        assert!(is_by.is_ok(), "{tag} is told by {:?}, not by {by:?}", writers());
    }

    /// The account that wrote a kind's status last.
    fn writer(&self, resource: &str) -> String {
        let prefix = format!("system:serviceaccount:{NAMESPACE}:");
        let accounts = ["image-reflector", "image-automation"]
            .map(|half| [format!("{half}-controller"), format!("tagwright-{half}")])
            .concat();
        let asked = self.cluster.asked();
        let last = asked.iter().rev().find(|asked| {
            let account = asked.user.strip_prefix(&prefix).unwrap_or_default();
            asked.resource == resource && asked.is_write() && accounts.iter().any(|known| known == account)
        });
        last.map(|asked| asked.user[prefix.len()..].to_owned()).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_in_place_and_back() {
    let mut reader = Reader::new().await;
    let page = Page::at("docs/guides/from-flux.md").below("## In the cluster");
    let (yaml, sh) = (page.blocks("yaml"), page.blocks("sh"));
    let [copy, beside, label, compare, automate, switch] = sh[..] else { panic!("{sh:#?}") };
    let [trial, components] = yaml[..] else { panic!("{yaml:#?}") };

    // Flux, as it was before.
    reader.cluster.apply(&Manifest::parse(FLUX_RIGHTS)).await;
    reader.follow("flux reconcile kustomization flux-system --with-source").await;
    reader.cluster.apply(&Manifest::parse(&reader.objects())).await;
    let flux = ["image-reflector-controller", "image-automation-controller"];
    reader.release("6.6.0", flux).await;

    reader.follow(copy).await;
    reader.kustomization(trial);
    reader.follow(beside).await;
    reader.release("6.6.1", flux).await; // nothing has the label
    reader.follow(label).await;
    reader.follow(compare).await;
    reader.release("6.6.2", ["tagwright-image-reflector", flux[1]]).await; // each half by itself
    reader.follow(automate).await;
    let ours = ["tagwright-image-reflector", "tagwright-image-automation"];
    reader.release("6.7.0", ours).await;

    let (resources, _) = trial.split_once("components:").unwrap();
    reader.kustomization(&format!("{resources}{components}\n"));
    reader.follow(switch).await;
    remove_beside(&mut reader).await;
    reader.release("6.7.1", ours).await;
    assert!(reader.running.keys().eq(["image-automation-controller", "image-reflector-controller"].iter()));

    reader.kustomization(resources);
    reader.follow("flux reconcile kustomization flux-system --with-source").await;
    reader.release("6.7.2", flux).await;
    for (name, (_, bot)) in &mut reader.running {
        assert!(bot.stop().success(), "{name}");
    }
}

/// Flux removes what is no longer in the repository.
async fn remove_beside(reader: &mut Reader) {
    for half in ["image-reflector", "image-automation"] {
        let name = format!("deployment/tagwright-{half}");
        printed(&mut reader.tools.kubectl(["--namespace", NAMESPACE, "delete", "--wait=false", &name]));
    }
    reader.run_deployments().await;
}

#[test]
fn the_script_knows_all_that_the_page_asks_of_flux() {
    let page = Page::at("docs/guides/from-flux.md").below("## In the cluster");
    for line in page.blocks("sh").into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("flux ")) {
        assert!(FLUX.contains(&format!("\"{line}\")")), "{line}");
    }
    assert!(Path::new(ROOT).join("fixtures/deploy/flux").is_dir());
}
