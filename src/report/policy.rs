//! A policy as it would be written in an `ImageAutomation`, whichever kind of object it comes from.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use tagwright_core::automation::{DigestReflection, ImagePolicy, Schedule};
use tagwright_core::policy::{Direction, Order};

/// What is excluded where nobody says otherwise.
const EXCLUDED: &str = "^.*\\.sig$";

/// How many digests that are never selected are named.
const MAX_DIGESTS: usize = 20;

/// Writes an entry of `images`. Who has to have signed is not said again, since keys and roots may be long and in secrets.
#[must_use]
pub(crate) fn yaml(policy: &ImagePolicy) -> String {
    let ImagePolicy { id, repository, policy: rule, guards, digest, refresh: _, targets, suspended, labels: _ } =
        policy;
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{}{key}: {value}", if text.is_empty() { "- " } else { "  " });
    };
    line("name", quoted(&id.name));
    line("namespace", quoted(&id.namespace));
    line("image", quoted(repository.image.name()));
    if let Some(filter) = &rule.filter {
        let extract =
            if filter.extract.is_empty() { String::new() } else { format!(", extract: {}", quoted(&filter.extract)) };
        line("filterTags", format!("{{pattern: {}{extract}}}", quoted(filter.pattern.as_str())));
    }
    let ordered = |kind: &str, direction: &Direction| {
        let order = match direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        };
        format!("{{{kind}: {{order: {order}}}}}")
    };
    line(
        "policy",
        match &rule.order {
            Order::Semver(range) => format!("{{semver: {{range: {}}}}}", quoted(range.as_str())),
            Order::Calver(format) => format!("{{calver: {{format: {}}}}}", quoted(format.as_str())),
            Order::Newest => "{newest: {}}".to_owned(),
            Order::Numerical(direction) => ordered("numerical", direction),
            Order::Alphabetical(direction) => ordered("alphabetical", direction),
        },
    );
    match digest {
        DigestReflection::Never => {}
        DigestReflection::IfNotPresent => line("digestReflectionPolicy", "IfNotPresent".to_owned()),
        DigestReflection::Always => line("digestReflectionPolicy", "Always".to_owned()),
    }
    let exclusions: Vec<&str> = repository.exclusions.iter().map(gotext::pattern::Pattern::as_str).collect();
    if exclusions != [EXCLUDED] {
        line("exclusionList", list(exclusions));
    }
    if !guards.deny.is_empty() {
        let denied: Vec<String> = guards.deny.iter().map(tagwright_core::automation::Deny::text).collect();
        line("exclude", list(denied.iter().map(String::as_str)));
    }
    if !guards.deny_digests.is_empty() {
        let more = guards.deny_digests.len().saturating_sub(MAX_DIGESTS);
        let more = if more > 0 { format!(" # and {more} more") } else { String::new() };
        let shown = list(guards.deny_digests.iter().take(MAX_DIGESTS).map(image::Digest::as_str));
        line("excludeDigests", format!("{shown}{more}"));
    }
    if let Some(age) = guards.minimum_age {
        line("minimumAge", duration(age));
    }
    if guards.ignore_attestation_only {
        line("ignoreAttestationOnly", "true".to_owned());
    }
    if !guards.platforms.is_empty() {
        let platforms: Vec<String> = guards.platforms.iter().map(ToString::to_string).collect();
        line("platforms", list(platforms.iter().map(String::as_str)));
    }
    if let Some(pullable) = &guards.pullable {
        let mirrors = list(pullable.mirrors.iter().map(image::Repository::name));
        line("pullable", if pullable.mirrors.is_empty() { "{}".to_owned() } else { format!("{{mirrors: {mirrors}}}") });
    }
    if let Some(group) = &guards.together {
        line("together", quoted(group));
    }
    if guards.allow_downgrade {
        line("allowDowngrade", "true".to_owned());
    }
    if let Schedule::Every(interval) = &repository.schedule {
        line("interval", duration(*interval));
    }
    if let Some(longest) = repository.max_interval {
        line("maxInterval", duration(longest));
    }
    if *suspended || repository.suspended {
        line("suspend", "true".to_owned());
    }
    if !targets.is_empty() {
        let files: BTreeSet<&str> = targets.iter().map(|target| target.path.as_str()).collect();
        let _ = writeln!(text, "  # targets: as configured, in {}", list(files));
    }
    if guards.fast_lane.is_some() {
        text.push_str("  # fastLane: as configured; its documents are not repeated here\n");
    }
    if guards.verify.is_some() {
        text.push_str("  # verify: as configured; keys and roots are not repeated here\n");
    }
    text
}

/// A text that YAML reads as that text, whatever is in it: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

/// A time as Go writes it, without the parts that are nothing: `72h`, `1h30m`, `5m`.
fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (millis.into(), "ms")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_times() {
        for (text, expect) in [
            ("web", "web"),
            ("ghcr.io/acme/web", "ghcr.io/acme/web"),
            ("localhost:5000/web", "\"localhost:5000/web\""),
            ("1.x", "\"1.x\""),
            ("No", "\"No\""),
            (">=1.0 # x", "\">=1.0 # x\""),
            ("^v(?P<a>\\d+)\"$", "\"^v(?P<a>\\\\d+)\\\"$\""),
        ] {
            assert_eq!(quoted(text), expect);
        }
        for (seconds, expect) in [(0, "0s"), (300, "5m"), (5400, "1h30m"), (259_200, "72h"), (61, "1m1s")] {
            assert_eq!(duration(Duration::from_secs(seconds)), expect);
        }
    }
}
