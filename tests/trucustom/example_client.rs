//! The example `client`, and what it does with every answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::examples::{Example, command};

const KEY: &str = "tc_0000000000000000000000000000000000000000000000000000000000000000";

pub(crate) fn lists_the_products(server: &Example) {
    let (status, printed, errors) = run(&server.base, server.key.as_deref().unwrap());
    assert_eq!((status, &*errors), (Some(0), ""));
    let products = "{\"products\":[{\"id\":1,\"name\":\"Oak table\"";
    assert!(printed.starts_with(products), "{printed}");
    let (status, _, errors) = run(&server.base, KEY);
    let expected = "error: the key is not valid (any more): ask for another\n";
    assert_eq!((status, &*errors), (Some(1), expected));
}

#[test]
fn it_waits_where_that_may_help_and_tells_why_it_ends() {
    const BUSY: &str = "429 Too Many Requests\r\nRetry-After: 0";
    const DOWN: &str = "503 Service Unavailable\r\nRetry-After: 0";
    for (answers, status, expected) in [
        (
            &[BUSY, DOWN, "200 OK"][..],
            0,
            "429 Too Many Requests; trying again in 0ns\n503 Service Unavailable; trying again in 0ns\n",
        ),
        (
            &["403 Forbidden"],
            1,
            "error: the key may not do this: body\n",
        ),
        (
            &["503 Service Unavailable\r\nRetry-After: 3600"],
            1,
            "error: 503 Service Unavailable: try again in 3600s\n",
        ),
        (
            &["500 Internal Server Error"],
            1,
            "error: expected the products, found 500 Internal Server Error\n",
        ),
        (
            &["200 OK\r\nDeprecation: @1767225600\r\nSunset: Wed, 25 Nov 2026 00:00:00 GMT"],
            0,
            "warning: a rotation has replaced this key: take the new one\n\
             warning: this key stops working at Wed, 25 Nov 2026 00:00:00 GMT\n",
        ),
    ] {
        let base = answering(answers);
        // With a slash or without.
        let (found, printed, errors) = run(&format!("{base}/"), KEY);
        assert_eq!((found, &*errors), (Some(status), expected));
        assert_eq!(printed, if status == 0 { "body\n" } else { "" });
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_nobody_can_be_told_it_prints_the_products_all_the_same() {
    let base = answering(&[
        "503 Down\r\nRetry-After: 0",
        "200 OK\r\nDeprecation: @1767225600",
    ]);
    let mut client = command("client");
    client.env("BASE_URL", base).env("TRUCUSTOM_API_KEY", KEY);
    client.stderr(std::fs::File::create("/dev/full").unwrap());
    let output = client.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"body\n"[..])
    );
}

#[test]
fn what_keeps_it_from_asking_is_a_clear_error() {
    let closed = "error: client error (Connect): tcp connect error: ";
    for (base, key, expected) in [
        ("http://127.0.0.1:1", KEY, closed),
        (
            "https://127.0.0.1:1",
            KEY,
            "error: expected http:// in BASE_URL",
        ),
        (
            "http://127.0.0.1:1",
            "",
            "error: expected an API key in the environment variable",
        ),
    ] {
        let (status, _, errors) = run(base, key);
        assert_eq!(status, Some(1));
        assert!(errors.starts_with(expected), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

fn run(base: &str, key: &str) -> (Option<i32>, String, String) {
    let mut client = command("client");
    client.env("BASE_URL", base).env("TRUCUSTOM_API_KEY", key);
    let output = client.output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A server that gives these answers, one a connection.
fn answering(answers: &[&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answers = answers.to_vec();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty());
            assert!(head.count() > 1);
            let rest = "Content-Length: 4\r\nConnection: close\r\n\r\nbody";
            write!(stream, "HTTP/1.1 {answer}\r\n{rest}").unwrap();
        }
    });
    base
}
