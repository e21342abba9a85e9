//! The cluster's manifests: complete, without rights, and with a configuration that loads.

use std::collections::BTreeSet;

use yaml_rust2::Yaml;

use crate::tree::{File, entries, files, items, root};

const FOLDER: &str = "deploy/kubernetes";

fn job() -> Yaml {
    File::read(&format!("{FOLDER}/cronjob.yaml")).document()
}

fn pod(job: &Yaml) -> &Yaml {
    &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    items(yaml).iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_kustomization_names_every_file() {
    let kustomization = File::read(&format!("{FOLDER}/kustomization.yaml")).document();
    let generated = items(&kustomization["configMapGenerator"]).iter().flat_map(|map| texts(&map["files"]));
    let mut named: BTreeSet<String> =
        texts(&kustomization["resources"]).into_iter().chain(generated).map(Into::into).collect();
    named.insert("kustomization.yaml".to_owned());
    let found: BTreeSet<String> =
        files(FOLDER).iter().map(|file| file.name.strip_prefix(&format!("{FOLDER}/")).unwrap().to_owned()).collect();
    assert_eq!(named, found);
}

#[test]
fn the_pod_meets_the_restricted_standard() {
    let job = job();
    let pod = pod(&job);
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"].as_bool(), Some(true));
    assert_eq!(security["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"));
    assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
    let containers = items(&pod["containers"]);
    assert_eq!(containers.len(), 1);
    let security = &containers[0]["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
    assert!(containers[0]["resources"]["limits"]["memory"].as_str().is_some());
}

#[test]
fn the_pod_s_user_is_the_image_s() {
    let dockerfile = File::read("Dockerfile").text;
    let user = dockerfile.lines().rfind(|line| line.starts_with("USER ")).unwrap();
    let job = job();
    let security = &pod(&job)["securityContext"];
    let [uid, gid] = ["runAsUser", "runAsGroup"].map(|key| security[key].as_i64().unwrap());
    assert_eq!(user, format!("USER {uid}:{gid}"));
}

#[test]
fn every_folder_that_the_command_names_is_mounted() {
    let job = job();
    let container = &items(&pod(&job)["containers"])[0];
    let mounts: Vec<&str> =
        items(&container["volumeMounts"]).iter().map(|it| it["mountPath"].as_str().unwrap()).collect();
    let arguments = texts(&container["args"]);
    assert_eq!(arguments[..2], ["run", "--once"]);
    for folder in arguments.iter().filter(|argument| argument.starts_with('/')) {
        assert!(mounts.iter().any(|mount| mount.starts_with(folder)), "{folder} is not mounted");
    }
    let volumes: BTreeSet<&str> = items(&pod(&job)["volumes"]).iter().map(|it| it["name"].as_str().unwrap()).collect();
    let used: BTreeSet<&str> =
        items(&container["volumeMounts"]).iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(volumes, used);
}

#[test]
fn the_job_s_names_are_those_of_the_other_manifests() {
    let job = job();
    let account = File::read(&format!("{FOLDER}/serviceaccount.yaml")).document();
    assert_eq!(pod(&job)["serviceAccountName"], account["metadata"]["name"]);
    let kustomization = File::read(&format!("{FOLDER}/kustomization.yaml")).document();
    let namespace = File::read(&format!("{FOLDER}/namespace.yaml")).document();
    assert_eq!(kustomization["namespace"], namespace["metadata"]["name"]);
    let generated = &items(&kustomization["configMapGenerator"])[0]["name"];
    let volumes = items(&pod(&job)["volumes"]);
    assert!(volumes.iter().any(|volume| volume["configMap"]["name"] == *generated));
}

#[test]
fn every_secret_that_the_configuration_names_is_mounted_where_it_is_looked_for() {
    let automation = File::read(&format!("{FOLDER}/policies.yaml")).document();
    let namespace = automation["metadata"]["namespace"].as_str().unwrap();
    let job = job();
    let mounts = items(&items(&pod(&job)["containers"])[0]["volumeMounts"]);
    let mut secrets = 0;
    for (key, value) in entries(&automation["spec"]["git"]) {
        if key == "secretRef" {
            let folder = format!("/secrets/{namespace}/{}", value["name"].as_str().unwrap());
            assert!(mounts.iter().any(|mount| mount["mountPath"].as_str() == Some(&folder)), "{folder}");
            secrets += 1;
        }
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
    let paths = vec![root().join(FOLDER).join("policies.yaml")];
    let sources = tagwright::config::Sources { paths, secrets: Some(secrets.path().to_owned()) };
    let configuration = tagwright::config::load(&sources).unwrap();
    assert_eq!(configuration.automations.len(), 1);
    assert_eq!(configuration.policies.len(), 1);
}
