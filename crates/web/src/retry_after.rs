//! How long an answer asks to be left alone.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that a host is granted.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Returns how long an answer asks to wait, at most [`MAX_RETRY_AFTER`].
///
/// Only of an answer that says "not now" does it count: what a 401 or a 404 adds is no word about the host. A 403 with it is
/// how GitHub says that there were too many requests.
pub(super) fn asked_wait(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let is_not_now = status.is_server_error() || matches!(status.as_u16(), 403 | 408 | 413 | 425 | 429);
    let header = headers.get(RETRY_AFTER).filter(|_| is_not_now)?;
    Some(read(header.to_str().ok()?, now)?.min(MAX_RETRY_AFTER))
}

/// Reads `Retry-After`: seconds, or an HTTP date. A date that has passed means now, and a number that is too large for
/// ours means as long as there is.
fn read(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(header.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn now() -> SystemTime {
        SystemTime::from("2026-01-02T03:04:05Z".parse::<jiff::Timestamp>().unwrap())
    }

    #[test]
    fn forms() {
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:03:05 GMT", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ];
        for (header, expect) in cases {
            assert_eq!(read(header, now()), expect.map(Duration::from_secs), "{header:?}");
        }
        assert_eq!(read("99999999999999999999", now()), Some(Duration::MAX), "a number that no clock holds");
    }

    #[test]
    fn whose_word_counts() {
        let wait = |status: u16, header: &'static str| {
            let headers = [(RETRY_AFTER, header.parse().unwrap())].into_iter().collect();
            asked_wait(StatusCode::from_u16(status).unwrap(), &headers, now())
        };
        for status in [403, 408, 413, 425, 429, 500, 502, 503, 504] {
            assert_eq!(wait(status, "600"), Some(Duration::from_secs(600)), "{status}");
            assert_eq!(wait(status, "99999999999999999999"), Some(MAX_RETRY_AFTER), "{status}");
        }
        for status in [200, 302, 401, 404, 410] {
            assert_eq!(wait(status, "600"), None, "{status}");
        }
        assert_eq!(asked_wait(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), now()), None);
    }
}
