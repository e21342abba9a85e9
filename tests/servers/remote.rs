//! A bare Git repository that the servers serve, and what a test wants to know of it afterwards.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::world::{World, text};

/// A bare repository below `remotes/`.
pub(crate) struct Remote<'w> {
    world: &'w World,
    path: PathBuf,
}

impl<'w> Remote<'w> {
    /// Makes `remotes/NAME` whose default branch holds the files in one commit.
    pub(crate) fn create(world: &'w World, name: &str, branch: &str, files: &[(&str, &[u8])]) -> Self {
        let path = world.path(&format!("remotes/{name}"));
        let initial = format!("--initial-branch={branch}");
        world.succeed("git", ["init", "--quiet", "--bare", &initial, text(&path)]);
        let remote = Self { world, path };
        remote.configure("http.receivepack", "true");
        remote.configure("receive.advertisePushOptions", "true");
        remote.commit(branch, files);
        remote
    }

    /// Sets a configuration value of the repository.
    pub(crate) fn configure(&self, key: &str, value: &str) {
        self.git(&["config", key, value]);
    }

    /// Puts one more commit with these files on a branch, as a person would.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &[u8])]) {
        let tree = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let person = ["-C", text(tree.path()), "-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
            self.world.succeed("git", person.iter().chain(arguments));
        };
        let initial = format!("--initial-branch={branch}");
        git(&["init", "--quiet", &initial]);
        if !self.git(&["branch", "--list", branch]).is_empty() {
            git(&["pull", "--quiet", text(&self.path), branch]);
        }
        for (name, content) in files {
            let file = tree.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message=A person's commit"]);
        git(&["push", "--quiet", text(&self.path), &format!("HEAD:{branch}")]);
    }

    /// Installs a hook, a shell script.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = self.path.join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The hash of a branch's head.
    pub(crate) fn head(&self, branch: &str) -> String {
        self.git(&["rev-parse", &format!("refs/heads/{branch}")]).trim().to_owned()
    }

    /// How many commits a branch has.
    pub(crate) fn commits(&self, branch: &str) -> usize {
        self.git(&["rev-list", "--count", branch]).trim().parse().unwrap()
    }

    /// A file of a branch.
    pub(crate) fn file(&self, branch: &str, file: &str) -> String {
        self.git(&["show", &format!("{branch}:{file}")])
    }

    /// The message of a branch's head, byte for byte.
    pub(crate) fn message(&self, branch: &str) -> String {
        let commit = self.git(&["cat-file", "commit", branch]);
        commit.split_once("\n\n").unwrap().1.to_owned()
    }

    /// Author and committer of a branch's head: `name <email>, name <email>`.
    pub(crate) fn author(&self, branch: &str) -> String {
        self.git(&["log", "-1", "--format=%an <%ae>, %cn <%ce>", branch]).trim().to_owned()
    }

    /// The files that a branch's head changed, one a line.
    pub(crate) fn touched(&self, branch: &str) -> String {
        self.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", branch])
    }

    /// Asserts that the repository is whole.
    pub(crate) fn is_sound(&self) {
        self.git(&["fsck", "--strict", "--no-progress"]);
    }

    fn git(&self, arguments: &[&str]) -> String {
        let stdout = self.world.succeed("git", ["-C", text(&self.path)].iter().chain(arguments));
        String::from_utf8(stdout).unwrap()
    }
}
