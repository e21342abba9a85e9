//! One page of a list: what counts as one, and what is said of an answer that is none.
//!
//! A registry in trouble may answer 200 all the same: with the body of an error, with an object that has no tags in it, or with
//! the page of a portal. None of them is an empty list, which would mean that all tags are gone. An empty list has its
//! `tags`: `[]`, or `null`, which is how Docker's own registry writes that a repository has none left.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use web::show;

use super::envelope;
use super::error::Error;
use super::exchange::Reply;
use super::settings::Limits;

/// One page.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// The tags as they came, whatever is in them.
    pub(crate) tags: Vec<Cow<'a, str>>,
    /// What Google's registries say about the images themselves.
    pub(crate) manifest: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Body<'a> {
    /// Whether it is there, and whether it is null.
    #[serde(default, borrow, deserialize_with = "present")]
    tags: Option<Option<&'a RawValue>>,
    #[serde(borrow)]
    manifest: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

/// Reads one page.
///
/// # Errors
/// It is something else, or has more tags than a list may have: a page of a few megabytes can have many millions.
pub(crate) fn read<'r>(reply: &'r Reply, limits: &Limits) -> Result<Page<'r>, Error> {
    let text = reply.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&reply.body);
    let body: Body<'_> = match serde_json::from_slice(text) {
        Ok(body) => body,
        Err(_) if is_web_page(reply) => return Err(web_page(reply)),
        // The parser's own message may repeat what the registry wrote.
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            return Err(malformed(reply, &format!("something else than a list of tags ({place})")));
        }
    };
    let has_errors = body.errors.is_some_and(|errors| !matches!(errors.get(), "null" | "[]" | "{}" | "\"\""));
    let tags = match body.tags {
        _ if has_errors => return Err(malformed(reply, "an error in place of tags")),
        Some(None) => Vec::new(),
        Some(Some(tags)) => match texts(tags, limits.tags) {
            Ok(Some(tags)) => tags,
            Ok(None) => return Err(Error::TooLarge { url: show(&reply.url), limit: limits.tags, what: "tags" }),
            Err(_) => return Err(malformed(reply, "`tags` that are no list of texts")),
        },
        None => return Err(malformed(reply, "JSON that has no list of tags in it")),
    };
    Ok(Page { tags, manifest: body.manifest })
}

/// Reads a list of texts; none where it has more than so many.
pub(crate) fn texts(list: &RawValue, most: usize) -> serde_json::Result<Option<Vec<Cow<'_, str>>>> {
    let mut is_longer = false;
    let texts = Deserializer::deserialize_seq(
        &mut serde_json::Deserializer::from_str(list.get()),
        Texts { most, is_longer: &mut is_longer },
    );
    if is_longer { Ok(None) } else { texts.map(Some) }
}

struct Texts<'l> {
    most: usize,
    is_longer: &'l mut bool,
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(text)) = list.next_element()? {
            if texts.len() == self.most {
                *self.is_longer = true;
                break;
            }
            texts.push(text);
        }
        Ok(texts)
    }
}

/// Whether an answer is a web page: that of a portal, a sign-in, or a server that is no registry.
pub(crate) fn is_web_page(reply: &Reply) -> bool {
    let html = reply.texts(reqwest::header::CONTENT_TYPE).any(|kind| kind.to_ascii_lowercase().contains("html"));
    let start: Vec<u8> = reply.body.iter().take(512).map(u8::to_ascii_lowercase).collect();
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    html || start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// Says that an answer is a web page.
pub(crate) fn web_page(reply: &Reply) -> Error {
    Error::WebPage { url: show(&reply.url), status: reply.status.as_u16() }
}

fn malformed(reply: &Reply, what: &str) -> Error {
    let said = envelope::of(reply).map_or(String::new(), |said| format!(" ({said})"));
    Error::Malformed { url: show(&reply.url), reason: format!("{what}{said}") }
}

/// Tells null from nothing, which serde takes for the same.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use reqwest::StatusCode;
    use reqwest::header::{CONTENT_TYPE, HeaderValue};

    /// What comes of a body that is answered with 200: the tags, or the failure.
    fn check(kind: &'static str, body: &str) -> String {
        let reply = Reply {
            status: StatusCode::OK,
            headers: [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect(),
            url: "https://r.io/v2/x/tags/list".parse().unwrap(),
            is_home: true,
            asked_wait: None,
            body: body.as_bytes().to_vec(),
        };
        read(&reply, &Limits { tags: 3, ..Limits::default() })
            .map_or_else(|error| error.to_string(), |page| page.tags.join(","))
    }

    #[test]
    fn what_is_a_list() {
        let json = "application/json";
        for (body, expect) in [
            (r#"{"name":"x","tags":["a","b"]}"#, "a,b"),
            (r#"{"name":"x","tags":[]}"#, ""),
            (r#"{"name":"x","tags":null}"#, ""),
            ("\u{feff}{\"tags\":[\"a\"]}", "a"),
            (r#"{"tags":["a"],"errors":null}"#, "a"),
            (r#"{"tags":["a"],"errors":[]}"#, "a"),
        ] {
            assert_eq!(check(json, body), expect, "{body}");
            assert_eq!(check("text/html; charset=utf-8", body), expect, "what is a list counts, whatever it is called");
        }
    }

    #[test]
    fn more_than_a_list_may_have() {
        let json = "application/json";
        assert_eq!(check(json, r#"{"tags":["a","b\u0031","c"]}"#), "a,b1,c");
        let expect = "https://r.io/v2/x/tags/list answered with more than 3 tags";
        assert_eq!(check(json, r#"{"tags":["a","b","c","d","e"]}"#), expect);
    }

    #[test]
    fn what_is_none() {
        let json = "application/json";
        let page = "https://r.io/v2/x/tags/list answered with a web page (status 200)";
        for (kind, body, expect) in [
            (
                json,
                r#"{"errors":[{"code":"DENIED","message":"log in"}]}"#,
                "an error in place of tags (DENIED: log in)",
            ),
            (json, r#"{"errors":[{"code":"DENIED"}],"tags":null}"#, "an error in place of tags (DENIED)"),
            (json, r#"{"errors":[{"code":"DENIED"}],"tags":["a"]}"#, "an error in place of tags (DENIED)"),
            (json, r#"{"errors":{"message":"no"}}"#, "an error in place of tags"),
            (json, r#"{"errors":"no"}"#, "an error in place of tags"),
            (json, r#"{"error":"busy"}"#, "JSON that has no list of tags in it (busy)"),
            (json, r#"{"name":"x"}"#, "JSON that has no list of tags in it"),
            (json, "{}", "JSON that has no list of tags in it"),
            (json, "null", "something else than a list of tags (line 1, column 4)"),
            (json, "", "something else than a list of tags (line 1, column 0)"),
            (json, "[]", "something else than a list of tags (line 1, column 2)"),
            (json, r#"{"tags":{}}"#, "`tags` that are no list of texts"),
            (json, r#"{"tags":["a",1]}"#, "`tags` that are no list of texts"),
            (json, r#"{"tags":["a"]"#, "something else than a list of tags (line 1, column 13)"),
        ] {
            assert_eq!(check(kind, body), format!("https://r.io/v2/x/tags/list answered with {expect}"), "{body}");
        }
        for (kind, body) in [
            ("text/html", "<p>Sign in"),
            (json, "\n <!DOCTYPE HTML><title>Sign in</title>"),
            ("", "\u{feff}<html lang=en>"),
        ] {
            assert!(check(kind, body).starts_with(page), "{body}: {}", check(kind, body));
        }
    }
}
