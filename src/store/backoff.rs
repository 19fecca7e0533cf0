//! How long to wait before the next try.

use std::time::Duration;

use crate::key::random;

/// Waits that double from a least to a greatest.
pub(crate) struct Backoff {
    least: Duration,
    greatest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(least: Duration, greatest: Duration) -> Self {
        Self {
            least,
            greatest,
            next: least,
        }
    }

    /// The next wait begins at the least again.
    pub(crate) fn reset(&mut self) {
        self.next = self.least;
    }

    /// The next wait: between half of it and all of it, so that many machines that lost one server
    /// do not come back at one instant.
    pub(crate) fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.greatest);
        whole / 2 + (whole / 2).mul_f64(share())
    }
}

/// A random number from 0 to 1.
fn share() -> f64 {
    let mut octets = [0; 2];
    // Without randomness, the wait is only less spread.
    let _ = random::fill(&mut octets);
    f64::from(u16::from_be_bytes(octets)) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_greatest() {
        let milliseconds = Duration::from_millis;
        let mut backoff = Backoff::new(milliseconds(50), milliseconds(300));
        for round in 0..2 {
            for whole in [50, 100, 200, 300, 300] {
                let wait = backoff.wait();
                let bounds = milliseconds(whole / 2)..=milliseconds(whole);
                assert!(bounds.contains(&wait), "{round}: {wait:?} of {whole}");
            }
            backoff.reset();
        }
    }
}
