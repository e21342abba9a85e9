//! Unified diffs, in the form that `git apply` takes.

use similar::TextDiff;

use crate::plan::FileEdit;

/// Lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// Writes the diff of every edited file.
#[must_use]
pub fn unified(edits: &[FileEdit]) -> String {
    edits.iter().map(|edit| file(&edit.path, &edit.old, &edit.new)).collect()
}

/// Writes the diff of one file.
#[must_use]
pub fn file(path: &str, old: &[u8], new: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let hunks = diff
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .missing_newline_hint(true)
        .to_string();
    format!("diff --git a/{path} b/{path}\n{hunks}")
}

/// Writes the diff of a file that is new.
#[must_use]
pub fn new_file(path: &str, new: &[u8]) -> String {
    let hunks = file(path, b"", new);
    let hunks = hunks.split_once("\n+++ ").map_or("", |(_, hunks)| hunks);
    format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ {hunks}")
}
