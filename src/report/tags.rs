//! Tables of tags: what `select --explain` and `explain` have in common.

use std::fmt::Write;

use tagwright_core::policy::{Candidate, Evaluation};

/// A line about one tag; the selected one is marked.
pub(super) struct Row<'t> {
    selected: bool,
    tag: &'t str,
    verdict: String,
}

impl<'t> Row<'t> {
    /// A candidate; the first of them is selected.
    pub(super) fn candidate(index: usize, candidate: &Candidate<'t>) -> Self {
        let verdict = if index == 0 { "selected" } else { "candidate" };
        let ordered = if candidate.value == candidate.tag {
            String::new()
        } else {
            format!(", ordered by {}", super::quoted(&candidate.value))
        };
        Self { selected: index == 0, tag: candidate.tag, verdict: format!("{verdict}{ordered}") }
    }

    /// A tag that falls away.
    pub(super) fn rejected(tag: &'t str, reason: &str) -> Self {
        Self { selected: false, tag, verdict: format!("rejected: {reason}") }
    }
}

/// Writes rows, one a line, with the verdicts below each other.
pub(super) fn table(rows: &[Row<'_>]) -> String {
    let tags: Vec<String> = rows.iter().map(|row| words::escape(row.tag)).collect();
    let width = tags.iter().map(|tag| tag.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (Row { selected, verdict, .. }, tag) in rows.iter().zip(&tags) {
        let verdict = words::escape(verdict);
        let mark = if *selected { "* " } else { "  " };
        let _ = writeln!(text, "{mark}{tag:width$}  {verdict}");
    }
    text
}

/// Writes what became of every tag: the candidates best first, then the others with their reasons.
#[must_use]
pub(crate) fn evaluation(evaluation: &Evaluation<'_>, listed: usize) -> String {
    let Evaluation { candidates, rejected, .. } = evaluation;
    let mut rows: Vec<Row<'_>> = candidates.iter().enumerate().map(|(index, it)| Row::candidate(index, it)).collect();
    rows.extend(rejected.iter().map(|it| Row::rejected(it.tag, &it.reason.to_string())));
    let (tags, kept) = (words::plural(listed, "tag"), words::plural(candidates.len(), "candidate"));
    format!("{tags}, {kept}, {} rejected\n{}", rejected.len(), table(&rows))
}
