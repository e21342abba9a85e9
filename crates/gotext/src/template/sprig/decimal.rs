//! Decimal arithmetic, so that 0.1 and 0.2 are 0.3: a float stands for the shortest decimal that reads as it.

use crate::template::context::Failure;

/// The decimal places of a quotient.
const DIVISION_PLACES: i32 = 16;

/// The largest power of ten that is worked with exactly; beyond it, floats are used.
const MAX_POWER: i32 = 38;

/// A number `digits * 10^exponent`, or a float where that does not fit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decimal {
    Exact { digits: i128, exponent: i32 },
    Float(f64),
}

/// An arithmetic operation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl From<f64> for Decimal {
    fn from(value: f64) -> Self {
        let text = format!("{value:e}");
        let exact = text.split_once('e').and_then(|(mantissa, exponent)| {
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let digits = format!("{whole}{fraction}").parse().ok()?;
            let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
            Some(Self::Exact { digits, exponent })
        });
        exact.unwrap_or(Self::Float(value))
    }
}

impl Decimal {
    /// The nearest float.
    pub(crate) fn to_float(self) -> f64 {
        match self {
            Self::Exact { digits, exponent } => format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN),
            Self::Float(value) => value,
        }
    }

    /// Applies an operation: exactly, or with floats when the digits do not fit.
    pub(crate) fn apply(self, operation: Operation, other: Self) -> Result<Self, Failure> {
        if matches!(operation, Operation::Divide) && other.to_float() == 0.0 {
            return Err(Failure::call("decimal division by 0"));
        }
        let exact = match (self, other) {
            (Self::Exact { digits: a, exponent: a_exponent }, Self::Exact { digits: b, exponent: b_exponent }) => {
                match operation {
                    Operation::Add => sum((a, a_exponent), (b, b_exponent)),
                    Operation::Subtract => sum((a, a_exponent), (-b, b_exponent)),
                    Operation::Multiply => a.checked_mul(b).map(|digits| (digits, a_exponent + b_exponent)),
                    Operation::Divide => quotient((a, a_exponent), (b, b_exponent)),
                }
            }
            _ => None,
        };
        if let Some((digits, exponent)) = exact {
            return Ok(Self::Exact { digits, exponent });
        }
        let (a, b) = (self.to_float(), other.to_float());
        Ok(Self::Float(match operation {
            Operation::Add => a + b,
            Operation::Subtract => a - b,
            Operation::Multiply => a * b,
            Operation::Divide => a / b,
        }))
    }
}

fn power(exponent: i32) -> Option<i128> {
    let exponent = u32::try_from(exponent).ok().filter(|exponent| *exponent <= MAX_POWER.unsigned_abs())?;
    10i128.checked_pow(exponent)
}

fn sum((a, a_exponent): (i128, i32), (b, b_exponent): (i128, i32)) -> Option<(i128, i32)> {
    let exponent = a_exponent.min(b_exponent);
    let a = a.checked_mul(power(a_exponent - exponent)?)?;
    let b = b.checked_mul(power(b_exponent - exponent)?)?;
    Some((a.checked_add(b)?, exponent))
}

/// The quotient to a fixed number of decimal places, halves rounded away from zero.
fn quotient((a, a_exponent): (i128, i32), (b, b_exponent): (i128, i32)) -> Option<(i128, i32)> {
    let shift = a_exponent - b_exponent + DIVISION_PLACES;
    let (numerator, denominator) =
        if shift >= 0 { (a.checked_mul(power(shift)?)?, b) } else { (a, b.checked_mul(power(-shift)?)?) };
    let (whole, remainder) = (numerator.checked_div(denominator)?, numerator.checked_rem(denominator)?);
    let up = remainder.checked_abs()?.checked_mul(2)? >= denominator.checked_abs()?;
    let sign = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    Some((whole + if up { sign } else { 0 }, -DIVISION_PLACES))
}
