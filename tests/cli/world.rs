//! One test's own world: a temporary directory, an environment without the machine's settings, and the binary in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A folder with a home of its own, and the binary in it.
pub(crate) use crate::folder::Folder as World;

/// How long one run of the binary may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

impl World {
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program that sees nothing of the machine's configuration, and writes for no terminal.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command(program);
        command.env("NO_COLOR", "1").env("TZ", "UTC");
        command
    }

    /// The binary with these arguments.
    pub(crate) fn tagwright<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_tagwright"));
        command.args(arguments);
        command
    }

    /// Runs the binary with nothing on stdin.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.finish(&mut self.tagwright(arguments), b"")
    }

    /// Runs the binary with this on stdin.
    pub(crate) fn feed<A: AsRef<OsStr>>(&self, input: &str, arguments: impl IntoIterator<Item = A>) -> Run {
        self.finish(&mut self.tagwright(arguments), input.as_bytes())
    }

    /// Runs a command to its end.
    pub(crate) fn finish(&self, command: &mut Command, input: &[u8]) -> Run {
        Run::from(output(command, input)).masked(self.root().to_str().unwrap(), "WORLD")
    }

    /// Runs git, which has to succeed, and returns what it printed.
    pub(crate) fn git(&self, folder: &str, arguments: &[&str]) -> String {
        self.git_fed(folder, arguments, b"")
    }

    /// Runs git with something on stdin.
    pub(crate) fn git_fed(&self, folder: &str, arguments: &[&str], input: &[u8]) -> String {
        let mut git = self.program("git");
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(arguments);
        let run = self.finish(git.current_dir(self.path(folder)), input);
        assert_eq!(run.code, 0, "git {arguments:?}: {run:?}");
        run.stdout
    }
}

/// Runs a command to its end, with a deadline.
fn output(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let pid = child.id();
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        // A command that does not read its input to the end is none of our business.
        let _ = stdin.write_all(&input);
    });
    thread::spawn(move || done.send(child.wait_with_output()));
    match wait.recv_timeout(LIMIT) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            let _ = Command::new("kill").arg(pid.to_string()).status();
            panic!("{command:?} did not end within {LIMIT:?}");
        }
    }
}

/// How one run of the binary ended.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// Puts a placeholder in place of a text that differs from run to run.
    pub(crate) fn masked(self, text: &str, placeholder: &str) -> Self {
        Self {
            code: self.code,
            stdout: self.stdout.replace(text, placeholder),
            stderr: self.stderr.replace(text, placeholder),
        }
    }

    /// The whole run as one text, for snapshots.
    pub(crate) fn text(&self) -> String {
        format!("exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that the run failed so and said so on stderr, with nothing on stdout.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, says: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        assert!(self.stderr.contains(says), "{says:?} is not in {self:?}");
    }

    /// Asserts exit code and the whole of stdout.
    #[track_caller]
    pub(crate) fn prints(&self, code: i32, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, stdout), "{self:?}");
    }
}

/// A file of the fixtures, as JSON.
pub(crate) fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A member that is a text, or nothing.
pub(crate) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// The members of a list.
#[track_caller]
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}
