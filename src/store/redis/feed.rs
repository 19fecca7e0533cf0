//! The feed of changes: what is published on the store's channel.

use std::sync::Arc;

use ::redis::aio::MultiplexedConnection;
use ::redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::backoff::Backoff;
use super::names::{id_hex, id_of};
use super::options::RedisOptions;
use super::role;
use super::target::Target;
use crate::store::contract::feed::{FeedEvent, Listeners};

/// Tells the listeners what is published, on a connection of its own, for ever.
pub(super) async fn follow(
    target: Target,
    channel: String,
    options: RedisOptions,
    listeners: Arc<Listeners>,
) {
    let mut backoff = Backoff::new(options.backoff.0, options.backoff.1);
    loop {
        backoff.wait().await;
        let ended = Arc::new(Notify::new());
        let on_push = {
            let (listeners, ended) = (listeners.clone(), ended.clone());
            move |push: PushInfo| match push.kind {
                PushKind::Message => listeners.tell(event_of(&push)),
                PushKind::Disconnection => ended.notify_one(),
                _ => {}
            }
        };
        let Ok(mut connection) = target.connect(on_push).await else {
            continue;
        };
        let subscribed = timeout(options.deadline, connection.subscribe(&channel)).await;
        if !matches!(subscribed, Ok(Ok(()))) {
            continue;
        }
        backoff.connected();
        listeners.tell(FeedEvent::Reset);
        prove(&mut connection, &target, &options, &listeners, &ended).await;
        listeners.tell(FeedEvent::Lost);
    }
}

/// Proves again and again that every change was told, until it cannot be proven.
///
/// Redis puts what is published into the connection before the one who published it gets an
/// answer, and answers a question after all that. So when the answer comes, everything that was
/// committed before the question was told. Only a primary's answer is a proof: one that was demoted
/// keeps its connections, and changes are committed elsewhere.
async fn prove(
    connection: &mut MultiplexedConnection,
    target: &Target,
    options: &RedisOptions,
    listeners: &Listeners,
    ended: &Notify,
) {
    let question = role::question();
    loop {
        let as_of = Instant::now().into_std();
        let answer = timeout(options.deadline, connection.send_packed_command(&question)).await;
        let Ok(Ok(answer)) = answer else {
            return;
        };
        if role::check(answer, &target.address).is_err() {
            return;
        }
        listeners.tell(FeedEvent::CaughtUp { as_of });
        if timeout(options.proof_interval, ended.notified())
            .await
            .is_ok()
        {
            return;
        }
    }
}

/// What is published for an event.
pub(super) fn message_of(event: FeedEvent) -> String {
    match event {
        FeedEvent::Added(id) => format!("a{}", id_hex(&id)),
        FeedEvent::Changed(id) => format!("c{}", id_hex(&id)),
        _ => "r".to_owned(),
    }
}

/// The event that was published; what is not understood may be any change.
fn event_of(push: &PushInfo) -> FeedEvent {
    let Some(Value::BulkString(message)) = push.data.get(1) else {
        return FeedEvent::Reset;
    };
    let event = match message.split_first() {
        Some((b'a', id)) => id_of(id).map(FeedEvent::Added),
        Some((b'c', id)) => id_of(id).map(FeedEvent::Changed),
        _ => None,
    };
    event.unwrap_or(FeedEvent::Reset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::id::KeyId;

    #[test]
    fn a_message_reads_back_and_another_may_be_any_change() {
        let event = |message: &[u8]| {
            event_of(&PushInfo {
                kind: PushKind::Message,
                data: vec![Value::Nil, Value::BulkString(message.to_vec())],
            })
        };
        let id = KeyId::from_bytes([0xab; 16]);
        for told in [
            FeedEvent::Added(id),
            FeedEvent::Changed(id),
            FeedEvent::Reset,
        ] {
            assert_eq!(event(message_of(told).as_bytes()), told);
        }
        for other in [&b""[..], b"a", b"x00", b"cab", &[b'a'; 33]] {
            let told = event(other);
            let known = matches!(told, FeedEvent::Added(id) if *id.as_bytes() == [0xaa; 16]);
            assert!(told == FeedEvent::Reset || known, "{other:?}");
        }
    }
}
