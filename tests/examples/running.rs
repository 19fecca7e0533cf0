//! A running example.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::built::command;
use super::request::{Request, has_curl, requests};

/// How long an example may take to start or stop before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example, and the requests that it printed.
pub(crate) struct Example {
    child: Child,
    pub(crate) base: String,
    pub(crate) requests: Vec<Request>,
    /// The key that it printed, if it made one.
    pub(crate) key: Option<String>,
    /// Ends when the example's output ends, which is when it has stopped.
    output: mpsc::Receiver<String>,
}

impl Example {
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command(name);
        command.envs(variables.iter().copied());
        Self::run(command)
    }

    /// Starts what is called like this, on any free port.
    pub(crate) fn run(mut command: Command) -> Self {
        command.env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let mut example = Self {
            child,
            base: String::new(),
            requests: Vec::new(),
            key: None,
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
        let mut keys = printed.iter().filter_map(|line| line.strip_prefix("  tc_"));
        example.key = keys.next().map(|digits| format!("tc_{digits}"));
        example
    }

    /// Takes over the requests of another, or of the one before.
    pub(crate) fn take_over(&mut self, base: &str, requests: &[Request]) {
        self.requests = requests.to_vec();
        for request in &mut self.requests {
            request.line = request.line.replace(base, &self.base);
        }
    }

    /// Pastes every request; together they give these statuses.
    pub(crate) fn paste_all(&self, expected: &[u16]) {
        if has_curl() {
            let statuses: BTreeSet<_> = self.requests.iter().map(Request::paste).collect();
            assert_eq!(statuses, expected.iter().copied().collect());
        }
    }

    /// Stops the example as Ctrl-C does, and checks that it ends well.
    pub(crate) fn stop(self) {
        self.signal("INT");
        self.ends_well();
    }

    pub(crate) fn signal(&self, name: &str) {
        // The shell's own `kill`: a bare system has no other.
        let pid = self.child.id().to_string();
        let kill = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", name, &pid])
            .status();
        assert!(kill.unwrap().success());
    }

    pub(crate) fn ends_well(self) {
        assert_eq!(self.ends(), Some(0), "it did not end well");
    }

    /// Waits for its end, and returns its exit code.
    pub(crate) fn ends(mut self) -> Option<i32> {
        let end = self.output.recv_timeout(PATIENCE);
        assert_eq!(
            end,
            Err(mpsc::RecvTimeoutError::Disconnected),
            "it did not stop"
        );
        self.child.wait().unwrap().code()
    }
}

/// Whatever happens, no example outlives its test.
impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns all that it says instead.
#[track_caller]
pub(crate) fn assert_does_not_start(
    name: &str,
    variables: &[(&str, &str)],
    message: &str,
) -> String {
    let output = command(name)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
    assert!(stderr.starts_with(message), "{name}: {stderr}");
    stderr
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
