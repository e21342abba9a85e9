//! Docker's credential helpers: `docker-credential-NAME get`, the registry on standard input, JSON on standard output.
//!
//! A helper is the machine owner's program, so it gets the environment it needs (home, cloud settings), but not our own
//! variables. It has a deadline, and ends with all that it has started when nobody waits for it any more. What it says is read
//! up to 64 KiB, and what it writes to its error stream not at all.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use access::{Login, RegistryLogin, Secret};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use web::ProcessGroup;
use web::words::one_line;

use super::error::Error;

/// The most bytes that are read of a helper's answer.
const MAX_ANSWER: u64 = 64 * 1024;
/// The longest message of a helper that is repeated, in characters.
const MAX_MESSAGE: usize = 200;
/// What our own environment variables begin with.
const OWN_VARIABLES: &str = "TAGWRIGHT_";
/// What helpers say when they have nothing for a registry; a fixed text of their protocol.
const NOT_FOUND: &str = "credentials not found";

/// Asks a helper about a registry. `None` means that it has nothing for it.
///
/// # Errors
/// The helper's name is not one, or it cannot be started, fails, takes too long or answers something else than JSON.
pub(crate) async fn get(
    name: &str,
    server: &str,
    path: Option<&OsString>,
    patience: Duration,
) -> Result<Option<RegistryLogin>, Error> {
    let program = format!("docker-credential-{name}");
    let fail =
        |reason: String| Error::Helper { helper: one_line(&program, MAX_MESSAGE), server: server.to_owned(), reason };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Err(fail("is not a name of a program".to_owned()));
    }
    let child = command(&program, path)
        .spawn()
        .map_err(|error| fail(format!("cannot be started: {}", web::words::system(&error.to_string()))))?;
    let _group = ProcessGroup::of(&child);
    let answer = tokio::time::timeout(patience, talk(child, server)).await;
    let answer = answer.map_err(|_| fail(format!("did not answer within {} s", patience.as_secs_f32())))?;
    let (success, output) =
        answer.map_err(|error| fail(format!("failed: {}", web::words::system(&error.to_string()))))?;
    if success {
        return read(server, &output).map_err(|reason| fail(reason.to_owned()));
    }
    // On failure the output is a message for people, and no secret.
    let message = String::from_utf8_lossy(&output);
    match message.contains(NOT_FOUND) {
        true => Ok(None),
        false => Err(fail(format!("failed: {}", one_line(message.trim(), MAX_MESSAGE)))),
    }
}

fn command(program: &str, path: Option<&OsString>) -> Command {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    ProcessGroup::lead(&mut command);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            command.env_remove(name);
        }
    }
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command
}

/// Writes the registry, reads the answer, waits for the end.
async fn talk(mut child: Child, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    if let Some(mut input) = child.stdin.take() {
        // A helper may end without reading; then its status says enough.
        let _ = input.write_all(format!("{server}\n").as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut output).await?;
    }
    let status = child.wait().await?;
    Ok((status.success(), output))
}

fn read(server: &str, output: &[u8]) -> Result<Option<RegistryLogin>, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        username: String,
        #[serde(default)]
        secret: String,
    }
    let answer: Answer = serde_json::from_slice(output).map_err(|_| "answered something else than JSON credentials")?;
    if answer.username.is_empty() && answer.secret.is_empty() {
        return Ok(None);
    }
    let login = Login { username: answer.username, password: Secret::from(answer.secret) };
    Ok(Some(RegistryLogin { key: server.to_owned(), login: Some(login), identity_token: None, registry_token: None }))
}
