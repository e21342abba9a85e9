//! kubectl and helm, as people run them.
//!
//! `tests/run` finds the programs, or builds them, and names their folder in `TAGWRIGHT_TEST_TOOLS`; without it they are those on
//! PATH.

#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The programs, with a home of their own and one cluster.
pub(crate) struct Tools {
    home: TempDir,
}

impl Tools {
    /// Programs that act on a cluster by this kubeconfig.
    pub(crate) fn of(kubeconfig: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { home }
    }

    /// Programs that only render.
    pub(crate) fn alone() -> Self {
        Self::of("")
    }

    /// A command of kubectl.
    pub(crate) fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command("kubectl", arguments)
    }

    /// A command of helm.
    pub(crate) fn helm<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        self.command("helm", arguments)
    }

    /// A command of another program, with the same home and cluster.
    pub(crate) fn command<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(place(program));
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("kubeconfig"));
        command
    }

    /// What `kubectl kustomize` makes of a folder.
    pub(crate) fn kustomize(&self, folder: &Path) -> String {
        printed(&mut self.kubectl(["kustomize", folder.to_str().unwrap()]))
    }
}

/// Where a program is.
fn place(program: &str) -> PathBuf {
    let ours = std::env::var_os("TAGWRIGHT_TEST_TOOLS").map(|folder| Path::new(&folder).join(program));
    ours.filter(|place| place.exists()).unwrap_or_else(|| program.into())
}

/// What a command prints; it has to succeed.
#[track_caller]
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/tools/provide"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What becomes of a command that reads this text.
pub(crate) fn fed(command: &mut Command, text: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/tools/provide"));
    let mut input = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program that reads nothing closes its end; that is its business.
        scope.spawn(move || drop(input.write_all(text.as_bytes())));
        child.wait_with_output().unwrap()
    })
}
