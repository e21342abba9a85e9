//! Policies: an order, a pattern, a template for the value, one line each, then tags.
#![no_main]

use gotext::version::Range;
use libfuzzer_sys::{Corpus, fuzz_target};
use tagwright_core::policy::{Calver, Direction, Filter, Order, Policy};

fuzz_target!(|input: &str| -> Corpus {
    let mut lines = input.lines();
    let (Some(order), Some(pattern), Some(extract)) = (lines.next(), lines.next(), lines.next()) else {
        return Corpus::Reject;
    };
    let Some(order) = parse_order(order) else { return Corpus::Reject };
    let filter = match pattern {
        "" => None,
        pattern => Filter::parse(pattern, extract).ok(),
    };
    check(&Policy { filter, order }, &lines.collect::<Vec<_>>());
    Corpus::Keep
});

/// Reads `semver RANGE`, `numerical asc` and the like.
fn parse_order(text: &str) -> Option<Order> {
    let (kind, argument) = text.split_once(' ')?;
    match kind {
        "semver" => Range::parse(argument).ok().map(Order::Semver),
        "numerical" => Direction::parse(argument).ok().map(Order::Numerical),
        "calver" => Calver::parse(argument).ok().map(Order::Calver),
        "alphabetical" => Direction::parse(argument).ok().map(Order::Alphabetical),
        _ => None,
    }
}

fn check(policy: &Policy, tags: &[&str]) {
    let evaluation = policy.evaluate(tags);
    assert_eq!(policy.select(tags), evaluation.selected);
    let reversed: Vec<&str> = tags.iter().rev().copied().collect();
    assert_eq!(policy.evaluate(&reversed), evaluation);
    assert_eq!(policy.select(&reversed), evaluation.selected);

    let mut seen: Vec<&str> = evaluation.candidates.iter().map(|candidate| candidate.tag).collect();
    seen.extend(evaluation.rejected.iter().map(|rejection| rejection.tag));
    seen.sort_unstable();
    let mut distinct = tags.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(seen, distinct, "every tag is either a candidate or rejected");
}
