//! Starts on every store, and what keeps it from starting.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;

use crate::examples::{Example, assert_does_not_start};
use crate::file::DatabaseFile;
use crate::postgres_tls_server::tls_server;
use crate::redis_server::RedisServer;
use crate::server::PostgresServer;

/// What the requests that it prints show.
const STATUSES: &[u16] = &[200, 201, 401, 404, 422];

#[test]
fn on_sqlite_it_serves_what_it_prints_and_keeps_it() {
    let file = DatabaseFile::new("trucustom");
    let again = serves_and_keeps(file.path(), &[]);
    crate::example_client::lists_the_products(&again);
    again.stop();
}

#[test]
fn on_postgres_it_serves_what_it_prints_and_keeps_it() {
    if let Some(server) = PostgresServer::start() {
        serves_and_keeps(&server.url(), &[]).stop();
    }
}

#[test]
fn on_redis_it_serves_what_it_prints_and_keeps_its_keys() {
    if let Some(server) = RedisServer::start() {
        serves_and_keeps(&server.url(), &[]).stop();
    }
}

#[test]
fn in_memory_it_serves_what_it_prints() {
    let example = Example::start("trucustom", &[("STORE", "memory:")]);
    example.paste_all(STATUSES);
    example.stop();
}

#[test]
fn a_postgres_with_tls_keeps_all_of_it_encrypted() {
    let Some((server, certificate)) = tls_server() else {
        return;
    };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trucustom-authority.pem");
    fs::write(&file, certificate).unwrap();
    let url = server.url().replace("127.0.0.1", "localhost");
    let url = url.replace("sslmode=disable", "sslmode=verify-full");
    let trusted = ("SSL_CERT_FILE", file.to_str().unwrap());
    let example = serves_and_keeps(&url, &[trusted]);
    // The one that asks is none of them.
    let plain = "SELECT count(*) FILTER (WHERE ssl) > 1, count(*) FILTER (WHERE NOT ssl) \
                 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    assert_eq!(server.sql(plain), "t|0");
    example.stop();

    let message = format!(
        "error: PostgreSQL at localhost:{}/postgres: the server has no TLS certificate that is \
         trusted for this host\n",
        server.port()
    );
    let nothing = ("SSL_CERT_FILE", "/dev/null");
    does_not_start(&[("STORE", &url), nothing], &message);
}

/// Starts it, pastes what it prints, kills it, and pastes the same to the next.
fn serves_and_keeps(store: &str, more: &[(&str, &str)]) -> Example {
    let variables = [&[("STORE", store)], more].concat();
    let example = Example::start("trucustom", &variables);
    example.paste_all(STATUSES);
    let (base, requests) = (example.base.clone(), example.requests.clone());
    let key = example.key.clone();
    // Dropped, it is killed.
    drop(example);

    let mut again = Example::start("trucustom", &variables);
    assert_eq!(
        (&again.key, again.requests.len()),
        (&None, 0),
        "the key is shown once"
    );
    again.take_over(&base, &requests);
    again.paste_all(STATUSES);
    again.key = key;
    again
}

#[test]
fn two_first_starts_at_once_make_one_key() {
    let file = DatabaseFile::new("trucustom_twins");
    let postgres = PostgresServer::start();
    let redis = RedisServer::start();
    let urls = [
        Some(file.path().to_owned()),
        postgres.as_ref().map(PostgresServer::url),
        redis.as_ref().map(RedisServer::url),
    ];
    for store in urls.into_iter().flatten() {
        let start = || Example::start("trucustom", &[("STORE", &store)]);
        let (mut one, mut other) = thread::scope(|scope| {
            let one = scope.spawn(start);
            let other = start();
            (one.join().unwrap(), other)
        });
        if one.key.is_none() {
            std::mem::swap(&mut one, &mut other);
        }
        assert!(one.key.is_some() && other.key.is_none(), "{store}");
        one.paste_all(STATUSES);
        other.take_over(&one.base, &one.requests);
        other.paste_all(STATUSES);
        one.stop();
        other.stop();
    }
}

#[test]
fn what_keeps_it_from_starting_is_one_clear_line() {
    let expected = "error: expected a path, sqlite:///path, postgres://…, redis://… or memory: in \
                    STORE, found something else\n";
    for bad in [
        "ftp://u:hunter2@a",
        "",
        "memory:x",
        "postgress://u:hunter2@a",
    ] {
        does_not_start(&[("STORE", bad)], expected);
    }
    let message = "error: expected the path of a database, found none\n";
    does_not_start(&[("STORE", "sqlite://")], message);
    let message = "error: expected the directory /no/such/directory, found none";
    does_not_start(&[("STORE", "/no/such/directory/a.db")], message);
    let message = "error: PostgreSQL at 127.0.0.1:1/keys: the connection failed\n";
    let url = "postgres://u:hunter2@127.0.0.1:1/keys";
    does_not_start(&[("STORE", url)], message);
    let message = "error: expected redis at 127.0.0.1:1, found no connection\n";
    does_not_start(&[("STORE", "redis://u:hunter2@127.0.0.1:1/0")], message);

    // What not even root can write to, and what others can't.
    let mut places = vec!["/proc/self/trucustom.db".to_owned()];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("read-only");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let probe = folder.join("probe");
    if fs::write(&probe, "").is_err() {
        places.push(folder.join("trucustom.db").to_str().unwrap().to_owned());
    }
    let _ = fs::remove_file(probe);
    for place in places {
        let message = format!("error: cannot open the database {place}, ");
        does_not_start(&[("STORE", &place)], &message);
    }
}

/// It says why in one line, and repeats no password.
#[track_caller]
fn does_not_start(variables: &[(&str, &str)], message: &str) {
    let variables = [&[("LISTEN", "127.0.0.1:0")], variables].concat();
    let errors = assert_does_not_start("trucustom", &variables, message);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
}
