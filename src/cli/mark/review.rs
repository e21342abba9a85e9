//! The questions of `--interactive`.

use std::io::BufRead;
use std::path::Path;

use gotext::version::Range;
use tagwright_core::mark::{File, Group, Marking, Origin, Outlook, Why};
use tagwright_core::policy::{Calver, Direction, Order};

use crate::report::mark::{Mode, group_line, place};

/// Places of a policy that are shown before the question.
const MAX_PLACES: usize = 8;

/// The end of the review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Everything was answered.
    Done,
    /// Nothing is to be written.
    Quit,
}

/// The answer about one policy.
enum Verdict {
    Accept,
    AcceptAll,
    Skip,
    SkipAll,
    Quit,
}

/// What was said about all policies that are left.
#[derive(Clone, Copy)]
enum Rest {
    Accepted,
    Skipped,
}

/// Asks about every policy; skipped ones leave the marking, changed ones are changed in it.
pub(super) fn all(
    files: &[File],
    marking: &mut Marking,
    input: &mut impl BufRead,
    talk: &mut impl FnMut(&str),
) -> std::io::Result<Answer> {
    let mut skipped = Vec::new();
    let mut rest = None;
    for group in &mut marking.groups {
        let verdict = match rest {
            None => one(files, group, input, talk)?,
            Some(Rest::Accepted) => Verdict::Accept,
            Some(Rest::Skipped) => Verdict::Skip,
        };
        match verdict {
            Verdict::Accept => {}
            Verdict::AcceptAll => rest = Some(Rest::Accepted),
            Verdict::Skip => skipped.extend(group.images()),
            Verdict::SkipAll => {
                rest = Some(Rest::Skipped);
                skipped.extend(group.images());
            }
            Verdict::Quit => return Ok(Answer::Quit),
        }
    }
    for member in skipped {
        marking.leave(member, Why::Skipped);
    }
    marking.groups.retain(|group| !group.is_empty());
    Ok(Answer::Done)
}

/// Asks whether what was answered is to be written; an end of the input is no.
pub(super) fn whether_to_write(
    config: Option<&Path>,
    input: &mut impl BufRead,
    talk: &mut impl FnMut(&str),
) -> std::io::Result<Mode> {
    let policies =
        config.map_or_else(|| "print the policies".to_owned(), |path| format!("the policies to {}", path.display()));
    loop {
        talk(&format!("\nwrite the markers, and {policies}? [y]es, [n]o, only show it"));
        match line(input)?.unwrap_or_else(|| "no".to_owned()).to_ascii_lowercase().as_str() {
            "y" | "yes" | "w" | "write" => return Ok(Mode::Written),
            "n" | "no" => return Ok(Mode::Shown),
            _ => {}
        }
    }
}

fn one(
    files: &[File],
    group: &mut Group,
    input: &mut impl BufRead,
    talk: &mut impl FnMut(&str),
) -> std::io::Result<Verdict> {
    let places: Vec<String> = group.images().take(MAX_PLACES).map(|member| place(files, member)).collect();
    let more = group.images().count().saturating_sub(MAX_PLACES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    talk(&format!("\n{}:{} in {}{more}", group.repository, group.tag, places.join(", ")));
    loop {
        talk(&group_line(group));
        let changes = if group.origin == Origin::Derived { ", change [r]ange, change [o]rder" } else { "" };
        talk(&format!("[a]ccept, [s]kip{changes}, accept a[l]l, skip all the r[e]st, [q]uit without writing?"));
        let Some(answer) = line(input)? else { return Ok(Verdict::Quit) };
        let change = match answer.to_ascii_lowercase().as_str() {
            "a" | "accept" | "y" | "yes" | "" => return Ok(Verdict::Accept),
            "s" | "skip" | "n" | "no" => return Ok(Verdict::Skip),
            "l" | "all" => return Ok(Verdict::AcceptAll),
            "e" | "rest" => return Ok(Verdict::SkipAll),
            "q" | "quit" => return Ok(Verdict::Quit),
            "r" | "range" if group.origin == Origin::Derived => {
                talk("range, such as ^1.4 or \">=1.0.0-0 <2\":");
                line(input)?.map(|text| semver(&text))
            }
            "o" | "order" if group.origin == Origin::Derived => {
                talk("order, such as semver ^1.4, numerical asc, numerical desc, alphabetical asc, alphabetical desc:");
                line(input)?.map(|text| order(&text))
            }
            _ => continue,
        };
        match change {
            None => return Ok(Verdict::Quit),
            Some(Err(reason)) => talk(&reason),
            Some(Ok(order)) => adopt(group, order, talk),
        }
    }
}

/// Takes an order over, unless it would not accept the tag in use.
fn adopt(group: &mut Group, order: Order, talk: &mut impl FnMut(&str)) {
    let mut policy = group.policy.clone();
    policy.order = order;
    if policy.select(&[&group.tag]).is_none() {
        talk(&format!("that would not accept {}, which is in use", group.tag));
        return;
    }
    group.policy = policy;
    "as chosen".clone_into(&mut group.explanation);
    group.outlook = Outlook::NotAsked;
}

fn semver(text: &str) -> Result<Order, String> {
    Range::parse(text)
        .map(Order::Semver)
        .map_err(|error| format!("{}; ranges look like 6.x, ^1.2 or >=1.0.0 <2.0.0", error.plain()))
}

fn order(text: &str) -> Result<Order, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let direction = || Direction::parse(rest.trim()).map_err(|error| error.to_string());
    match kind {
        "semver" => semver(rest.trim()),
        "numerical" => direction().map(Order::Numerical),
        "alphabetical" => direction().map(Order::Alphabetical),
        "newest" if rest.trim().is_empty() => Ok(Order::Newest),
        "calver" => Calver::parse(rest.trim()).map(Order::Calver).map_err(|error| error.to_string()),
        _ => Err("write semver, calver, newest, numerical or alphabetical first".to_owned()),
    }
}

/// The next line, trimmed; none at the end.
fn line(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    Ok(if input.read_line(&mut text)? == 0 { None } else { Some(text.trim().to_owned()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tagwright_core::{inventory, mark};

    fn check(answers: &str, expect: &str) {
        let text = "- image: acme/shop:1.4.2\n- image: acme/api:2.0.0\n- image: acme/job:142\n";
        let inventory = inventory::find(text.as_bytes());
        let files = [File { path: "a.yaml".to_owned(), bytes: text.into(), inventory }];
        let settings = mark::Settings { namespace: "default".to_owned(), ..mark::Settings::default() };
        let mut marking = mark::plan(&files, &settings);
        let mut said = String::new();
        let answer = all(&files, &mut marking, &mut answers.as_bytes(), &mut |text| said.push_str(text)).unwrap();
        let groups = marking.groups.iter().map(|group| match &group.policy.order {
            Order::Semver(range) => format!("{} {}", group.name, range.as_str()),
            order => format!("{} {order:?}", group.name),
        });
        let found = if answer == Answer::Quit { "quit".to_owned() } else { groups.collect::<Vec<_>>().join(", ") };
        assert_eq!(found, expect, "{said}");
    }

    #[test]
    fn what_was_answered_can_be_written_without_asking_again() {
        for (answers, expect) in
            [("y\n", Mode::Written), ("what\nWRITE\n", Mode::Written), ("\nn\n", Mode::Shown), ("", Mode::Shown)]
        {
            let mut said = String::new();
            let path = Path::new("policies/app.yaml");
            let mode = whether_to_write(Some(path), &mut answers.as_bytes(), &mut |text| said.push_str(text)).unwrap();
            assert!(mode == expect && said.contains("the policies to policies/app.yaml"), "{said}");
        }
    }

    #[test]
    fn answers() {
        check("a\n\ny\n", "shop ^1.4.2, api ^2.0.0, job Numerical(Ascending)");
        check("s\nl\n", "api ^2.0.0, job Numerical(Ascending)");
        check("s\ns\ns\n", "");
        check("a\ne\n", "shop ^1.4.2");
        check("what\nr\n~1.4\na\nl\n", "shop ~1.4, api ^2.0.0, job Numerical(Ascending)");
        check(
            "r\n^2\nr\n1..\no\nalphabetical desc\na\ns\no\nnumerical desc\na\n",
            "shop Alphabetical(Descending), job Numerical(Descending)",
        );
        check("a\nq\n", "quit");
        check("a\n", "quit");
        check("r\n", "quit");
    }
}
