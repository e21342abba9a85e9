//! When tags were pushed, where a list says so.
//!
//! Google's registries put it beside the tags: `"manifest": {"sha256:…": {"tag": ["1.0"], "timeUploadedMs": "1700000000000",
//! "timeCreatedMs": "…"}}`. The second time is what the image claims of itself, and is left alone. Nobody else has to write
//! anything sensible there, so that whatever is not understood is passed over, and never a reason to refuse a list.

use std::fmt;

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

use super::page;

#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow)]
    tag: &'a RawValue,
    #[serde(borrow, rename = "timeUploadedMs")]
    uploaded: &'a RawValue,
}

/// Calls `found` with each tag, what it points to, and the time that was pushed. A manifest of more than `most` tags is passed
/// over.
pub(crate) fn read(manifests: &RawValue, most: usize, found: impl FnMut(&str, &str, Timestamp)) {
    let mut json = serde_json::Deserializer::from_str(manifests.get());
    // What was found before something that is not understood counts.
    let _ = json.deserialize_map(Manifests { most, found });
}

/// Visits one manifest after the other, since there may be millions.
struct Manifests<F> {
    most: usize,
    found: F,
}

impl<'de, F: FnMut(&str, &str, Timestamp)> Visitor<'de> for Manifests<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("manifests by their digests")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut manifests: A) -> Result<(), A::Error> {
        while let Some((digest, manifest)) = manifests.next_entry::<String, &RawValue>()? {
            let Ok(manifest) = serde_json::from_str::<Manifest<'_>>(manifest.get()) else { continue };
            let Some(time) = time(manifest.uploaded.get()) else { continue };
            let Ok(Some(tags)) = page::texts(manifest.tag, self.most) else { continue };
            tags.iter().for_each(|tag| (self.found)(tag, &digest, time));
        }
        Ok(())
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
        let found_one = |tag: &str, digest: &str, time: Timestamp| {
            assert!(["sha256:a", "sha256:b", "sha256:c", "a", "b"].contains(&digest), "{digest}");
            found.push((tag.to_owned(), time.as_millisecond()));
        };
        read(serde_json::from_str(json).unwrap(), 10, found_one);
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
