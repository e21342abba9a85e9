//! From the pieces of a tag to a policy.

use gotext::pattern::Pattern;
use gotext::version::Range;

use super::Derived;
use super::moment::MomentPart;
use super::roles::{Behind, Piece, Version};
use super::tokens;
use crate::policy::{Direction, Filter, Order, Policy};

/// Derives the policy, which accepts the tag; none when nothing in the tag counts.
pub(super) fn derived(tag: &str, pieces: &[Piece<'_>]) -> Option<Derived> {
    let derived = match pieces {
        [Piece::Version(version)] => plain("", version),
        [Piece::Literal("v"), Piece::Version(version)] => plain("v", version),
        _ => None,
    };
    let accepts = |derived: &Derived| derived.policy.select(&[tag]) == Some(tag);
    derived.filter(accepts).or_else(|| filtered(tag, pieces)).filter(accepts)
}

/// `1.4.2` and `v1.4.2`: nothing but a range.
fn plain(v: &str, version: &Version<'_>) -> Option<Derived> {
    let version = Numbers::of(version)?;
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

/// Everything with a filter.
fn filtered(tag: &str, pieces: &[Piece<'_>]) -> Option<Derived> {
    let shape = Shape::of(pieces);
    match shape.version {
        Some(version) => shape.versioned(tag, version),
        None => shape.counted(tag),
    }
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

/// Whether a pre-release is one as it stands: `1.4.2-rc.1`, `1.4.2-rc`. In `-rc10` the number would count as text.
fn embeddable(version: &Version<'_>, behind: &Behind<'_>) -> bool {
    let number = behind.number.is_empty() || (behind.between == "." && !behind.number.contains('.'));
    behind.lead == "-" && number && version.text.matches('.').count() == 2
}

/// The numbers of a version.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    parts: [u64; 3],
    /// How many were written, one to three.
    count: usize,
    /// Whether the first is a year.
    calendar: bool,
    /// With how many digits that is written.
    year: usize,
    /// Whether numbers that it does not have may follow.
    patch: bool,
}

impl Numbers {
    fn of(version: &Version<'_>) -> Option<Self> {
        let year = version.text.find('.').unwrap_or(version.text.len());
        let mut numbers = Self { parts: [0; 3], count: 0, calendar: version.calendar, year, patch: version.patch };
        for part in version.text.split('.') {
            *numbers.parts.get_mut(numbers.count)? = part.parse().ok()?;
            numbers.count += 1;
        }
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

    /// The numbers as a group, and the numbers that may follow as others.
    fn groups(self) -> String {
        let version = format!("(?P<version>{})", self.pattern());
        match (self.count, self.patch) {
            (1, true) => format!(r"{version}(?:\.(?P<minor>[0-9]+))?(?:\.(?P<patch>[0-9]+))?"),
            // What has no minor version is a name that moves.
            (1, false) => format!(r"{version}\.(?P<minor>[0-9]+)(?:\.(?P<patch>[0-9]+))?"),
            (_, true) => format!(r"{version}(?:\.(?P<patch>[0-9]+))?"),
            (_, false) => version,
        }
    }

    /// What makes three numbers of those in the groups.
    fn template(self) -> &'static str {
        match (self.count, self.patch) {
            (1, _) => ".0$minor.0$patch",
            (_, true) => ".0$patch",
            (2, false) => ".0",
            _ => "",
        }
    }

    /// The numbers, or two if a third one may follow.
    fn pattern(self) -> String {
        if self.count == 1 {
            return "[0-9]+".to_owned();
        }
        let first = match (self.calendar, self.year) {
            (true, 2) => r"[0-9]{2}\.[0-9]{2}".to_owned(),
            (true, year) => format!(r"[0-9]{{{year}}}\.[0-9]+"),
            (false, _) => r"[0-9]+\.[0-9]+".to_owned(),
        };
        match self.count {
            2 => first,
            _ if self.patch => first,
            _ => format!(r"{first}\.[0-9]+"),
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
    /// `-rc.1` where it stands in the group of the version.
    embedded: String,
    /// The words `rc versions`, of which release where they end with it.
    prerelease: String,
    /// A second group for the version, where it has a pre-release.
    next: &'static str,
    /// For each thing that counts, the template that extracts it, and its value in the tag.
    counters: Vec<(String, String)>,
    /// Whether a value is written otherwise than in the tag, for the sake of its order.
    encoded: bool,
    /// How many of them are times, which come first.
    times: usize,
    words: Vec<String>,
    names: Vec<String>,
}

impl Shape {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut shape = Self::default();
        let counted = |piece: &Piece<'_>| matches!(piece, Piece::Number(_) | Piece::Moment(_));
        let embeds = !pieces.iter().any(counted);
        let mut rest = pieces.iter();
        while let Some(piece) = rest.next() {
            match piece {
                Piece::Literal(text) => shape.literal(text),
                Piece::Version(version) => match rest.as_slice() {
                    [Piece::Prerelease(behind), ..] if embeds && embeddable(version, behind) => {
                        shape.embedded(version, behind);
                        rest.next();
                    }
                    [Piece::Prerelease(behind), ..] if behind.ends_with_release() => {
                        shape.until_release(version, behind);
                        rest.next();
                    }
                    _ => shape.version(version),
                },
                Piece::Prerelease(behind) => shape.prerelease(behind),
                Piece::Update(behind) => shape.update(behind),
                Piece::Hash(text) => shape.hash(text),
                Piece::Number(text) => shape.numbers(text),
                Piece::Moment(parts) => shape.moment(parts),
            }
        }
        shape
    }

    /// A version, and what counts behind it.
    fn versioned(&self, tag: &str, version: Numbers) -> Option<Derived> {
        let mut extract = format!("$version{}{}", self.next, version.template());
        let mut start = self.embedded.clone();
        if !self.counters.is_empty() {
            let (templates, values): (Vec<_>, Vec<_>) = self.counters.iter().cloned().unzip();
            extract = format!("{extract}-{}", templates.join("."));
            start = format!("-{}", values.join("."));
        }
        let from = if self.encoded { tag.to_owned() } else { format!("{}{start}", version.text()) };
        let what = version.explanation(&from);
        let explanation = match self.prerelease.as_str() {
            "" if self.encoded => format!("{what}, among tags like it"),
            "" => format!("{what}, among tags like {tag}"),
            included => format!("{what}, {included} included"),
        };
        self.with(&extract, Order::Semver(Range::parse(&version.range("", &start)).ok()?), explanation, version.line())
    }

    /// No version, but something that counts.
    fn counted(&self, tag: &str) -> Option<Derived> {
        let (order, extract, what) = match self.counters.as_slice() {
            [] => return None,
            [(template, _)] => {
                let what = if self.times > 0 { "the latest" } else { "the highest number" };
                (Order::Numerical(Direction::Ascending), template.clone(), what)
            }
            several => {
                let (templates, values): (Vec<_>, Vec<_>) = several.iter().cloned().unzip();
                let range = format!(">={}", as_version(&values));
                (Order::Semver(Range::parse(&range).ok()?), as_version(&templates), "the latest")
            }
        };
        self.with(&extract, order, format!("{what} among tags like {tag}"), String::new())
    }

    fn with(&self, extract: &str, order: Order, explanation: String, line: String) -> Option<Derived> {
        let filter = Some(filter(&format!("^{}$", self.pattern), extract)?);
        let policy = Policy { filter, order };
        Some(Derived { policy, variant: self.words.join("-"), line, explanation })
    }

    fn literal(&mut self, text: &str) {
        self.pattern.push_str(&escaped(text));
        self.word(text);
    }

    fn word(&mut self, text: &str) {
        let word = text.replace(['.', '_'], "-");
        if !matches!(word.as_str(), "" | "-" | "v" | "V") {
            self.words.push(word);
        }
    }

    fn version(&mut self, version: &Version<'_>) {
        match Numbers::of(version) {
            Some(numbers) => {
                self.pattern.push_str(&numbers.groups());
                self.version = Some(numbers);
            }
            None => self.pattern.push_str(&escaped(version.text)),
        }
    }

    fn embedded(&mut self, version: &Version<'_>, behind: &Behind<'_>) {
        let Behind { word, between, number, .. } = *behind;
        let Some(numbers) = Numbers::of(version) else { return self.pattern.push_str(&escaped(version.text)) };
        let digits = if number.is_empty() { "" } else { "[0-9]+" };
        let (release, more) = (numbers.pattern(), format!("-{word}{}{digits}", escaped(between)));
        let pattern = if behind.ends_with_release() {
            format!("(?P<version>{release}|{}{more})", escaped(version.text))
        } else {
            format!("(?P<version>{release}(?:{more})?)")
        };
        self.pattern.push_str(&pattern);
        self.version = Some(numbers);
        self.embedded = format!("-{word}{between}{number}");
        self.included(version, behind);
    }

    /// The pre-releases of one version, or any release: who tries what comes with a release is on releases then.
    fn until_release(&mut self, version: &Version<'_>, behind: &Behind<'_>) {
        let Some(numbers) = Numbers::of(version) else { return self.pattern.push_str(&escaped(version.text)) };
        let (groups, prerelease) = (numbers.groups(), self.encoded_prerelease(behind));
        self.pattern.push_str(&format!("(?:{groups}|(?P<next>{}){prerelease})", escaped(version.text)));
        self.version = Some(numbers);
        self.next = "$next";
        self.included(version, behind);
    }

    /// A pre-release becomes two identifiers: its word with a `z` behind, as a release has the `z` alone, which is greater;
    /// and its number with a 1 before, as a release has the 1 alone.
    fn encoded_prerelease(&mut self, behind: &Behind<'_>) -> String {
        let Behind { lead, word, between, number } = *behind;
        let (lead, between) = (escaped(lead), escaped(between));
        let digits = if number.contains('.') { "[0-9.]+" } else { "[0-9]+" };
        let (name, counter) = (self.name("pre"), self.name("number"));
        self.encoded = true;
        self.counters.push((format!("${{{name}}}z.1${{{counter}}}"), format!("{word}z.1{number}")));
        format!("{lead}(?P<{name}>{word}){between}(?P<{counter}>{digits})")
    }

    /// Pre-releases of any version.
    fn prerelease(&mut self, behind: &Behind<'_>) {
        let pattern = self.encoded_prerelease(behind);
        self.pattern.push_str(&format!("(?:{pattern})?"));
        self.prerelease = format!("{} versions", behind.word);
        self.words.push(behind.word.to_owned());
    }

    /// Says which pre-releases are included.
    fn included(&mut self, version: &Version<'_>, behind: &Behind<'_>) {
        let ends = behind.ends_with_release();
        let of = if ends { format!(" of {}", version.text) } else { String::new() };
        self.prerelease = format!("{} versions{of}", behind.word);
        self.words.push(behind.word.to_owned());
    }

    /// An update of a version is above it: the number with a 1 before, where the version has the 1 alone.
    fn update(&mut self, behind: &Behind<'_>) {
        let Behind { lead, word, between, number } = *behind;
        let name = self.name("revision");
        let before = escaped(&format!("{lead}{word}{between}"));
        let width = if number.len() < 7 { "{1,6}" } else { "+" };
        self.pattern.push_str(&format!("(?:{before}(?P<{name}>[0-9]{width}))?"));
        // Numbers of a version may have zeros in front, those of a pre-release may not.
        let one = if self.version.is_some() { "1" } else { "0" };
        self.encoded = true;
        self.counters.push((format!("{one}${{{name}}}"), format!("{one}{number}")));
        self.word(word);
    }

    fn hash(&mut self, text: &str) {
        let pattern = match text.len() {
            _ if text.contains('_') => "[0-9a-f_]{12,20}",
            41.. => "[0-9a-f]{7,64}",
            _ => "[0-9a-f]{7,40}",
        };
        self.pattern.push_str(pattern);
    }

    /// A number, or several with dots between, each of which counts behind the one before it.
    fn numbers(&mut self, text: &str) {
        for (at, digits) in text.split('.').enumerate() {
            self.pattern.push_str(if at == 0 { "" } else { r"\." });
            self.number(digits);
        }
    }

    fn number(&mut self, digits: &str) {
        let timestamp = tokens::is_timestamp(digits);
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
        if timestamp {
            self.time(format!("${name}"), value.to_owned());
        } else {
            self.counters.push((format!("${name}"), value.to_owned()));
        }
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
        self.time(template, value);
    }

    /// Times lead: what was built later is newer, whatever its other numbers are.
    fn time(&mut self, template: String, value: String) {
        let place = if self.version.is_none() { self.times } else { self.counters.len() };
        self.counters.insert(place, (template, value));
        self.times += 1;
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
