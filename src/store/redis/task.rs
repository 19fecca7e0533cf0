//! A background task that ends with its owner.

use tokio::task::JoinHandle;

/// A background task, which is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
