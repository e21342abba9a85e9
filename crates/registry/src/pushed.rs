//! When tags were pushed, where a list says so.
//!
//! Google's registries put it beside the tags: `"manifest": {"sha256:…": {"tag": ["1.0"], "timeUploadedMs": "1700000000000",
//! "timeCreatedMs": "…"}}`. The second time is what the image claims of itself, and is left alone. Nobody else has to write
//! anything sensible there, so that whatever is not understood is passed over, and never a reason to refuse a list.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow)]
    tag: Vec<Cow<'a, str>>,
    #[serde(borrow, rename = "timeUploadedMs")]
    uploaded: &'a RawValue,
}

/// Calls `found` with each tag and the time it was pushed.
pub(crate) fn read(manifests: &RawValue, mut found: impl FnMut(&str, Timestamp)) {
    let manifests: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(manifests.get()).unwrap_or_default();
    for manifest in manifests.into_values() {
        let Ok(manifest) = serde_json::from_str::<Manifest<'_>>(manifest.get()) else { continue };
        let Some(time) = time(manifest.uploaded.get()) else { continue };
        manifest.tag.iter().for_each(|tag| found(tag, time));
    }
}

/// Reads milliseconds since 1970, as a number or in quotes. Zero is how an unknown time is written.
fn time(json: &str) -> Option<Timestamp> {
    let milliseconds: i64 = json.trim_matches('"').parse().ok()?;
    (milliseconds > 0).then(|| Timestamp::from_millisecond(milliseconds).ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(json: &str, expect: &[(&str, i64)]) {
        let mut found = Vec::new();
        read(serde_json::from_str(json).unwrap(), |tag, time| found.push((tag.to_owned(), time.as_millisecond())));
        let expect: Vec<(String, i64)> = expect.iter().map(|(tag, time)| ((*tag).to_owned(), *time)).collect();
        assert_eq!(found, expect, "{json}");
    }

    #[test]
    fn what_google_writes() {
        check(
            r#"{
                "sha256:a": {"imageSizeBytes": "2", "layerId": "", "mediaType": "m", "tag": ["1.0", "latest"],
                             "timeCreatedMs": "1", "timeUploadedMs": "1700000000123"},
                "sha256:b": {"tag": [], "timeCreatedMs": "1", "timeUploadedMs": "1700000000000"},
                "sha256:c": {"tag": ["\u0032.0"], "timeUploadedMs": 1700000000456}
            }"#,
            &[("1.0", 1_700_000_000_123), ("latest", 1_700_000_000_123), ("2.0", 1_700_000_000_456)],
        );
    }

    #[test]
    fn garbage_is_passed_over() {
        for json in
            ["null", "1", "\"x\"", "[]", "[{}]", "{}", "{\"a\": null}", "{\"a\": []}", "{\"a\": {\"tag\": [\"1\"]}}"]
        {
            check(json, &[]);
        }
        for time in [
            "null",
            "\"\"",
            "0",
            "\"0\"",
            "-1",
            "1.5",
            "1e3",
            "\"soon\"",
            "9223372036854775807",
            "99999999999999999999",
        ] {
            check(&format!(r#"{{"a": {{"tag": ["1"], "timeUploadedMs": {time}}}}}"#), &[]);
        }
        for tag in ["null", "1", "[1]", "{}"] {
            let one = format!(r#""a": {{"tag": {tag}, "timeUploadedMs": "5"}}"#);
            check(&format!(r#"{{{one}, "b": {{"tag": ["1"], "timeUploadedMs": "6"}}}}"#), &[("1", 6)]);
        }
        check(r#"{"a": {"tag": ["1"], "timeCreatedMs": "5"}}"#, &[]);
    }
}
