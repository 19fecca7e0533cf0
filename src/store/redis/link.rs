//! The connection that calls go over, replaced when it breaks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Pipeline, PushKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::backoff::Backoff;
use super::error::Failure;
use super::options::RedisOptions;
use super::role;
use super::script::Script;
use super::target::Target;
use super::task::Task;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// One connection to Redis, shared by all calls, and replaced when it breaks or falls silent.
pub(super) struct Link {
    shared: Arc<Shared>,
    _keeper: Task,
}

struct Shared {
    target: Target,
    standing: watch::Sender<Standing>,
    permits: Semaphore,
    max_in_flight: usize,
    deadline: Duration,
    /// How long the server is believed to be alive and a primary until it is asked again.
    proof_interval: Duration,
    /// What the times of [`Live::heard_at`] count from.
    start: Instant,
    connections: AtomicU64,
}

/// How the link stands.
#[derive(Clone)]
enum Standing {
    Up(Live),
    /// The connection broke, and another is being made: calls wait for it.
    Reconnecting,
    /// No connection can be made: calls fail at once.
    Down(Failure),
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    number: u64,
    /// The microsecond of the last answer.
    heard_at: Arc<AtomicU64>,
}

/// Whether a call may be sent again, over a new connection, when its answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It may have been done, and must not be done twice.
    Never,
    /// Doing it twice is the same as doing it once.
    Once,
}

impl Link {
    /// Makes the first connection.
    pub(super) async fn open(target: Target, options: &RedisOptions) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            target,
            standing: watch::Sender::new(Standing::Reconnecting),
            permits: Semaphore::new(options.max_in_flight),
            max_in_flight: options.max_in_flight,
            deadline: options.deadline,
            proof_interval: options.proof_interval,
            start: Instant::now(),
            connections: AtomicU64::new(0),
        });
        let mut backoff = Backoff::new(options.backoff.0, options.backoff.1);
        backoff.wait().await;
        let live = shared.connect().await?;
        backoff.connected();
        shared.standing.send_replace(Standing::Up(live));
        let keeper = tokio::spawn(keep(shared.clone(), backoff));
        Ok(Self {
            shared,
            _keeper: Task(keeper),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.shared.target.address
    }

    /// Runs a script by one command made by its [`Script::command`].
    pub(super) async fn run(
        &self,
        script: &Script,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<Value, StoreError> {
        let answer = self.shared.send(Sent::One(command), repeat).await?.pop();
        match answer.unwrap_or(Value::Nil) {
            Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript) => {
                let mut both = Pipeline::new();
                both.add_command(script.load());
                both.add_command(command.clone());
                let answers = self.shared.send(Sent::Many(&both), repeat).await?;
                self.answer(answers.into_iter().next_back().unwrap_or(Value::Nil))
            }
            answer => self.answer(answer),
        }
    }

    fn answer(&self, answer: Value) -> Result<Value, StoreError> {
        match answer {
            Value::ServerError(error) => {
                Err(Failure::of_call(error.into(), &self.address()).into())
            }
            answer => Ok(answer),
        }
    }
}

/// What is sent in one piece.
#[derive(Clone, Copy)]
enum Sent<'a> {
    One(&'a Cmd),
    Many(&'a Pipeline),
}

impl Shared {
    /// Sends it and waits for the answers, up to the deadline.
    async fn send(&self, sent: Sent<'_>, repeat: Repeat) -> Result<Vec<Value>, StoreError> {
        let Ok(_permit) = self.permits.try_acquire() else {
            let message = format!(
                "expected at most {} calls in flight, found one more",
                self.max_in_flight
            );
            return Err(StoreError::new(StoreErrorKind::Overloaded, message));
        };
        Ok(self.exchange(sent, repeat).await?)
    }

    async fn exchange(&self, sent: Sent<'_>, repeat: Repeat) -> Result<Vec<Value>, Failure> {
        let began = self.now();
        let mut over = None;
        let answers = timeout(self.deadline, self.attempt(sent, repeat, &mut over)).await;
        if let Ok(answers) = answers {
            return answers;
        }
        // Answers come in order: where others came meanwhile, the server is only slow.
        if let Some(live) = over
            && live.heard_at.load(Ordering::Relaxed) <= began
        {
            let silent = Failure::silent(&self.target.address);
            self.lose(live.number, Standing::Down(silent));
        }
        Err(Failure::late(self.deadline, &self.target.address))
    }

    /// Asks whether the server is still there and a primary, so that no call has to find out, and
    /// lookups do not go on at a primary that was demoted: it keeps its connections.
    async fn ask_for_role(&self) {
        let number = match &*self.standing.borrow() {
            Standing::Up(live) => live.number,
            _ => return,
        };
        let question = role::question();
        let answers = self.exchange(Sent::One(&question), Repeat::Never).await;
        // A failure has replaced the connection already.
        let Some(answer) = answers.ok().and_then(|mut answers| answers.pop()) else {
            return;
        };
        if role::check(answer, &self.target.address).is_err() {
            self.lose(number, Standing::Reconnecting);
        }
    }

    async fn attempt(
        &self,
        sent: Sent<'_>,
        repeat: Repeat,
        over: &mut Option<Live>,
    ) -> Result<Vec<Value>, Failure> {
        let mut repeats = repeat;
        loop {
            let live = over.insert(self.live().await?);
            let answers = match sent {
                Sent::One(command) => {
                    let answer = live.connection.send_packed_command(command).await;
                    answer.map(|answer| vec![answer])
                }
                Sent::Many(pipeline) => {
                    let count = pipeline.len();
                    live.connection
                        .send_packed_commands(pipeline, 0, count)
                        .await
                }
            };
            match answers {
                Ok(answers) => {
                    live.heard_at.store(self.now(), Ordering::Relaxed);
                    if answers.iter().any(is_of_replica) {
                        self.lose(live.number, Standing::Reconnecting);
                    }
                    return Ok(answers);
                }
                Err(error) if error.is_unrecoverable_error() => {
                    self.lose(live.number, Standing::Reconnecting);
                    if repeats == Repeat::Never {
                        return Err(self.failure(error));
                    }
                    repeats = Repeat::Never;
                }
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    /// The connection, when there is one.
    async fn live(&self) -> Result<Live, Failure> {
        if let Standing::Up(live) = &*self.standing.borrow() {
            return Ok(live.clone());
        }
        let mut standing = self.standing.subscribe();
        // OK because this holds the sender.
        let settled = standing.wait_for(|standing| !matches!(standing, Standing::Reconnecting));
        match settled.await.as_deref() {
            Ok(Standing::Up(live)) => Ok(live.clone()),
            Ok(Standing::Down(failure)) => Err(failure.clone()),
            _ => Err(Failure::silent(&self.target.address)),
        }
    }

    /// Gives up the connection of that number.
    fn lose(&self, number: u64, standing: Standing) {
        self.standing.send_if_modified(|now| {
            let is_it = matches!(now, Standing::Up(live) if live.number == number);
            if is_it {
                *now = standing;
            }
            is_it
        });
    }

    async fn connect(self: &Arc<Self>) -> Result<Live, Failure> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let shared: Weak<Self> = Arc::downgrade(self);
        let on_push = move |push: ::redis::PushInfo| {
            if push.kind == PushKind::Disconnection
                && let Some(shared) = shared.upgrade()
            {
                shared.lose(number, Standing::Reconnecting);
            }
        };
        Ok(Live {
            connection: self.target.connect(on_push).await?,
            number,
            heard_at: Arc::new(AtomicU64::new(self.now())),
        })
    }

    fn failure(&self, error: RedisError) -> Failure {
        Failure::of_call(error, &self.target.address)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

fn is_of_replica(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if Failure::is_of_replica(error))
}

/// Makes a new connection whenever the last one is gone or leads to a replica.
async fn keep(shared: Arc<Shared>, mut backoff: Backoff) {
    let mut standing = shared.standing.subscribe();
    loop {
        let gone = standing.wait_for(|standing| !matches!(standing, Standing::Up(_)));
        let is_up = timeout(shared.proof_interval, gone).await.is_err();
        if is_up {
            shared.ask_for_role().await;
            continue;
        }
        loop {
            backoff.wait().await;
            let next = shared.connect().await;
            let connected = next.is_ok();
            shared
                .standing
                .send_replace(next.map_or_else(Standing::Down, Standing::Up));
            if connected {
                backoff.connected();
                break;
            }
        }
    }
}
