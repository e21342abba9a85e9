//! `images`: what Git references, held against what git itself finds in each commit.

use std::collections::BTreeSet;

use crate::remote::{Remote, git};
use crate::world::World;

/// A world whose configuration reads a remote, in these paths.
fn world(remote: &Remote, paths: &str) -> World {
    let world = World::new();
    world.write(
        "policies/shop.yaml",
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {{name: shop}}\nspec:\n  \
             git: {{url: '{}', branch: main, paths: {paths}}}\n  images: []\n",
            remote.path()
        ),
    );
    world
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// What git finds in the newest commits: each image of `image:` lines.
fn by_git(remote: &Remote, commits: usize, path: &str) -> BTreeSet<String> {
    let of_git = |arguments: &[&str]| git(&remote.bare(), arguments);
    let mut found = BTreeSet::new();
    for commit in of_git(&["rev-list", "-n", &commits.to_string(), "main"]).lines() {
        for line in of_git(&["grep", "-h", "-e", "image: ghcr.io", commit, "--", path]).lines() {
            found.insert(line.trim_start_matches([' ', '-']).trim_start_matches("image: ").to_owned());
        }
    }
    found
}

/// 500 images in 50 commits and some before; files come, move and go.
#[test]
fn every_image_of_the_last_commits_is_listed_and_no_other() {
    let remote = Remote::empty();
    let name = |n: usize| format!("apps/team-{}/app-{n}.yaml", n % 25);
    let file = |n: usize, version: usize| {
        format!("kind: Deployment\nspec:\n  containers:\n  - image: ghcr.io/acme/app-{n}:1.{version}.0\n")
    };
    let all: Vec<(String, String)> = (0..500).map(|n| (name(n), file(n, 0))).collect();
    let texts: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    remote.commit(&texts, "all");
    remote.commit(&[("docs/other.yaml", "image: ghcr.io/acme/other:1.0.0\n")], "elsewhere");
    for commit in 1..56 {
        let n = commit * 7 % 500;
        remote.commit(&[(&name(n), &file(n, commit))], "update");
    }
    // One is gone since the last commit but one, and one stands somewhere else.
    git(&remote.work(), &["rm", "-q", &name(3)]);
    git(&remote.work(), &["mv", &name(4), "apps/moved.yaml"]);
    remote.commit(&[("apps/last.yaml", &file(501, 9))], "the last");
    for commits in [1, 2, 50, 1000] {
        let world = world(&remote, "[apps]");
        let run = world.run(["images", "--config=policies", &format!("--commits={commits}")]);
        assert_eq!(run.code, 0, "{}", run.text());
        assert_eq!(lines(&run.stdout), by_git(&remote, commits, "apps"), "{commits} commits");
    }
    let now = world(&remote, "[apps]").run(["images", "--config=policies", "--now"]);
    assert_eq!(lines(&now.stdout), by_git(&remote, 1, "apps"));
    assert!(!now.stdout.contains("app-3:") && now.stdout.contains("app-4:1.0.0\n"), "{}", now.stdout);
}

#[test]
fn it_says_where_each_stands_and_what_it_cannot_tell() {
    let remote = Remote::empty();
    let digest = format!("sha256:{}", "a".repeat(64));
    remote.commit(&[("a.yaml", "image: ghcr.io/acme/web:1.0.0\n")], "first");
    let second = format!(
        "image: nginx:1.27.0@{digest}\n---\nkind: Deployment\nspec: {{image: 'ghcr.io/acme/web:${{TAG}}'}}\n---\n\
         image: {{repository: ghcr.io/acme/api, tag: 2.0.0}}\n"
    );
    remote.commit(&[("a.yaml", &second)], "second");
    let run = world(&remote, "[]").run(["images", "--config=policies", "--output=json"]);
    let json = run.json();
    let rows: Vec<String> = json["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let text = |name: &str| it[name].as_str().unwrap();
            format!(
                "{}:{} {} {} {}:{}",
                text("image"),
                text("tag"),
                text("digest").len(),
                it["now"],
                text("file"),
                it["line"]
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "ghcr.io/acme/api:2.0.0 0 true a.yaml:6",
            "ghcr.io/acme/web:1.0.0 0 false a.yaml:1",
            "index.docker.io/library/nginx:1.27.0 71 true a.yaml:1"
        ]
    );
    assert_eq!((&json["unknown"], &json["commits"]), (&1.into(), &2.into()));
    assert!(run.stderr.contains("1 tag stands apart from its image, or in a variable"), "{}", run.stderr);
}

/// A file that a target names counts, wherever it is and whatever it is called.
#[test]
fn files_of_targets_are_read_too() {
    let remote = Remote::empty();
    let json = |tag: &str| format!("{{\"image\": \"ghcr.io/acme/web:{tag}\"}}\n");
    remote.commit(&[("apps/a.yaml", "a: 1\n"), ("conf/web.json", &json("1.0.0"))], "first");
    remote.commit(&[("conf/web.json", &json("1.1.0"))], "second");
    let world = world(&remote, "[apps]");
    let text = std::fs::read_to_string(world.path("policies/shop.yaml")).unwrap();
    let images = "images: [{name: web, image: ghcr.io/acme/web, policy: {semver: {range: 1.x}}, \
                  targets: [{yaml: conf/web.json, at: $.image}]}]";
    world.write("policies/shop.yaml", text.replace("images: []", images));
    let run = world.run(["images", "--config=policies"]);
    assert_eq!(run.stdout, "ghcr.io/acme/web:1.0.0\nghcr.io/acme/web:1.1.0\n", "{}", run.text());
}

#[test]
fn a_list_that_is_not_whole_fails() {
    let world = World::new();
    let text = "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: shop}\nspec:\n  \
                git: {url: /nowhere/at-all.git, branch: main}\n  images: []\n";
    world.write("policies/shop.yaml", text);
    let run = world.run(["images", "--config=policies"]);
    assert_ne!(run.code, 0, "{}", run.text());
    assert!(run.stdout.is_empty() && run.stderr.contains("/nowhere/at-all.git"), "{}", run.text());
    assert_eq!(world.run(["images", "--commits=0"]).code, 2);
}
