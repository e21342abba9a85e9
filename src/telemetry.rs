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

/// Whose events a verbosity is about: the program and those of its crates that log. The events of a crate carry its name, and
/// what else is linked in, HTTP and TLS for instance, only warns.
const OURS: [&str; 3] = ["tagwright", "git", "registry"];

/// Starts logging to stderr, once per process.
///
/// `RUST_LOG` decides what is shown if it is set, otherwise `verbosity`: 0 warnings, 1 also what changed, 2 also decisions,
/// 3 everything of ours.
pub(crate) fn start(format: Format, verbosity: u8) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start (tests, `demo`) keeps the first subscriber.
    let _ = match format {
        Format::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// What to show, as `RUST_LOG` would say it.
fn directives(verbosity: u8) -> String {
    let (ours, others) = match verbosity {
        0 => return "warn".to_owned(),
        1 => ("info", "warn"),
        2 => ("debug", "warn"),
        _ => ("trace", "info"),
    };
    OURS.iter().map(|name| format!("{name}={ours},")).chain([others.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn a_verbosity_is_about_every_crate_that_logs() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
        let mut logging = vec!["tagwright".to_owned()];
        for folder in std::fs::read_dir(crates).unwrap() {
            let folder = folder.unwrap().path();
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            if manifest.lines().any(|line| line.starts_with("tracing")) {
                let library = manifest.split_once("[lib]\nname = \"").and_then(|(_, rest)| rest.split('"').next());
                logging.push(library.unwrap().to_owned());
            }
        }
        logging[1..].sort();
        assert_eq!(logging, OURS);
        for name in &logging {
            assert!(directives(2).split(',').any(|it| it == format!("{name}=debug")), "{name}");
        }
    }
}
