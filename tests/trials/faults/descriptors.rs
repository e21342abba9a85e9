//! No descriptor left: whatever is opened fails, as it does where a process may open few files and has opened them.

use std::process::Command;

use super::{Case, Meanwhile, Over, Trial, check};
use crate::bot::{Shape, TIMEOUT, World};

/// What a run says that could not open something.
const SAYS: &str = "many open files";

/// What then helps.
const HINT: &str = "raise the limit of open files";

const CASE: Case = Case {
    name: "no descriptors",
    begin: |trial| {
        trial.world.somebody("README", "somebody's");
        // The first three are the standard streams. What is open stays so.
        limit(trial, "3:");
    },
    end: |trial| limit(trial, "1024:"),
    says: &[SAYS],
    meanwhile: Meanwhile::Anything,
    over: Over::Waves(2),
};

#[test]
fn no_descriptors() {
    check(&CASE, Trial::start());
}

/// Lets the bot have no descriptor from this number on.
fn limit(trial: &Trial, descriptors: &str) {
    let (pid, limit) = (trial.bot.id().to_string(), format!("--nofile={descriptors}"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
    assert!(status.success(), "prlimit {limit}");
}

/// However few there are, a run does its work or says what is missing, and the next one that has enough does it.
#[test]
fn a_run_with_few_descriptors() {
    let world = World::start(Shape { timeout: TIMEOUT, ..Shape::new(1, 1, TIMEOUT) });
    let (mut done, mut failed) = (0, 0);
    for descriptors in (4..40).step_by(2) {
        let name = format!("{descriptors}");
        let patch = world.release(0);
        let plain = world.quiet_command(&name);
        let mut few = Command::new("sh");
        few.args(["-c", &format!("ulimit -S -n {descriptors}; exec \"$0\" \"$@\"")]).arg(plain.get_program());
        few.args(plain.get_args()).arg("--once").env_clear();
        few.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = few.current_dir(world.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            assert!(world.says(0, patch), "{descriptors}: {said}");
            done += 1;
            continue;
        }
        assert!(matches!(output.status.code(), Some(1 | 2)), "{descriptors}: {:?} {said}", output.status);
        assert!(said.contains(SAYS) && said.contains(HINT), "{descriptors}: {said}");
        failed += 1;
        let output = world.quiet_command(&name).arg("--once").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && world.says(0, patch), "{descriptors}, and then enough: {said}");
    }
    assert!(done > 0 && failed > 0, "{done} of the runs did their work, {failed} said what is missing");
}
