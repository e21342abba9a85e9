//! The files that editors of YAML choke on: huge, deep, damaged, in other encodings, half templates. `set` gets all of
//! them in one directory, and each comes out with exactly its marked values changed, or as it was with a diagnostic.
//!
//! Cases small enough to be read are in `fixtures/edit/`; laws over generated texts in `tests/edit_laws.rs`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use image::Reference;
use serde_json::Value;
use tagwright_core::edit::{self, Edited, Selection, Selections};
use tagwright_core::marker::{self, Scan};

const MARKER: &str = "# {\"$imagepolicy\": \"ns:app\"}";
const OLD: &str = "registry.example/app:1.0.0";
const NEW: &str = "registry.example/app:1.1.0";

/// The stack of a thread of the runtime is twice this.
const SMALL_STACK: usize = 1 << 20;

/// A file and what is to become of it.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// How many marked values change: all those written as [`marked`], or none.
    changes: usize,
    /// The codes of its diagnostics.
    codes: Vec<&'static str>,
}

fn edited(name: &'static str, text: impl Into<Vec<u8>>, changes: usize) -> Case {
    Case { name, bytes: text.into(), changes, codes: Vec::new() }
}

fn refused(name: &'static str, text: impl Into<Vec<u8>>, code: &'static str) -> Case {
    Case { name, bytes: text.into(), changes: 0, codes: vec![code] }
}

/// A value with a marker that must change.
fn marked() -> String {
    format!("{OLD} {MARKER}")
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn cases() -> Vec<Case> {
    let mut cases = large();
    cases.extend(nested());
    cases.extend(damaged());
    cases.extend(written_unusually());
    cases.extend(templates());
    cases
}

fn large() -> Vec<Case> {
    let marked = marked();
    let text = format!("    image: {OLD}  # as it was before the last release\n").repeat(8);
    let filler = format!("- image: {OLD} # {OLD}\n  text: |\n{text}").repeat(7_500);
    let long = "x".repeat(1 << 20);
    let lines = format!(
        "# {long}\na: {marked}\nb: {long} # {OLD}\nc: \"{long}\"\n{long}: x\nd: [{}]\ne: {}{marked}{}\n",
        "y, ".repeat(1 << 18),
        " ".repeat(1 << 20),
        " ".repeat(1 << 20)
    );
    let name = format!("metadata:\n  name: {long}\nspec:\n{}", format!("- {marked}\n").repeat(1_000));
    let too_many = format!("- {OLD} {MARKER}\n").repeat(marker::MAX_MARKERS + 1);
    vec![
        edited("large", format!("- {marked}\n{filler}- {marked}\n{filler}- {marked}\n"), 3),
        edited("long-lines", lines.replace(&format!("{long}: x\n"), ""), 2),
        refused("long-key", lines, "TW005"),
        edited("many-markers", format!("- {marked}\n- {OLD}\n").repeat(10_000), 10_000),
        edited("many-documents", format!("a: {marked}\n---\nb: {OLD}\n---\n").repeat(5_000), 5_000),
        edited("long-name", name, 1_000),
        refused("too-many-markers", too_many, "TW007"),
        refused("too-large", format!("a: {OLD} {MARKER}\n{}", " ".repeat(marker::MAX_FILE_BYTES)), "TW007"),
    ]
}

fn nested() -> Vec<Case> {
    let marked = marked();
    let blocks = |depth: usize| -> String { (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect() };
    let flow = |depth: usize| format!("a: {}{}\nb: {marked}\n", "[".repeat(depth), "]".repeat(depth));
    let mappings = |depth: usize| format!("a: {}1{}\nb: {marked}\n", "{a: ".repeat(depth), "}".repeat(depth));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for depth in 1..60 {
        let _ = writeln!(bomb, "a{depth}: &a{depth} [{}]", [format!("*a{}", depth - 1).as_str(); 9].join(", "));
    }
    vec![
        edited("deep-flow", flow(250), 1),
        refused("deeper-flow", flow(300), "TW005"),
        refused("deepest-flow", flow(1_000_000), "TW005"),
        refused("open-flow", format!("b: {marked}\na: {}", "[".repeat(1_000_000)), "TW005"),
        edited("deep-flow-mappings", mappings(250), 1),
        refused("deepest-flow-mappings", mappings(100_000), "TW005"),
        edited("deep-blocks", format!("{}{}b: {marked}\n", blocks(250), " ".repeat(250)), 1),
        refused("deeper-blocks", format!("{}{}b: {marked}\n", blocks(3_000), " ".repeat(3_000)), "TW005"),
        refused("deepest-sequences", format!("{}{marked}\n", "- ".repeat(1_000_000)), "TW005"),
        refused("deepest-keys", format!("{}a\nb: {marked}\n", "? ".repeat(1_000_000)), "TW005"),
        edited("alias-bomb", format!("{bomb}b: {marked}\n"), 1),
        edited("merge-bomb", format!("{}c: {marked}\n", bomb.replace(": &", ": {<<: 1} #")), 1),
    ]
}

fn damaged() -> Vec<Case> {
    let line = format!("a: {}\n", marked());
    let with = |bytes: &[u8]| [line.as_bytes(), bytes].concat();
    let little = [b"\xFF\xFE".as_slice(), &utf16(&line, u16::to_le_bytes)].concat();
    let big = [b"\xFE\xFF".as_slice(), &utf16(&line, u16::to_be_bytes)].concat();
    vec![
        refused("nul", with(b"b: \0\n"), "TW006"),
        refused("nul-in-comment", with(b"# \0"), "TW006"),
        refused("utf-16-little", little, "TW006"),
        refused("utf-16-big", big, "TW006"),
        refused("utf-16-without-a-mark", utf16(&line, u16::to_le_bytes), "TW006"),
        refused("latin-1", with(b"b: caf\xE9\n"), "TW006"),
        refused("cut-off-character", with(b"# \xF0\x9F\x98"), "TW006"),
        refused("overlong-character", with(b"# \xC0\xAF\n"), "TW006"),
        refused("surrogate", with(b"# \xED\xA0\x80\n"), "TW006"),
        refused("control-character", with(b"b: \x07\n"), "TW005"),
        refused("tab-indentation", format!("{line}b:\n\tc: {OLD} {MARKER}\n"), "TW005"),
        refused("open-quote", format!("{line}b: \"\n"), "TW005"),
        refused("no-mapping", format!("{line}b\nc\n"), "TW005"),
        edited("damaged-neighbours", format!("a: [\n---\n{line}---\n\tb: [\n--- ]\n...\n{line}"), 2),
    ]
}

fn written_unusually() -> Vec<Case> {
    let marked = marked();
    vec![
        edited("tabs", format!("a:\t{OLD}\t{MARKER}\t\nb: {marked}\t\n"), 2),
        edited("duplicate-keys", format!("a: {marked}\na: {marked}\na: {OLD}\n"), 2),
        edited("old-version", format!("%YAML 1.1\n---\na: {marked}\n"), 1),
        edited("directives", format!("%YAML 1.2\n%TAG ! tag:example.com,2000:\n# x\n---\na: {marked}\n"), 1),
        edited("unknown-directive", format!("%FOO bar\n---\na: {marked}\n"), 1),
        refused("two-versions", format!("%YAML 1.2\n%YAML 1.2\n---\na: {marked}\n"), "TW005"),
        edited("directive-after-content", format!("a: b\n%YAML 1.2\n---\na: {marked}\n"), 1),
        edited("byte-order-mark", format!("\u{FEFF}a: {marked}\n"), 1),
        edited("line-ends", format!("a: {marked}\r\nb: {marked}\rc: {marked}"), 3),
        // A space of another kind is part of the value, and so is what follows.
        refused("unicode-space", format!("a: {OLD}\u{a0}{MARKER}\nb: {marked}\n"), "TW005"),
        Case {
            codes: vec!["TW030"],
            ..edited("marker-in-text", format!("a: |\n  b: {OLD}  {MARKER}\nc: '{OLD}  {MARKER}'\nd: {marked}\n"), 1)
        },
    ]
}

fn templates() -> Vec<Case> {
    let marked = marked();
    vec![
        edited("template-quoted", format!("a: '{{{{ .x }}}}'\nb: {marked}\n"), 1),
        edited("template-as-flow", format!("a: {{{{ .x }}}}\nb: {marked}\n"), 1),
        refused("template-marked", format!("a: {{{{ .x }}}} {MARKER}\n"), "TW004"),
        refused("template-control", format!("{{{{- if .x }}}}\na: {marked}\n{{{{- end }}}}\n"), "TW005"),
        refused("template-in-value", format!("a: {{{{ .x }}}}/app:1 {MARKER}\nb: {marked}\n"), "TW005"),
        refused("template-range", format!("a:\n{{{{ range .x }}}}\n- {marked}\n{{{{ end }}}}\n"), "TW005"),
    ]
}

impl Case {
    fn wanted(&self) -> Vec<u8> {
        if self.changes == 0 {
            return self.bytes.clone();
        }
        let mut text = String::from_utf8(self.bytes.clone()).unwrap();
        let mut changes = 0;
        for gap in [" ", "\t"] {
            let old = format!("{OLD}{gap}{MARKER}");
            changes += text.matches(&old).count();
            text = text.replace(&old, &format!("{NEW}{gap}{MARKER}"));
        }
        assert_eq!(changes, self.changes, "{}", self.name);
        text.into_bytes()
    }

    fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }
}

/// Texts without end, or most of it, so that a failure can be read.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]).into_owned()
}

#[test]
fn set_changes_the_marked_values_and_no_other_byte() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    for case in &cases {
        fs::write(folder.path().join(case.file()), &case.bytes).unwrap();
    }
    let mut set = Command::new(env!("CARGO_BIN_EXE_tagwright"));
    set.arg("set").arg(folder.path()).args(["--output", "json", "--image", &format!("ns:app={NEW}")]);
    let first = set.output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();

    let mut changes: BTreeMap<&str, usize> = BTreeMap::new();
    for change in report["changes"].as_array().unwrap() {
        *changes.entry(change["file"].as_str().unwrap()).or_default() += 1;
        assert!(change["name"].as_str().unwrap().len() < 1_000, "what every change repeats is bounded");
    }
    let mut codes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for diagnostic in report["diagnostics"].as_array().unwrap() {
        let code = diagnostic["code"].as_str().unwrap();
        codes.entry(diagnostic["file"].as_str().unwrap()).or_default().push(code);
    }
    let mut wrong = Vec::new();
    for case in &cases {
        let (file, found) = (case.file(), fs::read(folder.path().join(case.file())).unwrap());
        let codes = codes.remove(file.as_str()).unwrap_or_default();
        if codes != case.codes || changes.get(file.as_str()).copied().unwrap_or_default() != case.changes {
            wrong.push(format!(
                "{file}: {} changes, {codes:?}, wanted {}, {:?}",
                changes.get(file.as_str()).copied().unwrap_or_default(),
                case.changes,
                case.codes
            ));
        }
        if found != case.wanted() {
            wrong.push(format!("{file} reads {}", shown(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let second: Value = serde_json::from_slice(&set.output().unwrap().stdout).unwrap();
    assert_eq!(second["changes"].as_array().unwrap().len(), 0, "twice is once");
    assert_eq!(second["diagnostics"], report["diagnostics"]);
}

fn apply(text: &str) -> (Scan, Edited) {
    let mut selections = Selections::new();
    selections.insert("ns:app", Selection::Selected(Reference::parse(NEW).unwrap()));
    let scan = marker::scan(text.as_bytes());
    let edited = edit::apply(text.as_bytes(), &scan, &selections);
    (scan, edited)
}

#[test]
fn nothing_needs_much_stack() {
    let work = || {
        for case in nested() {
            apply(&String::from_utf8(case.bytes).unwrap());
        }
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(work).unwrap().join().unwrap();
}

#[test]
fn findings_are_bounded() {
    let text = format!("{MARKER}\n").repeat(2 * marker::MAX_DIAGNOSTICS) + &format!("a: {}\n", marked());
    let (scan, edited) = apply(&text);
    assert_eq!((scan.diagnostics.len(), edited.changes.len()), (marker::MAX_DIAGNOSTICS, 1));
    assert!(scan.diagnostics.last().unwrap().message.ends_with("not listed)"));
}
