//! The grammar of a marker comment.
//!
//! All leading `#` are dropped; the rest must be one JSON object whose values are strings or null. Its key
//! `$imagepolicy` names the policy and the field: `namespace:policy`, and perhaps `:tag`, `:name` or `:digest`. Of
//! duplicate keys the last wins, JSON escapes and percent-encoding in the value are decoded, white space between JSON
//! tokens is free.
//!
//! Whatever else mentions `$imagepolicy` is an ordinary comment, and deserves a word of warning where it was probably meant to be a
//! marker: not where it has neither a brace nor the quoted key, which is prose, and not where it has a line of its own and begins with something else, which
//! is prose, too, or YAML that is commented out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;

use crate::marker::{Field, TOKEN};
use crate::spelling;

/// The word that makes a comment worth reading; an escaped key such as `"\u0024imagepolicy"` never counts.
pub(crate) const MENTION: &str = "$imagepolicy";

/// The key of Fleet's markers, which people bring along.
const FLEET: &str = "$imagescan";

/// The longest key that is compared with it, in bytes.
const MAX_KEY: usize = 32;

/// How much of a comment is looked at for a misspelt key, in bytes.
const MAX_COMMENT: usize = 128;

/// How much of a comment is repeated in a finding, in characters.
const MAX_SHOWN: usize = 40;

/// A comment, read as a marker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It mentions `$imagepolicy` in no way.
    Unrelated,
    /// A marker that names a policy, and perhaps a field.
    Marker(Setter),
    /// It mentions `$imagepolicy`, or almost, and is no marker; the reason completes "no marker: …".
    Malformed(String),
    /// A marker, but for its last part.
    UnknownField(String),
}

/// The decoded value of a marker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setter {
    /// The marker's whole value, decoded.
    pub(crate) text: String,
    /// How long the namespace is.
    pub(crate) namespace: usize,
    /// How long `namespace:policy` is.
    pub(crate) policy: usize,
    pub(crate) field: Field,
}

/// Reads a comment, `#` included. One with a key that is almost `$imagepolicy` is a malformed marker.
pub(crate) fn read(comment: &str) -> Reading {
    let reading = exact(comment);
    match reading {
        Reading::Unrelated | Reading::Malformed(_) => match misspelt(comment) {
            Some(key) => Reading::Malformed(format!("its key is {key:?}, not {MENTION:?}")),
            None => reading,
        },
        reading => reading,
    }
}

/// Whether a comment is one of Fleet's, to the letter.
pub(crate) fn is_fleets(comment: &str) -> bool {
    let start = &comment.as_bytes()[..comment.len().min(MAX_COMMENT)];
    memmem::find(start, FLEET.as_bytes()).is_some() && memmem::find(start, MENTION.as_bytes()).is_none()
}

/// Reads a comment whose key, if it is a marker, is written as it must be.
fn exact(comment: &str) -> Reading {
    if memmem::find(comment.as_bytes(), MENTION.as_bytes()).is_none() {
        return Reading::Unrelated;
    }
    let body = comment.trim_start_matches('#');
    let mut object: BTreeMap<String, Option<String>> = match serde_json::from_str(body) {
        Ok(object) => object,
        Err(error) => return Reading::Malformed(describe(body, &error)),
    };
    match object.remove(MENTION) {
        Some(Some(value)) if !value.is_empty() => setter(&value),
        Some(_) => Reading::Malformed("its value is empty".to_owned()),
        None => Reading::Malformed("the object has no key \"$imagepolicy\"".to_owned()),
    }
}

/// Whether a comment is about markers, and none itself: prose, or YAML that is commented out. `before` is what stands before it
/// on its line.
pub(crate) fn is_talk(comment: &str, before: &str) -> bool {
    let is_alone = before.trim_matches(['\u{feff}', ' ', '\t']).is_empty();
    let is_prose = !comment.contains('{') && !comment.contains(TOKEN);
    is_prose || is_alone && !comment.trim_start_matches('#').trim_start().starts_with('{')
}

/// The key of an object in a comment that is almost `$imagepolicy`, as in `# {"$imagePolicy": "a:b"}`.
fn misspelt(comment: &str) -> Option<&str> {
    let body = comment.trim_start_matches('#').trim_start().strip_prefix('{')?.trim_start();
    let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let rest = &body[1..];
    let key = rest.split(quote).next().filter(|key| key.len() <= MAX_KEY && *key != MENTION)?;
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let has_value = rest[key.len()..].trim_start_matches([quote, ' ', '\t']).starts_with(':');
    let is_meant = key == FLEET || spelling::nearest(&letters, &[&MENTION[1..]]).is_some();
    (has_value && is_meant).then_some(key)
}

/// Whether bytes mention a marker in a comment that is none for its key, such as `# {"$imagePolicy": …}`. Text without a `#`
/// before a `{` costs one search.
pub(crate) fn has_misspelt(bytes: &[u8]) -> bool {
    let is_first = |at: &usize| *at == 0 || bytes[at - 1] != b'#';
    memchr::memchr_iter(b'#', bytes).filter(is_first).any(|at| {
        let end = bytes.len().min(at + MAX_COMMENT);
        let start = bytes[at..end].iter().position(|byte| !matches!(byte, b'#' | b' ' | b'\t'));
        let is_object = start.is_some_and(|start| bytes[at + start] == b'{');
        is_object && misspelt(&String::from_utf8_lossy(&bytes[at..end])).is_some()
    })
}

fn describe(body: &str, error: &serde_json::Error) -> String {
    match body.trim_start_matches([' ', '\t']).chars().next() {
        Some('{') if error.is_data() => "a value in the object is not a string".to_owned(),
        Some('{') if error.is_eof() => "the object has no end: a quote or a } is missing".to_owned(),
        Some('{') => match serde_json::Deserializer::from_str(body).into_iter::<IgnoredAny>().next() {
            Some(Ok(_)) => "something stands behind the JSON object".to_owned(),
            _ => format!("it is not JSON from {:?} on", words::one_line(rest(body, error), MAX_SHOWN)),
        },
        _ => "something stands before the JSON object".to_owned(),
    }
}

/// What stands where JSON ends to be JSON, from the beginning of the word.
fn rest<'b>(body: &'b str, error: &serde_json::Error) -> &'b str {
    let at = body.floor_char_boundary(error.column().saturating_sub(1));
    let word = body[..at].trim_end_matches(char::is_alphanumeric).len();
    &body[word..]
}

/// The value of the marker that a malformed one was meant to be, as far as that can be told: with the namespace `default` where it
/// names none, and with a colon for a slash.
pub(crate) fn meant(comment: &str) -> Option<String> {
    let key = misspelt(comment).unwrap_or(MENTION);
    let rest = &comment[comment.find(key)? + key.len()..];
    let value = rest.trim_start_matches(['"', '\'', ' ', '\t']).strip_prefix(':')?;
    let value = value.trim_start_matches(['"', '\'', ' ', '\t']);
    let value = value.split(['"', '\'', ' ', '\t', '}', ',']).next()?;
    let value = match value.contains(':') {
        true => value.to_owned(),
        false if value.contains('/') => value.replacen('/', ":", 1),
        false => format!("default:{value}"),
    };
    matches!(setter(&value), Reading::Marker(_)).then_some(value)
}

fn setter(raw: &str) -> Reading {
    let Some(text) = percent_decode(raw) else {
        return Reading::Malformed(format!("{raw:?} has a broken percent escape"));
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (namespace, name) = match parts[..] {
        [namespace, name] | [namespace, name, _] if is_name(namespace) && is_name(name) => (namespace, name),
        _ => return Reading::Malformed(format!("{text:?} is not namespace:policy or namespace:policy:field")),
    };
    let field = match parts.get(2).copied() {
        None => Field::Image,
        Some("name") => Field::Name,
        Some("tag") => Field::Tag,
        Some("digest") => Field::Digest,
        Some(_) => return Reading::UnknownField(text),
    };
    let (namespace, policy) = (namespace.len(), namespace.len() + 1 + name.len());
    Reading::Marker(Setter { text, namespace, policy, field })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c != '/' && !c.is_whitespace() && !c.is_control())
}

/// Takes out percent-encoding; none where a `%` is followed by anything but two hexadecimal digits.
fn percent_decode(text: &str) -> Option<String> {
    let is_whole = |after: &str| after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|_| text.split('%').skip(1).all(is_whole));
    decoded.map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(comment: &str, expect: &str) {
        let found = match read(comment) {
            Reading::Unrelated => "unrelated".to_owned(),
            Reading::Malformed(_) => "malformed".to_owned(),
            Reading::UnknownField(text) => format!("unknown field {text}"),
            Reading::Marker(setter) => {
                format!("{} {} {:?}", &setter.text[..setter.namespace], &setter.text[..setter.policy], setter.field)
            }
        };
        assert_eq!(found, expect, "{comment:?}");
    }

    #[test]
    fn markers() {
        check(r#"# {"$imagepolicy": "ns:p"}"#, "ns ns:p Image");
        check(r#"#{"$imagepolicy":"ns:p:tag"}"#, "ns ns:p Tag");
        check("#\t{ \"$imagepolicy\"\t:  \"ns:p:name\" }  \t", "ns ns:p Name");
        check(r#"### {"$imagepolicy": "ns:p:digest"}"#, "ns ns:p Digest");
        check(r#"# {"$imagepolicy": "ns:my.app-1", "note": "x", "other": null}"#, "ns ns:my.app-1 Image");
        check(r#"# {"$imagepolicy": "a:b", "$imagepolicy": "ns:p"}"#, "ns ns:p Image");
        check(r#"# {"$imagepolicy": "\u006es:p"}"#, "ns ns:p Image");
        check(r#"# {"$imagepolicy": "ns%3Ap%3atag"}"#, "ns ns:p Tag");
    }

    #[test]
    fn ordinary_comments() {
        check("# tag of the image", "unrelated");
        check(r##"# {"$ref": "#/definitions/io.k8s.cli.setters.ns:p"}"##, "unrelated");
    }

    #[test]
    fn what_is_wrong_and_what_was_meant() {
        let check = |comment: &str, reason: &str, marker: Option<&str>| {
            let Reading::Malformed(found) = read(comment) else { panic!("{comment}") };
            assert_eq!((&*found, meant(comment).as_deref()), (reason, marker), "{comment}");
        };
        check(
            r#"# {"\u0024imagepolicy": "ns:p"}"#,
            r#"its key is "\\u0024imagepolicy", not "$imagepolicy""#,
            Some("ns:p"),
        );
        check(
            r#"# {"$ImagePolicy": "ns:p:tag"}"#,
            r#"its key is "$ImagePolicy", not "$imagepolicy""#,
            Some("ns:p:tag"),
        );
        check(r#"# {"$imagepolicy": "ns:p""#, "the object has no end: a quote or a } is missing", Some("ns:p"));
        check(r#"# {"$imagepolicy": "ns:p"} keep"#, "something stands behind the JSON object", Some("ns:p"));
        check(r#"# x {"$imagepolicy": "ns:p"}"#, "something stands before the JSON object", Some("ns:p"));
        check(r#"# {'$imagepolicy': 'ns:p'}"#, r#"it is not JSON from "'$imagepolicy': 'ns:p'}" on"#, Some("ns:p"));
        check(r#"# {"$imagepolicy": ns:p}"#, r#"it is not JSON from "ns:p}" on"#, Some("ns:p"));
        check(
            r#"# {"$imagepolicy": "p"}"#,
            r#""p" is not namespace:policy or namespace:policy:field"#,
            Some("default:p"),
        );
        check(
            r#"# {"$imagepolicy": "ns/p"}"#,
            r#""ns/p" is not namespace:policy or namespace:policy:field"#,
            Some("ns:p"),
        );
        check(r#"# {"$imagepolicy": ""}"#, "its value is empty", None);
        check(r#"# {"x": "$imagepolicy"}"#, "the object has no key \"$imagepolicy\"", None);
    }

    #[test]
    fn talk_about_markers() {
        let check = |line: &str, expect: bool| {
            let (before, comment) = line.split_at(line.find('#').unwrap_or_default());
            assert_eq!(is_talk(comment, before), expect, "{line}");
        };
        check(r#"# image: x:1 # {"$imagepolicy": "a:b"}"#, true);
        check(r#"  #image: x:1 #{"$imagepolicy": "a:b"}"#, true);
        check(r#"# the `# {"$imagepolicy": "a:b"}` marker"#, true);
        check("a: 1 # set by the $imagepolicy above", true);
        check(r#"# {"$imagepolicy": "a:b"} keep"#, false);
        check(r#"#{'$imagepolicy': 'a:b'}"#, false);
        check(r##"a: 1 # # {"$imagepolicy": "a:b"}"##, false);
        check(r#"a: 1 # keep {"$imagepolicy": "a:b"}"#, false);
    }

    #[test]
    fn misspelt_keys() {
        let check = |comment: &str, expect: Option<&str>| assert_eq!(misspelt(comment), expect, "{comment}");
        check(r#"# {"$imagePolicy": "a:b"}"#, Some("$imagePolicy"));
        check(r#"#{ "$image-policy" : "a:b"}"#, Some("$image-policy"));
        check(r#"# {"imagepolicy": "a:b"}"#, Some("imagepolicy"));
        check(r#"# {'$imagepolcy': 'a:b'}"#, Some("$imagepolcy"));
        check(r#"# {"$imagepolicy": "a:b"}"#, None);
        check(r#"# {"$openapi": "a:b"}"#, None);
        check(r##"# {"$ref": "#/definitions/x"}"##, None);
        check(r#"# {"$kpt-set": "image"}"#, None);
        check(r#"# see {"$imagePolicy": "a:b"}"#, None);
        check(r#"# {"$imagePolicy"}"#, None);
        check("# {", None);
    }

    #[test]
    fn almost_markers() {
        for comment in [
            r#"# flux {"$imagepolicy": "ns:p"}"#,
            r#"# {"$imagepolicy": "ns:p"} keep"#,
            r#"# {"$imagepolicy": "ns:p"}{}"#,
            r##"# # {"$imagepolicy": "ns:p"}"##,
            r#"# {'$imagepolicy': 'ns:p'}"#,
            r#"# {"$imagepolicy": "ns:p",}"#,
            r#"# {"$imagepolicy": "ns:p", "n": 1}"#,
            r#"# {"$imagepolicy": {"a": "ns:p"}}"#,
            r#"# ["$imagepolicy"]"#,
            r#"# {"$imagepolicy": ""}"#,
            r#"# {"$imagepolicy": null}"#,
            r#"# {"$imagepolicy": " ns:p"}"#,
            r#"# {"$imagepolicy": "ns:p q"}"#,
            r#"# {"$imagepolicy": "ns/p"}"#,
            r#"# {"$imagepolicy": "p"}"#,
            r#"# {"$imagepolicy": ":p"}"#,
            r#"# {"$imagepolicy": "ns:"}"#,
            r#"# {"$imagepolicy": "ns:p:tag:x"}"#,
            r#"# {"$imagepolicy": "ns%3"}"#,
            "# {\u{a0}\"$imagepolicy\": \"ns:p\"}",
            r#"# {"x": "$imagepolicy"}"#,
        ] {
            check(comment, "malformed");
        }
        check(r#"# {"$imagepolicy": "ns:p:tags"}"#, "unknown field ns:p:tags");
        check(r#"# {"$imagepolicy": "ns:p:Tag"}"#, "unknown field ns:p:Tag");
        check(r#"# {"$imagepolicy": "ns:p:"}"#, "unknown field ns:p:");
    }
}
