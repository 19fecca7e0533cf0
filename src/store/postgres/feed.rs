//! Hears of changes that any process made, and proves that it has heard of all.

use std::pin::pin;
use std::sync::{Arc, Once, Weak};
use std::time::Duration;

use futures_util::future::select;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;

use super::connector::Connector;
use super::options::PostgresOptions;
use super::payload;
use super::schema::Schema;
use super::stop::Stop;
use crate::key::random;
use crate::store::backoff::Backoff;
use crate::store::contract::feed::{FeedEvent, FeedListener, Listeners};

/// The feed of one store.
///
/// PostgreSQL delivers notifications in the order in which their transactions were committed. So
/// the feed notifies itself, and once it hears that, it has heard of everything that was committed
/// before.
pub(super) struct Feed {
    listeners: Arc<Listeners>,
    runtime: Handle,
    started: Once,
    follower: Follower,
    stop: Stop,
}

#[derive(Clone)]
struct Follower {
    listeners: Arc<Listeners>,
    connector: Arc<Connector>,
    changes: String,
    own: String,
    proof_interval: Duration,
    deadline: Duration,
    backoff: (Duration, Duration),
}

impl Feed {
    pub(super) fn new(
        connector: Arc<Connector>,
        schema: &Schema,
        options: &PostgresOptions,
        stop: Stop,
    ) -> Self {
        let listeners = Arc::new(Listeners::new(FeedEvent::Lost));
        Self {
            listeners: listeners.clone(),
            runtime: Handle::current(),
            started: Once::new(),
            follower: Follower {
                listeners,
                connector,
                changes: schema.name("changes"),
                own: schema.name(&format!("proof_{}", own_name())),
                proof_interval: options.proof_interval,
                deadline: options.deadline,
                backoff: (options.least_backoff, options.greatest_backoff),
            },
            stop,
        }
    }

    /// Adds a listener; with the first, the feed connects.
    pub(super) fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.listeners.add(listener);
        self.started.call_once(|| {
            let follower = self.follower.clone();
            self.runtime.spawn(follower.run(self.stop.clone()));
        });
    }

    /// Tells of a change that this store has made. It comes back as a notification; telling it now
    /// too leaves no moment in which this process does not know what it did.
    pub(super) fn tell(&self, event: FeedEvent) {
        self.listeners.tell(event);
    }
}

/// Tells apart the feeds that notify themselves.
fn own_name() -> String {
    let mut bytes = [0; 8];
    // Two feeds of one name would only take each other's proofs for numbers out of order.
    let _ = random::fill(&mut bytes);
    hex::encode(bytes)
}

impl Follower {
    async fn run(self, mut stop: Stop) {
        let mut backoff = Backoff::new(self.backoff.0, self.backoff.1);
        while stop.or(self.follow(&mut backoff)).await.is_some() {
            if stop.or(sleep(backoff.wait())).await.is_none() {
                return;
            }
        }
    }

    /// Follows the changes for as long as one connection lasts.
    async fn follow(&self, backoff: &mut Backoff) {
        let (told, mut heard) = watch::channel(0);
        let (listeners, own) = (self.listeners.clone(), self.own.clone());
        let opened = self.connector.open(move |notification| {
            if notification.channel() == own {
                told.send_replace(notification.payload().parse().unwrap_or(0));
            } else {
                listeners.tell(payload::read(notification.payload()));
            }
        });
        let Ok((client, mut driver)) = opened.await else {
            return;
        };
        let listen = format!("LISTEN {}; LISTEN {}", self.changes, self.own);
        let listening = timeout(self.deadline, client.batch_execute(&listen)).await;
        if !matches!(listening, Ok(Ok(()))) {
            return;
        }
        backoff.reset();
        self.listeners.tell(FeedEvent::Reset);
        {
            let proving = pin!(self.prove(&client, &mut heard));
            select(proving, pin!(driver.ended())).await;
        }
        drop(driver);
        self.listeners.tell(FeedEvent::Lost);
    }

    /// Proves again and again that everything was heard, until that fails.
    async fn prove(&self, client: &Client, heard: &mut watch::Receiver<u64>) {
        for number in 1.. {
            let as_of = Instant::now().into_std();
            let proof = async {
                let notify = format!("NOTIFY {}, '{number}'", self.own);
                client.batch_execute(&notify).await.ok()?;
                heard
                    .wait_for(|heard| *heard == number)
                    .await
                    .ok()
                    .map(drop)
            };
            if !matches!(timeout(self.deadline, proof).await, Ok(Some(()))) {
                return;
            }
            self.listeners.tell(FeedEvent::CaughtUp { as_of });
            sleep(self.proof_interval).await;
        }
    }
}
