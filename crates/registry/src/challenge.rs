//! The `WWW-Authenticate` header: what a registry wants to see before it answers.
//!
//! The grammar is RFC 9110's section 11: several challenges may stand in one header, separated by the same comma as their
//! parameters; names are case-insensitive, values are tokens or quoted strings with escapes. Reading stops where a header
//! leaves the grammar, and what was read before counts.

use super::link::unquote;

/// The longest header value that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// The most challenges that are read.
const MAX_CHALLENGES: usize = 16;
/// The most parameters that are read of one challenge.
const MAX_PARAMETERS: usize = 32;

/// What a registry accepts as proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A user name and a password with each request.
    Basic,
    /// A token, which `realm` gives out.
    Bearer {
        /// The address to ask for a token, as written.
        realm: String,
        /// The name of the registry at the realm.
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Picks the first Basic or Bearer challenge of the headers of one response.
    pub(crate) fn first<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        headers.into_iter().flat_map(parse).find_map(Self::known)
    }

    fn known(raw: Raw) -> Option<Self> {
        match raw.scheme.as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer {
                realm: raw.parameter("realm").unwrap_or_default(),
                service: raw.parameter("service"),
                scope: raw.parameter("scope"),
            }),
            _ => None,
        }
    }
}

/// One challenge: its scheme and the names of its parameters in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Raw {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Raw {
    fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

fn parse(header: &str) -> Vec<Raw> {
    let mut challenges: Vec<Raw> = Vec::new();
    let mut rest = if header.len() > MAX_LENGTH { "" } else { header };
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            return challenges;
        }
        let has_room = challenges.len() < MAX_CHALLENGES;
        match (parameter(after), challenges.last_mut()) {
            (Some((value, after)), Some(challenge)) => {
                if challenge.parameters.len() < MAX_PARAMETERS {
                    challenge.parameters.push((name.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            (None, _) if has_room => {
                challenges.push(Raw { scheme: name.to_ascii_lowercase(), parameters: Vec::new() });
                rest = skip_token68(after);
            }
            _ => return challenges,
        }
    }
}

/// Splits off a token of RFC 9110.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// Reads `= value` after a parameter's name. `None` where there is no parameter, as in the padding of a token68.
fn parameter(text: &str) -> Option<(String, &str)> {
    let value = text.trim_start().strip_prefix('=')?.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => Some(unquote(quoted)),
        None => {
            let (value, after) = token(value);
            (!value.is_empty()).then(|| (value.to_owned(), after))
        }
    }
}

/// Passes over the opaque text that may stand in place of parameters, as in `Negotiate YII=`.
fn skip_token68(text: &str) -> &str {
    let start = text.trim_start();
    let is_body = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let after = start.trim_start_matches(is_body);
    let padded = after.trim_start_matches('=');
    let ends = padded.trim_start().is_empty() || padded.trim_start().starts_with(',');
    if after.len() < start.len() && ends { padded } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what is picked as `basic`, `bearer realm service scope` or `none`.
    fn pick(headers: &[&str]) -> String {
        match Challenge::first(headers.iter().copied()) {
            None => "none".to_owned(),
            Some(Challenge::Basic) => "basic".to_owned(),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                format!("bearer {realm} {} {}", or_dash(service), or_dash(scope))
            }
        }
    }

    #[test]
    fn table() {
        let cases: &[(&[&str], &str)] = &[
            (&[], "none"),
            (&[""], "none"),
            (&["Basic realm=\"r\""], "basic"),
            (&["BASIC"], "basic"),
            (&["Bearer"], "bearer  - -"),
            (
                &["Bearer realm=\"https://a.io/token\",service=\"a.io\",scope=\"repository:x:pull\""],
                "bearer https://a.io/token a.io repository:x:pull",
            ),
            (&["bearer Realm = \"https://a.io/t\" , SERVICE=reg"], "bearer https://a.io/t reg -"),
            (&["Bearer scope=\"repository:x:pull,push\",realm=\"r\""], "bearer r - repository:x:pull,push"),
            (&["Bearer realm=\"a\\\"b,c=\\\\\""], "bearer a\"b,c=\\ - -"),
            (&["Basic realm=\"r\", Bearer realm=\"x\""], "basic"),
            (&["Negotiate, Bearer realm=\"x\""], "bearer x - -"),
            (&["Negotiate YII=, Bearer realm=\"x\""], "bearer x - -"),
            (&["Negotiate YII+/a==", "Basic realm=x"], "basic"),
            (&["Digest realm=\"d, Basic\", nonce=\"n\", Basic realm=\"b\""], "basic"),
            (&["NTLM", "Bearer realm=x,service=y"], "bearer x y -"),
            (&["Bearer realm=\"open"], "bearer open - -"),
            (&["Bearer realm=\"a\" service=\"b\""], "bearer a b -"),
            (&["Bearer realm=one,realm=two"], "bearer one - -"),
            (&["realm=\"x\""], "none"),
            (&["\"quoted\", Basic"], "none"),
            (&["Newauth realm=\"a\" @@@, Basic realm=b"], "none"),
        ];
        for (headers, expect) in cases {
            assert_eq!(pick(headers), *expect, "{headers:?}");
        }
    }

    #[test]
    fn bounded() {
        let endless = format!("Bearer realm=\"r\"{}", ",a=b".repeat(2000));
        assert_eq!(pick(&[&endless]), "bearer r - -");
        assert_eq!(pick(&[&",".repeat(MAX_LENGTH + 1)]), "none");
        assert_eq!(parse(&"A, ".repeat(100)).len(), MAX_CHALLENGES);
    }
}
