//! Which keys were valid when, as the store itself has it.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;
use tower_api_key::record::KeyId;
use tower_api_key::store::{ChangeFeed, FeedEvent, FeedListener};
use tower_api_key::{IssuedKey, MemoryStore, Verifier};

/// Hears of every change as it is committed, whoever made it.
pub(crate) struct Truth {
    verifier: Verifier,
    began: Instant,
    keys: Mutex<Vec<History>>,
}

struct History {
    id: KeyId,
    key: String,
    /// From when on it was valid, or was not.
    turns: Vec<(Duration, bool)>,
}

impl Truth {
    pub(crate) fn of(store: &MemoryStore) -> Arc<Self> {
        let truth = Arc::new(Self {
            verifier: Verifier::new(store.clone()),
            began: Instant::now(),
            keys: Mutex::default(),
        });
        let listener: Arc<dyn FeedListener> = truth.clone();
        store.watch(Arc::downgrade(&listener));
        truth
    }

    /// How much time has passed.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes a key into the books whose issue was asked for then.
    pub(crate) fn add(&self, fresh: &IssuedKey, asked: Duration) {
        let (id, key) = (fresh.record.id(), fresh.key.expose_secret().to_owned());
        let turns = vec![(Duration::ZERO, false), (asked, true)];
        let mut history = History { id, key, turns };
        self.note(&mut history);
        self.keys.lock().unwrap().push(history);
    }

    /// Takes a key into the books that nobody issued.
    pub(crate) fn add_unknown(&self, key: String) {
        let id = KeyId::from_bytes([0xee; KeyId::LEN]);
        let turns = vec![(Duration::ZERO, false)];
        self.keys.lock().unwrap().push(History { id, key, turns });
    }

    pub(crate) fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    pub(crate) fn key(&self, index: usize) -> (KeyId, String) {
        let keys = self.keys.lock().unwrap();
        (keys[index].id, keys[index].key.clone())
    }

    /// Whether a key was so at any time within these, of which the first counts as from then on.
    pub(crate) fn was(&self, index: usize, valid: bool, times: &RangeInclusive<Duration>) -> bool {
        let keys = self.keys.lock().unwrap();
        let turns = &keys[index].turns;
        let later = turns.partition_point(|(at, _)| at <= times.start());
        let within = turns[later..]
            .iter()
            .take_while(|(at, _)| at <= times.end());
        turns[later - 1].1 == valid || within.into_iter().any(|(_, is)| *is == valid)
    }

    fn note(&self, history: &mut History) {
        let verified = self.verifier.verify(&history.key).now_or_never();
        let valid = verified.expect("an answer from memory").is_ok();
        history.turns.push((self.elapsed(), valid));
    }
}

impl FeedListener for Truth {
    fn on_event(&self, event: FeedEvent) {
        if let FeedEvent::Added(id) | FeedEvent::Changed(id) = event {
            let mut keys = self.keys.lock().unwrap();
            for history in keys.iter_mut().filter(|history| history.id == id) {
                self.note(history);
            }
        }
    }
}
