//! Go's notation of floats.
//!
//! Digits are those of the standard library, which are exact or the shortest that read back, as in Go; only exponents are
//! written in another way (`1e+06`, two digits at least), and begin at other sizes.

use crate::template::print::Flags;

/// The most digits behind the point that are worked out; Go allows a million.
const MAX_PRECISION: usize = 1_000;

/// A float under a verb, with its sign; nothing when the verb is not for floats.
pub(crate) fn format(value: f64, verb: char, flags: &Flags) -> Option<String> {
    let (style, default) = match verb {
        'v' => ('g', None),
        'g' | 'G' => (verb, None),
        'e' | 'E' => (verb, Some(6)),
        'f' | 'F' => ('f', Some(6)),
        _ => return None,
    };
    let precision = flags.precision.or(default).map(|precision| precision.min(MAX_PRECISION));
    let sign = flags.sign(value.is_sign_negative() && !value.is_nan());
    if value.is_nan() {
        return Some(format!("{sign}NaN"));
    }
    if value.is_infinite() {
        let sign = if sign.is_empty() { "+" } else { sign };
        return Some(format!("{sign}Inf"));
    }
    let mut text = notation(value.abs(), style, precision);
    if flags.sharp {
        text = with_point(&text, verb, precision);
    }
    Some(format!("{sign}{text}"))
}

/// Go's `strconv.FormatFloat` of a finite value that is not negative; no precision is the shortest that reads back.
pub(crate) fn notation(value: f64, style: char, precision: Option<usize>) -> String {
    match style {
        'e' | 'E' => exponential(value, style, precision),
        'f' => match precision {
            Some(precision) => format!("{value:.precision$}"),
            None => format!("{value}"),
        },
        _ => general(value, style, precision),
    }
}

fn exponential(value: f64, style: char, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{value:.precision$e}"),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{style}{sign}{digits:0>2}")
}

fn general(value: f64, style: char, precision: Option<usize>) -> String {
    let letter = if style == 'G' { 'E' } else { 'e' };
    let wanted = precision.map(|precision| precision.max(1));
    let text = match wanted {
        Some(digits) => format!("{value:.*e}", digits - 1),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let threshold = match wanted {
        None => SHORTEST_THRESHOLD,
        Some(wanted) => {
            let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
            if wanted > count && count > exponent { count } else { wanted }
        }
    };
    if exponent < -4 || exponent >= threshold {
        return exponential(value, letter, wanted.map(|_| digits.len().saturating_sub(1)));
    }
    let behind = usize::try_from(count - 1 - exponent).unwrap_or(0);
    if wanted.is_none() { format!("{value}") } else { format!("{value:.behind$}") }
}

/// From this exponent on, the shortest form of a float is written with an exponent.
const SHORTEST_THRESHOLD: i64 = 6;

/// The `#` flag: always a point, and zeros up to the precision.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let split = text.find(['e', 'E']).unwrap_or(text.len());
    let (number, tail) = text.split_at(split);
    let mut number = number.to_owned();
    let mut missing = match verb {
        'v' | 'g' | 'G' => precision.unwrap_or(6),
        _ => 0,
    };
    missing = missing.saturating_sub(number.replace('.', "").trim_start_matches('0').len());
    if !number.contains('.') {
        missing = missing.saturating_sub(usize::from(number == "0"));
        number.push('.');
    }
    format!("{number}{}{tail}", "0".repeat(missing))
}
