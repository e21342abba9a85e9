//! The cluster's manifests: complete, without rights, and with a configuration that loads.

use std::collections::BTreeSet;

use yaml_rust2::Yaml;

use crate::arguments::{assert_understood, value};
use crate::tree::{File, entries, files, items, root};

const FOLDER: &str = "deploy/kubernetes";

/// What runs, in its folder.
struct Workload {
    folder: &'static str,
    manifest: Yaml,
    /// Where the pod is in the manifest.
    pod: &'static [&'static str],
}

impl Workload {
    fn bot() -> Self {
        let manifest = File::read(&format!("{FOLDER}/bot/deployment.yaml")).document();
        Self { folder: "bot", manifest, pod: &["spec", "template", "spec"] }
    }

    fn job() -> Self {
        let manifest = File::read(&format!("{FOLDER}/cronjob/cronjob.yaml")).document();
        Self { folder: "cronjob", manifest, pod: &["spec", "jobTemplate", "spec", "template", "spec"] }
    }

    fn pod(&self) -> &Yaml {
        self.pod.iter().fold(&self.manifest, |yaml, key| &yaml[*key])
    }

    fn container(&self) -> &Yaml {
        let containers = items(&self.pod()["containers"]);
        assert_eq!(containers.len(), 1, "{}", self.folder);
        &containers[0]
    }

    fn arguments(&self) -> Vec<&str> {
        texts(&self.container()["args"])
    }

    fn mounts(&self) -> Vec<&str> {
        items(&self.container()["volumeMounts"]).iter().map(|it| it["mountPath"].as_str().unwrap()).collect()
    }

    fn volume(&self, mount: &str) -> &Yaml {
        let mounts = items(&self.container()["volumeMounts"]);
        let mount = mounts.iter().find(|it| it["mountPath"].as_str() == Some(mount)).unwrap();
        items(&self.pod()["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap()
    }
}

fn workloads() -> [Workload; 2] {
    [Workload::bot(), Workload::job()]
}

fn read(name: &str) -> Yaml {
    File::read(&format!("{FOLDER}/{name}")).document()
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    items(yaml).iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_kustomizations_name_every_file() {
    for folder in ["base", "bot", "cronjob"] {
        let kustomization = read(&format!("{folder}/kustomization.yaml"));
        let generated = items(&kustomization["configMapGenerator"]).iter().flat_map(|map| texts(&map["files"]));
        let mut named: BTreeSet<String> =
            texts(&kustomization["resources"]).into_iter().chain(generated).map(Into::into).collect();
        assert_eq!(named.remove("../base"), folder != "base", "{folder}");
        named.insert("kustomization.yaml".to_owned());
        let below = format!("{FOLDER}/{folder}/");
        let found: BTreeSet<String> =
            files(&below).iter().map(|file| file.name.strip_prefix(&below).unwrap().to_owned()).collect();
        assert_eq!(named, found);
    }
}

#[test]
fn the_pods_meet_the_restricted_standard() {
    for workload in workloads() {
        let (pod, container) = (workload.pod(), workload.container());
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"].as_bool(), Some(true));
        assert_eq!(security["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"));
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false));
        assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true));
        assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
        assert!(container["resources"]["limits"]["memory"].as_str().is_some());
    }
}

#[test]
fn the_pods_user_is_the_image_s_and_owns_the_volumes() {
    let dockerfile = File::read("Dockerfile").text;
    let user = dockerfile.lines().rfind(|line| line.starts_with("USER ")).unwrap();
    for workload in workloads() {
        let security = &workload.pod()["securityContext"];
        let [uid, gid, group] = ["runAsUser", "runAsGroup", "fsGroup"].map(|key| security[key].as_i64().unwrap());
        assert_eq!(user, format!("USER {uid}:{gid}"));
        assert_eq!(gid, group);
    }
}

#[test]
fn the_program_understands_its_arguments() {
    for workload in workloads() {
        assert_understood(&workload.arguments());
    }
    assert_eq!(Workload::job().arguments()[..2], ["run", "--once"]);
    assert!(!Workload::bot().arguments().contains(&"--once"));
}

#[test]
fn every_folder_that_the_command_names_is_mounted_and_every_volume_is_used() {
    for workload in workloads() {
        let mounts = workload.mounts();
        for folder in workload.arguments().into_iter().filter(|argument| argument.starts_with('/')) {
            assert!(mounts.iter().any(|mount| mount.starts_with(folder)), "{folder} is not mounted");
        }
        let names = |yaml: &Yaml| -> BTreeSet<String> {
            items(yaml).iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&workload.pod()["volumes"]), names(&workload.container()["volumeMounts"]));
    }
}

#[test]
fn names_are_those_of_the_other_manifests() {
    let account = read("base/serviceaccount.yaml");
    let namespace = read("base/namespace.yaml");
    let base = read("base/kustomization.yaml");
    let generated = &items(&base["configMapGenerator"])[0]["name"];
    for workload in workloads() {
        let kustomization = read(&format!("{}/kustomization.yaml", workload.folder));
        assert_eq!(kustomization["namespace"], namespace["metadata"]["name"]);
        assert_eq!(workload.pod()["serviceAccountName"], account["metadata"]["name"]);
        assert_eq!(workload.volume("/policies")["configMap"]["name"], *generated);
    }
}

#[test]
fn a_bot_reads_an_edited_configuration() {
    // A name with a hash would start another bot in its place.
    let base = read("base/kustomization.yaml");
    assert_eq!(base["generatorOptions"]["disableNameSuffixHash"].as_bool(), Some(true));
    // What is mounted so is never written again.
    for mount in items(&Workload::bot().container()["volumeMounts"]) {
        assert!(mount["subPath"].is_badvalue());
    }
}

#[test]
fn there_is_one_bot_and_its_state_stays() {
    let bot = Workload::bot();
    let spec = &bot.manifest["spec"];
    assert_eq!((spec["replicas"].as_i64(), spec["strategy"]["type"].as_str()), (Some(1), Some("Recreate")));
    assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
    let dockerfile = File::read("Dockerfile").text;
    let state = dockerfile.lines().find_map(|line| line.strip_prefix("ENV XDG_STATE_HOME=")).unwrap();
    assert_eq!(value(&bot.arguments(), "--data-dir"), None, "the image's, which other commands know, too");
    let claim = &bot.volume(&format!("{state}/tagwright"))["persistentVolumeClaim"]["claimName"];
    let volume = read("bot/volume.yaml");
    assert_eq!(*claim, volume["metadata"]["name"]);
    assert_eq!(texts(&volume["spec"]["accessModes"]), ["ReadWriteOnce"]);
}

#[test]
fn a_bot_is_asked_how_it_is_where_it_listens() {
    let bot = Workload::bot();
    let (container, arguments) = (bot.container(), bot.arguments());
    let listens = tagwright::server::parse_address(value(&arguments, "--listen").unwrap()).unwrap();
    assert!(listens.ip().is_unspecified(), "the kubelet asks from outside of the pod");
    let port = &items(&container["ports"])[0];
    assert_eq!(port["containerPort"].as_i64(), Some(listens.port().into()));
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((get["path"].as_str(), &get["port"]), (Some(path), &port["name"]));
    }
}

#[test]
fn a_bot_has_the_time_to_finish_a_push() {
    let bot = Workload::bot();
    assert_eq!(value(&bot.arguments(), "--grace"), None);
    let grace = bot.pod()["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace > tagwright::schedule::SHUTDOWN_GRACE.as_secs().cast_signed(), "{grace}");
}

#[test]
fn every_secret_that_the_configuration_names_is_mounted_where_it_is_looked_for() {
    let automation = read("base/policies.yaml");
    let namespace = automation["metadata"]["namespace"].as_str().unwrap();
    let mut secrets = 0;
    for (_, value) in entries(&automation["spec"]["git"]).into_iter().filter(|(key, _)| *key == "secretRef") {
        let folder = format!("/secrets/{namespace}/{}", value["name"].as_str().unwrap());
        for workload in workloads() {
            assert!(workload.mounts().contains(&folder.as_str()), "{folder}");
        }
        secrets += 1;
    }
    assert_eq!(secrets, 1);
}

#[test]
fn the_configuration_loads() {
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("default/git-credentials");
    std::fs::create_dir_all(&secret).unwrap();
    std::fs::write(secret.join("username"), "bot").unwrap();
    std::fs::write(secret.join("password"), "token").unwrap();
    let paths = vec![root().join(FOLDER).join("base/policies.yaml")];
    let sources = tagwright::config::Sources { paths, secrets: Some(secrets.path().to_owned()) };
    let configuration = tagwright::config::load(&sources).unwrap();
    assert_eq!(configuration.automations.len(), 1);
    assert_eq!(configuration.policies.len(), 1);
}
