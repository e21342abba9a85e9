//! Logs: one line each on stderr, as text or JSON.

use std::borrow::Cow;
use std::io::Write;

use otlp::Traces;
use tracing::Dispatch;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

use crate::snippet::Style;

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
const OURS: [&str; 10] =
    ["tagwright", "cloud", "forge", "git", "kubernetes", "notify", "oidc", "otlp", "registry", "web"];

/// Whose errors are all returned to us, who say them once: the API server's client logs each request that is not answered.
const SILENT: &str = "kube_client::client::builder=off";

/// Starts logging to stderr, once per process.
///
/// `RUST_LOG` decides what is shown if it is set, otherwise `verbosity`: 0 warnings, 1 also what changed, 2 also decisions,
/// 3 everything of ours. With traces their spans are sent, and lines of JSON say to which they belong.
pub(crate) fn start(format: Format, verbosity: u8, style: Style, traces: Option<&Traces>) {
    // A second start (tests, `demo`) keeps the first subscriber.
    let _ = subscriber(format, verbosity, style, traces).try_init();
}

fn subscriber(format: Format, verbosity: u8, style: Style, traces: Option<&Traces>) -> Dispatch {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives(verbosity)));
    // Spans of traces say nothing that the log does not.
    let filter = filter.and(filter_fn(|metadata| metadata.target() != web::SPANS));
    let (colored, traced) = (style == Style::Colored, traces.is_some());
    let writer = move || Tamed { out: std::io::stderr(), format, colored, traced };
    // That nobody can read the log, since its disk is full or its reader has gone, must not end a bot: the subscriber would say so
    // on stderr, and panic.
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false).log_internal_errors(false);
    let lines = match format {
        Format::Text => lines.with_ansi(colored).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let logged = Registry::default().with(lines.with_filter(filter));
    match traces {
        Some(traces) => logged.with(traces.layer()).into(),
        // Not a layer that is an `Option`: where there is none, it wants every span, and each would be made for nobody.
        None => logged.into(),
    }
}

/// Writes events so that nothing in them acts, and no line in the middle of one looks like another event.
struct Tamed<W> {
    out: W,
    format: Format,
    /// Whether escape sequences are ours. Those of others are made visible by the subscriber.
    colored: bool,
    /// Whether lines of JSON say to which trace they belong.
    traced: bool,
}

impl<W: Write> Write for Tamed<W> {
    /// An event comes in one piece.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.trim_end_matches('\n');
        let tamed = match self.format {
            Format::Text if self.colored => text.split('\u{1b}').map(words::lines).collect::<Vec<_>>().join("\u{1b}"),
            Format::Text => words::lines(text),
            Format::Json if self.traced => escaped_in_json(&belonging(text)),
            Format::Json => escaped_in_json(text),
        };
        writeln!(self.out, "{}", tamed.replace('\n', "\n  "))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// An event in JSON with the ids of the span in which it happens, if there is one.
fn belonging(event: &str) -> Cow<'_, str> {
    match (event.strip_suffix('}'), otlp::ids()) {
        (Some(fields), Some((trace, span))) => format!(r#"{fields},"trace_id":"{trace}","span_id":"{span}"}}"#).into(),
        _ => event.into(),
    }
}

/// Writes what is no ASCII and would act as JSON's escapes; of ASCII the subscriber has done so.
fn escaped_in_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() || words::is_harmless(c.encode_utf8(&mut [0; 4])) {
            true => out.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

/// What to show, as `RUST_LOG` would say it.
fn directives(verbosity: u8) -> String {
    let (ours, others) = match verbosity {
        0 => return format!("{SILENT},warn"),
        1 => ("info", "warn"),
        2 => ("debug", "warn"),
        _ => ("trace", "info"),
    };
    let all = OURS.iter().map(|name| format!("{name}={ours},"));
    all.chain([format!("{SILENT},{others}")]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    #[test]
    fn no_event_acts_or_looks_like_another() {
        let tamed = |format, colored, event: &str| {
            let mut out = Vec::new();
            Tamed { out: &mut out, format, colored, traced: true }.write_all(event.as_bytes()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let event = "12:00 INFO said=no\r\n12:01 INFO forged \u{202e}\u{1b}[2J\n";
        let plain = "12:00 INFO said=no\\r\n  12:01 INFO forged \\u{202e}\\u{1b}[2J\n";
        assert_eq!(tamed(Format::Text, false, event), plain);
        assert_eq!(tamed(Format::Text, true, "\u{1b}[32mINFO\u{1b}[0m a\u{7}\n"), "\u{1b}[32mINFO\u{1b}[0m a\\u{7}\n");
        let json = tamed(Format::Json, false, "{\"a\":\"über \u{202e}\u{e0041}\"}\n");
        assert_eq!(json, "{\"a\":\"über \\u202e\\udb40\\udc41\"}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["a"], "über \u{202e}\u{e0041}");
    }

    /// Never, so that tracing asks once for each place in the source, and what is said there is not even put together.
    #[test]
    fn spans_are_for_those_who_look_at_traces_alone() {
        let settings = otlp::Settings::read(("--otlp-endpoint", Some("http://127.0.0.1:9")), |_| None);
        let traces = Traces::start(settings.unwrap().unwrap(), "test").unwrap();
        let span = crate::trace::pass();
        for (looks, verbosity) in [(true, 1), (false, 1), (false, 3)] {
            let subscriber = subscriber(Format::Json, verbosity, Style::Plain, Some(&traces).filter(|_| looks));
            let interest = subscriber.register_callsite(span.metadata().unwrap());
            assert_eq!(interest.is_never(), !looks, "{verbosity}: {interest:?}");
        }
    }

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
