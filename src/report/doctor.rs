//! What a bot needs, one line for each.

use std::fmt::Write;

use crate::snippet::{Color, Style, paint};
use crate::wire::doctor::{Check, State};

/// The width of the longest state.
const STATE_WIDTH: usize = 7;

/// Writes a line for each check: its state, what was tried, and what that came to. The text is harmless.
#[must_use]
pub(crate) fn lines(checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|it| it.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Check { state, check, subject, message } in checks {
        let (state, color) = match state {
            State::Ok => ("ok", Color::Green),
            State::Warning => ("warning", Color::Yellow),
            State::Failed => ("FAILED", Color::Red),
        };
        let (state, blanks) = (paint(state, color, style), " ".repeat(STATE_WIDTH.saturating_sub(state.len())));
        let (subject, message) = (words::escape(subject), words::escape(message));
        let _ = writeln!(text, "{state}{blanks}  {check:width$}  {subject}: {message}");
    }
    text
}
