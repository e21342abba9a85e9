//! Observing: what registries list, what Git remotes hold, what people took back. Nothing here changes anything outside.
//!
//! [`poll()`] asks a registry for the tags of one image repository and evaluates the policies that look at it; [`look_up`] asks
//! for digests between two polls. Policies that require something of the image behind a tag walk their candidates (`admit`), perhaps in
//! the order in which they came (`newest`). What they come to is a value, [`Polls`], that a run goes by. [`survey()`] and [`inspect()`] read
//! of the remotes what a run would read, for `check` and `explain`; [`past()`] tells from their history what bots have
//! committed. What a run itself looks at is found by the same functions: marked files, reverts, branches.

mod admit;
mod behind;
mod contents;
mod digests;
mod hurry;
mod in_use;
mod inspect;
mod lane;
mod newest;
mod past;
mod poll;
mod polls;
mod portrait;
pub(crate) mod push_branch;
mod pushed;
pub(crate) mod releases;
mod require;
pub(crate) mod reverts;
mod select;
mod survey;
mod tags;
mod told;
mod verify;

use git::{CommitFacts, SkipReason};
use tagwright_core::automation::Author;
use tagwright_core::change::{Code, Diagnostic};
use tagwright_core::message::{self, Criteria};
use tagwright_core::{marker, plan};

pub use self::admit::{Admission, Ranked, admission};
pub(crate) use self::behind::tags_behind;
pub(crate) use self::digests::Digests;
pub(crate) use self::in_use::lacks_older;
pub use self::in_use::{InUse, Use, in_use};
pub use self::inspect::{Inspected, inspect, reflected};
pub use self::newest::{MAX_UNDATED, newest};
pub use self::past::{Past, past};
pub use self::poll::{LookedUp, Polled, forget, look_up, poll, poll_all, save};
pub use self::polls::Polls;
pub(crate) use self::portrait::{differences, source};
pub use self::pushed::pushed;
pub use self::select::{no_match, refused};
pub use self::survey::{Seen, Survey, Wanted, survey};
pub use self::tags::{believe, key as image_key};

/// The most bytes of the marked files of one automation, those with the same content counted each: 32 MiB. An update takes about six
/// times as much memory as the files that it changes.
const MAX_MARKED_BYTES: usize = 32 << 20;

/// Which files of a commit are read. The rule's name changes with its functions, since mirrors remember what they found.
pub(crate) const MARKED_FILES: git::Criteria = git::Criteria {
    rule: "imagepolicy-4",
    is_candidate: marker::is_candidate_path,
    contains: marker::is_mentioned,
    max_bytes: marker::MAX_FILE_BYTES,
    max_total: MAX_MARKED_BYTES,
};

/// Whether a commit is a bot's: by who wrote it, one of the `authors` that commit for automations or one that is known
/// anyway, or by its `message`.
fn is_bot(authors: &[Author], facts: &CommitFacts, message: &str) -> bool {
    let theirs = message::Author { name: &facts.author_name, email: &facts.author_email };
    let is_by = |own: &Author| {
        message::is_written_by(&message::Author { name: &own.name, email: &own.email }, message, &theirs)
    };
    authors.iter().any(is_by) || message::recognise(message, &theirs, &Criteria::default()).is_some()
}

/// What a search says beside the files.
pub(crate) fn found_diagnostics(found: &git::Found) -> Vec<Diagnostic> {
    let missing = found.missing.iter().map(|path| {
        plan::about_path(path, Code::PathMissing, "the path of the automation does not exist in the repository")
    });
    missing.chain(skipped_diagnostics(found)).collect()
}

/// What is to say about files that were not looked into.
fn skipped_diagnostics(found: &git::Found) -> impl Iterator<Item = Diagnostic> {
    let more = (found.more_skipped > 0).then(|| {
        let message = format!("{} more files are not looked into, for reasons such as these", found.more_skipped);
        plan::about_path(".", Code::NotText, &message)
    });
    let skipped = found.skipped.iter().map(|skipped| {
        let (code, message) = match skipped.reason {
            SkipReason::SymbolicLink => (Code::SymbolicLink, "a symbolic link, which is not followed".to_owned()),
            SkipReason::TooLarge { bytes } => {
                let limit = marker::MAX_FILE_BYTES;
                (Code::FileTooLarge, format!("the file has {bytes} bytes, more than the limit of {limit}"))
            }
            SkipReason::TooDeep => (Code::FileTooLarge, "the folder nests too deep to be read".to_owned()),
            SkipReason::NameNotText => (Code::NotText, "the name is not UTF-8".to_owned()),
            SkipReason::NameNotAllowed => {
                (Code::NotText, "the name is empty or has a slash, which no file can have; it is left alone".to_owned())
            }
            SkipReason::SeveralOfName => {
                (Code::NotText, "several entries of its folder have this name; all of them are left alone".to_owned())
            }
        };
        plan::about_path(&skipped.path, code, &message)
    });
    skipped.chain(more)
}
