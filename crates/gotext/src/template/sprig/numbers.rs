//! Arithmetic. Integers wrap around as Go's do; decimals are added and multiplied exactly, as sprig's are.

use crate::template::context::{Context, Failure};
use crate::template::format::display;
use crate::template::function::{Function, int, text};
use crate::template::literal::{parse_float, parse_int};
use crate::template::sprig::decimal::{Decimal, Operation};
use crate::template::sprig::lists::steps;
use crate::template::value::{Parameter, Value};

const ANY: Parameter = Parameter::Any;
const INT: Parameter = Parameter::Int;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("atoi", &[Parameter::String], |_, a| Ok(Value::int(atoi(text(a, 0))))),
    Function::new("int", &[ANY], |_, a| Ok(Value::int(to_int64(&a[0])))),
    Function::new("int64", &[ANY], |_, a| Ok(Value::int64(to_int64(&a[0])))),
    Function::new("float64", &[ANY], |_, a| Ok(Value::Float(to_float(&a[0])))),
    Function::new("toDecimal", &[ANY], |context, a| {
        let text = display(context, &a[0])?;
        let unsigned = text.strip_prefix('+').unwrap_or(&text);
        Ok(Value::int64(i64::from_str_radix(unsigned, 8).unwrap_or(0)))
    }),
    Function::new("add1", &[ANY], |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_add(1)))),
    Function::variadic("add", &[], ANY, |_, a| Ok(Value::int64(a.iter().map(to_int64).fold(0, i64::wrapping_add)))),
    Function::new("sub", &[ANY, ANY], |_, a| Ok(Value::int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1]))))),
    Function::new("div", &[ANY, ANY], |_, a| divided(a, i64::wrapping_div)),
    Function::new("mod", &[ANY, ANY], |_, a| divided(a, i64::wrapping_rem)),
    Function::variadic("mul", &[ANY], ANY, |_, a| Ok(Value::int64(a.iter().map(to_int64).fold(1, i64::wrapping_mul)))),
    Function::variadic("max biggest", &[ANY], ANY, |_, a| Ok(largest(a))),
    Function::variadic("min", &[ANY], ANY, |_, a| Ok(Value::int64(a.iter().map(to_int64).min().unwrap_or_default()))),
    Function::variadic("maxf", &[ANY], ANY, |_, a| Ok(extreme(a, |x, y| x > y))),
    Function::variadic("minf", &[ANY], ANY, |_, a| Ok(extreme(a, |x, y| x < y))),
    Function::new("add1f", &[ANY], |_, a| exact(&Value::Float(1.0), a, Operation::Add)),
    Function::variadic("addf", &[], ANY, |_, a| exact(&Value::Float(0.0), a, Operation::Add)),
    Function::variadic("subf", &[ANY], ANY, |_, a| exact(&a[0], &a[1..], Operation::Subtract)),
    Function::variadic("mulf", &[ANY], ANY, |_, a| exact(&a[0], &a[1..], Operation::Multiply)),
    Function::variadic("divf", &[ANY], ANY, |_, a| exact(&a[0], &a[1..], Operation::Divide)),
    Function::new("floor", &[ANY], |_, a| Ok(Value::Float(to_float(&a[0]).floor()))),
    Function::new("ceil", &[ANY], |_, a| Ok(Value::Float(to_float(&a[0]).ceil()))),
    Function::variadic("round", &[ANY, INT], Parameter::Float, |_, a| Ok(round(a))),
    Function::variadic("seq", &[], INT, seq),
];

/// The integer that spf13/cast makes of a value; 0 for what is none.
pub(crate) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(_, bits) => *bits,
        Value::Float(number) => *number as i64,
        Value::Bool(flag) => i64::from(*flag),
        Value::String(text) => parse_int(without_zero_decimals(text)).unwrap_or(0),
        _ => 0,
    }
}

/// `1.00` is an integer, `1.5` is not.
fn without_zero_decimals(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.bytes().all(|b| b == b'0') => whole,
        _ => text,
    }
}

/// The float that spf13/cast makes of a value; 0 for what is none.
fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(kind, bits) => kind.widen(*bits) as f64,
        Value::Float(number) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::String(text) => parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's `strconv.Atoi`, which gives the nearest integer for what is too large, and 0 for what is none.
fn atoi(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

fn divided(arguments: &[Value], divide: fn(i64, i64) -> i64) -> Result<Value, Failure> {
    let (a, b) = (to_int64(&arguments[0]), to_int64(&arguments[1]));
    if b == 0 {
        return Err(Failure::call("runtime error: integer divide by zero"));
    }
    Ok(Value::int64(divide(a, b)))
}

fn largest(arguments: &[Value]) -> Value {
    Value::int64(arguments.iter().map(to_int64).max().unwrap_or_default())
}

/// Go's `math.Max` and `math.Min`, for which NaN wins.
fn extreme(arguments: &[Value], wins: fn(f64, f64) -> bool) -> Value {
    let numbers = arguments.iter().map(to_float);
    let best = numbers.reduce(|best, number| if number.is_nan() || wins(number, best) { number } else { best });
    Value::Float(best.unwrap_or_default())
}

fn exact(first: &Value, others: &[Value], operation: Operation) -> Result<Value, Failure> {
    let mut result = Decimal::from(to_float(first));
    for other in others {
        result = result.apply(operation, Decimal::from(to_float(other)))?;
    }
    Ok(Value::Float(result.to_float()))
}

/// Rounds to a number of decimal places; from the optional third argument on, 0.5 without, a fraction goes up.
fn round(arguments: &[Value]) -> Value {
    let threshold = arguments.get(2).map_or(0.5, to_float);
    let power = 10f64.powf(int(arguments, 1) as f64);
    let shifted = power * to_float(&arguments[0]);
    let rounded = if shifted.fract() >= threshold { shifted.ceil() } else { shifted.floor() };
    Value::Float(rounded / power)
}

/// Numbers with spaces between: `seq LAST`, `seq FIRST LAST`, `seq FIRST STEP LAST`.
fn seq(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let (start, step, end) = match arguments.len() {
        1 => (1, None, int(arguments, 0)),
        2 => (int(arguments, 0), None, int(arguments, 1)),
        3 => (int(arguments, 0), Some(int(arguments, 1)), int(arguments, 2)),
        _ => return context.string(""),
    };
    let direction = if end < start { -1 } else { 1 };
    if direction < 0 && step.is_some_and(|step| step > 0) {
        return context.string("");
    }
    let numbers = steps(start, end.saturating_add(direction), step.unwrap_or(direction))?;
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    context.string(texts.join(" "))
}
