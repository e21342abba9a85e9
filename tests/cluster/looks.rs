//! Commands that look closer at the objects of a cluster: fed with what kubectl prints, and asked of the bot itself.

use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::tools::{Tools, fed, printed};
use crate::world::{World, own_definitions};

/// What guides/kubernetes.md has kubectl print.
const KINDS: &str = "imagerepositories,imagepolicies,imageupdateautomations,gitrepositories,imageautomations,secrets";

/// A command of ours, without anything of the machine.
fn tagwright(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/nonexistent");
    command.args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_prints_is_explained_examined_and_told_of() {
    let cluster = Cluster::shared();
    cluster.apply(&own_definitions()).await;
    let world = World::new(cluster).await;
    let page = std::fs::read_to_string(crate::native::root().join("docs/guides/kubernetes.md")).unwrap();
    assert!(page.contains(&format!(" {KINDS} \\\n")), "the page has kubectl print something else");
    world.apply().await;
    let login =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: remote}\nstringData: {username: bot, password: secret}\n";
    world.space.apply(login).await;
    world.patch("GitRepository", "config", json!({"spec": {"secretRef": {"name": "remote"}}})).await;
    let mut bot = world.bot("bot").await;
    world.release("1.1.0");
    world.committed("1.1.0").await;
    let hold = json!({"metadata": {"annotations": {"tagwright.dev/hold": "freeze"}}});
    world.patch("ImagePolicy", "app", hold).await;
    world.release("1.2.0");

    let tools = Tools::of(&cluster.admin_kubeconfig());
    let namespace = world.space.name.as_str();
    let objects = printed(&mut tools.kubectl(["--namespace", namespace, "get", "--output", "yaml", KINDS]));
    let policy = format!("{namespace}:app");
    let run = |arguments: &[&str]| {
        let output = fed(&mut tagwright(arguments), &objects);
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stdout}{stderr}");
        (stdout, stderr)
    };
    let (explained, notes) = run(&["explain", &policy, "--remote", "--config", "-", "-o", "json"]);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert!(explained.to_string().contains("1.2.0"), "{explained}");
    assert!(notes.contains("`tagwright.dev/hold` is for the bot of the cluster, and is not looked at here"), "{notes}");
    let (examined, _) = run(&["doctor", "--config", "-", "-o", "json"]);
    let examined: Value = serde_json::from_str(&examined).unwrap();
    let checks: Vec<&str> =
        examined["checks"].as_array().unwrap().iter().map(|it| it["check"].as_str().unwrap()).collect();
    assert!(checks.iter().any(|check| check.contains("registry")), "{checks:?}");
    let (told, _) = run(&["history", "--config", "-", "-o", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let head = world.remote.at("main");
    assert!(told.to_string().contains(&head), "{told}");

    // The bot itself, as in its pod.
    let data = world.data("bot");
    let ask = |arguments: &[&str]| printed(tagwright(arguments).arg("--data-dir").arg(&data));
    let history: Value = serde_json::from_str(&ask(&["history", "-o", "json"])).unwrap();
    assert!(history.to_string().contains(&head), "{history}");
    let status: Value = serde_json::from_str(&ask(&["status", "-o", "json"])).unwrap();
    let of = |kind: &str| status[kind].as_array().unwrap().iter().map(|it| it["name"].clone()).collect::<Vec<_>>();
    assert_eq!((of("policies"), of("automations")), (vec![json!("app")], vec![json!("shop")]));
    assert!(bot.stop().success());
}
