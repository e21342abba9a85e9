//! The protocol over the standard streams of a child process: `ssh`, or `git` itself for a folder of this machine.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{self, GitLogin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinSet;
use tokio::time::timeout;
use web::{ProcessGroup, words};

use crate::Shared;
use crate::capabilities::Version;
use crate::command::{self, Service, Ssh};
use crate::error::Error;
use crate::ssh::{self, Identity};
use crate::url::{Location, SshTarget, Url};

/// How long a child may take to end once its output has.
const GRACE: Duration = Duration::from_secs(5);

/// How a shell ends that cannot run a program, and one that does not find it.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A running child.
pub(crate) struct Session {
    remote: String,
    target: Option<SshTarget>,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// The task that reads the error stream, and the one that writes a request. They end with the session.
    tasks: JoinSet<()>,
    chunk: Vec<u8>,
    identity: Option<Identity>,
    /// All that a shell has started; it ends with the session.
    group: Option<ProcessGroup>,
}

/// Starts the child for `service` of the remote, in a version of the protocol if the other side has it.
pub(super) async fn start(
    shared: &Shared,
    access: &access::Git,
    url: &Url,
    (service, version): (Service, Version),
) -> Result<Session, Error> {
    let (settings, remote) = (&shared.settings, url.to_string());
    let (mut command, target, identity, program) = match url.location() {
        Location::Local(path) if !path.exists() => return Err(Error::NoFolder { remote }),
        Location::Local(path) => {
            (command::local(settings, (service, version), path), None, None, settings.git_program.clone())
        }
        Location::Ssh(target) => {
            let identity = identity(access, &remote).await?;
            let with = match (&identity, shared.rules.ssh_command()) {
                (Some(identity), _) => Ssh::Identity(identity),
                (None, Some(text)) => Ssh::Command(text),
                (None, None) => Ssh::Machine,
            };
            let command = command::ssh(settings, (service, version), target, with);
            let program = command.as_std().get_program().to_owned();
            (command, Some(target.clone()), identity, program)
        }
        Location::Http(_) => return Err(Error::Task),
    };
    let failed = |source| Error::Program { program: program.display().to_string(), source };
    let mut child = command.spawn().map_err(failed)?;
    let is_by_shell = identity.is_none() && target.is_some() && shared.rules.ssh_command().is_some();
    let group = is_by_shell.then(|| ProcessGroup::of(&child));
    let (Some(stdin), Some(stdout), Some(mut stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::Task);
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let said = Arc::clone(&said);
        async move {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
                words::collect(&mut said.lock().unwrap_or_else(PoisonError::into_inner), &chunk[..n]);
            }
        }
    });
    let chunk = vec![0; CHUNK];
    Ok(Session { remote, target, child, stdin: Some(stdin), stdout, stderr: said, tasks, chunk, identity, group })
}

async fn identity(access: &access::Git, remote: &str) -> Result<Option<Identity>, Error> {
    let mismatch = |login| Err(Error::LoginMismatch { remote: remote.to_owned(), login });
    match &access.login {
        GitLogin::Machine => Ok(None),
        GitLogin::User(_) | GitLogin::Basic(_) => mismatch("a user name and password"),
        GitLogin::Bearer(_) => mismatch("a bearer token"),
        GitLogin::GithubApp(_) | GitLogin::AzureDevOps(_) | GitLogin::CodeCommit(_) => {
            mismatch("the login of a provider, which is for https")
        }
        GitLogin::Ssh(identity) => {
            let identity = identity.clone();
            let written = tokio::task::spawn_blocking(move || Identity::create(&identity)).await;
            written.map_err(|_| Error::Task)?.map(Some)
        }
    }
}

impl Session {
    pub(super) fn remote(&self) -> &str {
        &self.remote
    }

    /// Writes a request after which others may come, and which the other side reads whole before it answers. A failure to write
    /// shows itself in the answer.
    pub(super) async fn ask(&mut self, request: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            let _closed = stdin.write_all(request).await;
            let _closed = stdin.flush().await;
        }
    }

    /// Writes the last request in the background and closes the stream, so that the child can answer meanwhile. A failure to
    /// write shows itself in the answer.
    pub(super) fn send(&mut self, request: Vec<u8>) {
        if let Some(mut stdin) = self.stdin.take() {
            self.tasks.spawn(async move {
                let _closed = stdin.write_all(&request).await;
                let _closed = stdin.shutdown().await;
            });
        }
    }

    pub(super) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Error> {
        match self.stdout.read(&mut self.chunk).await {
            Ok(0) | Err(_) => Ok(false),
            Ok(n) => {
                buffer.extend_from_slice(&self.chunk[..n]);
                Ok(true)
            }
        }
    }

    /// Finds out why the child stopped talking.
    pub(super) async fn failure(&mut self) -> Error {
        self.stdin = None;
        let status = timeout(GRACE, self.child.wait()).await;
        let status = status.ok().and_then(Result::ok).and_then(|status| status.code());
        let _late = timeout(GRACE, async { while self.tasks.join_next().await.is_some() {} }).await;
        let words = words::clean(&self.stderr.lock().unwrap_or_else(PoisonError::into_inner));
        match &self.target {
            Some(_) if self.group.is_some() && matches!(status, Some(NOT_EXECUTABLE | NOT_FOUND)) => {
                let program = "the command for ssh of git's configuration or GIT_SSH_COMMAND".to_owned();
                Error::Program { program, source: io::Error::new(io::ErrorKind::NotFound, words) }
            }
            Some(target) => ssh::failure(&self.remote, target, self.identity.is_some(), status, words),
            None => Error::Remote { remote: self.remote.clone(), words },
        }
    }
}
