//! What a layer counts, and what it tells clients of the end of their keys.

use std::time::Duration;

use super::layer::ApiKeyLayer;
use crate::usage::monitor::UsageMonitor;

impl<R> ApiKeyLayer<R> {
    /// Counts every request in this monitor: who was allowed and which scopes the policy asked for, who
    /// was denied, and why.
    ///
    /// A request that is allowed counts when its response comes out of the inner service; one that a
    /// route behind the layer denies counts as denied. Defaults to no monitor. See
    /// [`usage`](crate::usage) for what writes the counts to a store.
    ///
    /// ```
    /// use tower_api_key::usage::UsageMonitor;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let monitor = UsageMonitor::new();
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_usage(monitor.clone());
    /// ```
    #[must_use]
    pub fn with_usage(mut self, monitor: UsageMonitor) -> Self {
        self.gate.usage = Some(monitor);
        self
    }

    /// Tells clients in good time that their key ends, so that their logs warn before it fails;
    /// `None` tells them nothing.
    ///
    /// Default: 14 days. Responses to a key that expires within `lead` carry `Sunset` (RFC 8594) with
    /// its end. Those to a secret that a [rotation](crate::KeyManager::rotate) superseded carry
    /// `Deprecation` (RFC 9745) with the time of the rotation and `Sunset` with the secret's end, or
    /// the key's where that comes first, however far off it is. So do refusals of such a key for a
    /// scope. Both headers speak of the key, not of the resource; where the inner service has set
    /// one, that one stays.
    ///
    /// Keys without an end cost nothing here; of the others, the clock is read once more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_api_key::{ApiKeyLayer, MemoryStore};
    ///
    /// let month = Duration::from_secs(30 * 86_400);
    /// let layer = ApiKeyLayer::new(MemoryStore::new()).with_end_notice(Some(month));
    /// ```
    #[must_use]
    pub fn with_end_notice(mut self, lead: Option<Duration>) -> Self {
        self.gate.notice_lead = lead;
        self
    }
}
