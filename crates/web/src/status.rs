//! What an HTTP status means for the next try, whoever answered.

/// Whether a status speaks of the moment, and not of what was asked: another answer may come later. These are 408, 425, 429,
/// nginx's 499 and all of the server's own errors.
///
/// ```
/// assert!(web::is_transient(429) && web::is_transient(503));
/// assert!(!web::is_transient(403) && !web::is_transient(404));
/// ```
#[must_use]
pub const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 499 | 500..)
}

/// Whether asking again within seconds may help: a transient status, but not of a server that says that it cannot do what it
/// is asked for (501, 505).
#[must_use]
pub const fn is_worth_retrying(status: u16) -> bool {
    is_transient(status) && !matches!(status, 501 | 505)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flux's list is 408, 429, 499, 500, 502, 503, 504 and 522; all of it is in.
    #[test]
    fn statuses() {
        for status in [408, 425, 429, 499, 500, 502, 503, 504, 520, 522, 524, 530] {
            assert!(is_transient(status) && is_worth_retrying(status), "{status}");
        }
        for status in [501, 505] {
            assert!(is_transient(status) && !is_worth_retrying(status), "{status}");
        }
        for status in [200, 301, 304, 400, 401, 403, 404, 405, 409, 410, 413, 418, 451] {
            assert!(!is_transient(status) && !is_worth_retrying(status), "{status}");
        }
    }
}
