//! How long to wait before a write is tried again.

use std::time::Duration;

use crate::key::random;

/// Waits that double, from a second or the interval to 30 seconds.
pub(super) struct Backoff {
    least: Duration,
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const GREATEST: Duration = Duration::from_secs(30);

    pub(super) fn new(interval: Duration) -> Self {
        let least = interval.min(Self::FIRST);
        Self { least, next: least }
    }

    /// The next wait begins at the least again.
    pub(super) fn reset(&mut self) {
        self.next = self.least;
    }

    /// The next wait: between half of it and all of it, so that processes which lost one store do
    /// not come back at one instant.
    pub(super) fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(Self::GREATEST);
        let mut octets = [0; 2];
        // Without randomness, the waits are only less spread.
        let _ = random::fill(&mut octets);
        let share = f64::from(u16::from_be_bytes(octets)) / f64::from(u16::MAX);
        whole / 2 + (whole / 2).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_greatest() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        for _ in 0..2 {
            for whole in [1, 2, 4, 8, 16, 30, 30] {
                let wait = backoff.wait();
                let whole = Duration::from_secs(whole);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            backoff.reset();
        }
        let interval = Duration::from_millis(20);
        assert!(Backoff::new(interval).wait() <= interval);
    }
}
