//! What the git module takes from the machine, in one value, so that nothing else reads the environment.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud::{Cloud, Environment};
use web::Pauses;

/// The largest pack that is fetched unless told otherwise: 4 GiB.
const MAX_PACK_BYTES: u64 = 4 << 30;
/// How long an HTTP server may be silent unless told otherwise. git's own servers say something every five seconds, even
/// while they count objects or run hooks.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What the git module takes from the machine.
#[derive(Clone)]
pub struct Settings {
    /// Where mirrors live, in the folder `mirrors`. Created when needed.
    pub data_dir: PathBuf,
    /// The `git` that serves local paths and answers for credential helpers. Not used for `http`.
    pub git_program: OsString,
    /// The `ssh` that carries `ssh://`.
    pub ssh_program: OsString,
    /// The environment: git's configuration, `TAGWRIGHT_GIT_*`, the ssh agent, and what child processes see.
    pub environment: BTreeMap<OsString, OsString>,
    /// git's system-wide configuration file where `GIT_CONFIG_SYSTEM` names none.
    pub system_config: PathBuf,
    /// The largest pack that is fetched, in bytes.
    pub max_pack_bytes: u64,
    /// How long an HTTP server may be silent, before an answer or in the middle of it; 60 s unless told otherwise. The time that a request takes to be
    /// sent counts. The deadline of the whole operation is in [`access::Git`].
    pub read_timeout: Duration,
    /// The hosts that are left alone for a while; unless told otherwise a table of its own.
    pub pauses: Pauses,
    /// Who gives out the logins of clouds and forges; unless told otherwise as whoever this process is known.
    pub cloud: Cloud,
}

impl Settings {
    /// Returns the settings of this machine and process.
    #[must_use]
    pub fn of_machine(data_dir: impl Into<PathBuf>) -> Self {
        let pauses = Pauses::default();
        Self {
            cloud: Cloud::new(Environment::of_process(), pauses.clone()),
            data_dir: data_dir.into(),
            git_program: "git".into(),
            ssh_program: "ssh".into(),
            environment: std::env::vars_os().collect(),
            system_config: PathBuf::from("/etc/gitconfig"),
            max_pack_bytes: MAX_PACK_BYTES,
            read_timeout: READ_TIMEOUT,
            pauses,
        }
    }

    /// Returns a variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable as text; one that is no UTF-8 counts as not set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.variable(name).and_then(OsStr::to_str)
    }

    pub(super) fn mirrors(&self) -> PathBuf {
        self.data_dir.join("mirrors")
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.variable("HOME").map(Path::new)
    }
}

/// The environment may hold tokens, so only what is harmless prints.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("data_dir", &self.data_dir)
            .field("git_program", &self.git_program)
            .field("ssh_program", &self.ssh_program)
            .field("max_pack_bytes", &self.max_pack_bytes)
            .finish_non_exhaustive()
    }
}
