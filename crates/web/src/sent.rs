//! What was shown to servers as proof, so that their words never repeat it.
//!
//! A server may say anything, also what it was just sent: `token abc is not valid`, an address that it redirects to, a hook that
//! prints its environment. Its words end up in logs, in the status and in front of other people than the login's owner.
//! Whatever was sent as proof is remembered here, by the one place that sends requests, and what a server says is shown with
//! [`MASK`] where it repeats one of them: the header, what is inside it, and both as they are written in addresses, HTML, JSON, shells
//! and base64. A part of one counts as well, where it is half of it and has 8 characters, or has 16.

mod pieces;
mod reading;

use std::sync::{Arc, Mutex, PoisonError};

use access::{Distinct as _, ExposeSecret as _, Fingerprint, Login, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use indexmap::IndexMap;
use reqwest::header::HeaderValue;

use self::pieces::Windows;
use self::reading::readings;

/// Variables of the environment that name a proxy.
pub const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// What stands in place of something that was sent.
const MASK: &str = "***";

/// How many proofs are remembered; of more, the oldest is forgotten. Tokens last minutes.
const MAX_PROOFS: usize = 1024;
/// A shorter secret is not looked for: it would be found in many a word, and be told by what is left out.
const MIN_LENGTH: usize = 4;
/// A longer one is looked for by its beginning.
const MAX_LENGTH: usize = 4096;
/// So much of a secret's beginning, at the end of a text that was cut, counts as the secret.
const MIN_CUT: usize = 6;
/// From this length on a user name is taken for a token.
const MIN_TOKEN: usize = 20;

/// What was sent as proof. Clones are one memory. It prints nothing of it.
#[derive(Clone, Default)]
pub struct Sent(Arc<Mutex<IndexMap<Fingerprint, Vec<Secret>>>>);

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").finish_non_exhaustive()
    }
}

impl Sent {
    /// Remembers the value of an `Authorization` header, and what is inside it.
    pub fn remember(&self, header: &HeaderValue) {
        let Ok(value) = header.to_str() else { return };
        let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
        let login = (scheme.eq_ignore_ascii_case("basic")).then(|| STANDARD.decode(rest.trim()).ok()).flatten();
        let login = login.and_then(|pair| String::from_utf8(pair).ok());
        let inside = login.iter().flat_map(|pair| pair.split_once(':')).flat_map(|(username, password)| {
            let is_token = username.len() >= MIN_TOKEN || matches!(password, "" | "x-oauth-basic");
            [Some(password), is_token.then_some(username)]
        });
        let header = [rest, rest.trim_end_matches('=')];
        self.add(value, header.into_iter().chain(inside.flatten()));
    }

    /// Remembers a secret that was sent in another way, as in a form.
    pub fn remember_secret(&self, secret: &str) {
        self.add(secret, [secret]);
    }

    /// A memory that begins with the logins that the environment has for proxies, since those are sent without being asked for here.
    #[must_use]
    pub fn of_machine() -> Self {
        let sent = Self::default();
        PROXY_VARIABLES
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .for_each(|address| sent.remember_address(&address));
        sent
    }

    /// Remembers what an address has of proof: the login in it, and its query.
    pub fn remember_address(&self, address: &str) {
        // A proxy may be written without a scheme.
        let written = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let Ok(url) = url::Url::parse(&written) else { return };
        if let Some(password) = url.password() {
            let decoded = |text: &str| {
                url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes())
                    .next()
                    .map(|(text, _)| text.into_owned())
            };
            let (username, plain) = (decoded(url.username()), decoded(password));
            let login = Login { username: username.unwrap_or_default(), password: plain.unwrap_or_default().into() };
            self.remember_login(&login);
            self.remember_secret(password);
        }
        url.query().into_iter().for_each(|query| self.remember_secret(query));
    }

    /// Remembers a login.
    pub fn remember_login(&self, login: &Login) {
        self.remember(&super::basic(login));
    }

    fn add<'s>(&self, key: &str, secrets: impl IntoIterator<Item = &'s str>) {
        let key = key.fingerprint();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.shift_remove(&key).is_none() && known.len() >= MAX_PROOFS {
            known.shift_remove_index(0);
        }
        known.insert(key, secrets.into_iter().flat_map(forms).collect());
    }

    /// Returns a text without what was sent.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places: Vec<(usize, usize)> = Vec::new();
        for reading in readings(text) {
            let read = reading.text.as_str();
            let cut = read.trim_end_matches('…').len();
            let mut windows = Windows::of(read);
            for form in known.values().flatten().map(|form| form.expose_secret()) {
                let found = read.match_indices(form).map(|(at, found)| (at, at + found.len()));
                let found = found.chain(cut_off(&read[..cut], form).map(|at| (at, cut))).chain(windows.pieces(form));
                places.extend(found.map(|(from, to)| reading.place(from, to)));
            }
        }
        masked(text, places)
    }
}

/// The ways in which a secret may come back, in lower case: as it is, in an address, in a form, in JSON, escaped by us, or in
/// base64. Escapes are taken back where a text is [read](readings); these forms are for those that are cut in the middle.
fn forms(secret: &str) -> Vec<Secret> {
    let mut end = secret.len().min(MAX_LENGTH);
    while !secret.is_char_boundary(end) {
        end -= 1;
    }
    let secret = &secret[..end];
    let path = url::Url::parse("http://localhost/").ok().map(|mut url| {
        url.set_path(secret);
        url.path().trim_start_matches('/').to_owned()
    });
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let all =
        [secret.to_owned(), path.unwrap_or_default(), form, json.replace('/', "\\/"), json, words::escape(secret)];
    let all = all.into_iter().chain(in_base64(secret)).chain(std::iter::once(secret.replace(' ', "+")));
    let mut all: Vec<String> = all.map(|form| form.to_ascii_lowercase()).collect();
    all.retain(|form| form.chars().count() >= MIN_LENGTH);
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(Secret::from).collect()
}

/// What is seen of a secret in base64 and base64url: as a whole, and at each place that it may have inside of something longer,
/// without the characters that the neighbours have a part in.
fn in_base64(secret: &str) -> impl Iterator<Item = String> {
    let whole = [STANDARD.encode(secret), STANDARD_NO_PAD.encode(secret)];
    let inside = (0..3).map(move |before| {
        let text = STANDARD_NO_PAD.encode([&[0; 3][..before], secret.as_bytes()].concat());
        let (from, to) = ((8 * before).div_ceil(6), 8 * (before + secret.len()) / 6);
        text.get(from..to).unwrap_or_default().to_owned()
    });
    // A secret that is in base64 itself, as in a header, comes back in the other alphabet, too.
    let all = whole.into_iter().chain(inside.collect::<Vec<_>>()).chain(std::iter::once(secret.to_owned()));
    all.flat_map(|text| [text.replace('+', "-").replace('/', "_"), text])
}

/// Where the beginning of a secret stands at the end of a text.
fn cut_off(text: &str, secret: &str) -> Option<usize> {
    let longest = text.len().min(secret.len());
    let from = (MIN_CUT..longest).rev().map(|length| (text.len() - length, length));
    let mut found = from.filter(|(at, length)| text.is_char_boundary(*at) && secret.is_char_boundary(*length));
    found.find(|(at, length)| text[*at..] == secret[..*length]).map(|(at, _)| at)
}

fn masked(text: &str, mut places: Vec<(usize, usize)>) -> String {
    places.sort_unstable();
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for (from, to) in places {
        if from >= end {
            shown.push_str(&text[end..from]);
            shown.push_str(MASK);
        }
        end = end.max(to);
    }
    shown.push_str(&text[end..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Sent {
        let sent = Sent::default();
        sent.remember_login(&Login { username: "bot".to_owned(), password: "pa55/w+\"rd".into() });
        sent.remember_login(&Login { username: "ghp_0123456789abcdefghij".to_owned(), password: "".into() });
        sent.remember(&HeaderValue::from_static("Bearer eyJhbGci.T0KEN-text"));
        sent.remember_secret("refre5h");
        sent.remember_secret("abc");
        sent
    }

    #[test]
    fn what_was_sent_does_not_come_back() {
        let basic = STANDARD.encode("bot:pa55/w+\"rd");
        let cases = [
            ("bot: pa55/w+\"rd is wrong", "bot: *** is wrong"),
            ("PA55/W+\"RD", "***"),
            (r#"pa55\/w+\"rd"#, "***"),
            ("https://a.io/pa55/w+%22rd/x", "https://a.io/***/x"),
            ("https://a.io/?p=pa55%2Fw%2B%22rd", "https://a.io/?p=***"),
            (&format!("got 'Authorization: Basic {basic}'"), "got 'Authorization: Basic ***'"),
            ("ghp_0123456789abcdefghij", "***"),
            ("eyJhbGci.T0KEN-text, eyJhbGci.T0KEN-text", "***, ***"),
            ("refre5hrefre5h", "******"),
            ("the beginning of eyJhbGci…", "the beginning of ***…"),
            ("the beginning of eyJhbG", "the beginning of ***"),
            ("eyJhb", "eyJhb"),
            ("not hbGci.T0KEN but", "not *** but"),
            ("eyJhbGci. T0KEN-text", "*** ***"),
            ("Gci.T0KE", "Gci.T0KE"),
            ("abc is too short", "abc is too short"),
            ("nothing of ours: 日本語…", "nothing of ours: 日本語…"),
            ("", ""),
        ];
        let addressed = Sent::default();
        addressed.remember_address("http://bot:p%40ss+1@proxy:3128/?key=k3y0");
        addressed.remember_address("bot:p4ssword@proxy:3128");
        let said = format!("p@ss+1 p%40ss+1 key=k3y0 p4ssword {}", STANDARD.encode("bot:p@ss+1"));
        assert_eq!(addressed.hide(&said), "*** *** *** *** ***");
        for (text, expect) in cases {
            assert_eq!(sent().hide(text), expect, "{text}");
        }
        assert_eq!(Sent::default().hide("refre5h"), "refre5h");
        assert!(!format!("{:?}", sent()).contains("refre5h"));
    }

    #[test]
    fn other_spellings_do_not_come_back() {
        let password = "pAss/wo+rd&<x>=9";
        let sent = Sent::default();
        sent.remember_login(&Login { username: "bot".to_owned(), password: password.into() });
        let pair = format!("bot:{password}");
        let url_safe = |text: &str| STANDARD.encode(text).replace('+', "-").replace('/', "_");
        let (encoded, encoded_pair) = (STANDARD.encode(password), STANDARD.encode(&pair));
        let cases = [
            "pAss/wo%2Brd%26%3Cx%3E%3D9",
            "pAss%2Fwo%2Brd%26%3Cx%3E%3D9",
            "pass%2fwo%2brd%26%3cx%3e%3d9",
            "pAss/wo+rd&%3Cx%3E=9",
            "pAss%252Fwo%252Brd%2526%253Cx%253E%253D9",
            "pAss/wo+rd&amp;&lt;x&gt;=9",
            "pAss&#x2F;wo&#43;rd&amp;&lt;x&gt;&equals;9",
            r"pAss/wo+rd\u0026\u003cx\u003e=9",
            r"pAss\/wo+rd\u0026amp;\u0026lt;x\u0026gt;=9",
            r"pAss/wo+rd\&\<x\>=9",
            r"pAss/wo\x2brd\x26\x3cx\x3e\x3d9",
            &encoded,
            encoded.trim_end_matches('='),
            &url_safe(password),
            encoded_pair.trim_end_matches('='),
            &url_safe(&pair),
            &encoded_pair.replace('=', "%3D"),
        ];
        for said in cases {
            assert_eq!(sent.hide(&format!("denied: {said} end")), "denied: *** end", "{said}");
        }
        // Inside of something longer, the neighbours' own characters stay.
        for before in ["", "a", "ab"] {
            let said = STANDARD.encode(format!("{before}{password} and more"));
            let hidden = sent.hide(&said);
            assert!(hidden.contains(MASK) && hidden.len() < said.len() - 15, "{hidden}");
        }
        for harmless in ["50% & more", "a &amp; b", r"C:\new", "%2F%26"] {
            assert_eq!(sent.hide(harmless), harmless);
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let sent = Sent::default();
        // Mixed, so that no two have much in common.
        let mix = |number: u64, factor: u64| (number ^ (number >> 29)).wrapping_mul(factor);
        let secret = |number: u64| {
            let mixed = mix(mix(number + 1, 0x9e37_79b9_7f4a_7c15), 0xbf58_476d_1ce4_e5b9);
            format!("{:016x}", mix(mixed, 0x94d0_49bb_1331_11eb))
        };
        (0..=MAX_PROOFS as u64).for_each(|number| sent.remember_secret(&secret(number)));
        assert_eq!(sent.0.lock().unwrap_or_else(PoisonError::into_inner).len(), MAX_PROOFS);
        assert_eq!((sent.hide(&secret(0)), sent.hide(&secret(1))), (secret(0), MASK.to_owned()));
        let long = "x".repeat(MAX_LENGTH * 2);
        sent.remember_secret(&long);
        assert!(sent.hide(&long).len() < MAX_LENGTH + 10);
    }
}
