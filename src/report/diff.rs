//! Unified diffs, in the form that `git apply` takes.

use similar::TextDiff;
use tagwright_core::plan::FileEdit;

use crate::run::AutomationReport;
use crate::snippet::{Color, Style, paint};

/// Lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// Writes the diff of every edited file.
#[must_use]
pub(crate) fn unified(edits: &[FileEdit]) -> String {
    edits.iter().map(|edit| file(&edit.path, &edit.old, &edit.new)).collect()
}

/// Writes the diffs of an automation: those of each group of its changes below a line with its name, which `git apply` passes over. Two
/// groups may change one file, each on a branch of its own.
#[must_use]
pub(crate) fn of_automation(report: &AutomationReport) -> String {
    let groups = report.groups.iter().filter(|group| !group.edits.is_empty()).map(|group| {
        let line = words::escape(&format!("# {}: {}, on {}", report.id, group.name, group.branch));
        format!("{line}\n{}", unified(&group.edits))
    });
    unified(&report.edits) + &groups.collect::<String>()
}

/// Writes the diff of one file.
#[must_use]
pub(crate) fn file(path: &str, old: &[u8], new: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    // Lines as git has them, which end in a line feed alone; `from_lines` would also end them at a carriage return.
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let diff = TextDiff::from_slices(&old, &new);
    let (before, after) = (name("a/", path), name("b/", path));
    // A name with a space ends at a tab there; otherwise `patch` takes what follows the space for a time.
    let end = if path.contains(' ') { "\t" } else { "" };
    let mut text = format!("diff --git {before} {after}\n--- {before}{end}\n+++ {after}{end}\n");
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line: &str = change.value();
            text.push_str(&format!("{}{line}", change.tag()));
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// Writes the diff of a file that is new.
#[must_use]
pub(crate) fn new_file(path: &str, new: &[u8]) -> String {
    let (before, after) = (name("a/", path), name("b/", path));
    let hunks = file(path, b"", new);
    let hunks = hunks.split_once("\n+++ ").map_or("", |(_, hunks)| hunks);
    format!("diff --git {before} {after}\nnew file mode 100644\n--- /dev/null\n+++ {hunks}")
}

/// Writes the diff of a file that goes.
#[must_use]
pub(crate) fn gone_file(path: &str, old: &[u8]) -> String {
    let (before, after) = (name("a/", path), name("b/", path));
    let hunks = file(path, old, b"");
    let hunks = hunks.split_once("\n+++ ").and_then(|(_, hunks)| hunks.split_once('\n')).map_or("", |(_, hunks)| hunks);
    let end = if path.contains(' ') { "\t" } else { "" };
    format!("diff --git {before} {after}\ndeleted file mode 100644\n--- {before}{end}\n+++ /dev/null\n{hunks}")
}

/// Colours diffs as git does, and leaves alone what stands between them. The text must be harmless already.
#[must_use]
pub(crate) fn painted(text: &str, style: Style) -> String {
    let mut out = String::with_capacity(text.len());
    // How many lines of the hunk are left, of the old file and of the new.
    let (mut old, mut new) = (0_usize, 0_usize);
    let mut is_header = false;
    for line in text.split_inclusive('\n') {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        let color = match body.as_bytes().first() {
            Some(b'-') if old > 0 => {
                old -= 1;
                Some(Color::Red)
            }
            Some(b'+') if new > 0 => {
                new -= 1;
                Some(Color::Green)
            }
            _ if old + new > 0 => {
                if !body.starts_with('\\') {
                    (old, new) = (old.saturating_sub(1), new.saturating_sub(1));
                }
                None
            }
            _ if body.starts_with("diff --git ") => {
                is_header = true;
                Some(Color::Bold)
            }
            _ if is_header && body.starts_with("@@ ") => {
                (old, new) = hunk(body).unwrap_or_default();
                Some(Color::Cyan)
            }
            _ if is_header && ["--- ", "+++ ", "new file "].iter().any(|start| body.starts_with(start)) => {
                Some(Color::Bold)
            }
            _ => {
                is_header &= body.starts_with('\\');
                None
            }
        };
        out.push_str(&color.map_or_else(|| body.to_owned(), |color| paint(body, color, style)));
        out.push_str(end);
    }
    out
}

/// How many lines a hunk has of the old file and of the new: `@@ -1,4 +1,5 @@`, where one line is not counted.
fn hunk(header: &str) -> Option<(usize, usize)> {
    let mut sides = header.split(' ').skip(1);
    let mut lines = || {
        let side = sides.next()?;
        side.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok())
    };
    Some((lines()?, lines()?))
}

/// A file name as git writes it: quoted and escaped where it has quotes, backslashes or characters that are not seen.
fn name(side: &str, path: &str) -> String {
    if !path.contains(['"', '\\']) && words::is_harmless(path) {
        return format!("{side}{path}");
    }
    let escaped = path.chars().map(|c| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if !words::is_harmless(c.encode_utf8(&mut [0; 4])) => {
            c.to_string().bytes().map(|byte| format!("\\{byte:03o}")).collect()
        }
        c => c.to_string(),
    });
    format!("\"{side}{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{file, painted};
    use crate::snippet::Style;

    #[test]
    fn hunks_are_coloured_and_what_looks_like_one_is_not() {
        let diff = file("a.yaml", b"a: 1\n- b\n", b"a: 2\n- b\n");
        let policies = "- name: x\n--- y\n@@ -1 +1 @@\n+z\n";
        let painted = painted(&format!("{diff}{policies}"), Style::Colored);
        let [bold, cyan, red, green, end] = ["1m", "36m", "31m", "32m", "0m"].map(|code| format!("\u{1b}[{code}"));
        let expected = format!(
            "{bold}diff --git a/a.yaml b/a.yaml{end}\n{bold}--- a/a.yaml{end}\n{bold}+++ b/a.yaml{end}\n{cyan}@@ -1,2 +1,2 @@{end}\n\
             {red}-a: 1{end}\n{green}+a: 2{end}\n - b\n{policies}"
        );
        assert_eq!(painted, expected);
    }

    #[test]
    fn lines_end_at_line_feeds_alone() {
        let diff = file("a b.yaml", b"x\ra: 1\r\nlast", b"x\ra: 2\r\nlast");
        let expected = "diff --git a/a b.yaml b/a b.yaml\n--- a/a b.yaml\t\n+++ b/a b.yaml\t\n@@ -1,2 +1,2 @@\n-x\ra: 1\r\n+x\ra: 2\r\n last\n\\ No newline at end of file\n";
        assert_eq!(diff, expected);
    }

    #[test]
    fn names_are_quoted_as_git_does() {
        let diff = file("a\n\"é.yaml", b"1", b"2");
        assert!(diff.starts_with("diff --git \"a/a\\012\\\"é.yaml\" \"b/a\\012\\\"é.yaml\"\n"), "{diff}");
        let diff = file("a\u{202e}b.yaml", b"1", b"2");
        assert!(diff.starts_with("diff --git \"a/a\\342\\200\\256b.yaml\" "), "{diff}");
    }
}
