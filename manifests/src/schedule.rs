//! Schedules as people write them: five fields of cron, in a time zone.
//!
//! An expression means what it means in a Kubernetes CronJob ([`syntax`] refuses everything else that cron
//! dialects know). What the change of clocks does is decided here, because nobody writes a schedule with it
//! in mind:
//!
//! * a local time that a gap leaves out comes at the first instant after the gap;
//! * a local time that an overlap repeats comes once, the first time;
//! * a schedule whose hours begin with `*` is an interval: it comes in both repeated hours, and a gap adds
//!   nothing.
//!
//! The data of the time zones is built in: the same schedule means the same on every machine.

mod syntax;

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::yaml::fields::suggest;

/// From when on a schedule is searched to see whether it ever comes.
const ANY_YEAR: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// When something comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    written: String,
    cron: Cron,
    /// The hours begin with `*`.
    is_interval: bool,
    zone: TimeZone,
}

/// A text that is no schedule, or no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Schedule {
    /// Reads five fields of cron, or one of `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`
    /// and `@annually`; its times are local times of the zone.
    ///
    /// # Errors
    /// It is none of these, or can never come (`0 0 30 2 *`).
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let syntax::Normal { fields, days_and_weekdays, is_interval } = syntax::normalise(text)?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        let parser = parser.dom_and_dow(days_and_weekdays).build();
        let cron = parser.parse(&fields).map_err(|error| ScheduleError {
            message: format!("`{text}` is no schedule: {error}"),
            help: syntax::HELP.to_owned(),
        })?;
        if cron.find_next_occurrence(&ANY_YEAR, true).is_err() {
            return Err(ScheduleError {
                message: format!("`{text}` never comes: no year has such a day"),
                help: "choose a day that the month has".to_owned(),
            });
        }
        Ok(Self { written: text.to_owned(), cron, is_interval, zone })
    }

    /// The first instant after `after` at which it comes; `None` beyond the calendar (the year 5000).
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.is_interval {
            let after = after.to_zoned(self.zone.clone());
            return self.cron.find_next_occurrence(&after, false).ok().map(|next| next.timestamp());
        }
        let mut local = self.zone.to_datetime(after);
        loop {
            local = self.cron.find_next_occurrence(&local, false).ok()?;
            let instant = self.instant(local)?;
            // The second time of an overlap is over already, and so is a gap's end that has come.
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// When a local time comes for the first time; for one that is left out, when the gap ends.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // By the clock of afterwards the time lies before the change, which is the next one then.
                let before_the_change = after.to_timestamp(local).ok()?;
                self.zone.following(before_the_change).next().map(|change| change.timestamp())
            }
        }
    }
}

/// A zone of the IANA database, e.g. `Europe/Berlin`.
///
/// # Errors
/// There is no such zone.
pub fn time_zone(name: &str) -> Result<TimeZone, ScheduleError> {
    let database = TimeZoneDatabase::bundled();
    database.get(name).map_err(|_| {
        let known: Vec<String> = database.available().map(|zone| zone.to_string()).collect();
        ScheduleError {
            message: format!("there is no time zone `{}`", name.escape_debug()),
            help: match suggest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "give a name of the IANA database, e.g. `Europe/Berlin`".to_owned(),
            },
        }
    })
}

/// As it was written, with the zone where it is not UTC.
impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)?;
        match self.zone.iana_name() {
            Some(zone) if self.zone != TimeZone::UTC => write!(formatter, " {zone}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
