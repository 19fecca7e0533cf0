//! Threads that work on connections of their own, one job after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::link::{Link, Place};
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Threads with a bounded queue of jobs.
///
/// When it is dropped, jobs that were taken on are done, except those that are too late, and then
/// the threads end.
pub(crate) struct Worker {
    /// There until it is dropped.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    place: Arc<Place>,
}

/// One piece of work on a connection.
pub(crate) type Job = Box<dyn FnOnce(&mut Link) + Send>;

impl Worker {
    /// A worker of which no thread runs yet, and where its threads find their jobs.
    pub(crate) fn new(place: Arc<Place>) -> (Self, Receiver<Job>) {
        let (sender, jobs) = sync_channel(place.options.queue);
        let worker = Self {
            jobs: Some(sender),
            threads: Vec::new(),
            place,
        };
        (worker, jobs)
    }

    /// A worker with one thread for each of these connections.
    pub(crate) fn of_readers(place: Arc<Place>, links: Vec<Link>) -> Result<Self, StoreError> {
        let (mut worker, jobs) = Self::new(place);
        let jobs = Arc::new(Mutex::new(jobs));
        for mut link in links {
            let jobs = jobs.clone();
            let thread = worker.spawn("api-keys-read", move || {
                while let Some(job) = next(&jobs) {
                    run(job, &mut link);
                }
            })?;
            worker.end_with(thread);
        }
        Ok(worker)
    }

    /// Starts a thread.
    pub(crate) fn spawn(
        &self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, StoreError> {
        let builder = thread::Builder::new().name(name.to_owned());
        builder.spawn(body).map_err(|error| {
            let message = self.message("a thread cannot be started for");
            StoreError::new(StoreErrorKind::Unavailable, message).with_source(error)
        })
    }

    /// Waits for this thread to end when the worker is dropped.
    pub(crate) fn end_with(&mut self, thread: JoinHandle<()>) {
        self.threads.push(thread);
    }

    /// Does a piece of work, and waits for the answer. Once it is queued, it is done even if nobody
    /// waits any more, unless its turn comes after the deadline.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Link) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(work, false).await
    }

    /// Does a piece of work if somebody still waits for it when its turn comes.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Link) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(work, true).await
    }

    /// Waits for an answer, no longer than the deadline.
    pub(crate) async fn wait<T>(
        &self,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.place.options.deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                self.message("a panic interrupted a call of"),
            )),
            Err(_) => Err(self.place.late()),
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Link) -> Result<T, StoreError> + Send + 'static,
        only_if_awaited: bool,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let place = self.place.clone();
        // Before the wait begins: nothing begins once the caller was told that it timed out.
        let until = Instant::now() + place.options.deadline;
        self.queue(Box::new(move |link| {
            if only_if_awaited && sender.is_closed() {
                return;
            }
            let done = if Instant::now() < until {
                link.work_until(until, work)
            } else {
                Err(place.late())
            };
            // Nobody may wait any more, which is no concern of the work.
            let _ = sender.send(done);
        }))?;
        self.wait(answer).await
    }

    fn queue(&self, job: Job) -> Result<(), StoreError> {
        let Some(jobs) = &self.jobs else {
            return Err(self.ended());
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::new(
                StoreErrorKind::Overloaded,
                self.message(&format!(
                    "{} calls are waiting, the most allowed, for",
                    self.place.options.queue
                )),
            ),
            TrySendError::Disconnected(_) => self.ended(),
        })
    }

    fn ended(&self) -> StoreError {
        let message = self.message("the thread has ended for");
        StoreError::new(StoreErrorKind::Unavailable, message)
    }

    fn message(&self, what: &str) -> String {
        format!("{what} the database {}", self.place.path.display())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A listener of the store may hold its last clone; then the thread ends by itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Runs a job; a panic in it ends neither the thread nor other jobs.
///
/// Unwind safety can be asserted because a transaction that a panic interrupts is rolled back.
pub(crate) fn run(job: Job, link: &mut Link) {
    let _ = catch_unwind(AssertUnwindSafe(|| job(link)));
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}
