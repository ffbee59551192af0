use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::{Schedule, time_zone};

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, TimeZone::UTC).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn in_zone(text: &str, zone: &str) -> Schedule {
    Schedule::parse(text, time_zone(zone).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next times, in the schedule's own zone.
fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut after = at(after);
    (0..count)
        .map(|_| {
            after = schedule.next_after(after).unwrap();
            after.to_zoned(schedule.zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string()
        })
        .collect()
}

#[test]
fn fields_names_steps_and_lists() {
    let cases = [
        ("0 3 * * *", "2026-11-24 03:00"),
        ("@hourly", "2026-11-24 01:00"),
        ("@daily", "2026-11-25 00:00"),
        ("@midnight", "2026-11-25 00:00"),
        ("@weekly", "2026-11-29 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@annually", "2027-01-01 00:00"),
        ("*/15 * * * *", "2026-11-24 00:45"),
        ("5/20 * * * *", "2026-11-24 00:45"),
        ("10-50/20 1,3 ? * ?", "2026-11-24 01:10"),
        ("0 0 * feb-Apr MON", "2027-02-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        // Two days that are named: either is enough.
        ("0 0 13 * fri", "2026-11-27 00:00"),
        // As cron has always read it: with a `*` in one of them, both must fit.
        ("0 0 */2 * fri", "2026-11-27 00:00"),
        ("0 0 */3 * fri", "2026-12-04 00:00"),
        ("0 0 13 * *", "2026-12-13 00:00"),
    ];
    for (text, expected) in cases {
        let next = next(&schedule(text), "2026-11-24T00:30:00Z", 1);
        assert_eq!(next, [format!("{expected} +00:00")], "{text}");
    }
}

#[test]
fn what_other_dialects_mean_is_refused_with_what_to_write() {
    let cases = [
        (
            "0 3 * *",
            "a schedule has five fields; `0 3 * *` has 4 | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`",
        ),
        (
            "0 0 3 * * *",
            "a schedule has five fields; `0 0 3 * * *` has 6 | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`",
        ),
        (
            "",
            "a schedule has five fields; `` has 0 | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`",
        ),
        (
            "@every 1h",
            "`@every 1h` is not one of cron's names | write minute, hour, day of month, month, day of week, e.g. `0 3 * * *`",
        ),
        ("@dayly", "`@dayly` is not one of cron's names | did you mean `@daily`?"),
        ("CRON_TZ=UTC 0 3 * * *", "the time zone does not belong into the schedule | give it as `timeZone`"),
        ("0 3 * * 7", "`7` is no day of week | Sunday is `0`"),
        ("0 3 L * *", "`L` is no day of month | `L`, `W`, `#` and `+` are other dialects; a day of month is 1 to 31"),
        ("0 3 * * 1#2", "`1#2` is no day of week | `L`, `W`, `#` and `+` are other dialects; a day of week is 0 to 6"),
        ("0 3 * * +1", "`+1` is no day of week | `L`, `W`, `#` and `+` are other dialects; a day of week is 0 to 6"),
        ("60 3 * * *", "`60` is no minute | a minute is 0 to 59, `*`, a range or a list"),
        ("0 24 * * *", "`24` is no hour | a hour is 0 to 23, `*`, a range or a list"),
        ("0 3 0 * *", "`0` is no day of month | a day of month is 1 to 31, `*`, a range or a list"),
        ("0 3 * smarch *", "`smarch` is no month | a month is 1 to 12 or `jan` to `dec`"),
        (
            "0 3 * * fri-sun",
            "`fri-sun` as the day of week ends before it begins | write two ranges, separated by a comma",
        ),
        ("*/0 * * * *", "`*/0` as the minute has no step above zero behind its `/` | write e.g. `*/15`"),
        ("*/ * * * *", "`*/` as the minute has no step above zero behind its `/` | write e.g. `*/15`"),
        ("/5 * * * *", "`` is no minute | a minute is 0 to 59, `*`, a range or a list"),
        ("1,,2 * * * *", "`` is no minute | a minute is 0 to 59, `*`, a range or a list"),
        ("0 0 30 2 *", "`0 0 30 2 *` never comes: no year has such a day | choose a day that the month has"),
        ("0 0 31 4,6 *", "`0 0 31 4,6 *` never comes: no year has such a day | choose a day that the month has"),
    ];
    for (text, expected) in cases {
        let error = Schedule::parse(text, TimeZone::UTC).unwrap_err();
        assert_eq!(format!("{} | {}", error.message, error.help), expected, "{text}");
    }
    assert!(Schedule::parse(&"1,".repeat(200), TimeZone::UTC).is_err());
}

#[test]
fn a_zone_that_is_none_is_named() {
    let error = |zone| time_zone(zone).unwrap_err();
    assert_eq!(error("Europe/Berlim").help, "did you mean `Europe/Berlin`?");
    assert_eq!(error("Mars/Olympus").message, "there is no time zone `Mars/Olympus`");
    for zone in ["", "Local", "+01:00", "../etc/passwd", "a\nb"] {
        assert!(time_zone(zone).is_err(), "{zone}");
    }
}

#[test]
fn it_is_told_as_it_was_written() {
    assert_eq!(schedule("0 3 * * mon").to_string(), "0 3 * * mon");
    assert_eq!(in_zone("@daily", "Asia/Tokyo").to_string(), "@daily Asia/Tokyo");
}

/// On 2026-03-29 at 02:00 the clocks of Paris go to 03:00, on 2026-10-25 at 03:00 back to 02:00.
#[test]
fn the_change_of_clocks() {
    let spring = "2026-03-28T12:00:00Z";
    let autumn = "2026-10-24T12:00:00Z";
    let cases: [(&str, &str, &[&str]); 9] = [
        ("30 2 * * *", spring, &["2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"]),
        ("30 2 * * *", autumn, &["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"]),
        // Several times inside of the gap come once.
        ("*/20 2 * * *", spring, &["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"]),
        ("0 2,3 * * *", spring, &["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"]),
        ("15,45 2 * * *", autumn, &["2026-10-25 02:15 +02:00", "2026-10-25 02:45 +02:00", "2026-10-26 02:15 +01:00"]),
        ("0 1-3 * * *", autumn, &["2026-10-25 01:00 +02:00", "2026-10-25 02:00 +02:00", "2026-10-25 03:00 +01:00"]),
        ("30 * * * *", "2026-03-29T00:00:00Z", &["2026-03-29 01:30 +01:00", "2026-03-29 03:30 +02:00"]),
        (
            "30 * * * *",
            "2026-10-24T23:00:00Z",
            &[
                "2026-10-25 01:30 +02:00",
                "2026-10-25 02:30 +02:00",
                "2026-10-25 02:30 +01:00",
                "2026-10-25 03:30 +01:00",
            ],
        ),
        // From the middle of the repeated hour.
        ("20,40 * * * *", "2026-10-25T00:30:00Z", &["2026-10-25 02:40 +02:00", "2026-10-25 02:20 +01:00"]),
    ];
    for (text, after, expected) in cases {
        let schedule = in_zone(text, "Europe/Paris");
        assert_eq!(next(&schedule, after, expected.len()), expected, "{text} after {after}");
    }
    let daily = in_zone("30 2 * * *", "Europe/Paris");
    // Within the second run of the hour, and at the very end of the gap, today's time is over.
    assert_eq!(next(&daily, "2026-10-25T01:10:00Z", 1), ["2026-10-26 02:30 +01:00"]);
    assert_eq!(next(&daily, "2026-03-29T01:00:00Z", 1), ["2026-03-30 02:30 +02:00"]);
    assert_eq!(next(&daily, "2026-03-29T00:59:59.999Z", 1), ["2026-03-29 03:00 +02:00"]);
}

#[test]
fn a_day_that_a_zone_leaves_out_comes_at_its_end() {
    // Samoa went over the date line: 2011-12-30 does not exist there.
    let noon = in_zone("0 12 * * *", "Pacific/Apia");
    assert_eq!(
        next(&noon, "2011-12-29T00:00:00Z", 3),
        ["2011-12-29 12:00 -10:00", "2011-12-31 00:00 +14:00", "2011-12-31 12:00 +14:00"]
    );
}

#[test]
fn a_daily_time_comes_once_a_day_in_every_zone() {
    let zones: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    assert!(zones.len() > 400, "{} zones", zones.len());
    let mut changes = 0;
    for zone in zones {
        for text in ["0 0 * * *", "30 1 * * *", "30 2 * * *", "0 3 * * *"] {
            let schedule = in_zone(text, &zone);
            // Nothing but a change of clocks can make a day differ from the one before.
            let year = schedule.zone.following(at("2026-01-01T00:00:00Z"));
            for change in year.take_while(|change| change.timestamp() < at("2027-01-01T00:00:00Z")) {
                changes += 1;
                let first = change.timestamp().to_zoned(schedule.zone.clone()).date() - 2.days();
                let days: Vec<Date> = (0..5).map(|day| first + day.days()).collect();
                let start = first.to_zoned(schedule.zone.clone()).unwrap().timestamp() - 1.second();
                let mut now = start;
                let seen = std::iter::repeat_with(|| {
                    now = schedule.next_after(now).unwrap();
                    now.to_zoned(schedule.zone.clone()).date()
                });
                assert_eq!(seen.take(5).collect::<Vec<_>>(), days, "{zone} {text}");
            }
        }
    }
    assert!(changes > 1_000, "{changes} changes of clocks");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_is_too_much(text in ".{0,40}", zone in ".{0,12}") {
        let zone = time_zone(&zone).unwrap_or(TimeZone::UTC);
        let _ = Schedule::parse(&text, zone);
    }

    /// What is between two times of a schedule does not belong to it, and time goes on.
    #[test]
    fn the_next_time_is_the_first_that_fits(
        minute in 0_u32..60, hour in 0_u32..24, weekday in 0_u32..7, start in 1_700_000_000_i64..1_900_000_000,
    ) {
        let schedule = in_zone(&format!("{minute} {hour} * * {weekday}"), "America/New_York");
        let start = Timestamp::from_second(start).unwrap();
        let next = schedule.next_after(start).unwrap();
        prop_assert!(next > start && next <= start + (8 * 24).hours());
        let local = next.to_zoned(schedule.zone.clone());
        prop_assert_eq!(u32::try_from(local.weekday().to_sunday_zero_offset()).unwrap(), weekday);
        // A gap moves it; nothing else does.
        let (local_hour, local_minute) = (u32::try_from(local.hour()).unwrap(), u32::try_from(local.minute()).unwrap());
        prop_assert!((local_hour, local_minute) == (hour, minute) || (local_hour, hour) == (3, 2));
        prop_assert_eq!(schedule.next_after(next - 1.second()), Some(next));
    }
}
