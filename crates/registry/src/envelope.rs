//! The body of a failure: what a message may repeat of what a registry wrote, which is little, escaped, and nothing secret.

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use web::words::one_line;

use super::exchange::Reply;

/// The longest text of a registry that a message repeats, in characters.
const MAX_REMOTE_TEXT: usize = 200;
/// The most errors of one answer that a message repeats.
const MAX_REMOTE_ERRORS: usize = 3;

/// Returns what an answer says of a failure: in the registry's error format, or as plain text, such as ECR's.
pub(crate) fn of(reply: &Reply) -> Option<String> {
    let is_plain = || reply.texts(CONTENT_TYPE).any(|kind| kind.to_ascii_lowercase().starts_with("text/plain"));
    read(&reply.body).or_else(|| is_plain().then(|| plain(&reply.body)).flatten())
}

/// Reads plain text; what only calls itself so is left out.
fn plain(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_text = !text.is_empty() && !text.starts_with(['<', '{', '[']);
    is_text.then(|| one_line(text, MAX_REMOTE_TEXT))
}

/// Reads the registry's own error format, `{"errors": [{"code", "message"}]}`, and what token servers and forges use in its
/// place. Nothing else of a body gets into a message.
pub(crate) fn read(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        errors: Vec<Entry>,
        #[serde(flatten)]
        own: Entry,
        details: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: Option<Value>,
        message: Option<String>,
    }
    let code = |code: Option<Value>| match code {
        Some(Value::String(code)) => Some(code),
        Some(Value::Number(code)) => Some(code.to_string()),
        _ => None,
    };
    let join = |code: Option<String>, message: Option<String>| {
        let parts: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        parts.join(": ")
    };
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let entries = envelope.errors.into_iter().take(MAX_REMOTE_ERRORS);
    let mut texts: Vec<String> = entries.map(|entry| join(code(entry.code), entry.message)).collect();
    if texts.is_empty() {
        let Entry { code: own, message } = envelope.own;
        let message = envelope.error_description.or(envelope.details).or(message);
        texts.push(join(envelope.error.or(code(own)), message));
    }
    texts.retain(|text| !text.is_empty());
    (!texts.is_empty()).then(|| one_line(&texts.join("; "), MAX_REMOTE_TEXT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn plain_text() {
        assert_eq!(plain(b"Not Authorized\n").as_deref(), Some("Not Authorized"));
        assert_eq!(plain(b"a\nb\x1b[31m").as_deref(), Some("a\\nb\\u{1b}[31m"));
        for body in ["", " ", "<html>", "{}", "[1]"] {
            assert_eq!(plain(body.as_bytes()), None, "{body}");
        }
        assert_eq!(plain(b"\xff\xfe"), None);
    }

    #[test]
    fn envelopes() {
        let cases = [
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known","detail":{}}]}"#,
                "NAME_UNKNOWN: repository name not known",
            ),
            (r#"{"errors":[{"code":"A","message":""},{"message":"b"},{"code":"C"},{"code":"D"}]}"#, "A; b; C"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"errors":[{"code":404,"message":"no such repository"}]}"#, "404: no such repository"),
            (r#"{"message":"404 Project Not Found"}"#, "404 Project Not Found"),
            (r#"{"code":"DENIED","message":"no","errors":[]}"#, "DENIED: no"),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "invalid_grant: expired"),
            (
                r#"{"errors":[{"code":"X","message":"a\nb\u001b[31m\u202e\"q\" it's"}]}"#,
                r#"X: a\nb\u{1b}[31m\u{202e}"q" it's"#,
            ),
        ];
        for (body, expect) in cases {
            assert_eq!(read(body.as_bytes()).as_deref(), Some(expect), "{body}");
        }
        for body in ["", "<html>secret</html>", "{}", "[]", r#"{"errors":[]}"#, r#"{"errors":"x"}"#, "null"] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(5000));
        assert_eq!(read(long.as_bytes()).unwrap().chars().count(), MAX_REMOTE_TEXT + 1);
    }
}
