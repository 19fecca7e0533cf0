//! A process that issues and rotates keys is killed again and again, and what it had answered
//! holds.
//!
//! The child writes to a journal what it is about to do, and, once a call has returned, the
//! plaintext that it returned. Both outlive the child. The parent kills it at random points, and looks
//! at the file each time. What is proved:
//!
//! - Every plaintext that was ever returned works. All are within the overlap of their rotation.
//! - So every key whose making was answered has a plaintext that works, also where the answer to a
//!   later rotation was cut off: the secrets before it go on until their overlap ends, and the
//!   child rotates once more. **A rotation without overlap has no such net**: if its answer is lost
//!   after the commit, the old secrets have ended, and the new plaintext is gone with the process.
//! - A digest whose plaintext was never returned comes from a call that a kill cut off, at most one
//!   for each kill. Its plaintext died with the process, so nobody can use it.
//! - No change is there in part: every rotated key has one secret without an end, the newest, and
//!   the audit trail has one entry for each of its secrets.
//! - SQLite finds the file sound.
//!
//! A kill keeps what the operating system has taken. That a commit also survives a loss of power is
//! SQLite's `synchronous=FULL`, which no test here can show.
#![cfg(all(feature = "sqlite", unix))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/heavy.rs"]
mod heavy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tower_api_key::key::{KeyFormat, KeyHasher};
use tower_api_key::manage::ManageErrorKind;
use tower_api_key::record::{KeyId, SecretVersion};
use tower_api_key::store::{AuditPageRequest, PageRequest, SqliteStore};
use tower_api_key::{KeyManager, NewKey, Scope};

const SEED: u64 = 0x5eed_2026;
const OWNER: &str = "acct_42";
const OVERLAP: Duration = Duration::from_secs(3_600);
/// How many secrets of a key are returned at most; two more may get lost.
const SECRETS: usize = 6;
const DIRECTORY: &str = "TOWER_API_KEY_TEST_CRASH";
const PATIENCE: Duration = Duration::from_secs(60);

fn calls() -> usize {
    heavy::size(200, 2_000)
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let directory = Directory::new();
    let mut random = Random(SEED);
    let mut kills = 0;
    loop {
        let known = Journal::read(&directory.0).returned();
        let next = known + 20 + random.below(200);
        let mut child = Running::start(&directory.0);
        if !child.runs_until(|| Journal::read(&directory.0).returned() >= next.min(calls())) {
            break;
        }
        // Somewhere in the calls that follow.
        thread::sleep(Duration::from_micros(random.below(3_000) as u64));
        drop(child);
        kills += 1;
        check(&directory.0, kills).await;
        if next >= calls() {
            break;
        }
    }
    let journal = Journal::read(&directory.0);
    let strangers = check(&directory.0, kills).await;
    assert!(
        journal.returned() >= calls() && kills >= heavy::size(1, 10),
        "{kills} kills"
    );
    println!(
        "{} calls, {kills} kills, {} keys, {} calls cut off, \
         {strangers} of them after the commit",
        journal.returned(),
        journal.secrets.len(),
        journal.cut_off
    );
}

/// Checks everything, and counts the secrets that were never returned.
async fn check(directory: &Path, kills: usize) -> usize {
    let journal = Journal::read(directory);
    let store = connect(directory).await;
    let keys = KeyManager::new(store);
    let verifier = keys.verifier();
    let hasher = KeyHasher::sha256();
    let mut returned = BTreeSet::new();
    for (id, secrets) in &journal.secrets {
        for secret in secrets {
            let identity = verifier.verify(secret).await.unwrap();
            assert_eq!(identity.key_id(), *id);
            let key = KeyFormat::default().parse(secret).unwrap();
            returned.insert(*hasher.digest(&key).as_bytes());
        }
    }

    let mut entries = entries(&keys).await;
    let (mut strangers, mut page, mut stored) = (0, PageRequest::first(1_000), BTreeSet::new());
    loop {
        let found = keys.list(OWNER, &page).await.unwrap();
        for record in found.keys() {
            stored.insert(record.id());
            let versions = record.secret_versions();
            assert_eq!(entries.remove(&record.id()), Some(versions.len()));
            let mut ends = versions.iter().map(SecretVersion::retires_at);
            assert_eq!(ends.next(), Some(None));
            assert!(ends.all(|end| end.is_some()));
            let numbers = versions.iter().rev().map(SecretVersion::number);
            assert!(numbers.eq(1..=u32::try_from(versions.len()).unwrap()));
            let unknown = versions
                .iter()
                .filter(|version| !returned.contains(version.digest().as_bytes()));
            strangers += unknown.count();
        }
        match found.next() {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    assert!(strangers <= kills, "{strangers} after {kills} kills");
    assert!(journal.secrets.keys().all(|id| stored.contains(id)));
    assert!(entries.is_empty(), "{entries:?}");
    drop(keys);
    let file = rusqlite::Connection::open(directory.join("keys.db")).unwrap();
    let sound = file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(sound.unwrap(), "ok");
    file.query_row("PRAGMA foreign_key_check", [], |_| Ok(()))
        .unwrap_err();
    strangers
}

/// How many entries of the audit trail each key has.
async fn entries(keys: &KeyManager<SqliteStore>) -> BTreeMap<KeyId, usize> {
    let (mut counts, mut page) = (BTreeMap::new(), AuditPageRequest::first(1_000));
    loop {
        let found = keys.audit(OWNER, &page).await.unwrap();
        for entry in found.entries() {
            *counts.entry(entry.key_id()).or_default() += 1;
        }
        match found.next() {
            Some(next) => page = page.before(next),
            None => return counts,
        }
    }
}

/// Runs in a process of its own until it is killed, or all calls are made.
#[tokio::test]
async fn child_issues_and_rotates() {
    let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    let mut journal = Journal::read(&directory);
    let mut file = OpenOptions::new()
        .append(true)
        .open(directory.join("journal"))
        .unwrap();
    let keys = KeyManager::new(connect(&directory).await);
    let mut random = Random(SEED ^ (journal.returned() as u64 + 1) << 20);
    let mut again = journal.unanswered;
    while journal.returned() < calls() {
        // Whoever gets no answer to a rotation rotates once more.
        let chosen = again.take().or_else(|| journal.choose(&mut random));
        let issued = if let Some(id) = chosen {
            write(&mut file, &format!("rotating {id}"));
            match keys.rotate(&id, OVERLAP).await {
                Ok(issued) => issued,
                Err(error) if error.kind() == ManageErrorKind::Refused => {
                    write(&mut file, "refused");
                    continue;
                }
                Err(error) => panic!("{error:?}"),
            }
        } else {
            write(&mut file, "issuing");
            let new = NewKey::new(OWNER, "CI").with_scopes([Scope::READ]);
            keys.issue(new).await.unwrap()
        };
        let (id, secret) = (issued.record.id(), issued.key.expose_secret());
        write(&mut file, &format!("returned {id} {secret}"));
        journal.note(id, secret);
    }
}

/// One write, so that a kill leaves a whole line or none.
fn write(file: &mut File, line: &str) {
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

async fn connect(directory: &Path) -> SqliteStore {
    let file = directory.join("keys.db");
    let store = SqliteStore::connect(file.to_str().unwrap()).await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// What the children have written.
#[derive(Default)]
struct Journal {
    /// The plaintexts that were returned, by key.
    secrets: BTreeMap<KeyId, Vec<String>>,
    /// The key of a rotation without an answer, at the end.
    unanswered: Option<KeyId>,
    cut_off: usize,
}

impl Journal {
    fn read(directory: &Path) -> Self {
        let text = fs::read_to_string(directory.join("journal")).unwrap();
        let mut journal = Self::default();
        let mut open = false;
        for line in text.lines() {
            let mut words = line.split(' ');
            let what = words.next().unwrap();
            let id = words.next().map(|id| id.parse().unwrap());
            let begins = matches!(what, "issuing" | "rotating");
            journal.cut_off += usize::from(open && begins);
            open = begins;
            journal.unanswered = if what == "rotating" { id } else { None };
            if let ("returned", Some(id), Some(secret)) = (what, id, words.next()) {
                journal.note(id, secret);
            }
        }
        journal
    }

    fn note(&mut self, id: KeyId, secret: &str) {
        self.secrets.entry(id).or_default().push(secret.to_owned());
    }

    fn returned(&self) -> usize {
        self.secrets.values().map(Vec::len).sum()
    }

    /// A key to rotate; now and then none, for a new one.
    fn choose(&self, random: &mut Random) -> Option<KeyId> {
        let secrets = self.secrets.iter();
        let few: Vec<_> = secrets.filter(|(_, all)| all.len() < SECRETS).collect();
        if few.is_empty() || random.below(4) == 0 {
            return None;
        }
        Some(*few[random.below(few.len())].0)
    }
}

/// The child; killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(directory: &Path) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_issues_and_rotates"])
            .env(DIRECTORY, directory)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits until it holds; `false` when the child has ended well before.
    fn runs_until(&mut self, holds: impl Fn() -> bool) -> bool {
        let began = Instant::now();
        while !holds() {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "the child failed: {status}");
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "the child makes no progress");
            thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let name = format!("sqlite-crash-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("journal"), "").unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Xorshift: the same points in every run, as far as the processes' speed allows.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
