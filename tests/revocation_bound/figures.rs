//! What many waits amount to.

use std::fmt;
use std::time::Duration;

/// Median, 99th percentile and maximum of some durations.
pub(crate) struct Figures {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    count: usize,
}

impl Figures {
    pub(crate) fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        let at = |hundredths: usize| waits[(waits.len() - 1) * hundredths / 100];
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
            count: waits.len(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p99,
            max,
            count,
        } = self;
        write!(
            f,
            "{count} revocations: p50 {p50:.1?}, p99 {p99:.1?}, maximum {max:.1?}"
        )
    }
}
