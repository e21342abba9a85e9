//! What people apply, rendered as they render it, and taken by a real API server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, Manifest};
use crate::tools::{Tools, fed, printed};
use crate::world::own_definitions;

const CHART: &str = "deploy/helm/tagwright";

/// The form in which the chart's values are the manifests' own choices.
const CHARTS: [(&str, &[&str]); 9] = [
    ("defaults", &[]),
    ("replicas", &["replicas=3"]),
    ("a namespace", &["allNamespaces=false"]),
    ("a half", &["controllers={image-automation}", "replicas=2"]),
    ("secrets of some", &["rbac.secretNamespaces={tagwright,flux-system}", "persistence.enabled=false"]),
    ("Flux's notifications", &["fluxNotifications=true"]),
    ("identity of the machine", &["networkPolicy.machineIdentity=true"]),
    (
        "let in",
        &[
            "service.enabled=true",
            "service.port=8080",
            "oidc.issuer=https://id.example.com",
            "oidc.audience=tagwright",
            "oidc.read={groups=developers,groups=platform}",
            "oidc.act={groups=platform}",
            "oidc.requiredClaims={tenant=acme}",
            "oidc.usernameClaim=preferred_username",
            "oidc.authorities.configMap=issuer",
        ],
    ),
    (
        "beside Flux",
        &[
            "watchLabelSelector=sharding.fluxcd.io/key=tagwright",
            "eventsAddress=http://notification-controller.flux-system.svc.cluster.local./",
            "podLabels.team=web",
            "env[0].name=HTTPS_PROXY",
            "env[0].value=http://proxy.example.com:3128",
            "extraArgs={--registry-mirror=ghcr.io=https://mirror.example.com}",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the manifests that a test may edit, and beside it an installation of Flux, in `flux`.
struct Copy {
    folder: TempDir,
    tools: Tools,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("deploy/kubernetes"), &folder.path().join("kubernetes"));
        copy(&root().join("fixtures/deploy/flux"), &folder.path().join("flux"));
        copy(&root().join("deploy/kubernetes/flux"), &folder.path().join("flux/tagwright"));
        Self { folder, tools: Tools::alone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One of the stand-alone variants, with lines behind its kustomization.
    fn standalone(&self, variant: &str, more: &str) -> Vec<Value> {
        let folder = self.path(&format!("kubernetes/standalone/{variant}"));
        let file = folder.join("kustomization.yaml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{before}{more}")).unwrap();
        let rendered = self.tools.kustomize(&folder);
        std::fs::write(&file, before).unwrap();
        Manifest::parse(&rendered).0
    }

    /// The installation of Flux, with components and lines behind its kustomization.
    fn flux(&self, components: &str, more: &str) -> Vec<Value> {
        let kustomization = format!("resources: [gotk-components.yaml]\ncomponents: [{components}]\n{more}");
        std::fs::write(self.path("flux/kustomization.yaml"), kustomization).unwrap();
        Manifest::parse(&self.tools.kustomize(&self.path("flux"))).0
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The chart with values.
fn chart(values: &[&str]) -> Vec<Value> {
    let chart = root().join(CHART);
    let set = values.iter().flat_map(|value| ["--set", value]);
    let arguments = ["template", "tagwright", chart.to_str().unwrap(), "--namespace", "tagwright"];
    Manifest::parse(&printed(&mut Tools::alone().helm(arguments.into_iter().chain(set)))).0
}

/// An object by kind and name.
#[track_caller]
fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The only container of a Deployment.
#[track_caller]
fn container(deployment: &Value) -> &Value {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_api_server_takes_every_form() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    for namespace in ["tagwright", "flux-system"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.apply(&Manifest(vec![namespace])).await;
    }
    let copy = Copy::new();
    let replicas = "components: [../replicas]\n";
    let mut forms = vec![
        ("cluster-wide".to_owned(), copy.standalone("cluster-wide", "")),
        ("cluster-wide, replicas".to_owned(), copy.standalone("cluster-wide", replicas)),
        (
            "cluster-wide, webhooks".to_owned(),
            copy.standalone("cluster-wide", "components: [../replicas, ../webhooks]\n"),
        ),
        (
            "cluster-wide, identity of the machine".to_owned(),
            copy.standalone("cluster-wide", "components: [../machine-identity]\n"),
        ),
        ("namespaced".to_owned(), copy.standalone("namespaced", "")),
        ("namespaced, replicas".to_owned(), copy.standalone("namespaced", replicas)),
        ("in place of Flux".to_owned(), copy.flux("tagwright", "")),
        ("beside Flux".to_owned(), copy.flux("tagwright/beside", "")),
        ("files".to_owned(), Manifest::parse(&copy.tools.kustomize(&copy.path("kubernetes/bot"))).0),
        ("passes".to_owned(), Manifest::parse(&copy.tools.kustomize(&copy.path("kubernetes/cronjob"))).0),
    ];
    forms.extend(CHARTS.iter().map(|(name, values)| (format!("chart, {name}"), chart(values))));
    let tools = Tools::of(&cluster.admin_kubeconfig());
    for (form, objects) in forms {
        // As kubectl reads it: a list of objects. Fields that a kind does not have are an error to kubectl.
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename", "-"];
        let output = fed(&mut tools.kubectl(arguments), &list);
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let taken = said.lines().filter(|line| line.ends_with(" serverside-applied (server dry run)")).count();
        assert_eq!((taken, output.stderr.is_empty()), (objects.len(), true), "{form}: {said}");
    }
}

#[test]
fn a_namespace_is_chosen_in_one_place() {
    let copy = Copy::new();
    for variant in ["cluster-wide", "namespaced"] {
        let file = copy.path(&format!("kubernetes/standalone/{variant}/kustomization.yaml"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("namespace: tagwright", "namespace: web")).unwrap();
        for object in copy.standalone(variant, "components: [../replicas]\n") {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            if !kind.starts_with("Cluster") && kind != "CustomResourceDefinition" {
                let namespace = if kind == "Namespace" { &metadata["name"] } else { &metadata["namespace"] };
                assert_eq!(namespace, "web", "{kind} {}", metadata["name"]);
            }
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!(subject["namespace"], "web", "{kind} {}", metadata["name"]);
            }
        }
    }
}

/// A patch of a user of Flux, as Flux's documents show them.
const PATCH: &str = "
patches:
  - target: {kind: Deployment, name: image-automation-controller}
    patch: |-
      - op: add
        path: /spec/template/spec/containers/0/args/-
        value: --no-cross-namespace-refs=true
      - op: replace
        path: /spec/template/spec/containers/0/resources/limits/memory
        value: 2Gi
";

#[test]
fn in_place_of_flux_only_what_runs_is_another() {
    let copy = Copy::new();
    let (before, after) = (copy.flux("", PATCH), copy.flux("tagwright", PATCH));
    for half in ["image-reflector", "image-automation"] {
        let name = format!("{half}-controller");
        let mut before = find(&before, "Deployment", &name).clone();
        let mut after = find(&after, "Deployment", &name).clone();
        let command = texts(&container(&after)["command"]).join(" ");
        assert!(command.starts_with("/usr/local/bin/tagwright run --kubernetes "), "{command}");
        assert!(command.contains(&format!(" --controllers={half} ")), "{command}");
        assert_eq!(after["spec"]["template"]["spec"]["serviceAccountName"], format!("tagwright-{half}"));
        // Whatever it writes has a place.
        let mounts = container(&after)["volumeMounts"].as_array().unwrap();
        for place in ["/data", "/tmp"] {
            assert!(mounts.iter().any(|mount| mount["mountPath"] == place), "{name}: {place}");
        }
        for deployment in [&mut before, &mut after] {
            let pod = &mut deployment["spec"]["template"]["spec"];
            for field in ["serviceAccountName", "terminationGracePeriodSeconds", "volumes"] {
                pod[field] = Value::Null;
            }
            for field in ["image", "command", "volumeMounts"] {
                pod["containers"][0][field] = Value::Null;
            }
        }
        assert_eq!(after, before);
    }
    // Nothing of Flux is gone.
    let names = |objects: &[Value]| -> BTreeSet<String> {
        objects.iter().map(|object| format!("{} {}", object["kind"], object["metadata"]["name"])).collect()
    };
    assert!(names(&after).is_superset(&names(&before)));
}

#[test]
fn beside_flux_its_controllers_leave_alone_what_has_the_label() {
    let copy = Copy::new();
    let (before, after) = (copy.flux("", ""), copy.flux("tagwright/beside", ""));
    for half in ["image-reflector", "image-automation"] {
        let name = format!("{half}-controller");
        let mut expected = find(&before, "Deployment", &name).clone();
        let arguments = expected["spec"]["template"]["spec"]["containers"][0]["args"].as_array_mut().unwrap();
        arguments.push("--watch-label-selector=!sharding.fluxcd.io/key".into());
        assert_eq!(*find(&after, "Deployment", &name), expected);
        let ours = container(find(&after, "Deployment", &format!("tagwright-{half}")));
        let arguments = texts(&ours["args"]);
        assert!(arguments.contains(&"--watch-label-selector=sharding.fluxcd.io/key=tagwright"), "{arguments:?}");
        // Events go where those of Flux's controllers go, and leaders are elected as theirs are.
        let theirs = texts(&container(&expected)["args"]);
        for same in theirs.iter().filter(|it| it.starts_with("--events-addr=") || **it == "--enable-leader-election") {
            assert!(arguments.contains(same), "{same}");
        }
    }
}

/// Command and arguments of a container, as the program gets them.
fn asked(container: &Value) -> Vec<&str> {
    let command = texts(&container["command"]);
    command.into_iter().skip(1).chain(texts(&container["args"])).collect()
}

#[test]
fn the_program_understands_what_it_is_asked() {
    let copy = Copy::new();
    let mut forms: Vec<Vec<Value>> = ["cluster-wide", "namespaced"]
        .map(|variant| copy.standalone(variant, "components: [../replicas]\n"))
        .into_iter()
        .chain(CHARTS.map(|(_, values)| chart(values)))
        .collect();
    forms.extend([copy.flux("tagwright", PATCH), copy.flux("tagwright/beside", PATCH)]);
    let mut seen = 0;
    for object in forms.iter().flatten().filter(|object| object["kind"] == "Deployment") {
        if container(object)["image"].as_str().unwrap().contains("/fluxcd/") {
            continue;
        }
        seen += 1;
        // Help is given once all before it was understood.
        let mut program = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        printed(program.args(asked(container(object))).arg("--help"));
    }
    assert_eq!(seen, 2 + CHARTS.len() + 2 + 2);
}

/// All rights that objects give, with the kind of the role.
fn rights(objects: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for role in objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Role")) {
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        found.insert(format!("{}: {verb} {group}/{resource}", role["kind"].as_str().unwrap()));
                    }
                }
            }
        }
    }
    found
}

#[test]
fn the_chart_is_the_manifests() {
    let copy = Copy::new();
    for (values, variant, more) in [
        (&[][..], "cluster-wide", ""),
        (&["replicas=3"], "cluster-wide", "components: [../replicas]\n"),
        (&["fluxNotifications=true"], "cluster-wide", "components: [../flux-notifications]\n"),
        (&["allNamespaces=false"], "namespaced", ""),
    ] {
        let (chart, manifests) = (chart(values), copy.standalone(variant, more));
        assert_eq!(rights(&chart), rights(&manifests), "{values:?}");
        let pod = |objects: &[Value]| {
            let mut pod = find(objects, "Deployment", "tagwright")["spec"].clone();
            pod["template"]["metadata"] = Value::Null;
            pod["selector"] = Value::Null;
            let container = &mut pod["template"]["spec"]["containers"][0];
            container["imagePullPolicy"] = Value::Null;
            // Spelt with and without `=`, and in another order; the chart logs for machines.
            let arguments: String = texts(&container["args"]).join(" ").replace("--listen :", "--listen=:");
            let arguments = arguments.split(' ').filter(|argument| !argument.starts_with("--log-format"));
            container["args"] = arguments.collect::<BTreeSet<&str>>().into_iter().collect();
            for constraint in pod["template"]["spec"]["topologySpreadConstraints"].as_array_mut().into_iter().flatten()
            {
                constraint["labelSelector"] = Value::Null;
            }
            for volume in pod["template"]["spec"]["volumes"].as_array_mut().unwrap() {
                if volume["emptyDir"]["medium"].is_null() && volume["emptyDir"].is_object() {
                    volume["emptyDir"] = json!({});
                }
            }
            pod
        };
        assert_eq!(pod(&chart), pod(&manifests), "{values:?}");
        let kinds = |objects: &[Value]| -> BTreeSet<String> {
            let own = objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned());
            own.filter(|kind| kind != "CustomResourceDefinition" && kind != "Namespace").collect()
        };
        assert_eq!(kinds(&chart), kinds(&manifests), "{values:?}");
    }
}

/// Plain HTTP to link-local addresses, where clouds give out the credentials of their machines, is for who wants it.
#[test]
fn the_chart_s_policy_of_the_network_is_that_of_the_manifests() {
    let copy = Copy::new();
    let egress = |objects: &[Value]| find(objects, "NetworkPolicy", "tagwright")["spec"]["egress"].clone();
    let plain = |egress: &Value| -> Vec<Value> {
        let has_plain = |rule: &&Value| rule["ports"].as_array().unwrap().iter().any(|port| port["port"] == 80);
        egress.as_array().unwrap().iter().filter(has_plain).map(|rule| rule["to"].clone()).collect()
    };
    let (of_chart, of_manifests) = (egress(&chart(&[])), egress(&copy.standalone("cluster-wide", "")));
    let [to] = &plain(&of_manifests)[..] else { panic!("{of_manifests}") };
    assert_eq!(to[1], json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}));
    assert_eq!(plain(&of_chart), std::slice::from_ref(to));
    assert_eq!(plain(&egress(&chart(&["networkPolicy.machineIdentity=true"]))), [Value::Null]);
    // What was not asked for is not there.
    assert_eq!(plain(&egress(&chart(&["networkPolicy.ports={443,6443}"]))), [Value::Null; 0]);
}

/// What the chart's values say of an issuer is what the program is asked for.
#[test]
fn the_chart_lets_in_whom_its_values_name() {
    let (_, values) = CHARTS.iter().find(|(name, _)| *name == "let in").unwrap();
    let objects = chart(values);
    let deployment = find(&objects, "Deployment", "tagwright");
    let arguments = texts(&container(deployment)["args"]);
    for expected in [
        "--api-oidc-issuer=https://id.example.com",
        "--api-oidc-audience=tagwright",
        "--api-oidc-read=groups=developers",
        "--api-oidc-read=groups=platform",
        "--api-oidc-act=groups=platform",
        "--api-oidc-required-claim=tenant=acme",
        "--api-oidc-username-claim=preferred_username",
        "--api-oidc-ca-file=/etc/tagwright/issuer/ca.crt",
    ] {
        assert!(arguments.contains(&expected), "{expected}: {arguments:?}");
    }
    // The file that it names is there.
    let of_issuer =
        |items: &Value| items.as_array().unwrap().iter().find(|it| it["name"] == "issuer").cloned().unwrap();
    assert_eq!(of_issuer(&container(deployment)["volumeMounts"])["mountPath"], "/etc/tagwright/issuer");
    let volume = of_issuer(&deployment["spec"]["template"]["spec"]["volumes"]);
    assert_eq!(volume["configMap"], json!({"name": "issuer", "items": [{"key": "ca.crt", "path": "ca.crt"}]}));
    // The service leads to the pods, and they are let in that use it.
    let service = find(&objects, "Service", "tagwright");
    assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
    assert_eq!(service["spec"]["ports"], json!([{"name": "http", "port": 8080, "targetPort": "http"}]));
    let from = &find(&objects, "NetworkPolicy", "tagwright")["spec"]["ingress"][0]["from"];
    assert_eq!(*from, json!([{"podSelector": {}}, {"namespaceSelector": {}}]));
    let closed = chart(&[]);
    assert!(closed.iter().all(|object| object["kind"] != "Service"));
    assert_eq!(find(&closed, "NetworkPolicy", "tagwright")["spec"]["ingress"][0]["from"], json!([{"podSelector": {}}]));
}

#[test]
fn the_chart_reads_secrets_where_it_may() {
    let objects = chart(&["rbac.secretNamespaces={shop,web}"]);
    let role = "tagwright-tagwright-secrets";
    let bindings = objects.iter().filter(|object| object["roleRef"]["name"] == role);
    let places: Vec<_> = bindings.map(|binding| (&binding["kind"], &binding["metadata"]["namespace"])).collect();
    assert_eq!(places, [(&json!("RoleBinding"), &json!("shop")), (&json!("RoleBinding"), &json!("web"))]);
}

#[test]
fn the_chart_refuses_what_it_does_not_know() {
    let chart = root().join(CHART);
    let chart = chart.to_str().unwrap();
    printed(&mut Tools::alone().helm(["lint", "--strict", chart]));
    for wrong in [
        "replica=3",
        "replicas=many",
        "controllers={image-controller}",
        "persistence.size=much",
        "rbac.secretNamespaces={Shop}",
        "service.port=0",
        "fluxNotifications=true,controllers={image-automation}",
        "fluxNotifications=true,eventsAddress=http://notification-controller.flux-system/",
        "oidc.audience=tagwright",
        "oidc.issuer=https://id.example.com",
        "oidc.issuer=http://id.example.com,oidc.audience=tagwright,oidc.act={groups=platform}",
        "oidc.issuer=https://id.example.com,oidc.audience=tagwright",
        "oidc.issuer=https://id.example.com,oidc.audience=tagwright,oidc.act={platform}",
        "oidc.issuer=https://id.example.com,oidc.audience=tagwright,oidc.act={groups=platform},oidc.group=platform",
    ] {
        let output = Tools::alone().helm(["template", "tagwright", chart, "--set", wrong]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("schema"), "{wrong}: {said}");
    }
}

#[test]
fn the_chart_s_notes_name_what_is_there() {
    let chart = root().join(CHART);
    let arguments = ["install", "tagwright", chart.to_str().unwrap(), "--namespace", "web", "--dry-run=client"];
    let said = printed(&mut Tools::alone().helm(arguments.into_iter().chain(["--set", "allNamespaces=false"])));
    let notes = said.split_once("NOTES:").unwrap().1;
    assert!(notes.contains("looks at the namespace web"), "{notes}");
    assert!(notes.contains("kubectl --namespace web exec deployment/tagwright -- tagwright status"), "{notes}");
}
