//! Reads a pattern by Go's rules and writes it in the `regex` crate's syntax.
//!
//! One pass, no tree: what is written so far, the open groups, and the last item, which is what a repetition takes. Flags
//! (`i m s U`) are resolved here and never written, except around the one item they concern.

use super::class::{self, Class};
use super::escape::{self, Escape};
use super::repetition::{MAX_REPEAT, Repetition, counted};
use super::{MAX_DEPTH, Reason};

/// The most characters of classes beyond ASCII that are matched in any case: four times all of Unicode.
const MAX_FOLDED: u32 = 4 * 0x11_0000;

/// What is wrong, and the part of the pattern that is.
#[derive(Debug)]
pub(super) struct Fault<'p> {
    pub(super) reason: Reason,
    pub(super) text: &'p str,
}

impl<'p> Fault<'p> {
    pub(super) fn new(reason: Reason, text: &'p str) -> Self {
        Self { reason, text }
    }
}

/// A pattern in the `regex` crate's syntax; the names of its groups beside it.
pub(super) struct Translation {
    pub(super) regex: String,
    pub(super) names: Vec<Option<String>>,
}

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<Translation, Fault<'_>> {
    let mut translator = Translator {
        pattern,
        at: 0,
        out: String::with_capacity(2 * pattern.len()),
        flags: Flags::default(),
        groups: Vec::new(),
        concatenation: Concatenation::default(),
        names: vec![None],
        repetition: None,
        folded: 0,
    };
    while translator.at < pattern.len() {
        let repetition = translator.step()?;
        translator.repetition = repetition;
    }
    if !translator.groups.is_empty() {
        return Err(Fault::new(Reason::MissingParenthesis, pattern));
    }
    Ok(Translation { regex: translator.out, names: translator.names })
}

/// `(?imsU)`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold_case: bool,
    multi_line: bool,
    dot_matches_newline: bool,
    swap_greed: bool,
}

/// Something that a repetition can take, as written to the output.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Where it starts in the output.
    start: usize,
    /// Whether it is a repetition itself, and so must be wrapped before it is repeated.
    repeated: bool,
    size: Size,
}

/// What limits look at; each the maximum of everything inside.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// How often the innermost thing is repeated: the product of nested counts.
    copies: u32,
    depth: usize,
}

impl Size {
    const ONE: Self = Self { copies: 1, depth: 1 };

    fn max(self, other: Self) -> Self {
        Self { copies: self.copies.max(other.copies), depth: self.depth.max(other.depth) }
    }
}

/// The items since the last `(` or `|`, of which only the last one can still be repeated.
#[derive(Debug, Clone, Copy, Default)]
struct Concatenation {
    last: Option<Item>,
    before: Size,
}

impl Concatenation {
    fn size(&self) -> Size {
        self.last.map_or(self.before, |item| self.before.max(item.size))
    }

    fn push(&mut self, item: Item) {
        *self = Self { last: Some(item), before: self.size() };
    }

    /// After `|`: what was there still counts, and can no longer be repeated.
    fn cut(&mut self) {
        *self = Self { last: None, before: self.size() };
    }
}

/// An open group, and what to go back to when it closes.
struct Group {
    start: usize,
    flags: Flags,
    around: Concatenation,
}

struct Translator<'p> {
    pattern: &'p str,
    at: usize,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    concatenation: Concatenation,
    names: Vec<Option<String>>,
    /// Where the repetition operator starts that was read just before.
    repetition: Option<usize>,
    /// How many characters the compiler will look at to match classes in any case.
    folded: u32,
}

impl<'p> Translator<'p> {
    fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    /// Reads one token; gives where it starts if it is a repetition operator.
    fn step(&mut self) -> Result<Option<usize>, Fault<'p>> {
        let rest = self.rest();
        let Some(char) = rest.chars().next() else { return Ok(None) };
        match char {
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.out.push('|');
                self.concatenation.cut();
                self.at += 1;
            }
            '^' => self.item(1, if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
            '$' => self.item(1, if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
            '.' => self.item(1, if self.flags.dot_matches_newline { "(?s:.)" } else { "." }),
            '[' => {
                let class = class::translate(rest, self.flags)?;
                self.class(&class)?;
            }
            '*' | '+' | '?' => return self.repeat(Repetition { length: 1, min: 0, max: None, symbol: Some(char) }),
            '{' => match counted(rest) {
                None => self.literal(1, u32::from(char)),
                Some(repetition) => {
                    let text = &rest[..repetition.length];
                    let valid = repetition.min <= MAX_REPEAT
                        && repetition.max.is_none_or(|max| max <= MAX_REPEAT && repetition.min <= max);
                    if !valid {
                        return Err(Fault::new(Reason::RepeatCount, text));
                    }
                    return self.repeat(repetition);
                }
            },
            '\\' => self.backslash()?,
            _ => self.literal(char.len_utf8(), u32::from(char)),
        }
        Ok(None)
    }

    /// Writes an item for `length` bytes of the pattern.
    fn item(&mut self, length: usize, text: &str) {
        let start = self.out.len();
        self.out.push_str(text);
        self.concatenation.push(Item { start, repeated: false, size: Size::ONE });
        self.at += length;
    }

    fn class(&mut self, class: &Class) -> Result<(), Fault<'p>> {
        self.folded = self.folded.saturating_add(class.folded);
        if self.folded > MAX_FOLDED {
            return Err(Fault::new(Reason::TooLarge, self.pattern));
        }
        self.item(class.length, &class.text);
        Ok(())
    }

    fn literal(&mut self, length: usize, code: u32) {
        let mut text = String::new();
        push_literal(&mut text, code, self.flags);
        self.item(length, &text);
    }

    fn backslash(&mut self) -> Result<(), Fault<'p>> {
        let rest = self.rest();
        match escape::read(rest, self.flags)? {
            Escape::Char { code, length } => self.literal(length, code),
            Escape::Class(class) => self.class(&class)?,
            Escape::Assertion { text, length } => self.item(length, text),
            Escape::Quoted { literal, length } => {
                for char in literal.chars() {
                    self.literal(0, u32::from(char));
                }
                self.at += length;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Fault<'p>> {
        let rest = self.rest();
        if !rest.starts_with("(?") {
            self.names.push(None);
            return self.group(1, "(");
        }
        let name_start = if rest.len() > 4 && rest.starts_with("(?P<") {
            Some(4)
        } else if rest.len() > 3 && rest.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        match name_start {
            Some(start) => {
                let end = rest.find('>').ok_or(Fault::new(Reason::NamedCapture, rest))?;
                let name = rest.get(start..end).unwrap_or_default();
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                    return Err(Fault::new(Reason::NamedCapture, &rest[..=end]));
                }
                self.names.push(Some(name.to_owned()));
                self.group(end + 1, "(")
            }
            None => self.flags_or_group(),
        }
    }

    /// Opens a group, written as `opening`, for `length` bytes of the pattern.
    fn group(&mut self, length: usize, opening: &str) -> Result<(), Fault<'p>> {
        if self.groups.len() >= MAX_DEPTH {
            return Err(Fault::new(Reason::TooDeep, self.pattern));
        }
        self.groups.push(Group { start: self.out.len(), flags: self.flags, around: self.concatenation });
        self.concatenation = Concatenation::default();
        self.out.push_str(opening);
        self.at += length;
        Ok(())
    }

    /// `(?flags)` changes flags up to the end of the group, `(?flags:` opens a group with them.
    fn flags_or_group(&mut self) -> Result<(), Fault<'p>> {
        let rest = self.rest();
        let mut flags = self.flags;
        let (mut on, mut seen) = (true, false);
        for (offset, char) in rest.char_indices().skip(2) {
            let length = offset + char.len_utf8();
            let fault = Fault::new(Reason::PerlSyntax, &rest[..length]);
            let flag = match char {
                'i' => &mut flags.fold_case,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_matches_newline,
                'U' => &mut flags.swap_greed,
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    if char == ':' {
                        self.group(length, "(?:")?;
                    } else {
                        self.at += length;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(fault),
            };
            *flag = on;
            seen = true;
        }
        Err(Fault::new(Reason::PerlSyntax, rest))
    }

    fn close(&mut self) -> Result<(), Fault<'p>> {
        let Some(group) = self.groups.pop() else {
            return Err(Fault::new(Reason::UnexpectedParenthesis, self.pattern));
        };
        let inside = self.concatenation.size();
        let size = Size { copies: inside.copies.max(1), depth: inside.depth + 1 };
        self.out.push(')');
        self.flags = group.flags;
        self.concatenation = group.around;
        self.concatenation.push(Item { start: group.start, repeated: false, size });
        self.at += 1;
        self.check_depth(size)
    }

    fn repeat(&mut self, repetition: Repetition) -> Result<Option<usize>, Fault<'p>> {
        let start = self.at;
        let mut end = start + repetition.length;
        let marked = self.pattern[end..].starts_with('?');
        end += usize::from(marked);
        if let Some(previous) = self.repetition {
            return Err(Fault::new(Reason::NestedRepetition, &self.pattern[previous..end]));
        }
        let text = &self.pattern[start..end];
        let Some(item) = self.concatenation.last else {
            return Err(Fault::new(Reason::MissingArgument, text));
        };
        if item.repeated {
            self.out.insert_str(item.start, "(?:");
            self.out.push(')');
        }
        repetition.write(&mut self.out);
        if marked != self.flags.swap_greed {
            self.out.push('?');
        }
        let size = Size { copies: repetition.copies(item.size.copies), depth: item.size.depth + 1 };
        self.concatenation.last = Some(Item { start: item.start, repeated: true, size });
        self.at = end;
        self.check_depth(size)?;
        if size.copies > MAX_REPEAT {
            return Err(Fault::new(Reason::RepeatCount, text));
        }
        Ok(Some(start))
    }

    fn check_depth(&self, size: Size) -> Result<(), Fault<'p>> {
        if size.depth > MAX_DEPTH { Err(Fault::new(Reason::TooDeep, self.pattern)) } else { Ok(()) }
    }
}

/// Writes one character so that it stands for itself.
///
/// A surrogate is a character to Go and occurs in no text: it is written as a class that matches nothing.
fn push_literal(out: &mut String, code: u32, flags: Flags) {
    match char::from_u32(code) {
        None => out.push_str(class::NOTHING),
        Some(char) if flags.fold_case && (char.is_ascii_alphabetic() || !char.is_ascii()) => {
            out.push_str("(?i:");
            push_char(out, char);
            out.push(')');
        }
        Some(char) => push_char(out, char),
    }
}

/// Writes a character escaped where it has a meaning, inside and outside of classes alike.
pub(super) fn push_char(out: &mut String, char: char) {
    if char.is_ascii_control() {
        out.push_str(&format!(r"\x{{{:x}}}", u32::from(char)));
        return;
    }
    if char.is_ascii_punctuation()
        && !matches!(char, '_' | '<' | '>' | '/' | '\'' | '"' | '`' | ',' | ';' | ':' | '=' | '!' | '@' | '%')
    {
        out.push('\\');
    }
    out.push(char);
}
