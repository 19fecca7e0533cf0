//! A private Redis server, on a port and in a directory of its own.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// A server that ends with this value.
pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    directory: PathBuf,
    settings: Vec<String>,
    password: Option<String>,
}

impl RedisServer {
    /// A server that loses nothing when it is killed; `None`, and a line on stderr, where there is
    /// no `redis-server`.
    ///
    /// # Panics
    ///
    /// When there is none although `CI` is `true`, or when it does not start.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server with these settings instead, such as `--requirepass`, `secret`.
    pub(crate) fn start_with(settings: &[&str]) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output();
        if version.is_err() {
            assert!(
                env::var("CI").as_deref() != Ok("true"),
                "expected redis-server on PATH, found none"
            );
            eprintln!("skipped: redis-server is not on PATH");
            return None;
        }
        let port = free_port();
        let directory = env::temp_dir().join(format!("redis-{}-{port}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let password = settings
            .windows(2)
            .find(|pair| pair[0] == "--requirepass")
            .map(|pair| pair[1].to_owned());
        let mut server = Self {
            child: None,
            port,
            directory,
            settings: settings.iter().copied().map(str::to_owned).collect(),
            password,
        };
        server.restart();
        Some(server)
    }

    /// The URL of its first database, without a password.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its data.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops it where it is: connections stay open, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again with the same port and data, killing it first if it runs; waits until it
    /// answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = fs::File::create(self.directory.join("log")).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&self.directory)
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while !self.answers() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "expected redis-server to answer, found it does not: {}",
                fs::read_to_string(self.directory.join("log")).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Cuts every connection of clients, with or without subscriptions.
    pub(crate) fn cut_connections(&self) {
        self.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        self.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }

    /// How many clients are connected, with or without subscriptions.
    pub(crate) fn clients(&self) -> usize {
        let list = self.command(&["CLIENT", "LIST"]);
        // The one that asks is among them.
        list.lines().filter(|line| line.starts_with("id=")).count() - 1
    }

    /// Sends a command, and returns the first part of the answer as it stands on the wire.
    ///
    /// # Panics
    ///
    /// When the answer is an error.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let answer = self.ask(words).unwrap();
        assert!(!answer.starts_with('-'), "{words:?}: {answer}");
        answer
    }

    fn answers(&self) -> bool {
        let answer = self.ask(&["PING"]);
        answer.is_ok_and(|answer| answer.starts_with('+'))
    }

    fn ask(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        if let Some(password) = &self.password {
            exchange(&mut stream, &["AUTH", password])?;
        }
        exchange(&mut stream, words)
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing can be done where this fails, and a panic would hide the test's own.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn exchange(stream: &mut TcpStream, words: &[&str]) -> std::io::Result<String> {
    let words = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let words: Vec<_> = words.collect();
    let command = format!("*{}\r\n{}", words.len(), words.concat());
    stream.write_all(command.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let count = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..count]);
        if count == 0 || is_whole(&answer) {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// Whether the first part of an answer is there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(2).position(|pair| pair == b"\r\n") else {
        return false;
    };
    let length = answer.strip_prefix(b"$").and_then(|_| {
        let digits = std::str::from_utf8(&answer[1..end]).ok()?;
        digits.parse::<usize>().ok()
    });
    length.is_none_or(|length| answer.len() >= end + 2 + length + 2)
}

/// A free port below those that the system gives to clients: a client that tries to reach a server
/// that is down must not get the same port, and find itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id().wrapping_mul(97) % 10_000).unwrap();
    for _ in 0..10_000 {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        let port = 20_000 + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("expected a free port, found none");
}
