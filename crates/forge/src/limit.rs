//! How long a forge asks to be left alone where it does not say so by `Retry-After`.
//!
//! GitHub answers 403 or 429 with `x-ratelimit-remaining: 0` and the second of the end in `x-ratelimit-reset`; for a secondary limit
//! it may say nothing but its message, and wants a minute then. GitLab has `RateLimit-Reset`, in seconds since 1970 as well.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap};

/// What GitHub wants where it gives no time.
const SECONDARY: Duration = Duration::from_secs(60);

/// Returns how long to wait after an answer with this status, headers and text; none where it has nothing to do with a limit.
pub(crate) fn asked(status: u16, headers: &HeaderMap, message: Option<&str>, now: Timestamp) -> Option<Duration> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let is_spent = number("x-ratelimit-remaining") == Some(0) || number("ratelimit-remaining") == Some(0);
    let reset = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset"));
    // By the clock of whoever says when.
    let theirs = headers.get(DATE).and_then(|date| date.to_str().ok());
    let theirs = theirs.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let from = theirs.unwrap_or(now).as_second();
    let left = reset.filter(|_| is_spent).map(|reset| Duration::from_secs(u64::try_from(reset - from).unwrap_or(0)));
    let is_secondary = message.is_some_and(|message| message.contains("secondary rate limit"));
    left.or(is_secondary.then_some(SECONDARY))
        .or((status == 429).then_some(SECONDARY))
        .map(|wait| wait.max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_for_time() {
        let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
        let check = |status, pairs: &[(&'static str, String)], message: Option<&str>, expect: Option<u64>| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(
                asked(status, &headers, message, now).map(|wait| wait.as_secs()),
                expect,
                "{pairs:?} {message:?}"
            );
        };
        let at = |seconds: i64| (now.as_second() + seconds).to_string();
        let spent = ("x-ratelimit-remaining", "0".to_owned());
        check(403, &[spent.clone(), ("x-ratelimit-reset", at(90))], None, Some(90));
        check(403, &[spent.clone(), ("x-ratelimit-reset", at(-5))], None, Some(1));
        let theirs = ("date", "Fri, 02 Jan 2026 03:05:05 GMT".to_owned());
        check(429, &[spent, ("x-ratelimit-reset", at(90)), theirs], None, Some(30));
        check(403, &[("x-ratelimit-remaining", "12".to_owned()), ("x-ratelimit-reset", at(90))], None, None);
        check(403, &[], Some("You have exceeded a secondary rate limit."), Some(60));
        check(403, &[], Some("Resource not accessible by integration"), None);
        check(429, &[], None, Some(60));
        check(422, &[("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", at(90))], None, None);
    }
}
