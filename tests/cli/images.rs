//! `images`: what Git references, held against what git itself finds in each commit.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};

use crate::page::Page;
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

/// A remote of which `registry.example.com` has two images in two projects, one with two tags.
fn shop() -> Remote {
    let remote = Remote::empty();
    let web = |tag: &str| format!("image: registry.example.com/acme/web:{tag}\n---\nimage: ghcr.io/acme/web:9.9.9\n");
    remote.commit(
        &[("web.yaml", &web("1.4.0")), ("api.yaml", "image: registry.example.com/acme/team/api:v2\n")],
        "first",
    );
    remote.commit(&[("web.yaml", &web("1.5.0-rc.1"))], "second");
    remote
}

fn rules(world: &World, format: &str) -> crate::world::Run {
    world.run(["images", "--config=policies", "--registry=registry.example.com", &format!("--output={format}")])
}

#[test]
fn rules_are_as_the_registries_have_them_and_as_the_page_shows_them() {
    let remote = shop();
    let world = world(&remote, "[]");
    let harbor = json!([{"project": "acme", "policy": {
        "algorithm": "or",
        "rules": [
            {"action": "retain", "template": "always", "params": {},
             "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "v2", "extras": "{\"untagged\":true}"}],
             "scope_selectors": {"repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "team/api"}]}},
            {"action": "retain", "template": "always", "params": {},
             "tag_selectors": [{"kind": "doublestar", "decoration": "matches", "pattern": "{1.4.0,1.5.0-rc.1}", "extras": "{\"untagged\":true}"}],
             "scope_selectors": {"repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "web"}]}}],
        "trigger": {"kind": "Schedule", "settings": {"cron": ""}}}}]);
    let gitlab = json!([
        {"image": "registry.example.com/acme/team/api", "name_regex_delete": ".*", "name_regex_keep": "(?:v2)"},
        {"image": "registry.example.com/acme/web", "name_regex_delete": ".*", "name_regex_keep": r"(?:1\.4\.0|1\.5\.0-rc\.1)"}]);
    let zot = json!({"policies": [
        {"repositories": ["acme/team/api"], "deleteReferrers": false, "deleteUntagged": false, "keepTags": [{"patterns": ["^v2$"]}]},
        {"repositories": ["acme/web"], "deleteReferrers": false, "deleteUntagged": false,
         "keepTags": [{"patterns": [r"^1\.4\.0$", r"^1\.5\.0-rc\.1$"]}]}]});
    let page = Page::at("docs/guides/clean-up.md");
    let shown = page.below("## As rules of a registry").blocks("json");
    let shown: Vec<Value> = shown.into_iter().map(|block| serde_json::from_str(block).unwrap()).collect();
    for (format, expected) in [("harbor", &harbor), ("gitlab", &gitlab), ("zot", &zot)] {
        let run = rules(&world, format);
        assert_eq!((run.code, &run.json()), (0, expected), "{format}: {}", run.text());
        assert!(shown.contains(expected), "{format}");
    }
}

/// Which of an image's tags a registry keeps, as each of them decides.
fn kept(format: &str, rules: &Value, path: &str, tags: &[String]) -> BTreeSet<String> {
    let keeps: Box<dyn Fn(&str) -> bool> = match format {
        // A tag that a rule's pattern matches as a whole; braces are alternatives, and nothing in a tag has a meaning.
        "harbor" => {
            let (project, repository) = path.split_once('/').unwrap();
            let of_project = rules.as_array().unwrap().iter().find(|it| it["project"] == project).unwrap();
            let all = of_project["policy"]["rules"].as_array().unwrap();
            let rule =
                all.iter().find(|rule| rule["scope_selectors"]["repository"][0]["pattern"] == repository).unwrap();
            let pattern = rule["tag_selectors"][0]["pattern"].as_str().unwrap().to_owned();
            let inner =
                pattern.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(&pattern).to_owned();
            Box::new(move |tag| inner.split(',').any(|one| one == tag))
        }
        "gitlab" => {
            let rule = rules
                .as_array()
                .unwrap()
                .iter()
                .find(|it| it["image"] == format!("registry.example.com/{path}"))
                .unwrap();
            let anchored = |name: &str| Regex::new(&format!(r"\A{}\z", rule[name].as_str().unwrap())).unwrap();
            let (delete, keep) = (anchored("name_regex_delete"), anchored("name_regex_keep"));
            Box::new(move |tag| !delete.is_match(tag) || keep.is_match(tag))
        }
        _ => {
            let all = rules["policies"].as_array().unwrap();
            let policy = all.iter().find(|policy| policy["repositories"][0] == path).unwrap();
            let patterns = policy["keepTags"][0]["patterns"].as_array().unwrap().iter();
            let patterns: Vec<Regex> = patterns.map(|pattern| Regex::new(pattern.as_str().unwrap()).unwrap()).collect();
            Box::new(move |tag| patterns.iter().any(|pattern| pattern.is_match(tag)))
        }
    };
    tags.iter().filter(|tag| keeps(tag)).cloned().collect()
}

/// Tags that look like those in use are deleted, and those in use are kept, as git itself finds them.
#[test]
fn what_is_in_use_is_kept_and_nothing_else() {
    let remote = Remote::empty();
    let tags = ["1.4.0", "1.4.0-rc1", "v1.4.0", "1_4-0", "latest", "2026.01.02", "main-0a1b2c3", "A", "a"];
    let text = |n: usize| {
        format!(
            "image: registry.example.com/acme/web:{}\n---\nimage: registry.example.com/acme/x/api:{}\n",
            tags[n],
            tags[(n * 5 + 3) % 9]
        )
    };
    (0..9).for_each(|n| drop(remote.commit(&[("a.yaml", &text(n))], "next")));
    let mut in_use: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for commit in git(&remote.bare(), &["rev-list", "-n", "6", "main"]).lines() {
        for line in git(&remote.bare(), &["show", &format!("{commit}:a.yaml")]).lines() {
            if let Some((path, tag)) =
                line.strip_prefix("image: registry.example.com/").and_then(|it| it.split_once(':'))
            {
                in_use.entry(path.to_owned()).or_default().insert(tag.to_owned());
            }
        }
    }
    let alike = |tag: &&str| {
        [
            format!("{tag}0"),
            format!("0{tag}"),
            format!("{tag}-x"),
            tag.replace('.', "x"),
            tag.to_uppercase(),
            format!("x{tag}"),
        ]
    };
    let all: BTreeSet<String> = tags.iter().map(|tag| (*tag).to_owned()).chain(tags.iter().flat_map(alike)).collect();
    let all: Vec<String> = all.into_iter().collect();
    let world = world(&remote, "[]");
    for format in ["harbor", "gitlab", "zot"] {
        let run = world.run([
            "images",
            "--config=policies",
            "--commits=6",
            "--registry=registry.example.com",
            "--output",
            format,
        ]);
        assert_eq!(run.code, 0, "{}", run.text());
        for (path, expected) in &in_use {
            assert_eq!(expected.len(), 6);
            assert_eq!(&kept(format, &run.json(), path, &all), expected, "{format} {path}: {}", run.stdout);
        }
    }
}

#[test]
fn rules_that_would_delete_what_is_in_use_are_refused() {
    let refused = |files: &[(&str, &str)], format: &str, said: &str| {
        let remote = Remote::empty();
        remote.commit(files, "first");
        let run = rules(&world(&remote, "[]"), format);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.text());
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    };
    let digest = format!("image: registry.example.com/acme/web@sha256:{}\n", "a".repeat(64));
    refused(&[("a.yaml", &digest)], "zot", "referenced by their digests alone: acme/web@sha256:aaa");
    let variable = "image: registry.example.com/acme/web:1.0.0\n---\nkind: Deployment\nspec: {image: 'registry.example.com/acme/api:${TAG}'}\n";
    refused(
        &[("a.yaml", variable)],
        "zot",
        "the list of what is in use is not whole, and rules would delete the rest: the images of 1 tag could not be told",
    );
    refused(
        &[("a.yaml", "image: ghcr.io/acme/web:1.0.0\n")],
        "harbor",
        "nothing of registry.example.com is referenced",
    );
    refused(&[("a.yaml", "image: registry.example.com/web:1.0.0\n")], "harbor", "web is in no project");
    let many: Vec<(String, String)> =
        (0..16).map(|n| (format!("{n}.yaml"), format!("image: registry.example.com/acme/app-{n}:1.0.0\n"))).collect();
    let files: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    refused(&files, "harbor", "the project acme would need 16 rules, and Harbor takes 15");
    let whole = Remote::empty();
    whole.commit(&files[1..], "first");
    assert_eq!(rules(&world(&whole, "[]"), "harbor").code, 0);

    // 255 characters: `(?:` and `)` around two tags with a line between, of which the second fills it up.
    let two = |length: usize| {
        format!(
            "image: registry.example.com/acme/web:{}\n---\nimage: registry.example.com/acme/web:{}\n",
            "a".repeat(125),
            "b".repeat(length)
        )
    };
    refused(
        &[("a.yaml", &two(126))],
        "gitlab",
        "registry.example.com/acme/web would need 256 characters, and GitLab takes 255",
    );
    let fits = Remote::empty();
    fits.commit(&[("a.yaml", &two(125))], "first");
    let run = rules(&world(&fits, "[]"), "gitlab");
    assert_eq!(run.json()[0]["name_regex_keep"].as_str().unwrap().len(), 255, "{}", run.text());

    // An older commit of which something cannot be told, unless it is not asked about.
    let older = Remote::empty();
    older.commit(&[("a.yaml", variable)], "first");
    older.commit(&[("a.yaml", "image: registry.example.com/acme/web:1.0.0\n")], "second");
    let world = world(&older, "[]");
    let run = rules(&world, "zot");
    assert!(run.code == 1 && run.stderr.contains("tags in older commits could not be told"), "{}", run.text());
    assert_eq!(
        world.run(["images", "--config=policies", "--registry=registry.example.com", "--now", "--output=zot"]).code,
        0
    );
    world.run(["images", "--config=policies", "--output=zot"]).refuses(2, "--registry registry.example.com");
}
