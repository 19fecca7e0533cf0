//! Runs every example as a reader would: starts it, and pastes the requests that it prints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "examples/request.rs"]
mod request;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;
use std::{env, fs, thread};

use request::{Request, has_curl, requests};
use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};

#[test]
fn axum_serves_what_it_prints() {
    let example = Example::start("axum", &[]);
    example.paste_all(PRODUCT_STATUSES);
    example.stop();
}

#[test]
fn hyper_serves_what_it_prints_over_both_versions() {
    let example = Example::start("hyper", &[]);
    let uses = |option| {
        let requests = example.requests.iter();
        requests.filter(|one| one.line.contains(option)).count()
    };
    assert_eq!(uses("--http1.1"), example.requests.len() / 2);
    assert_eq!(uses("--http2-prior-knowledge"), example.requests.len() / 2);
    example.paste_all(PRODUCT_STATUSES);
    example.stop();
}

#[test]
fn custom_store_serves_what_it_prints() {
    let example = Example::start("custom_store", &[]);
    example.paste_all(&[200, 401, 403]);
    example.stop();
}

#[test]
fn custom_store_reads_a_file() {
    let key = ApiKey::generate(&KeyFormat::default()).unwrap();
    let digest = hex::encode(KeyHasher::sha256().digest(&key).as_bytes());
    let list = format!("# keys\n\n{} {digest} acct_9 read,reports\n", key.prefix());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys.txt");
    let keys = ("KEYS", path.to_str().unwrap());

    fs::write(&path, list).unwrap();
    let mut example = Example::start("custom_store", &[keys]);
    let secret = key.expose_secret();
    example.requests = vec![Request {
        status: 200,
        body: Some("acct_9 may read reports".to_owned()),
        line: format!("curl -si {}/whoami -H 'X-API-Key: {secret}'", example.base),
    }];
    example.paste_all(&[200]);
    example.stop();

    fs::write(&path, "tc_not a line\n").unwrap();
    let message = "error: expected 'prefix digest owner scope,scope' in line 1 of the keys\n";
    assert_does_not_start("custom_store", &[("LISTEN", "127.0.0.1:0"), keys], message);
}

#[test]
fn a_bad_address_or_a_taken_port_is_a_clear_error() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for name in examples() {
        let message =
            "error: expected an address such as 127.0.0.1:3000 in LISTEN, found \"localhost\"\n";
        assert_does_not_start(name, &[("LISTEN", "localhost")], message);
        let message = format!("error: cannot listen on {taken}: ");
        assert_does_not_start(name, &[("LISTEN", &taken)], &message);
    }
}

#[cfg(feature = "full")]
#[test]
fn sqlite_serves_what_it_prints_and_keeps_its_key() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example.db");
    let remove = || {
        for beside in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", path.display()));
        }
    };
    remove();
    let database = ("DATABASE", path.to_str().unwrap());
    let example = Example::start("sqlite", &[database]);
    example.paste_all(&[200, 401, 403]);
    let (base, mut requests) = (example.base.clone(), example.requests.clone());
    example.stop();

    let mut again = Example::start("sqlite", &[database]);
    again.paste_all(&[401]);
    for request in &mut requests {
        request.line = request.line.replace(&base, &again.base);
    }
    again.requests = requests;
    again.paste_all(&[200, 401, 403]);
    again.stop();
    remove();
}

#[cfg(feature = "full")]
#[test]
fn management_serves_what_it_prints() {
    let example = Example::start("management", &[]);
    example.paste_all(&[200, 201, 401, 422]);
    example.stop();
}

#[cfg(feature = "full")]
#[test]
fn trucustom_serves_what_it_prints_and_keeps_it() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trucustom.db");
    let remove = || {
        for beside in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", path.display()));
        }
    };
    remove();
    let store = ("STORE", path.to_str().unwrap());
    let example = Example::start("trucustom", &[store]);
    example.paste_all(&[200, 201, 401, 404, 422]);
    let (base, mut requests) = (example.base.clone(), example.requests.clone());
    // Dropped, it is killed.
    drop(example);

    let mut again = Example::start("trucustom", &[store]);
    assert_eq!(again.requests.len(), 0, "the key is shown once");
    for request in &mut requests {
        request.line = request.line.replace(&base, &again.base);
    }
    again.requests = requests;
    again.paste_all(&[200, 201, 401, 404, 422]);
    let line = &again.requests[0].line;
    let at = line.find("tc_").unwrap();
    run_client(&again.base, &line[at..at + 67]);
    again.stop();
    remove();
}

#[cfg(feature = "full")]
fn run_client(base: &str, key: &str) {
    let client = |key: &str| {
        let mut client = command("client");
        client.env("BASE_URL", base).env("TRUCUSTOM_API_KEY", key);
        client.output().unwrap()
    };
    let output = client(key);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.starts_with("{\"products\":[{\"id\":1,\"name\":\"Oak table\""),
        "{printed}"
    );
    let unknown = format!("tc_{:064}", 0);
    for (key, message) in [
        (
            &*unknown,
            "error: the key is not valid (any more): ask for another\n",
        ),
        ("", "error: expected an API key in the environment variable"),
    ] {
        let output = client(key);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.starts_with(message), "{errors}");
    }
}

/// What is built: all that the features allow.
fn examples() -> impl Iterator<Item = &'static str> {
    let of_full = ["management", "sqlite", "trucustom"].into_iter();
    let of_full = of_full.filter(|_| cfg!(feature = "full"));
    ["axum", "hyper", "custom_store"].into_iter().chain(of_full)
}

/// The statuses that a product server's requests show.
const PRODUCT_STATUSES: &[u16] = &[200, 201, 204, 400, 401, 403, 404, 422];

/// How long an example may take to start or stop before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example, and the requests that it printed.
struct Example {
    child: Child,
    base: String,
    requests: Vec<Request>,
    /// Ends when the example's output ends, which is when it has stopped.
    output: mpsc::Receiver<String>,
}

impl Example {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command(name);
        command.env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let mut example = Self {
            child,
            base: String::new(),
            requests: Vec::new(),
            output,
        };
        let mut printed = Vec::new();
        while example.base.is_empty() {
            let line = example.output.recv_timeout(PATIENCE);
            let line = line.expect("expected a line that says where the example listens");
            if let Some(base) = line.strip_prefix("Listening on ") {
                base.trim_end_matches(". Ctrl-C stops.")
                    .clone_into(&mut example.base);
            }
            printed.push(line);
        }
        example.requests = requests(&printed);
        example
    }

    /// Pastes every request; together they give these statuses.
    fn paste_all(&self, expected: &[u16]) {
        if has_curl() {
            let statuses: BTreeSet<_> = self.requests.iter().map(Request::paste).collect();
            assert_eq!(statuses, expected.iter().copied().collect());
        }
    }

    /// Stops the example as Ctrl-C does, and checks that it ends well.
    fn stop(mut self) {
        // The shell's own `kill`: a bare system has no other.
        let pid = self.child.id().to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -INT \"$0\"", &pid])
            .status();
        assert!(kill.unwrap().success());
        let end = self.output.recv_timeout(PATIENCE);
        assert_eq!(
            end,
            Err(mpsc::RecvTimeoutError::Disconnected),
            "it did not stop"
        );
        assert!(self.child.wait().unwrap().success(), "it did not end well");
    }
}

/// Whatever happens, no example outlives its test.
impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_does_not_start(name: &str, variables: &[(&str, &str)], message: &str) {
    let output = command(name)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
    assert!(stderr.starts_with(message), "{name}: {stderr}");
}

fn command(name: &str) -> Command {
    let mut command = Command::new(BUILT.join(format!("{name}{}", env::consts::EXE_SUFFIX)));
    command.env_remove("KEYS").stdin(Stdio::null());
    command
}

/// Passes the lines of an example on as they come.
fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The directory of the examples, once all are built the way this test was.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // This is <target>/<profile>/deps/examples-<hash>.
    let this = env::current_exe().unwrap();
    let profile_dir = this.ancestors().nth(2).unwrap();
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut build = Command::new(env!("CARGO"));
    build
        .args([
            "build",
            "--quiet",
            "--profile",
            profile,
            "--features",
            FEATURES,
        ])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(profile_dir.parent().unwrap());
    for name in examples().chain(["client"]) {
        build.args(["--example", name]);
    }
    let output = build.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the examples do not build:\n{errors}"
    );
    profile_dir.join("examples")
});

/// What the examples need, and what this test was built with, so that little is built again.
const FEATURES: &str = if cfg!(feature = "full") {
    "full"
} else {
    "axum"
};
