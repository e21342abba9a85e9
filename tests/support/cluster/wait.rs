//! Bounded waits for conditions.

use std::time::{Duration, Instant};

/// A time in which anything comes about, however busy the machine is.
pub(crate) const WITHIN: Duration = Duration::from_secs(240);

/// How long to wait between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Waits until a look finds something, and returns it; panics when it does not come about.
#[track_caller]
pub(crate) fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> impl Future<Output = T>
where
    F: Future<Output = Option<T>>,
{
    let (place, what) = (std::panic::Location::caller(), what.to_owned());
    async move {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {WITHIN:?} at {place}: {what}");
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// The same for who waits without a runtime; none when it does not come about, or when waiting is no use any more.
pub(super) fn until(mut is: impl FnMut() -> Option<bool>) -> bool {
    let deadline = Instant::now() + WITHIN;
    loop {
        match is() {
            Some(true) => return true,
            None => return false,
            Some(false) if Instant::now() >= deadline => return false,
            Some(false) => std::thread::sleep(BETWEEN_LOOKS),
        }
    }
}
