//! Sessions in Redis, which ends them by itself.

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Script, pipe};
use async_trait::async_trait;

use super::{Kept, MAX_SESSIONS, MAX_SESSIONS_OF_KEY, SessionDigest, Shelf, now};
use crate::database::Outcome;

/// The braces keep all of them on one node of a cluster.
const PREFIX: &str = "{trucustom}:session:";
/// The names of all sessions, by age; those of one key are beside it, under the key's id.
const ALL: &str = "{trucustom}:sessions";

/// Ends a session, and takes its name from all sessions and from those of its key.
const END: &str = "
    local function finish(name, all)
        local key_id = redis.call('HGET', name, 'key_id')
        if key_id then
            redis.call('ZREM', all .. ':' .. key_id, name)
        end
        redis.call('ZREM', all, name)
        redis.call('DEL', name)
    end";

/// Adds a session, and ends the oldest of its key, or of all, where there are too many.
const CREATE: &str = "
    local name, all, key_id = KEYS[1], KEYS[2], ARGV[1]
    if redis.call('EXISTS', name) == 1 then
        return redis.error_reply('expected a new session')
    end
    redis.call('HSET', name, 'key_id', key_id, 'data', ARGV[2])
    redis.call('EXPIRE', name, ARGV[3])
    local of_key = all .. ':' .. key_id
    for _, other in ipairs(redis.call('ZRANGE', of_key, 0, -1)) do
        -- Over by itself: its name alone was left.
        if redis.call('EXISTS', other) == 0 then
            redis.call('ZREM', of_key, other)
            redis.call('ZREM', all, other)
        end
    end
    local at = redis.call('TIME')
    local order = at[1] * 1000000 + at[2]
    redis.call('ZADD', of_key, order, name)
    redis.call('ZADD', all, order, name)
    -- What the key itself has too many of is no reason to end another's.
    for place, set in ipairs({of_key, all}) do
        redis.call('EXPIRE', set, ARGV[3])
        local excess = redis.call('ZCARD', set) - tonumber(ARGV[3 + place])
        if excess > 0 then
            for _, other in ipairs(redis.call('ZRANGE', set, 0, excess - 1)) do
                finish(other, all)
            end
        end
    end
    return redis.status_reply('OK')";

/// Changes a session that exists still.
const SAVE: &str = "
    if redis.call('EXISTS', KEYS[1]) == 1 then
        redis.call('HSET', KEYS[1], 'data', ARGV[1])
        redis.call('EXPIRE', KEYS[1], ARGV[2])
        redis.call('EXPIRE', KEYS[2], ARGV[2])
        redis.call('EXPIRE', KEYS[2] .. ':' .. redis.call('HGET', KEYS[1], 'key_id'), ARGV[2])
    end
    return redis.status_reply('OK')";

pub(super) struct RedisShelf {
    connection: ConnectionManager,
    create: Script,
    save: Script,
    end: Script,
}

impl RedisShelf {
    pub(super) async fn connect(url: &str) -> Outcome<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(2)));
        let client = Client::open(url)?;
        Ok(Self {
            connection: client.get_connection_manager_with_config(config).await?,
            create: Script::new(&format!("{END}{CREATE}")),
            save: Script::new(SAVE),
            end: Script::new(&format!("{END}\nfinish(KEYS[1], KEYS[2])")),
        })
    }
}

#[async_trait]
impl Shelf for RedisShelf {
    async fn create(&self, session: Kept) -> Outcome<()> {
        let mut call = self.create.key(name(session.digest));
        call.key(ALL).arg(&session.key_id).arg(&session.data);
        call.arg(seconds_left(&session));
        call.arg(MAX_SESSIONS_OF_KEY).arg(MAX_SESSIONS);
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn save(&self, session: Kept) -> Outcome<()> {
        let mut call = self.save.key(name(session.digest));
        call.key(ALL).arg(&session.data).arg(seconds_left(&session));
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>> {
        let (name, mut connection) = (name(digest), self.connection.clone());
        let mut both = pipe();
        both.atomic().hget(&name, "data").ttl(&name);
        let (data, seconds): (Option<String>, i64) = both.query_async(&mut connection).await?;
        Ok(data.map(|data| (data, now() + seconds)))
    }

    async fn delete(&self, digest: SessionDigest) -> Outcome<()> {
        let mut call = self.end.key(name(digest));
        call.key(ALL);
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }
}

fn name(digest: SessionDigest) -> String {
    format!("{PREFIX}{}", hex::encode(digest))
}

/// Redis takes no less than one.
fn seconds_left(session: &Kept) -> i64 {
    (session.expires_at - now()).max(1)
}
