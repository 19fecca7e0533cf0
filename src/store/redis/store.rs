//! A store in Redis.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use ::redis::{Client, Cmd, Value};
use async_trait::async_trait;
use tokio::runtime::Handle;

use super::feed::follow;
use super::link::{Link, Repeat};
use super::names::{Names, VERSION};
use super::options::RedisOptions;
use super::script::{Script, Scripts};
use super::target::{Target, client_of};
use super::task::Task;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;
use crate::store::contract::error::StoreError;
#[cfg(doc)]
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener, Listeners};
use crate::store::contract::key_store::KeyStore;

/// Keeps keys in Redis, for many processes on many machines.
///
/// Every lookup is one round trip, and every change one atomic script. All calls go over one
/// connection that replaces itself; a call that its loss interrupts is sent again if it changes
/// nothing, or counts usage. The [feed](ChangeFeed) of changes has a connection of its own, made when somebody
/// first watches it. Clones share one store. Its tasks end with the last clone.
///
/// ```no_run
/// use tower_api_key::KeyManager;
/// use tower_api_key::store::{RedisStore, StoreError};
///
/// # async fn start() -> Result<(), StoreError> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379/0").await?;
/// store.migrate().await?; // when you deploy: see "What its settings mean for keys"
/// let keys = KeyManager::new(store);
/// # Ok(()) }
/// ```
///
/// # The server
///
/// Redis 6 or later, or what speaks its protocol (RESP3) and runs Lua scripts. One primary:
/// replicas are not read, Sentinel is not asked, and a cluster is not supported. The user needs the
/// commands `EVALSHA`, `SCRIPT LOAD`, `HELLO`, `SUBSCRIBE`, `PUBLISH`, `GET`, `SET`, `INCR`, `DEL`,
/// `UNLINK`, `EXISTS`, `HGET`, `HMGET`, `HGETALL`, `HSET`, `HINCRBY`, `HDEL`, `SADD`, `SREM`, `SCARD`,
/// `ZADD`, `ZREM`, `ZCARD`, `ZSCORE`, `ZRANGE`, `ZRANGEBYLEX`, `ZREVRANGEBYLEX`, `ZRANGEBYSCORE`,
/// `ZREVRANGEBYSCORE`, `ZREMRANGEBYRANK` and `ZREMRANGEBYSCORE`, and the keys and the channel that
/// start with `{tower_api_key}:`, as in
/// `ACL SETUSER keys on >… ~{tower_api_key}:* &{tower_api_key}:* +@all -@dangerous`.
///
/// Whoever can write to these keys can make, change and revive keys of your product, and whoever
/// can read them sees owners and names; share the server with nobody else. There is no plaintext.
/// Use `rediss://` where the network is not yours. It takes ring for its cryptography, for the
/// whole process, unless the process has chosen another before.
///
/// # What its settings mean for keys
///
/// Redis answers before data are safe, so a crash undoes the last changes. What was revoked then
/// works again, and what was issued then does not:
///
/// | setting | what a crash undoes |
/// | --- | --- |
/// | `appendonly yes`, `appendfsync always` | nothing |
/// | `appendonly yes`, `appendfsync everysec` | up to about one second |
/// | `save …` (snapshots) alone | everything since the last snapshot, which may be an hour old |
/// | none | every key |
/// | a failover to a replica | what the replica had not received yet |
///
/// When everything is lost, calls fail until [`migrate`](Self::migrate) is called, rather than
/// calling every key unknown: so do not call it at every start where the data may be lost. While
/// Redis loads its data, calls fail too.
///
/// `maxmemory-policy` must be `noeviction`, or one of the `volatile` policies, since no key has a
/// time to live. Another may evict keys: then a valid key is unknown or its lookup fails, and it
/// may be missing in lists. An evicted key never makes a revoked one work. Where memory is full,
/// every change fails except a deletion, a revocation too.
///
/// A key takes about 1 KiB, an entry of the audit trail about 600 bytes, and the usage of one secret
/// in one hour 50 to 200. The last two only grow: call
/// [`prune_audit_before`](crate::store::AuditLog::prune_audit_before) and
/// [`prune_usage_before`](crate::store::UsageStore::prune_usage_before) from time to time, which also
/// work where memory is full.
///
/// # Failover
///
/// A primary that becomes a replica keeps its connections. So the server is asked for its role when
/// a connection is made, and then once in every
/// [proof interval](RedisOptions::with_proof_interval): calls and the feed leave a replica within
/// that interval and the deadline of a call. Until then lookups may find what the old primary
/// had. After that calls fail as [`Unavailable`](StoreErrorKind::Unavailable), and the feed is lost,
/// until the address leads to a primary. What the new primary had not received before the failover
/// stays undone, as the table says. An old primary that is cut off but was never demoted still
/// calls itself one: have whatever fails over stop it, or demote it, before another is promoted.
#[derive(Clone)]
pub struct RedisStore(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) names: Names,
    pub(super) scripts: Scripts,
    pub(super) options: RedisOptions,
    pub(super) listeners: Arc<Listeners>,
    target: Target,
    runtime: Handle,
    feed: OnceLock<Task>,
}

impl RedisStore {
    /// Connects to the server of a URL, with the default options.
    ///
    /// The URL is `redis://user:password@host:port/database`, where everything but the host may be
    /// left out; `rediss://` for TLS, checked against the system's certificates;
    /// `unix:///path?db=0&user=…&pass=…` for a socket.
    ///
    /// # Errors
    ///
    /// As [`from_client`](Self::from_client); and
    /// [`Misconfigured`](StoreErrorKind::Misconfigured) when the URL is no such URL. No error tells
    /// the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, RedisOptions::new()).await
    }

    /// Connects to the server of a URL, as [`connect`](Self::connect), with these options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: RedisOptions) -> Result<Self, StoreError> {
        Self::from_client(client_of(url)?, options).await
    }

    /// Connects as the client of the `redis` crate says, for example with a client certificate.
    ///
    /// The protocol is always RESP3, and small packets are sent at once. The store's tasks run on
    /// the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when
    /// - an option cannot work, the user or password is refused, or the server is no Redis of
    ///   version 6 or later ([`Misconfigured`](StoreErrorKind::Misconfigured));
    /// - the server cannot be reached or is a replica ([`Unavailable`](StoreErrorKind::Unavailable)) or does not
    ///   answer in time ([`TimedOut`](StoreErrorKind::TimedOut)).
    ///
    /// A store that was never [migrated](Self::migrate) is an error of the first call, not of this.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers enabled.
    pub async fn from_client(client: Client, options: RedisOptions) -> Result<Self, StoreError> {
        options.check()?;
        let names = Names::new(&options.prefix)?;
        let target = Target::new(&client, options.connect_deadline, options.max_in_flight)?;
        let link = Link::open(target.clone(), &options).await?;
        Ok(Self(Arc::new(Shared {
            link,
            names,
            scripts: Scripts::new(),
            options,
            listeners: Arc::new(Listeners::new(FeedEvent::Lost)),
            target,
            runtime: Handle::current(),
            feed: OnceLock::new(),
        })))
    }

    /// Makes the store in Redis, if it is not there; every call before is a
    /// [`Misconfigured`](StoreErrorKind::Misconfigured) error.
    ///
    /// It may be called at any time, by many processes at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a later version of this crate made the store
    /// ([`Misconfigured`](StoreErrorKind::Misconfigured)), or Redis fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.migrate;
        let mut command = script.command(1);
        command.arg(&shared.names.version).arg(VERSION);
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        shared.items(reply).map(|_| ())
    }
}

impl Shared {
    /// Runs the command of a script that deletes a part, until there is nothing left; returns how
    /// much was deleted.
    pub(super) async fn prune(&self, script: &Script, command: &Cmd) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            // Sent again, it would not return what was deleted before.
            let reply = self.link.run(script, command, Repeat::Never).await?;
            let [Value::Int(count), Value::Int(more)] = self.items(reply)?[..] else {
                return Err(self.unknown_answer());
            };
            deleted += count.unsigned_abs();
            if more == 0 {
                return Ok(deleted);
            }
        }
    }
}

#[async_trait]
impl KeyStore for RedisStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.find;
        let mut command = script.command(2);
        command
            .arg(&shared.names.version)
            .arg(shared.names.digest(digest))
            .arg(&shared.names.keys);
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        let Value::Array(found) = reply else {
            // A store that lost its data, or was never made, must not call any key unknown.
            return shared.check_version(&reply).map(|()| None);
        };
        let id = shared.id(found.first())?;
        // A digest whose document is lost is no unknown key either.
        let record = shared.record(id, found.get(1).unwrap_or(&Value::Nil))?;
        if record.secret_version(digest).is_none() {
            return Err(shared.corrupt(&format!("{id}: the key lacks the digest that leads to it")));
        }
        Ok(Some(Arc::new(record)))
    }
}

impl ChangeFeed for RedisStore {
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        let shared = &*self.0;
        shared.listeners.add(listener);
        shared.feed.get_or_init(|| {
            let following = follow(
                shared.target.clone(),
                shared.names.channel.clone(),
                shared.options.clone(),
                shared.listeners.clone(),
            );
            Task(shared.runtime.spawn(following))
        });
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.0.link.address())
            .field("prefix", &self.0.options.prefix)
            .finish_non_exhaustive()
    }
}
