//! How Go prints a value under one verb.
//!
//! Go's rules for `%v` of each type, for the flags and the width, and for the notes such as `%!d(string=x)` that stand in
//! the output where verb and value do not fit: `fmt` has no errors.

use crate::quote::{backquote, is_printable, is_printable_ascii, quote_in};
use crate::template::context::{Context, Failure, too_deep};
use crate::template::format::rune;
use crate::template::value::{DICT, IntKind, Struct, Value};
use crate::template::{MAX_VALUE_DEPTH, float};

/// The flags of a directive such as `%-10.3f`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) plus: bool,
    pub(crate) minus: bool,
    pub(crate) sharp: bool,
    pub(crate) space: bool,
    pub(crate) zero: bool,
    /// `%+v`: with the names of fields.
    pub(crate) plus_v: bool,
    /// `%#v`: as Go source.
    pub(crate) sharp_v: bool,
    pub(crate) width: Option<usize>,
    pub(crate) precision: Option<usize>,
}

impl Flags {
    /// What stands in front of a number.
    pub(crate) fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }
}

/// Text that is being printed.
pub(crate) struct Printer<'c> {
    context: &'c Context,
    pub(crate) out: String,
    pub(crate) flags: Flags,
    /// Set while noting a wrong verb: methods are not called then.
    plain: bool,
}

impl<'c> Printer<'c> {
    pub(crate) fn new(context: &'c Context) -> Self {
        Self { context, out: String::new(), flags: Flags::default(), plain: false }
    }

    /// Appends text as it is.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.check(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), Failure> {
        self.context.spend_bytes(more)?;
        if self.out.len() + more > crate::template::MAX_OUTPUT {
            return self.context.check_length(self.out.len() + more);
        }
        Ok(())
    }

    /// Appends text, padded to the width with spaces, or with zeros where the flags say so.
    fn pad(&mut self, text: &str) -> Result<(), Failure> {
        self.pad_with(text, if self.flags.zero && !self.flags.minus { '0' } else { ' ' })
    }

    fn pad_with(&mut self, text: &str, filler: char) -> Result<(), Failure> {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        self.check(text.len() + missing)?;
        let padding = std::iter::repeat_n(filler, missing);
        if self.flags.minus {
            self.out.push_str(text);
            self.out.extend(padding);
        } else {
            self.out.extend(padding);
            self.out.push_str(text);
        }
        Ok(())
    }

    /// Prints an argument of `Sprintf`.
    pub(crate) fn argument(&mut self, value: &Value, verb: char) -> Result<(), Failure> {
        match verb {
            'T' => self.pad(value.type_name()),
            'v' if matches!(value, Value::Nil) => self.pad("<nil>"),
            'p' => self.wrong_verb(value, verb, 0),
            _ => self.value(value, verb, 0),
        }
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Failure> {
        if depth > 2 * MAX_VALUE_DEPTH {
            return Err(too_deep());
        }
        match value {
            Value::Nil if depth > 0 => self.write(if self.flags.sharp_v { "interface {}(nil)" } else { "<nil>" }),
            Value::Nil => self.wrong_verb(value, verb, depth),
            Value::Bool(flag) if matches!(verb, 't' | 'v') => self.pad(if *flag { "true" } else { "false" }),
            Value::Bool(_) => self.wrong_verb(value, verb, depth),
            Value::Int(kind, bits) => self.integer(value, *kind, *bits, verb, depth),
            Value::Float(number) => match float::format(*number, verb, &self.flags) {
                Some(text) => self.number(&text),
                None => self.wrong_verb(value, verb, depth),
            },
            Value::String(text) => self.text(value, text, verb, depth),
            Value::List(list) => self.list(list.type_name, &list.items, verb, depth),
            Value::Map(map) => self.map(map.type_name, map.entries().iter().map(|(k, v)| (k.clone(), v)), verb, depth),
            Value::Dict(dict) => {
                let entries = dict.entries();
                self.map(DICT, entries.iter().map(|(key, value)| (Value::String(key.clone()), value)), verb, depth)
            }
            Value::Struct(inner) => self.object(value, inner, verb, depth),
        }
    }

    /// Notes a verb that does not fit: `%!d(string=x)`.
    fn wrong_verb(&mut self, value: &Value, verb: char, depth: usize) -> Result<(), Failure> {
        if matches!(value, Value::Nil) {
            return self.write(&format!("%!{verb}(<nil>)"));
        }
        let outer = std::mem::replace(&mut self.plain, true);
        self.write(&format!("%!{verb}({}=", value.type_name()))?;
        self.value(value, 'v', depth)?;
        self.plain = outer;
        self.write(")")
    }

    fn list(&mut self, type_name: &str, items: &[Value], verb: char, depth: usize) -> Result<(), Failure> {
        let (open, between, close) = if self.flags.sharp_v { ("{", ", ", "}") } else { ("[", " ", "]") };
        if self.flags.sharp_v {
            self.write(type_name)?;
        }
        self.write(open)?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.write(between)?;
            }
            self.value(item, verb, depth + 1)?;
        }
        self.write(close)
    }

    fn map<'v>(
        &mut self,
        type_name: &str,
        entries: impl Iterator<Item = (Value, &'v Value)>,
        verb: char,
        depth: usize,
    ) -> Result<(), Failure> {
        let sharp = self.flags.sharp_v;
        if sharp {
            self.write(type_name)?;
        }
        self.write(if sharp { "{" } else { "map[" })?;
        for (index, (key, value)) in entries.enumerate() {
            if index > 0 {
                self.write(if sharp { ", " } else { " " })?;
            }
            self.value(&key, verb, depth + 1)?;
            self.write(":")?;
            self.value(value, verb, depth + 1)?;
        }
        self.write(if sharp { "}" } else { "]" })
    }

    fn object(&mut self, value: &Value, inner: &Struct, verb: char, depth: usize) -> Result<(), Failure> {
        let has_text = !self.plain && !self.flags.sharp_v && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q');
        if let Some(text) = inner.text().filter(|_| has_text) {
            return self.text(value, &text, verb, depth);
        }
        let sharp = self.flags.sharp_v;
        if sharp {
            self.write(inner.kind.name)?;
        } else if inner.kind.is_pointer() {
            self.write("&")?;
        }
        self.write("{")?;
        for (index, (field, item)) in inner.kind.fields.iter().zip(&inner.fields).enumerate() {
            if index > 0 {
                self.write(if sharp { ", " } else { " " })?;
            }
            if sharp || self.flags.plus_v {
                self.write(field.name)?;
                self.write(":")?;
            }
            self.value(item, verb, depth + 1)?;
        }
        self.write("}")
    }

    fn text(&mut self, value: &Value, text: &str, verb: char, depth: usize) -> Result<(), Failure> {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => {
                let text = self.truncated(text);
                self.pad(text)
            }
            'q' => {
                let text = self.truncated(text);
                self.quoted(text)
            }
            'x' | 'X' => self.hexadecimal(text, verb),
            _ => self.wrong_verb(value, verb, depth),
        }
    }

    fn truncated<'t>(&self, text: &'t str) -> &'t str {
        let Some(precision) = self.flags.precision else { return text };
        text.char_indices().nth(precision).map_or(text, |(end, _)| &text[..end])
    }

    fn quoted(&mut self, text: &str) -> Result<(), Failure> {
        let raw = if self.flags.sharp { backquote(text) } else { None };
        self.pad(&raw.unwrap_or_else(|| quote_in(text, '"', self.kept())))
    }

    /// What `%q` does not escape.
    fn kept(&self) -> fn(char) -> bool {
        if self.flags.plus { is_printable_ascii } else { is_printable }
    }

    fn hexadecimal(&mut self, text: &str, verb: char) -> Result<(), Failure> {
        let length = self.flags.precision.unwrap_or(text.len()).min(text.len());
        self.context.check_length(5 * length)?;
        let mut out = String::new();
        for (index, byte) in text.bytes().take(length).enumerate() {
            if self.flags.space && index > 0 {
                out.push(' ');
            }
            if self.flags.sharp && (self.flags.space || index == 0) {
                out.push_str(if verb == 'x' { "0x" } else { "0X" });
            }
            out.push_str(&if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") });
        }
        self.pad(&out)
    }

    fn integer(&mut self, value: &Value, kind: IntKind, bits: i64, verb: char, depth: usize) -> Result<(), Failure> {
        let number = kind.widen(bits);
        let digits = match verb {
            'v' if self.flags.sharp_v && !kind.is_signed() => format!("0x{number:x}"),
            'v' | 'd' => number.unsigned_abs().to_string(),
            'b' => format!("{:b}", number.unsigned_abs()),
            'o' | 'O' => format!("{:o}", number.unsigned_abs()),
            'x' => format!("{:x}", number.unsigned_abs()),
            'X' => format!("{:X}", number.unsigned_abs()),
            'c' => return self.pad(&rune(kind, bits).to_string()),
            'q' => return self.pad(&quote_in(rune(kind, bits).encode_utf8(&mut [0; 4]), '\'', self.kept())),
            'U' => return self.unicode(kind, bits),
            _ => return self.wrong_verb(value, verb, depth),
        };
        self.digits(digits, number < 0, verb)
    }

    /// Pads digits with zeros and puts prefix and sign before them.
    fn digits(&mut self, digits: String, negative: bool, verb: char) -> Result<(), Failure> {
        let Flags { minus, sharp, zero, width, precision, .. } = self.flags;
        if precision == Some(0) && digits == "0" {
            return self.pad_with("", ' ');
        }
        let sign = self.flags.sign(negative);
        let wanted = match (precision, width) {
            (Some(precision), _) => precision,
            (None, Some(width)) if zero && !minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        self.context.check_length(wanted)?;
        let padded = format!("{}{digits}", "0".repeat(wanted.saturating_sub(digits.len())));
        let prefix = match verb {
            'O' => "0o",
            'b' if sharp => "0b",
            'o' if sharp && !padded.starts_with('0') => "0",
            'x' if sharp => "0x",
            'X' if sharp => "0X",
            _ => "",
        };
        self.pad_with(&format!("{sign}{prefix}{padded}"), ' ')
    }

    fn unicode(&mut self, kind: IntKind, bits: i64) -> Result<(), Failure> {
        let wanted = self.flags.precision.unwrap_or(4).max(4);
        self.context.check_length(wanted)?;
        let mut text = format!("U+{:0wanted$X}", kind.widen(bits));
        let c = rune(kind, bits);
        if self.flags.sharp && is_printable(c) {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_with(&text, ' ')
    }

    /// Prints a float that has its sign in front already.
    fn number(&mut self, text: &str) -> Result<(), Failure> {
        let unsigned = text.trim_start_matches(['+', '-', ' ']);
        let finite = unsigned.starts_with(|c: char| c.is_ascii_digit());
        let sign = &text[..text.len() - unsigned.len()];
        if self.flags.zero && !self.flags.minus && finite && !sign.is_empty() {
            // The sign goes before the zeros.
            self.write(sign)?;
            let width = self.flags.width;
            self.flags.width = width.map(|width| width.saturating_sub(sign.len()));
            let result = self.pad(unsigned);
            self.flags.width = width;
            return result;
        }
        if finite { self.pad(text) } else { self.pad_with(text, ' ') }
    }
}
