//! The one place that builds child processes: `git` for local paths and credential helpers, `ssh` for the rest.
//!
//! Every child has fixed flags, an environment made from nothing, no terminal and no prompt, and dies when its handle is
//! dropped. Deadlines are the callers', who drop. No argument is secret.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use web::ProcessGroup;

use super::capabilities::Version;
use super::settings::Settings;
use super::ssh::Identity;
use super::url::SshTarget;

/// How long ssh may take to connect.
const SSH_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often ssh asks a silent server whether it still lives; three silent answers end the connection.
const SSH_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// What git and ssh see of the environment.
const KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
];

/// The service asked for at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// `git upload-pack`, for fetching.
    Upload,
    /// `git receive-pack`, for pushing.
    Receive,
}

impl Service {
    /// Returns the name as the protocol writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Upload => "git-upload-pack",
            Self::Receive => "git-receive-pack",
        }
    }

    const fn subcommand(self) -> &'static str {
        match self {
            Self::Upload => "upload-pack",
            Self::Receive => "receive-pack",
        }
    }
}

/// The variable in which git and ssh are told a version of the protocol that the other side may speak.
const PROTOCOL: &str = "GIT_PROTOCOL";

/// Serves a folder of this machine.
pub(super) fn local(settings: &Settings, (service, version): (Service, Version), path: &Path) -> Command {
    let mut command = base(settings, &settings.git_program, |name| is_kept(name) || is_config(name));
    command.envs(version.asked().map(|version| (PROTOCOL, version)));
    command.arg(service.subcommand()).arg("--").arg(path).stdin(Stdio::piped());
    command
}

/// Asks git's credential helpers; `action` is `fill`, `approve` or `reject`.
///
/// Helpers are programs of the machine's owner and need the owner's environment.
pub(super) fn credential(settings: &Settings, action: &'static str) -> Command {
    let mut command = base(settings, &settings.git_program, is_owners);
    // Nobody reads what helpers write to their error stream, however much it is.
    command.args(["credential", action]).current_dir("/").stdin(Stdio::piped()).stderr(Stdio::null());
    ProcessGroup::lead(&mut command);
    command
}

/// What carries `ssh://`.
#[derive(Clone, Copy)]
pub(super) enum Ssh<'a> {
    /// The machine's `ssh`, with what the machine has.
    Machine,
    /// A command of the machine's owner, which a shell reads, as git has it. It takes OpenSSH's options.
    Command(&'a str),
    /// The machine's `ssh` with an identity of ours. The agent, the machine's known hosts and every prompt are out of the game,
    /// and so is the owner's command, whose options would win over ours.
    Identity(&'a Identity),
}

/// Runs `service` on the host of `target`. Unknown host keys are refused, unless the owner's command says otherwise.
pub(super) fn ssh(
    settings: &Settings,
    (service, version): (Service, Version),
    target: &SshTarget,
    with: Ssh<'_>,
) -> Command {
    let mut command = match with {
        Ssh::Command(text) => by_shell(settings, text),
        // git's other variable names a program.
        Ssh::Machine => match settings.variable("GIT_SSH") {
            Some(program) => base(settings, program, is_owners),
            None => base(settings, &settings.ssh_program, is_kept),
        },
        Ssh::Identity(_) => base(settings, &settings.ssh_program, is_kept),
    };
    if let Some(version) = version.asked() {
        command.env(PROTOCOL, version);
        option(&mut command, format!("SendEnv={PROTOCOL}"));
    }
    option(&mut command, "StrictHostKeyChecking=yes");
    option(&mut command, format!("ConnectTimeout={}", SSH_CONNECT_TIMEOUT.as_secs()));
    option(&mut command, format!("ServerAliveInterval={}", SSH_ALIVE_INTERVAL.as_secs()));
    option(&mut command, "ServerAliveCountMax=3");
    for fixed in ["ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "PermitLocalCommand=no"] {
        option(&mut command, fixed);
    }
    match with {
        Ssh::Identity(identity) => with_identity(&mut command, identity),
        Ssh::Machine | Ssh::Command(_) => option(&mut command, "BatchMode=yes"),
    }
    command.arg("-T");
    if let Some(port) = target.port {
        command.arg("-p").arg(port.to_string());
    }
    let user = target.user.as_deref().or(matches!(with, Ssh::Identity(_)).then_some("git"));
    if let Some(user) = user {
        command.arg("-l").arg(user);
    }
    command.arg("--").arg(&target.host).arg(format!("{} {}", service.name(), quoted(&target.path)));
    command.stdin(Stdio::piped());
    command
}

/// A command of the owner with arguments of ours, and all that it starts in one group.
fn by_shell(settings: &Settings, text: &str) -> Command {
    let mut command = base(settings, OsStr::new("sh"), is_owners);
    command.arg("-c").arg(format!("{text} \"$@\"")).arg("ssh");
    ProcessGroup::lead(&mut command);
    command
}

fn with_identity(command: &mut Command, identity: &Identity) {
    option(command, "IdentitiesOnly=yes");
    option(command, "IdentityAgent=none");
    option(command, "GlobalKnownHostsFile=/dev/null");
    option(command, assigned("UserKnownHostsFile", identity.known_hosts()));
    option(command, assigned("IdentityFile", identity.key()));
    option(command, "PreferredAuthentications=publickey");
    match identity.askpass() {
        // BatchMode would refuse the passphrase too, so that each of the other prompts is switched off by name.
        Some(askpass) => {
            for fixed in ["PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "NumberOfPasswordPrompts=1"] {
                option(command, fixed);
            }
            command.env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force");
        }
        None => option(command, "BatchMode=yes"),
    }
}

fn base(settings: &Settings, program: &OsStr, keep: impl Fn(&str) -> bool) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for (name, value) in &settings.environment {
        if name.to_str().is_some_and(&keep) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "").env("SSH_ASKPASS", "");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
}

/// What programs of the machine's owner see: the owner's environment, without what would bind git to a repository, and without our
/// own token.
fn is_owners(name: &str) -> bool {
    !name.starts_with("TAGWRIGHT_") && (!name.starts_with("GIT_") || is_kept(name) || is_config(name))
}

fn is_config(name: &str) -> bool {
    name == "GIT_CONFIG_COUNT" || name.starts_with("GIT_CONFIG_KEY_") || name.starts_with("GIT_CONFIG_VALUE_")
}

fn option(command: &mut Command, value: impl Into<OsString>) {
    command.arg("-o").arg(value.into());
}

/// ssh splits values at white space and expands `%`.
fn assigned(name: &str, path: &Path) -> String {
    format!("{name}=\"{}\"", path.display().to_string().replace('%', "%%"))
}

/// Quotes for the remote shell as git does, `!` included for the sake of csh.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''").replace('!', "'\\!'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_remote_shell() {
        assert_eq!(quoted("/srv/r.git"), "'/srv/r.git'");
        assert_eq!(quoted("it's; rm -rf /"), "'it'\\''s; rm -rf /'");
        assert_eq!(quoted("a!b"), "'a'\\!'b'");
    }
}
