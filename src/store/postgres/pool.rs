//! A few connections that are kept up.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::connector::{Connector, Driver, PATIENCE};
use super::link::Link;
use super::options::PostgresOptions;
use super::schema::Schema;
use super::stop::Stop;
use crate::store::backoff::Backoff;
use crate::store::contract::error::StoreError;

/// A few connections, each kept up by a task.
pub(super) struct Pool {
    states: Arc<watch::Sender<Vec<State>>>,
    next: AtomicUsize,
}

#[derive(Clone)]
enum State {
    /// It soon is up or down.
    Connecting,
    Up(Arc<Link>),
    /// The last try to connect failed.
    Down(StoreError),
}

impl Pool {
    /// Starts the tasks, which end when `stop` says so.
    pub(super) fn start(
        size: usize,
        connector: &Arc<Connector>,
        schema: &Arc<Schema>,
        options: &PostgresOptions,
        stop: &Stop,
    ) -> Self {
        let states = Arc::new(watch::Sender::new(vec![State::Connecting; size]));
        for index in 0..size {
            let keeper = Keeper {
                index,
                states: states.clone(),
                connector: connector.clone(),
                schema: schema.clone(),
                backoff: Backoff::new(options.least_backoff, options.greatest_backoff),
                deadline: options.deadline,
            };
            tokio::spawn(keeper.run(stop.clone()));
        }
        Self {
            states,
            next: AtomicUsize::new(0),
        }
    }

    /// A connection that is up.
    ///
    /// Waits while one may soon be; fails at once while none can be made.
    pub(super) async fn link(&self) -> Result<Arc<Link>, StoreError> {
        let from = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(found) = pick(&self.states.borrow(), from) {
            return found;
        }
        let mut states = self.states.subscribe();
        loop {
            if let Some(found) = pick(&states.borrow_and_update(), from) {
                return found;
            }
            // OK to ignore: the sender is `self`'s.
            let _ = states.changed().await;
        }
    }

    /// How many connections there may be.
    pub(super) fn size(&self) -> usize {
        self.states.borrow().len()
    }

    /// How many connections are up.
    pub(super) fn up(&self) -> usize {
        let states = self.states.borrow();
        let up = states.iter().filter(|state| matches!(state, State::Up(_)));
        up.count()
    }
}

fn pick(states: &[State], from: usize) -> Option<Result<Arc<Link>, StoreError>> {
    let mut failure = None;
    let mut soon = false;
    for step in 0..states.len() {
        match &states[from.wrapping_add(step) % states.len()] {
            State::Up(link) if link.is_open() => return Some(Ok(link.clone())),
            // Its keeper has yet to notice that one is lost.
            State::Up(_) | State::Connecting => soon = true,
            State::Down(error) => failure = Some(error.clone()),
        }
    }
    if soon { None } else { failure.map(Err) }
}

/// Keeps one connection up.
struct Keeper {
    index: usize,
    states: Arc<watch::Sender<Vec<State>>>,
    connector: Arc<Connector>,
    schema: Arc<Schema>,
    backoff: Backoff,
    deadline: Duration,
}

impl Keeper {
    async fn run(mut self, mut stop: Stop) {
        loop {
            let Some(opened) = stop.or(self.connect()).await else {
                return;
            };
            match opened {
                Ok((link, mut driver)) => {
                    self.backoff.reset();
                    self.publish(State::Up(link.clone()));
                    let over = stop.or(over(&link, &mut driver, self.deadline)).await;
                    self.publish(State::Connecting);
                    if over.is_none() {
                        // What was sent is still finished.
                        drop(link);
                        let _ = timeout(self.deadline, driver.ended()).await;
                        return;
                    }
                }
                Err(error) => self.publish(State::Down(error)),
            }
            if stop.or(sleep(self.backoff.wait())).await.is_none() {
                return;
            }
        }
    }

    async fn connect(&self) -> Result<(Arc<Link>, Driver), StoreError> {
        let address = self.connector.address();
        let (client, driver) = self.connector.open(|_| {}).await?;
        let link = Arc::new(Link::new(client, address.clone(), self.schema.clone()));
        match timeout(PATIENCE, link.prepare_session(self.deadline)).await {
            Ok(Ok(())) => Ok((link, driver)),
            Ok(Err(fault)) => Err(fault.into_store_error(address)),
            Err(_) => Err(self.connector.late()),
        }
    }

    fn publish(&self, state: State) {
        self.states.send_modify(|states| states[self.index] = state);
    }
}

async fn over(link: &Link, driver: &mut Driver, deadline: Duration) {
    let ended = pin!(driver.ended());
    select(ended, pin!(link.worn_out(deadline))).await;
}
