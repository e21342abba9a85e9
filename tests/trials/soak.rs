//! A stream of releases leaves no child process, no open file and no growing folder behind. `cargo bench --bench soak` does
//! the same for as long as wanted, and looks at memory, which needs time to tell anything.

use std::time::Duration;

use crate::bot::soak::{self, Sample};

/// How many tags are released.
const RELEASES: usize = 300;

/// More open files than a bot needs for anything.
const MOST_DESCRIPTORS: u64 = 200;

/// More memory than a bot of this size needs, in KiB, even without optimisation.
const MOST_MEMORY: u64 = 256 << 10;

#[test]
fn a_busy_bot_leaves_nothing_behind() {
    let soak = soak::run(3, RELEASES, Duration::from_millis(50));
    let most = |of: fn(&Sample) -> u64, quarter: usize| soak.quarter(quarter).iter().map(of).max().unwrap();
    eprintln!("{} commits, {:?}", soak.commits, soak.last);
    assert_eq!(soak.faults, Vec::<String>::new());
    assert_eq!(soak.last.children, 0);
    assert!(most(|it| it.descriptors, 3) <= MOST_DESCRIPTORS, "{:?}", soak.last);
    assert!(most(|it| it.memory, 3) <= MOST_MEMORY, "{:?}", soak.last);
    assert!(soak.commits > 0);
}
