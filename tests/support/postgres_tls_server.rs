//! A private PostgreSQL server that speaks TLS.

use std::fs;
use std::process::{Command, Stdio};

use crate::server::{PostgresServer, give_away};

/// Starts a server with a certificate of its own making for `localhost`, and returns that too.
pub(crate) fn tls_server() -> Option<(PostgresServer, Vec<u8>)> {
    let folder = std::env::temp_dir().join(format!("tower-api-key-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (key, certificate) = (folder.join("server.key"), folder.join("server.crt"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "3650",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
        eprintln!("skipped: openssl is not installed");
        return None;
    }
    let authority = fs::read(&certificate).unwrap();
    give_away(&folder, 0o700);
    give_away(&key, 0o600);
    give_away(&certificate, 0o600);
    let settings = [
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        format!("ssl_key_file={}", key.display()),
        format!("ssl_cert_file={}", certificate.display()),
    ];
    let server = PostgresServer::start_with(&settings.each_ref().map(String::as_str));
    let _ = fs::remove_dir_all(&folder);
    Some((server?, authority))
}
