//! A server as a child process.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::wait::until;

/// The path of kube-apiserver or etcd.
pub(super) fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS");
    let folder = folder.expect("KUBEBUILDER_ASSETS names the folder of kube-apiserver and etcd; tests/run sets it");
    PathBuf::from(folder).join(name)
}

/// A running server; killed on drop.
pub(super) struct Process(Child);

impl Process {
    /// Starts a server that writes what it has to say to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        Self(child)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Stops it in the middle of what it does, and returns when all of its threads stand still.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
        let stands = || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).ok()?;
            let states = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("stat")));
            // The state is the first word behind the name, which stands in parentheses.
            let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
            Some(states.flatten().all(stopped))
        };
        assert!(until(stands), "the process does not stand still");
    }

    /// Sends a signal, by name.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), "--", &self.id().to_string()]).status().unwrap();
        assert!(sent.success(), "signal {name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
