//! Findings in the Static Analysis Results Interchange Format, version 2.1.0.
//!
//! The rule book is <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. Columns count characters.

use std::fmt::Write;

use serde::Serialize;
use tagwright_core::change::{Code, Location};

use super::check::Entry;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Where the codes are explained.
const HELP: &str = "https://github.com/tagwright/tagwright#findings";

/// A whole log file.
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    results: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: &'static str,
    short_description: Message,
    help_uri: &'static str,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<ResultLocation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<ResultLocation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultLocation {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Debug, Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<Message>,
}

/// Makes the log of some findings; all codes are listed as rules, found or not.
#[must_use]
pub(crate) fn log(entries: &[Entry]) -> Log {
    let driver = Driver {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        information_uri: HELP,
        rules: Code::ALL.into_iter().map(rule).collect(),
    };
    let results = entries.iter().map(outcome).collect();
    Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results }],
    }
}

fn rule(code: Code) -> Rule {
    Rule {
        id: code.as_str(),
        name: code.name(),
        short_description: Message { text: code.summary().to_owned() },
        help_uri: HELP,
        default_configuration: Configuration { level: code.severity().as_str() },
    }
}

fn outcome(entry: &Entry) -> Outcome {
    let finding = &entry.finding;
    let hint = finding.hint.as_ref().map(|hint| format!("\nHelp: {hint}")).unwrap_or_default();
    let related = finding.related.as_ref();
    Outcome {
        rule_id: finding.code.as_str(),
        rule_index: Code::ALL.iter().position(|code| *code == finding.code).unwrap_or_default(),
        level: finding.severity().as_str(),
        message: Message { text: format!("{}{hint}", finding.message) },
        locations: place(&finding.location, None).into_iter().collect(),
        related_locations: related.and_then(|it| place(&it.location, Some(&it.label))).into_iter().collect(),
    }
}

/// A place; none when it is about no file.
fn place(location: &Location, label: Option<&str>) -> Option<ResultLocation> {
    if location.file.is_empty() {
        return None;
    }
    let region = (location.line > 0).then(|| Region {
        start_line: location.line,
        start_column: location.column,
        end_line: location.line,
        end_column: location.end_column(),
        snippet: location.excerpt.as_ref().map(|it| Message { text: it.marked().to_owned() }),
    });
    let artifact_location = Artifact { uri: uri(&location.file) };
    let message = label.map(|label| Message { text: label.to_owned() });
    Some(ResultLocation { physical_location: PhysicalLocation { artifact_location, region }, message })
}

/// A path as a URI reference: what is neither unreserved nor a slash is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => drop(write!(uri, "%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uri_references() {
        assert_eq!(uri("apps/web.yaml"), "apps/web.yaml");
        assert_eq!(uri("/srv/a b.yaml"), "file:///srv/a%20b.yaml");
        assert_eq!(uri("c:é.yaml"), "c%3A%C3%A9.yaml");
    }
}
