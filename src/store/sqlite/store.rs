//! The store.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::Fault;
use super::feed::Watch;
use super::inline::Inline;
use super::link::{Link, Place};
use super::location::Location;
use super::options::SqliteOptions;
use super::rows;
use super::sql::Sql;
use super::worker::Worker;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;
use crate::store::contract::error::StoreError;
#[cfg(doc)]
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::feed::{ChangeFeed, FeedEvent, FeedListener, Listeners};
use crate::store::contract::key_store::KeyStore;

/// Keeps keys in an SQLite file, for the servers of one machine.
///
/// A lookup reads the file where it is called, and takes a few microseconds: no cache is needed
/// before this store, and a revocation holds from the moment its call returns, in every process
/// that has the file open. Changes are made one after the other, on a thread of the store; a call
/// returns once the disk has the change.
///
/// A change is made whole or not at all, even if nobody waits for its answer any more. It begins
/// within the [deadline](SqliteOptions::with_deadline) of its call or is not made: once a call was
/// told [`TimedOut`](StoreErrorKind::TimedOut), its change comes before every change that is called
/// for later, in any process, or never.
///
/// Clones share one store. When the last is dropped, changes that were called for are finished, as
/// far as their deadlines allow, and the connections closed; the drop waits for that.
///
/// # Permissions
///
/// On Unix, the file and those that SQLite keeps beside it are created with mode 0600, whatever the
/// umask: for their owner alone. An existing file keeps its mode. It may be readable by others, who
/// then see names and digests of keys, but a file that others can write is rejected: they could add
/// keys to it.
///
/// # Limits
///
/// - One machine: the file must not lie on a network file system.
/// - The file is kept with a write-ahead log, so there are two more beside it, `-wal` and `-shm`.
///   To copy the keys of a running server, use SQLite's backup or `VACUUM INTO`, not `cp`.
/// - The audit trail and the usage buckets stay until they are pruned, with
///   [`prune_audit_before`](crate::store::AuditLog::prune_audit_before) and
///   [`prune_usage_before`](crate::store::UsageStore::prune_usage_before). These delete a thousand
///   rows at a time, so that other changes get their turn in between.
/// - A page that is not in memory holds the thread that looks a key up until the disk has answered:
///   see [`with_lookups_on_a_thread`](SqliteOptions::with_lookups_on_a_thread).
///
/// # Panics
///
/// A call that has to wait panics outside of a tokio runtime with its timer enabled.
///
/// ```
/// use tower_api_key::store::SqliteStore;
/// use tower_api_key::{KeyManager, NewKey, Scope};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let path = std::env::temp_dir().join(format!("tower-api-key-{}.db", std::process::id()));
/// # let url = format!("sqlite://{}", path.display());
/// let store = SqliteStore::connect(&url).await?; // such as sqlite:///var/lib/shop/keys.db
/// store.migrate().await?;
/// let keys = KeyManager::new(store);
/// let fresh = keys.issue(NewKey::new("acct_42", "CI").with_scopes([Scope::READ])).await?;
/// assert!(keys.verifier().verify(fresh.key.expose_secret()).await.is_ok());
/// # drop(keys);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

/// Dropped in this order: the threads end with all that was called for, then the connections close.
struct Shared {
    writer: Worker,
    readers: Worker,
    inline: Inline,
    listeners: Arc<Listeners>,
    place: Arc<Place>,
}

impl SqliteStore {
    /// Opens the file of `sqlite:///absolute/path`, of `sqlite://relative/path` or of a plain path,
    /// with the default [`SqliteOptions`]. A file that does not exist is created, unless the URL
    /// ends in `?mode=rw`; `?mode=rwc` is the default. Nothing in a path is decoded.
    ///
    /// It needs its tables before it can keep keys: see [`migrate`](Self::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreError`], which names the file, when
    /// - the URL has another scheme, an unknown parameter or another mode, or names no file, such as
    ///   `sqlite::memory:` ([`Misconfigured`](StoreErrorKind::Misconfigured));
    /// - an option cannot work (likewise);
    /// - the file must exist and does not, its directory does not exist, or it cannot be written or
    ///   is no SQLite database (likewise);
    /// - users other than the file's owner can write it, or its `-wal` or `-shm` (likewise; Unix only);
    /// - another process holds the file for longer than the busy time-out
    ///   ([`TimedOut`](StoreErrorKind::TimedOut)).
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, SqliteOptions::new()).await
    }

    /// As [`connect`](Self::connect), with these options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: SqliteOptions) -> Result<Self, StoreError> {
        Self::open_at(Location::parse(url)?, options).await
    }

    /// Opens the file with that path, whatever characters it has, with the default
    /// [`SqliteOptions`]. It is created if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, SqliteOptions::new()).await
    }

    /// As [`open`](Self::open), with these options.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn open_with(
        path: impl AsRef<Path>,
        options: SqliteOptions,
    ) -> Result<Self, StoreError> {
        Self::open_at(Location::of(path.as_ref(), true)?, options).await
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.0.place.path
    }

    async fn open_at(location: Location, options: SqliteOptions) -> Result<Self, StoreError> {
        options.check()?;
        let sql = Sql::new(&options.table_prefix);
        let place = Arc::new(Place {
            path: location.path.into(),
            create: location.create && options.create,
            options,
            sql,
        });
        let listeners = Arc::new(Listeners::new(FeedEvent::Lost));
        let (mut writer, jobs) = Worker::new(place.clone());
        let (opened, links) = oneshot::channel();
        let thread = writer.spawn("api-keys-write", {
            let (place, listeners) = (place.clone(), listeners.clone());
            move || match open_all(&place) {
                Ok((mut link, inline, readers)) => {
                    let mut watch = Watch::new(listeners, place.options.poll_interval);
                    watch.look(&link);
                    let _ = opened.send(Ok((inline, readers)));
                    watch.work(&mut link, &jobs);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        })?;
        let (inline, readers) = writer.wait(links).await?;
        // Not before: whoever gives up connecting does not wait for the thread to end.
        writer.end_with(thread);
        Ok(Self(Arc::new(Shared {
            writer,
            readers: Worker::of_readers(place.clone(), readers)?,
            inline: Inline::new(inline),
            listeners,
            place,
        })))
    }

    /// Makes the tables, unless they exist: those of `src/store/sqlite/schema/tables.sql`, which may
    /// also be made by hand.
    ///
    /// It may be called at every start, by any number of processes at once.
    ///
    /// # Errors
    ///
    /// [`StoreError`], and nothing is changed, when
    /// - the tables have another version, or others have their names
    ///   ([`Misconfigured`](StoreErrorKind::Misconfigured));
    /// - the store fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.0.writer.change(Link::migrate).await
    }

    /// Makes a change in a transaction, and tells the listeners the events of it.
    pub(super) async fn change<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, &Sql) -> Result<(T, Vec<FeedEvent>), Fault> + Send + 'static,
    {
        let listeners = self.0.listeners.clone();
        let changed = move |link: &mut Link| {
            let (done, events) = link.write(work)?;
            for event in events {
                listeners.tell(event);
            }
            Ok(done)
        };
        self.0.writer.change(changed).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Sql) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reading = move |link: &mut Link| link.read_or_tell(work);
        self.0.readers.ask(reading).await
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        if let Some(answer) = self.try_find(digest) {
            return answer;
        }
        let digest = *digest;
        self.read(move |database, sql| rows::find(database, sql, &digest))
            .await
    }

    /// Answers unless every connection is in use, or lookups are on threads.
    fn try_find(&self, digest: &KeyDigest) -> Option<Result<Option<Arc<KeyRecord>>, StoreError>> {
        let lookup = |link: &mut Link| link.read(|database, sql| rows::find(database, sql, digest));
        match self.0.inline.try_with(lookup)? {
            Ok(found) => Some(Ok(found)),
            // A thread can wait for the lock; the caller of this cannot.
            Err(fault) if fault.is_busy() => None,
            Err(fault) => Some(Err(fault.at(&self.0.place.path))),
        }
    }
}

impl ChangeFeed for SqliteStore {
    /// A change by this store is told before its call returns. One by another process is told
    /// within the [poll interval](SqliteOptions::with_poll_interval), as a
    /// [`Reset`](FeedEvent::Reset): SQLite tells that another connection has committed to the file,
    /// not what. So is a change of other tables in the file.
    fn watch(&self, listener: Weak<dyn FeedListener>) {
        self.0.listeners.add(listener);
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.0.place.path)
            .field("options", &self.0.place.options)
            .finish_non_exhaustive()
    }
}

/// The connection for changes, those that answer inline, and those on threads.
type Links = (Link, Vec<Link>, Vec<Link>);

fn open_all(place: &Arc<Place>) -> Result<Links, StoreError> {
    let options = &place.options;
    let writer = Link::for_writing(place)?;
    let readers = |count, wait| -> Result<Vec<Link>, StoreError> {
        let open = |_| Link::for_reading(place, wait);
        (0..count).map(open).collect()
    };
    let count = options.readers;
    let (inline, on_threads) = if options.inline {
        (count, 1)
    } else {
        (0, count)
    };
    Ok((
        writer,
        readers(inline, Duration::ZERO)?,
        readers(on_threads, options.busy_timeout)?,
    ))
}
