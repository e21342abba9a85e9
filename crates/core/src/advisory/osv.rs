//! OSV (<https://ossf.github.io/osv-schema/>): ranges of versions that are affected, and where they end.

use gotext::version::Version;
use serde::Deserialize;
use serde_json::Value;

use super::purl::Purl;
use super::{Fix, Package, Problem, What, best};

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    withdrawn: Option<String>,
    #[serde(default)]
    affected: Vec<Affected>,
}

#[derive(Deserialize)]
struct Affected {
    package: Option<WirePackage>,
    #[serde(default)]
    ranges: Vec<Range>,
}

#[derive(Deserialize)]
struct WirePackage {
    #[serde(default)]
    name: String,
    purl: Option<String>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
}

/// Reads a document.
pub(super) fn read(value: Value) -> Result<Vec<Fix>, Problem> {
    let wire = Wire::deserialize(value).map_err(|error| Problem::Malformed("OSV", error.to_string()))?;
    if wire.withdrawn.is_some() {
        return Ok(Vec::new());
    }
    let vulnerability = best(&wire.id, wire.aliases.iter().map(String::as_str));
    let mut fixes = Vec::new();
    for Affected { package, ranges } in wire.affected {
        let package = package.map(|it| Package { purl: it.purl.as_deref().and_then(Purl::parse), name: it.name });
        let package = package.unwrap_or_default();
        for range in ranges.iter().filter(|range| matches!(range.kind.as_str(), "SEMVER" | "ECOSYSTEM")) {
            for fixed in range.events.iter().filter_map(|event| event.fixed.as_ref()) {
                let until = next_introduced(range, fixed);
                let what = What::Release { package: package.clone(), fixed: fixed.clone(), until };
                fixes.push(Fix { vulnerability: vulnerability.clone(), what });
            }
            if fixes.len() > super::MAX_FIXES {
                return Err(Problem::TooMany);
            }
        }
    }
    Ok(fixes)
}

/// Where what is fixed begins again, above a version.
fn next_introduced(range: &Range, fixed: &str) -> Option<String> {
    let fixed = Version::parse(fixed).ok()?;
    let above = |text: &String| {
        let version = Version::parse(text).ok()?;
        version.cmp_precedence(&fixed).is_gt().then(|| (version, text.clone()))
    };
    let above = range.events.iter().filter_map(|event| above(event.introduced.as_ref()?));
    above.min_by(|(left, _), (right, _)| left.cmp_precedence(right)).map(|(_, text)| text)
}
