//! Ranges: Masterminds' constraint grammar and what each comparison admits.
//!
//! ```text
//! range      = part ( "||" part )*                        one part must hold
//! part       = comparison ( ( space | "," ) comparison )* all of its comparisons must hold
//! comparison = op space* version
//! op         = "" | = | != | > | < | >= | => | <= | =< | ~ | ~> | ^
//! version    = "v"? N ( "." N )? ( "." N )? ( "-" PRE )? ( "+" META )?     N = digits | x | X | *
//! hyphen     = version space+ "-" space+ version          rewritten to ">= A, <= B "
//! ```
//! A version whose minor or patch is missing or a wildcard stands for its whole series; what that means to each operator
//! is written at the operator below. A pre-release is admitted to the comparisons of a part only when at least one of them
//! names a pre-release; then every pre-release is.

use std::cmp::Ordering;

use super::{Error, MAX_VERSION_LENGTH, Version, VersionRef, cmp_prerelease, has_leading_zero, number_at, skip};

/// The longest range that is read, in bytes (Masterminds' limit).
pub const MAX_RANGE_LENGTH: usize = 512;

/// The most parts (joined by `||`) that a range may have (Masterminds' limit).
pub const MAX_RANGE_PARTS: usize = 32;

/// A set of versions, written as a user writes it.
///
/// ```
/// use tagwright::version::{Range, Version};
/// let range = Range::parse(">=1.0.0 <2.0.0 || ~3.1")?;
/// assert!(range.matches(&Version::parse("3.1.4")?));
/// assert!(!range.matches(&Version::parse("1.0.0-rc.1")?));
/// # Ok::<(), tagwright::version::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    text: String,
    parts: Vec<Part>,
}

/// Comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    prereleases: bool,
    comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

/// From which number on a version stands for its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// All three numbers were written.
    Nothing,
    /// `1.2`, `1.2.x`.
    Patch,
    /// `1`, `1.x`.
    Minor,
    /// `*`, `x`; the numbers are 0.0.0.
    Major,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// [`Error::Improper`] with the part that is not a list of comparisons, [`Error::Comparison`] for one that has the form
    /// and no meaning (`1x`, `1.2.3-01`), [`Error::RangeTooLong`], [`Error::TooManyParts`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_RANGE_LENGTH {
            return Err(Error::RangeTooLong);
        }
        let rewritten = rewrite_hyphens(text);
        let parts: Vec<&str> = rewritten.split("||").collect();
        if parts.len() > MAX_RANGE_PARTS {
            return Err(Error::TooManyParts);
        }
        let parts = parts.into_iter().map(Part::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Whether the version is in the range.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.admits(version.as_ref())
    }

    /// Whether the version is in the range, for one that borrows its text.
    #[must_use]
    pub fn admits(&self, version: VersionRef<'_>) -> bool {
        self.parts.iter().any(|part| part.admits(version))
    }

    /// Whether the version is outside the range for being a pre-release: it would be in it if pre-releases were asked for.
    #[must_use]
    pub fn refuses_as_prerelease(&self, version: VersionRef<'_>) -> bool {
        !version.prerelease.is_empty()
            && !self.admits(version)
            && self.parts.iter().any(|part| !part.prereleases && part.holds(version))
    }

    /// The range as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, Error> {
        let pieces = split(text).ok_or_else(|| Error::Improper(quote(text)))?;
        let comparisons = pieces.into_iter().map(Piece::build).collect::<Result<Vec<_>, _>>()?;
        let prereleases = comparisons.iter().any(|comparison| !comparison.prerelease.is_empty());
        Ok(Self { prereleases, comparisons })
    }

    fn admits(&self, version: VersionRef<'_>) -> bool {
        (self.prereleases || version.prerelease.is_empty()) && self.holds(version)
    }

    fn holds(&self, version: VersionRef<'_>) -> bool {
        self.comparisons.iter().all(|comparison| comparison.admits(version))
    }
}

impl Comparison {
    fn admits(&self, version: VersionRef<'_>) -> bool {
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => self.order(version).is_eq(),
            Operator::Equal | Operator::Tilde => self.tilde(version),
            Operator::NotEqual => self.not_equal(version),
            Operator::Greater => self.greater(version),
            Operator::GreaterOrEqual => self.order(version).is_ge(),
            Operator::Less => self.order(version).is_lt(),
            Operator::LessOrEqual => self.less_or_equal(version),
            Operator::Caret => self.caret(version),
        }
    }

    /// How the version stands to the one written.
    fn order(&self, version: VersionRef<'_>) -> Ordering {
        version.cmp_precedence(VersionRef {
            major: self.major,
            minor: self.minor,
            patch: self.patch,
            prerelease: &self.prerelease,
            metadata: "",
        })
    }

    /// `!=1.2` excludes the series 1.2; where a pre-release is involved, only an equal one in it. `!=*` excludes 0.0.0.
    fn not_equal(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing | Open::Major => self.order(version).is_ne(),
            Open::Minor => version.major != self.major,
            Open::Patch => {
                (version.major, version.minor) != (self.major, self.minor)
                    || cmp_prerelease(version.prerelease, &self.prerelease).is_ne()
            }
        }
    }

    /// `>1.2` starts above the series 1.2. `>*` is `>0.0.0`.
    fn greater(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing | Open::Major => self.order(version).is_gt(),
            Open::Minor => version.major > self.major,
            Open::Patch => (version.major, version.minor) > (self.major, self.minor),
        }
    }

    /// `<=1.2` includes the series 1.2. `<=*` is the series 0.0.
    fn less_or_equal(&self, version: VersionRef<'_>) -> bool {
        match self.open {
            Open::Nothing => self.order(version).is_le(),
            Open::Minor => version.major <= self.major,
            Open::Patch | Open::Major => (version.major, version.minor) <= (self.major, self.minor),
        }
    }

    /// `~1.2.3` stays in the series 1.2, `~1` in 1; `~*` and `~0.0.0` are everything from there.
    fn tilde(&self, version: VersionRef<'_>) -> bool {
        if self.order(version).is_lt() {
            return false;
        }
        match self.open {
            Open::Nothing | Open::Major if (self.major, self.minor, self.patch) == (0, 0, 0) => true,
            Open::Minor => version.major == self.major,
            Open::Nothing | Open::Patch | Open::Major => (version.major, version.minor) == (self.major, self.minor),
        }
    }

    /// `^1.2.3` keeps the first number that is not 0; `^0.0` stays in 0.0. `^*` is `^0.0.0`, which is 0.0.0 alone.
    fn caret(&self, version: VersionRef<'_>) -> bool {
        if self.order(version).is_lt() || version.major != self.major {
            return false;
        }
        if self.major > 0 || self.open == Open::Minor {
            return true;
        }
        version.minor == self.minor && (self.minor > 0 || self.open == Open::Patch || version.patch == self.patch)
    }
}

/// One comparison as it stands in the text.
struct Piece<'a> {
    operator: Operator,
    version: Written<'a>,
}

/// A version as it stands in a range: numbers may be missing, wildcards or nonsense such as `1x`.
struct Written<'a> {
    text: &'a str,
    numbers: [Option<&'a str>; 3],
    prerelease: &'a str,
}

impl Piece<'_> {
    fn build(self) -> Result<Comparison, Error> {
        let [major, minor, patch] = self.version.numbers;
        let open = match (is_open(major), is_open(minor), is_open(patch)) {
            (true, _, _) => Open::Major,
            (_, true, _) => Open::Minor,
            (_, _, true) => Open::Patch,
            _ => Open::Nothing,
        };
        let written = match open {
            Open::Major => 0,
            Open::Minor => 1,
            Open::Patch => 2,
            Open::Nothing => 3,
        };
        let mut numbers = [0; 3];
        for (value, digits) in numbers.iter_mut().zip(self.version.numbers).take(written) {
            *value = digits.and_then(read_number).ok_or(Error::Comparison)?;
        }
        let prerelease = self.version.prerelease;
        if has_leading_zero(prerelease) || self.version.text.len() > MAX_VERSION_LENGTH {
            return Err(Error::Comparison);
        }
        let [major, minor, patch] = numbers;
        Ok(Comparison { operator: self.operator, major, minor, patch, prerelease: prerelease.to_owned(), open })
    }
}

fn is_open(number: Option<&str>) -> bool {
    matches!(number, None | Some("x" | "X" | "*"))
}

fn read_number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| number_at(digits.as_bytes())).flatten()
}

/// Cuts a part into its comparisons; nothing where it is not a list of them.
fn split(part: &str) -> Option<Vec<Piece<'_>>> {
    let bytes = part.as_bytes();
    let mut pieces = Vec::new();
    let mut at = skip(bytes, 0, is_space);
    loop {
        let (operator, end) = operator_at(bytes, at);
        let (version, end) = version_at(part, skip(bytes, end, is_space))?;
        pieces.push(Piece { operator, version });
        at = skip(bytes, end, is_space);
        if at == bytes.len() {
            return Some(pieces);
        }
        if bytes[at] == b',' {
            at = skip(bytes, at + 1, is_space);
        } else if at == end {
            return None;
        }
    }
}

/// Go's `\s`.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn operator_at(bytes: &[u8], at: usize) -> (Operator, usize) {
    let rest = &bytes[at..];
    let two = match rest.get(..2) {
        Some(b"!=") => Some(Operator::NotEqual),
        Some(b">=" | b"=>") => Some(Operator::GreaterOrEqual),
        Some(b"<=" | b"=<") => Some(Operator::LessOrEqual),
        Some(b"~>") => Some(Operator::Tilde),
        _ => None,
    };
    if let Some(operator) = two {
        return (operator, at + 2);
    }
    let one = match rest.first() {
        Some(b'=') => Operator::Equal,
        Some(b'>') => Operator::Greater,
        Some(b'<') => Operator::Less,
        Some(b'~') => Operator::Tilde,
        Some(b'^') => Operator::Caret,
        _ => return (Operator::Equal, at),
    };
    (one, at + 1)
}

/// The longest version that starts at `at`, and its end.
fn version_at(text: &str, at: usize) -> Option<(Written<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut end = at + usize::from(bytes.get(at) == Some(&b'v'));
    let mut numbers = [None; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let start = match (index, bytes.get(end)) {
            (0, _) => end,
            (_, Some(b'.')) => end + 1,
            _ => break,
        };
        let stop = skip(bytes, start, is_number);
        if stop == start {
            break;
        }
        *number = Some(&text[start..stop]);
        end = stop;
    }
    numbers[0]?;
    let prerelease = suffix(text, &mut end, b'-');
    suffix(text, &mut end, b'+');
    Some((Written { text: &text[at..end], numbers, prerelease }, end))
}

/// What Masterminds takes for a number before it looks closer. The bar is a slip of its grammar that decides which of the
/// two errors `1|2` gets.
fn is_number(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
}

fn suffix<'a>(text: &'a str, end: &mut usize, sign: u8) -> &'a str {
    let start = *end + 1;
    if text.as_bytes().get(*end) != Some(&sign) {
        return "";
    }
    let stop = super::skip_identifiers(text.as_bytes(), start);
    if stop == start {
        return "";
    }
    *end = stop;
    &text[start..stop]
}

/// Replaces each `A - B` by `>= A, <= B `, as text, before anything else is looked at.
///
/// The white space around it goes too. A replacement takes the place of the **first** text that is equal to the one found.
fn rewrite_hyphens(text: &str) -> String {
    let mut out = text.to_owned();
    let mut at = 0;
    while let Some(hyphen) = next_hyphen(text, at) {
        let replacement = format!(">= {}, <= {} ", hyphen.from, hyphen.to);
        out = out.replacen(&text[hyphen.start..hyphen.end], &replacement, 1);
        at = hyphen.end;
    }
    out
}

struct Hyphen<'a> {
    start: usize,
    end: usize,
    from: &'a str,
    to: &'a str,
}

fn next_hyphen(text: &str, from: usize) -> Option<Hyphen<'_>> {
    let bytes = text.as_bytes();
    let mut start = from;
    for at in from..bytes.len() {
        if is_space(&bytes[at]) {
            continue;
        }
        if let Some((low, high, end)) = hyphen_at(text, at) {
            return Some(Hyphen { start, end: skip(bytes, end, is_space), from: low, to: high });
        }
        start = at + 1;
    }
    None
}

fn hyphen_at(text: &str, at: usize) -> Option<(&str, &str, usize)> {
    let bytes = text.as_bytes();
    if !text.is_char_boundary(at) {
        return None;
    }
    let (low, end) = version_at(text, at)?;
    let dash = skip(bytes, end, is_space);
    if dash == end || bytes.get(dash) != Some(&b'-') {
        return None;
    }
    let start = skip(bytes, dash + 1, is_space);
    if start == dash + 1 {
        return None;
    }
    let (high, end) = version_at(text, start)?;
    Some((low.text, high.text, end))
}

/// Quotes a text as Go's `%q` does.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", char as u32)),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}
