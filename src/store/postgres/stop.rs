//! The end of a store's tasks.

use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::sync::watch;

/// Tells a task when its store is gone.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<()>);

/// Its drop is the signal.
pub(super) struct Alive(#[expect(dead_code, reason = "it is only dropped")] watch::Sender<()>);

impl Stop {
    pub(super) fn new() -> (Alive, Self) {
        let (alive, stop) = watch::channel(());
        (Alive(alive), Self(stop))
    }

    /// The future's output; `None` when the store is gone before.
    pub(super) async fn or<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!(self.0.changed())).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}
