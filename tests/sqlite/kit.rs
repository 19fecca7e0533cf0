//! A directory, keys, and other processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use jiff::Timestamp;
use tower_api_key::key::KeyDigest;
use tower_api_key::record::{
    ChangeContext, KeyChange, KeyId, KeyRecord, SecretVersion, Transition,
};
use tower_api_key::store::{
    ChangeFeed, Commit, FeedEvent, FeedListener, Insert, SqliteOptions, SqliteStore, StoreError,
    StoreErrorKind,
};
use tower_api_key::{KeyStore, Scope, testing};

pub(crate) const OWNER: &str = "acct_42";

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own, removed at the end, and a database in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sqlite-{}-{next}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("keys.db")
    }

    /// The database, as a text.
    pub(crate) fn name(&self) -> String {
        self.file().to_str().unwrap().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}", self.name())
    }

    /// A store on the database, with its tables.
    pub(crate) async fn store(&self) -> SqliteStore {
        self.store_with(SqliteOptions::new()).await
    }

    pub(crate) async fn store_with(&self, options: SqliteOptions) -> SqliteStore {
        let store = SqliteStore::connect_with(&self.url(), options)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// A connection of somebody else.
    pub(crate) fn other(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// A change for no reason.
pub(crate) fn context() -> &'static ChangeContext {
    static CONTEXT: LazyLock<ChangeContext> = LazyLock::new(|| ChangeContext::new(at(20)));
    &CONTEXT
}

pub(crate) fn id(number: u32) -> KeyId {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    KeyId::from_bytes(octets)
}

pub(crate) fn digest(number: u32) -> KeyDigest {
    let mut octets = [7; 32];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    KeyDigest::from_bytes(octets)
}

pub(crate) fn version(number: u32, of: u32) -> SecretVersion {
    SecretVersion::new(number, digest(of), "0123abcd".parse().unwrap(), at(0))
}

/// A key with that id, and the digest of that number.
pub(crate) fn record(number: u32) -> KeyRecord {
    KeyRecord::new(id(number), OWNER, "CI", at(0))
        .with_scopes([Scope::READ, Scope::from_static("reports")])
        .with_secret_versions([version(1, number)])
}

pub(crate) fn rotation(to: u32) -> KeyChange {
    KeyChange::Rotate {
        digest: digest(to),
        prefix: "89abcdef".parse().unwrap(),
        at: at(10),
        others_retire_at: at(3_600),
    }
}

/// The insert of a key, without conditions.
pub(crate) fn insert(record: KeyRecord) -> Insert {
    Insert::new(record, context())
}

pub(crate) fn inserts(records: impl IntoIterator<Item = KeyRecord>) -> Vec<Insert> {
    records.into_iter().map(insert).collect()
}

/// The commit of a change, which must change something.
pub(crate) fn commit(before: &KeyRecord, change: &KeyChange) -> Commit {
    let transition = Transition::of(change, before, context()).unwrap();
    Commit::of(before, transition).unwrap()
}

/// Changes a key, which must be possible.
pub(crate) async fn apply(store: &SqliteStore, number: u32, change: &KeyChange) -> Arc<KeyRecord> {
    try_apply(store, number, change).await.unwrap()
}

pub(crate) async fn try_apply(
    store: &SqliteStore,
    number: u32,
    change: &KeyChange,
) -> Result<Arc<KeyRecord>, StoreError> {
    testing::apply(store, &id(number), change, context()).await
}

/// The record without last uses, which a lookup does not return.
pub(crate) fn without_uses(record: &KeyRecord) -> KeyRecord {
    let versions = record.secret_versions().iter();
    let versions = versions.map(|version| version.clone().with_last_used_at(None));
    record.clone().with_secret_versions(versions)
}

/// How many rows a table has.
pub(crate) fn rows(directory: &Directory, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM tower_api_key_{table}");
    let count = directory.other().query_row(&count, [], |row| row.get(0));
    count.unwrap()
}

/// What a lookup returns, which is the same with and without waiting.
pub(crate) async fn find(store: &SqliteStore, number: u32) -> Option<Arc<KeyRecord>> {
    let found = store.find(&digest(number)).await.unwrap();
    assert_eq!(store.try_find(&digest(number)).unwrap().unwrap(), found);
    found
}

#[track_caller]
pub(crate) fn assert_fails<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

/// Waits until it holds.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Notes what a feed tells.
#[derive(Default)]
pub(crate) struct Ear(Mutex<Vec<FeedEvent>>);

impl Ear {
    pub(crate) fn on(store: &SqliteStore) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let listener: Weak<dyn FeedListener> = Arc::<Self>::downgrade(&ear);
        store.watch(listener);
        ear
    }

    /// What was told since the last time, without the proofs.
    pub(crate) fn take(&self) -> Vec<FeedEvent> {
        let mut told = std::mem::take(&mut *self.0.lock().unwrap());
        told.retain(|event| !matches!(event, FeedEvent::CaughtUp { .. }));
        told
    }

    pub(crate) fn has(&self, event: FeedEvent) -> bool {
        self.0.lock().unwrap().contains(&event)
    }

    /// Waits for a proof that was asked for after this moment.
    #[track_caller]
    pub(crate) fn wait_for_proof(&self) {
        let now = Instant::now();
        eventually("the feed has caught up", || {
            let told = self.0.lock().unwrap();
            told.iter()
                .any(|event| matches!(event, FeedEvent::CaughtUp { as_of } if *as_of > now))
        });
    }
}

impl FeedListener for Ear {
    fn on_event(&self, event: FeedEvent) {
        self.0.lock().unwrap().push(event);
    }
}

/// This program once more, to run one test as a child of another.
pub(crate) fn child(test: &str, database: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(DATABASE, database)
        .stdout(std::process::Stdio::null());
    command
}

/// The database that a child is to work on; `None` in the first process, where it has no work.
pub(crate) fn database_of_child() -> Option<PathBuf> {
    env::var_os(DATABASE).map(PathBuf::from)
}

const DATABASE: &str = "TOWER_API_KEY_TEST_DATABASE";

/// A child that doesn't outlive the test.
pub(crate) struct Guard(pub(crate) Child);

impl Guard {
    #[track_caller]
    pub(crate) fn assert_success(mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "a child failed: {status}");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
