//! What a token says, and what it has to say.

use serde_json::{Map, Value};

use crate::Refused;

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// What a token has to say to whoever takes it.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'e> {
    /// Who may have issued it, as `iss`; most issuers have one name.
    pub issuers: &'e [&'e str],
    /// For whom it is. An empty one never holds.
    pub audience: &'e str,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// What a token says whose signature holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    /// A claim by its name, or by a JSON Pointer (`/realm_access/roles`) within an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let Some(path) = name.strip_prefix('/') else { return self.0.get(name) };
        let mut parts = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
        let first = self.0.get(&parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    }

    /// Whether this names the claim with an address of mail, by its name or by a pointer. What is so named counts only where
    /// [`Claims::has_verified_email`] says so.
    #[must_use]
    pub fn is_email(name: &str) -> bool {
        name == "email" || name == "/email"
    }

    /// A claim that is text, and not an empty one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Whether the issuer does not say of the address in `email` that it is not verified; some say nothing of it.
    #[must_use]
    pub fn has_verified_email(&self) -> bool {
        self.text("email").is_some() && self.get("email_verified").is_none_or(|is| *is == Value::Bool(true))
    }

    /// When the token is over, in seconds since 1970; none for one that has no end, which never holds.
    #[must_use]
    pub fn end(&self) -> Option<i64> {
        self.moment("exp")
    }

    /// Whether the token is meant for who asks, now.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn check(&self, expected: &Expected<'_>) -> Result<(), Refused> {
        let is_ours = |one: &Value| one.as_str() == Some(expected.audience) && !expected.audience.is_empty();
        if !self.text("iss").is_some_and(|issuer| expected.issuers.contains(&issuer)) {
            return Err(Refused::Issuer);
        }
        let is_for_us = match self.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        };
        if !is_for_us {
            return Err(Refused::Audience);
        }
        if self.end().is_none_or(|end| expected.now >= end.saturating_add(LEEWAY)) {
            return Err(Refused::Over);
        }
        let has_begun = |name: &str| match self.get(name) {
            None => true,
            Some(_) => self.moment(name).is_some_and(|begin| begin <= expected.now.saturating_add(LEEWAY)),
        };
        if has_begun("nbf") && has_begun("iat") { Ok(()) } else { Err(Refused::Early) }
    }

    /// A moment, which may have a fraction.
    fn moment(&self, name: &str) -> Option<i64> {
        let value = self.get(name)?;
        value.as_i64().or_else(|| value.as_f64().filter(|seconds| seconds.abs() < 1e15).map(|seconds| seconds as i64))
    }
}
