//! What goes wrong with a flusher.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::key::random::RandomnessError;
use crate::store::contract::error::StoreError;

/// A flusher could not be started: its options cannot work, and the message says which; or the
/// operating system's random source failed.
#[derive(Debug)]
pub struct UsageFlusherError {
    message: String,
    source: Option<RandomnessError>,
}

impl UsageFlusherError {
    pub(super) fn options(message: String) -> Self {
        Self {
            message,
            source: None,
        }
    }
}

impl From<RandomnessError> for UsageFlusherError {
    fn from(source: RandomnessError) -> Self {
        Self {
            message: "the flusher could not be given a number of its own".to_owned(),
            source: Some(source),
        }
    }
}

impl fmt::Display for UsageFlusherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for UsageFlusherError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_ref()?;
        Some(source)
    }
}

/// Counts were not written before the deadline of a shutdown. Its source is the store's last error,
/// if there was one.
#[derive(Debug)]
pub struct UsageNotWritten {
    pub(super) requests: u64,
    pub(super) deadline: Duration,
    pub(super) source: Option<StoreError>,
}

impl UsageNotWritten {
    /// How many counted requests were not written, as far as is known: when the answer to the last
    /// write was lost, the store may have those in it.
    pub fn requests(&self) -> u64 {
        self.requests
    }
}

impl fmt::Display for UsageNotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requests, deadline, ..
        } = self;
        write!(
            f,
            "expected the store to take all counts within {deadline:?}, found {requests} counted \
             requests not written"
        )
    }
}

impl Error for UsageNotWritten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_ref()?;
        Some(source)
    }
}
