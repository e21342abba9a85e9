//! `tagwright submit`: rendered resources become files of a real remote.

mod refused;
mod seed;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::world::{Run, World, list};

/// A remote with one commit on `main`, and a world around it.
pub(crate) struct Place(pub(crate) World);

impl Place {
    pub(crate) fn new() -> Self {
        let world = World::new();
        world.git(".", &["init", "-q", "-b", "main", "work"]);
        world.write("work/README.md", "ours\n");
        world.write("work/clusters/prod/theirs.yaml", "a: b # theirs\n");
        world.git("work", &["add", "."]);
        world.git("work", &["commit", "-q", "-m", "begin"]);
        world.git(".", &["clone", "-q", "--bare", "work", "remote.git"]);
        Self(world)
    }

    /// Submits what is on stdin, to a folder of the remote.
    pub(crate) fn submit(&self, input: &str, more: &[&str]) -> Run {
        self.0.feed(input, self.arguments(&["-"], more))
    }

    pub(crate) fn arguments(&self, paths: &[&str], more: &[&str]) -> Vec<String> {
        let url = self.0.path("remote.git").display().to_string();
        let fixed = ["--url", &url, "--branch", "main", "--path", "clusters/prod"];
        let all = ["submit"].iter().chain(paths).chain(&fixed).chain(more);
        all.map(|text| (*text).to_owned()).collect()
    }

    /// The files of the remote's branch.
    pub(crate) fn files(&self) -> Vec<String> {
        self.0.git("remote.git", &["ls-tree", "-r", "--name-only", "main"]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn file(&self, path: &str) -> String {
        self.0.git("remote.git", &["cat-file", "blob", &format!("main:{path}")])
    }

    pub(crate) fn commits(&self) -> usize {
        self.0.git("remote.git", &["rev-list", "--count", "main"]).trim().parse().unwrap()
    }

    /// Somebody changes a file.
    pub(crate) fn edit(&self, path: &str, content: &str) {
        self.0.git("work", &["pull", "-q", "../remote.git", "main"]);
        self.0.write(&format!("work/{path}"), content);
        self.0.git("work", &["add", "."]);
        self.0.git("work", &["commit", "-q", "-m", "edit"]);
        self.0.git("work", &["push", "-q", "../remote.git", "HEAD:main"]);
    }
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  key: {value}\n")
}

fn together(documents: &[String]) -> String {
    documents.join("---\n")
}

#[test]
fn resources_become_files_and_the_second_time_nothing() {
    let place = Place::new();
    let input = together(&[config_map("a", "one"), config_map("b", "\"012\"")]);
    let first = place.submit(&input, &[]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.ends_with("to main: 2 new, 0 as they are\n"), "{first:?}");
    assert_eq!(place.file("clusters/prod/shop/configmap-b.yaml"), config_map("b", "\"012\""));
    let message = place.0.git("remote.git", &["log", "-1", "--format=%B", "main"]);
    assert_eq!(message.trim_end(), "Submit 2 resources: 2 new\n\nTagwright-Automation: default/submit");
    let second = place.submit(&input, &[]);
    second.prints(0, "default/submit: nothing to do on main: 2 as they are\n");
    assert_eq!(place.commits(), 2);
    assert_eq!(place.file("clusters/prod/theirs.yaml"), "a: b # theirs\n");
    // The list is one that sha256sum reads.
    place.0.git(".", &["clone", "-q", "remote.git", "seen"]);
    let mut check = place.0.program("sha256sum");
    check
        .args(["--check", "--quiet", "--strict", ".tagwright/default_submit"])
        .current_dir(place.0.path("seen/clusters/prod"));
    assert_eq!(place.0.finish(&mut check, b"").code, 0);
}

#[test]
fn skip_knows_its_commits() {
    let place = Place::new();
    place.submit(&config_map("a", "one"), &[]);
    place.0.git(".", &["clone", "-q", "remote.git", "seen"]);
    let mut skip = place.0.tagwright(["skip"]);
    let run = place.0.finish(skip.current_dir(place.0.path("seen")), b"");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("trailer Tagwright-Automation: default/submit"), "{run:?}");
}

#[test]
fn five_thousand_resources_are_one_commit_and_then_none() {
    let place = Place::new();
    let mut input = String::new();
    for number in 0..5_000 {
        let _ = write!(
            input,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web-{number}, namespace: team-{}}}\nspec: {{replicas: {}}}\nstatus: {{}}\n",
            number % 50,
            number % 7
        );
    }
    let first = place.submit(&input, &["--output", "json"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(list(&first.json()["created"]).len(), 5_000);
    let again = place.submit(&input, &["--output", "json"]);
    assert_eq!(
        (again.code, again.json()["outcome"].as_str(), again.json()["unchanged"].as_u64()),
        (0, Some("unchanged"), Some(5_000))
    );
    assert_eq!(place.commits(), 2);
    assert_eq!(place.files().len(), 5_003);
}

#[test]
fn what_is_submitted_no_more_is_pruned_and_nothing_else() {
    let place = Place::new();
    let all: Vec<String> = ["a", "b", "c"].map(|name| config_map(name, "one")).into();
    place.submit(&together(&all), &[]);
    let run = place.submit(&all[0], &[]);
    run.prints(0, "default/submit: nothing to do on main: 1 as they are\n");
    place.edit("clusters/prod/shop/configmap-b.yaml", &format!("# mine now\n{}", all[1]));
    let pruned = place.submit(&all[0], &["--prune", "--output", "json"]).json();
    assert_eq!(pruned["removed"][0]["file"], "clusters/prod/shop/configmap-c.yaml");
    assert_eq!(pruned["removed"][0]["name"], "c");
    assert_eq!(list(&pruned["removed"]).len(), 1);
    assert_eq!(pruned["kept"][0]["file"], "clusters/prod/shop/configmap-b.yaml");
    let files = place.files();
    assert!(files.contains(&"clusters/prod/theirs.yaml".to_owned()), "{files:?}");
    assert!(!files.contains(&"clusters/prod/shop/configmap-c.yaml".to_owned()), "{files:?}");
    // Another submitter in the same folder has its own list.
    place.submit(&config_map("d", "one"), &["--name", "other", "--prune"]);
    assert!(place.files().contains(&"clusters/prod/shop/configmap-a.yaml".to_owned()));
    // The last one goes on request alone.
    place.submit("", &["--prune"]).refuses(2, "there is no resource to submit");
    let empty = place.submit("", &["--prune", "--allow-empty", "--name", "other"]);
    assert_eq!(empty.code, 0, "{empty:?}");
    assert!(!place.files().contains(&"clusters/prod/shop/configmap-d.yaml".to_owned()));
}

#[test]
fn what_another_submitter_has_taken_over_is_not_pruned() {
    let place = Place::new();
    let (a, b) = (config_map("a", "one"), config_map("b", "one"));
    place.submit(&together(&[a.clone(), b.clone()]), &[]);
    // With the same content, and with another.
    place.submit(&a, &["--name", "other", "--adopt"]);
    let pruned = place.submit("", &["--prune", "--allow-empty", "--output", "json"]);
    assert_eq!(pruned.code, 0, "{pruned:?}");
    let pruned = pruned.json();
    assert_eq!(pruned["kept"][0]["file"], "clusters/prod/shop/configmap-a.yaml", "{pruned}");
    assert_eq!((list(&pruned["kept"]).len(), list(&pruned["removed"]).len()), (1, 1), "{pruned}");
    assert_eq!(place.file("clusters/prod/shop/configmap-a.yaml"), a);
    let run = place.submit("", &["--prune", "--allow-empty"]);
    assert!(run.code == 0 && !run.stdout.contains("another submitter"), "it is told once: {run:?}");
    // The other one goes on with it.
    let run = place.submit("", &["--prune", "--allow-empty", "--name", "other"]);
    assert!(run.stdout.contains("1 removed"), "{run:?}");
    assert!(!place.files().contains(&"clusters/prod/shop/configmap-a.yaml".to_owned()));
    // A list that cannot be read might have anything.
    place.submit(&a, &[]);
    place.edit("clusters/prod/.tagwright/team_broken", "<<<<<<< ours\n");
    place.submit("", &["--prune", "--allow-empty"]).refuses(2, "team_broken is not the list of a submitter");
}

#[test]
fn a_layout_may_change_in_case_alone() {
    let place = Place::new();
    let input = config_map("a", "one");
    place.submit(&input, &["--layout", "{{ .Kind }}-{{ .Name }}.yaml"]);
    let lower = ["--layout", "{{ lower .Kind }}-{{ .Name }}.yaml"];
    place.submit(&input, &lower).refuses(2, "clusters/prod/ConfigMap-a.yaml is there");
    let run = place.submit(&input, &[&lower[..], &["--prune"]].concat());
    assert!(run.stdout.contains("1 new, 1 removed"), "{run:?}");
    let files = place.files();
    assert!(files.contains(&"clusters/prod/configmap-a.yaml".to_owned()), "{files:?}");
    assert!(!files.contains(&"clusters/prod/ConfigMap-a.yaml".to_owned()), "{files:?}");
    // What somebody has changed does not give way.
    place.edit("clusters/prod/configmap-a.yaml", "a: b\n");
    place.submit(&input, &["--layout", "{{ .Kind }}-{{ .Name }}.yaml", "--prune"]).refuses(2, "is there");
}

#[test]
fn an_edit_by_somebody_is_written_over_and_told() {
    let place = Place::new();
    place.submit(&config_map("a", "one"), &[]);
    place.edit("clusters/prod/shop/configmap-a.yaml", &config_map("a", "theirs"));
    let run = place.submit(&config_map("a", "one"), &[]);
    let told = "  clusters/prod/shop/configmap-a.yaml: somebody had changed it since it was written\n";
    assert!(run.code == 0 && run.stdout.ends_with(&format!("1 changed, 0 as they are\n{told}")), "{run:?}");
    assert_eq!(place.file("clusters/prod/shop/configmap-a.yaml"), config_map("a", "one"));
    // What was deleted comes again, and is nobody's edit.
    place.0.git("work", &["pull", "-q", "../remote.git", "main"]);
    place.0.git("work", &["rm", "-q", "clusters/prod/shop/configmap-a.yaml"]);
    place.0.git("work", &["commit", "-q", "-m", "remove"]);
    place.0.git("work", &["push", "-q", "../remote.git", "HEAD:main"]);
    let run = place.submit(&config_map("a", "one"), &["--output", "json"]).json();
    assert_eq!((run["created"][0]["name"].as_str(), run["created"][0]["edited"].as_bool()), (Some("a"), Some(false)));
}

#[test]
fn a_file_that_says_the_same_stays_as_it_is() {
    let place = Place::new();
    let theirs =
        "# kept by hand\nkind: ConfigMap\napiVersion: v1\nmetadata: {namespace: shop, name: a}\ndata: {key: one}\n";
    place.edit("clusters/prod/shop/configmap-a.yaml", theirs);
    place.submit(&config_map("a", "one"), &[]).prints(0, "default/submit: nothing to do on main: 1 as they are\n");
    place.submit(&config_map("a", "two"), &[]).refuses(2, "was not written by this submitter");
    assert_eq!(place.file("clusters/prod/shop/configmap-a.yaml"), theirs);
    let adopted = place.submit(&config_map("a", "two"), &["--adopt"]);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(place.file("clusters/prod/shop/configmap-a.yaml"), config_map("a", "two"));
    assert_eq!(place.submit(&config_map("a", "three"), &[]).code, 0, "it is this submitter's from then on");
}

#[test]
fn a_dry_run_shows_what_would_change() {
    let place = Place::new();
    place.submit(&together(&[config_map("a", "one"), config_map("b", "one")]), &[]);
    let run = place.submit(&together(&[config_map("a", "two"), config_map("c", "one")]), &["--dry-run", "--prune"]);
    assert_eq!(run.code, 3, "{run:?}");
    for says in [
        "-  key: one\n+  key: two\n",
        "new file mode 100644\n--- /dev/null\n+++ b/clusters/prod/shop/configmap-c.yaml\n",
        "deleted file mode 100644\n",
    ] {
        assert!(run.stdout.contains(says), "{says:?} is not in {}", run.stdout);
    }
    assert_eq!(place.commits(), 2);
    place.0.git(".", &["clone", "-q", "remote.git", "seen"]);
    place.0.git_fed("seen", &["apply", "--check"], run.stdout.as_bytes());
}

#[test]
fn files_folders_json_and_lists_are_read() {
    let place = Place::new();
    let world = &place.0;
    world.write("in/a.yaml", config_map("a", "one").replace('\n', "\r\n"));
    world.write("in/deep/b.json", r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "shop", "uid": "x"}, "data": {"key": "yes", "text": "one\ntwo\n"}}]}"#);
    world.write("in/.hidden.yaml", "a: [");
    world.write("in/notes.txt", "a: [");
    let run = world.run(place.arguments(&["in"], &[]));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(place.file("clusters/prod/shop/configmap-a.yaml"), config_map("a", "one"));
    let b = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: shop\ndata:\n  key: \"yes\"\n  text: |\n    one\n    two\n";
    assert_eq!(place.file("clusters/prod/shop/configmap-b.yaml"), b);
}

#[test]
fn two_at_once_both_arrive() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for name in ["left", "right", "middle", "last"] {
            let place = &place;
            scope.spawn(move || {
                for round in 0..5 {
                    let input = config_map(&format!("{name}-{round}"), "one");
                    let run = place.submit(&input, &["--name", name]);
                    assert_eq!(run.code, 0, "{run:?}");
                }
            });
        }
    });
    assert_eq!(place.files().iter().filter(|path| path.contains("configmap-")).count(), 20);
    assert_eq!(place.commits(), 21);
    // The same submitter at once, with the same: one commit, and nobody fails.
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(place.submit(&config_map("same", "one"), &["--name", "same"]).code, 0));
        }
    });
    assert_eq!(place.commits(), 22);
}

/// Each line of the log is a step; it is killed right after one, each time a later one.
#[test]
fn killed_at_any_step_it_leaves_nothing_half_done() {
    let place = Place::new();
    let all: Vec<String> = (0..200).map(|number| config_map(&format!("n{number}"), "one")).collect();
    let input = together(&all);
    let data = place.0.path("data").display().to_string();
    let (mut killed, mut ended) = (0, false);
    for step in 1..200 {
        let mut command = place.0.tagwright(place.arguments(&["-"], &["--data-dir", &data, "-vvv"]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let seen = BufReader::new(child.stderr.take().unwrap()).lines().take(step).count();
        let _ = child.kill();
        let _ = child.wait();
        let count = place.files().iter().filter(|path| path.contains("configmap-")).count();
        assert!(count == 0 || count == 200, "{count} files after step {step}");
        place.0.git("remote.git", &["fsck", "--strict"]);
        killed += usize::from(count == 0);
        ended = seen < step || count == 200;
        if ended {
            break;
        }
    }
    assert!(ended && killed >= 3, "killed {killed} times, ended: {ended}");
    let run = place.submit(&input, &["--data-dir", &data]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(place.commits(), 2);
}

#[test]
fn the_history_shows_its_commits() {
    let place = Place::new();
    let data = place.0.path("data").display().to_string();
    place.submit(&config_map("a", "one"), &["--data-dir", &data]);
    let history = place.0.run(["history", "--data-dir", &data]);
    assert_eq!(history.code, 0, "{history:?}");
    assert!(
        history.stdout.contains("default/submit") && history.stdout.contains("Submit ConfigMap shop/a"),
        "{history:?}"
    );
}

#[test]
fn a_freeze_holds_what_is_submitted() {
    let place = Place::new();
    let url = place.0.path("remote.git").display().to_string();
    let document = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered}}\nspec: {{url: {url}, branch: main, freeze: [{{from: 2020-01-01, to: 2999-01-01, reason: moving house}}]}}\n"
    );
    place.0.write("sync.yaml", document);
    let run = place.0.feed(&config_map("a", "one"), ["submit", "-", "--config", "sync.yaml"]);
    assert_eq!((run.code, place.commits()), (1, 1), "{run:?}");
    assert!(run.stdout.starts_with("default/rendered: held: ") && run.stdout.contains("moving house"), "{run:?}");
}

#[test]
fn the_doctor_looks_at_it() {
    let place = Place::new();
    let url = place.0.path("remote.git").display().to_string();
    let document = |branch: &str| {
        format!(
            "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered}}\nspec: {{url: {url}, branch: {branch}}}\n"
        )
    };
    place.0.write("sync.yaml", document("main"));
    let doctor = ["doctor", "--config", "sync.yaml", "--data-dir", "data"];
    let run = place.0.run(doctor);
    assert!(run.code == 0 && run.stdout.contains("commits go to main"), "{run:?}");
    place.0.write("sync.yaml", document("missing"));
    assert_eq!(place.0.run(doctor).code, 1);
}

#[test]
fn a_git_sync_of_the_configuration_says_where_to() {
    let place = Place::new();
    let url = place.0.path("remote.git").display().to_string();
    let document = format!(
        "apiVersion: tagwright.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: rendered, namespace: team}}\nspec:\n  url: {url}\n  branch: main\n  path: /clusters/prod/\n  layout: '{{{{ .Kind }}}}/{{{{ .Name }}}}.yml'\n  prune: true\n  commit:\n    author: {{name: Renderer, email: renderer@example.com}}\n    message: |\n      Render {{{{ .AutomationObject.Name }}}}: {{{{ .Summary }}}}\n\n      {{{{ range .Created }}}}+ {{{{ .File }}}}\n      {{{{ end }}}}\n    signedOffBy: true\n"
    );
    place.0.write("sync.yaml", document);
    let run = place.0.feed(&config_map("a", "one"), ["submit", "-", "--config", "sync.yaml"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(place.file("clusters/prod/ConfigMap/a.yml"), config_map("a", "one"));
    let message = place.0.git("remote.git", &["log", "-1", "--format=%an|%B", "main"]);
    let expect = "Renderer|Render rendered: Submit ConfigMap shop/a\n\n+ clusters/prod/ConfigMap/a.yml\n\nTagwright-Automation: team/rendered\nSigned-off-by: Renderer <renderer@example.com>\n";
    assert_eq!(message.trim_end(), expect.trim_end());
    let run =
        place.0.feed(&config_map("b", "one"), ["submit", "-", "--config", "sync.yaml", "--sync", "team/rendered"]);
    assert!(run.stdout.contains("1 new, 1 removed"), "{run:?}");
    place
        .0
        .feed("", ["submit", "-", "--config", "sync.yaml", "--sync", "nobody"])
        .refuses(1, "there is no GitSync nobody");
    let check = place.0.run(["check", "work", "--config", "sync.yaml"]);
    assert_eq!(check.code, 0, "{check:?}");
}
