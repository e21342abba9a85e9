//! The `WWW-Authenticate` header: what a registry wants to see before it answers.
//!
//! The grammar is RFC 9110's section 11: several challenges may stand in one header, separated by the same comma as their
//! parameters; names are case-insensitive, values are tokens or quoted strings with escapes. Registries are less strict than
//! it: an address may stand without quotes or between single ones, and a `;` may separate. What cannot be read is passed over up
//! to the next comma, so that one odd challenge does not hide the next.

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
    /// A token.
    Bearer(Bearer),
}

/// Where a token is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The address to ask for a token, as written.
    pub(crate) realm: String,
    /// The name of the registry at the realm.
    pub(crate) service: Option<String>,
    /// What the token must allow.
    pub(crate) scope: Option<String>,
}

impl Challenge {
    /// Returns the challenges of the headers of one response that can be met, in the order in which they are: Bearer before
    /// Basic, as containerd and Docker have it, since a token is also given to those without a login.
    pub(crate) fn all<H: AsRef<str>>(headers: impl IntoIterator<Item = H>) -> Vec<Self> {
        let raw = headers.into_iter().flat_map(|header| parse(header.as_ref())).take(MAX_CHALLENGES);
        let mut all: Vec<Self> = raw.filter_map(Self::known).collect();
        all.sort_by_key(|challenge| matches!(challenge, Self::Basic));
        all
    }

    fn known(raw: Raw) -> Option<Self> {
        match raw.scheme.as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer(Bearer {
                realm: raw.parameter("realm").unwrap_or_default(),
                service: raw.parameter("service"),
                scope: raw.parameter("scope"),
            })),
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
    while challenges.len() <= MAX_CHALLENGES {
        rest = rest.trim_start_matches([' ', '\t', ',', ';']);
        let (name, after) = token(rest);
        match (parameter(after), challenges.last_mut()) {
            _ if rest.is_empty() => break,
            _ if name.is_empty() => rest = skip_junk(rest),
            (Some((value, after)), last) => {
                if let Some(challenge) = last.filter(|challenge| challenge.parameters.len() < MAX_PARAMETERS) {
                    challenge.parameters.push((name.to_ascii_lowercase(), value));
                }
                rest = after;
            }
            (None, _) => {
                challenges.push(Raw { scheme: name.to_ascii_lowercase(), parameters: Vec::new() });
                rest = skip_token68(after);
            }
        }
    }
    challenges.truncate(MAX_CHALLENGES);
    challenges
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
            let (value, after) = value.split_at(value.find([',', ' ', '\t']).unwrap_or(value.len()));
            let bare = value.trim_matches(['\'', '"', '\\', ';']);
            (!bare.is_empty() && !bare.starts_with('=')).then(|| (bare.to_owned(), after))
        }
    }
}

/// Passes over what is no name, up to the next comma that stands outside of quotes.
fn skip_junk(text: &str) -> &str {
    let mut is_quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == ',' && !is_quoted
    });
    end.map_or("", |(at, _)| &text[at..])
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

    /// Shows what is picked, each as `basic` or `bearer realm service scope`.
    fn pick(headers: &[&str]) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let show = |challenge| match challenge {
            Challenge::Basic => "basic".to_owned(),
            Challenge::Bearer(Bearer { realm, service, scope }) => {
                format!("bearer {realm} {} {}", or_dash(service), or_dash(scope))
            }
        };
        Challenge::all(headers).into_iter().map(show).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn table() {
        let cases: &[(&[&str], &str)] = &[
            (&[], ""),
            (&[""], ""),
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
            (&["Basic realm=\"r\", Bearer realm=\"x\""], "bearer x - - | basic"),
            (&["Basic realm=\"r\"", "Bearer realm=\"x\""], "bearer x - - | basic"),
            (&["Bearer realm=\"x\"", "Basic", "Bearer realm=\"y\""], "bearer x - - | bearer y - - | basic"),
            (&["Basic realm=\"r\" Bearer realm=\"x\",service=s"], "bearer x s - | basic"),
            (&["Negotiate, Bearer realm=\"x\""], "bearer x - -"),
            (&["Negotiate YII=, Bearer realm=\"x\""], "bearer x - -"),
            (&["Negotiate YII+/a==", "Basic realm=x"], "basic"),
            (&["Digest realm=\"d, Basic\", nonce=\"n\", Basic realm=\"b\""], "basic"),
            (&["NTLM", "Bearer realm=x,service=y"], "bearer x y -"),
            (&["Bearer realm=\"open"], "bearer open - -"),
            (&["Bearer realm=\"a\" service=\"b\""], "bearer a b -"),
            (&["Bearer realm=one,realm=two"], "bearer one - -"),
            (&["realm=\"x\""], ""),
            (&["\"quoted, Basic\", Basic"], "basic"),
            (&["Newauth realm=\"a\" @@@, Basic realm=b"], "basic"),
            (&["bearer realm=http://a.io:5000/token,service=reg"], "bearer http://a.io:5000/token reg -"),
            (&["Bearer realm='https://a.io/t?x=y',service='reg'"], "bearer https://a.io/t?x=y reg -"),
            (&["Bearer realm=\\\"https://a.io/t\\\",service=\\\"reg\\\""], "bearer https://a.io/t reg -"),
            (&["Bearer realm=\"https://a.io/t\"; service=\"reg\""], "bearer https://a.io/t reg -"),
            (&["Bearer realm=\"Entrep\u{f4}t\", Basic realm=\"\u{fffd}\""], "bearer Entrep\u{f4}t - - | basic"),
            (&["Bearer,realm=\"x\""], "bearer x - -"),
            (&["Bearer realm=\"x\",,,error=\"invalid_token\", Basic"], "bearer x - - | basic"),
        ];
        for (headers, expect) in cases {
            assert_eq!(pick(headers), *expect, "{headers:?}");
        }
    }

    #[test]
    fn bounded() {
        let endless = format!("Bearer realm=\"r\"{}", ",a=b".repeat(2000));
        assert_eq!(pick(&[&endless]), "bearer r - -");
        assert_eq!(pick(&[&",".repeat(MAX_LENGTH + 1)]), "");
        assert_eq!(parse(&"A, ".repeat(100)).len(), MAX_CHALLENGES);
        assert_eq!(pick(&["Bearer realm=x"; 100]).matches('|').count() + 1, MAX_CHALLENGES);
    }
}
