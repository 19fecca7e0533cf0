//! Containing the panics of code that is the user's: a store, a policy, an observer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use crate::denial::{Denial, DenialKind};

/// A call panicked. With `panic = "abort"` the process ends instead, which allows nobody either.
pub(crate) struct Panicked;

impl From<Panicked> for Denial {
    fn from(Panicked: Panicked) -> Self {
        Self::new(DenialKind::Panicked)
    }
}

/// Runs `call`, and stops a panic in it.
///
/// Unwind safety can be asserted because nothing of the call is used after a panic, and code
/// that shares state with other requests answers for that itself.
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Panicked)
}

/// Polls a future to its end, and stops a panic in it. It is not polled after a panic.
pub(crate) async fn contain_future<F: Future + ?Sized>(
    mut future: Pin<Box<F>>,
) -> Result<F::Output, Panicked> {
    poll_fn(|context| match contain(|| future.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => std::task::Poll::Ready(Err(panicked)),
    })
    .await
}
