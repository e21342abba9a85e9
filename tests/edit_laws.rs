//! Laws of the editor, held against generated YAML: only marked scalars change, twice is once, without a selection
//! nothing happens, and nothing that a file contains makes it panic or take long.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/laws.rs"]
mod laws;
#[path = "support/events.rs"]
mod parsed;

use std::fmt::Write as _;

use image::Reference;
use proptest::prelude::*;
use tagwright_core::change::Code;
use tagwright_core::edit::{self, Edited, Selection, Selections};
use tagwright_core::marker::{self, Scan};

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

const POLICIES: [&str; 4] = ["ns:app", "ns:num", "ns:yes", "ns:none"];

fn selections() -> Selections {
    let selected = |reference: &str| Selection::Selected(Reference::parse(reference).unwrap());
    let mut selections = Selections::new();
    selections.insert("ns:app", selected("ghcr.io/org/app:1.2.3"));
    selections.insert("ns:num", selected("localhost:5000/app:0123"));
    selections.insert("ns:yes", selected("10:30"));
    selections.insert("ns:none", Selection::NoSelection("no tag matches".to_owned()));
    selections
}

/// Writes YAML as a list of choices says; when the list ends, every further choice is the first, which is the
/// simplest.
struct Writer<'c> {
    choices: std::slice::Iter<'c, u8>,
    text: String,
    scalars: usize,
    /// Markers that must change a field.
    effective: usize,
}

impl<'c> Writer<'c> {
    /// The text, and how many of its markers must change a field.
    fn write(choices: &'c [u8]) -> (String, usize) {
        let mut writer = Writer { choices: choices.iter(), text: String::new(), scalars: 0, effective: 0 };
        let line_break = writer.pick(&["\n", "\n", "\r\n"]);
        writer.push_one(&["", "\u{FEFF}", "---\n", "# top\n\n", "%YAML 1.2\n---\n"]);
        for index in 0..=writer.choose(3) {
            if index > 0 {
                writer.push_one(&["---\n", "--- # next\n", "...\n---\n"]);
            }
            writer.collection(0, 4);
        }
        if writer.choose(4) == 3 {
            writer.text.truncate(writer.text.trim_end_matches('\n').len());
        }
        (writer.text.replace('\n', line_break), writer.effective)
    }

    fn choose(&mut self, options: usize) -> usize {
        self.choices.next().map_or(0, |&choice| usize::from(choice) % options)
    }

    fn pick(&mut self, options: &[&'static str]) -> &'static str {
        options[self.choose(options.len())]
    }

    fn push_one(&mut self, options: &[&'static str]) {
        let text = self.pick(options);
        self.text.push_str(text);
    }

    fn collection(&mut self, indentation: usize, depth: usize) {
        let mapping = self.choose(2) == 0;
        let pad = " ".repeat(indentation);
        for index in 0..=self.choose(3) {
            self.push_one(&["", "", "", "\n", "\n\n"]);
            if self.choose(5) == 4 {
                self.text.push_str(&format!("{pad}# 😀 note: {{\"a\": 'b'}}\n"));
            }
            let entry = match (mapping, self.choose(5)) {
                (false, _) => "-".to_owned(),
                (true, 1) => format!("\"quoted{index}\":"),
                (true, 2) => format!("'single{index}' :"),
                (true, 3) => format!("日本{index}:"),
                (true, 4) => format!("? complex{index}\n{pad}:"),
                (true, _) => format!("key{index}:"),
            };
            self.text.push_str(&format!("{pad}{entry}"));
            self.node(indentation + 2, depth);
        }
    }

    fn node(&mut self, indentation: usize, depth: usize) {
        match self.choose(if depth == 0 { 9 } else { 12 }) {
            0..=4 => self.one_line(),
            5 => self.block(indentation),
            6 => self.flow(indentation),
            7 => self.below(indentation),
            8 => self.push_one(&[" |\n", "\n", " []\n", " # note\n"]),
            _ => {
                self.text.push('\n');
                self.collection(indentation, depth - 1);
            }
        }
    }

    fn one_line(&mut self) {
        let (scalar, comment) = (self.scalar(), self.comment());
        let _ = writeln!(self.text, " {scalar}{comment}");
    }

    fn below(&mut self, indentation: usize) {
        let (scalar, comment) = (self.scalar(), self.comment());
        let _ = writeln!(self.text, "\n{:indentation$}{scalar}{comment}", "");
    }

    fn block(&mut self, indentation: usize) {
        let header = self.pick(&["|", ">", "|-", ">-", "|+", ">+"]);
        let comment = self.comment();
        let _ = writeln!(self.text, " {header}{comment}\n{:indentation$}old", "");
        for _ in 0..self.choose(4) {
            let line = self.pick(&["old", "two words", "😀", "# no comment", "  deeper", "- x", "a: b"]);
            let _ = writeln!(self.text, "{:indentation$}{line}", "");
        }
        self.push_one(&["", "\n", "\n\n"]);
    }

    fn flow(&mut self, indentation: usize) {
        let mapping = self.choose(2) == 0;
        self.text.push_str(if mapping { " {" } else { " [" });
        for index in 0..=self.choose(3) {
            let key = if mapping { format!("k{index}: ") } else { String::new() };
            let (scalar, comma, comment) = (self.scalar(), self.pick(&[",", " ,"]), self.comment());
            let _ = write!(self.text, "\n{:indentation$}{key}{scalar}{comma}{comment}", "");
        }
        let _ = writeln!(self.text, "\n{:indentation$}{}", "", if mapping { "}" } else { "]" });
    }

    fn scalar(&mut self) -> String {
        self.scalars += 1;
        let properties = match self.choose(6) {
            4 => format!("&a{} ", self.scalars),
            5 => self.pick(&["!!str ", "!mine ", "! "]).to_owned(),
            _ => String::new(),
        };
        let scalar = self.pick(&[
            "old",
            "old:1",
            "'it''s'",
            "\"a\\tb\"",
            "1.0",
            "~",
            "'é😀'",
            "\"\\u00e9\"",
            "x#y",
            "a=b",
            "true",
        ]);
        format!("{properties}{scalar}")
    }

    fn comment(&mut self) -> String {
        match self.choose(3) {
            0 => self.marker(),
            1 => " # note".to_owned(),
            _ => String::new(),
        }
    }

    fn marker(&mut self) -> String {
        let policy = self.pick(&POLICIES);
        self.effective += usize::from(policy != "ns:none");
        let (gap, suffix) = (self.pick(&[" ", "   ", "\t"]), self.pick(&["", ":tag", ":name"]));
        format!("{gap}# {{\"$imagepolicy\": \"{policy}{suffix}\"}}")
    }
}

fn apply(bytes: &[u8]) -> (Scan, Edited) {
    let scan = marker::scan(bytes);
    let edited = edit::apply(bytes, &scan, &selections());
    (scan, edited)
}

/// The text around the marked scalars; headers of block scalars read as stripping.
fn gaps(bytes: &[u8], scan: &Scan) -> Vec<String> {
    let mut from = 0;
    let mut gaps = Vec::new();
    for marker in &scan.markers {
        gaps.push(&bytes[from..marker.span.start]);
        from = marker.span.end;
    }
    gaps.push(&bytes[from..]);
    let normal = |gap: &[u8]| {
        let gap = String::from_utf8_lossy(gap);
        laws::without_leading_blank_lines(&gap).replace(['+', '-'], "").replace("| ", "|").replace("> ", ">")
    };
    gaps.into_iter().map(normal).collect()
}

/// What another parser reads, scalars by their values; `None` if it reads nothing.
///
/// It gets one document at a time: a block scalar without indentation goes on behind a `---` for it, which YAML forbids
/// (1.2.2, `c-forbidden`) and libyaml, PyYAML and go-yaml do not do.
fn events(bytes: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{FEFF}');
    let documents = documents(text).into_iter().map(parsed::events).collect::<Option<Vec<_>>>()?;
    Some(documents.concat())
}

/// A text cut before each line that begins with `---`, unless only comments and directives come before it.
fn documents(text: &str) -> Vec<&str> {
    let begins = |line: &str| line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(BLANK));
    let says = |line: &str| {
        !line.starts_with('%') && !matches!(line.trim_start_matches(BLANK).chars().next(), None | Some('#'))
    };
    let (mut documents, mut start, mut end, mut has_content) = (Vec::new(), 0, 0, false);
    for line in text.split_inclusive(['\n', '\r']) {
        if has_content && begins(line) {
            documents.push(&text[start..end]);
            start = end;
        }
        has_content |= says(line);
        end += line.len();
    }
    documents.push(&text[start..]);
    documents
}

/// Holds for every input, however broken.
fn check_laws(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (scan, edited) = apply(bytes);
    prop_assert_eq!(edited.bytes.is_some(), !edited.changes.is_empty());
    let Some(new) = &edited.bytes else { return Ok(()) };

    let again = marker::scan(new);
    if !laws::has_blank(&scan) {
        prop_assert_eq!(gaps(bytes, &scan), gaps(new, &again));
    }
    prop_assert_eq!(edit::apply(new, &again, &selections()).bytes, None);
    if let (Some(before), Some(after)) = (events(bytes), events(new)) {
        prop_assert_eq!(before.len(), after.len());
        let differing = before.into_iter().zip(after).filter(|(before, after)| before != after).collect::<Vec<_>>();
        let changes = edited.changes.iter().map(|change| (change.old.clone(), change.new.clone())).collect::<Vec<_>>();
        prop_assert_eq!(differing, changes);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_marker_changes_its_scalar_and_nothing_else(choices in prop::collection::vec(any::<u8>(), 0..200)) {
        let (text, effective) = Writer::write(&choices);
        check_laws(text.as_bytes())?;
        let (scan, edited) = apply(text.as_bytes());
        prop_assert!(scan.diagnostics.is_empty(), "{:?} in\n{}", scan.diagnostics, text);
        let expected = scan.markers.iter().filter(|marker| marker.policy() != "ns:none").count();
        prop_assert_eq!(expected, effective, "in\n{}", text);
        prop_assert_eq!(edited.changes.len(), effective, "{:?} in\n{}", edited.diagnostics, text);
    }

    #[test]
    fn without_a_selection_nothing_changes(choices in prop::collection::vec(any::<u8>(), 0..200)) {
        let (text, _) = Writer::write(&choices);
        let scan = marker::scan(text.as_bytes());
        let mut none = Selections::new();
        let edited = edit::apply(text.as_bytes(), &scan, &none);
        prop_assert_eq!((edited.bytes, edited.changes.len()), (None, 0));
        prop_assert!(edited.diagnostics.iter().all(|diagnostic| diagnostic.code == Code::UnknownPolicy));
        for policy in POLICIES {
            none.insert(policy, Selection::NoSelection("none".to_owned()));
        }
        let edited = edit::apply(text.as_bytes(), &scan, &none);
        prop_assert_eq!((edited.bytes, edited.changes.len()), (None, 0));
        prop_assert!(edited.diagnostics.iter().all(|diagnostic| diagnostic.code == Code::NoSelection));
    }

    #[test]
    fn damaged_files_keep_what_is_not_marked(
        choices in prop::collection::vec(any::<u8>(), 0..120),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = Writer::write(&choices).0.into_bytes();
        for (place, kind, byte) in damage {
            let at = place.index(bytes.len() + 1);
            let indicators = b"\n \t:-,[]{}#&*!|>'\"%@?~\r0";
            let indicator = indicators[usize::from(byte) % indicators.len()];
            match kind {
                0 => bytes.insert(at, indicator),
                1 if at < bytes.len() => bytes[at] = indicator,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => bytes.push(byte),
            }
        }
        check_laws(&bytes)?;
    }
}

/// What the law of damaged files found once: the block scalar of the second document has no text and no indentation.
#[test]
fn a_block_scalar_without_indentation_ends_with_its_document() {
    let text = format!("top\n---\n |\n--- # next\n- [\n  'é😀',\n  'é😀', {MARKER}\n  old, {MARKER}\n  ]\n");
    check_laws(text.as_bytes()).unwrap();
    assert_eq!(documents(&text).len(), 3);
    check_counts(&text, 2, 0);
}

const MARKER: &str = "# {\"$imagepolicy\": \"ns:app\"}";

#[track_caller]
fn check_counts(text: &str, changes: usize, diagnostics: usize) {
    let (scan, edited) = apply(text.as_bytes());
    let found: Vec<_> = scan.diagnostics.iter().chain(&edited.diagnostics).collect();
    assert_eq!(edited.changes.len(), changes, "{:?}", found.first());
    assert_eq!(found.len(), diagnostics, "{:?}", found.first());
}

#[test]
fn a_scan_of_another_text_changes_nothing() {
    let scan = marker::scan(format!("a: old {MARKER}\nb: old {MARKER}\n").as_bytes());
    for other in ["", "日本日本日本日本", "a: [", "a: 日本 # ".repeat(20).as_str()] {
        let edited = edit::apply(other.as_bytes(), &scan, &selections());
        assert_eq!((edited.bytes, edited.changes.len(), edited.diagnostics.len()), (None, 0, 1));
    }
}

#[test]
fn a_large_file() {
    let filler = "- {a: b, c: \"d\"} # note\n- |\n  text\n".repeat(300_000);
    check_counts(&format!("- old {MARKER}\n{filler}- old {MARKER}\n"), 2, 0);
}

#[test]
fn a_file_that_is_too_large() {
    let filler = "#".repeat(marker::MAX_FILE_BYTES);
    check_counts(&format!("- old {MARKER}\n{filler}"), 0, 1);
}

#[test]
fn a_long_line() {
    let long = "x".repeat(1 << 20);
    check_counts(
        &format!(
            "a: {long}\nb: [{}] # {long}\nc: \"{long}\" {MARKER}\nd: {long}{} {MARKER}\n",
            "y, ".repeat(1 << 18),
            ""
        ),
        2,
        0,
    );
    check_counts(&format!("a: {}old {MARKER}{}", " ".repeat(1 << 20), " ".repeat(1 << 20)), 1, 0);
}

#[test]
fn many_markers() {
    check_counts(&format!("- a: old {MARKER}\n").repeat(10_000), 10_000, 0);
    check_counts(&format!("---\na: old {MARKER}\n").repeat(10_000), 10_000, 0);
    check_counts(&format!("{MARKER}\n- old\n").repeat(10_000), 10_000, 0);
    check_counts(&format!("[\n{}]", format!("old, {MARKER}\n").repeat(10_000)), 10_000, 0);
}

#[test]
fn many_misplaced_markers() {
    check_counts(&format!("{MARKER}\n").repeat(10_000), 0, 10_000);
    check_counts(&format!("- {MARKER}\n").repeat(10_000), 0, 10_000);
    check_counts(&format!("a:\n{}- old\n", format!("  {MARKER}\n\n").repeat(10_000)), 0, 10_000);
    check_counts(&format!("a: {MARKER}\n").repeat(10_000), 0, 10_000);
    let unknown: String = (0..10_000).map(|i| format!("- old # {{\"$imagepolicy\": \"ns:other{i}\"}}\n")).collect();
    check_counts(&unknown, 0, 10_000);
}

#[test]
fn deep_nesting() {
    check_counts(&format!("a: {}\nb: old {MARKER}\n", "[".repeat(10_000)), 0, 1);
    check_counts(&format!("a: {}{}\nb: old {MARKER}\n", "[".repeat(10_000), "]".repeat(10_000)), 0, 1);
    let blocks: String = (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    check_counts(&format!("{blocks}{}b: old {MARKER}\n", " ".repeat(1_000)), 0, 1);
    check_counts(&format!("{}old {MARKER}\n", "- ".repeat(10_000)), 0, 1);
}

#[test]
fn an_alias_bomb() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for depth in 1..60 {
        let alias = format!("*a{}", depth - 1);
        let _ = writeln!(text, "a{depth}: &a{depth} [{}]", [alias.as_str(); 9].join(", "));
    }
    check_counts(&format!("{text}image: old {MARKER}\n"), 1, 0);
}
