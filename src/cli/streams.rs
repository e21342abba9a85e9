//! The three standard streams; the only place that writes to them.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use crate::failure::{Context, Failure, Result};
use crate::report::{self, Style, color, diff};

/// Text read from stdin or a file may be this long.
pub(super) const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// Writes data to stdout, exactly. That its reader went away, as `head` does, is a failure with nothing to tell.
pub(super) fn data(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::unread()),
        written => written.context("cannot write to standard output"),
    }
}

/// Writes a JSON document and a newline to stdout.
pub(super) fn json(value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    data(&text)
}

/// Writes text for people to stdout: what others have put into it does nothing but be seen.
pub(super) fn text(text: &str) -> Result<()> {
    data(&words::lines(text))
}

/// Writes files, or the difference of files, to stdout: exactly, for programs; for people, so that nothing in them acts, and with
/// colours in differences.
pub(super) fn files(text: &str) -> Result<()> {
    match report::style(io::stdout()) {
        Style::Colored => data(&diff::painted(&words::lines(text), Style::Colored)),
        Style::Plain if io::stdout().is_terminal() => self::text(text),
        Style::Plain => data(text),
    }
}

/// Writes talk to stderr, with a final newline; nothing if there is nothing to say. A closed stderr is nobody's problem. What
/// others have put into it does nothing but be seen.
pub(super) fn talk(text: &str) {
    styled(&color::levels(&words::lines(text), report::style(io::stderr())));
}

/// Writes a sentence to stderr behind `note`, `warning` or `error`, on one line.
pub(super) fn sentence(level: &str, text: &str) {
    styled(&color::levels(&format!("{level}: {}", words::escape(text)), report::style(io::stderr())));
}

/// The same for text that has colours of ours, whose other parts were made harmless before.
pub(super) fn styled(text: &str) {
    let text = text.trim_end_matches('\n');
    if !text.is_empty() {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Reads all of stdin as UTF-8, up to [`MAX_INPUT_BYTES`].
pub(super) fn input() -> Result<String> {
    read(Path::new("-"))
}

/// Reads a file, or stdin for `-`, as UTF-8.
pub(super) fn read(path: &Path) -> Result<String> {
    utf8(bytes(path)?, &name(path))
}

/// Reads a file, or stdin for `-`; what is not UTF-8 becomes replacement characters.
pub(super) fn read_lossy(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

/// The name of a file in messages.
pub(super) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// Whether a path means stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    if is_stdin(path) {
        return bounded(io::stdin().lock(), &name(path));
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    bounded(file, &name(path))
}

fn bounded(source: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read =
        source.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if read as u64 > MAX_INPUT_BYTES {
        return Err(Failure::usage(format!("{name} is longer than {MAX_INPUT_BYTES} bytes"), ""));
    }
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name} is not UTF-8 text"), ""))
}
