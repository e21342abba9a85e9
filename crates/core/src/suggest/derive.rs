//! From the pieces of a tag to a policy.

use gotext::pattern::Pattern;
use gotext::version::Range;

use super::Derived;
use super::moment::{self, MomentPart};
use super::pieces::{self, Piece};
use crate::policy::{Direction, Filter, Order, Policy};

/// Words that make a version a pre-release of the version before them, not a variant of it.
const PRERELEASES: &[&str] = &["alpha", "beta", "canary", "ea", "m", "milestone", "next", "pre", "preview", "rc"];

/// Derives the policy, which accepts the tag; none when nothing in the tag counts.
pub(super) fn derived(tag: &str, pieces: &[Piece<'_>]) -> Option<Derived> {
    let derived = match pieces {
        [Piece::Version(text)] => plain("", text),
        [Piece::Literal("v"), Piece::Version(text)] => plain("v", text),
        [Piece::Version(text), rest @ ..] => prerelease("", text, rest),
        [Piece::Literal("v"), Piece::Version(text), rest @ ..] => prerelease("v", text, rest),
        _ => None,
    };
    let accepts = |derived: &Derived| derived.policy.select(&[tag]) == Some(tag);
    derived.filter(accepts).or_else(|| filtered(tag, pieces)).filter(accepts)
}

/// `1.4.2` and `v1.4.2`: nothing but a range.
fn plain(v: &str, text: &str) -> Option<Derived> {
    let version = Numbers::of(text)?;
    if version.calendar || version.count < 3 {
        return None;
    }
    let range = version.range(v, "");
    Some(Derived {
        policy: Policy { filter: None, order: Order::Semver(Range::parse(&range).ok()?) },
        variant: String::new(),
        line: version.line(),
        explanation: version.explanation(&format!("{v}{}", version.text())),
    })
}

/// `1.4.2-rc.1`: releases and release candidates.
fn prerelease(v: &str, text: &str, rest: &[Piece<'_>]) -> Option<Derived> {
    let version = Numbers::of(text)?;
    let (word, separator, number) = match rest {
        [Piece::Literal("-"), Piece::Literal(word)] => (word, "", ""),
        [Piece::Literal("-"), Piece::Literal(word), Piece::Number(number)] => (word, "", *number),
        [Piece::Literal("-"), Piece::Literal(word), Piece::Literal(separator), Piece::Number(number)] => {
            (word, *separator, *number)
        }
        _ => return None,
    };
    if version.count < 3 || !PRERELEASES.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    let digits = if number.is_empty() { "" } else { "[0-9]+" };
    let pattern = format!("^{v}(?P<version>{}(?:-{word}{}{digits})?)$", version.pattern(), escaped(separator));
    let range = version.range("", &format!("-{word}{separator}{number}"));
    let start = format!("{}-{word}{separator}{number}", version.text());
    Some(Derived {
        policy: Policy {
            filter: Some(filter(&pattern, "$version")?),
            order: Order::Semver(Range::parse(&range).ok()?),
        },
        variant: (*word).to_owned(),
        line: version.line(),
        explanation: format!("{}, {word} versions included", version.explanation(&start)),
    })
}

/// Everything with a filter.
fn filtered(tag: &str, pieces: &[Piece<'_>]) -> Option<Derived> {
    let shape = Shape::of(pieces);
    let policy =
        |extract: &str, order| Some(Policy { filter: Some(filter(&format!("^{}$", shape.pattern), extract)?), order });
    let variant = shape.words.join("-");
    if let Some(version) = shape.version {
        let (mut extract, mut start) = (shape.version_template(), String::new());
        if !shape.counters.is_empty() {
            let (templates, values): (Vec<_>, Vec<_>) = shape.counters.iter().cloned().unzip();
            extract = format!("{extract}-{}", templates.join("."));
            start = format!("-{}", values.join("."));
        }
        let order = Order::Semver(Range::parse(&version.range("", &start)).ok()?);
        let what = version.explanation(&format!("{}{start}", version.text()));
        let explanation = format!("{what}, among tags like {tag}");
        let line = version.line();
        return Some(Derived { policy: policy(&extract, order)?, variant, line, explanation });
    }
    let (order, extract, what) = match shape.counters.as_slice() {
        [] => return None,
        [(template, _)] => {
            let what = if shape.timed { "the latest" } else { "the highest number" };
            (Order::Numerical(Direction::Ascending), template.clone(), what)
        }
        several => {
            let (templates, values): (Vec<_>, Vec<_>) = several.iter().cloned().unzip();
            let range = format!(">={}", as_version(&values));
            (Order::Semver(Range::parse(&range).ok()?), as_version(&templates), "the latest")
        }
    };
    let explanation = format!("{what} among tags like {tag}");
    Some(Derived { policy: policy(&extract, order)?, variant, line: String::new(), explanation })
}

/// Joins parts as a version of three numbers; the fourth and later ones make a pre-release.
fn as_version(parts: &[String]) -> String {
    let part = |index: usize| parts.get(index).map_or("0", String::as_str);
    let version = format!("{}.{}.{}", part(0), part(1), part(2));
    match parts.get(3..) {
        Some(rest @ [_, ..]) => format!("{version}-{}", rest.join(".")),
        _ => version,
    }
}

fn filter(pattern: &str, extract: &str) -> Option<Filter> {
    Some(Filter { pattern: Pattern::parse(pattern).ok()?, extract: extract.to_owned() })
}

/// A tag's text as a pattern that matches it alone; of the characters that tags have, only the dot means something.
pub(super) fn escaped(text: &str) -> String {
    text.replace('.', r"\.")
}

/// The numbers of a version.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    parts: [u64; 3],
    /// How many were written, two or three.
    count: usize,
    /// Whether the first is a year.
    calendar: bool,
}

impl Numbers {
    fn of(text: &str) -> Option<Self> {
        let mut numbers = Self { parts: [0; 3], count: 0, calendar: false };
        for part in text.split('.') {
            *numbers.parts.get_mut(numbers.count)? = part.parse().ok()?;
            numbers.count += 1;
        }
        numbers.calendar = text.split('.').next().is_some_and(moment::is_year);
        Some(numbers)
    }

    fn text(self) -> String {
        let [major, minor, patch] = self.parts;
        format!("{major}.{minor}.{patch}")
    }

    /// The range of versions that follow this one; `start` is its pre-release with the dash, or empty.
    fn range(self, v: &str, start: &str) -> String {
        let text = self.text();
        match self.parts {
            _ if self.calendar => format!(">={v}{text}{start}"),
            // `~0.0.0` would admit everything.
            [0, 0, 0] => format!(">={v}0.0.0{start} <{v}0.1.0"),
            [0, 0, _] => format!("~{v}{text}{start}"),
            _ => format!("^{v}{text}{start}"),
        }
    }

    fn line(self) -> String {
        match self.parts {
            _ if self.calendar => String::new(),
            [0, minor, _] => format!("0.{minor}"),
            [major, ..] => major.to_string(),
        }
    }

    fn pattern(self) -> &'static str {
        match (self.calendar, self.count) {
            (true, 2) => r"[0-9]{4}\.[0-9]+",
            (true, _) => r"[0-9]{4}\.[0-9]+\.[0-9]+",
            (false, 2) => r"[0-9]+\.[0-9]+",
            (false, _) => r"[0-9]+\.[0-9]+\.[0-9]+",
        }
    }

    fn explanation(self, start: &str) -> String {
        match self.parts {
            _ if self.calendar => format!("the latest from {start}"),
            [0, minor, _] => format!("the latest 0.{minor}.x from {start}, as any minor version of 0.x may break"),
            [major, ..] => format!("the latest {major}.x from {start}"),
        }
    }
}

/// What a filter of these pieces looks like.
#[derive(Debug, Default)]
struct Shape {
    pattern: String,
    version: Option<Numbers>,
    /// For each thing that counts, the template that extracts it, and its value in the tag.
    counters: Vec<(String, String)>,
    /// Whether the only thing that counts is a time.
    timed: bool,
    words: Vec<String>,
    names: Vec<String>,
}

impl Shape {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut shape = Self::default();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => shape.literal(text),
                Piece::Version(text) => shape.version(text),
                Piece::Hash(text) => {
                    let most = if text.len() > 40 { 64 } else { 40 };
                    shape.pattern.push_str(&format!("[0-9a-f]{{7,{most}}}"));
                }
                Piece::Number(digits) => shape.number(digits),
                Piece::Moment(parts) => shape.moment(parts),
            }
        }
        shape
    }

    fn literal(&mut self, text: &str) {
        self.pattern.push_str(&escaped(text));
        let word = text.replace(['.', '_'], "-");
        if !matches!(word.as_str(), "-" | "v" | "V") {
            self.words.push(word);
        }
    }

    fn version(&mut self, text: &str) {
        match Numbers::of(text) {
            Some(numbers) => {
                self.pattern.push_str(&format!("(?P<version>{})", numbers.pattern()));
                self.version = Some(numbers);
            }
            None => self.pattern.push_str(&escaped(text)),
        }
    }

    fn version_template(&self) -> String {
        match self.version {
            Some(Numbers { count: 2, .. }) => "$version.0".to_owned(),
            _ => "$version".to_owned(),
        }
    }

    fn number(&mut self, digits: &str) {
        let timestamp = pieces::is_timestamp(digits);
        let base = match (timestamp, self.version.is_some()) {
            (true, _) => "ts",
            (false, true) => "revision",
            (false, false) => "build",
        };
        let name = self.name(base);
        // The width keeps dates, timestamps and hashes without letters out of a row of build numbers.
        let width = match digits.len() {
            length if timestamp => format!("{{{length}}}"),
            length if length < 7 => "{1,6}".to_owned(),
            length => format!("{{1,{}}}", length + 1),
        };
        let zeros = if digits.len() > 1 && digits.starts_with('0') { "0*" } else { "" };
        self.pattern.push_str(&format!("{zeros}(?P<{name}>[0-9]{width})"));
        let value = digits.trim_start_matches('0');
        let value = if value.is_empty() { "0" } else { value };
        self.timed |= timestamp;
        self.counters.push((format!("${name}"), value.to_owned()));
    }

    fn moment(&mut self, parts: &[MomentPart<'_>]) {
        let (mut template, mut value) = (String::new(), String::new());
        let alone = parts.iter().filter(|part| matches!(part, MomentPart::Digits(..))).count() == 1;
        for part in parts {
            match part {
                MomentPart::Between(text) => self.pattern.push_str(&escaped(text)),
                MomentPart::Digits(base, digits) => {
                    let name = self.name(base);
                    self.pattern.push_str(&format!("(?P<{name}>[0-9]{{{}}})", digits.len()));
                    template.push_str(&if alone { format!("${name}") } else { format!("${{{name}}}") });
                    value.push_str(digits);
                }
            }
        }
        self.timed = true;
        self.counters.push((template, value));
    }

    /// A group name that is not taken yet.
    fn name(&mut self, base: &str) -> String {
        let taken =
            self.names.iter().filter(|name| name.trim_end_matches(|c: char| c.is_ascii_digit()) == base).count();
        let name = if taken == 0 { base.to_owned() } else { format!("{base}{}", taken + 1) };
        self.names.push(name.clone());
        name
    }
}
