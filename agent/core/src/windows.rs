//! When an App may be interrupted for what no commit asked for: `reconcile.windows`.

use jiff::{SignedDuration, Timestamp};
use kompox_manifests::model::Window;

/// Whether one of the windows is open.
#[must_use]
pub fn is_open(windows: &[Window], now: Timestamp) -> bool {
    windows.iter().any(|window| {
        // Open when it opened less than its duration ago, now included.
        let closed_before = now.checked_sub(duration(window)).unwrap_or(Timestamp::MIN);
        window.opens.next_after(closed_before).is_some_and(|opened| opened <= now)
    })
}

/// When the next of the windows opens; `None` when there is none.
#[must_use]
pub fn next_opening(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    windows.iter().filter_map(|window| window.opens.next_after(now)).min()
}

/// A window is open for days at most, so this never saturates.
fn duration(window: &Window) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(window.duration).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use kompox_manifests::schedule::{Schedule, time_zone};

    use super::*;

    fn window(opens: &str, zone: TimeZone, duration: u64) -> Window {
        Window { opens: Schedule::parse(opens, zone).unwrap(), duration }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_from_its_time_for_its_duration() {
        let night = [window("0 3 * * *", TimeZone::UTC, 3_600)];
        for (now, open) in [
            ("2026-11-24T02:59:59.999Z", false),
            ("2026-11-24T03:00:00Z", true),
            ("2026-11-24T03:59:59.999Z", true),
            ("2026-11-24T04:00:00Z", false),
        ] {
            assert_eq!(is_open(&night, at(now)), open, "{now}");
        }
        assert_eq!(next_opening(&night, at("2026-11-24T02:00:00Z")), Some(at("2026-11-24T03:00:00Z")));
        assert_eq!(next_opening(&night, at("2026-11-24T03:00:00Z")), Some(at("2026-11-25T03:00:00Z")));
    }

    #[test]
    fn one_of_several_is_enough_and_none_is_never() {
        let two = [window("0 3 * * *", TimeZone::UTC, 600), window("30 12 * * sun", TimeZone::UTC, 1_800)];
        assert!(is_open(&two, at("2026-11-29T12:45:00Z")));
        assert!(!is_open(&two, at("2026-11-28T12:45:00Z")));
        assert_eq!(next_opening(&two, at("2026-11-29T04:00:00Z")), Some(at("2026-11-29T12:30:00Z")));
        assert!(!is_open(&[], at("2026-11-29T12:45:00Z")));
        assert_eq!(next_opening(&[], at("2026-11-29T12:45:00Z")), None);
    }

    #[test]
    fn it_may_reach_over_midnight_and_over_its_own_next_opening() {
        let late = [window("0 23 * * *", time_zone("Asia/Tokyo").unwrap(), 2 * 3_600)];
        assert!(is_open(&late, at("2026-11-24T15:59:00Z")), "00:59 in Tokyo");
        assert!(!is_open(&late, at("2026-11-24T16:00:00Z")));
        let always = [window("@hourly", TimeZone::UTC, 3_600)];
        assert!(is_open(&always, at("2026-11-24T15:59:59Z")) && is_open(&always, at("2026-11-24T16:00:00Z")));
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let night = [window("0 3 * * *", TimeZone::UTC, 3_600)];
        assert!(!is_open(&night, Timestamp::MIN));
        assert!(!is_open(&night, Timestamp::MAX));
        assert_eq!(next_opening(&night, Timestamp::MAX), None);
    }
}
