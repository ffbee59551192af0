//! Durations as people write them: `90s`, `10m`, `1h30m`, `7d`.

/// The units with their seconds, largest first.
const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Seconds of a duration: one or more whole numbers, each with its unit (`w`, `d`, `h`, `m`, `s`), the
/// largest first. `None` for anything else, and for what is longer than a century.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*seconds)?)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    (!text.is_empty() && total <= 100 * 366 * 86_400).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn numbers_with_units() {
        let cases = [
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("2w1d", 1_296_000),
            ("0s", 0),
            ("48h", 172_800),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "10", "m", "1.5h", "-1m", "1m1h", "1m1m", "1 m", "1ms", "1H", "99999999999999999999s", "200000d", "1é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
