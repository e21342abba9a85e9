//! Comments that mention markers without being any.
//!
//! A document without the exact token `"$imagepolicy"` is never searched for markers, so that a run passes over
//! `{'$imagepolicy': …}` in silence. Here it is not.

use std::collections::BTreeSet;

use memchr::memmem;
use yamlspan::document;
use yamlspan::lines::{self, Lines};

use super::Finding;
use super::text::MarkedText;
use crate::change::Code;
use crate::marker::grammar::{self, MENTION, Reading};
use crate::marker::{self, TOKEN};

/// How many policies that bad markers name are remembered for each file.
const MAX_POLICIES: usize = 1_000;

/// Whether bytes mention a marker, however it is written.
#[must_use]
pub fn is_mentioned(bytes: &[u8]) -> bool {
    memmem::find(bytes, MENTION.as_bytes()).is_some() || marker::contains_token(bytes)
}

/// Finds the comments that are no markers, in documents in which nobody looks for markers.
pub(super) fn almost_markers(marked: &MarkedText<'_>) -> Vec<Finding> {
    let text = marked.text;
    let tokens = memmem::find_iter(text.as_bytes(), TOKEN).count();
    if memmem::find_iter(text.as_bytes(), MENTION).count() == tokens || text.len() > marker::MAX_FILE_BYTES {
        return Vec::new();
    }
    let lines = Lines::of(text);
    let is_silent = |text: &str| text.contains(MENTION) && !text.contains(TOKEN);
    let mut findings = Vec::new();
    for span in lines::documents(text, &lines).into_iter().filter(|span| is_silent(&text[span.clone()])) {
        let Ok(document) = document::parse(&text[span.clone()]) else { continue };
        for comment in &document.comments {
            let comment = span.start + comment.start..span.start + comment.end;
            let Reading::Malformed(reason) = grammar::read(&text[comment.clone()]) else { continue };
            // Without a brace it is prose.
            if !text[comment.clone()].contains('{') {
                continue;
            }
            let place = lines.position(text, comment.start);
            let location = marked.location(place.line, place.column, comment);
            let finding = Finding::new(Code::MalformedMarker, location, format!("the comment is no marker: {reason}"));
            findings.push(finding.hint("write `# {\"$imagepolicy\": \"NAMESPACE:POLICY\"}`, with double quotes"));
        }
    }
    findings
}

/// The policies, `namespace:name`, that markers name wherever they stand, also in documents that cannot be parsed.
pub(super) fn policies(bytes: &[u8]) -> BTreeSet<String> {
    let mut policies = BTreeSet::new();
    for at in memmem::find_iter(bytes, TOKEN).take(MAX_POLICIES) {
        let Some(start) = memchr::memrchr(b'{', &bytes[..at]) else { continue };
        let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        let line = String::from_utf8_lossy(&bytes[start..end]);
        let comment = format!("#{}", line.find('}').map_or(&*line, |close| &line[..=close]));
        match grammar::read(&comment) {
            Reading::Marker(setter) => policies.insert(setter.text[..setter.policy].to_owned()),
            Reading::UnknownField(text) => policies.insert(text.split(':').take(2).collect::<Vec<_>>().join(":")),
            Reading::Unrelated | Reading::Malformed(_) => false,
        };
    }
    policies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_markers_name_policies_too() {
        let text = r#"
a: {{ x }}:1 # {"$imagepolicy": "default:web"}
b: 1 # keep {"$imagepolicy": "default:api:tag"} pinned
c: 1 # {"$imagepolicy": "default:db:tags"}
d: 1 # {'$imagepolicy': 'default:no'}
"#;
        let found: Vec<String> = policies(text.as_bytes()).into_iter().collect();
        assert_eq!(found, ["default:api", "default:db", "default:web"]);
        assert!(is_mentioned(b"# {'$imagepolicy': 'a:b'}") && !is_mentioned(b"# image policy"));
    }
}
