//! What is worth advice.

use std::time::Duration;

use crate::scope::set::{Common, ScopeSet};

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
///
/// # Unused scopes
///
/// A scope is used when a request is allowed and the layer's policy needs it, or when a monitor
/// [records](crate::usage::UsageMonitor::exercise) so. Advice names the scopes that a key holds, that
/// are [watched](Self::with_watched_scopes), and that no request has used although used scopes are
/// known for [long enough](Self::with_unused_scopes_after).
///
/// It is derived from the usage of twice that time. A scope that the key received less than that ago is
/// named too, and so is one whose use was recorded by nobody: let all processes record scopes before
/// you trust the advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvicePolicy {
    pub(super) unused_after: Duration,
    pub(super) idle_after: Duration,
    pub(super) expiry_lead: Duration,
    pub(super) factor: u64,
    pub(super) floor: u64,
    pub(super) refusal_floor: u64,
    pub(super) unused_scopes_after: Duration,
    pub(super) watched: ScopeSet,
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
            unused_scopes_after: Duration::from_secs(30 * DAY),
            watched: ScopeSet::of_common_bits(
                Common::Read as u8 | Common::Write as u8 | Common::Delete as u8,
            ),
        }
    }

    /// Tells that a key was never used, so long after its issue. Default: 14 days.
    #[must_use]
    pub const fn with_unused_after(mut self, unused_after: Duration) -> Self {
        self.unused_after = unused_after;
        self
    }

    /// Tells that a key is idle, so long after its last use. Default: 90 days.
    #[must_use]
    pub const fn with_idle_after(mut self, idle_after: Duration) -> Self {
        self.idle_after = idle_after;
        self
    }

    /// Tells that a key expires, so long before. Default: 14 days.
    #[must_use]
    pub const fn with_expiry_lead(mut self, expiry_lead: Duration) -> Self {
        self.expiry_lead = expiry_lead;
        self
    }

    /// Takes an hour for unusual with more than so many times the requests of the busiest hour
    /// before. Default: 3.
    #[must_use]
    pub const fn with_unusual_factor(mut self, factor: u64) -> Self {
        self.factor = factor;
        self
    }

    /// Takes no hour for unusual with so many requests or fewer. Default: 1,000.
    #[must_use]
    pub const fn with_unusual_floor(mut self, floor: u64) -> Self {
        self.floor = floor;
        self
    }

    /// Takes no hour for unusual with so many refusals for a scope or fewer. Default: 50.
    #[must_use]
    pub const fn with_refusal_floor(mut self, refusal_floor: u64) -> Self {
        self.refusal_floor = refusal_floor;
        self
    }

    /// Reports unused scopes once the used scopes have been known for that long. Defaults to 30 days.
    #[must_use]
    pub const fn with_unused_scopes_after(mut self, unused_scopes_after: Duration) -> Self {
        self.unused_scopes_after = unused_scopes_after;
        self
    }

    /// Sets the scopes that are reported when they are unused. Defaults to `read`, `write` and `delete`,
    /// which the layer's default policy needs.
    ///
    /// Name those whose every use is recorded: that of the layer's policy is, and that of a
    /// [`RequireScope`](crate::middleware::RequireScope) with
    /// [`with_usage`](crate::middleware::RequireScope::with_usage). One that is checked elsewhere, such
    /// as in a handler, would be reported as unused. With none there is no such advice.
    ///
    /// ```
    /// use tower_api_key::Scope;
    /// use tower_api_key::manage::AdvicePolicy;
    ///
    /// const REPORTS: Scope = Scope::from_static("reports");
    ///
    /// let policy = AdvicePolicy::new().with_watched_scopes([Scope::READ, Scope::WRITE, REPORTS]);
    /// ```
    #[must_use]
    pub fn with_watched_scopes(self, watched: impl Into<ScopeSet>) -> Self {
        Self {
            watched: watched.into(),
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
