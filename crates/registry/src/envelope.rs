//! The body of a failure: what a message may repeat of what a registry wrote, which is little, escaped, and nothing secret.

use serde::Deserialize;
use web::words::one_line;

/// The longest text of a registry that a message repeats, in characters.
const MAX_REMOTE_TEXT: usize = 200;
/// The most errors of one answer that a message repeats.
const MAX_REMOTE_ERRORS: usize = 3;

/// Reads the registry's own error format, `{"errors": [{"code", "message"}]}`, and what token servers use in its place.
/// Nothing else of a body gets into a message.
pub(crate) fn read(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        errors: Vec<Entry>,
        details: Option<String>,
        error: Option<String>,
        error_description: Option<String>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: Option<String>,
        message: Option<String>,
    }
    let join = |code: Option<String>, message: Option<String>| {
        let parts: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        parts.join(": ")
    };
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let mut texts: Vec<String> =
        envelope.errors.into_iter().take(MAX_REMOTE_ERRORS).map(|entry| join(entry.code, entry.message)).collect();
    if texts.is_empty() {
        texts.push(join(envelope.error, envelope.error_description.or(envelope.details)));
    }
    texts.retain(|text| !text.is_empty());
    (!texts.is_empty()).then(|| one_line(&texts.join("; "), MAX_REMOTE_TEXT))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn envelopes() {
        let cases = [
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known","detail":{}}]}"#,
                "NAME_UNKNOWN: repository name not known",
            ),
            (r#"{"errors":[{"code":"A","message":""},{"message":"b"},{"code":"C"},{"code":"D"}]}"#, "A; b; C"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
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
