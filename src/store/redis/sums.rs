//! The hours of uses: in the places of sums, each with a secret version, and of exercised scopes.

use jiff::Timestamp;

use crate::record::moment::Moment;
use crate::scope::name::Scope;
use crate::store::scope_use::ScopeUse;
use crate::store::usage::UsageBucket;

/// The hour that a time is in, as digits: as many for every hour, so that texts compare as hours.
pub(super) fn digits_of_hour(time: Timestamp) -> String {
    digits(time.as_nanosecond().div_euclid(HOUR))
}

/// The first hour that starts at that time or later, as digits.
pub(super) fn digits_of_hour_from(time: Timestamp) -> String {
    let time = Moment::floor(time).timestamp();
    let hour = time.as_nanosecond().div_euclid(HOUR);
    digits(hour + i128::from(start_of(hour) != Some(time)))
}

/// The sums of a place, if it is one.
pub(super) fn bucket_of(place: &[u8], allowed: u64, refused: u64) -> Option<UsageBucket> {
    let (hour, version) = std::str::from_utf8(place).ok()?.split_once(':')?;
    let start = start_of_digits(hour)?;
    Some(UsageBucket::new(
        start,
        version.parse().ok()?,
        allowed,
        refused,
    ))
}

/// An exercised scope with the digits of its first and its last hour, if that is what they are.
pub(super) fn scope_use_of(scope: &[u8], hours: &[u8]) -> Option<ScopeUse> {
    let scope = Scope::new(std::str::from_utf8(scope).ok()?).ok()?;
    let (first, last) = std::str::from_utf8(hours).ok()?.split_at_checked(DIGITS)?;
    Some(ScopeUse::new(
        scope,
        start_of_digits(first)?,
        start_of_digits(last)?,
    ))
}

fn start_of_digits(hour: &str) -> Option<Timestamp> {
    start_of(hour.parse::<i128>().ok()? - OFFSET)
}

/// The start of an hour after 1970; of the first hour of jiff's calendar, which is not whole, the
/// earliest time.
fn start_of(hour: i128) -> Option<Timestamp> {
    if hour == Timestamp::MIN.as_nanosecond().div_euclid(HOUR) {
        return Some(Timestamp::MIN);
    }
    Timestamp::from_nanosecond(hour.checked_mul(HOUR)?).ok()
}

/// In nanoseconds.
const HOUR: i128 = 3_600_000_000_000;

fn digits(hour: i128) -> String {
    // From 1970 the years -9999 to 9999 are less than 2 × 10⁸ hours away: 9 digits, none negative.
    format!("{:0DIGITS$}", hour + OFFSET)
}

const DIGITS: usize = 9;
const OFFSET: i128 = 200_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_read_back_and_compare_as_the_times() {
        let times = [
            "-009999-01-02T02:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
        ];
        let mut times: Vec<Timestamp> = times.map(|time| time.parse().unwrap()).to_vec();
        times.extend([Timestamp::MIN, Timestamp::MAX]);
        times.sort_unstable();
        let hours: Vec<_> = times.iter().map(|time| digits_of_hour(*time)).collect();
        assert!(
            hours.is_sorted() && hours.iter().all(|hour| hour.len() == 9),
            "{hours:?}"
        );
        for (hour, time) in hours.iter().zip(times) {
            let bucket = bucket_of(format!("{hour}:7").as_bytes(), 1, 2).unwrap();
            let start = bucket.hour();
            assert!(
                start <= time && time.duration_since(start).as_secs() < 3_600,
                "{time}"
            );
            assert_eq!(bucket, UsageBucket::new(start, 7, 1, 2));
            assert_eq!(digits_of_hour_from(start), *hour);
            let scope = scope_use_of(b"a", format!("{hour}{hour}").as_bytes()).unwrap();
            assert_eq!(scope, ScopeUse::new(Scope::new("a").unwrap(), start, start));
        }
        for other in [
            "",
            "200000000",
            "200000000:",
            "x:1",
            "999999999:1",
            "200000000:-1",
        ] {
            assert_eq!(bucket_of(other.as_bytes(), 0, 0), None, "{other}");
        }
    }

    #[test]
    fn a_range_starts_and_ends_with_whole_hours() {
        for (time, hour) in [
            ("1970-01-01T00:00:00Z", "200000000"),
            ("1970-01-01T00:00:00.000000999Z", "200000000"),
            ("1970-01-01T00:00:00.000001Z", "200000001"),
            ("1970-01-01T01:00:00Z", "200000001"),
            ("1969-12-31T23:59:59.999999999Z", "200000000"),
            ("1969-12-31T23:00:00.000001Z", "200000000"),
            ("1969-12-31T23:00:00Z", "199999999"),
        ] {
            assert_eq!(digits_of_hour_from(time.parse().unwrap()), hour, "{time}");
        }
        let first = digits_of_hour(Timestamp::MIN);
        assert_eq!(digits_of_hour_from(Timestamp::MIN), first);
        let second = Timestamp::MIN + jiff::SignedDuration::from_micros(1);
        assert!(digits_of_hour_from(second) > first);
        assert!(digits_of_hour_from(Timestamp::MAX) > digits_of_hour(Timestamp::MAX));
    }
}
