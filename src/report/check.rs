//! The findings of `check`, as text for people and as annotations of a workflow. SARIF is in `report::sarif`.

use std::fmt::Write;

use tagwright_core::change::{Code, Location, Severity};
use tagwright_core::lint::Finding;

use crate::snippet::{Paragraph, Style};
use crate::wire;

/// Findings beyond this number are counted, not written out: a terminal holds no more.
const MAX_RENDERED: usize = 1_000;

/// How many rows a table of a comment has, and how many characters a cell.
const MAX_ROWS: usize = 100;
const MAX_CELL: usize = 300;

/// A finding and where its file is.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The URL of the Git remote that has the file; empty for a file of this machine.
    pub(crate) remote: String,
    /// The finding, its file named from the root of the repository or as the user can open it.
    pub(crate) finding: Finding,
}

impl Entry {
    fn label(&self, location: &Location) -> Location {
        if self.remote.is_empty() || location.file.is_empty() {
            return location.clone();
        }
        Location { file: format!("{}: {}", self.remote, location.file), ..location.clone() }
    }
}

impl From<&Entry> for wire::check::Finding {
    fn from(entry: &Entry) -> Self {
        let finding = &entry.finding;
        Self {
            code: finding.code.as_str(),
            name: finding.code.name(),
            severity: finding.severity().as_str(),
            remote: entry.remote.clone(),
            file: finding.location.file.clone(),
            line: finding.location.line,
            column: finding.location.column,
            end_column: finding.location.end_column(),
            message: finding.message.clone(),
            hint: finding.hint.clone().unwrap_or_default(),
        }
    }
}

/// Writes each finding with its line, the place underlined, and what to change.
#[must_use]
pub(crate) fn text(entries: &[Entry], style: Style) -> String {
    let mut text = String::new();
    for (at, entry) in entries.iter().take(MAX_RENDERED).enumerate() {
        let Finding { code, message, hint, related, .. } = &entry.finding;
        let location = entry.label(&entry.finding.location);
        let second = related.as_ref().map(|related| (entry.label(&related.location), related.label.as_str()));
        let paragraph = Paragraph {
            severity: code.severity(),
            code: Some(code.as_str()),
            message,
            location: &location,
            related: second.as_ref().map(|(location, label)| (location, *label)),
            hint: hint.as_deref(),
        };
        let gap = if at == 0 { "" } else { "\n" };
        let _ = writeln!(text, "{gap}{}", paragraph.render(style));
    }
    if entries.len() > MAX_RENDERED {
        let _ = writeln!(text, "\n{} more findings; `--output json` has them all", entries.len() - MAX_RENDERED);
    }
    text
}

/// Says in one line what was checked and found.
#[must_use]
pub(crate) fn summary(entries: &[Entry], marked: usize) -> String {
    let files = words::plural(marked, "marked file");
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let count = entries.iter().filter(|entry| entry.finding.severity() == severity).count();
        (count, words::plural(count, severity.as_str()))
    });
    let found: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
    format!("checked {files}: {found}")
}

/// Writes findings as workflow commands, which GitHub shows beside the lines.
///
/// See <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>.
#[must_use]
pub(crate) fn annotations(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { finding, .. } in entries {
        let command = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let Location { file, line, column, .. } = &finding.location;
        let mut properties = Vec::new();
        if !file.is_empty() {
            properties.push(format!("file={}", property(file)));
        }
        if *line > 0 {
            let end = finding.location.end_column();
            properties.push(format!("line={line},endLine={line},col={column},endColumn={end}"));
        }
        properties.push(format!("title={}", property(finding.code.as_str())));
        let hint = finding.hint.as_ref().map(|hint| format!("\nhelp: {hint}")).unwrap_or_default();
        let message = data(&format!("{}{hint}", finding.message));
        let _ = writeln!(text, "::{command} {}::{message}", properties.join(","));
    }
    text
}

/// Writes findings as a comment for a pull request: a table, with what a change would update first.
#[must_use]
pub(crate) fn markdown(entries: &[Entry], marked: usize) -> String {
    let (updates, findings): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.finding.code == Code::WouldUpdate);
    let mut text = "### tagwright\n".to_owned();
    for (what, rows) in [("update", updates), ("finding", findings)] {
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{}:\n\n| where | {what} |\n|---|---|\n", words::plural(rows.len(), what));
        for Entry { finding, .. } in rows.iter().take(MAX_ROWS) {
            let Location { file, line, .. } = &finding.location;
            let place = if *line > 0 { format!("{file}:{line}") } else { file.clone() };
            let code = if what == "update" { String::new() } else { format!("{} ", finding.code.as_str()) };
            let _ = writeln!(text, "| {} | {code}{} |", cell(&place), cell(&finding.message));
        }
        if rows.len() > MAX_ROWS {
            let _ = writeln!(text, "\nand {} more.", rows.len() - MAX_ROWS);
        }
    }
    if entries.is_empty() {
        let _ = writeln!(text, "\nNothing found in {}.", words::plural(marked, "marked file"));
    }
    text
}

/// A text in a code span of a table: it can be no markup and no mention.
fn cell(text: &str) -> String {
    let line = words::one_line(text, MAX_CELL).replace('`', "'").replace('|', "\\|");
    if line.is_empty() { String::new() } else { format!("`{line}`") }
}

/// Escapes a message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a value between commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwright_core::change::Excerpt;

    #[test]
    fn annotations_are_escaped() {
        let excerpt = Excerpt::of("a: 10%\n", 3..6);
        let location = Location { file: "a,b:c%.yaml".to_owned(), line: 1, column: 4, excerpt };
        let finding = Finding::new(Code::UnknownPolicy, location, "50%,\r\n::error::x").hint("a:b");
        let entries = [Entry { remote: String::new(), finding }];
        assert_eq!(
            annotations(&entries),
            "::error file=a%2Cb%3Ac%25.yaml,line=1,endLine=1,col=4,endColumn=7,title=TW001::50%25,%0D%0A::error::x%0Ahelp: a:b\n"
        );
    }

    #[test]
    fn nothing_leaves_its_cell() {
        let location = Location { file: "a|b.yaml".to_owned(), line: 3, ..Location::default() };
        let entry = |code, message: &str| Entry {
            remote: String::new(),
            finding: Finding::new(code, location.clone(), message),
        };
        let entries = [
            entry(Code::UnknownPolicy, "no `x` | @all\n# y"),
            entry(Code::WouldUpdate, "a would write c in place of b"),
        ];
        assert_eq!(
            markdown(&entries, 1),
            "### tagwright\n\n1 update:\n\n| where | update |\n|---|---|\n| `a\\|b.yaml:3` | `a would write c in place of b` |\n\
             \n1 finding:\n\n| where | finding |\n|---|---|\n| `a\\|b.yaml:3` | TW001 `no 'x' \\| @all\\n# y` |\n"
        );
        assert_eq!(markdown(&[], 2), "### tagwright\n\nNothing found in 2 marked files.\n");
    }

    #[test]
    fn what_is_about_no_file_has_no_place() {
        let finding = Finding::new(Code::UnmarkedImage, Location::default(), "x");
        let entries = [Entry { remote: String::new(), finding }];
        assert_eq!(annotations(&entries), "::notice title=TW021::x\n");
        assert_eq!(text(&entries, Style::Plain), "note[TW021]: x\n");
        assert_eq!(summary(&entries, 1), "checked 1 marked file: 1 note");
        assert_eq!(summary(&[], 0), "checked 0 marked files: no findings");
    }
}
