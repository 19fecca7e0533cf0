//! Times as PostgreSQL keeps them, in microseconds: since 2000 those of keys, and since 1970 those of
//! what is done with them.

use std::error::Error;

use bytes::BytesMut;
use jiff::Timestamp;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::record::moment::{Moment, from_microsecond};

/// A time as a `timestamptz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamptz(pub(super) Timestamp);

/// From 1970, where jiff begins to count, to 2000, where PostgreSQL does, in microseconds.
const BETWEEN_EPOCHS: i64 = 946_684_800_000_000;

impl Timestamptz {
    /// `None` for a time that PostgreSQL does not hold.
    pub(super) fn if_held(time: Timestamp) -> Option<Self> {
        (time.as_microsecond() >= EARLIEST).then_some(Self(time))
    }
}

/// 24 November 4714 BC, in microseconds since 1970.
const EARLIEST: i64 = -210_866_803_200_000_000;

/// The latest microsecond since 1970 that is not after a time.
pub(super) fn microsecond(time: Timestamp) -> i64 {
    Moment::floor(time).timestamp().as_microsecond()
}

/// The time so many microseconds after 1970; the first or last where there is none.
pub(super) fn timestamp(microsecond: i64) -> Timestamp {
    let end = if microsecond < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    from_microsecond(microsecond).unwrap_or(end)
}

impl ToSql for Timestamptz {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        // OK because 9,999 years either way are far from the ends of an i64.
        let microseconds = self.0.as_microsecond() - BETWEEN_EPOCHS;
        out.extend_from_slice(&microseconds.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamptz {
    /// PostgreSQL knows times that a [`Timestamp`] does not: `infinity`, and the year 294276.
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let microseconds = i64::from_be_bytes(raw.try_into()?);
        let microseconds = microseconds
            .checked_add(BETWEEN_EPOCHS)
            .ok_or("expected a time, found infinity")?;
        Ok(Self(from_microsecond(microseconds)?))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_microsecond_is_exact() {
        for text in [
            "-009999-01-02T01:59:59Z",
            "-004712-01-01T00:00:00.000001Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
            "1999-12-31T23:59:59.999999Z",
            "2000-01-01T00:00:00.000001Z",
            "9999-12-30T22:00:00.999999Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            let mut raw = BytesMut::new();
            Timestamptz(time)
                .to_sql(&Type::TIMESTAMPTZ, &mut raw)
                .unwrap();
            let read = Timestamptz::from_sql(&Type::TIMESTAMPTZ, &raw).unwrap();
            assert_eq!(read.0, time);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for raw in [i64::MAX, i64::MIN, 9_000_000_000_000_000_000] {
            assert!(Timestamptz::from_sql(&Type::TIMESTAMPTZ, &raw.to_be_bytes()).is_err());
        }
        assert!(Timestamptz::from_sql(&Type::TIMESTAMPTZ, &[0; 7]).is_err());
    }
}
