//! Rules for change feeds.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use super::expect::{commit, commit_of, expect_eq, find, get, insert, note, succeeded};
use super::fixture::{at, digest, id, inserting, key, key_of, revocation, rotation};
use super::rule::{Broken, Outcome};
use crate::record::change::KeyChange;
use crate::record::update::KeyUpdate;
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener};
use crate::store::contract::store::Store;
use crate::store::contract::usage::KeyUse;

/// Holds a store to the rules of [`ChangeFeed`].
///
/// `fresh` makes two handles of one empty store, such as two connections to one database: the
/// changes are made on the one and must be reported on the other. `wait` waits a little, such as
/// 10 ms; what a store does not report within 1,000 waits
/// counts as not reported.
///
/// # Panics
///
/// When the store breaks a rule; the message has the rule's name, what was expected and what was
/// found.
///
/// ```
/// use tower_api_key::MemoryStore;
/// use tower_api_key::testing::contract;
///
/// # futures::executor::block_on(async {
/// let fresh = async || {
///     let store = MemoryStore::new();
///     (store.clone(), store)
/// };
/// contract::check_feed(fresh, async || {}).await;
/// # });
/// ```
pub async fn check_feed<S: Store + ChangeFeed>(
    fresh: impl AsyncFn() -> (S, S),
    wait: impl AsyncFn(),
) {
    let (here, there) = fresh().await;
    let told = changes(&here, &there, &wait).await;
    hold(
        "feeding: every change is reported after a lookup returns it",
        told,
    );
    let (here, there) = fresh().await;
    let told = uses(&here, &there, &wait).await;
    hold("feeding: usage is not reported", told);
    let (here, there) = fresh().await;
    let told = proofs(&here, &there, &wait).await;
    hold(
        "feeding: no change is reported after the proof that it was",
        told,
    );
    let (here, there) = fresh().await;
    let told = listeners(&here, &there, &wait).await;
    hold(
        "feeding: each listener is called, for as long as it exists",
        told,
    );
}

fn hold(rule: &str, outcome: Outcome) {
    if let Err(broken) = outcome {
        broken.panic(rule);
    }
}

async fn changes<S: Store + ChangeFeed>(here: &S, there: &S, wait: &impl AsyncFn()) -> Outcome {
    let heard = Heard::of(there)?;
    heard.until_in_step(wait).await?;
    let mut told = heard.len();
    let mut record = key(1);
    insert(here, &record).await?;
    heard
        .until_told(told, FeedEvent::Added(id(1)), wait)
        .await?;
    let found = find(there, &digest(1)).await?.is_some();
    expect_eq("whether the reported key is found", &found, &true)?;
    for change in [
        KeyChange::Update(KeyUpdate::new().with_name("x")),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(2),
        revocation(1, "leaked"),
    ] {
        told = heard.len();
        let event = commit_of(&record, &change)?.event();
        record = commit(here, &record, &change).await?;
        heard.until_told(told, event, wait).await?;
        let found = find(there, &digest(1)).await?.map(|found| (*found).clone());
        expect_eq("the reported key", &found.as_ref(), &Some(&record))?;
    }
    told = heard.len();
    commit(here, &record, &KeyChange::Delete).await?;
    heard
        .until_told(told, FeedEvent::Changed(id(1)), wait)
        .await?;
    for gone in [1, 2] {
        let found = find(there, &digest(gone)).await?;
        expect_eq("a key that was deleted", &found, &None)?;
    }

    told = heard.len();
    let inserts = (10..50).map(|number| inserting(&key_of("acct_7", number)));
    for answer in here.insert_many(inserts.collect()).await {
        succeeded("one of many inserts", answer)?;
    }
    for number in 10..50 {
        heard
            .until_told(told, FeedEvent::Added(id(number)), wait)
            .await?;
    }
    // And the other way round.
    let back = Heard::of(here)?;
    back.until_in_step(wait).await?;
    told = back.len();
    commit(there, &key_of("acct_7", 10), &KeyChange::Disable).await?;
    back.until_told(told, FeedEvent::Changed(id(10)), wait)
        .await
}

async fn uses<S: Store + ChangeFeed>(here: &S, there: &S, wait: &impl AsyncFn()) -> Outcome {
    for number in [1, 2] {
        insert(here, &key(number)).await?;
    }
    let heard = Heard::of(there)?;
    heard.until_in_step(wait).await?;
    // What was reported of the inserts comes before this.
    let mut told = heard.len();
    let disabled = commit(here, &key(2), &KeyChange::Disable).await?;
    heard
        .until_told(told, FeedEvent::Changed(id(2)), wait)
        .await?;
    told = heard.len();
    note(here, &[KeyUse::new(id(1), 1, at(1))]).await?;
    commit(here, &disabled, &KeyChange::Enable).await?;
    heard
        .until_told(told, FeedEvent::Changed(id(2)), wait)
        .await?;
    let of_use = |event: &FeedEvent| matches!(event, FeedEvent::Added(key) | FeedEvent::Changed(key) if *key == id(1));
    let told = heard.since(told).into_iter().find(of_use);
    expect_eq("what was reported of a use", &told, &None)?;
    let last = get(there, id(1)).await?.and_then(|key| key.last_used_at());
    expect_eq("the last use", &last, &Some(at(1)))
}

async fn proofs<S: Store + ChangeFeed>(here: &S, there: &S, wait: &impl AsyncFn()) -> Outcome {
    let heard = Heard::of(there)?;
    heard.until_in_step(wait).await?;
    for number in 1..=3 {
        let told = heard.len();
        insert(here, &key(number)).await?;
        let committed = Instant::now();
        let proved = |event: &FeedEvent| match event {
            FeedEvent::InStep => true,
            FeedEvent::CaughtUp { as_of } => *as_of >= committed,
            _ => false,
        };
        // A feed that is in step has told of the change by now.
        if heard.last_standing() != Some(FeedEvent::InStep) {
            heard
                .until(told, "a proof that all was told", proved, wait)
                .await?;
        }
        let before_proof = heard.since(told).into_iter();
        let mut before_proof = before_proof.take_while(|event| !proved(event));
        let expected = FeedEvent::Added(id(number));
        let told = before_proof.any(|event| event == expected || event == FeedEvent::Reset);
        expect_eq("whether a change was told before the proof", &told, &true)?;
    }
    Ok(())
}

async fn listeners<S: Store + ChangeFeed>(here: &S, there: &S, wait: &impl AsyncFn()) -> Outcome {
    let (one, two, gone) = (Heard::of(there)?, Heard::of(there)?, Heard::of(there)?);
    for heard in [&one, &two] {
        heard.until_in_step(wait).await?;
    }
    let weak = Arc::downgrade(&gone);
    drop(gone);
    insert(here, &key(1)).await?;
    for heard in [&one, &two] {
        heard.until_told(0, FeedEvent::Added(id(1)), wait).await?;
    }
    expect_eq(
        "the holders of a dropped listener",
        &weak.strong_count(),
        &0,
    )
}

/// Everything that one listener was told.
#[derive(Default)]
struct Heard(Mutex<Vec<FeedEvent>>);

impl FeedListener for Heard {
    fn on_event(&self, event: FeedEvent) {
        self.events(|events| events.push(event));
    }
}

impl Heard {
    /// Listens, and expects to be told at once how the feed stands.
    fn of(feed: &impl ChangeFeed) -> Outcome<Arc<Self>> {
        let heard = Arc::new(Self::default());
        let listener: Arc<dyn FeedListener> = heard.clone();
        let listener: Weak<dyn FeedListener> = Arc::downgrade(&listener);
        feed.watch(listener);
        match heard.since(0).first() {
            Some(FeedEvent::Added(_) | FeedEvent::Changed(_)) | None => {
                let found = heard.since(0);
                let message = format!("expected how the feed stands at once, found {found:?}");
                Err(Broken::new(message))
            }
            Some(_) => Ok(heard),
        }
    }

    fn events<T>(&self, look: impl FnOnce(&mut Vec<FeedEvent>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.events(|events| events.len())
    }

    fn since(&self, from: usize) -> Vec<FeedEvent> {
        self.events(|events| events[from..].to_vec())
    }

    fn last_standing(&self) -> Option<FeedEvent> {
        let stands = |event: &FeedEvent| {
            matches!(
                event,
                FeedEvent::InStep | FeedEvent::CaughtUp { .. } | FeedEvent::Lost
            )
        };
        self.since(0).into_iter().rfind(stands)
    }

    async fn until_in_step(&self, wait: &impl AsyncFn()) -> Outcome {
        for _ in 0..WAITS {
            let standing = self.last_standing();
            if matches!(
                standing,
                Some(FeedEvent::InStep | FeedEvent::CaughtUp { .. })
            ) {
                return Ok(());
            }
            wait().await;
        }
        let found = self.since(0);
        Err(Broken::new(format!(
            "expected a feed in step, found {found:?}"
        )))
    }

    /// Waits until the event, or a reset in its place, was told after the first `from` events.
    async fn until_told(&self, from: usize, event: FeedEvent, wait: &impl AsyncFn()) -> Outcome {
        let told = |other: &FeedEvent| *other == event || *other == FeedEvent::Reset;
        self.until(from, &format!("{event:?}"), told, wait).await
    }

    async fn until(
        &self,
        from: usize,
        what: &str,
        matches: impl Fn(&FeedEvent) -> bool,
        wait: &impl AsyncFn(),
    ) -> Outcome {
        for _ in 0..WAITS {
            if self.since(from).iter().any(&matches) {
                return Ok(());
            }
            wait().await;
        }
        let found = self.since(from);
        Err(Broken::new(format!(
            "expected to be told {what}, found {found:?}"
        )))
    }
}

/// How often the feed is waited for.
const WAITS: usize = 1_000;
