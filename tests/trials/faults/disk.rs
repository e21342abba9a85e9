//! A full disk, as a limit on the size of the files that the bot writes.

use std::process::Command;

use super::{Case, Meanwhile, Over, Trial, check};
use crate::bot::Bot;

/// Ignores the signal that ends programs at the limit, so that writing fails as on a full disk.
const UNDER_A_LIMIT: &str = "trap '' XFSZ; exec \"$0\" \"$@\"";

const CASE: Case = Case {
    name: "a full disk",
    begin: |trial| {
        trial.world.somebody("README", "somebody's");
        limit(trial, "0");
    },
    end: |trial| limit(trial, "unlimited"),
    says: &["mirror"],
    meanwhile: Meanwhile::Anything,
    over: Over::Waves(2),
};

#[test]
fn a_full_disk() {
    let trial = Trial::with(|world| {
        let plain = world.command("bot");
        let mut command = Command::new("sh");
        command.args(["-c", UNDER_A_LIMIT]).arg(plain.get_program()).args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Bot::start(command.current_dir(world.folder.path()))
    });
    check(&CASE, trial);
}

/// Lets no file of the bot grow beyond so many bytes.
fn limit(trial: &Trial, bytes: &str) {
    let (pid, limit) = (trial.bot.id().to_string(), format!("--fsize={bytes}:unlimited"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
    assert!(status.success(), "prlimit {limit}");
}
