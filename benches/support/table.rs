//! Measuring two ways in turn, and the table that every benchmark prints.

#![allow(dead_code, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Prints the head of the table.
pub(crate) fn head() {
    println!("{:<52} {:>10} {:>10} {:>7} {:>6}", "what", "tagwright", "yardstick", "ratio", "limit");
}

/// Prints a time beside its yardstick; `limit` is the largest ratio wanted.
pub(crate) fn row(what: &str, ours: Duration, yardstick: &str, theirs: Duration, limit: f64) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let (ours, theirs) = (milliseconds(ours), milliseconds(theirs));
    println!("{what:<52} {ours:>10} {theirs:>10} {ratio:>7.2} {limit:>6.2} {}  {yardstick}", word(ratio <= limit));
}

/// Prints a time with nothing to hold it against but a bound.
pub(crate) fn bounded(what: &str, ours: Duration, limit: Duration) {
    let word = word(ours <= limit);
    println!("{what:<52} {:>10} {:>10} {:>7} {:>6} {word}", milliseconds(ours), milliseconds(limit), "", "");
}

/// Prints a count or an amount beside the most that is wanted.
pub(crate) fn amount(what: &str, found: u64, most: u64, unit: &str) {
    let (shown, limit) = (format!("{found} {unit}"), format!("{most} {unit}"));
    println!("{what:<52} {shown:>10} {limit:>10} {:>7} {:>6} {}", "", "", word(found <= most));
}

/// Prints how one time compares with another of ours.
pub(crate) fn growth(what: &str, first: Duration, last: Duration, limit: f64) {
    row(what, last, "the first of them", first, limit);
}

/// Says that something was not measured, and why.
pub(crate) fn not_measured(what: &str, why: &str) {
    println!("{what:<52} not measured: {why}");
}

fn word(within: bool) -> &'static str {
    if within { "PASS" } else { "over" }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Lets the two ways take turns, and returns the best time of each: what disturbs a run only ever makes it longer.
pub(crate) fn turns(
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..rounds {
        best.0 = best.0.min(ours());
        best.1 = best.1.min(theirs());
    }
    best
}

/// How long the work takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}
