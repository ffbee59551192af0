//! The syntax of a schedule: what a Kubernetes CronJob reads, and not more.
//!
//! Other dialects (`7` for Sunday, `L`, `#`, seconds, `TZ=` in front) mean something else elsewhere, so they
//! are errors that say what to write.

use super::ScheduleError;
use crate::yaml::fields::suggest;

/// What a schedule looks like.
pub(super) const HELP: &str = "write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`";

/// Longest accepted text, in bytes.
const LONGEST: usize = 256;

/// Largest step: larger than any field, small enough to count with.
const LARGEST_STEP: u32 = 1_000;

/// The names, and what they stand for.
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A schedule in a form that every reader of cron reads the same.
pub(super) struct Normal {
    /// Five fields of numbers, `*`, `,`, `-` and `/`.
    pub(super) fields: String,
    /// A day must fit both its fields. Where both name days, either is enough.
    pub(super) days_and_weekdays: bool,
    /// The hours begin with `*`.
    pub(super) is_interval: bool,
}

/// A field: what it may hold.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "day of week", least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Checks a schedule and brings it to its normal form.
pub(super) fn normalise(text: &str) -> Result<Normal, ScheduleError> {
    if text.len() > LONGEST {
        return Err(wrong(format!("a schedule has at most {LONGEST} characters"), HELP));
    }
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        return Err(wrong("the time zone does not belong into the schedule", "give it as `timeZone`"));
    }
    let expanded = if text.starts_with('@') { expand(text)? } else { text };
    let words: Vec<&str> = expanded.split_whitespace().collect();
    let Ok(words) = <[&str; 5]>::try_from(words.as_slice()) else {
        return Err(wrong(format!("a schedule has five fields; `{text}` has {}", words.len()), HELP));
    };
    let mut fields = Vec::with_capacity(FIELDS.len());
    for (field, word) in FIELDS.iter().zip(words) {
        let items: Result<Vec<String>, ScheduleError> = word.split(',').map(|item| field.item(item)).collect();
        fields.push(items?.join(","));
    }
    let [_, hours, days, _, weekdays] = words;
    let any = |word: &str| word.starts_with(['*', '?']);
    Ok(Normal { fields: fields.join(" "), days_and_weekdays: any(days) || any(weekdays), is_interval: any(hours) })
}

fn expand(text: &str) -> Result<&'static str, ScheduleError> {
    if let Some((_, fields)) = MACROS.iter().find(|(name, _)| *name == text) {
        return Ok(fields);
    }
    let help = match suggest(text, MACROS.map(|(name, _)| name)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => HELP.to_owned(),
    };
    Err(wrong(format!("`{text}` is not one of cron's names"), help))
}

impl Field {
    /// `*`, `?`, `value` or `from-to`, each with or without `/step`.
    fn item(&self, item: &str) -> Result<String, ScheduleError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let range = match (range, range.split_once('-')) {
            ("*" | "?", _) => "*".to_owned(),
            (_, None) => {
                let value = self.value(range)?;
                // A value with a step means: from there on.
                if step.is_some() { format!("{value}-{}", self.most) } else { value.to_string() }
            }
            (_, Some((from, to))) => {
                let (from, to) = (self.value(from)?, self.value(to)?);
                if from > to {
                    let message = format!("`{item}` as the {} ends before it begins", self.name);
                    return Err(wrong(message, "write two ranges, separated by a comma"));
                }
                format!("{from}-{to}")
            }
        };
        Ok(match step {
            Some(step) => format!("{range}/{step}"),
            None => range,
        })
    }

    fn step(&self, item: &str, step: &str) -> Result<u32, ScheduleError> {
        match number(step) {
            Some(step) if (1..=LARGEST_STEP).contains(&step) => Ok(step),
            _ => {
                let message = format!("`{item}` as the {} has no step above zero behind its `/`", self.name);
                Err(wrong(message, "write e.g. `*/15`"))
            }
        }
    }

    fn value(&self, text: &str) -> Result<u32, ScheduleError> {
        let folded = text.to_ascii_lowercase();
        let named = (self.least..).zip(self.names).find(|(_, name)| **name == folded).map(|(value, _)| value);
        match named.or_else(|| number(text)) {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            _ => Err(self.no_value(text)),
        }
    }

    fn no_value(&self, text: &str) -> ScheduleError {
        let Self { name, least, most, names } = self;
        let help = if *name == "day of week" && text == "7" {
            "Sunday is `0`".to_owned()
        } else if text.contains(['L', 'W', '#', '+']) {
            format!("`L`, `W`, `#` and `+` are other dialects; a {name} is {least} to {most}")
        } else if names.is_empty() {
            format!("a {name} is {least} to {most}, `*`, a range or a list")
        } else {
            format!("a {name} is {least} to {most} or `{}` to `{}`", names[0], names[names.len() - 1])
        };
        wrong(format!("`{}` is no {name}", text.escape_debug()), help)
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn wrong(message: impl Into<String>, help: impl Into<String>) -> ScheduleError {
    ScheduleError { message: message.into(), help: help.into() }
}
