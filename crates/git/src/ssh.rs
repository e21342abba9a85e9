//! An ssh key that exists as files for the time of one connection, and what ssh's failures mean.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use access::{ExposeSecret, SshIdentity};
use tempfile::TempDir;
use web::words;

use super::error::Error;
use super::problem::Lack;
use super::url::SshTarget;

/// How much of a user name an error repeats, in characters.
const MAX_USER: usize = 100;

/// ssh's exit status for a failure of its own, as opposed to one of the remote command.
const SSH_FAILED: i32 = 255;

/// Private files with an identity, removed when dropped.
///
/// OpenSSH takes keys from files only. The folder is readable for this user alone. A passphrase goes through a program that
/// ssh runs (`SSH_ASKPASS`) and that prints a file, since arguments and environments are visible to others; the folder for
/// temporary files must therefore allow programs when, and only when, a key has a passphrase.
pub(super) struct Identity {
    key: PathBuf,
    known_hosts: PathBuf,
    askpass: Option<PathBuf>,
    _folder: TempDir,
}

impl Identity {
    /// Writes the files. Blocks for the time of a few small writes.
    pub(super) fn create(identity: &SshIdentity) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("tagwright-ssh-").tempdir();
        let folder = folder.map_err(|source| failed("create a private folder in", std::env::temp_dir(), source))?;
        let key = write(&folder, "key", 0o600, &ended(identity.key.expose_secret()))?;
        let known_hosts = write(&folder, "known_hosts", 0o600, &ended(&identity.known_hosts))?;
        let askpass = match &identity.passphrase {
            Some(passphrase) => {
                write(&folder, "passphrase", 0o600, &format!("{}\n", passphrase.expose_secret()))?;
                Some(write(&folder, "askpass", 0o700, "#!/bin/sh\nexec cat \"${0%/*}/passphrase\"\n")?)
            }
            None => None,
        };
        Ok(Self { key, known_hosts, askpass, _folder: folder })
    }

    pub(super) fn key(&self) -> &Path {
        &self.key
    }

    pub(super) fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// The program that prints the passphrase, when there is one.
    pub(super) fn askpass(&self) -> Option<&Path> {
        self.askpass.as_deref()
    }
}

/// Finds out what a connection that ended without an answer ran into.
///
/// ssh has one exit status for all its failures, so that its words are all there is to tell them apart. They are in English
/// because the child runs with `LC_ALL=C`.
pub(super) fn failure(
    remote: &str,
    target: &SshTarget,
    has_identity: bool,
    status: Option<i32>,
    words: String,
) -> Error {
    let remote = remote.to_owned();
    if status != Some(SSH_FAILED) {
        return Error::Remote { remote, words };
    }
    let says = |text: &str| words.contains(text);
    if says("Host key verification failed") || says("HOST IDENTIFICATION HAS CHANGED") {
        return Error::HostKey { host: target.to_string(), words };
    }
    if says("Permission denied") || says("Too many authentication failures") || says("Load key") {
        let key = if has_identity { "the configured ssh key" } else { "the ssh keys of this machine" };
        // As with an identity of ours, `git` where none is named; otherwise ssh's configuration knows it.
        let user = target.user.as_deref().or(has_identity.then_some("git"));
        let tried = user.map_or(key.to_owned(), |user| format!("{key} (user '{}')", words::one_line(user, MAX_USER)));
        return Error::Denied { remote, tried, lacks: Lack::Nothing, status: None, words };
    }
    Error::Broken { remote, words }
}

fn write(folder: &TempDir, name: &str, mode: u32, text: &str) -> Result<PathBuf, Error> {
    let path = folder.path().join(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(path),
        Err(source) => Err(failed("write", path, source)),
    }
}

/// OpenSSH refuses a key whose last line does not end, or whose lines end as on Windows.
fn ended(text: &str) -> String {
    format!("{}\n", text.replace("\r\n", "\n").trim_end())
}

fn failed(what: &'static str, path: PathBuf, source: io::Error) -> Error {
    Error::File { what, path, source }
}
