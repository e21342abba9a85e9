//! Killed at random moments, a run either happened or did not. `cargo bench --bench kill` does the same 200 times.

use crate::bot::kill;

#[test]
fn a_killed_bot_leaves_nothing_to_repair() {
    let tally = kill::run(1, 20);
    eprintln!("{tally}");
    assert!(tally.faults.is_empty(), "{tally}: {:#?}", tally.faults);
    assert!(tally.commits > 0 && tally.kills.len() > 1, "{tally}");
}
