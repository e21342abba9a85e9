//! `mark` on whole repositories, from images without markers to the first automatic commit.
//!
//! A case is a folder `fixtures/mark/NAME`: `repo/` is the repository, `tags.json` what its registries list, `arguments` what
//! is given to `mark` besides. The snapshots beside them are what a user gets.

#![allow(clippy::unwrap_used)]

#[path = "support/checkout.rs"]
mod checkout;
#[path = "support/git.rs"]
mod remote;
#[path = "support/registry.rs"]
mod simulated;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tagwright::config::{self, Sources};
use tagwright_core::automation::DigestReflection;
use tagwright_core::inventory;
use tagwright_core::mark::extend;
use tagwright_core::mark::policies::{self, Dialect, Target};
use tagwright_core::mark::{self, File, Moving, Settings};

use checkout::contents;
use remote::git;
use simulated::{Registry, World};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mark")
}

/// A checkout with a bare remote, and registries.
struct Case {
    name: String,
    folder: tempfile::TempDir,
    registry: Registry,
    hosts: Vec<String>,
    arguments: Vec<String>,
}

impl Case {
    async fn of(fixture: &Path) -> Self {
        let tags = fs::read_to_string(fixture.join("tags.json")).unwrap();
        let tags: BTreeMap<String, Vec<String>> = serde_json::from_str(&tags).unwrap();
        let mut world = World::default();
        let mut hosts = Vec::new();
        for (repository, tags) in tags {
            let (host, path) = repository.split_once('/').unwrap();
            world = world.and(path, tags);
            hosts.push(host.to_owned());
        }
        hosts.dedup();
        let folder = tempfile::tempdir().unwrap();
        checkout::make(&fixture.join("repo"), folder.path());
        let remote = folder.path().join("config.git").display().to_string();
        git(&folder.path().join("checkout"), &["remote", "add", "origin", &remote]);
        let arguments = fs::read_to_string(fixture.join("arguments")).unwrap_or_default();
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        let name = fixture.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, folder, registry: Registry::start(world).await, hosts, arguments }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn checkout(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    /// Runs tagwright with the registries of this case and nothing of this machine's; it must succeed.
    async fn tagwright(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent");
        command.env("GIT_CONFIG_NOSYSTEM", "1").args(arguments);
        if arguments[0] != "check" {
            let mirrors = self.hosts.iter().map(|host| format!("--registry-mirror={host}={}", self.registry.url()));
            command.args(mirrors);
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {arguments:?}: {said}", self.name);
        output
    }

    async fn mark(&self, more: &[&str]) -> Output {
        let (checkout, config) = (self.path("checkout"), self.path("policies.yaml"));
        let mut arguments = vec!["mark", &checkout, "--config", &config];
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.extend(more);
        self.tagwright(&arguments).await
    }

    fn policies(&self) -> String {
        fs::read_to_string(self.path("policies.yaml")).unwrap()
    }

    fn head(&self) -> String {
        git(&self.folder.path().join("config.git"), &["rev-parse", "main"])
    }

    /// Compares with the snapshot, without the paths and ports of this run.
    #[track_caller]
    fn snapshot(&self, name: &str, text: &str) {
        let text = text.replace(&self.folder.path().display().to_string(), "/WORLD").replace('\r', "␍");
        let text = text.replace(self.registry.host().as_str(), "REGISTRY");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(fixtures().join(&self.name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

fn assert_only_ends_of_lines(old: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) {
    assert!(old.keys().eq(new.keys()));
    for (path, old) in old {
        let (old, new) = (old.split(|b| *b == b'\n'), new[path].split(|b| *b == b'\n'));
        assert_eq!(old.clone().count(), new.clone().count(), "{path}");
        for (old, new) in old.zip(new) {
            let end = old.strip_suffix(b"\r").map_or(&b""[..], |_| b"\r");
            let added = new.strip_suffix(end).and_then(|new| new.strip_prefix(old.strip_suffix(end).unwrap())).unwrap();
            assert!(added.is_empty() || added.starts_with(b" # {\"$imagepolicy\": \"") || added.starts_with(b"# {"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_images_to_the_first_automatic_commit() {
    let mut count = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let case = Case::of(&entry.unwrap().path()).await;
        let before = contents(&case.checkout());

        let shown = case.mark(&[]).await;
        assert_eq!(contents(&case.checkout()), before, "{}: nothing is written without --write", case.name);
        assert!(!Path::new(&case.path("policies.yaml")).exists());
        case.snapshot("summary", &String::from_utf8(shown.stderr).unwrap());
        case.snapshot("shown", &String::from_utf8(shown.stdout).unwrap());

        case.mark(&["--write"]).await;
        let after = contents(&case.checkout());
        assert_only_ends_of_lines(&before, &after);
        let policies = case.policies();

        let again = case.mark(&["--write"]).await;
        assert_eq!(contents(&case.checkout()), after, "{}: marking twice is marking once", case.name);
        assert_eq!(case.policies(), policies);
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(said.contains("0 images to mark with 0 new policies"), "{}: {said}", case.name);

        git(&case.checkout(), &["commit", "--quiet", "--all", "--message=Mark the images"]);
        git(&case.checkout(), &["push", "--quiet", "origin", "main"]);
        let marked = case.head();
        let config = case.path("policies.yaml");
        case.tagwright(&["run", "--once", "--config", &config]).await;
        assert_ne!(case.head(), marked, "{}: there is news", case.name);
        let commit = git(&case.folder.path().join("config.git"), &["show", "--format=%an%n%n%B", "main"]);
        let commit: String =
            commit.lines().filter(|line| !line.starts_with("index ")).map(|line| format!("{line}\n")).collect();
        case.snapshot("commit", &commit);

        let pushed = case.head();
        case.tagwright(&["run", "--once", "--config", &config]).await;
        assert_eq!(case.head(), pushed, "{}: the second run has nothing to do", case.name);
        count += 1;
    }
    assert!(count >= 6, "the fixtures are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_the_same() {
    let case = Case::of(&fixtures().join("compose")).await;
    let output = case.mark(&["--output", "json"]).await;
    case.snapshot("json", &String::from_utf8(output.stdout).unwrap());
}

/// New images later on: the policies that exist are used, and new ones join them in the same file.
#[tokio::test(flavor = "multi_thread")]
async fn marking_goes_on_where_it_stopped() {
    for arguments in [&[][..], &["--flux"]] {
        let case = Case::of(&fixtures().join("compose")).await;
        let write: Vec<&str> = ["--write", "--offline"].iter().chain(arguments).copied().collect();
        case.mark(&write).await;
        let first = case.policies();
        let more = "a:\n  image: traefik:v3.0.9\n  otherImage: ghcr.io/acme/api:2.0.0-alpine\n";
        fs::write(case.checkout().join("more.yaml"), more).unwrap();
        case.mark(&write).await;
        let marked = fs::read_to_string(case.checkout().join("more.yaml")).unwrap();
        assert_eq!(
            marked,
            "a:\n  image: traefik:v3.0.9 # {\"$imagepolicy\": \"default:traefik\"}\n  \
             otherImage: ghcr.io/acme/api:2.0.0-alpine # {\"$imagepolicy\": \"default:acme-api\"}\n"
        );
        let second = case.policies();
        assert!(second.starts_with(&first) && second.matches("name: acme-api").count() >= 1);
        let loaded = config::load(&Sources {
            paths: vec![case.path("policies.yaml").into()],
            secrets: None,
            ..Sources::default()
        })
        .unwrap();
        assert_eq!(loaded.policies.len(), 4);
    }
}

/// A checkout with one image in each of two folders.
fn two_folders() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in [("web", "acme/web:1.4.2"), ("api", "acme/api:2.0.0")] {
        fs::create_dir_all(folder.path().join("apps").join(name)).unwrap();
        fs::write(folder.path().join(format!("apps/{name}/app.yaml")), format!("image: {image}\n")).unwrap();
    }
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    git(folder.path(), &["remote", "add", "origin", "https://git.example.com/acme/config.git"]);
    folder
}

/// Marks offline in a folder; returns stdout and stderr.
fn mark_in(folder: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    let output = command.arg("mark").args(arguments).arg("--offline").current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(output.stderr));
    (text(output.stdout), text(output.stderr))
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len() - count..].join("\n")
}

#[test]
fn the_diff_applies_from_the_root_of_the_checkout() {
    for directory in ["apps/web", "apps/web/app.yaml", "apps"] {
        let shown = two_folders();
        let (diff, said) = mark_in(shown.path(), &[directory, "--config=policies/all.yaml"]);
        assert!(last_lines(&said, 1).starts_with("nothing was written; --write writes markers to apps/"), "{said}");
        fs::write(shown.path().join("mark.diff"), diff).unwrap();
        git(shown.path(), &["apply", "mark.diff"]);
        fs::remove_file(shown.path().join("mark.diff")).unwrap();
        let written = two_folders();
        mark_in(written.path(), &[directory, "--config=policies/all.yaml", "--write"]);
        assert_eq!(contents(shown.path()), contents(written.path()), "{directory}");
    }
}

/// Policies that go elsewhere are no part of what is applied.
#[test]
fn policies_outside_of_the_checkout_are_shown_as_they_will_be() {
    let (checkout, elsewhere) = (two_folders(), tempfile::tempdir().unwrap());
    let config = format!("--config={}", elsewhere.path().join("all.yaml").display());
    let (shown, _) = mark_in(checkout.path(), &["apps", &config]);
    assert!(shown.contains("\n\n# Written by `tagwright mark`"), "{shown}");
    fs::write(checkout.path().join("mark.diff"), shown).unwrap();
    git(checkout.path(), &["apply", "mark.diff"]);
    let status = git(checkout.path(), &["ls-files", "--others"]);
    assert_eq!(status.lines().collect::<Vec<_>>(), ["apps/api/app.yaml", "apps/web/app.yaml", "mark.diff"]);
}

#[test]
fn an_automation_that_is_there_reads_what_is_marked_later() {
    let folder = two_folders();
    let (_, said) = mark_in(folder.path(), &["apps/web", "--config=policies.yaml", "--write"]);
    insta::assert_snapshot!(last_lines(&said, 2), @"
    wrote markers to apps/web/app.yaml, and the policies to policies.yaml
    next: commit and push the markers, then `tagwright run --once --dry-run --config policies.yaml`
    ");
    let (_, said) = mark_in(folder.path(), &["apps/api", "--config=policies.yaml", "--write"]);
    insta::assert_snapshot!(last_lines(&said, 2), @"
    wrote markers to apps/api/app.yaml, and the policies to policies.yaml, which reads apps/api now, too
    next: commit and push the markers, then `tagwright run --once --dry-run --config policies.yaml`
    ");
    let paths = |folder: &Path| {
        let loaded =
            config::load(&Sources { paths: vec![folder.join("policies.yaml")], secrets: None, ..Sources::default() })
                .unwrap();
        (loaded.automations[0].paths.clone(), loaded.policies.len())
    };
    assert_eq!(paths(folder.path()), (vec!["apps/web".to_owned(), "apps/api".to_owned()], 2));
    let (_, said) = mark_in(folder.path(), &["apps", "--config=policies.yaml", "--write"]);
    assert_eq!(last_lines(&said, 1), "nothing to write");

    // A policy that is there is used, and only the path is new.
    fs::create_dir(folder.path().join("apps/job")).unwrap();
    fs::write(folder.path().join("apps/job/app.yaml"), "image: acme/web:1.4.2\n").unwrap();
    mark_in(folder.path(), &["apps/job", "--config=policies.yaml", "--write"]);
    assert_eq!(paths(folder.path()).0, ["apps/web", "apps/api", "apps/job"]);
}

#[test]
fn what_an_automation_would_not_read_is_said() {
    for (flux, from, to, name) in [
        (&[][..], "    paths:\n      - apps/web\n", "    paths: [apps/web]\n", "default/config"),
        (&["--flux"], "", "", "default/config"),
    ] {
        let folder = two_folders();
        let write: Vec<&str> = ["--config=policies.yaml", "--write"].iter().chain(flux).copied().collect();
        let mark = |directory: &str| mark_in(folder.path(), &[&[directory], &write[..]].concat()).1;
        mark("apps/web");
        let path = folder.path().join("policies.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(from, to)).unwrap();
        let said = mark("apps/api");
        let warning = format!(
            "warning: {name} reads apps/web only, so that the markers in apps/api/app.yaml do nothing; add it to its paths"
        );
        assert!(said.lines().any(|line| line == warning), "{said}");
        assert!(fs::read_to_string(&path).unwrap().contains("name: api"), "the policy is there all the same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_remote_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let text = "image: acme/shop:1.4.2\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.arg("mark").arg(folder.path()).arg("--offline").args(arguments).output().unwrap()
    };
    let refused = run(&["--write"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--git-url"));
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml")).unwrap(), text);
    let shown = run(&[]);
    assert_eq!(shown.status.code(), Some(0));
    let told = run(&["--write", "--git-url", "https://bot:secret@git.example.com/acme/config.git"]);
    assert_eq!(told.status.code(), Some(0));
    let policies = String::from_utf8(told.stdout).unwrap();
    assert!(policies.contains("url: https://git.example.com/acme/config.git") && !policies.contains("secret"));
    assert!(fs::read_to_string(folder.path().join("a.yaml")).unwrap().contains("default:shop"));
    assert_eq!(run(&["--namespace", "Not_A_Name"]).status.code(), Some(2));
    assert_eq!(run(&["--interactive"]).status.code(), Some(2));
}

/// A registry that cannot be reached is said so, and changes nothing.
#[test]
fn registries_out_of_reach_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "image: 127.0.0.1:1/acme/shop:1.4.2\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    let output =
        command.arg("mark").arg(folder.path()).arg("--git-url=https://git.example.com/x.git").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not verified: "), "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("+image: 127.0.0.1:1/acme/shop:1.4.2 # {"));
}

/// The documents are what the configuration reads, and adding policies later gives the same as writing them at once.
#[test]
fn policies_can_be_loaded() {
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let text = format!(
        "- image: acme/shop:1.4.2\n- image: acme/no:1.0\n- image: localhost:5000/x/y:2024-01-02\n\
         - image: acme/api:v1.0.0-alpine@{digest}\n- image: acme/web:latest\n- image: acme/up:2024.01.02\n"
    );
    let inventory = inventory::find(text.as_bytes());
    let file = File { path: "a.yaml".to_owned(), bytes: text.into_bytes(), inventory };
    let target = Target {
        namespace: "default".to_owned(),
        name: "config".to_owned(),
        url: "https://git.example.com/acme/config.git".to_owned(),
        branch: Some("main".to_owned()),
        path: Some("clusters/prod".to_owned()),
    };
    for dialect in [Dialect::Native, Dialect::Flux] {
        let namespace = "default".to_owned();
        let settings = Settings { namespace, moving: Moving::Track, dialect, ..Settings::default() };
        let marking = mark::plan(std::slice::from_ref(&file), &settings);
        assert_eq!(marking.left, []);
        let whole = policies::document(dialect, &target, &marking.groups);
        let first = policies::document(dialect, &target, &marking.groups[..2]);
        assert_eq!(extend::extended(dialect, &first, &marking.groups[2..]).unwrap(), whole);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policies.yaml"), &whole).unwrap();
        let loaded =
            config::load(&Sources { paths: vec![folder.path().to_owned()], secrets: None, ..Sources::default() })
                .unwrap();
        assert_eq!(loaded.policies.len(), marking.groups.len(), "{whole}");
        for group in &marking.groups {
            let policy = loaded.policies.iter().find(|policy| policy.id.name == group.name).unwrap();
            assert_eq!(policy.policy.select(&[&group.tag]), Some(group.tag.as_str()));
            assert_eq!((policy.digest, policy.repository.image.name()), (group.digest, group.repository.name()));
        }
        let digests = loaded.policies.iter().filter(|policy| policy.digest != DigestReflection::Never).count();
        assert_eq!(digests, 2);
        assert_eq!(loaded.automations[0].paths, ["clusters/prod"]);
    }
}

/// What has no room for a marker is followed by a target, and running it again changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_room_there_are_targets() {
    let case = Case::of(&fixtures().join("compose")).await;
    let text = "spec:\n  a: {image: 'ghcr.io/acme/api:1.4.2'} # flow\n  b:\n    image: ghcr.io/acme/api:1.4.2 # of a person\n    \
                webImage: ghcr.io/acme/api:1.4.2\n";
    let kustomization = "images:\n  - {name: ghcr.io/acme/api, newTag: 1.4.2}\n";
    fs::create_dir(case.checkout().join("more")).unwrap();
    fs::write(case.checkout().join("more/a.yaml"), text).unwrap();
    fs::write(case.checkout().join("more/kustomization.yaml"), kustomization).unwrap();
    let (folder, config) = (case.path("checkout/more"), case.path("policies.yaml"));
    let mark = ["mark", &folder, "--config", &config, "--targets", "--write"];
    case.tagwright(&mark).await;
    let policies = case.policies();
    let (_, targets) = policies.split_once("      targets:\n").unwrap();
    assert_eq!(
        targets,
        "        - yaml: more/a.yaml\n          at: '$.spec.a.image'\n        - yaml: more/a.yaml\n          at: '$.spec.b.image'\n        \
         - kustomization: more/kustomization.yaml\n"
    );
    let marked = fs::read_to_string(case.checkout().join("more/a.yaml")).unwrap();
    assert_eq!(
        marked,
        text.replace(
            "webImage: ghcr.io/acme/api:1.4.2",
            "webImage: ghcr.io/acme/api:1.4.2 # {\"$imagepolicy\": \"default:api\"}"
        )
    );

    let again = case.tagwright(&mark).await;
    assert_eq!(case.policies(), policies);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("0 images to mark with 0 new policies, 0 images left alone, 4 marked before"), "{said}");

    git(&case.checkout(), &["add", "--all"]);
    git(&case.checkout(), &["commit", "--quiet", "--message=Follow them"]);
    git(&case.checkout(), &["push", "--quiet", "origin", "main"]);
    case.tagwright(&["run", "--once", "--config", &config]).await;
    git(&case.checkout(), &["pull", "--quiet", "origin", "main"]);
    let after = fs::read_to_string(case.checkout().join("more/a.yaml")).unwrap();
    assert_eq!(after, marked.replace("1.4.2", "1.5.0"));
    let after = fs::read_to_string(case.checkout().join("more/kustomization.yaml")).unwrap();
    assert_eq!(after, kustomization.replace("1.4.2", "1.5.0"));
}

/// Commit hashes are followed by time where that is asked for.
#[test]
fn hashes_are_followed_by_time() {
    let folder = two_folders();
    let text = "image: acme/web:main-5ae91c3\notherImage: acme/api:0f9e8d7c\n";
    fs::write(folder.path().join("apps/web/app.yaml"), text).unwrap();
    let (_, said) = mark_in(folder.path(), &["apps/web"]);
    assert!(said.contains("--newest follows the image that came last") && said.contains("0 new policies"), "{said}");
    let (shown, said) = mark_in(folder.path(), &["apps/web", "--newest"]);
    assert!(shown.contains("pattern: '^main-[0-9a-f]{7}$'\n      policy:\n        newest: {}\n"), "{shown}");
    assert!(shown.contains("pattern: '^[0-9a-f]{8}$'\n      policy:\n        newest: {}\n"), "{shown}");
    assert!(said.contains("the image that came last, among tags like main-5ae91c3 (newest), for 1 image"), "{said}");
}
