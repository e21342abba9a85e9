//! How a text reads when escapes in it are taken back, as servers write them: of addresses, HTML, JSON and shells.
//!
//! Each escape stands for one character, so that every character that is read has its place in the text.

/// A text as it reads, in lower case, and where each byte of it stands in the text that was given.
pub(super) struct Reading {
    /// What is read.
    pub(super) text: String,
    /// For each byte, and for the end.
    places: Vec<usize>,
}

/// Reads the escape that a text begins with: the character, and how long the escape is.
type Escape = fn(&str) -> Option<(char, usize)>;

/// The most usual order of what is inside what: an address in HTML in JSON.
const ESCAPES: [Escape; 3] = [backslash, entity, percent];

/// HTML's names of what is in ASCII and not a letter or a digit, in lower case.
const ENTITIES: [(&str, char); 32] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("sol", '/'),
    ("plus", '+'),
    ("equals", '='),
    ("num", '#'),
    ("percnt", '%'),
    ("colon", ':'),
    ("semi", ';'),
    ("commat", '@'),
    ("excl", '!'),
    ("dollar", '$'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("comma", ','),
    ("period", '.'),
    ("quest", '?'),
    ("lsqb", '['),
    ("rsqb", ']'),
    ("lbrack", '['),
    ("rbrack", ']'),
    ("bsol", '\\'),
    ("hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("rcub", '}'),
    ("verbar", '|'),
];

/// An entity is no longer than this.
const MAX_ENTITY: usize = 10;

/// The ways in which a text may be read: as it is, with each kind of escape taken back, with all, and with all once more. Most
/// texts have no escapes and are read in one way.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    let plain = Reading { text: text.to_ascii_lowercase(), places: (0..=text.len()).collect() };
    let each = ESCAPES.iter().map(|escape| plain.without(*escape));
    let once = plain.without_all();
    let twice = once.as_ref().and_then(Reading::without_all);
    let mut all: Vec<Reading> = each.chain([once, twice]).flatten().collect();
    all.insert(0, plain);
    all
}

impl Reading {
    /// Where a piece of what is read stands in the text that was given.
    pub(super) fn place(&self, from: usize, to: usize) -> (usize, usize) {
        (self.places[from], self.places[to])
    }

    /// The same without any kind of escape; nothing where there is none.
    fn without_all(&self) -> Option<Self> {
        ESCAPES.iter().fold(None, |read: Option<Self>, escape| read.as_ref().unwrap_or(self).without(*escape).or(read))
    }

    /// The same without one kind of escape; nothing where there is none.
    fn without(&self, escape: Escape) -> Option<Self> {
        let mut read = Self { text: String::with_capacity(self.text.len()), places: Vec::new() };
        let (mut at, mut is_other) = (0, false);
        while let Some(written) = self.text[at..].chars().next() {
            let found = escape(&self.text[at..]);
            is_other |= found.is_some();
            let (c, length) = found.unwrap_or((written, written.len_utf8()));
            let c = c.to_ascii_lowercase();
            read.text.push(c);
            // A character that is written as it is has a place for each of its bytes; only the first is ever asked for.
            read.places.resize(read.text.len(), self.places[at]);
            at += length;
        }
        read.places.push(self.places[at]);
        is_other.then_some(read)
    }
}

/// `%2F`, or as many as make a character.
fn percent(text: &str) -> Option<(char, usize)> {
    let mut bytes = [0; 4];
    for count in 1..=bytes.len() {
        let digits = text.get(3 * count - 3..3 * count)?.strip_prefix('%')?;
        bytes[count - 1] = u8::try_from(number(digits, 16)?).ok()?;
        if let Ok(read) = std::str::from_utf8(&bytes[..count]) {
            return Some((read.chars().next()?, 3 * count));
        }
    }
    None
}

/// `&amp;`, `&#x26;`, `&#38;`.
fn entity(text: &str) -> Option<(char, usize)> {
    let inside = text.strip_prefix('&')?;
    let end = inside.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let name = &inside[..end];
    let c = match name.strip_prefix('#') {
        Some(digits) => char::from_u32(match digits.strip_prefix('x') {
            Some(digits) => number(digits, 16)?,
            None => number(digits, 10)?,
        })?,
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((c, end + 2))
}

/// JSON's `\u0026`, our `\u{26}`, `\x26`, `\n`, and the backslash before what means something to a shell.
fn backslash(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('\\')?;
    let coded = |digits: Option<&str>, length: usize| Some((char::from_u32(number(digits?, 16)?)?, length));
    match rest.chars().next()? {
        'u' if rest[1..].starts_with('{') => {
            let end = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b'}')?;
            coded(rest.get(2..end), end + 2)
        }
        'u' => coded(rest.get(1..5), 6),
        'x' => coded(rest.get(1..3), 4),
        'n' => Some(('\n', 2)),
        'r' => Some(('\r', 2)),
        't' => Some(('\t', 2)),
        c if c.is_alphanumeric() => None,
        c => Some((c, 1 + c.len_utf8())),
    }
}

/// A number of nothing but digits.
fn number(digits: &str, radix: u32) -> Option<u32> {
    digits.chars().all(|c| c.is_digit(radix)).then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_back() {
        let cases = [
            ("%2F%c3%A9%4", percent as Escape, Some("/é%4")),
            ("%ff%2f", percent, Some("%ff/")),
            ("&amp;&#x2F;&#47;&LT;&nope;&", entity, Some("&//<&nope;&")),
            (r"\u0026\u{2f}\x3c\&\\\q\ud83d", backslash, Some(r"&/<&\\q\ud83d")),
            ("50% & more", percent, None),
            ("日本語 & 日本語;", entity, None),
            ("\\", backslash, None),
        ];
        for (text, escape, expect) in cases {
            let plain = readings(text).remove(0);
            assert_eq!(plain.without(escape).map(|read| read.text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn one_in_another_is_read() {
        let texts: Vec<String> = readings(r"a%2526b \u0026lt;").into_iter().map(|read| read.text).collect();
        assert_eq!(
            texts,
            [r"a%2526b \u0026lt;", "a%2526b &lt;", r"a%26b \u0026lt;", r"a%26b <", "a&b <"].map(str::to_owned)
        );
        assert_eq!(readings("nothing of it").len(), 1);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let read = readings("é x%2F日y").remove(1);
        let at = read.text.find('/').unwrap_or_default();
        assert_eq!(read.place(at, at + 1), (4, 7));
        assert_eq!(read.place(at + 1, read.text.len()), (7, 11));
    }
}
