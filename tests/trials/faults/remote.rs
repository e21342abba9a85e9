//! Remotes that do not answer, lose connections, refuse, or are rewritten.

use super::{Case, FAILING, Line, Meanwhile, Over, Trial, check};
use crate::remote::git;

const CASES: &[Case] = &[
    Case {
        name: "the remote hangs",
        begin: |trial| trial.proxy.set(Line::Silent),
        end: |trial| trial.proxy.set(Line::Open),
        says: &["cannot read"],
        meanwhile: Meanwhile::Nothing,
        over: Over::Waves(2),
    },
    Case {
        name: "the connection ends in the middle of a push",
        begin: |trial| trial.proxy.set(Line::CutPush),
        end: |trial| trial.proxy.set(Line::Open),
        says: &["cannot push"],
        meanwhile: Meanwhile::Nothing,
        over: Over::Waves(2),
    },
    Case {
        name: "the connection ends in the middle of a fetch",
        begin: |trial| {
            trial.proxy.set(Line::CutFetch);
            trial.world.somebody("README", "somebody's");
        },
        end: |trial| trial.proxy.set(Line::Open),
        says: &["cannot fetch"],
        meanwhile: Meanwhile::Anything,
        over: Over::Waves(2),
    },
    Case {
        name: "a hook refuses",
        begin: |trial| trial.world.remote.hook("pre-receive", "echo 'the branch is frozen' >&2; exit 1"),
        end: |trial| trial.world.remote.hook("pre-receive", "exit 0"),
        says: &["the branch is frozen"],
        meanwhile: Meanwhile::Nothing,
        over: Over::Waves(2),
    },
    Case {
        name: "the branch is lost",
        begin: |trial| {
            trial.kept = vec![trial.head()];
            git(&trial.world.remote.bare(), &["update-ref", "refs/heads/kept", "refs/heads/main"]);
            git(&trial.world.remote.bare(), &["update-ref", "-d", "refs/heads/main"]);
        },
        end: |trial| {
            git(&trial.world.remote.bare(), &["update-ref", "refs/heads/main", &trial.kept[0]]);
        },
        says: &["main"],
        meanwhile: Meanwhile::Anything,
        over: Over::Waves(2),
    },
];

#[test]
fn a_remote_that_fails() {
    CASES.iter().for_each(|case| check(case, Trial::start()));
}

/// Somebody takes the branch back to its first commit and goes on from there: what the bot knew of it is gone.
#[test]
fn a_branch_that_is_pushed_by_force() {
    let mut trial = Trial::start();
    let first = trial.world.history().commits[0].id.clone();
    git(&trial.world.remote.bare(), &["update-ref", "refs/heads/main", &first]);
    trial.eventually("the branch is current again", || trial.world.is_current());
    trial.world.release(FAILING);
    trial.eventually("the branch is current", || trial.world.is_current());
    assert!(trial.bot.stop().success());
    trial.world.remote.fsck();
    assert_eq!(trial.world.history().faults(), Vec::<String>::new());
}
