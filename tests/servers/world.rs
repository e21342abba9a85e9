//! One test's own world: a temporary directory, an environment without the machine's settings, and the binary in it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with a home of its own, and the binary in it.
pub(crate) use crate::folder::Folder as World;

impl World {
    /// Runs a program that has to succeed, and returns what it wrote to stdout.
    pub(crate) fn succeed<I: IntoIterator<Item: AsRef<OsStr>>>(&self, program: &str, arguments: I) -> Vec<u8> {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// `tagwright run --once` on the configuration in `config/`, with the secrets in `secrets/` when there are any.
    pub(crate) fn tagwright(&self) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_tagwright"));
        command.args(["run", "--once", "--config", "config", "--data-dir", "data"]);
        if self.path("secrets").exists() {
            command.args(["--secrets", "secrets"]);
        }
        command
    }

    /// Runs once with `--output json`.
    pub(crate) fn run(&self) -> Run {
        Run::of(self.tagwright().args(["--output", "json"]))
    }

    /// Runs once with `--output json` and more arguments.
    pub(crate) fn run_with(&self, arguments: &[&str]) -> Run {
        Run::of(self.tagwright().args(["--output", "json"]).args(arguments))
    }

    /// Makes a secret of `--secrets`: one file per key.
    pub(crate) fn secret(&self, name: &str, keys: &[(&str, &str)]) {
        for (key, value) in keys {
            self.write(&format!("secrets/default/{name}/{key}"), value);
        }
    }
}

/// How one run of the binary ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// The report's automations.
    #[track_caller]
    pub(crate) fn automations(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        report["automations"].as_array().unwrap_or_else(|| panic!("no automations: {self:?}")).clone()
    }

    /// The report's only automation.
    #[track_caller]
    pub(crate) fn automation(&self) -> Value {
        let mut automations = self.automations();
        assert_eq!(automations.len(), 1, "{self:?}");
        automations.remove(0)
    }

    /// Asserts exit code and outcome, and returns the report on the only automation.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, outcome: &str) -> Value {
        let automation = self.automation();
        assert_eq!((self.code, automation["outcome"].as_str()), (Some(code), Some(outcome)), "{self:?}");
        automation
    }

    /// Asserts the exit code, that the text is somewhere in the output, and that no secret is.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stdout.contains(says) || self.stderr.contains(says), "{says:?} is not in {self:?}");
        for secret in [crate::registry::PASSWORD, crate::web::PASSWORD] {
            assert!(!self.stdout.contains(secret) && !self.stderr.contains(secret), "a secret is in {self:?}");
        }
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The path as text; temporary directories have no other names.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
