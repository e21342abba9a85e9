//! Logs: one line each on stderr, as text or JSON.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to stderr, once per process.
///
/// `RUST_LOG` decides what is shown if it is set, otherwise `verbosity`: 0 warnings, 1 also what changed, 2 also decisions,
/// 3 everything of ours.
pub(crate) fn start(format: Format, verbosity: u8) {
    let level = match verbosity {
        0 => "warn",
        1 => "tagwright=info,warn",
        2 => "tagwright=debug,warn",
        _ => "tagwright=trace,info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start (tests, `demo`) keeps the first subscriber.
    let _ = match format {
        Format::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}
