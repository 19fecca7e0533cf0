//! Sessions in Redis, which ends them by itself.

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{AsyncCommands as _, Client, Script, cmd, pipe};
use async_trait::async_trait;

use super::{Kept, MAX_SESSIONS, MAX_SESSIONS_OF_KEY, SessionDigest, Shelf, now};
use crate::database::Outcome;

/// The braces keep all of them on one node of a cluster.
const PREFIX: &str = "{trucustom}:session:";
const ALL: &str = "{trucustom}:sessions";

/// Adds a session to its key's and to all, and ends the oldest of those that are too many.
const CREATE: &str = "
    if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
        return redis.error_reply('expected a new session')
    end
    local at = redis.call('TIME')
    local order = at[1] * 1000000 + at[2]
    for place = 2, 3 do
        redis.call('ZADD', KEYS[place], order, KEYS[1])
        local ended = redis.call('ZPOPMIN', KEYS[place],
            math.max(0, redis.call('ZCARD', KEYS[place]) - ARGV[place + 1]))
        for index = 1, #ended, 2 do
            redis.call('DEL', ended[index])
        end
        redis.call('EXPIRE', KEYS[place], ARGV[2])
    end
    return redis.status_reply('OK')";

pub(super) struct RedisShelf {
    connection: ConnectionManager,
    create: Script,
}

impl RedisShelf {
    pub(super) async fn connect(url: &str) -> Outcome<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(2)));
        let client = Client::open(url)?;
        Ok(Self {
            connection: client.get_connection_manager_with_config(config).await?,
            create: Script::new(CREATE),
        })
    }
}

#[async_trait]
impl Shelf for RedisShelf {
    async fn create(&self, session: Kept) -> Outcome<()> {
        let mut call = self.create.key(name(session.digest));
        call.key(format!("{ALL}:{}", session.key_id)).key(ALL);
        call.arg(&session.data).arg(seconds_left(&session));
        call.arg(MAX_SESSIONS_OF_KEY).arg(MAX_SESSIONS);
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn save(&self, session: Kept) -> Outcome<()> {
        let mut command = cmd("SET");
        command.arg(name(session.digest)).arg(&session.data);
        command.arg("XX").arg("EX").arg(seconds_left(&session));
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn load(&self, digest: SessionDigest) -> Outcome<Option<(String, i64)>> {
        let (name, mut connection) = (name(digest), self.connection.clone());
        let mut both = pipe();
        both.atomic().get(&name).ttl(&name);
        let (data, seconds): (Option<String>, i64) = both.query_async(&mut connection).await?;
        Ok(data.map(|data| (data, now() + seconds)))
    }

    async fn delete(&self, digest: SessionDigest) -> Outcome<()> {
        Ok(self.connection.clone().del(name(digest)).await?)
    }
}

fn name(digest: SessionDigest) -> String {
    format!("{PREFIX}{}", hex::encode(digest))
}

/// Redis takes no less than one.
fn seconds_left(session: &Kept) -> i64 {
    (session.expires_at - now()).max(1)
}
