//! The flusher.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::error::{UsageFlusherError, UsageNotWritten};
use super::flush::Flush;
use super::monitor::UsageMonitor;
use super::options::UsageFlusherOptions;
use super::stats::FlusherStats;
use crate::key::random;
use crate::store::contract::error::StoreError;
use crate::store::contract::usage::UsageStore;
use crate::store::contract::usage::{SECONDS_PER_HOUR, start_of_hour};

/// Writes what a [`UsageMonitor`] counts to a store, at an interval and when it is
/// [shut down](Self::shutdown).
///
/// - **Exact.** A batch that the store did not confirm is written again as it is, under its number,
///   before the next one; the store counts it once.
/// - **Bounded.** While the store fails, counts add up in memory, up to
///   [a bound](UsageFlusherOptions::with_max_waiting). What is beyond is dropped, and
///   [counted](super::stats::UsageStats::dropped).
/// - **Apart.** Two tasks of the runtime do this; requests never wait for them.
///
/// One monitor has one flusher. Dropping it stops the tasks, and loses what was not yet written: at
/// most the counts of one interval, if the store works.
pub struct UsageFlusher {
    flush: Arc<Flush>,
    tasks: [AbortHandle; 2],
}

impl UsageFlusher {
    /// Starts to write the monitor's counts to a store.
    ///
    /// # Errors
    ///
    /// [`UsageFlusherError`] when
    /// - an interval, bound or deadline is zero, or the retention is shorter than a day;
    /// - the operating system's random source fails.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. The tasks panic when its timer is not enabled.
    pub fn spawn(
        monitor: UsageMonitor,
        store: impl UsageStore + 'static,
        options: UsageFlusherOptions,
    ) -> Result<Self, UsageFlusherError> {
        options.check()?;
        let mut writer = [0; 16];
        random::fill(&mut writer)?;
        let flush = Arc::new(Flush::new(monitor, Arc::new(store), options, writer));
        let collecting = tokio::spawn(collect(flush.clone()));
        let writing = tokio::spawn(write(flush.clone()));
        Ok(Self {
            flush,
            tasks: [collecting, writing].map(|task| task.abort_handle()),
        })
    }

    /// Writes everything that was counted up to now, without waiting for the interval.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a write fails; the flusher goes on trying.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flush.collect();
        while self.flush.write_batch().await? {}
        Ok(())
    }

    /// Stops the tasks and writes everything that was counted, trying again until the
    /// [deadline](UsageFlusherOptions::with_shutdown_deadline).
    ///
    /// Call it when the server has stopped: what is counted later is not written. It may be called
    /// again, also when it was dropped before its end.
    ///
    /// # Errors
    ///
    /// [`UsageNotWritten`] when the deadline comes before everything is written.
    pub async fn shutdown(&self) -> Result<(), UsageNotWritten> {
        self.stop();
        let flush = &self.flush;
        flush.collect();
        let deadline = flush.options.shutdown_deadline;
        timeout(deadline, flush.write_all())
            .await
            .map_err(|_| UsageNotWritten {
                requests: flush.waiting_requests(),
                deadline,
                source: flush.last_failure(),
            })
    }

    /// How the writing goes.
    pub fn stats(&self) -> FlusherStats {
        self.flush.stats()
    }

    fn stop(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for UsageFlusher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for UsageFlusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageFlusher")
            .field("options", &self.flush.options)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A task of its own, so that a slow write makes no time less exact.
async fn collect(flush: Arc<Flush>) {
    loop {
        sleep(flush.until_collection()).await;
        flush.collect();
    }
}

async fn write(flush: Arc<Flush>) {
    let mut forgotten_at = None;
    loop {
        let _ = timeout(flush.options.interval, flush.is_half_full()).await;
        flush.collect();
        flush.write_all().await;
        forget(&flush, &mut forgotten_at).await;
    }
}

/// Once in each hour, lets the store forget what is older than the retention.
async fn forget(flush: &Flush, forgotten_at: &mut Option<Timestamp>) {
    let Some(retention) = flush.options.retention else {
        return;
    };
    let hour = start_of_hour(flush.options.clock.now());
    let is_due = forgotten_at.is_none_or(|last| {
        hour.duration_since(last).unsigned_abs().as_secs() >= SECONDS_PER_HOUR.unsigned_abs()
    });
    let retention = SignedDuration::try_from(retention);
    // A retention beyond the calendar keeps everything.
    let Some(end) = retention.ok().and_then(|age| hour.checked_sub(age).ok()) else {
        return;
    };
    if is_due && flush.forget_before(end).await {
        *forgotten_at = Some(hour);
    }
}
