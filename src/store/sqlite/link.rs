//! One connection to the file.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::failure::{Fault, is_busy};
use super::files;
use super::options::{SqliteOptions, Synchronous};
use super::schema;
use super::sql::Sql;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// Where the file is, and how to open it.
#[derive(Debug)]
pub(crate) struct Place {
    /// Absolute, so that SQLite takes no path for a `file:` URI.
    pub(crate) path: Box<Path>,
    pub(crate) create: bool,
    pub(crate) options: SqliteOptions,
    pub(crate) sql: Sql,
}

impl Place {
    /// The error of a call that has no answer at its deadline.
    pub(crate) fn late(&self) -> StoreError {
        let deadline = self.options.deadline;
        let name = self.path.display();
        let message = format!("the database {name} did not answer within {deadline:?}");
        StoreError::new(StoreErrorKind::TimedOut, message)
    }
}

/// One connection to the file.
pub(crate) struct Link {
    connection: Connection,
    place: Arc<Place>,
    /// Whether the tables were found to be the right ones.
    checked: bool,
    /// When the work that is under way must have its locks; `None` in between.
    until: Option<Instant>,
}

impl Link {
    /// Opens the connection that changes are made on, and creates the file where it may.
    pub(crate) fn for_writing(place: &Arc<Place>) -> Result<Self, StoreError> {
        files::prepare(&place.path, place.create)?;
        let link = Self::open(place, place.options.busy_timeout)?;
        link.prepare_to_write()
            .map_err(|fault| fault.at(&place.path))?;
        Ok(link)
    }

    /// Opens a connection that only reads, and waits so long for a lock. Readers hardly ever need
    /// one.
    pub(crate) fn for_reading(
        place: &Arc<Place>,
        busy_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let link = Self::open(place, busy_timeout)?;
        // Not opened read-only, since a reader may have to make the files beside the database.
        let made = link.connection.execute_batch("PRAGMA query_only = on");
        made.map_err(|error| Fault::from(error).at(&place.path))?;
        Ok(link)
    }

    /// Reads, once the tables were found to be the right ones.
    pub(crate) fn read<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Sql) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.check()?;
        work(&self.connection, &self.place.sql)
    }

    /// Reads, and names the file in an error.
    pub(crate) fn read_or_tell<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Sql) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.read(work).map_err(|fault| self.tell(fault))
    }

    /// Makes a change, of which all or nothing takes effect; nothing once it is too late.
    pub(crate) fn write<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Sql) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_in_time(work).map_err(|fault| self.tell(fault))
    }

    /// Does a piece of work, which waits for a lock until then at most.
    pub(crate) fn work_until<T>(
        &mut self,
        until: Instant,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.until = Some(until);
        let done = self
            .limit_wait()
            .map_err(|fault| self.tell(fault))
            .and_then(|()| work(self));
        self.until = None;
        // It can only fail where the next piece of work fails too.
        let _ = self.limit_wait();
        done
    }

    /// Makes the tables, unless they exist.
    pub(crate) fn migrate(&mut self) -> Result<(), StoreError> {
        let place = &self.place;
        let prefix = &place.options.table_prefix;
        let name = place.path.display().to_string();
        schema::migrate(&mut self.connection, &place.sql, prefix, &name)
            .map_err(|fault| self.tell(fault))
    }

    /// A number that changes when another connection has committed.
    pub(crate) fn data_version(&self) -> Result<i64, Fault> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    fn write_in_time<T>(
        &mut self,
        work: impl FnOnce(&Connection, &Sql) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.check()?;
        // The check may have waited for a lock too.
        self.limit_wait()?;
        let transaction = self.connection.transaction_with_behavior(IMMEDIATE)?;
        // SQLite counts how long it wanted to wait, not how long it did. From here on, whoever
        // makes another change comes after this one.
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(self.place.late().into());
        }
        let done = work(&transaction, &self.place.sql)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Waits for a lock as long as the options say, and not past the end of the work.
    fn limit_wait(&self) -> Result<(), Fault> {
        let most = self.place.options.busy_timeout;
        let wait = self.until.map_or(most, |until| {
            until.saturating_duration_since(Instant::now()).min(most)
        });
        Ok(self.connection.busy_timeout(wait)?)
    }

    fn open(place: &Arc<Place>, busy_timeout: Duration) -> Result<Self, StoreError> {
        let opened = Connection::open_with_flags(&*place.path, FLAGS).and_then(|connection| {
            connection.busy_timeout(busy_timeout)?;
            connection.execute_batch("PRAGMA foreign_keys = on")?;
            // Else SQLite plans a statement anew for each value that it is given.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| Fault::from(error).at(&place.path))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            connection,
            place: place.clone(),
            checked: false,
            until: None,
        })
    }

    fn prepare_to_write(&self) -> Result<(), Fault> {
        if self.connection.is_readonly("main")? {
            let name = self.place.path.display();
            let message =
                format!("expected a database that can be written, found {name} read-only");
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message).into());
        }
        self.switch_to_wal()?;
        let synchronous = match self.place.options.synchronous {
            // On Apple's systems, the disk writes its own cache out only when asked like this.
            Synchronous::Full => "PRAGMA synchronous = full; PRAGMA fullfsync = on",
            Synchronous::Normal => "PRAGMA synchronous = normal",
        };
        self.connection
            .execute_batch(&format!("PRAGMA cache_size = -{CACHE}; {synchronous}"))?;
        Ok(())
    }

    /// With a write-ahead log, look-ups never wait for changes. The switch needs the file alone,
    /// and SQLite itself doesn't wait for that.
    fn switch_to_wal(&self) -> Result<(), Fault> {
        let until = Instant::now() + self.place.options.busy_timeout;
        loop {
            let switched = self
                .connection
                .query_row("PRAGMA journal_mode = wal", [], |row| {
                    row.get::<_, String>(0)
                });
            match switched {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(mode) => {
                    let name = self.place.path.display();
                    let message = format!(
                        "expected a file system on which {name} can have a write-ahead log, found \
                         that its journal mode stays {mode}"
                    );
                    return Err(StoreError::new(StoreErrorKind::Misconfigured, message).into());
                }
                Err(error) if is_busy(&error) && Instant::now() < until => sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn check(&mut self) -> Result<(), Fault> {
        if !self.checked {
            let name = self.place.path.display().to_string();
            schema::check(&self.connection, &self.place.sql, &name)?;
            self.checked = true;
        }
        Ok(())
    }

    fn tell(&self, fault: Fault) -> StoreError {
        fault.at(&self.place.path)
    }
}

/// SQLite creates no database itself: it would be one that others can read.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A transaction that takes the write lock at once, so that nothing it has read changes under it.
const IMMEDIATE: TransactionBehavior = TransactionBehavior::Immediate;

/// All statements stay prepared.
const STATEMENTS: usize = 64;

/// How many KiB of the file the connection for changes keeps in memory: the pages that a large
/// import or batch of uses changes, so that they are not written out and read again before its
/// commit. Look-ups need a few pages each, and SQLite's own 2,000.
const CACHE: usize = 16_000;

/// How long to wait before the next try of what SQLite doesn't wait for.
const PAUSE: Duration = Duration::from_millis(5);
