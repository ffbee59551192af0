//! Scalars as Compose's own loader takes them: where a field wants a boolean or a number, a string
//! that says one is fine too, for interpolation only makes strings.

use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::yaml::fields::{Findings, wrong_type};
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

/// A boolean, also as a string.
pub(super) fn boolean(node: &Node, what: &str, findings: &Findings) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.to_lowercase().as_str() {
            "true" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "no" | "n" | "off" | "0" => Some(false),
            _ => wrong_type(node, what, "`true` or `false`", findings),
        },
        _ => wrong_type(node, what, "`true` or `false`", findings),
    }
}

/// A number from 0, also as a string of decimal digits.
pub(super) fn number(node: &Node, what: &str, max: u64, findings: &Findings) -> Option<Spanned<u64>> {
    let number = match &node.value {
        Value::Int(value) => Some(*value),
        Value::String(text) if is_decimal(text) => Some(text.parse().unwrap_or(i128::MAX)),
        _ => return wrong_type(node, what, "a number", findings),
    };
    in_range(number, node, what, max, findings)
}

/// File mode bits: a YAML number (`0444` is octal) or a string of octal digits.
pub(super) fn mode(node: &Node, findings: &Findings) -> Option<u32> {
    let bits = match &node.value {
        Value::Int(value) => Some(*value),
        Value::String(text) => i128::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        _ => return wrong_type(node, "mode", "a file mode such as 0444", findings),
    };
    match bits.and_then(|bits| u32::try_from(bits).ok()).filter(|&bits| bits <= 0o777) {
        Some(bits) => Some(bits),
        None => {
            let message = "`mode` must be from 0 to 0777, in octal";
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
            findings.push(Diagnostic::error("out-of-range", node.span.clone(), message));
            None
        }
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
