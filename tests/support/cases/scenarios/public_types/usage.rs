//! What counts uses, writes the counts, and advises by them.

use jiff::Timestamp;
use tower_api_key::manage::{AdvicePolicy, advise};
use tower_api_key::usage::UsageMonitor;

use super::marker::Marker;
use super::print::{Printed, debug};

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let identity = marker.keys.verifier().verify(key).await.unwrap();
    let monitor = UsageMonitor::new();
    monitor.count(Ok(&identity));
    let policy = AdvicePolicy::new();
    let long_after = Timestamp::MAX;
    vec![
        debug("UsageMonitor", &monitor),
        debug("UsageStats", &monitor.stats()),
        debug(
            "Advice",
            &advise(&marker.fresh.record, &[], long_after, &policy),
        ),
        debug("AdvicePolicy", &policy),
    ]
}

#[cfg(feature = "tokio")]
pub(crate) fn flusher(marker: &Marker) -> Printed {
    use std::time::Duration;
    use tower_api_key::store::{StoreError, StoreErrorKind};
    use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions};

    use super::print::both;

    let store = || marker.keys.store().clone();
    let start = |options| UsageFlusher::spawn(UsageMonitor::new(), store(), options);
    let options = UsageFlusherOptions::new();
    let running = start(options.clone()).unwrap();
    let event = UsageEvent::WriteFailed {
        failure: StoreError::new(StoreErrorKind::Unavailable, "gone"),
        waiting: 1,
    };
    let never = options.clone().with_interval(Duration::ZERO);
    vec![
        debug("UsageFlusher", &running),
        debug("FlusherStats", &running.stats()),
        debug("UsageFlusherOptions", &options),
        both("UsageFlusherError", &start(never).unwrap_err()),
        debug("UsageEvent", &event),
    ]
}
