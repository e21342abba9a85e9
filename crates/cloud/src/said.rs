//! What servers say of a refusal: each cloud has its own form, and all of them are looked for in each answer.

use serde_json::Value;
use web::words::one_line;

use super::xml;

/// The longest message that is repeated, in characters.
const MAX_MESSAGE: usize = 300;

/// Returns what an answer says in words, on one line.
pub(crate) fn said(body: &str) -> Option<String> {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(json) => of_json(&json),
        Err(_) => of_xml(body),
    }?;
    let text = one_line(text.trim(), MAX_MESSAGE);
    (!text.is_empty()).then_some(text)
}

/// AWS has `__type` and `message`, OAuth `error` and `error_description`, Google an object in `error`, registries a list in
/// `errors`, GitHub `message`, the metadata of AWS `Code` and `Message`.
fn of_json(json: &Value) -> Option<String> {
    let text = |value: &Value, names: &[&str]| {
        names.iter().find_map(|name| value.get(*name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let pair = |code: Option<String>, message: Option<String>| match (code, message) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    };
    if let Some(inner) = json.get("error").filter(|inner| inner.is_object()) {
        return pair(text(inner, &["status"]), text(inner, &["message"]));
    }
    if let Some(first) = json.get("errors").and_then(Value::as_array).and_then(|errors| errors.first()) {
        return pair(text(first, &["code"]), text(first, &["message"]));
    }
    let code = text(json, &["__type", "error", "Code", "code"]);
    // `com.amazon.coral.service#InvalidSignatureException`
    let code = code.map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
    pair(code, text(json, &["message", "Message", "error_description"]))
}

fn of_xml(body: &str) -> Option<String> {
    let code = xml::text(body, "Code")?;
    Some(match xml::text(body, "Message") {
        Some(message) => format!("{code}: {message}"),
        None => code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases = [
            (
                r#"{"__type":"com.amazon#ExpiredTokenException","message":"it ended"}"#,
                Some("ExpiredTokenException: it ended"),
            ),
            (
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not &lt;you&gt;</Message></Error></ErrorResponse>",
                Some("AccessDenied: Not <you>"),
            ),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: wrong\r\nTrace ID: x"}"#,
                Some("invalid_client: AADSTS7000215: wrong\\r\\nTrace ID: x"),
            ),
            (r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}"#, Some("PERMISSION_DENIED: no")),
            (r#"{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}"#, Some("UNAUTHORIZED: no")),
            (r#"{"message":"Bad credentials","documentation_url":"x"}"#, Some("Bad credentials")),
            (
                r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume"}"#,
                Some("AssumeRoleUnauthorizedAccess: EC2 cannot assume"),
            ),
            ("<html>no</html>", None),
            ("{}", None),
            ("", None),
            ("[1]", None),
        ];
        for (body, expect) in cases {
            assert_eq!(said(body).as_deref(), expect, "{body}");
        }
    }
}
