//! All that is printed.

use super::marker::Marker;
use super::print::Printed;
use super::{changes, decisions, keys, layers, records, stores, usage};

/// The names of the types, each with all that its values print.
pub(crate) async fn printed(marker: &Marker) -> Printed {
    let mut all = keys::printed(marker);
    all.extend(records::printed(marker).await);
    all.extend(changes::printed(marker).await);
    all.extend(stores::printed(marker).await);
    all.extend(decisions::printed(marker).await);
    all.extend(layers::printed(marker));
    all.extend(usage::printed(marker).await);
    #[cfg(feature = "tokio")]
    all.push(stores::deadline(marker));
    #[cfg(feature = "tokio")]
    all.extend(usage::flusher(marker));
    #[cfg(feature = "test-util")]
    all.push(stores::faulty(marker));
    #[cfg(feature = "cache")]
    all.extend(super::cache::printed(marker).await);
    #[cfg(feature = "management")]
    all.extend(super::management::printed(marker).await);
    #[cfg(feature = "sqlite")]
    all.extend(super::databases::sqlite(marker).await);
    #[cfg(feature = "postgres")]
    all.extend(super::databases::postgres(marker).await);
    #[cfg(feature = "redis")]
    all.extend(super::databases::redis(marker).await);
    all
}
