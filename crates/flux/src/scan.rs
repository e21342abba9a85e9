//! The result of a scan, as a status has it.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value};

/// How many tags a status lists.
const LATEST: usize = 10;

/// What a status tells of a list of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The checksum by which two lists are told apart: the Adler-32 of the tags as a JSON array. Flux's feature gate
    /// `FluxStorage`, which makes it a SHA-256, is not followed.
    pub revision: u32,
    /// How many there are.
    pub tags: usize,
    /// The first ten.
    pub latest: Vec<String>,
}

impl Scan {
    /// Takes down the tags that are left after the exclusions, in descending order of their bytes.
    ///
    /// ```
    /// use flux::repository::Scan;
    ///
    /// let scan = Scan::of(["prd-20260424T052402Z", "0.1"]);
    /// assert_eq!((scan.revision, scan.tags), (1_926_039_262, 2));
    /// ```
    pub fn of<'a>(descending: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scan = Self { revision: 0, tags: 0, latest: Vec::new() };
        let mut sum = Adler { a: 1, b: 0 };
        sum.add(b"[");
        for tag in descending {
            sum.add(if scan.tags == 0 { b"\"" } else { b",\"" });
            sum.add_escaped(tag);
            sum.add(b"\"");
            scan.tags += 1;
            if scan.tags <= LATEST {
                scan.latest.push(tag.to_owned());
            }
        }
        sum.add(b"]");
        scan.revision = sum.b << 16 | sum.a;
        scan
    }

    /// Returns `lastScanResult`.
    pub(crate) fn value(&self, at: Timestamp) -> Value {
        let mut fields = Map::new();
        fields.insert("revision".to_owned(), self.revision.to_string().into());
        fields.insert("tagCount".to_owned(), self.tags.into());
        fields.insert("scanTime".to_owned(), crate::time(at));
        if !self.latest.is_empty() {
            fields.insert("latestTags".to_owned(), self.latest.as_slice().into());
        }
        fields.into()
    }
}

/// Adler-32 (RFC 1950).
struct Adler {
    a: u32,
    b: u32,
}

impl Adler {
    /// The largest prime that fits into half of the sum.
    const BASE: u32 = 65_521;
    /// The most bytes that cannot overflow what is summed up between two divisions.
    const CHUNK: usize = 5_552;

    fn add(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(Self::CHUNK) {
            for byte in chunk {
                self.a += u32::from(*byte);
                self.b += self.a;
            }
            self.a %= Self::BASE;
            self.b %= Self::BASE;
        }
    }

    fn add_escaped(&mut self, text: &str) {
        if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            self.add(text.as_bytes());
        } else {
            // A sum takes whatever is written.
            let _ = text.chars().try_for_each(|c| escape(self, c));
        }
    }
}

impl Write for Adler {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

/// Writes a character of a JSON string as Go's `encoding/json` does, which escapes what HTML and JavaScript could take amiss.
fn escape(out: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '"' | '\\' => write!(out, "\\{c}"),
        '\u{8}' => out.write_str("\\b"),
        '\u{c}' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => write!(out, "\\u{:04x}", u32::from(c)),
        _ => out.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn revisions_are_those_of_flux() {
        assert_eq!(Scan::of([]).revision, 18_153_657);
        // As `flux get image repository` printed them of images with two tags.
        assert_eq!(Scan::of(["prd-20260424T052402Z", "0.1"]).revision, 1_926_039_262);
        assert_eq!(Scan::of(["prd-20260424T052344Z", "0.1"]).revision, 1_929_447_139);
        assert_eq!(Scan::of(["prd-20260424T052422Z", "0.1"]).revision, 1_927_481_056);
    }

    #[test]
    fn texts_are_escaped_as_go_does() {
        let mut out = String::new();
        let text = "a<b>&\"\\\u{1}\u{8}\u{c}\n\r\t\u{7f}\u{2028}\u{2029}é";
        text.chars().try_for_each(|c| escape(&mut out, c)).unwrap();
        let wanted = r#"a\u003cb\u003e\u0026\"\\\u0001\b\f\n\r\t"#.to_owned() + "\u{7f}" + r"\u2028\u2029é";
        assert_eq!(out, wanted);
        assert_eq!(Scan::of([text]).revision, adler(&format!("[\"{wanted}\"]")));
    }

    #[test]
    fn the_sum_of_much_stays_within_its_width() {
        let tag = "\u{ff}".repeat(10_000);
        let tags = vec![tag.as_str(); 100];
        assert_eq!(Scan::of(tags.iter().copied()).revision, adler(&serde_json::to_string(&tags).unwrap()));
        let tag = "z".repeat(100_000);
        assert_eq!(Scan::of([tag.as_str()]).revision, adler(&format!("[\"{tag}\"]")));
    }

    /// Adler-32 in the words of its definition.
    fn adler(text: &str) -> u32 {
        let (mut a, mut b) = (1, 0);
        for byte in text.bytes() {
            a = (a + u64::from(byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        u32::try_from((b << 16) | a).unwrap()
    }
}
