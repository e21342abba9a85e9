//! Finds the fields of YAML files that carry a marker such as `# {"$imagepolicy": "default:podinfo:tag"}`.
//!
//! A file is looked at when [`is_candidate_path`] and [`is_mentioned`] say so. [`scan`] then cuts it into
//! documents, reads those that mention a marker, and gives the byte span of every marked scalar with its policy, the
//! field to set and the object it belongs to. It never fails: what cannot be read or used is a [`Diagnostic`], and
//! one broken document does not stop the others. What a marker looks like is in `marker::grammar`, where it may stand
//! in `marker::placement`. Markers in YAML that a block scalar holds count where somebody asked for it
//! ([`Embedded`]).
//!
//! ```
//! use tagwright_core::marker::{self, Field};
//!
//! let text = "spec:\n  image: ghcr.io/org/app:1.0 # {\"$imagepolicy\": \"default:app\"}\n";
//! let scan = marker::scan(text.as_bytes());
//! let marker = &scan.markers[0];
//! assert_eq!((marker.policy(), marker.field), ("default:app", Field::Image));
//! assert_eq!(&text[marker.span.clone()], "ghcr.io/org/app:1.0");
//! assert_eq!((marker.line, marker.column), (2, 10));
//! ```

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use yamlspan::document::{Style, TagSite};
use yamlspan::lines::{self, Lines};
use yamlspan::patch::Slot;

use crate::change::{Code, Diagnostic};
use crate::marker::embedded::Block;
use crate::marker::object::Object;
use crate::marker::reader::Reader;
use crate::marker::registry::Beside;
use crate::marker::target::Aims;
use crate::sops;

pub(crate) mod embedded;
pub(crate) mod grammar;
pub mod kept;
pub(crate) mod object;
mod path;
mod reader;
pub(crate) mod registry;
mod steps;
mod target;

pub use self::embedded::Embedded;
pub(crate) use self::steps::Step;
pub use self::steps::Steps;
pub use self::target::{Marking, Target, TargetFields};

/// The text that a file must contain to be looked at, both quotes included.
pub const TOKEN: &str = "\"$imagepolicy\"";

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// How many markers a file may have.
pub const MAX_MARKERS: usize = 100_000;

/// How many findings of one file are listed.
pub const MAX_DIAGNOSTICS: usize = 10_000;

/// The part of an image reference that a marker sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Field {
    /// `namespace:policy`: `name:tag`, or `name:tag@digest`.
    Image,
    /// `namespace:policy:name`: the repository as its user wrote it.
    Name,
    /// `namespace:policy:tag`.
    Tag,
    /// `namespace:policy:digest`.
    Digest,
}

/// The marked fields of one file, with all that an edit of them needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Scan {
    /// The marked fields, in the order of the text.
    pub markers: Vec<Marker>,
    /// Findings about markers that cannot be read or used, in the order of the text; `file` is empty.
    pub diagnostics: Vec<Diagnostic>,
    pub(crate) documents: Vec<MarkedDocument>,
    /// The block scalars with markers that count.
    pub(crate) blocks: Vec<Block>,
    /// The rule for embedded YAML, so that a text can be scanned again alike.
    pub(crate) embedded: Embedded,
    /// The targets in the file, for the same. Scans with targets are not kept.
    #[serde(skip)]
    pub(crate) targets: Arc<[Target]>,
}

/// One marked field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Marker {
    /// The marker's whole value, decoded: `namespace:policy`, perhaps with `:tag`, `:name` or `:digest`.
    pub setter: String,
    /// The part of the reference that it sets.
    pub field: Field,
    /// The bytes of the scalar: quotes included; of a block scalar the content, blank lines before its text included and
    /// its header excluded.
    pub span: Range<usize>,
    /// The line of the scalar, from 1.
    pub line: usize,
    /// The column of the scalar in characters, from 1.
    pub column: usize,
    /// The decoded value, without quotes, escapes and line folding.
    pub value: String,
    pub(crate) scalar: MarkedScalar,
}

impl Marker {
    /// `namespace:policy`, without the field.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.setter[..self.scalar.policy_length]
    }

    /// The namespace of the policy.
    #[must_use]
    pub fn policy_namespace(&self) -> &str {
        &self.setter[..self.scalar.namespace_length]
    }

    /// The scalar as it is written.
    pub(crate) fn slot(&self) -> Slot<'_> {
        let MarkedScalar { style, in_flow, tag, header, .. } = &self.scalar;
        Slot {
            span: self.span.clone(),
            value: &self.value,
            style: *style,
            in_flow: *in_flow,
            tag: tag.as_ref(),
            header: header.clone(),
        }
    }

    /// The name of the policy.
    #[must_use]
    pub fn policy_name(&self) -> &str {
        &self.setter[self.scalar.namespace_length + 1..self.scalar.policy_length]
    }
}

/// A marked scalar as it is written; all spans are bytes of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MarkedScalar {
    pub(crate) style: Style,
    pub(crate) in_flow: bool,
    pub(crate) is_item: bool,
    pub(crate) tag: Option<TagSite>,
    /// Of a block scalar.
    pub(crate) header: Option<Range<usize>>,
    /// The index in [`Scan::documents`].
    pub(crate) document: usize,
    /// The number of the scalar in its document, or in that of the block it is in.
    pub(crate) ordinal: usize,
    /// The index in [`MarkedDocument::objects`].
    pub(crate) object: usize,
    /// Where it is in its document, by keys and names.
    pub(crate) path: u64,
    /// In embedded YAML, the index in [`Scan::blocks`].
    pub(crate) embedded: Option<usize>,
    /// The number of the mapping that it is in, or of the list of parameters whose value it is; in embedded YAML, of that.
    pub(crate) mapping: Option<usize>,
    /// Of a name, the registry that stands under a key of its own.
    pub(crate) registry: Option<Beside>,
    /// Whether its key is that of a tag, and it has nothing else, although the marker sets a whole image.
    pub(crate) lacks_field: bool,
    /// Whether it is the version of a Helm chart, which has `+` where its tag has `_`.
    pub(crate) is_chart_version: bool,
    /// Whether a MAC of SOPS covers it.
    pub(crate) sealed: bool,
    namespace_length: usize,
    policy_length: usize,
}

/// A document that has markers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MarkedDocument {
    pub(crate) span: Range<usize>,
    /// The structure and values of the document but for its marked scalars, as one number.
    pub(crate) fingerprint: u64,
    pub(crate) objects: Vec<Object>,
}

/// Whether bytes contain the [`TOKEN`]; UTF-16 and UTF-32 text is searched too, with and without a byte order mark, so that it can
/// be reported.
#[must_use]
pub fn contains_token(bytes: &[u8]) -> bool {
    memmem::find(bytes, TOKEN.as_bytes()).is_some() || is_wide_with_token(bytes)
}

/// Whether bytes mention a marker, however it is written: with the [`TOKEN`], or with something that is almost one and deserves a
/// finding, such as another quote or a misspelt key.
#[must_use]
pub fn is_mentioned(bytes: &[u8]) -> bool {
    mentions(bytes) || is_wide_with_token(bytes)
}

fn mentions(bytes: &[u8]) -> bool {
    memmem::find(bytes, grammar::MENTION.as_bytes()).is_some() || grammar::has_misspelt(bytes)
}

/// How many bytes at the beginning tell UTF-16 and UTF-32 from UTF-8: YAML has ASCII there, and that has NULs between.
const WIDE_HEAD: usize = 64;

/// Whether text of two or four bytes a character has the token. A mark at its beginning may be missing.
fn is_wide_with_token(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(WIDE_HEAD)];
    if memchr::memchr(0, head).is_none() && !has_wide_mark(bytes) {
        return false;
    }
    let little =
        |width: usize| TOKEN.bytes().flat_map(move |byte| (0..width).map(move |at| if at == 0 { byte } else { 0 }));
    let big = |width: usize| {
        TOKEN.bytes().flat_map(move |byte| (1..=width).map(move |at| if at == width { byte } else { 0 }))
    };
    let has = |token: Vec<u8>| memmem::find(bytes, &token).is_some();
    [2, 4].into_iter().any(|width| has(little(width).collect()) || has(big(width).collect()))
}

fn has_wide_mark(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF])
}

/// Whether a path, with `/` between folders, names a file that may carry markers.
///
/// The extension must be exactly `.yaml` or `.yml`, or the name exactly `Kustomization`.
///
/// ```
/// use tagwright_core::marker::is_candidate_path;
/// assert!(is_candidate_path("apps/web.yaml") && is_candidate_path("apps/Kustomization"));
/// assert!(!is_candidate_path("apps/web.YAML") && !is_candidate_path("web.yaml.tpl"));
/// ```
#[must_use]
pub fn is_candidate_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".yaml") || name.ends_with(".yml") || name == "Kustomization"
}

/// Finds every marked field of a file.
///
/// The time is linear in the size of the file. Anchors are not expanded, nesting is limited to 255 collections, and a
/// file larger than [`MAX_FILE_BYTES`], or with more than [`MAX_MARKERS`], is only reported. Markers in embedded YAML count
/// where an object asks for it.
#[must_use]
pub fn scan(bytes: &[u8]) -> Scan {
    scan_with(bytes, Embedded::Annotated)
}

/// As [`scan`], with a say in which markers in embedded YAML count, and which fields count without a marker.
///
/// ```
/// use tagwright_core::marker::{Embedded, scan_with};
/// let text = "data:\n  values.yaml: |\n    tag: 1.0 # {\"$imagepolicy\": \"default:app:tag\"}\n";
/// let scan = scan_with(text.as_bytes(), Embedded::Everywhere);
/// assert_eq!((&text[scan.markers[0].span.clone()], scan.markers[0].line), ("1.0", 3));
/// assert!(scan_with(text.as_bytes(), Embedded::Annotated).markers.is_empty());
/// ```
#[must_use]
pub fn scan_with(bytes: &[u8], marking: impl Into<Marking>) -> Scan {
    let Marking { embedded, targets } = marking.into();
    let empty = Scan { embedded, targets, ..Scan::default() };
    if !is_mentioned(bytes) && empty.targets.is_empty() {
        return empty;
    }
    match readable(bytes) {
        Ok(text) => scan_text(text, &empty, 0),
        // It has no marker that somebody could wait for.
        Err(_) if !contains_token(bytes) && empty.targets.is_empty() => empty,
        Err(diagnostic) => Scan { diagnostics: vec![diagnostic], ..empty },
    }
}

/// Scans a file as an empty scan says, or at a deeper level what a block scalar holds.
fn scan_text(text: &str, empty: &Scan, level: usize) -> Scan {
    let mut scan = empty.clone();
    let targets = Arc::clone(&scan.targets);
    let starts = Lines::of(text);
    let mut aims = Aims::of(&targets);
    for (number, span) in (1..).zip(lines::documents(text, &starts)) {
        if !targets.is_empty() || mentions(&text.as_bytes()[span.clone()]) {
            Reader { text, lines: &starts, span, number, level, aims: &mut aims, scan: &mut scan }.read();
        }
    }
    // Nobody knows which is meant.
    if aims.is_ambiguous(&targets) {
        let findings: Vec<String> = aims.findings(&targets).collect();
        scan = scan_text(text, &Scan { targets: Arc::default(), ..empty.clone() }, level);
        scan.targets = targets;
        scan.diagnostics.extend(findings.into_iter().map(target_missing));
    } else {
        scan.diagnostics.extend(aims.findings(&targets).map(target_missing));
    }
    scan.diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
    if !scan.markers.is_empty() && sops::covers_plain_values(text, &starts) {
        scan.markers.iter_mut().for_each(|marker| marker.scalar.sealed = true);
    }
    scan
}

fn target_missing(message: String) -> Diagnostic {
    Diagnostic { file: String::new(), line: 0, column: 0, code: Code::TargetMissing, message }
}

fn readable(bytes: &[u8]) -> Result<&str, Diagnostic> {
    let whole_file = |code, message| Diagnostic { file: String::new(), line: 0, column: 0, code, message };
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file has markers and is larger than {MAX_FILE_BYTES} bytes; it is left alone");
        return Err(whole_file(Code::FileTooLarge, message));
    }
    if memmem::find_iter(bytes, TOKEN).nth(MAX_MARKERS).is_some() {
        let message = format!("the file has more than {MAX_MARKERS} markers; it is left alone");
        return Err(whole_file(Code::FileTooLarge, message));
    }
    if has_wide_mark(bytes) || is_wide_with_token(bytes) {
        return Err(whole_file(Code::NotText, "the file has markers and is UTF-16; only UTF-8 is edited".to_owned()));
    }
    if let Some(offset) = memchr::memchr(0, bytes) {
        let message = format!("the file has markers and a NUL at byte {offset}; only text is edited");
        return Err(whole_file(Code::NotText, message));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("the file has markers and is not UTF-8 from byte {} on", error.valid_up_to());
        whole_file(Code::NotText, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_almost_a_marker_is_found_and_reported() {
        for text in [
            "tag: 1.0 # {\"$imagepolcy\": \"default:app:tag\"}\n",
            "tag: 1.0 # {\"$imagePolicy\": \"default:app:tag\"}\n",
            "tag: 1.0 # {'$imagepolicy': 'default:app:tag'}\n",
            "tag: 1.0 # {$imagepolicy: default:app:tag}\n",
            "tag: 1.0 # {\"$imagescan\": \"app:tag\"}\n",
        ] {
            assert!(is_mentioned(text.as_bytes()), "{text}");
            let found = scan(text.as_bytes()).diagnostics;
            assert!(
                matches!(&found[..], [it] if it.code == Code::MalformedMarker && it.line == 1),
                "{text}: {found:?}"
            );
        }
        for text in
            ["a: 1 # image policy\n", "a: 1 # {\"$ref\": \"a\"}\n", "a: [ # {\"$imagePolicy\": \"a:b\"}\n", "a: 1\n"]
        {
            assert!(scan(text.as_bytes()).diagnostics.is_empty(), "{text}");
        }
        assert!(!is_mentioned(b"# image policy") && !is_mentioned(b"# {\"$ref\": \"a\"}"));
    }

    #[test]
    fn wide_text_is_found_and_reported_with_and_without_a_mark() {
        let text = "# ä\na: b # {\"$imagepolicy\": \"default:app\"}\n";
        let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let wider = |unit: fn(u32) -> [u8; 4]| text.chars().map(u32::from).flat_map(unit).collect::<Vec<u8>>();
        let mut all =
            vec![wide(u16::to_le_bytes), wide(u16::to_be_bytes), wider(u32::to_le_bytes), wider(u32::to_be_bytes)];
        let marked = [[0xFF, 0xFE].as_slice(), &all[0]].concat();
        all.extend([marked, [[0xFE, 0xFF].as_slice(), &all[1]].concat()]);
        for bytes in all {
            assert!(contains_token(&bytes), "{bytes:?}");
            let codes: Vec<Code> = scan(&bytes).diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
            assert_eq!(codes, [Code::NotText], "{bytes:?}");
        }
        let other: Vec<u8> = "a: b # no marker\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!contains_token(&other) && !contains_token(b"") && !contains_token(&[0; 200]));
    }
}
