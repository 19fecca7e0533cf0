//! A SQLite file, which may be that of the keys, or memory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;

use super::Outcome;

/// How long a request waits for its turn, and for the locks of other processes; it ends before the
/// request does.
const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to write and one to read, so that no reader waits for a writer.
#[derive(Clone)]
pub(crate) struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
}

impl Sqlite {
    /// The file must exist: the store of the keys creates it, for its owner alone.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || Connection::open_with_flags(path, flags);
        Ok(Self {
            writer: shared(open()?),
            reader: shared(open()?),
        })
    }

    /// What ends with the process.
    pub(crate) fn memory() -> rusqlite::Result<Self> {
        let only = shared(Connection::open_in_memory()?);
        Ok(Self {
            writer: only.clone(),
            reader: only,
        })
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        run(&self.reader, |connection| work(connection)).await
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Outcome<T> {
        run(&self.writer, work).await
    }
}

fn shared(connection: Connection) -> Arc<Mutex<Connection>> {
    Arc::new(Mutex::new(connection))
}

/// Works off the threads that serve requests. Who no longer waits for its turn has nothing done.
async fn run<T: Send + 'static>(
    connection: &Arc<Mutex<Connection>>,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Outcome<T> {
    let began = Instant::now();
    let mut connection = connection.clone().lock_owned().await;
    let work = move || {
        let left = PATIENCE.saturating_sub(began.elapsed());
        connection.busy_timeout(left)?;
        work(&mut connection)
    };
    Ok(tokio::task::spawn_blocking(work).await??)
}
