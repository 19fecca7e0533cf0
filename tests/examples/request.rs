//! The requests that an example prints, pasted into a shell.

use std::env;
use std::io::{self, Write};
use std::process::Command;
use std::sync::LazyLock;

/// A request to paste, and what the example promises of it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) status: u16,
    pub(crate) body: Option<String>,
    pub(crate) line: String,
}

impl Request {
    pub(crate) fn paste(&self) -> u16 {
        let mut shell = Command::new("sh");
        // No proxy leads to this machine.
        let output = shell
            .args(["-c", &self.line])
            .env("no_proxy", "*")
            .output()
            .unwrap();
        assert!(output.status.success(), "{self:?} failed: {output:?}");
        let answer = String::from_utf8(output.stdout).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();

        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        assert_eq!(status, Some(self.status), "{self:?} gave {answer}");
        if let Some(expected) = &self.body {
            assert_eq!(body.trim_end(), expected, "{self:?} gave {answer}");
        }
        let located = head.to_ascii_lowercase().contains("\r\nlocation: /api/v1/");
        assert_eq!(located, self.status == 201, "{self:?} gave {answer}");
        self.status
    }
}

/// Reads the requests that an example printed: a comment with the status, one with the body where
/// it is promised, and the command.
pub(crate) fn requests(printed: &[String]) -> Vec<Request> {
    let mut requests = Vec::new();
    let (mut status, mut body) = (None, None);
    for line in printed {
        if let Some(promised) = line.strip_prefix("#   ") {
            body = Some(promised.to_owned());
        } else if let Some(comment) = line.strip_prefix("# ") {
            status = comment
                .split(' ')
                .next()
                .and_then(|status| status.parse().ok());
        } else if line.starts_with("curl ") {
            requests.push(Request {
                status: status
                    .take()
                    .expect("expected a status above every request"),
                body: body.take(),
                line: line.clone(),
            });
        }
    }
    requests
}

/// Whether curl is there. Without it the requests are skipped, except in CI.
pub(crate) fn has_curl() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let version = Command::new("curl").arg("--version").output();
        let found = version.is_ok_and(|output| {
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("HTTP2")
        });
        if !found {
            let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "curl is not installed, or has no HTTP/2");
            // Not by `eprintln!`, which the test harness would hide.
            let _ = writeln!(
                io::stderr(),
                "skipped: curl is not installed, or has no HTTP/2"
            );
        }
        found
    });
    *FOUND
}
