//! What forges say of a refusal: each has its own form, and all of them are looked for in each answer.

use serde_json::Value;
use web::words::one_line;

/// The longest message that is repeated, in characters.
const MAX_MESSAGE: usize = 300;
/// How many parts of one are looked at.
const MAX_PARTS: usize = 10;

/// Returns what an answer says in words, on one line.
///
/// GitHub has `message` and a list `errors`, of texts or of objects with `message`; GitLab `message`, a text, a list or lists by
/// field, or `error`; Gitea `message`; Bitbucket Cloud `error.message`, Data Center a list `errors` with `message`; Azure `message`.
pub(crate) fn said(body: &str) -> Option<String> {
    let json: Value = serde_json::from_str(body).ok()?;
    let mut parts = Vec::new();
    for name in ["message", "error", "errors"] {
        json.get(name).into_iter().for_each(|value| collect(value, 0, &mut parts));
    }
    parts.dedup();
    let text = one_line(parts.join(": ").trim(), MAX_MESSAGE);
    (!text.is_empty()).then_some(text)
}

fn collect(value: &Value, depth: usize, parts: &mut Vec<String>) {
    if depth > 3 || parts.len() >= MAX_PARTS {
        return;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => parts.push(text.trim().to_owned()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, depth + 1, parts)),
        Value::Object(fields) => match fields.get("message") {
            Some(message) => collect(message, depth + 1, parts),
            None if depth == 0 => fields.values().for_each(|value| collect(value, depth + 1, parts)),
            None => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn forms() {
        let cases = [
            (r#"{"message":"Not Found","documentation_url":"x"}"#, Some("Not Found")),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:x."}]}"#,
                Some("Validation Failed: A pull request already exists for acme:x."),
            ),
            (
                r#"{"message":["Another open merge request already exists for this source branch: !5"]}"#,
                Some("Another open merge request already exists for this source branch: !5"),
            ),
            (r#"{"message":{"base":["is wrong"]}}"#, Some("is wrong")),
            (r#"{"error":"insufficient_scope"}"#, Some("insufficient_scope")),
            (r#"{"type":"error","error":{"message":"Branch not found"}}"#, Some("Branch not found")),
            (
                r#"{"errors":[{"context":null,"message":"Only one pull request","exceptionName":"x"}]}"#,
                Some("Only one pull request"),
            ),
            ("<html>", None),
            ("{}", None),
        ];
        for (body, expect) in cases {
            assert_eq!(said(body).as_deref(), expect, "{body}");
        }
    }
}
