//! Kubernetes quantities: `10Gi`, `1.5G`, `500m`, `1e9`.

use std::fmt;
use std::str::FromStr;

/// An amount, exact to a billionth, as Kubernetes keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
}

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

/// Suffixes with the billionths that each stands for.
const SUFFIXES: [(&str, i128); 16] = [
    ("", NANO),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", 1_000 * NANO),
    ("M", 1_000_000 * NANO),
    ("G", 1_000_000_000 * NANO),
    ("T", 1_000_000_000_000 * NANO),
    ("P", 1_000_000_000_000_000 * NANO),
    ("E", 1_000_000_000_000_000_000 * NANO),
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
];

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a number with one of the suffixes.
    Shape,
    /// A number, but too large.
    TooLarge,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Shape => "is not a number with one of Kubernetes' suffixes (k, M, G, T, Ki, Mi, Gi, Ti, …)",
            Self::TooLarge => "is larger than Kubernetes can count",
        })
    }
}

impl std::error::Error for QuantityError {}

impl Quantity {
    /// Whole units, a part of one counting as one; `None` when negative.
    #[must_use]
    pub fn units(self) -> Option<u64> {
        let whole = self.nanos.checked_add(NANO - 1)?.div_euclid(NANO);
        u64::try_from(whole).ok()
    }

    /// Whether it is a whole number of units.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }
}

/// The text that the API server makes of an amount of a resource, so that it keeps what it is sent: in the largest unit
/// that is exact, of the same kind as the text's own, and no less than a thousandth.
///
/// # Errors
/// The text is no quantity.
pub fn canonical(text: &str) -> Result<String, QuantityError> {
    const MILLI: i128 = NANO / 1_000;
    let Quantity { nanos } = text.parse()?;
    let milli = nanos.div_euclid(MILLI) + i128::from(nanos.rem_euclid(MILLI) != 0);
    let suffix = text.trim_start_matches(|character: char| !character.is_ascii_alphabetic());
    if suffix.ends_with('i') && milli % 1_000 == 0 && milli.abs() >= 1_024_000 {
        let (mut amount, mut unit) = (milli / 1_000, 0);
        while amount % 1_024 == 0 {
            (amount, unit) = (amount / 1_024, unit + 1);
        }
        let unit = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(unit).copied().unwrap_or_default();
        return Ok(format!("{amount}{unit}"));
    }
    let (mut amount, mut thousands) = (milli, 0_usize);
    while amount != 0 && amount % 1_000 == 0 {
        (amount, thousands) = (amount / 1_000, thousands + 1);
    }
    Ok(match thousands {
        _ if amount == 0 => "0".to_owned(),
        1 => amount.to_string(),
        0 if is_power(suffix) => format!("{amount}e-3"),
        _ if is_power(suffix) => format!("{amount}e{}", thousands * 3 - 3),
        _ => {
            let unit = ["m", "", "k", "M", "G", "T", "P", "E"].get(thousands).copied().unwrap_or_default();
            format!("{amount}{unit}")
        }
    })
}

/// Whether a suffix is a power of ten; `E` alone is a unit.
fn is_power(suffix: &str) -> bool {
    suffix.len() > 1 && suffix.starts_with(['e', 'E']) && !suffix.ends_with('i')
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (negative, body) = match text.strip_prefix('-') {
            Some(body) => (true, body),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = body.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(body.len());
        let (number, suffix) = body.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(QuantityError::Shape);
        }
        let scale = scale(suffix)?;
        let amount = scaled(whole, fraction, scale)?;
        let nanos = if negative { -amount } else { amount };
        // As in Kubernetes, no more than 64 bits of units.
        if amount > i128::from(i64::MAX) * NANO {
            return Err(QuantityError::TooLarge);
        }
        Ok(Self { nanos })
    }
}

/// What a suffix multiplies by, in billionths: one of the table's, or a power of ten (`e9`, `E-3`).
enum Scale {
    Nanos(i128),
    Power(i32),
}

fn scale(suffix: &str) -> Result<Scale, QuantityError> {
    if let Some((_, nanos)) = SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        return Ok(Scale::Nanos(*nanos));
    }
    let power = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Shape)?;
    let digits = power.strip_prefix(['-', '+']).unwrap_or(power);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(QuantityError::Shape);
    }
    // A power with more digits than these has no amount that fits, or none that counts.
    let power: i32 = power.parse().unwrap_or(if power.starts_with('-') { i32::MIN } else { i32::MAX });
    Ok(Scale::Power(power.clamp(-10_000, 10_000)))
}

/// `whole.fraction` times the scale in billionths, rounded up.
fn scaled(whole: &str, fraction: &str, scale: Scale) -> Result<i128, QuantityError> {
    let (nanos, shift) = match scale {
        Scale::Nanos(nanos) => (nanos, 0),
        Scale::Power(power) => (NANO, power),
    };
    // The decimal point moves instead of the number, so that no step is larger than the result.
    let fraction = fraction.trim_end_matches('0');
    let mut digits: String = [whole, fraction].concat().trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Ok(0);
    }
    let mut places = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_sub(i64::from(shift));
    while places < 0 {
        digits.push('0');
        places += 1;
        if digits.len() > 40 {
            return Err(QuantityError::TooLarge);
        }
    }
    // Digits far behind the point only decide whether to round up.
    let mut rest = false;
    while places > 24 {
        rest |= digits.pop().is_some_and(|digit| digit != '0');
        places -= 1;
        if digits.is_empty() {
            return Ok(i128::from(rest));
        }
    }
    multiply(&digits, nanos, u32::try_from(places).unwrap_or(0), rest)
}

/// `digits · nanos / 10^places`, rounded up, without losing anything on the way.
fn multiply(digits: &str, nanos: i128, places: u32, rest: bool) -> Result<i128, QuantityError> {
    let divisor = 10_i128.pow(places);
    let mut quotient: i128 = 0;
    let mut remainder: i128 = 0;
    // Long multiplication, digit by digit: value = quotient · divisor + remainder at every step.
    for digit in digits.bytes() {
        let addend = i128::from(digit - b'0').checked_mul(nanos).ok_or(QuantityError::TooLarge)?;
        let low = remainder
            .checked_mul(10)
            .and_then(|low| low.checked_add(addend % divisor))
            .ok_or(QuantityError::TooLarge)?;
        quotient = quotient
            .checked_mul(10)
            .and_then(|high| high.checked_add(addend / divisor))
            .and_then(|high| high.checked_add(low / divisor))
            .ok_or(QuantityError::TooLarge)?;
        remainder = low % divisor;
    }
    let round_up = remainder != 0 || rest;
    quotient.checked_add(i128::from(round_up)).ok_or(QuantityError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Option<u64> {
        text.parse::<Quantity>().unwrap().units()
    }

    #[test]
    fn sizes_in_bytes() {
        let cases = [
            ("10Gi", 10 << 30),
            ("32Gi", 32 << 30),
            ("5G", 5_000_000_000),
            ("1.5Gi", 3 << 29),
            ("0.5", 1),
            ("500m", 1),
            ("1001m", 2),
            ("1n", 1),
            ("0", 0),
            ("0.000", 0),
            ("1e9", 1_000_000_000),
            ("1E3", 1_000),
            ("12e-1", 2),
            ("1.25e2", 125),
            ("1E", 1_000_000_000_000_000_000),
            ("7Ei", 7 << 60),
            ("+4Ki", 4096),
            (".5Ki", 512),
            ("5.Ki", 5120),
            ("9223372036854775807", 9_223_372_036_854_775_807),
            ("0.00000000000000000000000000000000000001", 1),
            ("1e-9999999999999", 1),
            ("00000000000000000000000000000000000000000000001Ki", 1024),
        ];
        for (text, bytes) in cases {
            assert_eq!(units(text), Some(bytes), "{text}");
        }
        assert_eq!(units("-1"), None);
        assert_eq!(units("-0.5"), Some(0));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in
            ["", "Gi", "10GiB", "10gi", "1 Gi", "1..2", "1.2.3", "0x10", "ten", "1e", "1e+", "e3", "--1", "∞", "1K"]
        {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Shape), "{text}");
        }
        for text in ["8Ei", "9223372036854775808", "1e400", "99999999999999999999999999999999999999999999", "16E"] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::TooLarge), "{text}");
        }
        assert_eq!("1e99999999999999999999".parse::<Quantity>(), Err(QuantityError::TooLarge));
    }

    /// What the API server of Kubernetes 1.36 makes of them; a test with random amounts holds this against a real one.
    #[test]
    fn amounts_as_the_api_server_writes_them() {
        let cases = [
            ("0.5", "500m"),
            ("1.25", "1250m"),
            ("0.0001", "1m"),
            ("0", "0"),
            ("0Gi", "0"),
            ("1", "1"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("262144000", "262144k"),
            ("4000000000", "4G"),
            ("1000000000000000", "1P"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("0.5Ki", "512"),
            ("1Ki", "1Ki"),
            ("1.1Ki", "1126400m"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e-1", "1200e-3"),
            ("1e4", "10e3"),
            ("1e0", "1"),
            ("1E", "1E"),
            ("1Ei", "1Ei"),
            ("+2", "2"),
        ];
        for (text, written) in cases {
            assert_eq!(canonical(text).as_deref(), Ok(written), "{text}");
        }
        assert_eq!(canonical("1K"), Err(QuantityError::Shape));
    }

    #[test]
    fn wholeness() {
        assert!("10Gi".parse::<Quantity>().unwrap().is_whole());
        assert!(!"500m".parse::<Quantity>().unwrap().is_whole());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+]?[0-9.]{0,50}[a-zA-Z]{0,2}[-+]?[0-9]{0,12}|.*") {
            let _ = text.parse::<Quantity>();
        }

        #[test]
        fn writing_changes_no_amount_of_thousandths(milli in -1_000_000_000_000_i64..1_000_000_000_000, unit in 0_usize..7) {
            let text = format!("{milli}{}", ["m", "", "k", "Ki", "Mi", "e3", "e-3"][unit]);
            let written = canonical(&text).unwrap();
            proptest::prop_assert_eq!(written.parse::<Quantity>(), text.parse::<Quantity>(), "{}", written);
            proptest::prop_assert_eq!(canonical(&written), Ok(written));
        }

        #[test]
        fn whole_numbers_are_exact(number in 0_u64..=9_223_372_036_854_775_807) {
            proptest::prop_assert_eq!(number.to_string().parse::<Quantity>().map(Quantity::units), Ok(Some(number)));
        }
    }
}
