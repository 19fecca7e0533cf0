//! Collecting counts and writing them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::monitor::UsageMonitor;
use super::observer::UsageEvent;
use super::options::UsageFlusherOptions;
use super::pending::{Pending, requests};
use super::stats::FlusherStats;
use crate::store::backoff::Backoff;
use crate::store::contain::{Panicked, contain, contain_future};
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::usage::UsageStore;
use crate::store::contract::usage::{SECONDS_PER_HOUR, start_of_hour};

/// What the tasks of a flusher share.
pub(super) struct Flush {
    monitor: UsageMonitor,
    store: Arc<dyn UsageStore>,
    pub(super) options: UsageFlusherOptions,
    pending: Mutex<Pending>,
    /// Whoever writes holds this: a batch is confirmed before the next one is written.
    writing: tokio::sync::Mutex<()>,
    /// Wakes the writer before its time.
    half_full: Notify,
    trouble: Mutex<Option<StoreError>>,
    written_batches: AtomicU64,
    written_requests: AtomicU64,
    failures: AtomicU64,
    dropped_told: AtomicU64,
}

/// How often counts are collected, if the interval is not shorter: how exact their times are.
const PRECISION: Duration = Duration::from_secs(1);

impl Flush {
    pub(super) fn new(
        monitor: UsageMonitor,
        store: Arc<dyn UsageStore>,
        options: UsageFlusherOptions,
        writer: [u8; 16],
    ) -> Self {
        Self {
            dropped_told: AtomicU64::new(monitor.stats().dropped()),
            monitor,
            store,
            options,
            pending: Mutex::new(Pending::new(writer)),
            writing: tokio::sync::Mutex::default(),
            half_full: Notify::new(),
            trouble: Mutex::default(),
            written_batches: AtomicU64::new(0),
            written_requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// How long until counts are to be collected: at each full hour, and often in between.
    pub(super) fn until_collection(&self) -> Duration {
        let now = self.options.clock.now();
        let hour = SignedDuration::from_secs(SECONDS_PER_HOUR);
        let rest = hour - now.duration_since(start_of_hour(now));
        let rest = rest.try_into().unwrap_or(PRECISION);
        PRECISION.min(self.options.interval).min(rest)
    }

    /// Collects what was counted.
    pub(super) fn collect(&self) {
        let room = self.options.max_waiting;
        let mut pending = self.pending();
        let at = pending.date(self.options.clock.now());
        let uses = self.monitor.drain(at).into_iter();
        let left_out = uses.filter_map(|one| pending.add(one, room).err());
        let dropped: u64 = left_out.map(|one| requests(&one)).sum();
        let waiting = pending.waiting();
        drop(pending);
        if waiting >= room.div_ceil(2) {
            self.half_full.notify_one();
        }
        self.monitor.note_dropped(dropped);
        self.tell_of_dropped();
    }

    /// Ends when so many sums wait that they should be written before their time.
    pub(super) async fn is_half_full(&self) {
        self.half_full.notified().await;
    }

    /// Writes all that waits, however often that has to be tried.
    pub(super) async fn write_all(&self) {
        let mut backoff = Backoff::new(self.options.interval.min(FIRST_WAIT), LONGEST_WAIT);
        loop {
            match self.write_batch().await {
                Ok(true) => backoff.reset(),
                Ok(false) => return,
                Err(_) => sleep(backoff.wait()).await,
            }
        }
    }

    /// Writes one batch; `false` when there is none.
    pub(super) async fn write_batch(&self) -> Result<bool, StoreError> {
        let _one_at_a_time = self.writing.lock().await;
        let Some(batch) = self.pending().batch(self.options.max_batch) else {
            return Ok(false);
        };
        let write = contain(|| self.store.record_usage(&batch)).map(contain_future);
        match self.bound(write).await {
            Ok(()) => {
                self.pending().confirm();
                let requests = batch.uses().iter().map(requests).sum();
                self.written_batches.fetch_add(1, Relaxed);
                self.written_requests.fetch_add(requests, Relaxed);
                if self.trouble().take().is_some() {
                    self.tell(&UsageEvent::WriteRestored);
                }
                Ok(true)
            }
            Err(failure) => {
                self.failures.fetch_add(1, Relaxed);
                *self.trouble() = Some(failure.clone());
                let waiting = self.pending().waiting();
                let event = UsageEvent::WriteFailed {
                    failure: failure.clone(),
                    waiting,
                };
                self.tell(&event);
                Err(failure)
            }
        }
    }

    /// Lets the store forget what is too old; whether it did.
    pub(super) async fn forget_before(&self, end: Timestamp) -> bool {
        let forget = contain(|| self.store.prune_usage_before(end)).map(contain_future);
        match self.bound(forget).await {
            Ok(_) => true,
            Err(failure) => {
                self.tell(&UsageEvent::ForgetFailed { failure });
                false
            }
        }
    }

    /// The error that the last write ended in, unless it succeeded.
    pub(super) fn last_failure(&self) -> Option<StoreError> {
        self.trouble().clone()
    }

    /// How many counted requests wait to be written.
    pub(super) fn waiting_requests(&self) -> u64 {
        self.pending().requests()
    }

    pub(super) fn stats(&self) -> FlusherStats {
        FlusherStats {
            waiting: self.pending().waiting(),
            batches: self.written_batches.load(Relaxed),
            requests: self.written_requests.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }

    /// Awaits a call that has begun, up to the deadline.
    async fn bound<T, F>(&self, call: Result<F, Panicked>) -> Result<T, StoreError>
    where
        F: Future<Output = Result<Result<T, StoreError>, Panicked>>,
    {
        let deadline = self.options.write_deadline;
        let panicked = |_| StoreError::new(StoreErrorKind::Unavailable, "the store panicked");
        if let Ok(answer) = timeout(deadline, call.map_err(panicked)?).await {
            return answer.map_err(panicked)?;
        }
        let message = format!("expected an answer within {deadline:?}, found none");
        Err(StoreError::new(StoreErrorKind::TimedOut, message))
    }

    fn tell_of_dropped(&self) {
        let dropped = self.monitor.stats().dropped();
        let told = self.dropped_told.fetch_max(dropped, Relaxed);
        if let Some(requests @ 1..) = dropped.checked_sub(told) {
            self.tell(&UsageEvent::Dropped { requests });
        }
    }

    /// No lock is held here that the observer could wait for.
    fn tell(&self, event: &UsageEvent) {
        let _ = contain(|| self.options.observer.event(event));
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        // OK after a panic: nothing under the lock panics half-way.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Before a write that failed is tried again for the first time, unless the interval is shorter.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait before a write is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
