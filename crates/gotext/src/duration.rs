//! Durations as Go prints them, in templates and in what controllers say.

/// Returns Go's text of so many nanoseconds, as `time.Duration` prints itself.
///
/// ```
/// assert_eq!(gotext::duration::show(5 * 60 * 1_000_000_000), "5m0s");
/// assert_eq!(gotext::duration::show(1_500_000_000), "1.5s");
/// assert_eq!(gotext::duration::show(20_000_000), "20ms");
/// ```
#[must_use]
pub fn show(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    if size == 0 {
        return "0s".to_owned();
    }
    if size < 1_000_000_000 {
        let (scale, unit) = match size {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{unit}", with_fraction(size, scale));
    }
    let seconds = with_fraction(size % 60_000_000_000, 1_000_000_000);
    let minutes = size / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn with_fraction(size: u64, scale: u64) -> String {
    let digits = scale.to_string().len() - 1;
    let fraction = format!("{:0digits$}", size % scale);
    let fraction = fraction.trim_end_matches('0');
    let whole = size / scale;
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}
