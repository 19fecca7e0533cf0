//! A look-up under way, and those who wait for it.

use std::sync::Arc;

use tokio::sync::watch;

use super::entry::Moment;
use crate::record::key::KeyRecord;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// The record of a digest; none, for an unknown key.
pub(super) type Answer = Option<Arc<KeyRecord>>;

/// What comes of a look-up.
pub(super) type Found = Result<Answer, StoreError>;

/// A look-up under way. Whoever holds it can wait for its answer.
#[derive(Clone)]
pub(super) struct Flight {
    /// No other look-up has this number.
    pub(super) number: u64,
    pub(super) began: Moment,
    answer: watch::Receiver<Option<Found>>,
}

/// Where the answer to a look-up is told.
pub(super) struct Landing(watch::Sender<Option<Found>>);

impl Flight {
    pub(super) fn new(number: u64, began: Moment) -> (Self, Landing) {
        let (landing, answer) = watch::channel(None);
        let flight = Self {
            number,
            began,
            answer,
        };
        (flight, Landing(landing))
    }

    /// Waits for the answer.
    pub(super) async fn landed(mut self) -> Found {
        let answer = self.answer.wait_for(Option::is_some).await;
        let answer = answer.ok().and_then(|answer| answer.clone());
        // The runtime that it ran on is shut down.
        let lost = "expected the look-up to end with an answer, found that it was dropped";
        answer.unwrap_or_else(|| Err(StoreError::new(StoreErrorKind::Unavailable, lost)))
    }
}

impl Landing {
    pub(super) fn tell(self, found: Found) {
        // Nobody may be waiting any more.
        self.0.send_replace(Some(found));
    }
}
