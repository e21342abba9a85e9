//! A Git remote with as many files as wanted, a few of which are marked.

#![allow(dead_code, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::child;

/// The files of one application, of which the first may be marked.
const FILES_PER_APPLICATION: usize = 10;

/// The applications of one cluster.
const APPLICATIONS_PER_CLUSTER: usize = 100;

/// What every marked field says at first.
pub(crate) const FIRST: &str = "registry.example.com/shop/app:1.0.0";

/// The policy of every marker.
pub(crate) const POLICY: &str = "default:app";

/// A bare repository: `clusters/<cluster>/<application>/<file>.yaml`, about 1 KiB each.
pub(crate) struct Remote {
    /// Where it is.
    pub(crate) path: PathBuf,
    home: PathBuf,
}

impl Remote {
    /// Makes `<folder>/<name>` with one commit on `main`; the marked files are spread evenly.
    pub(crate) fn create(folder: &Path, name: &str, files: usize, marked: usize) -> Self {
        let remote = Self { path: folder.join(name), home: folder.to_owned() };
        let initialise = ["init", "--quiet", "--bare", "--initial-branch=main"];
        child::run(child::command("git", folder).args(initialise).arg(&remote.path));
        // A collection in the background would run beside what is measured.
        for (key, value) in [("http.receivepack", "true"), ("gc.auto", "0")] {
            remote.git(&["config", key, value]);
        }
        remote.import(files, marked);
        remote
    }

    /// Runs git in the repository.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        child::text(child::command("git", &self.home).current_dir(&self.path).args(arguments))
    }

    /// How many files the newest commit changed.
    pub(crate) fn changed(&self) -> usize {
        self.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", "main"]).lines().count()
    }

    fn import(&self, files: usize, marked: usize) {
        let mut command = child::command("git", &self.home);
        command.current_dir(&self.path).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut git = command.spawn().unwrap();
        let mut stream = std::io::BufWriter::new(git.stdin.take().unwrap());
        let who = "bench <bench@example.com> 1700000000 +0000";
        write!(stream, "commit refs/heads/main\ncommitter {who}\ndata 5\nfirst\n").unwrap();
        let every = files / FILES_PER_APPLICATION / marked;
        for n in 0..files {
            let (application, part) = (n / FILES_PER_APPLICATION, n % FILES_PER_APPLICATION);
            let is_marked = part == 0 && application % every == 0 && application / every < marked;
            let text = text(application, part, is_marked);
            let cluster = application / APPLICATIONS_PER_CLUSTER;
            let path = format!("clusters/c{cluster:03}/app-{application:05}/{part}.yaml");
            write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
        }
        stream.flush().unwrap();
        drop(stream);
        assert!(git.wait().unwrap().success());
    }
}

fn text(application: usize, part: usize, marked: bool) -> String {
    let (kind, api) = match part {
        0 => ("Deployment", "apps/v1"),
        1 => ("Service", "v1"),
        _ => ("ConfigMap", "v1"),
    };
    let mut text = format!("apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: app-{application}-{part}\n");
    let (image, marker) = match marked {
        true => (FIRST.to_owned(), format!(" # {{\"$imagepolicy\": \"{POLICY}\"}}")),
        false => (format!("registry.example.com/team/app-{application}:2.{part}.0"), String::new()),
    };
    let container = format!("        - name: main\n          image: {image}{marker}\n");
    match part {
        0 => text += &format!("spec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n{container}"),
        _ => text += &format!("data:\n  image: {image}\n"),
    }
    let indentation = if part == 0 { "          " } else { "  " };
    if part == 0 {
        text += "          env:\n";
    }
    // Settings as they stand in such files, so that parsing has something to do and the files do not compress to nothing.
    let mut state = (application * FILES_PER_APPLICATION + part) as u64 + 1;
    for n in 0..14 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = state >> 24;
        match part {
            0 => writeln!(text, "{indentation}- {{name: SETTING_{n}, value: \"{value:x}\"}}").unwrap(),
            _ => writeln!(text, "{indentation}setting-{n}: \"the value {value:x} of this application\"").unwrap(),
        }
    }
    text
}
