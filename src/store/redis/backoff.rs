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
        self.next = self.next.saturating_mul(2).clamp(self.least, self.most);
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
    wait / 2 + wait / 2_048 * u32::try_from(random).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_with_jitter() {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(5));
        let mut backoff = Backoff::new(least, most);
        for whole in [0, 1, 2, 4, 5, 5] {
            let began = Instant::now();
            backoff.wait().await;
            let (waited, whole) = (began.elapsed(), Duration::from_secs(whole));
            assert!(waited >= whole / 2 && waited <= whole + Duration::from_millis(1));
        }
        // A connection that broke at once changes nothing; one that held starts anew.
        backoff.connected();
        let began = Instant::now();
        backoff.wait().await;
        assert!(began.elapsed() >= most / 2);
        backoff.connected();
        tokio::time::advance(most).await;
        let began = Instant::now();
        backoff.wait().await;
        assert!(began.elapsed() <= Duration::from_millis(1));
    }

    #[test]
    fn no_wait_is_too_long() {
        assert!(jittered(Duration::MAX) >= Duration::MAX / 2);
    }
}
