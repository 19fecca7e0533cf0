//! The precision of the times in a record.

use std::fmt;
use std::num::NonZero;

use jiff::Timestamp;

/// A time as a record keeps it: to the microsecond, as every database can.
///
/// An `Option` of it takes no more room than itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZero<u64>);

impl Moment {
    /// The latest microsecond that is not after `time`.
    pub(crate) fn floor(time: Timestamp) -> Self {
        // jiff rounds towards 1970, so what is left over before it is negative.
        let rounded_up = time.subsec_nanosecond() % 1_000 < 0;
        let microsecond = time.as_microsecond() - i64::from(rounded_up);
        // OK because only `i64::MIN` would be zero, long before the first `Timestamp`.
        Self(NonZero::new(microsecond.cast_unsigned() ^ BIAS).unwrap_or(NonZero::<u64>::MIN))
    }

    /// Out of line: most keys have no end, and then nothing of this is needed.
    #[inline(never)]
    pub(crate) fn timestamp(self) -> Timestamp {
        // OK because it was a `Timestamp` before.
        from_microsecond((self.0.get() ^ BIAS).cast_signed()).unwrap_or(Timestamp::MIN)
    }
}

/// The time so long after 1970, for stores: jiff's own `from_microsecond` refuses the last second
/// of its calendar, which a rotation with a boundless grace gives as an end.
pub(crate) fn from_microsecond(microsecond: i64) -> Result<Timestamp, jiff::Error> {
    let (second, rest) = (microsecond / PER_SECOND, microsecond % PER_SECOND);
    // OK because less than a second fits.
    let nanosecond = i32::try_from(rest * 1_000).unwrap_or_default();
    Timestamp::new(second, nanosecond)
}

const PER_SECOND: i64 = 1_000_000;

/// Turns microseconds before and after 1970 into numbers above zero, in the same order.
const BIAS: u64 = 1 << 63;

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.timestamp(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_down_on_either_side_of_1970() {
        for (nanosecond, microsecond) in [
            (0, 0),
            (999, 0),
            (1_000, 1),
            (1_999_999_999, 1_999_999),
            (-1, -1),
            (-999, -1),
            (-1_000, -1),
            (-1_001, -2),
            (-1_999_999_999, -2_000_000),
            (-2_000_000_000, -2_000_000),
        ] {
            let time = Timestamp::from_nanosecond(nanosecond).unwrap();
            let expected = Timestamp::from_microsecond(microsecond).unwrap();
            assert_eq!(Moment::floor(time).timestamp(), expected, "{nanosecond}");
        }
        assert_eq!(Moment::floor(Timestamp::MIN).timestamp(), Timestamp::MIN);
        let latest = Timestamp::MAX - jiff::SignedDuration::from_nanos(999);
        assert_eq!(Moment::floor(Timestamp::MAX).timestamp(), latest);
        let last = latest.as_microsecond();
        assert_eq!(from_microsecond(last).unwrap(), latest);
        for beyond in [i64::MIN, last + 1, i64::MAX] {
            assert!(from_microsecond(beyond).is_err(), "{beyond}");
        }
    }

    #[test]
    fn moments_have_the_order_of_their_times_and_fit_into_a_word() {
        let moments = [-2_000_000, -1, 0, 1, 2_000_000]
            .map(|microsecond| Moment::floor(Timestamp::from_microsecond(microsecond).unwrap()));
        assert!(moments.is_sorted());
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
