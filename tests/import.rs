//! `import` on repositories as users of other image updaters have them, to the first automatic commit.
//!
//! A case is a folder `fixtures/import/NAME`: `repo/` is the repository before, `arguments` what is given to `import`, `tags.json` what the
//! registries list (with the time at which each was created, where that matters), `after/` the files as that updater would have
//! written them with its first commits, `commit` their authors and messages, the first one first, with lines of hyphens between, and `rule` the rules of it that say so. The snapshots beside them are what a user gets.

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

use regex::Regex;
use serde_json::{Value, json};

use remote::git;
use simulated::{Registry, World};

const URL: &str = "https://git.example.com/acme/config.git";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/import")
}

/// The cases, by name.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// A checkout with a bare remote, and registries.
struct Case {
    name: String,
    fixture: PathBuf,
    folder: tempfile::TempDir,
    registry: Registry,
    hosts: Vec<String>,
}

impl Case {
    async fn of(fixture: &Path) -> Self {
        let tags: BTreeMap<String, Value> =
            serde_json::from_str(&fs::read_to_string(fixture.join("tags.json")).unwrap()).unwrap();
        let mut world = World::default();
        let mut hosts = Vec::new();
        for (repository, tags) in tags {
            let (host, path) = repository.split_once('/').unwrap();
            hosts.push(host.to_owned());
            match tags {
                Value::Object(created) => {
                    for (tag, created) in created {
                        let config = json!({"os": "linux", "architecture": "amd64", "created": created});
                        world.push(path, &tag, &config);
                    }
                }
                tags => world = world.and(path, tags.as_array().unwrap().iter().map(|it| it.as_str().unwrap())),
            }
        }
        hosts.dedup();
        let folder = tempfile::tempdir().unwrap();
        checkout::make(&fixture.join("repo"), folder.path());
        git(&folder.path().join("checkout"), &["remote", "add", "origin", URL]);
        fs::create_dir(folder.path().join("home")).unwrap();
        let config = format!("[url \"{}\"]\n\tinsteadOf = {URL}\n", folder.path().join("config.git").display());
        fs::write(folder.path().join("home/.gitconfig"), config).unwrap();
        let name = fixture.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, fixture: fixture.to_owned(), folder, registry: Registry::start(world).await, hosts }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs tagwright in the checkout, with nothing of this machine's.
    async fn tagwright(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagwright"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").args(arguments).current_dir(self.path("checkout"));
        if arguments[0] == "run" {
            let mirrors = self.hosts.iter().map(|host| format!("--registry-mirror={host}={}", self.registry.url()));
            command.args(mirrors);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The same, where it has to succeed.
    async fn succeeds(&self, arguments: &[&str]) -> (String, String) {
        let output = self.tagwright(arguments).await;
        let (data, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{}: {arguments:?}: {data}{said}", self.name);
        (data, said)
    }

    async fn import(&self, more: &[&str]) -> (String, String) {
        let given = fs::read_to_string(self.fixture.join("arguments")).unwrap();
        let arguments: Vec<&str> =
            ["import"].into_iter().chain(given.split_whitespace()).chain(more.iter().copied()).collect();
        self.succeeds(&arguments).await
    }

    /// Compares with the snapshot, without the paths of this run.
    #[track_caller]
    fn snapshot(&self, name: &str, text: &str) {
        let text = text.replace(&self.folder.path().display().to_string(), "/WORLD");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&self.fixture);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
    }

    fn contents(&self) -> BTreeMap<String, String> {
        contents(&self.path("checkout"))
    }

    /// Pushes what was imported, and lets tagwright commit.
    async fn first_commit(&self) -> BTreeMap<String, String> {
        git(&self.path("checkout"), &["add", "--all"]);
        git(
            &self.path("checkout"),
            &["commit", "--quiet", "--allow-empty", "--message=Let tagwright follow the images"],
        );
        let remote = self.path("config.git").display().to_string();
        git(&self.path("checkout"), &["push", "--quiet", &remote, "main"]);
        let config = self.path("policies.yaml");
        fs::write(&config, at_once(&fs::read_to_string(&config).unwrap())).unwrap();
        let run = ["run", "--once", "--config", config.to_str().unwrap()];
        self.succeeds(&run).await;
        self.check_commits();
        let head = git(&self.path("config.git"), &["rev-parse", "main"]);
        self.succeeds(&run).await;
        assert_eq!(git(&self.path("config.git"), &["rev-parse", "main"]), head, "{}: nothing is left to do", self.name);
        git(&self.path("checkout"), &["pull", "--quiet", "--ff-only", &remote, "main"]);
        self.contents()
    }

    /// Compares authors and messages with those of the other updater's commits, but for our trailers. An author that no file says
    /// is left out there, and so is a message that is made for one update alone.
    fn check_commits(&self) {
        let Ok(expect) = fs::read_to_string(self.fixture.join("commit")) else {
            // These commit nothing, or nothing by this configuration, or as the account that they ask by.
            let silent = ["keel-", "watchtower-", "updatecli-regex", "updatecli-several", "renovate-"];
            assert!(silent.iter().any(|it| self.name.starts_with(it)), "{}: what does it commit?", self.name);
            return;
        };
        let expect: Vec<&str> = expect.split("-----\n").collect();
        for (at, expect) in expect.iter().rev().enumerate() {
            let (author, message) = expect.split_once("\n\n").unwrap_or((expect, ""));
            let revision = format!("main~{at}");
            let show =
                |format: &str| git(&self.path("config.git"), &["log", "-1", &format!("--format={format}"), &revision]);
            if !author.is_empty() {
                assert_eq!(show("%an <%ae>").trim_end(), author.trim_end(), "{}", self.name);
            }
            if !message.is_empty() {
                let written = show("%B");
                let own: Vec<&str> = written.lines().filter(|line| !line.starts_with("Tagwright-")).collect();
                assert_eq!(own.join("\n").trim_end(), message.trim_end(), "{}", self.name);
            }
        }
        let before = git(&self.path("config.git"), &["log", "-1", "--format=%s", &format!("main~{}", expect.len())]);
        assert_eq!(before.trim_end(), "Let tagwright follow the images", "{}: there are no more commits", self.name);
    }

    /// The repository as the other updater would have left it.
    fn after(&self) -> BTreeMap<String, String> {
        let mut files = contents(&self.fixture.join("repo"));
        files.extend(contents(&self.fixture.join("after")));
        files
    }
}

/// The policies without what a test cannot have: secrets, a forge, hours.
fn at_once(policies: &str) -> String {
    let mut kept = String::new();
    let mut below: Option<usize> = None;
    for line in policies.lines() {
        let indent = line.len() - line.trim_start().len();
        if below.is_some_and(|own| indent > own) {
            continue;
        }
        let key = line.trim_start().trim_start_matches("- ");
        let is_left_out = ["push:", "windows:", "secretRef:", "minimumAge:", "tagwright.dev/pull-request"]
            .iter()
            .any(|it| key.starts_with(it));
        below = is_left_out.then_some(indent);
        if !is_left_out {
            kept.push_str(&format!("{line}\n"));
        }
    }
    kept
}

/// Every file of a folder but git's own, by its path from there, as text.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let text = |(name, bytes)| (name, String::from_utf8(bytes).unwrap());
    checkout::contents(folder).into_iter().map(text).collect()
}

/// A text without comments that say what is followed, and with one name for all digests but the first of all.
fn plain(text: &str) -> String {
    let comment = Regex::new(r#" *# ?\{"\$image(policy|scan)": ?"[^"]*"\}"#).unwrap();
    let digest = Regex::new("sha256:[0-9a-f]{64}").unwrap();
    let before = format!("sha256:{}", "a".repeat(64));
    let name = |found: &regex::Captures<'_>| if found[0] == before { "BEFORE".to_owned() } else { "DIGEST".to_owned() };
    digest.replace_all(&comment.replace_all(text, ""), name).into_owned()
}

fn all_plain(files: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    files.iter().map(|(path, text)| (path.as_str(), plain(text))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_is_what_the_other_updater_would_have_written() {
    for fixture in cases() {
        let case = Case::of(&fixture).await;
        let before = case.contents();
        assert_ne!(all_plain(&case.after()), all_plain(&before), "{}: there is news", case.name);

        let (shown, said) = case.import(&[]).await;
        assert_eq!(case.contents(), before, "{}: nothing is written without --write", case.name);
        case.snapshot("said", &said);
        case.snapshot("shown", &shown);

        let config = case.path("policies.yaml");
        let config = config.to_str().unwrap();
        case.import(&["--config", config, "--write"]).await;
        assert_eq!(all_plain(&case.contents()), all_plain(&before), "{}: only comments are new", case.name);
        let checked = case.tagwright(&["check", ".", "--config", config]).await;
        let (found, told) = (String::from_utf8(checked.stdout).unwrap(), String::from_utf8(checked.stderr).unwrap());
        assert!(!told.contains("pull request"), "{}: {told}", case.name);
        // What was Fleet's and stays is a marker that does nothing.
        let found: Vec<&str> = found
            .lines()
            .filter(|it| it.contains("[TW") && !it.starts_with("note") && !it.contains("\"$imagescan\""))
            .collect();
        assert!(found.is_empty(), "{}: {found:?}", case.name);
        assert_eq!(all_plain(&case.first_commit().await), all_plain(&case.after()), "{}", case.name);
    }
}

/// Without markers the files are those of the other updater to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn targets_leave_the_files_alone() {
    for fixture in cases() {
        let case = Case::of(&fixture).await;
        let before = case.contents();
        let config = case.path("policies.yaml");
        case.import(&["--targets", "--config", config.to_str().unwrap(), "--write"]).await;
        assert_eq!(case.contents(), before, "{}", case.name);
        assert_eq!(all_plain(&case.first_commit().await), all_plain(&case.after()), "{}", case.name);
    }
}

/// What others are told is followed with nothing written down, in their words.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_obeyed_as_it_is() {
    let mut obeyed = Vec::new();
    for fixture in cases() {
        let case = Case::of(&fixture).await;
        let (documents, _) = case.import(&["--targets"]).await;
        let documents: String =
            documents.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect();
        // A test has no forge and no hours.
        if at_once(&documents).lines().count() < documents.lines().filter(|line| !is_of_secret(line)).count() {
            continue;
        }
        let secrets = case.path("secrets");
        let secrets = secrets.to_str().unwrap();
        fs::create_dir(secrets).unwrap();
        for name in documents.lines().filter_map(|line| line.strip_prefix("        name: ")) {
            let folder = case.path("secrets/default").join(name);
            fs::create_dir_all(&folder).unwrap();
            for key in ["username", "password"] {
                fs::write(folder.join(key), "x").unwrap();
            }
        }
        let given = fs::read_to_string(case.fixture.join("arguments")).unwrap();
        let part = given.split_whitespace().next().unwrap();
        case.succeeds(&["run", "--once", "--secrets", secrets, "--import", part]).await;
        let remote = case.path("config.git").display().to_string();
        git(&case.path("checkout"), &["pull", "--quiet", "--ff-only", &remote, "main"]);
        assert_eq!(all_plain(&case.contents()), all_plain(&case.after()), "{}", case.name);
        let (said, _) = case.succeeds(&["run", "--once", "--secrets", secrets, "--import", part]).await;
        assert!(said.contains("nothing to do"), "{}: {said}", case.name);
        obeyed.push(case.name);
    }
    assert!(obeyed.len() >= 12, "{obeyed:?}");
}

fn is_of_secret(line: &str) -> bool {
    line.contains("secretRef:") || line.starts_with("        name: ")
}

/// Flux's objects select the same; what cannot have a marker is said.
#[tokio::test(flavor = "multi_thread")]
async fn flux_documents_do_the_same() {
    let mut alike = 0;
    for fixture in cases() {
        let case = Case::of(&fixture).await;
        let config = case.path("policies.yaml");
        let (_, said) = case.import(&["--as", "flux", "--config", config.to_str().unwrap(), "--write"]).await;
        let is_whole = !said.contains("no marker can stand behind it");
        if !config.exists() {
            assert!(!is_whole, "{}: {said}", case.name);
            continue;
        }
        let text = fs::read_to_string(&config).unwrap();
        assert!(text.contains("kind: ImagePolicy") && !text.contains("ImageAutomation\n"), "{text}");
        if is_whole {
            // Flux has to have somewhere to push to, which at_once takes away for requests.
            let after = case.first_commit().await;
            assert_eq!(all_plain(&after), all_plain(&case.after()), "{}", case.name);
            alike += 1;
        }
    }
    assert!(alike >= 12, "{alike} cases have a marker at each field");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_the_same() {
    let case = Case::of(&fixtures().join("argocd-kustomization")).await;
    let (json, _) = case.import(&["--output", "json"]).await;
    case.snapshot("json", &json);
}

/// What is shown can be applied as a patch, and is then what --write does.
#[tokio::test(flavor = "multi_thread")]
async fn the_diff_applies() {
    for name in ["fleet-semver", "argocd-kustomization", "keel-helm"] {
        let (shown, written) = (Case::of(&fixtures().join(name)).await, Case::of(&fixtures().join(name)).await);
        let (diff, _) = shown.import(&["--config", "policies.yaml"]).await;
        fs::write(shown.path("import.diff"), diff).unwrap();
        git(&shown.path("checkout"), &["apply", "../import.diff"]);
        written.import(&["--config", "policies.yaml", "--write"]).await;
        assert_eq!(shown.contents(), written.contents(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_nothing_is_written() {
    let case = Case::of(&fixtures().join("fleet-semver")).await;
    let before = case.contents();
    let there = case.path("there.yaml");
    fs::write(&there, "a: 1\n").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().display().to_string();
    for (arguments, says) in [
        (vec![".", "--config", there.to_str().unwrap(), "--write"], "is no file that can be made"),
        (vec![".", "--as", "flux", "--targets"], "Flux's objects have no targets"),
        (vec![".", "--namespace", "Not_A_Name"], "not a name that Kubernetes takes"),
        (vec![".", elsewhere.as_str()], "import from one checkout at a time"),
        (vec!["gone"], "cannot read gone"),
        (vec![".", "--from", "nobody"], "invalid value 'nobody'"),
    ] {
        let output = case.tagwright(&[&["import"], &arguments[..]].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{arguments:?}: {said}");
        assert_eq!(case.contents(), before);
    }
    let (_, said) = case.succeeds(&["import", ".", "--from", "keel"]).await;
    assert_eq!(
        said,
        "nothing was found that argocd-image-updater, Fleet, Renovate, Updatecli, Keel or Watchtower would read\nnothing to write\n"
    );
}
