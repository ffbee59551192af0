//! What a plain scalar is: the tables of the two dialects.
//!
//! Both follow the Go libraries that the two ecosystems read YAML with: `go.yaml.in/yaml/v4`
//! (Compose's loader) and `sigs.k8s.io/yaml` (kubectl and the controllers). One deviation: a date
//! stays the text that it is; Compose's loader makes a point in time of it, which no field wants.

use std::borrow::Cow;

use super::{Form, Value};

/// Whose rules type the plain scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Compose's own loader: only `true` and `false` are booleans.
    Compose,
    /// kubectl and the controllers: `yes`, `on`, `y` and their opposites are booleans too, also as
    /// keys.
    Kubernetes,
}

/// Types a plain scalar; keeps its text where the value would lose it.
pub(super) fn plain(text: &str, dialect: Dialect) -> (Value, Form) {
    let value = resolve(text, dialect);
    let kept = if matches!(value, Value::String(_)) { None } else { Some(text.into()) };
    (value, Form::Plain(kept))
}

/// The value of a plain scalar.
pub(super) fn resolve(text: &str, dialect: Dialect) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let special = match dialect {
        Dialect::Compose => matches!(text, "-0" | "-0.0").then_some(Value::Float(-0.0)),
        Dialect::Kubernetes => match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Value::Bool(true)),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Value::Bool(false)),
            _ => None,
        },
    };
    special.or_else(|| number(text)).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A number, when the text is one: `64`, `-3`, `0444` and `0o444` (octal), `0x1F`, `0b11`, `1_000`,
/// `08` (octal it cannot be, so a float), `1e3`, `.5`; integers that fit no 64 bits are floats.
fn number(text: &str) -> Option<Value> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let digits: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    if first == b'.' {
        // Only here must an underscore stand between digits.
        return if separates_digits(text) { float(&digits) } else { None };
    }
    integer(&digits).or_else(|| float(&digits))
}

/// Whether every underscore stands between two digits.
fn separates_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let mut underscores = text.match_indices('_');
    underscores.all(|(at, _)| digit(at.checked_sub(1)) && digit(at.checked_add(1)))
}

fn integer(text: &str) -> Option<Value> {
    let (signed, negative, body) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (true, false, &text[1..]),
        _ => (false, false, text),
    };
    let (radix, digits) = match body.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &body[2..]),
        [b'0', b'o' | b'O', ..] => (8, &body[2..]),
        [b'0', b'b' | b'B', ..] => (2, &body[2..]),
        [b'0', _, ..] => (8, &body[1..]),
        _ => (10, body),
    };
    // `u64` accepts a sign of its own, which would make a number of `+-3`.
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    let fits = value >= i128::from(i64::MIN) && (value <= i128::from(i64::MAX) || !signed);
    fits.then_some(Value::Int(value))
}

/// A decimal float; one that is too large for 64 bits stays text.
fn float(text: &str) -> Option<Value> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let all_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let powered = exponent.is_none_or(|power| {
        let power = power.strip_prefix(['-', '+']).unwrap_or(power);
        !power.is_empty() && all_digits(power)
    });
    if !shaped || !powered {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Float)
}

/// A float as Go prints it: shortest form, with an exponent below 1e-4 and from 1e6.
#[must_use]
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, power)) => match power.strip_prefix('-') {
            Some(power) => format!("{mantissa}e-{power:0>2}"),
            None => format!("{mantissa}e+{power:0>2}"),
        },
        None => text,
    }
}

impl Dialect {
    /// The key that a plain scalar makes; `None` when it cannot be a key.
    pub(super) fn key_text(self, text: &str) -> Option<String> {
        match (self, resolve(text, self)) {
            (_, Value::Null | Value::Seq(_) | Value::Map(_)) => None,
            // Compose's keys are what stands there.
            (Self::Compose, _) => Some(text.to_owned()),
            (Self::Kubernetes, Value::Bool(value)) => Some(value.to_string()),
            (Self::Kubernetes, Value::Int(value)) => Some(value.to_string()),
            (Self::Kubernetes, Value::Float(value)) => Some(format_float(value)),
            (Self::Kubernetes, Value::String(text)) => Some(text),
        }
    }
}
