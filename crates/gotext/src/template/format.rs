//! Go's `fmt.Sprintf`, `Sprint` and `Sprintln`.
//!
//! A directive is `%`, flags of `#0+- `, a width, a precision after a point, and a verb. Width and precision can be `*`,
//! which takes an argument, and `[2]` before any of the three goes on with the second argument.

use crate::template::context::{Context, Failure};
use crate::template::print::{Flags, Printer};
use crate::template::value::{IntKind, Value};

/// The largest width, precision and argument number that Go takes.
const MAX_NUMBER: i64 = 1_000_000;

/// Go's `fmt.Sprintf`, its error notes such as `%!d(string=x)` included.
pub(crate) fn sprintf(context: &Context, format: &str, arguments: &[Value]) -> Result<String, Failure> {
    let printer = Printer::new(context);
    let last_bracket = format.rfind(']').unwrap_or(0);
    let mut run = Run { printer, format, last_bracket, at: 0, arguments, next: 0, reordered: false };
    run.all()?;
    Ok(run.printer.out)
}

/// Go's `fmt.Sprint`: spaces between operands when neither is a string.
pub(crate) fn sprint(context: &Context, arguments: &[Value]) -> Result<String, Failure> {
    let mut printer = Printer::new(context);
    let mut previous_is_string = true;
    for (index, argument) in arguments.iter().enumerate() {
        let is_string = matches!(argument, Value::String(_));
        if index > 0 && !is_string && !previous_is_string {
            printer.write(" ")?;
        }
        printer.argument(argument, 'v')?;
        previous_is_string = is_string;
    }
    Ok(printer.out)
}

/// Go's `fmt.Sprintln`: spaces between all operands, and a newline.
pub(crate) fn sprintln(context: &Context, arguments: &[Value]) -> Result<String, Failure> {
    let mut printer = Printer::new(context);
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            printer.write(" ")?;
        }
        printer.argument(argument, 'v')?;
    }
    printer.write("\n")?;
    Ok(printer.out)
}

/// One call of `Sprintf`.
struct Run<'c, 'f> {
    printer: Printer<'c>,
    format: &'f str,
    /// Where its last `]` is, so that none is looked for in vain.
    last_bracket: usize,
    at: usize,
    arguments: &'f [Value],
    next: usize,
    reordered: bool,
}

/// What an optional argument index such as `[2]` was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    None,
    Good,
    Bad,
}

impl Run<'_, '_> {
    fn all(&mut self) -> Result<(), Failure> {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let literal = rest.find('%').unwrap_or(rest.len());
            self.printer.write(&rest[..literal])?;
            self.at += literal;
            if self.at < self.format.len() {
                self.at += 1;
                self.directive()?;
            }
        }
        self.extra()
    }

    fn byte(&self) -> Option<u8> {
        self.format.as_bytes().get(self.at).copied()
    }

    fn directive(&mut self) -> Result<(), Failure> {
        self.printer.flags = self.flags();
        let mut good = true;
        let mut index = self.index(&mut good);
        if self.byte() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    self.printer.flags.minus |= width < 0;
                    self.printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => self.printer.write("%!(BADWIDTH)")?,
            }
            index = Index::None;
        } else {
            let width = self.number();
            good &= width.is_none() || index == Index::None;
            self.printer.flags.width = width;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            good &= index == Index::None;
            index = self.index(&mut good);
            index = self.precision(index)?;
        }
        if index == Index::None {
            self.index(&mut good);
        }
        let Some(verb) = self.format[self.at..].chars().next() else {
            return self.printer.write("%!(NOVERB)");
        };
        self.at += verb.len_utf8();
        self.verb(verb, good)
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.byte() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn precision(&mut self, index: Index) -> Result<Index, Failure> {
        if self.byte() != Some(b'*') {
            self.printer.flags.precision = Some(self.number().unwrap_or(0));
            return Ok(index);
        }
        self.at += 1;
        match self.star() {
            Some(precision) => self.printer.flags.precision = usize::try_from(precision).ok(),
            None => self.printer.write("%!(BADPREC)")?,
        }
        Ok(Index::None)
    }

    fn verb(&mut self, verb: char, good: bool) -> Result<(), Failure> {
        if verb == '%' {
            return self.printer.write("%");
        }
        if !good {
            return self.printer.write(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(argument) = self.arguments.get(self.next) else {
            return self.printer.write(&format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if verb == 'v' {
            let flags = &mut self.printer.flags;
            flags.sharp_v = std::mem::take(&mut flags.sharp);
            flags.plus_v = std::mem::take(&mut flags.plus);
        }
        self.printer.argument(argument, verb)
    }

    /// Reads an argument index such as `[2]`.
    fn index(&mut self, good: &mut bool) -> Index {
        if self.byte() != Some(b'[') {
            return Index::None;
        }
        self.reordered = true;
        let inside = &self.format[self.at + 1..];
        let closing = if self.at < self.last_bracket { inside.find(']') } else { None };
        let Some(length) = closing.filter(|_| inside.len() >= 2) else {
            *good = false;
            self.at += 1;
            return Index::None;
        };
        self.at += length + 2;
        let digits = &inside[..length];
        let number = digits.parse::<usize>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        match number {
            Some(number) if (1..=self.arguments.len()).contains(&number) => {
                self.next = number - 1;
                Index::Good
            }
            Some(_) => {
                *good = false;
                Index::Bad
            }
            None => {
                *good = false;
                Index::None
            }
        }
    }

    /// Takes an argument as a width or precision.
    fn star(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        match argument {
            Value::Int(_, value) if (-MAX_NUMBER..=MAX_NUMBER).contains(value) => Some(*value),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<usize> {
        let rest = &self.format[self.at..];
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..length].parse::<i64>().ok();
        match number {
            Some(number) if number <= MAX_NUMBER => {
                self.at += length;
                usize::try_from(number).ok()
            }
            _ if length > 0 => {
                self.at = self.format.len();
                None
            }
            _ => None,
        }
    }

    /// Notes arguments that no verb used.
    fn extra(&mut self) -> Result<(), Failure> {
        if self.reordered || self.next >= self.arguments.len() {
            return Ok(());
        }
        self.printer.flags = Flags::default();
        self.printer.write("%!(EXTRA ")?;
        for (index, argument) in self.arguments[self.next..].iter().enumerate() {
            if index > 0 {
                self.printer.write(", ")?;
            }
            if matches!(argument, Value::Nil) {
                self.printer.write("<nil>")?;
            } else {
                self.printer.write(argument.type_name())?;
                self.printer.write("=")?;
                self.printer.argument(argument, 'v')?;
            }
        }
        self.printer.write(")")
    }
}

/// Go's `%v` of a value.
pub(crate) fn display(context: &Context, value: &Value) -> Result<String, Failure> {
    sprint(context, std::slice::from_ref(value))
}

/// The character of an integer, as `%c`, `%q` and `%U` take it.
pub(crate) fn rune(kind: IntKind, bits: i64) -> char {
    u32::try_from(kind.widen(bits)).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}
