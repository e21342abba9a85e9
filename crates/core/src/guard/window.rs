//! Whether commits may be made now.

use jiff::{SignedDuration, Timestamp};

use super::Hold;
use crate::automation::Window;

/// Holds everything while no window is open; without windows, nothing.
///
/// A window is open from the moment it opens until just before its duration is over. A window that opens again while it is
/// open stays open.
#[must_use]
pub fn window(windows: &[Window], now: Timestamp) -> Option<Hold> {
    if windows.is_empty() || windows.iter().any(|window| is_open(window, now)) {
        return None;
    }
    let opens = windows.iter().filter_map(|window| window.opens.next_after(now)).min();
    Some(Hold::Window { opens })
}

fn is_open(window: &Window, now: Timestamp) -> bool {
    let Some(opened) = window.opens.last_until(now) else { return false };
    let closes = SignedDuration::try_from(window.duration).ok().and_then(|duration| opened.checked_add(duration).ok());
    // What closes beyond the calendar does not close.
    closes.is_none_or(|closes| now < closes)
}
