//! Cuts a template into tokens, as Go's scanner does, trim markers included.
//!
//! Text outside of `{{` and `}}` is one token; inside, spaces are tokens too, because they part arguments: `.a.b` is one
//! operand and `.a .b` are two. A token that cannot be is one of the kind `Error` with Go's message, and the last.

use crate::quote::quote;
use crate::template::token::{Keyword, Kind, Token};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// A scanner over one template.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    position: usize,
    start: usize,
    inside_action: bool,
    open_parentheses: usize,
    failed: bool,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, position: 0, start: 0, inside_action: false, open_parentheses: 0, failed: false }
    }

    /// The next token; after the last one, and after an error, [`Kind::End`].
    pub(crate) fn next_token(&mut self) -> Token {
        if self.failed {
            return Token { kind: Kind::End, position: self.position, text: String::new() };
        }
        if self.inside_action { self.action() } else { self.outside() }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn emit(&mut self, kind: Kind) -> Token {
        let token = Token { kind, position: self.start, text: self.text[self.start..self.position].to_owned() };
        self.start = self.position;
        token
    }

    fn error(&mut self, message: impl Into<String>) -> Token {
        self.failed = true;
        Token { kind: Kind::Error, position: self.start, text: message.into() }
    }

    fn outside(&mut self) -> Token {
        loop {
            let Some(length) = self.rest().find(LEFT) else {
                self.position = self.text.len();
                let kind = if self.position > self.start { Kind::Text } else { Kind::End };
                return self.emit(kind);
            };
            let delimiter = self.position + length;
            let mut text = &self.text[self.position..delimiter];
            if starts_with_trim(&self.text[delimiter + LEFT.len()..]) {
                text = text.trim_end_matches(SPACES);
            }
            if !text.is_empty() {
                self.position += text.len();
                let token = self.emit(Kind::Text);
                self.position = delimiter;
                self.start = delimiter;
                return token;
            }
            self.position = delimiter;
            self.start = delimiter;
            match self.left_delimiter() {
                Some(token) => return token,
                None => continue,
            }
        }
    }

    /// Reads `{{` or `{{- `; nothing for a comment, which is passed over.
    fn left_delimiter(&mut self) -> Option<Token> {
        self.position += LEFT.len();
        let marker = if starts_with_trim(self.rest()) { 2 } else { 0 };
        if self.rest()[marker..].starts_with("/*") {
            self.position += marker;
            self.start = self.position;
            return self.comment();
        }
        let token = self.emit(Kind::LeftDelimiter);
        self.position += marker;
        self.start = self.position;
        self.inside_action = true;
        self.open_parentheses = 0;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token> {
        let Some(length) = self.rest()[2..].find("*/") else {
            return Some(self.error("unclosed comment"));
        };
        self.position += 2 + length + 2;
        match self.right_delimiter_length() {
            None => return Some(self.error("comment ends before closing delimiter")),
            Some(length) => self.skip_right_delimiter(length),
        }
        self.start = self.position;
        None
    }

    /// The length of `}}` or ` -}}` here.
    fn right_delimiter_length(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with(RIGHT) {
            return Some(RIGHT.len());
        }
        let trimmed = rest.strip_prefix(SPACES)?.strip_prefix('-')?;
        trimmed.starts_with(RIGHT).then_some(2 + RIGHT.len())
    }

    fn skip_right_delimiter(&mut self, length: usize) {
        self.position += length;
        if length > RIGHT.len() {
            self.position = self.text.len() - self.rest().trim_start_matches(SPACES).len();
        }
    }

    fn right_delimiter(&mut self, length: usize) -> Token {
        let start = self.position + length - RIGHT.len();
        self.skip_right_delimiter(length);
        self.start = self.position;
        self.inside_action = false;
        Token { kind: Kind::RightDelimiter, position: start, text: RIGHT.to_owned() }
    }

    fn action(&mut self) -> Token {
        if let Some(length) = self.right_delimiter_length() {
            if self.open_parentheses == 0 {
                return self.right_delimiter(length);
            }
            return self.error("unclosed left paren");
        }
        let Some(next) = self.bump() else { return self.error("unclosed action") };
        match next {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(Kind::Assign),
            ':' if self.bump() == Some('=') => self.emit(Kind::Declare),
            ':' => self.error("expected :="),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.raw_string(),
            '$' => self.name(Kind::Variable),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) && !self.rest().is_empty() => {
                self.name(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.position = self.start;
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.position = self.start;
                self.identifier()
            }
            '(' => {
                self.open_parentheses += 1;
                self.emit(Kind::LeftParenthesis)
            }
            ')' if self.open_parentheses == 0 => self.error("unexpected right paren"),
            ')' => {
                self.open_parentheses -= 1;
                self.emit(Kind::RightParenthesis)
            }
            '\x21'..='\x7e' => self.emit(Kind::Char),
            other => self.error(format!("unrecognized character in action: {}", unicode_name(other))),
        }
    }

    /// A run of spaces, without the one that belongs to ` -}}`.
    fn space(&mut self) -> Token {
        let length = self.text[self.start..].len() - self.text[self.start..].trim_start_matches(SPACES).len();
        self.position = self.start + length - 1;
        if self.right_delimiter_length() == Some(2 + RIGHT.len()) {
            if let (1, Some(length)) = (length, self.right_delimiter_length()) {
                return self.right_delimiter(length);
            }
        } else {
            self.position += 1;
        }
        self.emit(Kind::Space)
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &'static str) -> Token {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                }
                None | Some('\n') => return self.error(unterminated),
                Some(c) if c == quote => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        match self.rest().find('`') {
            Some(length) => {
                self.position += length + 1;
                self.emit(Kind::RawString)
            }
            None => self.error("unterminated raw quoted string"),
        }
    }

    /// A field or variable; its `.` or `$` has been read.
    fn name(&mut self, kind: Kind) -> Token {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    fn identifier(&mut self) -> Token {
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.text[self.start..self.position] {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "nil" => Kind::Keyword(Keyword::Nil),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn bad_character(&mut self) -> Token {
        let name = self.peek().map(unicode_name).unwrap_or_default();
        self.error(format!("bad character {name}"))
    }

    fn skip_alphanumeric(&mut self) {
        self.position = self.text.len() - self.rest().trim_start_matches(is_alphanumeric).len();
    }

    /// Whether a name may end here.
    fn at_terminator(&self) -> bool {
        self.peek().is_none_or(|c| SPACES.contains(&c) || matches!(c, '.' | ',' | '|' | ':' | ')' | '('))
            || self.rest().starts_with(RIGHT)
    }

    fn number(&mut self) -> Token {
        let valid = self.scan_number();
        if valid && !matches!(self.peek(), Some('+' | '-')) {
            return self.emit(Kind::Number);
        }
        if valid {
            self.scan_number(); // A sum is no number, and a complex one not known here.
        }
        let text = quote(&self.text[self.start..self.position]);
        self.error(format!("bad number syntax: {text}"))
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let zero = self.accept("0");
        let (digits, exponent) = match zero {
            true if self.accept("xX") => ("0123456789abcdefABCDEF_", "pP"),
            true if self.accept("oO") => ("01234567_", ""),
            true if self.accept("bB") => ("01_", ""),
            _ => ("0123456789_", "eE"),
        };
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.bump();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }
}

fn starts_with_trim(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACES))
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

/// A character as Go's `%#U` shows it.
fn unicode_name(c: char) -> String {
    let code = u32::from(c);
    if c.is_control() { format!("U+{code:04X}") } else { format!("U+{code:04X} '{c}'") }
}
