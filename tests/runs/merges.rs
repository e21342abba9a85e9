//! What a person took back stays so behind merges, whichever side of them has it.

use std::path::Path;

use jiff::SignedDuration;
use tempfile::TempDir;

use crate::support::{git, git_at};
use crate::world::{Bot, STABLE};

/// A clone of its own.
fn clone(bot: &Bot) -> TempDir {
    let work = tempfile::tempdir().unwrap();
    git(work.path(), &["clone", "-q", "--branch", "main", bot.remote.bare().to_str().unwrap(), "."]);
    work
}

fn write(bot: &Bot, work: &Path, file: &str, text: &str) {
    std::fs::write(work.join(file), text).unwrap();
    git(work, &["add", "-A"]);
    git_at(work, bot.now.as_second(), &["commit", "-q", "-m", "By a person"], b"");
}

fn later(bot: &mut Bot) {
    bot.now += SignedDuration::from_mins(5);
}

/// What the first person does before the bot comes, and how the work is joined with what the second has taken back since.
type Join = (&'static str, fn(&Bot, &Path), &'static [&'static [&'static str]]);

const JOINS: [Join; 4] = [
    (
        "`git pull` of somebody who had committed before",
        |bot, work| write(bot, work, "README", "hi"),
        &[&["pull", "-q", "--no-rebase", "--no-edit"]],
    ),
    (
        "the same of somebody who edited another line of the file",
        |bot, work| write(bot, work, "app.yaml", &format!("# ours\n{}", bot.file("1.1.0"))),
        &[&["pull", "-q", "--no-rebase", "--no-edit"]],
    ),
    (
        "a merge of three sides, the last of which has it",
        |bot, work| {
            write(bot, work, "README", "hi");
            git(work, &["checkout", "-q", "-b", "other", "HEAD~1"]);
            write(bot, work, "NOTES", "hi");
            git(work, &["checkout", "-q", "main"]);
        },
        &[&["fetch", "-q"], &["merge", "-q", "--no-edit", "other", "origin/main"]],
    ),
    (
        "a branch that was merged",
        |_, _| {},
        &[&["fetch", "-q"], &["merge", "-q", "--no-ff", "--no-edit", "origin/main"]],
    ),
];

#[tokio::test]
async fn a_revert_counts_on_either_side_of_a_merge() {
    for (name, before, joins) in JOINS {
        let mut bot = Bot::start(&["1.1.0", "1.2.0"]).await;
        let automations = bot.configuration(STABLE);
        let first = clone(&bot);
        before(&bot, first.path());
        later(&mut bot);
        assert_eq!(bot.run(&automations).await.0.automations[0].outcome.as_str(), "pushed", "{name}");
        later(&mut bot);
        let second = clone(&bot);
        write(&bot, second.path(), "app.yaml", &bot.file("1.1.0"));
        git(second.path(), &["push", "-q"]);
        later(&mut bot);
        for join in joins {
            git_at(first.path(), bot.now.as_second(), join, b"");
        }
        git(first.path(), &["push", "-q", "origin", "main"]);
        later(&mut bot);
        for _ in 0..2 {
            let report = bot.run(&automations).await.0;
            let codes: Vec<&str> = report.automations[0].holds.iter().map(|held| held.hold.code()).collect();
            assert_eq!(codes, ["reverted"], "{name}: {report:?}");
        }
    }
}
