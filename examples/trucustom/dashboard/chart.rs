//! Usage, as bars that are drawn on the server.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tower_api_key::store::UsageBucket;

/// A chart, and the table with the same numbers.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) width: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) highest: u64,
    pub(super) first: String,
    pub(super) last: String,
}

/// One hour or day. Places count from the top left; the refused stand on the allowed.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) allowed: u64,
    pub(super) refused: u64,
    pub(super) x: usize,
    pub(super) allowed_y: u64,
    pub(super) allowed_height: u64,
    pub(super) refused_y: u64,
    pub(super) refused_height: u64,
}

impl Bar {
    pub(super) fn is_used(&self) -> bool {
        self.allowed + self.refused > 0
    }
}

pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;
/// How high a chart is, and how far one bar is from the next.
const HEIGHT: u64 = 120;
const STEP: usize = 12;

impl Chart {
    pub(super) fn hours(usage: &[UsageBucket], now: Timestamp) -> Self {
        Self::new(
            usage,
            now,
            (HOUR, 48),
            "hours",
            "By hour, the last 48 hours",
        )
    }

    pub(super) fn days(usage: &[UsageBucket], now: Timestamp) -> Self {
        Self::new(usage, now, (DAY, 30), "days", "By day, the last 30 days")
    }

    pub(super) fn sparkline(usage: &[UsageBucket], now: Timestamp) -> Self {
        Self::new(usage, now, (DAY, 14), "spark", "Requests of 14 days")
    }

    fn new(
        usage: &[UsageBucket],
        now: Timestamp,
        (span, count): (i64, i64),
        id: &'static str,
        title: &'static str,
    ) -> Self {
        let current = now.as_second().div_euclid(span);
        let mut sums = BTreeMap::<i64, (u64, u64)>::new();
        for bucket in usage {
            let sum = sums
                .entry(bucket.hour().as_second().div_euclid(span))
                .or_default();
            sum.0 += bucket.allowed();
            sum.1 += bucket.refused();
        }
        let places = (current - count + 1..=current).map(|place| {
            let (allowed, refused) = sums.get(&place).copied().unwrap_or_default();
            (label(place * span, span), allowed, refused)
        });
        let places: Vec<_> = places.collect();
        let highest = places
            .iter()
            .map(|(_, allowed, refused)| allowed + refused)
            .max();
        let highest = highest.unwrap_or(0);
        let (allowed, refused) = places.iter().fold((0, 0), |sum, (_, allowed, refused)| {
            (sum.0 + allowed, sum.1 + refused)
        });
        let first = places
            .first()
            .map_or(String::new(), |(label, ..)| label.clone());
        let last = places
            .last()
            .map_or(String::new(), |(label, ..)| label.clone());
        let bars: Vec<_> = places
            .into_iter()
            .enumerate()
            .map(|(at, (label, allowed, refused))| {
                let (allowed_height, refused_height) =
                    (scaled(allowed, highest), scaled(refused, highest));
                Bar {
                    label,
                    allowed,
                    refused,
                    x: at * STEP + 1,
                    allowed_y: HEIGHT.saturating_sub(allowed_height),
                    allowed_height,
                    refused_y: HEIGHT.saturating_sub(allowed_height + refused_height),
                    refused_height,
                }
            })
            .collect();
        Self {
            id,
            title,
            description: format!(
                "{allowed} allowed and {refused} refused, from {first} to {last}."
            ),
            width: bars.len() * STEP,
            bars,
            highest,
            first,
            last,
        }
    }
}

/// A count as a height; one that is not zero can be seen.
fn scaled(count: u64, highest: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let height = u128::from(count) * u128::from(HEIGHT - 4) / u128::from(highest.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).max(2)
}

fn label(second: i64, span: i64) -> String {
    let time = Timestamp::from_second(second).unwrap_or_default();
    let format = if span == DAY {
        "%-d %b"
    } else {
        "%-d %b %H:00"
    };
    time.strftime(format).to_string()
}

/// The usage that the charts and the advice need, up to now.
pub(super) fn past(now: Timestamp, days: i64) -> std::ops::Range<Timestamp> {
    let start = now.as_second() - days * DAY;
    Timestamp::from_second(start).unwrap_or(Timestamp::MIN)..now
}
