//! The cluster's manifests: complete, restricted, with arguments that are understood and a configuration that loads. What the
//! bot may do is in `rights`.

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

    /// The bot that takes its configuration from the API server.
    fn standalone() -> Self {
        let manifest = File::read(&format!("{FOLDER}/standalone/base/deployment.yaml")).document();
        Self { folder: "standalone/base", manifest, pod: &["spec", "template", "spec"] }
    }

    /// The same beside Flux's controllers, a half of it.
    fn beside(half: &str) -> Self {
        let manifest = File::read(&format!("{FOLDER}/flux/beside/{half}.yaml")).document();
        Self { folder: "flux/beside", manifest, pod: &["spec", "template", "spec"] }
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

/// What has its configuration in files.
fn of_files() -> [Workload; 2] {
    [Workload::bot(), Workload::job()]
}

/// What has its configuration from the API server.
fn of_objects() -> [Workload; 3] {
    [Workload::standalone(), Workload::beside("image-reflector"), Workload::beside("image-automation")]
}

/// What goes on running.
fn bots() -> impl Iterator<Item = Workload> {
    [Workload::bot()].into_iter().chain(of_objects())
}

fn workloads() -> impl Iterator<Item = Workload> {
    of_files().into_iter().chain(of_objects())
}

fn read(name: &str) -> Yaml {
    File::read(&format!("{FOLDER}/{name}")).document()
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    items(yaml).iter().map(|item| item.as_str().unwrap()).collect()
}

/// All folders with a kustomization, and whether they are whole ones or components of others.
const FOLDERS: [(&str, &str); 14] = [
    ("base", "Kustomization"),
    ("bot", "Kustomization"),
    ("cronjob", "Kustomization"),
    ("crds", "Kustomization"),
    ("standalone/base", "Kustomization"),
    ("standalone/cluster-wide", "Kustomization"),
    ("standalone/namespaced", "Kustomization"),
    ("standalone/replicas", "Component"),
    ("standalone/webhooks", "Component"),
    ("standalone/machine-identity", "Component"),
    ("standalone/flux-notifications", "Component"),
    ("flux", "Component"),
    ("flux/accounts", "Kustomization"),
    ("flux/beside", "Component"),
];

#[test]
fn the_kustomizations_name_every_file() {
    let mut known = BTreeSet::new();
    for (folder, kind) in FOLDERS {
        let kustomization = read(&format!("{folder}/kustomization.yaml"));
        assert_eq!(kustomization["kind"].as_str(), Some(kind), "{folder}");
        let generated = items(&kustomization["configMapGenerator"]).iter().flat_map(|map| texts(&map["files"]));
        let patched = items(&kustomization["patches"]).iter().filter_map(|patch| patch["path"].as_str());
        let named = texts(&kustomization["resources"]).into_iter().chain(generated).chain(patched);
        let (own, others): (BTreeSet<&str>, BTreeSet<&str>) = named.partition(|name| name.ends_with(".yaml"));
        for other in others {
            let place = root().join(FOLDER).join(folder).join(other).join("kustomization.yaml");
            assert!(place.exists(), "{folder} names {other}");
        }
        let mut named: BTreeSet<String> = own.into_iter().map(|name| format!("{folder}/{name}")).collect();
        named.insert(format!("{folder}/kustomization.yaml"));
        let mut found = BTreeSet::new();
        for file in files(&format!("{FOLDER}/{folder}")) {
            let name = file.name.strip_prefix(&format!("{FOLDER}/")).unwrap();
            // What is further below belongs to a folder of its own.
            if name.rsplit_once('/').unwrap().0 == folder {
                found.insert(name.to_owned());
            }
        }
        assert_eq!(named, found);
        known.extend(found);
    }
    let all = files(FOLDER).into_iter().map(|file| file.name.strip_prefix(&format!("{FOLDER}/")).unwrap().to_owned());
    assert_eq!(known, all.collect());
}

#[test]
fn the_pods_meet_the_restricted_standard() {
    for workload in workloads() {
        let (pod, container) = (workload.pod(), workload.container());
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"].as_bool(), Some(true));
        assert_eq!(security["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"));
        // Who reads files does not need to be anybody for the API server.
        let is_somebody = of_objects().iter().any(|it| it.folder == workload.folder);
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(is_somebody), "{}", workload.folder);
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
    for workload in of_files() {
        let kustomization = read(&format!("{}/kustomization.yaml", workload.folder));
        assert_eq!(kustomization["namespace"], namespace["metadata"]["name"]);
        assert_eq!(workload.pod()["serviceAccountName"], account["metadata"]["name"]);
        assert_eq!(workload.volume("/policies")["configMap"]["name"], *generated);
    }
}

#[test]
fn names_of_the_bot_of_objects_are_those_of_its_other_manifests() {
    let standalone = Workload::standalone();
    let account = read("standalone/base/serviceaccount.yaml");
    assert_eq!(standalone.pod()["serviceAccountName"], account["metadata"]["name"]);
    let namespace = read("standalone/cluster-wide/namespace.yaml");
    assert_eq!(account["metadata"]["namespace"], namespace["metadata"]["name"]);
    for variant in ["cluster-wide", "namespaced"] {
        let kustomization = read(&format!("standalone/{variant}/kustomization.yaml"));
        assert_eq!(kustomization["namespace"], namespace["metadata"]["name"]);
    }
    let labels = &standalone.manifest["spec"]["selector"]["matchLabels"];
    assert_eq!(read("standalone/base/network.yaml")["spec"]["podSelector"]["matchLabels"], *labels);
    assert_eq!(read("standalone/replicas/disruption.yaml")["spec"]["selector"]["matchLabels"], *labels);
    let claim = &standalone.volume("/var/lib/tagwright")["persistentVolumeClaim"]["claimName"];
    assert_eq!(*claim, read("standalone/base/volume.yaml")["metadata"]["name"]);
}

#[test]
fn a_policy_of_the_network_lets_through_what_the_bot_needs() {
    let policy = read("standalone/base/network.yaml");
    let port = &items(&items(&policy["spec"]["ingress"])[0]["ports"])[0]["port"];
    assert_eq!(*port, items(&Workload::standalone().container()["ports"])[0]["name"]);
    let ports = items(&policy["spec"]["egress"]).iter().flat_map(|rule| items(&rule["ports"]));
    let ports: BTreeSet<i64> = ports.map(|port| port["port"].as_i64().unwrap()).collect();
    assert_eq!(ports, [22, 53, 80, 443, 6443].into());
    // Where clouds give out the credentials of their machines, plain HTTP goes only if somebody wants that.
    let rules = items(&policy["spec"]["egress"]);
    let plain = rules.iter().filter(|rule| items(&rule["ports"]).iter().any(|port| port["port"].as_i64() == Some(80)));
    let plain: Vec<_> = plain.collect();
    let [plain] = plain[..] else { panic!("{plain:?}") };
    let left_out = items(&plain["to"]).iter().flat_map(|to| texts(&to["ipBlock"]["except"]));
    assert_eq!(left_out.collect::<Vec<_>>(), ["169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"]);
    let more = read("standalone/machine-identity/network.yaml");
    assert_eq!(more["spec"]["podSelector"], policy["spec"]["podSelector"]);
    let let_through = items(&more["spec"]["egress"]).iter().flat_map(|rule| items(&rule["to"]));
    let let_through: BTreeSet<&str> = let_through.map(|to| to["ipBlock"]["cidr"].as_str().unwrap()).collect();
    let agents =
        ["169.254.169.252/32", "169.254.169.254/32", "169.254.170.23/32", "fd00:ec2::23/128", "fd00:ec2::254/128"];
    assert_eq!(let_through, agents.into());
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
fn there_is_one_bot_of_each_kind() {
    for bot in bots() {
        let spec = &bot.manifest["spec"];
        assert_eq!((spec["replicas"].as_i64(), spec["strategy"]["type"].as_str()), (Some(1), Some("Recreate")));
        assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
        // The image's, which other commands know, too.
        assert_eq!(value(&bot.arguments(), "--data-dir"), None);
        assert!(bot.mounts().contains(&format!("{}/tagwright", state()).as_str()), "{}", bot.folder);
    }
}

/// Where the image has the state of its user.
fn state() -> String {
    let dockerfile = File::read("Dockerfile").text;
    dockerfile.lines().find_map(|line| line.strip_prefix("ENV XDG_STATE_HOME=")).unwrap().to_owned()
}

#[test]
fn its_state_stays() {
    let bot = Workload::bot();
    let claim = &bot.volume(&format!("{}/tagwright", state()))["persistentVolumeClaim"]["claimName"];
    let volume = read("bot/volume.yaml");
    assert_eq!(*claim, volume["metadata"]["name"]);
    assert_eq!(texts(&volume["spec"]["accessModes"]), ["ReadWriteOnce"]);
}

#[test]
fn a_bot_is_asked_how_it_is_where_it_listens() {
    bots().for_each(|bot| is_asked_where_it_listens(&bot));
}

fn is_asked_where_it_listens(bot: &Workload) {
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
    let enough = |pod: &Yaml| {
        let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        assert!(grace > tagwright::schedule::SHUTDOWN_GRACE.as_secs().cast_signed(), "{grace}");
    };
    for bot in bots() {
        assert_eq!(value(&bot.arguments(), "--grace"), None);
        enough(bot.pod());
    }
    enough(&read("flux/image-automation-controller.yaml")["spec"]["template"]["spec"]);
}

#[test]
fn every_secret_that_the_configuration_names_is_mounted_where_it_is_looked_for() {
    let automation = read("base/policies.yaml");
    let namespace = automation["metadata"]["namespace"].as_str().unwrap();
    let mut secrets = 0;
    for (_, value) in entries(&automation["spec"]["git"]).into_iter().filter(|(key, _)| *key == "secretRef") {
        let folder = format!("/secrets/{namespace}/{}", value["name"].as_str().unwrap());
        for workload in of_files() {
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
    let sources = tagwright::config::Sources {
        paths,
        secrets: Some(secrets.path().to_owned()),
        ..tagwright::config::Sources::default()
    };
    let configuration = tagwright::config::load(&sources).unwrap();
    assert_eq!(configuration.automations.len(), 1);
    assert_eq!(configuration.policies.len(), 1);
}
