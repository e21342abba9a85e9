//! `tagwright explain` as its users see it: the program itself, a simulated registry, a local bare remote.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "explain/guards.rs"]
mod guards;
#[path = "support/git.rs"]
mod remote;
#[path = "support/registry.rs"]
mod simulated;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use remote::Remote;
use simulated::{Registry, World};

const TAGS: [&str; 14] = [
    "6.0.0",
    "6.1.0",
    "6.1.1",
    "6.2.0-rc.1",
    "5.4.0",
    "7.0.0",
    "latest",
    "main",
    "6.1",
    "sha256-1.sig",
    "sha256-2.sig",
    "6.0.1",
    "a b",
    "6.1.1",
];

/// A configuration, tags to choose from, and a Git remote.
struct Scene {
    folder: TempDir,
    registry: Registry,
    remote: Remote,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Scene {
    async fn new(files: &[(&str, &str)]) -> Self {
        let world =
            World::with("team/app", TAGS).and("team/other", ["6.9.0"]).and("team/build", ["b-1-x", "b-2-x", "b-2-y"]);
        let registry = Registry::start(world).await;
        let scene = Self { folder: tempfile::tempdir().unwrap(), registry, remote: Remote::with(files) };
        let (host, url) = (scene.registry.host(), scene.remote.path());
        scene.write("policies/shop.yaml", &CONFIGURATION.replace("HOST", &host).replace("URL", &url));
        scene
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tagwright"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| self.anonymous(String::from_utf8(bytes).unwrap());
        Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn anonymous(&self, text: String) -> String {
        text.replace(&self.registry.host(), "HOST").replace(&self.remote.path(), "URL")
    }
}

const CONFIGURATION: &str = r#"apiVersion: tagwright.dev/v1alpha1
kind: ImageAutomation
metadata: {name: shop, namespace: default}
spec:
  git: {url: URL, paths: [apps], embedded: true}
  images:
    - {name: app, image: HOST/team/app, policy: {semver: {range: 6.x}}}
    - {name: build, image: HOST/team/build, policy: {numerical: {order: asc}}, filterTags: {pattern: '^b-(\d+)-x$', extract: $1}}
    - {name: none, image: HOST/team/app, policy: {semver: {range: 9.x}}}
    - {name: digested, image: HOST/team/app, policy: {semver: {range: 6.x}}, digestReflectionPolicy: Always}
    - {name: idle, image: HOST/team/app, policy: {semver: {range: 6.x}}, suspend: true}
"#;

const MANIFEST: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
image: HOST/team/app:6.0.0 # {"$imagepolicy": "default:app"}
tag: 6.1.1 # {"$imagepolicy": "default:app:tag"}
digest: sha256:x # {"$imagepolicy": "default:app:digest"}
other: x # {"$imagepolicy": "default:other"}
wrong: # {"$imagepolicy": "default:app"}
data:
  values.yaml: |
    tag: "6.0.0"   # {"$imagepolicy": "default:app:tag"}
"#;

#[track_caller]
fn check(said: &Said, code: i32, expect: &str) {
    assert_eq!(said.out, expect, "{}", said.err);
    assert_eq!(said.code, code, "{}", said.err);
}

const FUNNEL: &str = r"default:app takes from HOST/team/app the highest version in '6.x'

  tags listed                                      13
- not allowed by OCI                                1  a b
- excluded by ^.*\.sig$                             2  sha256-2.sig, sha256-1.sig
- not a version                                     2  main, latest
- fewer than two dots, so not taken for a version   1  6.1
- not in the range '6.x'                            2  7.0.0, 5.4.0
- pre-releases, which '6.x' does not ask for        1  6.2.0-rc.1
= candidates, best first                            4
* 6.1.1  selected
  6.1.0  candidate
  6.0.1  candidate
  6.0.0  candidate
";

#[tokio::test(flavor = "multi_thread")]
async fn the_funnel() {
    let scene = Scene::new(&[]).await;
    check(&scene.run(&["explain", "default:app"]), 0, FUNNEL);
    check(&scene.run(&["explain", "default/app"]), 0, FUNNEL);
    check(&scene.run(&["explain", "default:app:tag"]), 0, FUNNEL);
    let expect = r"default:build takes from HOST/team/build the greatest number, read as $1 from tags that match ^b-(\d+)-x$

  tags listed                3
- not matched by the filter  1  b-2-y
= candidates, best first     2
* b-2-x  selected, ordered by 2
  b-1-x  candidate, ordered by 1
";
    check(&scene.run(&["explain", "default:build"]), 0, expect);
    let none = scene.run(&["explain", "default:none"]);
    assert_eq!((none.code, none.out.contains("= candidates, best first")), (1, true), "{}", none.out);
    let idle = scene.run(&["explain", "default:idle"]);
    assert_eq!(
        (idle.code, idle.out.contains("nothing is selected: the policy is suspended\n")),
        (1, true),
        "{}",
        idle.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tags() {
    let scene = Scene::new(&[]).await;
    let host = scene.registry.host();
    let other = scene.run(&["explain", "default:app", "--image", &format!("{host}/team/other")]);
    assert!(other.out.ends_with("* 6.9.0  selected\n"), "{}", other.out);
    let many: String = (0..30).map(|patch| format!("6.0.{patch}\n1.0.{patch}\n")).collect();
    scene.write("tags.txt", &many);
    let bounded = scene.run(&["explain", "default:app", "--tags", "tags.txt"]);
    assert!(bounded.out.ends_with("  6.0.20  candidate\n  … and 20 more, which --all shows\n"), "{}", bounded.out);
    assert!(bounded.out.contains("30  1.0.9, 1.0.8, 1.0.7, 1.0.6, 1.0.5, …\n"), "{}", bounded.out);
    let all = scene.run_with(&["explain", "default:app", "--all", "--tags", "-"], &many);
    assert_eq!(all.out.lines().filter(|line| line.starts_with(['*', ' '])).count(), 61);
    assert!(all.out.contains("  1.0.29  rejected: not in the range '6.x'\n"), "{}", all.out);
    let empty = scene.run(&["explain", "default:app", "--tags", "/dev/null"]);
    assert_eq!((empty.code, empty.out.ends_with("= candidates, best first  0\n")), (1, true), "{}", empty.out);
    assert_eq!(scene.run(&["explain", "default:app", "--tags", "nowhere"]).code, 2);
    assert_eq!(scene.registry.count("/team/app/tags/list"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tag() {
    let scene = Scene::new(&[]).await;
    for (policy, tag, expect) in [
        ("default:app", "6.1.1", "is selected, as the best of 4 candidates"),
        ("default:app", "6.0.0", "is not selected: it is candidate 4 of 4, and 6.1.1 is better"),
        ("default:app", "7.0.0", "is not selected: not in the range '6.x'"),
        ("default:app", "6.2.0-rc.1", "is not selected: a pre-release, which the range '6.x' does not ask for"),
        ("default:app", "latest", "is not selected: 'latest' is not a version"),
        ("default:app", "a b", "is not selected: OCI allows no such tag"),
        (
            "default:app",
            "sha256-1.sig",
            r"is not selected: excluded by the pattern '^.*\.sig$' of the image repository",
        ),
        (
            "default:app",
            "6.3.0",
            "is not selected: it is not among the 13 tags of HOST/team/app; if it were, it would be selected",
        ),
        (
            "default:app",
            "8.0.0",
            "is not selected: it is not among the 13 tags of HOST/team/app; if it were, it would be rejected: not in the \
             range '6.x'",
        ),
        ("default:build", "b-1-x", "is not selected: it is candidate 2 of 2, ordered by 1, and b-2-x is better"),
        ("default:idle", "6.1.1", "is not selected: the policy is suspended"),
    ] {
        let said = scene.run(&["explain", policy, "--tag", tag]);
        check(&said, i32::from(policy == "default:idle"), &format!("{tag} {expect}\n"));
    }
    let json = scene.run(&["explain", "default:app", "--tag", "7.0.0", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expect = serde_json::json!({"tag": "7.0.0", "selected": false, "cause": "out-of-range",
        "sentence": "7.0.0 is not selected: not in the range '6.x'"});
    assert_eq!(json, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names() {
    let scene = Scene::new(&[]).await;
    for (name, expect) in [
        ("default:ap", "no policy default:ap is configured\n  hint: did you mean default:app?\n"),
        (
            "shop:app",
            "no policy shop:app is configured\n  hint: a policy of that name is in namespace \"default\": default:app\n",
        ),
        (
            "zzz:unrelated",
            "no policy zzz:unrelated is configured\n  hint: there are default:app, default:build, default:none, \
             default:digested, default:idle\n",
        ),
        (
            "app:",
            "\"app:\" is not a name\n  hint: write a policy as NAMESPACE:NAME and an automation as NAMESPACE/NAME\n",
        ),
    ] {
        let said = scene.run(&["explain", name]);
        assert_eq!((said.code, said.err), (2, format!("error: {expect}")));
    }
    assert_eq!(scene.run(&["explain", "app"]).out, scene.run(&["explain", "default:app"]).out);
    assert_eq!(scene.run(&["explain", "default:app", "--config", "nowhere"]).code, 2);
    assert_eq!(scene.run(&["explain", "default:app", ".", "--remote"]).code, 2);
    assert_eq!(scene.run(&["explain", "default:app", "--image", "UPPER/case"]).code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_remote() {
    let manifest = MANIFEST.replace("HOST/", "registry.example.com/");
    let scene = Scene::new(&[("apps/a.yaml", &manifest), ("elsewhere/a.yaml", &manifest)]).await;
    let before = scene.remote.at("refs/heads/main");
    let expect = format!(
        r#"{FUNNEL}
default/shop on main of URL below apps
  apps/a.yaml:4:8: registry.example.com/team/app:6.0.0 -> HOST/team/app:6.1.1 (default:app)
  apps/a.yaml:5:6: 6.1.1 is up to date (default:app:tag)
  apps/a.yaml:6:9: sha256:x stays (default:app:digest): the selection of policy "default:app" has no digest; the field stays
  apps/a.yaml:11:10: 6.0.0 -> 6.1.1 (default:app:tag)
  warning: apps/a.yaml:8:8: TW004 the marker sets nothing: it belongs to a mapping key; put it at the end of the value's line
"#
    );
    check(&scene.run(&["explain", "default:app", "--remote"]), 0, &expect);
    let none = scene.run(&["explain", "default:none", "--remote"]);
    assert!(none.out.ends_with("of URL below apps\n  no field is marked with default:none\n"), "{}", none.out);
    assert_eq!(none.code, 1);
    assert_eq!(scene.remote.at("refs/heads/main"), before);

    let json = scene.run(&["explain", "default:app", "--remote", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["selected"], &json["listed"], &json["held"]), (&"6.1.1".into(), &13.into(), &"".into()));
    let excluded = serde_json::json!({"cause": "excluded", "pattern": "^.*\\.sig$", "count": 2, "tags": [
        {"tag": "sha256-2.sig", "reason": "excluded by the pattern '^.*\\.sig$' of the image repository"},
        {"tag": "sha256-1.sig", "reason": "excluded by the pattern '^.*\\.sig$' of the image repository"}]});
    assert_eq!(json["dropped"][1], excluded);
    let field = serde_json::json!({"file": "apps/a.yaml", "line": 11, "column": 10, "marker": "default:app:tag",
        "old": "6.0.0", "new": "6.1.1", "why": "", "hold": "", "details": []});
    assert_eq!(json["places"][0]["fields"][3], field);
    assert_eq!(json["places"][0]["diagnostics"][0]["code"], "TW004");

    std::fs::remove_dir_all(scene.remote.bare()).unwrap();
    let gone = scene.run(&["explain", "default:app", "--remote"]);
    assert!(gone.out.contains("\ndefault/shop in URL below apps\n  error: cannot "), "{}", gone.out);
    assert_ne!(gone.code, 0);
}

/// Which came last, what says so, and what changes in the image; a field that has one which came later stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_newest_and_what_changes_in_it() {
    let scene = Scene::new(&[]).await;
    let host = scene.registry.host();
    let source = "https://github.com/acme/app";
    scene.registry.change(|world| {
        for (tag, day) in [("main-c", 1), ("main-a", 3), ("main-b", 2)] {
            let labels = serde_json::json!({"org.opencontainers.image.source": source,
                "org.opencontainers.image.revision": format!("0a{day}"), "dev.tagwright.fixes": "CVE-2026-1234"});
            let config = serde_json::json!({"os": "linux", "architecture": "amd64",
                "created": format!("2026-01-{day:02}T00:00:00Z"), "config": {"Labels": labels}});
            world.push("team/newest", tag, &config);
        }
    });
    let policy = |name: &str, more: &str| {
        format!(
            "    - {{name: {name}, image: {host}/team/newest, filterTags: {{pattern: ^main-}}, policy: {{newest: {{}}}}{more}}}\n"
        )
    };
    let images = [
        policy("newest", ""),
        policy("waits", ", minimumAge: 72h"),
        policy("fixed", ", minimumAge: 72h, fastLane: {}"),
    ];
    scene.write(
        "policies/newest.yaml",
        &format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: newest}}\nspec:\n  git: {{url: {}}}\n  \
             images:\n{}",
            scene.remote.path(),
            images.concat()
        ),
    );
    scene.write(
        "work/a.yaml",
        &format!("image: {host}/team/newest:main-c # {{\"$imagepolicy\": \"default:newest\"}}\n"),
    );
    let said = scene.run(&["explain", "default:newest", "work"]);
    let clock = "it was created at 2026-01-03T00:00:00Z, as it says itself, and nothing else tells when it came";
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert!(said.out.contains("takes from") && said.out.contains("the newest tag that ^main- matches"), "{}", said.out);
    assert!(said.out.contains(clock), "{}", said.out);
    let change = "  a.yaml:1:8: HOST/team/newest:main-c -> HOST/team/newest:main-a (default:newest)\n";
    let details = format!("{change}    commits: {source}/compare/0a1...0a3\n");
    assert!(said.out.contains(&details), "{}", said.out);
    let json: serde_json::Value =
        serde_json::from_str(&scene.run(&["explain", "default:newest", "--output", "json"]).out).unwrap();
    assert_eq!((&json["selected"], &json["remarks"][0]), (&"main-a".into(), &clock.into()));
    let order: Vec<&str> =
        json["candidates"].as_array().unwrap().iter().map(|it| it["tag"].as_str().unwrap()).collect();
    assert_eq!(order, ["main-a", "main-b", "main-c"]);
    let fixed = scene.run(&["explain", "default:fixed"]).out;
    let lane = "it need not become older, since it fixes CVE-2026-1234, as its label dev.tagwright.fixes says";
    assert!(fixed.contains(lane), "{fixed}");
    // Tags from elsewhere do not tell.
    let other = scene.run_with(&["explain", "default:newest", "--tags", "-"], "main-a\nmain-b\n");
    assert!(other.out.contains("tags alone do not tell which of them is the newest"), "{}", other.out);
    assert_eq!(other.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_directory() {
    let scene = Scene::new(&[]).await;
    let digested = MANIFEST.replace("default:app", "default:digested");
    scene.write("work/apps/a.yaml", MANIFEST);
    scene.write("work/apps/b.yaml", &digested);
    scene.write("work/elsewhere/a.yaml", MANIFEST);
    let said = scene.run(&["explain", "default:app", "work"]);
    let (_, fields) = said.out.split_once("\n\ndefault/shop in work below apps\n").unwrap();
    let (inside, outside) = fields.split_once("\n\nelsewhere in work\n").unwrap();
    assert_eq!((inside.lines().count(), outside.lines().count()), (5, 5), "{fields}");
    let why = "the file is not in the paths of an automation that has the policy in scope";
    let line = "  elsewhere/a.yaml:5:6: 6.1.1 is up to date (default:app:tag)";
    assert!(
        outside
            .starts_with(&format!("  elsewhere/a.yaml:4:8: HOST/team/app:6.0.0 stays (default:app): {why}\n{line}\n")),
        "{outside}"
    );
    assert!(outside.contains("  note: elsewhere/a.yaml:11:10: TW030 "), "{outside}");

    let digest = simulated::digest("team/app", "6.1.1");
    let said = scene.run(&["explain", "default:digested", "work"]).out;
    assert!(said.contains("'6.x'\nthe digest behind the tag is written, too\n\n"), "{said}");
    assert!(said.contains(&format!("apps/b.yaml:6:9: sha256:x -> {digest} (default:digested:digest)\n")), "{said}");
    let none = scene.run(&["explain", "default:idle", "work"]);
    assert!(none.out.contains("no field is marked with default:idle"), "{}", none.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_fields_are_committed_if_the_automation_says_so() {
    let manifest =
        "data:\n  values.yaml: |\n    tag: \"6.0.0\"   # {\"$imagepolicy\": \"default:app:tag\"}\n\n    x: [a,  b]\n";
    let scene = Scene::new(&[("apps/a.yaml", manifest)]).await;
    let said = scene.run(&["run", "--once"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(scene.remote.show("refs/heads/main:apps/a.yaml"), manifest.replace("6.0.0", "6.1.1"));
    assert!(said.out.contains("apps/a.yaml:3: 6.0.0 -> 6.1.1 (default:app:tag)"), "{}", said.out);

    scene.write("work/a.yaml", manifest);
    let image = "default:app=registry.example.com/team/app:6.1.1";
    let off = scene.run(&["set", "work", "--image", image, "--check"]);
    assert_eq!(
        (off.code, off.err.starts_with("note: a.yaml:3:10: TW030 a marker in embedded YAML")),
        (2, true),
        "{}",
        off.err
    );
    assert!(off.err.contains("hint: markers in embedded YAML count with --embedded"), "{}", off.err);
    assert_eq!(scene.run(&["set", "work", "--image", image, "--embedded"]).code, 0);
    let written = std::fs::read_to_string(Path::new(scene.folder.path()).join("work/a.yaml")).unwrap();
    assert_eq!(written, manifest.replace("6.0.0", "6.1.1"));
}
