//! Laws of embedded YAML: editing and embedding commute, byte for byte; nothing but marked scalars changes; nothing
//! happens unless somebody asks for it.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/events.rs"]
mod parsed;

use image::Reference;
use proptest::prelude::*;
use tagwright_core::change::Code;
use tagwright_core::edit::{self, Edited, Selection, Selections};
use tagwright_core::marker::{self, Embedded, Scan};

const MARKER: &str = "# {\"$imagepolicy\": \"ns:app\"}";
const NUMBER: &str = "# {\"$imagepolicy\": \"ns:num:tag\"}";

/// Pieces of embedded YAML: `N` becomes a number, `M` and `T` markers.
const PIECES: [&str; 18] = [
    "kN: old M",
    "kN:   \"old\"   M",
    "kN:\n  sub: 'old' M\n  other: [a,  b]",
    "kN:\n- old M\n-  x: old M\n   y: 1",
    "kN: | M\n  old",
    "kN: | M\n  old\n    older\n",
    "kN: old\n  and older M",
    "kN: \"old\n  é😀 older\" T",
    "kN: &aN !!str old M",
    "kN: !!float 1.0 T",
    "kN: {a: 1.0} T",
    "kN:\n  [old, M\n  x, old M\n  ]",
    "kN: >\n  text\n\n  # no comment\n",
    "# kN: old",
    "",
    "kN: é😀",
    "kN: old M\n---",
    "kN:",
];

/// The scalars that surround the embedded YAML, and how it is written.
#[derive(Debug, Clone)]
struct Frame {
    indentation: usize,
    header: &'static str,
    line_break: &'static str,
    /// Whether blank lines are indented.
    padded: bool,
}

impl Frame {
    fn write(&self, inner: &str, around: &str) -> String {
        let pad = " ".repeat(self.indentation);
        let header = self.header.replace('N', &(self.indentation - 2).to_string());
        let mut text = format!("kind: ConfigMap\nfirst: {around} {MARKER}\ndata:\n  a.yaml: {header}\n");
        for line in inner.lines() {
            let pad = if line.is_empty() && !self.padded { "" } else { &pad };
            text.push_str(&format!("{pad}{line}\n"));
        }
        text.push_str(&format!("  b.yaml: {around} {MARKER}\nlast:   {around} {MARKER}\n"));
        text.replace('\n', self.line_break)
    }
}

fn frames() -> impl Strategy<Value = Frame> {
    let headers = prop::sample::select(vec!["|", "|-", "|+", "|N", "|N-  # note", "&x |", "!!str |"]);
    let breaks = prop::sample::select(vec!["\n", "\r\n"]);
    (3..9_usize, headers, breaks, any::<bool>()).prop_map(|(indentation, header, line_break, padded)| Frame {
        indentation,
        header,
        line_break,
        padded,
    })
}

/// Embedded YAML with at least one marker.
fn inner() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..8).prop_map(|pieces| {
        let pieces = std::iter::once(PIECES[0]).chain(pieces).enumerate();
        let number = |(number, piece): (usize, &str)| piece.replace('N', &number.to_string()) + "\n";
        pieces.map(number).collect::<String>().replace('M', MARKER).replace('T', NUMBER)
    })
}

fn selections() -> Selections {
    let selected = |reference: &str| Selection::Selected(Reference::parse(reference).unwrap());
    [("ns:app", selected("ghcr.io/org/app:1.2.3")), ("ns:num", selected("ghcr.io/org/app:1.10"))].into_iter().collect()
}

fn apply(bytes: &[u8], embedded: Embedded) -> (Scan, Edited) {
    let scan = marker::scan_with(bytes, embedded);
    let edited = edit::apply(bytes, &scan, &selections());
    (scan, edited)
}

/// The text between the marked scalars; headers of block scalars read as stripping.
fn gaps(bytes: &[u8], scan: &Scan) -> Vec<String> {
    let ends = std::iter::once(0).chain(scan.markers.iter().map(|marker| marker.span.end));
    let starts = scan.markers.iter().map(|marker| marker.span.start).chain([bytes.len()]);
    let gap = |(from, to)| String::from_utf8_lossy(&bytes[from..to]).into_owned();
    let normal = |gap: String| {
        let gap = laws::without_leading_blank_lines(&gap);
        gap.replace(['-', '+'], "").replace("| ", "|").replace("> ", ">").replace("!!float ", "")
    };
    ends.zip(starts).map(gap).map(normal).collect()
}

/// What another parser reads, scalars by their values; `None` if it reads nothing.
fn events(bytes: &[u8]) -> Option<Vec<String>> {
    parsed::events(std::str::from_utf8(bytes).ok()?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn editing_and_embedding_commute(inner in inner(), frame in frames()) {
        let (alone, edited) = apply(inner.as_bytes(), Embedded::Everywhere);
        let new = String::from_utf8(edited.bytes.clone().unwrap()).unwrap();
        prop_assert_eq!(&alone.diagnostics, &[]);
        let text = frame.write(&inner, "old");
        let (scan, within) = apply(text.as_bytes(), Embedded::Everywhere);
        prop_assert_eq!(&scan.diagnostics, &[], "in\n{}", text);
        prop_assert_eq!(&within.diagnostics, &[], "in\n{}", text);
        let written = String::from_utf8(within.bytes.unwrap()).unwrap();
        prop_assert_eq!(&written, &frame.write(&new, "ghcr.io/org/app:1.2.3"), "in\n{}", text);
        prop_assert_eq!(within.changes.len(), edited.changes.len() + 3);
        for marker in &scan.markers {
            let line = text.lines().nth(marker.line - 1).unwrap();
            let from: String = line.chars().skip(marker.column - 1).collect();
            let shown = text[marker.span.clone()].lines().next().unwrap_or_default();
            prop_assert!(from.starts_with(shown), "{}:{} {:?} {:?}", marker.line, marker.column, from, shown);
        }
        let again = apply(written.as_bytes(), Embedded::Everywhere);
        prop_assert_eq!(again.1.bytes, None);
        prop_assert_eq!(gaps(text.as_bytes(), &scan), gaps(written.as_bytes(), &again.0));
    }

    #[test]
    fn unless_asked_for_nothing_embedded_changes(inner in inner(), frame in frames()) {
        let text = frame.write(&inner, "old");
        let (scan, edited) = apply(text.as_bytes(), Embedded::Annotated);
        let codes: Vec<Code> = scan.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        prop_assert_eq!(codes, [Code::EmbeddedOff]);
        let written = String::from_utf8(edited.bytes.unwrap()).unwrap();
        prop_assert_eq!(written, frame.write(&inner, "ghcr.io/org/app:1.2.3"));
    }

    #[test]
    fn damaged_files_keep_what_is_not_marked(
        inner in inner(),
        frame in frames(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<prop::sample::Index>()), 1..6),
    ) {
        let mut bytes = frame.write(&inner, "old").into_bytes();
        for (place, kind, indicator) in damage {
            let indicators = b"\n \t:-,[]{}#&*!|>'\"%@?~\r0";
            let (at, indicator) = (place.index(bytes.len()), indicators[indicator.index(indicators.len())]);
            match kind {
                0 => bytes.insert(at, indicator),
                1 => bytes[at] = indicator,
                _ => drop(bytes.remove(at)),
            }
        }
        let (scan, edited) = apply(&bytes, Embedded::Everywhere);
        prop_assert_eq!(edited.bytes.is_some(), !edited.changes.is_empty());
        let Some(new) = edited.bytes else { return Ok(()) };
        let again = apply(&new, Embedded::Everywhere);
        prop_assert_eq!(&again.1.bytes, &None);
        if !laws::has_blank(&scan) {
            prop_assert_eq!(gaps(&bytes, &scan), gaps(&new, &again.0));
        }
        if let (Some(before), Some(after)) = (events(&bytes), events(&new)) {
            prop_assert_eq!(before.len(), after.len());
            let differing = before.into_iter().zip(after).filter(|(before, after)| before != after).count();
            prop_assert!(differing <= edited.changes.len());
        }
    }
}

fn config_map(lines: &str) -> String {
    format!("data:\n  a.yaml: |\n{lines}")
}

#[track_caller]
fn check_counts(text: &str, changes: usize, diagnostics: usize) {
    let (scan, edited) = apply(text.as_bytes(), Embedded::Everywhere);
    let found: Vec<_> = scan.diagnostics.iter().chain(&edited.diagnostics).collect();
    assert_eq!(edited.changes.len(), changes, "{:?}", found.first());
    assert_eq!(found.len(), diagnostics, "{:?}", found.first());
}

#[test]
fn a_scan_of_another_text_changes_nothing() {
    let scan = marker::scan_with(config_map(&format!("    a: old {MARKER}\n")).as_bytes(), Embedded::Everywhere);
    for other in ["", "日本日本日本日本日本日本日本日本日本日本", "a: [", "a: 日本 # ".repeat(20).as_str()]
    {
        let edited = edit::apply(other.as_bytes(), &scan, &selections());
        assert_eq!((edited.bytes, edited.changes.len(), edited.diagnostics.len()), (None, 0, 1));
    }
}

#[test]
fn much_embedded_yaml() {
    check_counts(&config_map(&format!("    - a: old {MARKER}\n").repeat(10_000)), 10_000, 0);
    check_counts(&format!("- |\n  a: old {MARKER}\n").repeat(10_000), 10_000, 0);
    check_counts(&format!("---\na: |\n  a: old {MARKER}\n").repeat(10_000), 10_000, 0);
    check_counts(&config_map(&format!("    - |\n      a: old {MARKER}\n").repeat(1_000)), 0, 1_000);
    check_counts(&format!("- >\n  a: old {MARKER}\n").repeat(10_000), 0, 10_000);
    let filler = "    - {a: b, c: \"d\"} # note\n".repeat(30_000);
    check_counts(&config_map(&format!("    - old {MARKER}\n{filler}    - old {MARKER}\n")), 2, 0);
}

#[test]
fn deep_nesting() {
    let blocks: String = (0..100).map(|depth| format!("{}a: |\n", " ".repeat(depth))).collect();
    check_counts(&format!("{blocks}{}b: old {MARKER}\n", " ".repeat(100)), 0, 0);
    check_counts(&config_map(&format!("    a: {}\n    b: old {MARKER}\n", "[".repeat(10_000))), 0, 1);
    check_counts(&config_map(&format!("    {}old {MARKER}\n", "- ".repeat(10_000))), 0, 1);
}
