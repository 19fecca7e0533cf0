//! Waits between attempts to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// No wait before the first attempt, and then waits that double, each with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
    connected_at: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            next: Duration::ZERO,
            connected_at: None,
        }
    }

    /// Waits until the next attempt may be made.
    pub(super) async fn wait(&mut self) {
        // A connection that breaks at once is no better than none.
        let held = self.connected_at.take();
        if held.is_some_and(|since| since.elapsed() >= self.most) {
            self.next = Duration::ZERO;
        }
        sleep(jittered(self.next)).await;
        self.next = (self.next * 2).clamp(self.least, self.most);
    }

    /// Notes that the attempt succeeded.
    pub(super) fn connected(&mut self) {
        self.connected_at = Some(Instant::now());
    }
}

/// Between half of the wait and all of it, so that clients which lost their server at the same
/// time come back one by one.
fn jittered(wait: Duration) -> Duration {
    // The standard library's only source of randomness; it protects nothing here.
    let random = RandomState::new().hash_one(wait) % 1_024;
    wait / 2 + wait / 2 * u32::try_from(random).unwrap_or(0) / 1_024
}
