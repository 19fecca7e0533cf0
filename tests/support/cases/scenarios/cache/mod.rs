//! The scenarios of the cache: revocation, abuse, outage and partition, in paused time.

pub(crate) mod abuse;
pub(crate) mod far;
pub(crate) mod kit;
#[cfg(feature = "test-util")]
pub(crate) mod link;
pub(crate) mod outage;
#[cfg(feature = "test-util")]
pub(crate) mod partition;
pub(crate) mod revocation;
#[cfg(feature = "test-util")]
pub(crate) mod truth;
#[cfg(feature = "test-util")]
pub(crate) mod world;
