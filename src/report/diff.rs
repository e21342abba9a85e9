//! Unified diffs, in the form that `git apply` takes.

use similar::TextDiff;
use tagwright_core::plan::FileEdit;

/// Lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// Writes the diff of every edited file.
#[must_use]
pub(crate) fn unified(edits: &[FileEdit]) -> String {
    edits.iter().map(|edit| file(&edit.path, &edit.old, &edit.new)).collect()
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
    use super::file;

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
