//! The three standard streams; the only place that writes to them.

use std::io::{self, Read, Write};

/// Text read from stdin or a file may be this long.
pub(super) const MAX_INPUT_BYTES: u64 = 256 * 1024 * 1024;

/// Writes data to stdout, exactly.
pub(super) fn data(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes a JSON document and a newline to stdout.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    data(&text)
}

/// Writes talk to stderr, with a final newline. A closed stderr is nobody's problem.
pub(super) fn talk(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Reads all of stdin as UTF-8, up to [`MAX_INPUT_BYTES`].
pub(super) fn input() -> anyhow::Result<String> {
    bounded(io::stdin().lock(), "standard input")
}

/// Reads a file, or stdin for `-`, as UTF-8.
pub(super) fn read(path: &std::path::Path) -> anyhow::Result<String> {
    use anyhow::Context;
    if path.as_os_str() == "-" {
        return input();
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    bounded(file, &path.display().to_string())
}

fn bounded(source: impl Read, name: &str) -> anyhow::Result<String> {
    use anyhow::Context;
    let mut text = String::new();
    let read =
        source.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    anyhow::ensure!(read as u64 <= MAX_INPUT_BYTES, "{name} is longer than {MAX_INPUT_BYTES} bytes");
    Ok(text)
}

/// Whether an error is only that the reader of our stdout went away, as `head` does.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
