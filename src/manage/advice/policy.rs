//! What is worth advice.

use std::time::Duration;

/// What is worth advice, and from when on.
///
/// # Unusual activity
///
/// The requests of a key in the last whole hour, with whichever secret, let in or refused for a
/// scope, are unusual when they are more than
///
/// - the [floor](Self::with_unusual_floor), and
/// - the [factor](Self::with_unusual_factor) times those of the busiest hour of the
///   [14 days](Self::HISTORY) before that hour.
///
/// Refusals for a scope are unusual by the same rule, with a
/// [floor of their own](Self::with_refusal_floor). Nothing is unusual until a key is a
/// [day](Self::SETTLING) old when the hour starts. An hour is one of UTC that starts on the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvicePolicy {
    pub(super) unused_after: Duration,
    pub(super) idle_after: Duration,
    pub(super) expiry_lead: Duration,
    pub(super) factor: u64,
    pub(super) floor: u64,
    pub(super) refusal_floor: u64,
}

impl AdvicePolicy {
    /// How far back the usage of a key tells what is usual: 14 days before the last whole hour.
    pub const HISTORY: Duration = Duration::from_secs(14 * DAY);
    /// How old a key must be before anything is unusual: a day.
    pub const SETTLING: Duration = Duration::from_secs(DAY);

    /// The defaults, each of which stands with its option.
    pub const fn new() -> Self {
        Self {
            unused_after: Duration::from_secs(14 * DAY),
            idle_after: Duration::from_secs(90 * DAY),
            expiry_lead: Duration::from_secs(14 * DAY),
            factor: 3,
            floor: 1_000,
            refusal_floor: 50,
        }
    }

    /// Tells that a key was never used, so long after its issue. Default: 14 days.
    #[must_use]
    pub const fn with_unused_after(self, unused_after: Duration) -> Self {
        Self {
            unused_after,
            ..self
        }
    }

    /// Tells that a key is idle, so long after its last use. Default: 90 days.
    #[must_use]
    pub const fn with_idle_after(self, idle_after: Duration) -> Self {
        Self { idle_after, ..self }
    }

    /// Tells that a key expires, so long before. Default: 14 days.
    #[must_use]
    pub const fn with_expiry_lead(self, expiry_lead: Duration) -> Self {
        Self {
            expiry_lead,
            ..self
        }
    }

    /// Takes an hour for unusual with more than so many times the requests of the busiest hour
    /// before. Default: 3.
    #[must_use]
    pub const fn with_unusual_factor(self, factor: u64) -> Self {
        Self { factor, ..self }
    }

    /// Takes no hour for unusual with so many requests or fewer. Default: 1,000.
    #[must_use]
    pub const fn with_unusual_floor(self, floor: u64) -> Self {
        Self { floor, ..self }
    }

    /// Takes no hour for unusual with so many refusals for a scope or fewer. Default: 50.
    #[must_use]
    pub const fn with_refusal_floor(self, refusal_floor: u64) -> Self {
        Self {
            refusal_floor,
            ..self
        }
    }
}

const DAY: u64 = 86_400;

impl Default for AdvicePolicy {
    fn default() -> Self {
        Self::new()
    }
}
