//! Plain scalars that Go's YAML reader takes for instants. Compose has no such values, but hashes of files that were
//! written with Go are over what Go prints.

/// The instant as Go prints it (RFC 3339, fractions without zeros at their end).
pub(super) fn printed(text: &str) -> Option<String> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, Some((text.get(at..at + 1)?, text.get(at + 1..)?))),
        None => (text, None),
    };
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    if date.next().is_some() || year.len() != 4 {
        return None;
    }
    let (year, month, day) = (number(year, 4, 9999)?, number(month, 2, 12)?, number(day, 2, 31)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    };
    if month == 0 || day == 0 || day > days {
        return None;
    }
    let rest = match time {
        None => "00:00:00Z".to_owned(),
        Some((separator, time)) => clock(time, separator == " ")?,
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{rest}"))
}

/// Hours, minutes, seconds, fraction and zone; with a space in front Go wants none, and takes UTC.
fn clock(text: &str, without_zone: bool) -> Option<String> {
    let end = text.find(|character: char| !character.is_ascii_digit() && !":.".contains(character));
    let (clock, zone) = text.split_at(end.unwrap_or(text.len()));
    let (seconds, fraction) = clock.split_once('.').map_or((clock, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut parts = seconds.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute, second) = (number(hour, 2, 23)?, number(minute, 2, 59)?, number(second, 2, 59)?);
    let fraction = match fraction {
        Some(digits) if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => return None,
        Some(digits) => digits.get(..9).unwrap_or(digits).trim_end_matches('0'),
        None => "",
    };
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    let zone = match zone {
        "" if without_zone => "Z",
        "Z" if !without_zone => "Z",
        "+00:00" if !without_zone => "Z",
        zone if !without_zone && is_offset(zone) => zone,
        _ => return None,
    };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn is_offset(zone: &str) -> bool {
    let Some((hours, minutes)) = zone.get(1..).and_then(|rest| rest.split_once(':')) else { return false };
    zone.starts_with(['+', '-'])
        && hours.len() == 2
        && minutes.len() == 2
        && number(hours, 2, 24).is_some()
        && number(minutes, 2, 59).is_some()
}

/// A number of one to so many digits.
fn number(text: &str, digits: usize, most: u32) -> Option<u32> {
    let shaped = (1..=digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| shaped && number <= most)
}

#[cfg(test)]
mod tests {
    use super::printed;

    #[test]
    fn instants_are_printed_as_go_prints_them() {
        for (text, expected) in [
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2024-2-29", "2024-02-29T00:00:00Z"),
            ("2026-11-20T01:02:03Z", "2026-11-20T01:02:03Z"),
            ("2026-11-20t1:2:3.450+02:00", "2026-11-20T01:02:03.45+02:00"),
            ("2026-11-20 01:02:03.5", "2026-11-20T01:02:03.5Z"),
        ] {
            assert_eq!(printed(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "20", "1.2.3", "26-11-20", "2026-13-01", "2025-02-29", "2026-11-20T", "2026-11-20 01:02:03Z"] {
            assert_eq!(printed(text), None, "{text}");
        }
    }
}
