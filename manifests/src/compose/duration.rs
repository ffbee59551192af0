//! Durations as Compose writes them: `30s`, `1m30s`, `500ms`, `1.5h`.

use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;
use crate::yaml::fields::Findings;

const CODE: &str = "duration";
/// Units with their seconds.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 604_800.0),
];
/// No wait is longer than a year.
const MAX: f64 = 366.0 * 86_400.0;

/// Whole seconds of a duration, at least `min`; a part of a second counts as one, and is reported.
pub(super) fn seconds(node: &Node, what: &str, min: u32, findings: &Findings) -> Option<u32> {
    let text = scalar::text(node)?;
    let Some(seconds) = parse(&text.value) else {
        let message = format!("`{}` is no duration for `{what}`", scalar::shown(&text.value, &text.at));
        let help = "write numbers with their units, such as `30s`, `1m30s` or `500ms`, a year at most";
        findings.push(Diagnostic::error(CODE, text.at, message).help(help));
        return None;
    };
    let whole = (seconds.ceil() as u32).max(min);
    if (f64::from(whole) - seconds).abs() > 1e-6 {
        let message = format!("`{what}` becomes {whole}s: Kubernetes counts whole seconds");
        findings.push(Diagnostic::info(CODE, text.at, message).help(format!("write `{what}: {whole}s`")));
    }
    Some(whole)
}

/// Seconds of a duration; `None` when it is none, or longer than a year.
fn parse(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let tail = &rest[end..];
        let unit_end = tail.find(|character: char| character.is_ascii_digit() || character == '.');
        let unit = &tail[..unit_end.unwrap_or(tail.len())];
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total += number * seconds;
        rest = &tail[unit.len()..];
    }
    (!text.is_empty() && total <= MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("30s", 30.0),
            ("1m30s", 90.0),
            ("500ms", 0.5),
            ("1.5h", 5_400.0),
            ("0s", 0.0),
            ("0", 0.0),
            ("1d", 86_400.0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
        for text in ["", "30", "s", "1x", "-1s", "1 s", "..s", "1e9s", "900w", "1s1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
