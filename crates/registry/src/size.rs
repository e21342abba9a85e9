//! In what size pages are asked for, and what is done where a registry does not give them so.
//!
//! A registry that is too slow for a thousand tags at once (5xx) is asked for a hundred. One that refuses the size, each in its
//! own way (400, 405, 413, 416, 422, 501 …, or any refusal that speaks of pages), is asked for a hundred and then for whatever it
//! gives unasked. A status that means something else as well, such as 404 or 200, has to say in words that it is about the size.

use reqwest::header::HeaderValue;
use url::Url;

use super::envelope;
use super::error::Error;
use super::exchange::{Reply, Request};
use super::session::Session;
use super::settings::Limits;

/// How many tags are asked for in one page.
pub(crate) const USUAL: usize = 1000;
/// How many are asked for where that is too much.
const SMALL: usize = 100;

/// A refusal that calls itself a good answer has fewer bytes than this.
const MAX_REFUSAL: usize = 4096;
/// Statuses by which registries refuse a size.
const REFUSALS: [u16; 9] = [400, 405, 406, 411, 413, 414, 416, 422, 501];
/// Words by which they do, in lower case.
const COMPLAINTS: [&str; 10] =
    ["page", "pagina", "limit", "maxresults", "results", "too many", "exceed", "parameter", "query", "'n'"];
/// Words that are about something else, though they are like those.
const OTHERS: [&str; 3] = ["rate limit", "quota", "too many requests"];

/// Asks for one page. A size that its address has is a wish.
///
/// # Errors
/// The registry has no such page, in no size.
pub(crate) async fn fetch(
    session: &Session<'_>,
    limits: &Limits,
    url: Url,
    known: Option<&HeaderValue>,
) -> Result<Reply, Error> {
    let request = |url: Url| Request {
        known: known.cloned(),
        ..Request::get(url, HeaderValue::from_static("application/json"), limits.page_bytes)
    };
    let requests: Vec<Request> = wishes(url).into_iter().map(request).collect();
    // Without a size a page may be the whole list, which is no help to a registry that is too slow.
    let sized = requests.len() - 1;
    let mut from = 0;
    loop {
        match session.fetch(&requests[from..sized.max(from + 1)]).await {
            Err(error) if from < sized && is_about_size(&error) => from += 1,
            Ok(reply) if from < sized && is_refusal(&reply) => from += 1,
            settled => return settled,
        }
    }
}

/// Returns the size that an address asks for.
pub(crate) fn of(url: &Url) -> Option<usize> {
    url.query_pairs().find(|(name, _)| name == "n").and_then(|(_, size)| size.parse().ok())
}

/// The addresses to try in turn: as given, with a small size, and without one.
fn wishes(url: Url) -> Vec<Url> {
    let Some(size) = of(&url) else { return vec![url] };
    let small = (size > SMALL).then(|| resized(&url, Some(SMALL)));
    let without = resized(&url, None);
    [Some(url), small, Some(without)].into_iter().flatten().collect()
}

/// Returns an address with another size or none; the rest of its query stays as it is written.
fn resized(url: &Url, size: Option<usize>) -> Url {
    let query = url.query().unwrap_or_default().split('&');
    let parts = query.filter_map(|part| match (part.split('=').next() == Some("n"), size) {
        (true, size) => size.map(|size| format!("n={size}")),
        (false, _) => Some(part.to_owned()),
    });
    let query = parts.collect::<Vec<_>>().join("&");
    let mut url = url.clone();
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    url
}

/// Whether a refusal is, or may be, about the size of a page.
fn is_about_size(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } if REFUSALS.contains(status) => true,
        Error::Status { status: 400..500, message: Some(message), .. }
        | Error::NotFound { message: Some(message), .. }
        | Error::Denied { status: 403, message: Some(message), .. } => is_complaint(message),
        _ => false,
    }
}

/// Whether an answer that calls itself good is a refusal of the size, which is short.
fn is_refusal(reply: &Reply) -> bool {
    reply.body.len() < MAX_REFUSAL && envelope::read(&reply.body).is_some_and(|message| is_complaint(&message))
}

fn is_complaint(message: &str) -> bool {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    has(&COMPLAINTS) && !has(&OTHERS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_tried() {
        for (url, expect) in [
            ("https://r.io/l", vec!["https://r.io/l"]),
            ("https://r.io/l?n=1000", vec!["https://r.io/l?n=1000", "https://r.io/l?n=100", "https://r.io/l"]),
            (
                "https://r.io/l?last=a%2Bb&n=500",
                vec!["https://r.io/l?last=a%2Bb&n=500", "https://r.io/l?last=a%2Bb&n=100", "https://r.io/l?last=a%2Bb"],
            ),
            ("https://r.io/l?n=50&x", vec!["https://r.io/l?n=50&x", "https://r.io/l?x"]),
            ("https://r.io/l?nn=1000", vec!["https://r.io/l?nn=1000"]),
        ] {
            let found: Vec<String> = wishes(Url::parse(url).unwrap()).into_iter().map(String::from).collect();
            assert_eq!(found, expect);
        }
    }

    #[test]
    fn complaints() {
        for message in [
            "PAGINATION_NUMBER_INVALID: invalid number of results requested",
            "UNSUPPORTED: Invalid parameter at 'maxResults' failed to satisfy constraint",
            "page_size in query should be less than or equal to 100",
            "TOO_MANY_TAGS_REQUESTED: The number of tags requested exceeds the maximum allowed.",
        ] {
            assert!(is_complaint(message), "{message}");
        }
        for message in [
            "NAME_UNKNOWN: repository name not known to registry",
            "You have reached your pull rate limit",
            "TOOMANYREQUESTS: Too Many Requests",
        ] {
            assert!(!is_complaint(message), "{message}");
        }
    }
}
