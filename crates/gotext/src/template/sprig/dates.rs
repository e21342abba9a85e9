//! Functions on times and durations that do not look at the clock.
//!
//! A time is a struct with Go's methods and without fields; durations are texts (`1h30m`) or nanoseconds.

use std::rc::Rc;

use crate::duration;
use crate::quote::quote;
use crate::template::context::{Context, Failure};
use crate::template::function::{Function, text};
use crate::template::sprig::layout::{PRINTED, ParseTimeError, RFC3339, Time, ZERO, month_name, weekday_name};
use crate::template::value::{IntKind, Method, MethodError, Parameter, Struct, StructType, Value};

const ANY: Parameter = Parameter::Any;
const STRING: Parameter = Parameter::String;
const TIME: Parameter = Parameter::Struct("time.Time");

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("duration", &[ANY], |context, a| {
        let seconds = match &a[0] {
            Value::String(text) => text.parse().unwrap_or(0),
            Value::Int(IntKind::Int64, seconds) => *seconds,
            _ => 0i64,
        };
        context.string(duration::show(seconds.wrapping_mul(1_000_000_000)))
    }),
    Function::new("durationRound", &[ANY], |context, a| {
        let nanoseconds = match &a[0] {
            Value::String(text) => parse_duration(text).unwrap_or(0),
            Value::Int(IntKind::Int64, nanoseconds) => *nanoseconds,
            Value::Struct(value) if value.kind.name == TYPE.name => {
                return Err(Failure::call("the time since a date is left out: it would change with every run"));
            }
            _ => 0,
        };
        context.string(round_duration(nanoseconds))
    }),
    Function::new("toDate", &[STRING, STRING], |context, a| {
        context.spend_layout(text(a, 0))?;
        Ok(value(Time::parse(text(a, 0), text(a, 1)).unwrap_or(ZERO)))
    }),
    Function::new("mustToDate", &[STRING, STRING], must_to_date),
    Function::new("mustDateModify must_date_modify", &[STRING, TIME], must_modify),
    Function::new("unixEpoch", &[TIME], |context, a| context.string(time(&a[0]).seconds.to_string())),
];

/// Go's `time.Time`. Its time is hidden: seconds, nanoseconds, offset behind the text that JSON shows.
pub(crate) static TYPE: StructType = StructType {
    name: "time.Time",
    fields: &[],
    methods: &[
        Method::new("Format", &[STRING], |this, a| Ok(Value::from(of(this).format(text(a, 0))))),
        Method::new("String", &[], |this, _| Ok(Value::from(of(this).format(PRINTED)))),
        Method::new("Unix", &[], |this, _| Ok(Value::int64(of(this).seconds))),
        Method::new("Year", &[], |this, _| Ok(Value::int(of(this).local().year().into()))),
        Method::new("Month", &[], |this, _| Ok(Value::string(month_name(of(this).local().month())))),
        Method::new("Day", &[], |this, _| Ok(Value::int(of(this).local().day().into()))),
        Method::new("YearDay", &[], |this, _| Ok(Value::int(of(this).local().day_of_year().into()))),
        Method::new("Weekday", &[], |this, _| Ok(Value::string(weekday_name(of(this).local().weekday())))),
        Method::new("Hour", &[], |this, _| Ok(Value::int(of(this).local().hour().into()))),
        Method::new("Minute", &[], |this, _| Ok(Value::int(of(this).local().minute().into()))),
        Method::new("Second", &[], |this, _| Ok(Value::int(of(this).local().second().into()))),
        Method::new("Nanosecond", &[], |this, _| Ok(Value::int(of(this).nanoseconds.into()))),
        Method::new("IsZero", &[], |this, _| Ok(Value::Bool(of(this) == ZERO))),
        Method::new("UTC", &[], |this, _| Ok(value(Time { offset: 0, ..of(this) }))),
        Method::new("After", &[TIME], |this, a| compared(this, a, |this, other| this > other)),
        Method::new("Before", &[TIME], |this, a| compared(this, a, |this, other| this < other)),
        Method::new("Equal", &[TIME], |this, a| compared(this, a, |this, other| this == other)),
    ],
    text: Some(|this| of(this).format(PRINTED)),
};

fn value(time: Time) -> Value {
    let hidden = vec![
        Value::from(time.format(RFC3339)),
        Value::int64(time.seconds),
        Value::int64(time.nanoseconds.into()),
        Value::int64(time.offset.into()),
    ];
    Value::Struct(Rc::new(Struct { kind: &TYPE, fields: Vec::new(), hidden }))
}

fn of(value: &Struct) -> Time {
    let number = |index: usize| match value.hidden.get(index) {
        Some(Value::Int(_, number)) => *number,
        _ => 0,
    };
    Time {
        seconds: number(1),
        nanoseconds: u32::try_from(number(2)).unwrap_or(0),
        offset: i32::try_from(number(3)).unwrap_or(0),
    }
}

fn time(value: &Value) -> Time {
    match value {
        Value::Struct(inner) => of(inner),
        _ => ZERO,
    }
}

fn compared(
    this: &Struct,
    arguments: &[Value],
    compare: fn((i64, u32), (i64, u32)) -> bool,
) -> Result<Value, MethodError> {
    let key = |time: Time| (time.seconds, time.nanoseconds);
    Ok(Value::Bool(compare(key(of(this)), key(arguments.first().map_or(ZERO, time)))))
}

fn must_to_date(context: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let (layout, given) = (text(arguments, 0), text(arguments, 1));
    context.spend_layout(layout)?;
    Time::parse(layout, given).map(value).map_err(|error| {
        let (given, layout) = (quote(given), quote(layout));
        Failure::Call(match error {
            ParseTimeError::Mismatch(part, element) => {
                format!("parsing time {given} as {layout}: cannot parse {} as {}", quote(&part), quote(&element))
            }
            ParseTimeError::Extra(extra) => format!("parsing time {given}: extra text: {}", quote(&extra)),
            ParseTimeError::Range(what) => format!("parsing time {given}: {what} out of range"),
        })
    })
}

fn must_modify(_: &Context, arguments: &[Value]) -> Result<Value, Failure> {
    let nanoseconds = parse_duration(text(arguments, 0)).map_err(Failure::Call)?;
    Ok(value(time(&arguments[1]).plus(nanoseconds)))
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(length);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(invalid());
        }
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some(scale) = unit_scale(unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| invalid())?.into() };
        let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().unwrap_or(0.0) };
        total += whole * i128::from(scale) + (fraction * scale as f64) as i128;
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn unit_scale(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The largest unit of a duration, rounded down.
fn round_duration(nanoseconds: i64) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    const UNITS: [(u64, &str); 6] = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3_600, "s"),
    ];
    let size = nanoseconds.unsigned_abs();
    let unit = UNITS.iter().find(|(length, _)| size > *length);
    unit.map_or_else(|| "0s".to_owned(), |(length, unit)| format!("{}{unit}", size / length))
}
