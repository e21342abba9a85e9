//! docs/reference/environment.md has every variable that is read, and names no other.

use std::collections::BTreeSet;

use regex::Regex;

use crate::{files, read};

const PAGE: &str = "docs/reference/environment.md";

/// What look like variables in the sources, and are not read: what is set for children or kept from them, a code of registries, an
/// event of Harbor, and a right of Bitbucket.
const NOT_READ: [&str; 11] = [
    "GIT_ASKPASS",
    "GIT_PROTOCOL",
    "GIT_TERMINAL_PROMPT",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "NAME_UNKNOWN",
    "PROPTEST_CASES",
    "PUSH_ARTIFACT",
    "REPO_WRITE",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
];

/// What libraries read for us: kube finds the API server, reqwest and kube leave hosts out that no proxy is for, OpenTelemetry's SDK
/// bounds its queue and its spans.
const READ_ELSEWHERE: [&str; 9] = [
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NO_PROXY",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
];

/// The sources without comments, and without what is a test.
fn sources() -> String {
    let mut all = String::new();
    let is_source = |file: &String| !file.split('/').any(|part| part == "tests" || part == "tests.rs");
    for file in ["src", "crates"].iter().flat_map(|place| files(place, &["rs"])).filter(is_source) {
        let text = read(&file);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        all.extend(code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")));
    }
    all
}

/// The variables in the first cells of the tables.
fn documented() -> BTreeSet<String> {
    let code = Regex::new("`([A-Z_]+)`").unwrap();
    let page = read(PAGE);
    let cells = page.lines().filter(|line| line.starts_with("| `")).map(|line| line[1..].split(" |").next().unwrap());
    cells.flat_map(|cell| code.captures_iter(cell).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect()
}

/// Only names with a `_` can be told from other words; `HOME` and its like cannot.
#[test]
fn every_variable_that_is_read_is_documented() {
    let name = Regex::new(r#""([A-Z]+(?:_[A-Z]+)+)""#).unwrap();
    let sources = sources();
    let documented = documented();
    let read: BTreeSet<String> = name.captures_iter(&sources).map(|found| found[1].to_owned()).collect();
    for name in NOT_READ {
        assert!(read.contains(name), "nothing is called {name} any more");
    }
    let of_cargo = |name: &&String| !name.starts_with("CARGO_");
    let missing: Vec<&String> =
        read.difference(&documented).filter(of_cargo).filter(|name| !NOT_READ.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "{PAGE} lacks them");
}

#[test]
fn every_variable_that_is_documented_is_read() {
    let sources = sources();
    for name in documented().into_iter().filter(|name| !READ_ELSEWHERE.contains(&name.as_str())) {
        assert!(sources.contains(&format!("\"{name}\"")), "nobody reads {name}");
    }
}
