//! Whether a selection may be written: what holds it back, and what lifts the hold.
//!
//! Pure: tags, histories and the time go in, a [`Hold`] with its sentence comes out, or nothing. A hold is no failure; the
//! field keeps its value, and everything else goes on.
//!
//! # The rules
//!
//! | rule | holds | until |
//! |---|---|---|
//! | [`choose()`], deny | tags that `exclude` names are never selected | the configuration changes |
//! | [`choose()`], minimum age | a tag that is not known for `minimumAge` yet is passed over, where no digests are written | it is old enough |
//! | [`admit()`] | an image whose digest is denied, or not known for `minimumAge` yet, is passed over for the next best | the configuration changes, or it is old enough |
//! | [`agree()`] | policies that move together, while one of them cannot select the tag | all of them can |
//! | [`believe()`] | a tag list that lost too much, or the tag in use | the next poll says so, too |
//! | [`downgrades()`] | a field whose tag ranks above the selection, or equal to it | the tag is listed again, a better one comes, or a person changes the field |
//! | [`reverted()`] | a field that a person took back from what is selected | another tag is selected, or somebody releases it |
//! | [`Declined`] | what a pull request proposed that a person closed without merging it | another tag is selected, or somebody releases it |
//! | [`contested()`] | a field that another bot moved away from what is selected | a few intervals have passed, or somebody has a say |
//! | [`window()`] | every commit | a window opens |
//! | [`freeze`](crate::freeze) | every commit, or what a selector names | the freeze ends, or somebody makes an exception |
//! | [`Hold::Manual`] | what somebody told the bot to hold | it is released |
//!
//! **Downgrade.** The order is the policy's own ([`crate::policy::Policy::compare`]). Of tags that rank equal, such as `v1.0.0` and `1.0.0`, or
//! those of which the filter extracts the same, none is better, and the one in use stays: otherwise a field would go to and
//! fro as such tags come and go, and between two bots of which one still sees a tag that the other does not. A tag that the policy could not select now (denied, excluded, not
//! in the range, not matched) has no rank: leaving it is no step back. This is how a person takes back a bad release for
//! good: `exclude` it.
//!
//! **Revert.** It is found in the history of the field alone, so that it needs no memory: somebody else's commit took away
//! a value that the bot had written. Whoever goes back over several of the bot's values has taken back all of them; whoever
//! goes forward by hand, to a value that the bot does not know, keeps it until the bot selects something that it had not
//! written before.
//!
//! ```
//! use tagwright_core::guard::{self, Proposed, Verdict, Writer, Writing};
//!
//! let writing = |before: &str, after: &str, by| Writing {
//!     before: Some(before.to_owned()),
//!     after: Some(after.to_owned()),
//!     commit: "4c5d6e7f".to_owned(),
//!     author: "Ada".to_owned(),
//!     time: 1_790_000_000,
//!     by,
//!     released: false,
//! };
//! // Newest first: the bot wrote 1.1 and 1.2, Ada went back to 1.0.
//! let history =
//!     [writing("1.2", "1.0", Writer::Person), writing("1.1", "1.2", Writer::Bot), writing("1.0", "1.1", Writer::Bot)];
//! let verdict = |wanted: &str| {
//!     let (could_select, is_no_worse) = (&|_: &str| true, &|value: &str| wanted >= value);
//!     let proposed = Proposed { policy: "shop:web", current: "1.0", wanted, could_select, is_no_worse };
//!     guard::reverted(&proposed, &history)
//! };
//! assert!(matches!(verdict("1.2"), Verdict::Hold(_)));
//! assert!(matches!(verdict("1.1"), Verdict::Hold(_)));
//! assert!(!matches!(verdict("1.3"), Verdict::Hold(_)));
//! ```
//!
//! **Two bots.** Bots with the same policies converge, whatever each of them sees of the tags: nothing goes backwards. Where the
//! policies differ, each sees in the history that the other's commit moved the field away from what it selects, and leaves it
//! for a [`Patience`]; after it, the field is moved once more, and when the other takes it away again, it stays until a
//! person has a say. Between two releases of the policies, two bots write a field at most four times.
//!
//! **Shrunken lists.**
//!
//! ```
//! use tagwright_core::guard::{self, Known};
//!
//! let known = Known { tags: &["1.0", "1.1", "1.2"], in_use: &["1.2"], doubted: false };
//! assert_eq!(guard::believe(&known, &["1.1", "1.2"]), Ok(()));
//! let hold = guard::believe(&known, &["1.0", "1.1"]).unwrap_err();
//! assert!(hold.to_string().starts_with("the registry does not list 1.2 any more, which is in use"));
//! assert_eq!(guard::believe(&Known { doubted: true, ..known }, &["1.0", "1.1"]), Ok(()));
//! ```

mod admit;
mod agree;
mod believe;
mod choose;
mod contested;
mod downgrade;
mod hold;
mod identity;
mod lineage;
mod moment;
mod release;
mod reverted;
mod sightings;

use jiff::Timestamp;

use crate::automation::Window;

pub use self::admit::{Candidate, PassedOver, Refusal, admit, for_platforms};
pub use self::agree::{Agreement, Member, Together, agree};
pub use self::believe::{Known, believe};
pub(crate) use self::choose::counts_from;
pub use self::choose::{Choice, choose};
pub use self::contested::{Patience, Whose, contested};
pub(crate) use self::downgrade::{bare_digests, together};
pub use self::downgrade::{downgrades, is_step_back, tag_of};
pub use self::hold::{Contested, Declined, Frozen, Held, Hold, length};
pub use self::identity::{Identity, Version};
pub use self::lineage::Lineage;
pub use self::moment::{Clock, Moment, Newer, Told};
pub use self::release::looks_immutable;
pub use self::reverted::{Proposed, Verdict, Writer, Writing, reverted};
pub use self::sightings::{MAX_OF_TAG, MAX_SIGHTINGS, Sighting, Sightings};

/// Holds everything while no window is open; without windows, nothing.
#[must_use]
pub fn window(windows: &[Window], now: Timestamp) -> Option<Hold> {
    if windows.is_empty() || windows.iter().any(|window| window.is_open(now)) {
        return None;
    }
    let opens = windows.iter().filter_map(|window| window.opens.next_after(now)).min();
    Some(Hold::Window { opens })
}
