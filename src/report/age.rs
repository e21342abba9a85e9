//! How long ago, and how long until: durations as `kubectl` writes them.

use jiff::Timestamp;

/// Writes a duration in at most two units, the second one only while it matters: `47s`, `3m12s`, `25m`, `5h10m`, `2d`.
///
/// This is `HumanDuration` of Kubernetes' apimachinery. Less than nothing is `0s`.
#[must_use]
pub(crate) fn short(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        ..0 => "0s".to_owned(),
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => pair(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => pair(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}

/// How long ago something was; nothing for what never was.
#[must_use]
pub(super) fn since(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map(|then| short(now.duration_since(then).as_secs())).unwrap_or_default()
}

/// How long until something is; `now` when it is due, nothing for what is not planned.
#[must_use]
pub(super) fn until(then: Option<Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else { return String::new() };
    match then.duration_since(now).as_secs() {
        ..=0 => "now".to_owned(),
        seconds => short(seconds),
    }
}

fn pair(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_kubectl() {
        // From the test of `HumanDuration` in k8s.io/apimachinery/pkg/util/duration.
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        const YEAR: i64 = 365 * DAY;
        for (seconds, text) in [
            (-3, "0s"),
            (0, "0s"),
            (1, "1s"),
            (70, "70s"),
            (190, "3m10s"),
            (180, "3m"),
            (70 * MINUTE, "70m"),
            (47 * HOUR, "47h"),
            (49 * HOUR, "2d1h"),
            (8 * DAY + 2 * HOUR, "8d"),
            (367 * DAY, "367d"),
            (2 * YEAR + 25 * DAY, "2y25d"),
            (8 * YEAR + 2 * DAY, "8y"),
            (3 * HOUR, "3h"),
            (5 * HOUR + 10 * MINUTE, "5h10m"),
            (2 * DAY, "2d"),
        ] {
            assert_eq!(short(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn what_is_due_is_now_and_what_never_was_is_nothing() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |seconds: i64| Some(Timestamp::from_second(1_000_000 + seconds).unwrap());
        assert_eq!((since(at(-192), now), since(None, now)), ("3m12s".to_owned(), String::new()));
        assert_eq!(since(at(5), now), "0s", "a clock that was set back");
        assert_eq!((until(at(48), now), until(at(-1), now)), ("48s".to_owned(), "now".to_owned()));
        assert_eq!(until(None, now), "");
    }
}
