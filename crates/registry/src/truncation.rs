//! Lists that end in the middle without a word.
//!
//! A registry that has more tags says so with a link. Some do not: they cut the list where we asked for pages of a size, or
//! where their own limit is, and leave it at that. Such a page is full. Behind a full page without a link
//!
//! - the next one is asked for as the specification has it, with `last`, the tag at its end;
//! - where that brings nothing, the whole list, without `n`. A list in another order than that of bytes is asked for whole
//!   first, since nobody knows what comes after its last tag.
//!
//! An empty page after `last` says that the list was complete. So does the same page again, both times: of registries that
//! know neither parameter the whole list is all there is. Each answer has to bring tags that are new, so that a registry which
//! heeds nothing is asked twice and no more.
//!
//! A page that is as long as was asked for is full for certain, and what is behind it must be known. Two others only may be, so
//! they are asked for what comes after their last tag once, and what is refused then is no failure: one of a round length (50,
//! 100, 200 …), which may be cut by the registry's own limit or complete by chance; and the full page at the end of a list
//! that had links before, which a registry that knows links will have meant as the last.

use std::borrow::Cow;

use image::is_tag;
use reqwest::StatusCode;
use url::Url;

use super::error::Error;
use super::exchange::Reply;
use super::page;
use super::session::Session;
use super::settings::Limits;
use super::size;

/// The limits of registries' own pages are multiples of this.
const ROUND: usize = 50;

/// What is known of a list when a page of it has no link.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Doubt {
    /// Pages before had links.
    pub(crate) linked: bool,
    /// The page is the answer to the question for the whole list.
    whole: bool,
}

/// How sure it is that a page is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Certain,
    Possible,
}

/// A way to ask for what is behind a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Last,
    Whole,
}

/// Returns the answer that goes on behind a page without a link. None means that the list is complete.
///
/// # Errors
/// The page is full, and the registry refuses to say whether there is more.
pub(crate) async fn beyond(
    session: &Session<'_>,
    limits: &Limits,
    reply: &Reply,
    doubt: &mut Doubt,
    is_new: impl Fn(&str) -> bool,
) -> Result<Option<Reply>, Error> {
    let tags = page::read(reply, limits)?.tags;
    let Some(full) = doubt.full(reply, tags.len()) else { return Ok(None) };
    let mut refusal = None;
    let asked = size::of(&reply.url).unwrap_or(size::USUAL);
    for &way in ways(full, tags.is_sorted()) {
        let Some(url) = address(session, way, asked, &tags) else { continue };
        let more = match size::fetch(session, limits, url, None).await {
            Ok(more) => more,
            Err(error) if is_refusal(&error) => {
                refusal = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        refusal = None;
        let found = page::read(&more, limits)?.tags;
        if found.iter().any(|tag| is_new(tag)) {
            doubt.whole = way == Way::Whole;
            return Ok(Some(more));
        }
        if found.is_empty() && way == Way::Last {
            return Ok(None);
        }
    }
    match (refusal, full) {
        (Some(error), Full::Certain) => Err(error),
        _ => Ok(None),
    }
}

impl Doubt {
    fn full(self, reply: &Reply, tags: usize) -> Option<Full> {
        let asked = size::of(&reply.url);
        match (tags, self.linked) {
            (0, _) => None,
            _ if self.whole => None,
            (_, false) if asked == Some(tags) => Some(Full::Certain),
            // Another server has another list.
            (_, true) if asked == Some(tags) && reply.is_home => Some(Full::Possible),
            (_, false) if tags.is_multiple_of(ROUND) => Some(Full::Possible),
            _ => None,
        }
    }
}

fn ways(full: Full, is_sorted: bool) -> &'static [Way] {
    match (full, is_sorted) {
        (Full::Possible, _) => &[Way::Last],
        (Full::Certain, true) => &[Way::Last, Way::Whole],
        (Full::Certain, false) => &[Way::Whole, Way::Last],
    }
}

/// Returns the address for a way; pages are asked for in the size that the one before was given in.
fn address(session: &Session<'_>, way: Way, asked: usize, tags: &[Cow<'_, str>]) -> Option<Url> {
    let mut url = session.address("tags/list");
    if way == Way::Last {
        let last = tags.iter().rfind(|tag| is_tag(tag))?;
        url.query_pairs_mut().append_pair("n", &asked.to_string()).append_pair("last", last);
    }
    Some(url)
}

/// Whether an answer is about the question, and not about the moment or about who asks.
fn is_refusal(error: &Error) -> bool {
    let status = match error {
        Error::Status { status, .. } => *status,
        Error::NotFound { .. } | Error::WebPage { status: 404, .. } => StatusCode::NOT_FOUND.as_u16(),
        _ => return false,
    };
    (400..500).contains(&status) && !web::is_transient(status)
}
