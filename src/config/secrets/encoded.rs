//! Base64 in `stringData`, where values are plain: whoever copies a value from `data` forgets to decode it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The shortest text that is taken for base64, in bytes: many a short word happens to be some.
const SHORTEST: usize = 8;

/// What a value is base64 of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoded {
    /// Something that nobody can use as it is, said in a few words.
    Certain(&'static str),
    /// A text without control characters, as logins are. It may be the login itself all the same.
    Likely,
}

/// Says what the value of a key is base64 of; none where it is meant as it stands.
pub(super) fn encoded(key: &str, value: &str) -> Option<Encoded> {
    let text = decoded(value)?;
    let certain = match key {
        "identity" | "tls.key" | "keyFile" | "git.asc" => {
            (text.contains("-----BEGIN ") && text.contains("PRIVATE KEY")).then_some("a private key")
        }
        "ca.crt" | "caFile" | "tls.crt" | "certFile" => {
            text.contains("-----BEGIN CERTIFICATE-----").then_some("a certificate")
        }
        "known_hosts" => [" ssh-", " ecdsa-"].iter().any(|kind| text.contains(kind)).then_some("keys of hosts"),
        ".dockerconfigjson" | ".dockercfg" => text.trim_start().starts_with('{').then_some("a Docker configuration"),
        "username" | "password" | "passphrase" | "bearerToken" => return is_a_line(&text).then_some(Encoded::Likely),
        _ => None,
    };
    certain.map(Encoded::Certain)
}

/// The text that a value is base64 of, perhaps over several lines.
fn decoded(value: &str) -> Option<String> {
    let compact: String = value.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(&compact).ok().filter(|_| compact.len() >= SHORTEST)?;
    String::from_utf8(bytes).ok()
}

/// Whether it has nothing but printable ASCII, perhaps with the newline that `echo` adds.
fn is_a_line(text: &str) -> bool {
    text.trim_end_matches(['\r', '\n']).bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, plain: &str, expect: Option<Encoded>) {
        let value = STANDARD.encode(plain);
        assert_eq!(encoded(key, &value), expect, "{value}");
        assert_eq!(encoded(key, &format!("{}\n {}\n", &value[..4], &value[4..])), expect, "on two lines");
        assert_eq!(encoded(key, plain), None, "{plain}");
    }

    #[test]
    fn what_was_copied_from_data_is_known() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\n";
        let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        check("identity", key, Some(Encoded::Certain("a private key")));
        check("tls.crt", certificate, Some(Encoded::Certain("a certificate")));
        check("known_hosts", "github.com ssh-ed25519 AAAA", Some(Encoded::Certain("keys of hosts")));
        check(".dockerconfigjson", "{\"auths\": {}}", Some(Encoded::Certain("a Docker configuration")));
        check("password", "ghp_0123456789abcdef", Some(Encoded::Likely));
        check("username", "admin\n", Some(Encoded::Likely));
        check("other", key, None);
        check("password", "a\u{1b}bcdefgh", None);
    }

    #[test]
    fn what_is_a_login_stays_one() {
        for plain in ["kubevela", "x-access-token", "hunter22", "glpat-0123456789abcdefghij", "0123456789abcdef0123"] {
            assert_eq!(encoded("password", plain), None, "{plain}");
        }
        // Short words that are base64 of something.
        assert_eq!((encoded("username", "Z2l0"), encoded("password", "")), (None, None));
    }
}
