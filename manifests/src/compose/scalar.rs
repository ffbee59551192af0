//! Scalars as Compose's own loader takes them: where a field wants a boolean or a number, a string
//! that says one is fine too, for interpolation only makes strings.

use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Value};

/// Longest piece of a file that a message repeats.
const SHOWN: usize = 80;

/// A value for a message. What came out of a variable may be a secret: then the text of the file
/// stands for it.
pub(super) fn shown(value: &str, at: &Span) -> String {
    let source = at.file.text.get(at.start..at.end).unwrap_or_default();
    let text = if source.contains('$') { source.trim().trim_matches(['"', '\'']) } else { value };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text; nothing for anything else, which the tables of keys have reported.
pub(super) fn text(node: &Node) -> Option<Spanned<String>> {
    node.as_str().map(|text| Spanned::new(text.to_owned(), node.span.clone()))
}

/// Any scalar as the text that stands there; nothing for null and collections.
pub(super) fn written(node: &Node) -> Option<Spanned<String>> {
    node.written().filter(|_| !node.is_null()).map(|text| Spanned::new(text, node.span.clone()))
}

/// The items of a list, or the only one that stands in place of it.
pub(super) fn each(node: &Node) -> &[Node] {
    match &node.value {
        Value::Null => &[],
        Value::Seq(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// What a text says, where `true` or `false` is wanted.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" => Some(true),
        "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

/// A boolean, also as a text.
pub(super) fn boolean(node: &Node, what: &str, findings: &Findings) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => truth(text).or_else(|| bad(node, what, "`true` or `false`", findings)),
        _ => None,
    }
}

/// A number from 0, also as a text of decimal digits.
pub(super) fn number(node: &Node, what: &str, max: u64, findings: &Findings) -> Option<Spanned<u64>> {
    let number = match &node.value {
        Value::Int(value) => Some(*value),
        Value::String(text) if is_decimal(text) => Some(text.parse().unwrap_or(i128::MAX)),
        Value::Float(_) | Value::String(_) => return bad(node, what, "a whole number", findings),
        _ => return None,
    };
    in_range(number, node, what, max, findings)
}

/// Reports a value that does not say what is wanted; always `None`.
fn bad<T>(node: &Node, what: &str, wanted: &str, findings: &Findings) -> Option<T> {
    let shown = shown(&node.written().unwrap_or_default(), &node.span);
    let message = format!("`{what}` must be {wanted}, and `{shown}` is none");
    findings.push(Diagnostic::error("bad-value", node.span.clone(), message).help(format!("write {wanted}")));
    None
}

/// Processors, as a Kubernetes quantity; `None` also for 0, which is no limit.
pub(super) fn processors(node: &Node, what: &str, findings: &Findings) -> Option<String> {
    let written = node.resolved().unwrap_or_default();
    let shaped = written.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match written.parse::<f64>().ok().filter(|&number| shaped && number <= 100_000.0) {
        Some(number) => {
            let milli = (number * 1000.0).ceil() as u64;
            (milli > 0)
                .then(|| if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") })
        }
        None => {
            let message = format!("`{what}` must be a number of processors");
            findings.push(Diagnostic::error("quantity", node.span.clone(), message).help("write it like `0.5` or `2`"));
            None
        }
    }
}

/// Bytes as Compose writes them: a number, or `64m`, `1gb`, `512 KiB`; every unit is a power of 1024.
pub(super) fn bytes(node: &Node, what: &str, findings: &Findings) -> Option<u64> {
    let written = node.resolved().unwrap_or_default().trim().to_ascii_lowercase();
    let end = written.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(written.len());
    let (number, unit) = written.split_at(end);
    let unit = unit.trim_start();
    let letter = unit.strip_suffix('b').unwrap_or(unit);
    let power = match letter.strip_suffix('i').filter(|_| unit.len() == 3).unwrap_or(letter) {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        _ => None,
    };
    let bytes = number.parse::<f64>().ok().zip(power).map(|(number, power)| number * f64::from(power).exp2());
    match bytes.filter(|&bytes| bytes < f64::from(60).exp2()) {
        Some(bytes) => Some(bytes.ceil() as u64),
        None => {
            let message = format!("`{what}` must be a number of bytes");
            let help = "write it like `64m`, `512mb` or `1g`";
            findings.push(Diagnostic::error("quantity", node.span.clone(), message).help(help));
            None
        }
    }
}

/// Bytes as a Kubernetes quantity, in the largest unit that is exact.
pub(super) fn binary(bytes: u64) -> String {
    let units = [(30, "Gi"), (20, "Mi"), (10, "Ki")];
    let unit = units.iter().find(|(power, _)| bytes > 0 && bytes.trailing_zeros() >= *power);
    unit.map_or_else(|| bytes.to_string(), |(power, unit)| format!("{}{unit}", bytes >> power))
}

/// File mode bits up to `max`: a YAML number (`0444` is octal) or a string of octal digits.
pub(super) fn mode(node: &Node, max: u32, findings: &Findings) -> Option<u32> {
    let bits = match &node.value {
        Value::Int(value) => Some(*value),
        Value::String(text) => i128::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => None,
    };
    match bits.and_then(|bits| u32::try_from(bits).ok()).filter(|&bits| bits <= max) {
        Some(bits) => Some(bits),
        None => {
            let message = format!("`mode` must be from 0 to {max:#o}, in octal").replace("0o", "0");
            let help = "write it with a leading zero: `mode: 0444`";
            findings.push(Diagnostic::error("out-of-range", node.span.clone(), message).help(help));
            None
        }
    }
}

fn in_range(number: Option<i128>, node: &Node, what: &str, max: u64, findings: &Findings) -> Option<Spanned<u64>> {
    match number.and_then(|number| u64::try_from(number).ok()).filter(|&number| number <= max) {
        Some(number) => Some(Spanned::new(number, node.span.clone())),
        None => {
            let message = format!("`{what}` must be from 0 to {max}");
            let help = "write a number from this range";
            findings.push(Diagnostic::error("out-of-range", node.span.clone(), message).help(help));
            None
        }
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
