//! Times of look-ups.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use tower_api_key::key::KeyDigest;

use crate::keys::{digest, numbers};

/// How many look-ups are under way at once when the rate is measured.
const IN_FLIGHT: usize = 32;

/// How often raw and ours take turns, so that a disturbance meets both.
const TURNS: usize = 10;

/// A way to look a digest up; it panics when the key is not found.
pub(crate) trait LookUp {
    fn look_up(&self, digest: KeyDigest) -> impl Future<Output = ()> + Send;
}

/// Medians of one look-up at a time, and look-ups a second with 32 under way.
pub(crate) struct Figures {
    pub(crate) p50: Duration,
    pub(crate) per_second: f64,
}

/// The figures of both, taken in turns.
pub(crate) async fn compare(
    raw: &impl LookUp,
    ours: &impl LookUp,
    keys: usize,
    look_ups: usize,
) -> [Figures; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        let count = look_ups / TURNS;
        let sample: Vec<_> = numbers(keys, look_ups)
            .skip(turn * count)
            .take(count)
            .map(digest)
            .collect();
        for digest in &sample {
            times[0].push(timed(raw, *digest).await);
            times[1].push(timed(ours, *digest).await);
        }
        rates[0].push(rate(raw, &sample).await);
        rates[1].push(rate(ours, &sample).await);
    }
    let [mut raw_rates, mut our_rates] = rates;
    let [raw_times, our_times] = times;
    [
        Figures {
            p50: median(raw_times),
            per_second: middle(&mut raw_rates),
        },
        Figures {
            p50: median(our_times),
            per_second: middle(&mut our_rates),
        },
    ]
}

async fn timed(way: &impl LookUp, digest: KeyDigest) -> Duration {
    let begun = Instant::now();
    way.look_up(digest).await;
    begun.elapsed()
}

async fn rate(way: &impl LookUp, sample: &[KeyDigest]) -> f64 {
    let begun = Instant::now();
    stream::iter(sample)
        .for_each_concurrent(IN_FLIGHT, |digest| way.look_up(*digest))
        .await;
    sample.len() as f64 / begun.elapsed().as_secs_f64()
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn middle(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}
