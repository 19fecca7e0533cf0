//! What a response tells the client of the end of its key.

use std::time::Duration;

use http::header::HeaderName;
use http::{HeaderValue, Response};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

use super::headers::set_default;
use crate::identity::Identity;

/// The headers that tell the client of the end of its key or secret.
#[derive(Debug)]
pub(super) struct Notice {
    deprecation: Option<HeaderValue>,
    sunset: Option<HeaderValue>,
}

impl Notice {
    /// The notice that is due to whoever sent the key: its secret was superseded, or the key or
    /// secret ends within `lead` of `now`.
    ///
    /// Most keys have no end, and then the clock is not read. Boxed, so that the futures of the
    /// others need no room for it.
    #[inline]
    pub(super) fn of(
        identity: &Identity,
        lead: Duration,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Box<Self>> {
        let ends = [identity.expires_at(), identity.secret_retires_at()];
        if ends == [None, None] {
            return None;
        }
        Self::of_ends(identity, ends, lead, now())
    }

    fn of_ends(
        identity: &Identity,
        ends: [Option<Timestamp>; 2],
        lead: Duration,
        now: Timestamp,
    ) -> Option<Box<Self>> {
        let end = ends.into_iter().flatten().min()?;
        let superseded_at = identity.secret_superseded_at();
        // A lead beyond the calendar means always.
        let begins = SignedDuration::try_from(lead)
            .ok()
            .and_then(|lead| end.checked_sub(lead).ok());
        if superseded_at.is_none() && begins.is_some_and(|begins| now < begins) {
            return None;
        }
        Some(Box::new(Self {
            deprecation: superseded_at.and_then(structured_date),
            sunset: http_date(end),
        }))
    }

    /// Adds the headers, where the response says nothing of the kind itself.
    pub(super) fn apply<B>(self, response: &mut Response<B>) {
        for (name, value) in [(DEPRECATION, self.deprecation), (SUNSET, self.sunset)] {
            if let Some(value) = value {
                set_default(response.headers_mut(), name, value);
            }
        }
    }
}

/// A Date of RFC 9651, section 3.3.7.
fn structured_date(time: Timestamp) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("@{}", floor(time))).ok()
}

/// An HTTP-date (RFC 9110, section 5.6.7); none before the year 0.
fn http_date(time: Timestamp) -> Option<HeaderValue> {
    let second = Timestamp::from_second(floor(time)).ok()?;
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&second);
    HeaderValue::try_from(text.ok()?).ok()
}

/// The second that the time is in: a client had better stop early than late.
fn floor(time: Timestamp) -> i64 {
    time.as_second() - i64::from(time.subsec_nanosecond() < 0)
}

/// RFC 9745.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594.
const SUNSET: HeaderName = HeaderName::from_static("sunset");
