//! Checks 20,000 files, of which 500 have markers, beside `git grep` for the token in the same files in the same run.
//!
//! `cargo bench --bench check`. Each row is the best of several rounds in which the two take turns; both are whole
//! processes. The ratio is what counts: it should be at most 2.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILES: usize = 20_000;
const MARKED: usize = 500;
const ROUNDS: usize = 15;

fn main() {
    let world = tempfile::tempdir().unwrap();
    let repository = world.path().join("repository");
    let policies = world.path().join("policies");
    write_world(&repository, &policies);
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["add", "."]);
    git(&repository, &["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=all"]);
    println!("{:<34} {:>10} {:>10} {:>7}", "20,000 files, 500 marked", "check", "git grep", "ratio");
    let none = world.path().join("none");
    fs::create_dir(&none).unwrap();
    row("with a configuration", &world.path().join("repository"), world.path());
    row("markers only", &world.path().join("repository"), &none);
}

fn row(name: &str, repository: &Path, folder: &Path) {
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(time(|| {
            let mut check = Command::new(env!("CARGO_BIN_EXE_tagwright"));
            let status = check.arg("check").arg(repository).current_dir(folder).stderr(Stdio::null()).status().unwrap();
            assert!(status.success());
        }));
        theirs = theirs.min(time(|| {
            let mut grep = Command::new("git");
            grep.args(["grep", "--files-with-matches", "--fixed-strings", "\"$imagepolicy\""]);
            assert!(grep.current_dir(repository).stdout(Stdio::null()).status().unwrap().success());
        }));
    }
    let (ours, theirs) = (ours.as_secs_f64() * 1e3, theirs.as_secs_f64() * 1e3);
    println!("{name:<34} {ours:>7.2} ms {theirs:>7.2} ms {:>7.2}", ours / theirs);
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn git(folder: &Path, arguments: &[&str]) {
    assert!(Command::new("git").args(arguments).current_dir(folder).status().unwrap().success());
}

/// Deployments of about two kilobytes in 200 folders, each marked one of its own policy.
fn write_world(repository: &Path, policies: &Path) {
    let mut automation = String::from(
        "apiVersion: tagwright.dev/v1alpha1\nkind: ImageAutomation\nmetadata: {name: all}\nspec:\n  \
         git: {url: https://git.example.com/acme/config.git}\n  images:\n",
    );
    for number in 0..FILES {
        let folder = repository.join(format!("team-{:03}", number % 200));
        if number < 200 {
            fs::create_dir_all(&folder).unwrap();
        }
        let is_marked = number % (FILES / MARKED) == 0;
        let marker =
            if is_marked { format!(" # {{\"$imagepolicy\": \"default:app-{number}\"}}") } else { String::new() };
        if is_marked {
            writeln!(
                automation,
                "    - {{name: app-{number}, image: ghcr.io/acme/app-{number}, policy: {{semver: {{range: 1.x}}}}}}"
            )
            .unwrap();
        }
        fs::write(folder.join(format!("app-{number}.yaml")), deployment(number, &marker)).unwrap();
    }
    fs::create_dir(policies).unwrap();
    fs::write(policies.join("all.yaml"), automation).unwrap();
}

fn deployment(number: usize, marker: &str) -> String {
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\nspec:\n  template:\n    spec:\n      \
         containers:\n        - name: app\n          image: ghcr.io/acme/app-{number}:1.2.{number}{marker}\n          env:\n"
    );
    for variable in 0..24 {
        writeln!(
            text,
            "            - name: VARIABLE_{variable}\n              value: \"{}\"",
            number * 7919 + variable
        )
        .unwrap();
    }
    text
}
