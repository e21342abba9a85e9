//! The `ETag` header: what a list is recognised by.
//!
//! The grammar is RFC 9110's section 8.8.3. A value that leaves it is none: `*`, for one, would match any list.

use reqwest::header::HeaderValue;

/// The longest validator that is kept, in bytes.
const MAX_LENGTH: usize = 256;

/// How many tags a page may have room for, as far as that can be told, is a multiple of this: 50, 100, 1000.
const PAGE_STEP: usize = 10;

/// Returns a validator as a header, if it is one: `"…"` or `W/"…"`, of characters that can be seen.
pub(crate) fn header(text: &str) -> Option<HeaderValue> {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let opaque = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    let valid = text.len() <= MAX_LENGTH && opaque.bytes().all(is_allowed);
    valid.then(|| HeaderValue::from_str(text).ok())?
}

/// Returns the validator to keep, of those that came with a page of so many tags which had no next one.
///
/// The next page is named in a header, and a validator need not speak of headers: one that is made from the body alone stays
/// the same when a full page gets a successor. Such a page has a round number of tags. An empty one is asked for in full as
/// well, since that is how registries in trouble answer.
pub(crate) fn of_single_page<H: AsRef<str>>(mut headers: impl Iterator<Item = H>, tags: usize) -> Option<String> {
    let text = headers.next()?;
    let text = text.as_ref();
    (!tags.is_multiple_of(PAGE_STEP) && header(text).is_some()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept() {
        let long = format!("\"{}\"", "x".repeat(MAX_LENGTH - 2));
        for text in ["\"\"", "\"a\"", "W/\"a,b\"", "\"sha256:1/+=\"", &long] {
            assert_eq!(header(text).unwrap(), text);
            assert_eq!(of_single_page([text].into_iter(), 11).as_deref(), Some(text));
        }
        let too_long = format!("W/{long}");
        for text in
            ["", "*", "a", "\"", "w/\"a\"", "W/", "\"a", "\"a\" ", "\"a\", \"b\"", "\"a b\"", "\"é\"", &too_long]
        {
            assert_eq!(header(text), None, "{text}");
            assert_eq!(of_single_page([text].into_iter(), 11), None, "{text}");
        }
        assert_eq!(of_single_page([""; 0].into_iter(), 11), None);
        for full in [0, 10, 50, 100, 1000] {
            assert_eq!(of_single_page(["\"a\""].into_iter(), full), None, "{full}");
        }
    }
}
