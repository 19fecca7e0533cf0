//! Some nodes, each with a cache, before one store: what happens to them, and what they answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio::time::{sleep, timeout};
use tower_api_key::store::{CacheOptions, CachedStore, StoreErrorKind};
use tower_api_key::testing::{Fault, FaultyStore};
use tower_api_key::{ApiKeyLayer, KeyManager, MemoryStore};

use super::kit::{SECOND, options};
use super::link::{Dice, Link, Way};
use super::truth::Truth;
use crate::scenarios::kit::{new_key, status};

/// One seed's world.
pub(crate) struct World {
    dice: Arc<Dice>,
    store: FaultyStore<MemoryStore>,
    nodes: Vec<Node>,
    pub(crate) truth: Arc<Truth>,
    answers: Mutex<Vec<Answer>>,
}

struct Node {
    link: Arc<Link>,
    layer: ApiKeyLayer,
    keys: KeyManager<CachedStore<Arc<Link>>>,
    bounds: Bounds,
}

/// For how long a node may answer as if a change had not been made.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Whatever the network does.
    pub(crate) always: Duration,
    /// While it works.
    pub(crate) in_touch: Duration,
}

/// An answer, when its request began and ended, and what of.
pub(crate) struct Answer {
    pub(crate) key: usize,
    pub(crate) status: StatusCode,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) bounds: Bounds,
}

const TIME_TO_LIVE: Duration = Duration::from_secs(5);
const FALLBACK: Duration = Duration::from_secs(2);
const MAX_AGE: Duration = Duration::from_secs(8);

/// How soon a change is told while the network works.
const TOLD_WITHIN: Duration = Duration::from_millis(100);

impl World {
    /// Three nodes: one like most, one that answers with stale records, and one that hears of no
    /// changes. What goes on is determined by the seed,
    /// but for the jitter of the caches.
    pub(crate) async fn new(seed: u64) -> Arc<Self> {
        let memory = MemoryStore::new();
        let truth = Truth::of(&memory);
        let store = FaultyStore::new(memory, seed)
            .with_lookup_fault(Fault::Error(StoreErrorKind::Unavailable), 5)
            .with_lookup_fault(Fault::Delay(SECOND * 7 / 10), 5)
            .with_lookup_fault(Fault::Hang, 3)
            .with_change_fault(Fault::Error(StoreErrorKind::Unavailable), 5)
            .with_change_fault(Fault::LostAnswer, 10);
        let dice = Arc::new(Dice::new(seed));
        let in_touch = TOLD_WITHIN;
        let bounds = [FALLBACK, MAX_AGE].map(|always| Bounds { always, in_touch });
        let deaf = Bounds {
            always: TIME_TO_LIVE,
            in_touch: TIME_TO_LIVE,
        };
        let node = |options, bounds: Bounds| {
            let link = Link::new(store.clone(), dice.clone());
            let is_deaf = bounds.in_touch == TIME_TO_LIVE;
            let make = if is_deaf {
                CachedStore::new
            } else {
                CachedStore::watching
            };
            let cached = make(link.clone(), options).unwrap();
            let (layer, keys) = (ApiKeyLayer::new(cached.clone()), KeyManager::new(cached));
            Node {
                link,
                layer,
                keys,
                bounds,
            }
        };
        let nodes = vec![
            node(short(), bounds[0]),
            node(short().with_stale_if_error(MAX_AGE), bounds[1]),
            node(short(), deaf),
        ];
        let world = Arc::new(Self {
            dice,
            store,
            nodes,
            truth,
            answers: Mutex::default(),
        });
        world.truth.add_unknown(format!("tc_{}", "0".repeat(64)));
        world.store.set_failing(false);
        for _ in 0..4 {
            world.issue(0).await;
        }
        world
    }

    /// Lets clients send and administrators change keys, for ever.
    pub(crate) fn live(self: &Arc<Self>) {
        for node in 0..self.nodes.len() {
            let world = self.clone();
            tokio::spawn(async move {
                loop {
                    sleep(world.dice.time(300)).await;
                    let world = world.clone();
                    tokio::spawn(async move { world.send(node).await });
                }
            });
        }
        let world = self.clone();
        tokio::spawn(async move {
            loop {
                sleep(world.dice.time(1_000)).await;
                let _ = timeout(SECOND, world.change()).await;
            }
        });
    }

    /// Strikes links at random for so long, and repairs them all.
    pub(crate) async fn rage(&self, time: Duration) {
        let end = self.truth.elapsed() + time;
        self.store.set_failing(true);
        while self.truth.elapsed() < end {
            let ways = [Way::Open, Way::Open, Way::Held, Way::Cut, Way::Silent];
            let way = ways[self.choose(ways.len())];
            self.nodes[self.choose(self.nodes.len())].link.set(way);
            sleep(self.dice.time(2_000)).await;
        }
        self.store.set_failing(false);
        for node in &self.nodes {
            node.link.set(Way::Open);
        }
    }

    /// The answers since the last time.
    pub(crate) fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }

    /// One of the keys of late, or the unknown one.
    fn choose_key(&self) -> usize {
        let count = self.truth.count();
        match self.choose(12) {
            0 => 0,
            _ => count - 1 - self.choose(count.min(6)),
        }
    }

    async fn send(&self, node: usize) {
        let node = &self.nodes[node];
        let key = self.choose_key();
        let began = self.truth.elapsed();
        let status = status(&node.layer, &self.truth.key(key).1).await;
        self.answers.lock().unwrap().push(Answer {
            key,
            status,
            began,
            ended: self.truth.elapsed(),
            bounds: node.bounds,
        });
    }

    /// Changes a key through one of the nodes. It may fail, and be made all the same.
    async fn change(&self) {
        let node = self.choose(self.nodes.len());
        let keys = &self.nodes[node].keys;
        let (id, _) = self.truth.key(self.choose_key());
        let asked = self.truth.elapsed();
        match self.choose(10) {
            0 | 1 => self.issue(node).await,
            2 | 3 => drop(keys.disable(&id).await),
            4 | 5 => drop(keys.enable(&id).await),
            6 => drop(keys.revoke(&id, "leaked").await),
            7 => drop(keys.delete(&id).await),
            _ => {
                if let Ok(fresh) = keys.rotate(&id, Duration::ZERO).await {
                    self.truth.add(&fresh, asked);
                }
            }
        }
    }

    async fn issue(&self, node: usize) {
        let asked = self.truth.elapsed();
        if let Ok(fresh) = self.nodes[node].keys.issue(new_key()).await {
            self.truth.add(&fresh, asked);
        }
    }

    fn choose(&self, count: usize) -> usize {
        usize::try_from(self.dice.below(count as u64)).unwrap()
    }
}

/// Shorter times than the defaults, so that more of them pass.
fn short() -> CacheOptions {
    options()
        .with_time_to_live(TIME_TO_LIVE)
        .with_negative_time_to_live(FALLBACK)
        .with_fallback_time_to_live(FALLBACK)
        .with_look_up_deadline(SECOND)
}
