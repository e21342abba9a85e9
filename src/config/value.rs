//! Texts with a grammar: durations, names, branches, refspecs, paths, time zones.

use std::collections::BTreeMap;
use std::time::Duration;

use gotext::version::Range;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tagwright_core::spelling::nearest;
use thiserror::Error;

/// The longest duration, which is Go's: 2^63 - 1 nanoseconds.
const MAX_NANOSECONDS: u128 = i64::MAX as u128;

/// The longest name of an object, as in Kubernetes.
const MAX_OBJECT_NAME: usize = 253;

/// What to write instead of something that is no range.
pub(super) const RANGE_HINT: &str =
    "ranges look like `6.x`, `^1.2`, `>=1.0.0 <2.0.0` or `1.x || 3.x`; `*` is every version";

/// Which units a duration may have; Kubernetes objects allow no hours in timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    /// `ms`, `s`, `m`, `h`.
    UpToHours,
    /// `ms`, `s`, `m`.
    UpToMinutes,
}

impl Units {
    /// What to write instead of something that is no duration.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::UpToHours => "write numbers with a unit, as in `5m` or `1h30m`; the units are ms, s, m, h",
            Self::UpToMinutes => "write numbers with a unit, as in `30s` or `1m30s`; the units are ms, s, m",
        }
    }
}

/// Why a text cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Error {
    #[error("is not a duration")]
    Duration,
    #[error("is a duration longer than 292 years")]
    TooLong,
    #[error("not a branch name that Git allows: no blanks, no `..`, none of `~^:?*[\\`, no `/` or `.lock` at the end")]
    Branch,
    #[error("not a tag name that Git allows: no blanks, no `..`, none of `~^:?*[\\`, no `/` or `.lock` at the end")]
    Tag,
    #[error("not a full reference name, such as `refs/heads/main` or `refs/pull/1/head`")]
    Reference,
    #[error("not a commit: 40 or 64 hexadecimal digits are needed")]
    Commit,
    #[error("not a refspec of two full reference names, such as `refs/heads/main:refs/heads/staging`")]
    Refspec,
    #[error("a forced or deleting refspec is not supported")]
    Force,
    #[error("not a path: it has control characters")]
    Path,
    #[error("not a time zone of the IANA database")]
    TimeZone,
}

/// Reads Go's durations as Kubernetes objects allow them: `([0-9]+(\.[0-9]+)?(ms|s|m|h))+`.
pub(super) fn duration(text: &str, units: Units) -> Result<Duration, Error> {
    let mut rest = text;
    let mut total: u128 = 0;
    while !rest.is_empty() || text.is_empty() {
        let (whole, after) = digits(rest).ok_or(Error::Duration)?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after).ok_or(Error::Duration)?,
            None => ("", after),
        };
        let (unit, after) = unit(after, units).ok_or(Error::Duration)?;
        total = nanoseconds(whole, fraction, unit).and_then(|part| total.checked_add(part)).ok_or(Error::TooLong)?;
        rest = after;
    }
    let total = u64::try_from(total).ok().filter(|_| total <= MAX_NANOSECONDS).ok_or(Error::TooLong)?;
    Ok(Duration::from_nanos(total))
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The nanoseconds of the unit a text begins with, and the text after it.
fn unit(text: &str, units: Units) -> Option<(u128, &str)> {
    let all = [("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];
    let known = if units == Units::UpToHours { &all[..] } else { &all[..3] };
    known.iter().find_map(|(name, nanoseconds)| Some((*nanoseconds, text.strip_prefix(name)?)))
}

/// Digits of a fraction beyond the nanosecond are cut off, as Go does.
fn nanoseconds(whole: &str, fraction: &str, unit: u128) -> Option<u128> {
    let whole = whole.parse::<u64>().ok()?;
    let fraction: String = fraction.chars().take(18).collect();
    let parts = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? * unit };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(u128::from(whole) * unit + parts / scale)
}

/// Whether Kubernetes allows a text as the name of an object (RFC 1123 subdomain).
pub(super) fn is_object_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= MAX_OBJECT_NAME
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && !text.contains("..")
}

/// Checks a branch name by the rules of `git check-ref-format`.
pub(super) fn branch(text: &str) -> Result<String, Error> {
    if is_reference_path(text) && !text.starts_with('-') && text != "HEAD" {
        Ok(text.to_owned())
    } else {
        Err(Error::Branch)
    }
}

/// Checks a tag name by the rules of `git check-ref-format`.
pub(super) fn tag(text: &str) -> Result<String, Error> {
    if is_reference_path(text) && !text.starts_with('-') { Ok(text.to_owned()) } else { Err(Error::Tag) }
}

/// Checks a full reference name. The suffix `^{}` of a peeled tag is dropped.
pub(super) fn reference(text: &str) -> Result<String, Error> {
    let name = text.strip_suffix("^{}").unwrap_or(text);
    let full = name == "HEAD" || name.starts_with("refs/") && is_reference_path(name);
    if full { Ok(name.to_owned()) } else { Err(Error::Reference) }
}

/// Checks the hash of a commit.
pub(super) fn commit(text: &str) -> Result<String, Error> {
    let hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && matches!(text.len(), 40 | 64) { Ok(text.to_ascii_lowercase()) } else { Err(Error::Commit) }
}

/// Checks `SOURCE:DESTINATION`, both full reference names. Nothing is ever forced or deleted.
pub(super) fn refspec(text: &str) -> Result<String, Error> {
    let (source, destination) = text.split_once(':').ok_or(Error::Refspec)?;
    if source.is_empty() || source.starts_with('+') {
        return Err(Error::Force);
    }
    let is_full = |name: &str| name.starts_with("refs/") && is_reference_path(name);
    if is_full(source) && is_full(destination) { Ok(text.to_owned()) } else { Err(Error::Refspec) }
}

fn is_reference_path(text: &str) -> bool {
    let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    !text.is_empty()
        && text.len() <= 1024
        && text != "@"
        && !text.contains(forbidden)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
}

/// Cleans a path below the root of a repository: `..` cannot leave it, a leading slash means nothing.
pub(super) fn path(text: &str) -> Result<String, Error> {
    if text.chars().any(char::is_control) {
        return Err(Error::Path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Reads a range of versions.
pub(super) fn range(text: &str) -> Result<Range, String> {
    Range::parse(text).map_err(|error| error.plain())
}

/// What to write instead of something that is no time zone: the zone of this place, if there is one, or one with a name like it.
pub(super) fn time_zone_hint(text: &str) -> String {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let (area, place) = text.rsplit_once('/').unwrap_or(("", text));
    let of =
        |name: &&String| area.is_empty() || name.rsplit_once('/').is_some_and(|(of, _)| of.eq_ignore_ascii_case(area));
    let places: BTreeMap<&str, &str> = names
        .iter()
        .filter(of)
        .map(|name| (name.rsplit_once('/').map_or(&**name, |(_, place)| place), &**name))
        .collect();
    let known: Vec<&str> = places.keys().copied().collect();
    match nearest(&place.replace(' ', "_"), &known).and_then(|place| places.get(place)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "zones have names like `Europe/Berlin`, `America/New_York` and `UTC`".to_owned(),
    }
}

/// Finds a time zone by its IANA name: the machine's if it has any, because it may know newer rules, otherwise the one built
/// in.
pub(super) fn time_zone(text: &str) -> Result<TimeZone, Error> {
    let found = TimeZone::get(text).or_else(|_| TimeZoneDatabase::bundled().get(text));
    found.ok().filter(|_| !text.is_empty()).ok_or(Error::TimeZone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: PartialEq + std::fmt::Debug>(parse: fn(&str) -> Result<T, Error>, good: &[(&str, T)], bad: &[&str]) {
        for (text, expect) in good {
            assert_eq!(parse(text).as_ref(), Ok(expect), "{text:?}");
        }
        for text in bad {
            assert!(parse(text).is_err(), "{text:?} is {:?}", parse(text));
        }
    }

    #[test]
    fn durations() {
        let good = [
            ("5m", Duration::from_secs(300)),
            ("1h30m", Duration::from_secs(5400)),
            ("1.5h", Duration::from_secs(5400)),
            ("90s", Duration::from_secs(90)),
            ("1m1m", Duration::from_secs(120)),
            ("100ms", Duration::from_millis(100)),
            ("0.0000000019s", Duration::from_nanos(1)),
            ("0s", Duration::ZERO),
            ("2562047h", Duration::from_secs(2_562_047 * 3600)),
        ];
        let bad = ["", " ", "5", "m", "5 m", "-5m", "+5m", "5d", "5us", "1.h", ".5h", "5M", "5m ", "2562048h", "9e9s"];
        check(|text| duration(text, Units::UpToHours), &good, &bad);
        check(|text| duration(text, Units::UpToMinutes), &[("1m30s", Duration::from_secs(90))], &["1h", "1h30m"]);
    }

    #[test]
    fn paths_cannot_leave_the_repository() {
        let good =
            [("", ""), ("/", ""), ("./", ""), ("./a//b/", "a/b"), ("/a", "a"), ("../../a", "a"), ("a/../..", "")];
        check(path, &good.map(|(text, expect)| (text, expect.to_owned())), &["a\nb", "a\0"]);
    }

    #[test]
    fn names_that_git_allows() {
        let good = ["main", "a/b", "feature/x.y", "@a", "ä"].map(|name| (name, name.to_owned()));
        let bad = [
            "", "@", "HEAD", "-a", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "/a", "a/", "a//b",
            ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a@{1}", "a\u{7f}",
        ];
        check(branch, &good, &bad);
        let good = [
            ("refs/heads/main", "refs/heads/main".to_owned()),
            ("refs/tags/v1^{}", "refs/tags/v1".to_owned()),
            ("HEAD", "HEAD".to_owned()),
        ];
        check(reference, &good, &["main", "refs/", "refs", "refs/a b"]);
        let refspecs = ["refs/heads/a:refs/heads/b", "refs/heads/a:refs/for/main"].map(|text| (text, text.to_owned()));
        let bad = ["", ":", ":refs/heads/b", "refs/heads/a", "HEAD:refs/heads/b", "+refs/heads/a:refs/heads/b"];
        check(refspec, &refspecs, &bad);
    }

    #[test]
    fn time_zones() {
        let names = |text: &str| time_zone(text).map(|zone| zone.iana_name().map(str::to_owned));
        check(
            names,
            &[("UTC", Some("UTC".to_owned())), ("Asia/Tokyo", Some("Asia/Tokyo".to_owned()))],
            &["", "Mars/Olympus"],
        );
        for (text, meant) in [
            ("Europe/Berln", "did you mean `Europe/Berlin`?"),
            ("berlin", "did you mean `Europe/Berlin`?"),
            ("America/New York", "did you mean `America/New_York`?"),
            ("Mars/Olympus", "zones have names like `Europe/Berlin`, `America/New_York` and `UTC`"),
        ] {
            assert_eq!(time_zone_hint(text), meant);
        }
    }
}
