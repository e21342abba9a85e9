//! What a claim has to say.

use std::fmt;

use serde_json::Value;

use crate::Claims;

/// `CLAIM=VALUE`: a claim is this, or is a list that has it. `CLAIM=*` holds where the claim is there and says something. An address of an
/// `email` that the issuer says not to have verified (`email_verified`) is nobody's.
///
/// ```
/// let condition = oidc::Condition::parse("groups=platform").unwrap();
/// assert_eq!(condition.to_string(), "groups=platform");
/// assert_eq!(oidc::Condition::parse("groups"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The claim, by its name or by a JSON Pointer.
    claim: String,
    value: String,
}

impl Condition {
    /// A claim, and its value.
    #[must_use]
    pub fn new(claim: impl Into<String>, value: impl Into<String>) -> Self {
        Self { claim: claim.into(), value: value.into() }
    }

    /// Reads `CLAIM=VALUE`; none where one of both is missing. The value may have further signs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (claim, value) = text.split_once('=')?;
        let (claim, value) = (claim.trim(), value.trim());
        (!claim.is_empty() && claim != "/" && !value.is_empty()).then(|| Self::new(claim, value))
    }

    /// Whether a token says so. Numbers, and yes and no, are compared as they are written.
    #[must_use]
    pub fn holds(&self, claims: &Claims) -> bool {
        if Claims::is_email(&self.claim) && !claims.has_verified_email() {
            return false;
        }
        match claims.get(&self.claim) {
            Some(Value::Array(all)) => all.iter().any(|one| self.is(one)),
            Some(one) => self.is(one),
            None => false,
        }
    }

    fn is(&self, value: &Value) -> bool {
        let is_any = self.value == "*";
        match value {
            Value::String(text) => !text.is_empty() && (is_any || *text == self.value),
            Value::Bool(is) => self.value == if *is { "true" } else { "false" } || is_any && *is,
            Value::Number(number) => is_any || number.to_string() == self.value,
            Value::Object(fields) => is_any && !fields.is_empty(),
            Value::Null | Value::Array(_) => false,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.claim, self.value)
    }
}
