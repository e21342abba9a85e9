//! `/metrics` as a scraper reads it: by the grammar of OpenMetrics, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::World;

/// The suffixes that samples of a type may have.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total", "_created"],
        "histogram" => &["_bucket", "_count", "_sum", "_created"],
        "info" => &["_info"],
        "gauge" => &[""],
        _ => &[],
    }
}

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, after) = inside.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let close = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next()?.1 {
                        'n' => value.push('\n'),
                        c @ ('"' | '\\') => value.push(c),
                        _ => return None,
                    },
                    (_, c) => value.push(c),
                }
            };
            labels.insert(label.trim_start_matches(',').to_owned(), value).map_or(Some(()), |_| None)?;
            inside = &after[close + 1..];
        }
        rest = &inside[1..];
    }
    let value = rest.strip_prefix(' ')?;
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().ok()? };
    Some((name.to_owned(), labels, value))
}

/// Reads a text by the grammar, and returns its samples.
fn read(text: &str) -> Vec<Sample> {
    let (mut families, mut samples): (BTreeSet<String>, Vec<Sample>) = (BTreeSet::new(), Vec::new());
    let (mut family, mut kind, mut ended) = (String::new(), String::new(), false);
    for line in text.lines() {
        assert!(!ended, "behind the end: {line}");
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "EOF"] => ended = true,
            ["#", what @ ("HELP" | "TYPE" | "UNIT"), name, rest] => {
                if *name != family {
                    assert!(families.insert((*name).to_owned()), "the family {name} is in two places");
                    (family, kind) = ((*name).to_owned(), String::new());
                }
                match *what {
                    "TYPE" => kind = (*rest).to_owned(),
                    "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                    _ => assert!(!rest.is_empty(), "{line}"),
                }
            }
            _ => {
                let sample = sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
                let suffix = sample.0.strip_prefix(&family).unwrap_or_else(|| panic!("{line} is not of {family}"));
                assert!(suffixes(&kind).contains(&suffix), "{line} is no {kind}");
                assert!(kind != "counter" || sample.2 >= 0.0, "{line}");
                let twice = samples.iter().any(|(name, labels, _)| (name, labels) == (&sample.0, &sample.1));
                assert!(!twice, "twice: {line}");
                samples.push(sample);
            }
        }
    }
    assert!(ended && text.ends_with("# EOF\n"), "it has no end");
    histograms(&samples);
    samples
}

/// Buckets grow, and the last one has all.
fn histograms(samples: &[Sample]) {
    for (name, labels, count) in samples.iter().filter(|(name, ..)| name.ends_with("_count")) {
        let family = name.trim_end_matches("_count");
        let is_of =
            |found: &BTreeMap<String, String>| found.iter().filter(|(label, _)| *label != "le").eq(labels.iter());
        let buckets = samples.iter().filter(|(name, found, _)| *name == format!("{family}_bucket") && is_of(found));
        let buckets: Vec<(f64, f64)> = buckets
            .map(|(_, labels, value)| {
                let bound = &labels["le"];
                (if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, *value)
            })
            .collect();
        assert!(buckets.is_sorted(), "{name}: {buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
    }
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let world = World::start().await;
    world.order("/api/v1/freeze", "").await;
    for (client, base) in [world.private(), world.public()] {
        let response = client.get(format!("{base}/metrics")).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let samples = read(&response.text().await.unwrap());
        let value = |name: &str, label: (&str, &str)| {
            let is_it =
                |(found, labels, _): &&Sample| found == name && labels.get(label.0).is_some_and(|it| it == label.1);
            samples.iter().find(is_it).map(|(.., value)| *value)
        };
        assert_eq!(value("tagwright_automation_frozen", ("automation", "shop")), Some(1.0));
        assert_eq!(value("tagwright_freezes", ("kind", "hand")), Some(1.0));
        assert_eq!(value("tagwright_runs_total", ("outcome", "pushed")), Some(0.0));
        assert_eq!(value("tagwright_holds", ("reason", "frozen")), Some(0.0));
        assert_eq!(value("tagwright_policy_ready", ("policy", "web")), None, "it was not polled yet");
        assert!(samples.iter().any(|(name, ..)| name == "tagwright_poll_duration_seconds_bucket"));
    }
}
