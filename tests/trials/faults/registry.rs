//! Registries that answer wrongly, or not.

use super::{Case, FAILING, Meanwhile, Over, Trial, check};
use crate::simulated::Fault;

/// How often an image is polled during a fault that it takes more than one poll to believe.
const BELIEVED_AFTER: usize = 4;

const CASES: &[Case] = &[
    Case {
        name: "a partial list",
        begin: |trial| shrink(trial, 2),
        end: grow,
        says: &["the registry does not list 1.0.3 any more, which is in use", "1.0.3 ranks above 1.0.1"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "an empty list",
        begin: |trial| shrink(trial, 0),
        end: grow,
        says: &["the registry does not list any of 4 known tags any more", "there are no tags"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "500",
        begin: |trial| answer(trial, Fault::status(500)),
        end: heal,
        says: &["500"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "429 with Retry-After",
        begin: |trial| answer(trial, Fault::header(429, "retry-after", "1")),
        end: heal,
        says: &["429"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "garbage",
        begin: |trial| answer(trial, Fault::body("<html>Please log in</html>")),
        end: heal,
        says: &["app-0"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "a body that ends too early",
        begin: |trial| answer(trial, Fault::Cut),
        end: heal,
        says: &["app-0"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
    Case {
        name: "no answer",
        begin: |trial| answer(trial, Fault::Stall),
        end: heal,
        says: &["app-0"],
        meanwhile: Meanwhile::Others,
        over: Over::Polls(2),
    },
];

#[test]
fn a_registry_that_fails() {
    CASES.iter().for_each(|case| check(case, Trial::start()));
}

fn answer(trial: &mut Trial, fault: Fault) {
    trial.world.answer(FAILING, Some(fault));
}

fn heal(trial: &mut Trial) {
    trial.world.answer(FAILING, None);
}

/// Leaves the oldest tags, until they are believed to be all.
fn shrink(trial: &mut Trial, left: usize) {
    let kept = &mut trial.kept;
    trial.world.change_tags(FAILING, |tags| {
        kept.clone_from(tags);
        tags.truncate(left);
    });
    let begin = std::time::Instant::now();
    trial.eventually("the list is believed", || trial.world.polls(FAILING, begin) >= BELIEVED_AFTER);
}

fn grow(trial: &mut Trial) {
    let kept = std::mem::take(&mut trial.kept);
    trial.world.change_tags(FAILING, |tags| *tags = kept);
}
