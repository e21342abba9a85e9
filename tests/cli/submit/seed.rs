//! Autopilot's block `gitSync`, as its documentation has it.

use base64::Engine as _;

use super::{Place, config_map};
use crate::remote::{Behaviour, Remote, Server};

/// Its configuration, with the words of the documentation.
const OPERATOR: &str = "version: 0.0.1\nmeshProvider: Istio\n\n# add the following gitSync struct:\ngitSync:\n  # make sure enabled is set to true\n  enabled: true\n  # e.g. solo-io for https://github.com/solo-io/autopilot\n  org: acme\n  # e.g. dev\n  branch: main\n  # the name of a secret and its key containing a valid GITHUB_TOKEN\n  credentials: mygitcredentials.github_token\n";

const SECRET: &str = "kind: Secret\napiVersion: v1\nmetadata:\n  name: mygitcredentials\n  namespace: default\ntype: Opaque\ndata:\n  github_token: c2VzYW1l\n";

/// The remote that stands for the organisation's at GitHub.
fn github(place: &Place) {
    let folder = place.0.path("").display().to_string();
    place.0.write("home/.gitconfig", format!("[url \"{folder}\"]\n\tinsteadOf = https://github.com/acme/\n"));
}

#[test]
fn the_block_of_autopilot_is_read_as_it_stands() {
    let place = Place::new();
    github(&place);
    place.0.write("config/autopilot-operator.yaml", OPERATOR);
    place.0.write("config/secret.yaml", SECRET);
    let input = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: canary, namespace: shop}\nspec: {replicas: 1}\n---\napiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: canary, namespace: shop}\nspec: {hosts: [canary]}\n";
    let arguments = ["submit", "-", "--config", "config", "--repo", "remote.git"];
    let run = place.0.feed(input, arguments);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(place.commits(), 2, "all resources are one commit");
    let files = place.files();
    assert!(files.contains(&"shop/deployment-canary.yaml".to_owned()), "{files:?}");
    assert!(files.contains(&"shop/virtualservice-canary.yaml".to_owned()), "{files:?}");
    place.0.feed(input, arguments).prints(0, "default/autopilot: nothing to do on main: 2 as they are\n");
}

#[test]
fn what_it_lacks_is_said() {
    let place = Place::new();
    github(&place);
    place.0.write("config/autopilot-operator.yaml", OPERATOR);
    let submit =
        |more: &[&str]| place.0.feed(&config_map("a", "one"), ["submit", "-", "--config", "config"].iter().chain(more));
    submit(&["--repo", "remote.git"]).refuses(2, "secret 'default/mygitcredentials' does not exist");
    place.0.write("config/secret.yaml", SECRET.replace("github_token", "token"));
    submit(&["--repo", "remote.git"]).refuses(2, "key 'github_token' not found");
    place.0.write("config/secret.yaml", SECRET);
    let run = submit(&[]);
    run.refuses(2, "no GitSync is configured");
    assert!(run.stderr.contains("--repo NAME"), "{run:?}");
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("enabled: true", "enabled: false"));
    submit(&["--repo", "remote.git"]).refuses(2, "is not enabled");
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("org: acme", "org: acme/remote.git"));
    assert_eq!(submit(&[]).code, 0, "the organisation may name the repository");
}

/// A commit never goes to another repository than the one that the flag names.
#[test]
fn the_flag_counts_more_than_the_file_or_is_refused() {
    let place = Place::new();
    github(&place);
    place.0.write("config/secret.yaml", SECRET);
    let submit =
        |more: &[&str]| place.0.feed(&config_map("a", "one"), ["submit", "-", "--config", "config"].iter().chain(more));
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("org: acme\n", "org: acme\n  repo: other\n"));
    assert_eq!(submit(&["--repo", "remote.git"]).code, 0, "the file names another");
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("org: acme\n", "org: acme/remote.git\n"));
    submit(&["--repo", "other"]).refuses(2, "so --repo cannot name another");
    let url = place.0.path("remote.git").display().to_string();
    let plain = |name: &str| {
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: {name}}}\nspec: {{url: {url}, branch: main}}\n"
        )
    };
    for name in ["rendered", "autopilot"] {
        place.0.write("config/autopilot-operator.yaml", plain(name));
        submit(&["--repo", "other"]).refuses(2, "--repo other says nothing about");
    }
    assert_eq!(place.commits(), 2, "nothing else is written");
}

#[test]
fn check_reads_it() {
    let place = Place::new();
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("org: acme\n", "org: acme\n  repo: config\n"));
    let check = place.0.run(["check", "work", "--config", "config"]);
    assert_eq!(check.code, 0, "{check:?}");
    place.0.write("config/autopilot-operator.yaml", OPERATOR.replace("branch: main", "brunch: main"));
    let check = place.0.run(["check", "work", "--config", "config"]);
    assert_eq!(check.code, 2, "{check:?}");
    assert!(format!("{check:?}").contains("gitSync.brunch"), "{check:?}");
}

/// The token of the secret opens a remote over HTTP that asks for it, and stands nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn its_token_opens_the_remote() {
    let basic = |token: &str| {
        let login = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        Some(format!("Basic {login}"))
    };
    let asking = |token: &str| Behaviour { authorization: basic(token), ..Behaviour::default() };
    let remote = Remote::with(&[("README.md", "ours\n")]);
    let server = Server::start(remote.root.path(), asking("sesame")).await;
    let place = Place::new();
    place.0.write("home/.gitconfig", format!("[url \"{}/\"]\n\tinsteadOf = https://github.com/acme/\n", server.base));
    place.0.write("config/autopilot-operator.yaml", OPERATOR);
    place.0.write("config/secret.yaml", SECRET);
    let before = remote.head();
    let input = config_map("a", "one");
    let submit = || {
        let run = place.0.feed(&input, ["submit", "-", "--config", "config", "--repo", "repo.git", "-vvv"]);
        let told = format!("{}{}", run.stdout, run.stderr);
        let encoded = basic("sesame").unwrap_or_default();
        for secret in ["sesame", "c2VzYW1l", encoded.trim_start_matches("Basic ")] {
            assert!(!told.contains(secret), "{told}");
        }
        run
    };
    // It changed, and the configuration has the one of before.
    server.behave(asking("another"));
    let refused = submit();
    assert_eq!((refused.code, remote.head()), (1, before.clone()), "{refused:?}");

    server.behave(asking("sesame"));
    let _refused = server.seen();
    let run = submit();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.ends_with("to main: 1 new, 0 as they are\n"), "{run:?}");
    assert_eq!(remote.show("main:shop/configmap-a.yaml"), input);
    let seen = server.seen();
    let shown =
        |line: &str| seen.iter().filter(|it| it.line.contains(line) && it.authorization == basic("sesame")).count();
    assert!(shown("git-upload-pack") > 0 && shown("POST /repo.git/git-receive-pack") == 1, "{seen:#?}");
    assert!(seen.iter().all(|it| it.authorization.is_none() || it.authorization == basic("sesame")), "{seen:#?}");
    assert!(submit().stdout.contains("nothing to do on main: 1 as they are"));
    remote.fsck();
}
