//! The main job, from a tag in a registry to one pushed commit, in each way of writing it.

use crate::configuration::{FILE, Native, deployment, shop};
use crate::registry::{self, Registry};
use crate::remote::Remote;
use crate::ssh::Ssh;
use crate::tls::Authority;
use crate::web::{self, Transport, Web};
use crate::world::{Run, World, text};

const TAGS: &[&str] = &["1.0.0", "1.1.0", "1.2.0", "2.0.0", "latest"];

/// Asserts that exactly one commit was made, that it moved the tag, and that another run makes none.
#[track_caller]
fn moved_once(world: &World, remote: &Remote<'_>, image: &str) {
    let automation = world.run().expect(0, "pushed");
    assert_eq!(automation["commit"], remote.head("main"));
    assert_eq!(automation["branch"], "main");
    let change = &automation["changes"][0];
    assert_eq!(change["file"].as_str().map(|file| FILE.ends_with(file)), Some(true), "{change}");
    assert_eq!(change["line"], 13);
    assert_eq!(change["old"], format!("{image}:1.0.0"));
    assert_eq!(change["new"], format!("{image}:1.2.0"));
    assert_eq!(change["policy"], "default:app");
    assert_eq!(change["kind"], "Deployment");
    assert_eq!(automation["changes"].as_array().map(Vec::len), Some(1));

    assert_eq!(remote.commits("main"), 2);
    assert_eq!(remote.touched("main"), format!("{FILE}\n"));
    assert_eq!(remote.file("main", FILE), deployment(image, "1.2.0"));
    remote.is_sound();

    let head = remote.head("main");
    let automation = world.run().expect(0, "unchanged");
    assert_eq!(automation["commit"].as_str().unwrap_or_default(), "");
    assert_eq!(remote.head("main"), head);
}

#[test]
fn flux_over_tls_with_secrets_among_the_documents() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let authority = Authority::create(&world);
    let web = Web::start(&world, &Transport::Tls(&authority));
    let ca: String = authority.pem().lines().map(|line| format!("    {line}\n")).collect();
    world.write(
        "config/flux.yaml",
        format!(
            r#"apiVersion: v1
kind: Secret
metadata: {{name: git-credentials, namespace: default}}
stringData:
  username: {user}
  password: {password}
  ca.crt: |
{ca}---
apiVersion: v1
kind: Secret
metadata: {{name: pull, namespace: default}}
type: kubernetes.io/dockerconfigjson
stringData: {{.dockerconfigjson: '{docker}'}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: config, namespace: default}}
spec:
  interval: 1m
  url: {url}
  ref: {{branch: main}}
  secretRef: {{name: git-credentials}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: app, namespace: default}}
spec: {{image: "{image}", interval: 1m, insecure: true, secretRef: {{name: pull}}}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata: {{name: app, namespace: default}}
spec: {{imageRepositoryRef: {{name: app}}, policy: {{semver: {{range: 1.x}}}}}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {{name: shop, namespace: default}}
spec:
  interval: 1m
  sourceRef: {{kind: GitRepository, name: config}}
  git:
    commit:
      author: {{name: Flux Bot, email: flux@example.com}}
      messageTemplate: |
        Update by {{{{ .AutomationObject }}}} [skip ci]

        {{{{ range .Changed.Changes }}}}{{{{ .OldValue }}}} -> {{{{ .NewValue }}}}
        {{{{ end }}}}
  update: {{path: ./clusters/prod, strategy: Setters}}
"#,
            user = web::USER,
            password = web::PASSWORD,
            docker = registry.docker_config(),
            url = web.url("config.git"),
        ),
    );

    moved_once(&world, &remote, &image);
    assert_eq!(remote.author("main"), "Flux Bot <flux@example.com>, Flux Bot <flux@example.com>");
    let expected = format!("Update by default/shop [skip ci]\n\n{image}:1.0.0 -> {image}:1.2.0\n\n");
    assert_eq!(remote.message("main"), expected);
}

#[test]
fn native_over_ssh_with_secrets_from_a_directory() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let ssh = Ssh::start(&world);
    world.secret("deploy-key", &[("identity", &ssh.key()), ("known_hosts", &ssh.known_hosts())]);
    world.secret("pull", &[(".dockerconfigjson", &registry.docker_config())]);
    Native {
        url: &ssh.url(remote.path()),
        image: &image,
        git: &[
            "branch: main",
            "secretRef: {name: deploy-key}",
            "commit: {author: {name: Shop, email: shop@example.com}}",
        ],
        images: &["insecure: true", "secretRef: {name: pull}"],
    }
    .write(&world);

    moved_once(&world, &remote, &image);
    assert_eq!(remote.author("main"), "Shop <shop@example.com>, Shop <shop@example.com>");
    // Another pipeline can tell whose commit this is, by its trailers alone.
    let message = world.write("message", remote.message("main"));
    let mut skip = world.command(env!("CARGO_BIN_EXE_tagwright"));
    let skip = Run::of(skip.arg("skip").arg("--message-file").arg(message));
    assert_eq!(skip.code, Some(0), "{skip:?}");
}

#[test]
fn kubevela_over_plain_http_with_the_machine_s_logins() {
    let world = World::new();
    let registry = Registry::protected(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let web = Web::start(&world, &Transport::Plain);
    world.write("home/.docker/config.json", machine_login(&registry));
    world.write(
        "config/app.yaml",
        format!(
            r"apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: shop}}
spec:
  components:
    - name: app
      type: kustomize
      properties:
        repoType: git
        url: {}
        git: {{branch: main}}
        path: clusters
        imageRepository:
          image: {image}
          policy: {{semver: {{range: 1.x}}}}
",
            web.url("config.git")
        ),
    );

    let mirror = registry.mirror_of(&registry.authority());
    let run = Run::of(
        world
            .tagwright()
            .args(["--output", "json", &mirror])
            .env("TAGWRIGHT_GIT_USERNAME", web::USER)
            .env("TAGWRIGHT_GIT_TOKEN", web::PASSWORD),
    );
    run.expect(0, "pushed");
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
    assert_eq!(remote.message("main"), "Update image automatically.");
    let bot = "kubevelabot <kubevelabot@users.noreply.github.com>";
    assert_eq!(remote.author("main"), format!("{bot}, {bot}"));
}

fn machine_login(registry: &Registry) -> String {
    // What `docker login` writes: `USER:PASSWORD` with Base64.
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let auth = STANDARD.encode(format!("{}:{}", registry::USER, registry::PASSWORD));
    serde_json::json!({"auths": {registry.authority(): {"auth": auth}}}).to_string()
}

#[test]
fn a_dry_run_shows_the_diff_and_pushes_nothing() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &["insecure: true"] }.write(&world);
    let head = remote.head("main");

    let run = Run::of(world.tagwright().arg("--dry-run"));
    assert_eq!(run.code, Some(3), "{run:?}");
    for line in
        [format!("-                image: \"{image}:1.0.0\""), format!("+                image: \"{image}:1.2.0\"")]
    {
        assert!(run.stdout.contains(&line), "{line} is not in {run:?}");
    }
    world.run_with(&["--dry-run"]).expect(3, "would-push");
    assert_eq!(remote.head("main"), head);

    world.run().expect(0, "pushed");
    world.run_with(&["--dry-run"]).expect(0, "unchanged");
}

#[test]
fn without_a_branch_it_is_the_remote_s_default() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let files = [(FILE, deployment(&image, "1.0.0"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_bytes()));
    let remote = Remote::create(&world, "config.git", "trunk", &files);
    let url = remote.path().display().to_string();
    Native { url: &url, image: &image, git: &[], images: &["insecure: true"] }.write(&world);
    let automation = world.run().expect(0, "pushed");
    assert_eq!(automation["branch"], "trunk");
    assert_eq!(remote.file("trunk", FILE), deployment(&image, "1.2.0"));
}

#[test]
fn an_empty_remote_is_an_error_that_says_so() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let path = world.path("remotes/empty.git");
    world.succeed("git", ["init", "--quiet", "--bare", text(&path)]);
    Native { url: text(&path), image: &image, git: &[], images: &["insecure: true"] }.write(&world);
    let run = world.run();
    run.expect(1, "failed");
    run.fails(1, "empty");
}

#[test]
fn one_failing_automation_does_not_stop_another() {
    let world = World::new();
    let registry = Registry::open(&world);
    registry.push("shop/app", TAGS);
    let image = format!("{}/shop/app", registry.authority());
    let remote = shop(&world, &image);
    let nowhere = world.path("remotes/nowhere.git");
    let images = ["insecure: true"];
    Native { url: text(&nowhere), image: &image, git: &[], images: &images }.write(&world);
    let broken = std::fs::read_to_string(world.path("config/shop.yaml")).unwrap();
    world.write(
        "config/broken.yaml",
        broken.replace("name: shop}", "name: broken}").replace("name: app", "name: other"),
    );
    Native { url: text(remote.path()), image: &image, git: &[], images: &images }.write(&world);

    let run = world.run();
    assert_eq!(run.code, Some(1), "{run:?}");
    let outcomes: Vec<_> = run.automations().iter().map(|it| (it["name"].clone(), it["outcome"].clone())).collect();
    assert_eq!(outcomes, [("broken".into(), "failed".into()), ("shop".into(), "pushed".into())]);
    assert_eq!(remote.file("main", FILE), deployment(&image, "1.2.0"));
}
