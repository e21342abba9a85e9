//! Selects one of 100,000 tags by each order, beside `LC_ALL=C sort` of the same tags in the same run.
//!
//! `cargo bench --bench select`. Each row is the best of several rounds in which the two take turns; the sort is a child
//! process that reads a file, as a script would run it. The ratio is what counts: it should be at most 1.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use gotext::version::Range;
use tagwright_core::policy::{Direction, Filter, Order, Policy};

#[path = "support/child.rs"]
mod child;
#[path = "support/table.rs"]
mod table;

const TAGS: u64 = 100_000;
const ROUNDS: usize = 15;

fn main() {
    let semver = |range: &str| Order::Semver(Range::parse(range).unwrap());
    let filter = |pattern: &str, extract: &str| Some(Filter::parse(pattern, extract).unwrap());
    let master = r"^master-[a-f0-9]+-(?P<ts>[0-9]+)";
    table::head();
    row("semver >=1.0.0", Policy { filter: None, order: semver(">=1.0.0") }, versions());
    row("semver ^1.2 || ~3.4-0", Policy { filter: None, order: semver("^1.2 || ~3.4-0") }, versions());
    row("numerical", Policy { filter: None, order: Order::Numerical(Direction::Ascending) }, numbers());
    row(
        "filter + numerical",
        Policy { filter: filter(master, "$ts"), order: Order::Numerical(Direction::Ascending) },
        builds(),
    );
    row(
        "filter + template + numerical",
        Policy { filter: filter(master, "0$ts"), order: Order::Numerical(Direction::Ascending) },
        builds(),
    );
    row(
        "filter + semver",
        Policy { filter: filter(r"^v?(\d+\.\d+\.\d+)(-rc\..*)?$", "$1"), order: semver("*") },
        versions(),
    );
    row("alphabetical", Policy { filter: None, order: Order::Alphabetical(Direction::Ascending) }, builds());
    row(
        "filter + alphabetical",
        Policy { filter: filter("^master-", ""), order: Order::Alphabetical(Direction::Descending) },
        builds(),
    );
}

/// Measures one policy and its yardstick, and prints them.
fn row(name: &str, policy: Policy, tags: Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tags.join("\n") + "\n").unwrap();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let ours = || table::time(|| policy.select(black_box(&tags)));
    let (ours, theirs) = table::turns(ROUNDS, ours, || sort(file.path()));
    table::row(name, ours, "LC_ALL=C sort", theirs, 1.0);
}

fn sort(path: &Path) -> Duration {
    child::run(child::command("sort", Path::new("/")).arg(path))
}

/// Numbers that look random and are the same in every run.
fn random() -> impl FnMut(u64) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

fn versions() -> Vec<String> {
    let mut random = random();
    (0..TAGS)
        .map(|index| {
            let version = format!("{}.{}.{}", random(9), random(60), random(400));
            match index % 10 {
                0..6 => version,
                6 | 7 => format!("v{version}"),
                8 => format!("{version}-rc.{}", random(20)),
                _ => format!("sha-{:07x}", random(1 << 28)),
            }
        })
        .collect()
}

fn builds() -> Vec<String> {
    let mut random = random();
    (0..TAGS)
        .map(|index| match index % 10 {
            0..9 => format!("master-{:07x}-{}", random(1 << 28), 1_600_000_000 + random(100_000_000)),
            _ => format!("feature-{}-{:07x}", random(1000), random(1 << 28)),
        })
        .collect()
}

fn numbers() -> Vec<String> {
    let mut random = random();
    (0..TAGS).map(|_| (20_200_000_000_000 + random(60_000_000_000)).to_string()).collect()
}
