//! What the listeners of a store are told of changes by other processes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::link::Link;
use super::worker::{Job, run};
use crate::store::contract::feed::{FeedEvent, Listeners};

/// Looks again and again whether another connection has changed the file.
///
/// It asks on the connection that the store's own changes are made on: SQLite's `data_version`
/// counts the commits of the others only.
pub(crate) struct Watch {
    listeners: Arc<Listeners>,
    every: Duration,
    /// When to look next.
    due: Instant,
    /// What was seen last; `None` after a failure.
    seen: Option<i64>,
}

impl Watch {
    /// Looks this often, for these listeners, and for the first time at once.
    pub(crate) fn new(listeners: Arc<Listeners>, every: Duration) -> Self {
        Self {
            listeners,
            every,
            due: Instant::now(),
            seen: None,
        }
    }

    /// Does jobs as they come, and looks in between, until no more can come.
    pub(crate) fn work(mut self, link: &mut Link, jobs: &Receiver<Job>) {
        loop {
            let now = Instant::now();
            if now >= self.due {
                self.look(link);
                self.due = now + self.every;
            }
            match jobs.recv_timeout(self.due.saturating_duration_since(now)) {
                Ok(job) => run(job, link),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks once, and tells.
    pub(crate) fn look(&mut self, link: &Link) {
        let as_of = tokio::time::Instant::now().into_std();
        if let Ok(version) = link.data_version() {
            // The store's own changes were told when they were made.
            if self.seen.replace(version) != Some(version) {
                self.listeners.tell(FeedEvent::Reset);
            }
            self.listeners.tell(FeedEvent::CaughtUp { as_of });
        } else {
            self.seen = None;
            self.listeners.tell(FeedEvent::Lost);
        }
    }
}
