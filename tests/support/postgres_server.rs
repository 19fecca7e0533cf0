//! A private PostgreSQL server on a free port of loopback, in a directory of its own.
//!
//! It needs the binaries of PostgreSQL on `PATH` or under `/usr/lib/postgresql`. It ends with the
//! value, and with the process of the test however that ends.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{env, io, thread};

/// The password of the user `postgres`.
pub(crate) const PASSWORD: &str = "hunter2-of-the-tests";

/// What the server keeps of it: after one round of hashing rather than 4,096, which would be most of
/// what a connection costs in a debug build.
const VERIFIER: &str = "SCRAM-SHA-256$1:c2l4dGVlbiBvY3RldHMsIA==\
    $DjTH+3tRttB35RXaJRECBt4BAurBpLZ847J5UBZRriE=:OaR7yrKV+UckQARL2ExCmigRKqwqwoVIoPt6ZTMEyTI=";

/// A running server.
pub(crate) struct PostgresServer {
    directory: PathBuf,
    port: u16,
    settings: Vec<String>,
    postmaster: Mutex<Option<Child>>,
    /// Its end tells the guard that the test is over.
    guard: Mutex<Option<ChildStdin>>,
}

impl PostgresServer {
    /// Starts a server; `None` when PostgreSQL is not installed, which is a failure under `CI`.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&["fsync=off"])
    }

    /// Starts a server with more settings, such as `ssl=on`.
    pub(crate) fn start_with(settings: &[&str]) -> Option<Self> {
        if binary("postgres").is_none() {
            assert!(env::var_os("CI").is_none(), "PostgreSQL is not installed");
            eprintln!("skipped: PostgreSQL is not installed");
            return None;
        }
        let server = Self {
            directory: new_directory(),
            port: free_port(),
            settings: settings.iter().map(ToString::to_string).collect(),
            postmaster: Mutex::new(None),
            guard: Mutex::new(None),
        };
        server.make_cluster();
        server.launch();
        Some(server)
    }

    /// One server for all tests of a process; each takes a table prefix of its own.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres", PASSWORD, "postgres")
    }

    pub(crate) fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        let port = self.port;
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// Stops every process of the server in its tracks: connections stay, and nothing answers.
    pub(crate) fn pause(&self) {
        // The postmaster first, so that it makes no more children meanwhile.
        signal("STOP", &[self.pid()]);
        signal("STOP", &self.children());
    }

    pub(crate) fn resume(&self) {
        signal("CONT", &self.children());
        signal("CONT", &[self.pid()]);
    }

    /// Kills every process of the server, as a loss of power does.
    pub(crate) fn kill(&self) {
        let mut postmaster = self.postmaster.lock().unwrap();
        if let Some(mut child) = postmaster.take() {
            let children = children_of(child.id());
            signal("KILL", &[child.id()]);
            signal("KILL", &children);
            child.wait().unwrap();
            wait_until("the server's processes end", || {
                children.iter().all(|pid| !is_running(*pid))
            });
        }
        self.guard.lock().unwrap().take();
    }

    /// Starts the server again, on the same port and files.
    pub(crate) fn restart(&self) {
        self.kill();
        self.launch();
    }

    /// Closes all connections of others, from the server's side.
    pub(crate) fn cut_connections(&self) {
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        );
    }

    /// Runs statements in the database `postgres`, and returns what they print: one row a line,
    /// with `|` between columns.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let output = Command::new(binary("psql").unwrap())
            .args([
                "-X",
                "-A",
                "-t",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
            ])
            .args([
                "-U",
                "postgres",
                "-d",
                "postgres",
                "-p",
                &self.port.to_string(),
            ])
            .args(["-c", statements])
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "disable")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn pid(&self) -> u32 {
        let postmaster = self.postmaster.lock().unwrap();
        postmaster.as_ref().expect("the server runs").id()
    }

    fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    fn make_cluster(&self) {
        let password_file = self.directory.join("password");
        fs::write(&password_file, VERIFIER).unwrap();
        give_away(&password_file, 0o600);
        let mut command = command("initdb");
        command
            .arg("-D")
            .arg(self.directory.join("data"))
            .args(["--no-sync", "-E", "UTF8", "--locale=C", "-U", "postgres"])
            .args(["-A", "scram-sha-256"])
            .arg(format!("--pwfile={}", password_file.display()));
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {errors}");
    }

    fn launch(&self) {
        let log = self.directory.join("log");
        let file = fs::File::create(&log).unwrap();
        let mut command = command("postgres");
        command.arg("-D").arg(self.directory.join("data"));
        let port = format!("port={}", self.port);
        let fixed = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=32MB",
            "max_connections=200",
        ];
        let settings = self.settings.iter().map(String::as_str);
        for setting in fixed.into_iter().chain(settings) {
            command.args(["-c", setting]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        // A group of its own, so that Ctrl-C leaves it to the guard.
        let child = command.process_group(0).spawn().unwrap();
        *self.guard.lock().unwrap() = Some(guard(child.id(), &self.directory));
        *self.postmaster.lock().unwrap() = Some(child);
        let ready = || {
            let status = fs::read_to_string(self.directory.join("data/postmaster.pid"));
            let pid = self.pid().to_string();
            status.is_ok_and(|status| {
                status.lines().next() == Some(&pid) && status.trim_end().ends_with("ready")
            })
        };
        let began = Instant::now();
        while !ready() {
            let log = fs::read_to_string(&log).unwrap_or_default();
            assert!(
                began.elapsed() < PATIENCE,
                "the server does not start: {log}"
            );
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(PAUSE);
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Gives a file to the user that the server runs as.
pub(crate) fn give_away(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A process that outlives the test: when the test's end of the pipe closes, it kills the server
/// and removes its files.
fn guard(postmaster: u32, directory: &Path) -> ChildStdin {
    const SCRIPT: &str = "trap '' INT TERM HUP; read line; kill -KILL \"$1\" 2>/dev/null \
                          && rm -rf \"$2\"";
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "guard", &postmaster.to_string()])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let pipe = child.stdin.take().unwrap();
    // Collects it, so that no zombie is left.
    thread::spawn(move || child.wait());
    pipe
}

/// The user that the server runs as when the tests run as root, which PostgreSQL refuses.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| {
        use std::os::unix::fs::MetadataExt;
        process.uid() == 0
    })
}

fn new_directory() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("tower-api-key-postgres-{}-{count}", std::process::id());
    let directory = env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    give_away(&directory, 0o700);
    directory
}

fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name).unwrap());
    command.current_dir("/").env("LC_ALL", "C");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The newest binary of that name.
pub(crate) fn binary(name: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).map(|folder| folder.join(name));
    let mut installed: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .collect();
    installed.sort();
    on_path
        .chain(installed.into_iter().rev())
        .find(|path| path.is_file())
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| status_of(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

fn is_running(pid: u32) -> bool {
    status_of(pid).is_some_and(|(state, _)| state != "Z")
}

/// The state and the parent of a process.
fn status_of(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, but the last parenthesis is its end.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Sends a signal by the shell's own `kill`: a bare system has no other.
fn signal(name: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(ToString::to_string);
    let status = Command::new("sh")
        .args(["-c", "kill -\"$0\" \"$@\" 2>/dev/null"])
        .arg(OsStr::new(name))
        .args(pids)
        .status();
    // A child that has just ended is no failure.
    let _: io::Result<_> = status;
}
