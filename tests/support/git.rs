//! A real Git remote for tests: a bare repository, the real `git`, and `git http-backend` behind a small loopback server.

#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "git/backend.rs"]
mod backend;
#[path = "git/make.rs"]
mod make;
#[path = "git/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use git::{Git, Settings};
use tempfile::TempDir;

pub(crate) use make::{Make, Refusal, commit_on_main};
pub(crate) use server::{Asks, Behaviour, Seen, Server};

/// When commits are made unless a test says otherwise.
pub(crate) const TIME: i64 = 1_700_000_000;

/// Runs git in a folder and returns what it prints; panics when it fails.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    git_with(folder, arguments, b"")
}

/// Runs git with an input.
pub(crate) fn git_with(folder: &Path, arguments: &[&str], input: &[u8]) -> String {
    git_at(folder, TIME, arguments, input)
}

/// Runs git with an input and a clock that stands.
pub(crate) fn git_at(folder: &Path, seconds: i64, arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    let time = format!("{seconds} +0100");
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(git_environment())
        .env("GIT_AUTHOR_DATE", &time)
        .env("GIT_COMMITTER_DATE", &time)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn git_environment() -> Vec<(&'static str, OsString)> {
    let mut environment: Vec<(&str, OsString)> = [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "someone"),
        ("GIT_AUTHOR_EMAIL", "someone@example.com"),
        ("GIT_COMMITTER_NAME", "someone"),
        ("GIT_COMMITTER_EMAIL", "someone@example.com"),
        ("LC_ALL", "C"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.into()))
    .collect();
    // `tests/run` runs some tests a second time with the other object format.
    let inherited = ["PATH", "GIT_DEFAULT_HASH"].map(|name| (name, std::env::var_os(name)));
    environment.extend(inherited.into_iter().filter_map(|(name, value)| Some((name, value?))));
    environment
}

/// A bare repository with a work tree beside it that stands for somebody else.
pub(crate) struct Remote {
    pub(crate) root: TempDir,
}

impl Remote {
    /// An empty repository whose default branch is `main`. Pushes, push options and http are allowed.
    pub(crate) fn empty() -> Self {
        Self::made(&[])
    }

    /// The same, made by `git init` with these arguments.
    pub(crate) fn made(how: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        git(root.path(), &[&["init", "-q", "--bare", "-b", "main", "repo.git"], how].concat());
        let remote = Self { root };
        for (key, value) in [("http.receivepack", "true"), ("receive.advertisePushOptions", "true")] {
            remote.config(key, value);
        }
        git(remote.root.path(), &[&["init", "-q", "-b", "main", "work"], how].concat());
        git(&remote.work(), &["remote", "add", "origin", remote.bare().to_str().unwrap()]);
        remote
    }

    /// A repository with one commit of these files on `main`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let remote = Self::empty();
        remote.commit(files, "first");
        remote
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.root.path().join("repo.git")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn path(&self) -> String {
        self.bare().to_str().unwrap().to_owned()
    }

    pub(crate) fn config(&self, key: &str, value: &str) {
        git(&self.bare(), &["config", key, value]);
    }

    /// Commits files as somebody else and pushes; returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        self.commit_at(TIME, files, message)
    }

    /// The same at a certain time, in seconds since 1970.
    pub(crate) fn commit_at(&self, seconds: i64, files: &[(&str, &str)], message: &str) -> String {
        for (path, text) in files {
            let path = self.work().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        git(&self.work(), &["add", "-A"]);
        git_at(&self.work(), seconds, &["commit", "-q", "--allow-empty", "-m", message], b"");
        self.push("HEAD");
        self.head()
    }

    /// Pushes what the work tree has to the branch of the same name.
    pub(crate) fn push(&self, what: &str) {
        git(&self.work(), &["push", "-q", "origin", what]);
    }

    /// The commit of the work tree.
    pub(crate) fn head(&self) -> String {
        git(&self.work(), &["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// What a reference of the bare repository stands at.
    pub(crate) fn at(&self, reference: &str) -> String {
        git(&self.bare(), &["rev-parse", reference]).trim().to_owned()
    }

    /// The text of a file in a commit of the bare repository.
    pub(crate) fn show(&self, what: &str) -> String {
        git(&self.bare(), &["cat-file", "-p", what])
    }

    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.bare().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Panics unless everything in the repository is as Git wants it.
    pub(crate) fn fsck(&self) {
        git(&self.bare(), &["fsck", "--strict", "--full", "--no-dangling"]);
    }
}

/// Settings that see nothing of the machine but its programs.
pub(crate) fn settings(data: &Path, more: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::of_machine(data);
    let mut environment: BTreeMap<OsString, OsString> = BTreeMap::new();
    environment.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    environment.insert("HOME".into(), data.into());
    environment.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
    environment.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    settings.environment = environment;
    settings
}

/// A [`Git`] with a data folder of its own.
pub(crate) fn machine(more: &[(&str, &str)]) -> (Git, TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Git::new(settings(data.path(), more)).unwrap(), data)
}

/// Access with this login and a generous deadline.
pub(crate) fn access(login: access::GitLogin) -> access::Git {
    access::Git { login, tls: access::Tls::default(), proxy: None, timeout: Duration::from_secs(30) }
}

/// Access with what the machine has.
pub(crate) fn anyone() -> access::Git {
    access(access::GitLogin::Machine)
}
