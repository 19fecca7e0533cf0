//! The commands for a shell, as a script meets them.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;
use tower_api_key::store::SqliteStore;
use tower_api_key::{KeyManager, Scope, Verifier};

use crate::examples::command;
use crate::file::DatabaseFile;

/// A shell, and a store of a test's own.
struct Shell(DatabaseFile);

impl Shell {
    fn new(name: &str) -> Self {
        Self(DatabaseFile::with_tables(name))
    }

    fn keys(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = command("trucustom");
        let mut child = command
            .arg("keys")
            .args(arguments)
            .env("STORE", self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that fails at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.keys(arguments, "");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], input: &str, message: &str) {
        let output = self.keys(arguments, input);
        assert!(!output.status.success(), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(message), "{errors}");
    }

    async fn verifier(&self) -> Verifier {
        let store = SqliteStore::connect(self.0.path()).await;
        KeyManager::new(store.unwrap()).verifier()
    }
}

#[tokio::test]
async fn a_key_lives_by_commands_alone() {
    let shell = Shell::new("cli_life");
    let made = shell.json(&[
        "create", "CI", "--scope", "read", "--scope", "write", "--json",
    ]);
    let (id, first) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let verifier = shell.verifier().await;
    let identity = verifier.verify(first).await.unwrap();
    assert_eq!(
        (identity.name(), identity.owner()),
        ("CI", "acct_trucustom")
    );
    assert!(identity.has_scope(&Scope::WRITE));

    let rotated = shell.json(&["rotate", id, "--grace-seconds", "3600", "--json"]);
    let second = rotated["key"].as_str().unwrap();
    assert!(verifier.verify(first).await.is_ok());
    assert!(verifier.verify(second).await.is_ok());
    let ended = shell.json(&["rotate", id, "--grace-seconds", "0", "--json"]);
    assert!(verifier.verify(first).await.is_err());

    let shown = shell.json(&["show", id, "--json"]);
    let third = ended["key"].as_str().unwrap();
    assert_eq!(shown["prefix"], third[..11]);
    assert_eq!(shown.get("key"), None);
    let revoked = shell.json(&["revoke", id, "--reason", "done", "--json"]);
    assert_eq!(revoked["status"], "revoked");
    assert!(verifier.verify(third).await.is_err());
    assert_eq!(shell.json(&["list", "--json"])["status"], "revoked");
}

#[tokio::test]
async fn a_rotation_without_options_keeps_the_old_secret_for_a_day() {
    let shell = Shell::new("cli_grace");
    let made = shell.json(&["create", "CI", "--scope", "read", "--json"]);
    let id = made["id"].as_str().unwrap();
    shell.json(&["rotate", id, "--json"]);
    let keys = KeyManager::new(SqliteStore::connect(shell.0.path()).await.unwrap());
    let record = keys.get(&id.parse().unwrap()).await.unwrap().unwrap();
    let [new, old] = record.secret_versions() else {
        panic!("expected two secrets: {record:?}");
    };
    let works = old.retires_at().unwrap().duration_since(new.created_at());
    assert_eq!(works.as_secs(), 86_400);
}

#[test]
fn without_json_the_key_is_alone_on_standard_output() {
    let shell = Shell::new("cli_plain");
    let output = shell.keys(&["create", "CI", "--scope", "read"], "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!((printed.len(), &printed[..3]), (68, "tc_"));
}

#[tokio::test]
async fn digests_of_older_keys_are_taken_over() {
    let shell = Shell::new("cli_import");
    let made = shell.json(&["create", "CI", "--scope", "read", "--json"]);
    let digest = "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0";
    let line = format!(
        "{{\"name\":\"old\",\"sha256\":\"{digest}\",\"scopes\":[\"read\"],\"prefix\":\"tc_89abcdef\"}}\n"
    );
    let output = shell.keys(&["import", "--json"], &line);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["imported"], 1);
    let listed = shell.keys(&["list"], "").stdout;
    let listed = String::from_utf8(listed).unwrap();
    assert_eq!(listed.lines().count(), 2);
    assert!(listed.contains("  tc_89abcdef  "), "{listed}");

    let key = made["key"].as_str().unwrap();
    let secret = format!("{{\"name\":\"{key}\"}}\n");
    let message = "line 1, column 78: expected an object with name, sha256 and scopes";
    shell.fails(&["import"], &secret, message);
    let output = shell.keys(&["import"], &secret);
    assert!(!String::from_utf8(output.stderr).unwrap().contains(key));
    let bad = format!("\n{line}\n{{\"name\":\"short\",\"sha256\":\"abc\",\"scopes\":[]}}\n");
    let output = shell.keys(&["import"], &bad);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "line 2: expected a new digest, found it in the store\n\
         line 4: expected a digest of 64 hexadecimal digits\n\
         error: not every key was imported\n"
    );
}

#[test]
fn an_import_names_the_format_of_each_key() {
    let shell = Shell::new("cli_formats");
    let line = |number: u8, members: &str| {
        let digest = format!("{number:02x}").repeat(32);
        format!("{{\"name\":\"old\",\"sha256\":\"{digest}\",\"scopes\":[]{members}}}\n")
    };
    let plaintext = format!(",\"prefix\":\"tc_{}\"", "5".repeat(64));
    let lines = [
        line(1, ""),
        line(2, ",\"format\":\"tc_\""),
        line(3, ",\"format\":\"acme_\""),
        line(4, ",\"prefix\":\"acme_0123\""),
        line(5, ",\"prefix\":\"tc_01234567\""),
        line(6, &plaintext),
    ]
    .concat();
    let refused = |arguments: &[&str], input: &str| {
        let output = shell.keys(arguments, input);
        let errors = String::from_utf8(output.stderr).unwrap();
        let imported = String::from_utf8(output.stdout).unwrap();
        (imported, errors)
    };
    assert_eq!(
        refused(&["import"], &lines),
        (
            "2 keys imported\n".to_owned(),
            "line 1: neither a format nor the leading characters of the key are given\n\
             line 3: the format is not configured; expected one of tc_\n\
             line 4: no key of the format tc_ starts with the given characters\n\
             line 6: the leading characters look like an API key\n\
             error: not every key was imported\n"
                .to_owned()
        )
    );
    let (imported, errors) = refused(&["import", "--format", "acme_"], &line(1, ""));
    assert_eq!(imported, "0 keys imported\n");
    assert!(
        errors.starts_with("line 1: the format is not configured"),
        "{errors}"
    );
    let (imported, errors) = refused(&["import", "--format", "tc_"], &line(1, ""));
    assert_eq!((&*imported, &*errors), ("1 keys imported\n", ""));
}

/// The commands of the walk-through, as they stand there.
#[test]
fn what_the_walk_through_says_works() {
    const TEXT: &str = include_str!("../../examples/trucustom/README.md");
    let shell = Shell::new("cli_readme");
    let says = |command: &str| {
        assert!(TEXT.contains(&format!("keys {command}")), "{command}");
        command.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |command: &str, id: &str| {
        let words = says(command);
        let words = words
            .iter()
            .map(|word| if word == "key_…" { id } else { word });
        let words: Vec<_> = words.chain(["--json"]).collect();
        shell.json(&words)
    };
    let made = run("create Tour --scope read --expires-in-days 90", "");
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["name"], &made["scopes"][0]),
        (&"Tour".into(), &"read".into())
    );
    assert!(made["expires_at"].is_string());
    assert!(run("rotate key_…", id)["key"].is_string());
    assert_eq!(run("revoke key_… --reason leaked", id)["status"], "revoked");
    let line = TEXT
        .lines()
        .find(|line| line.starts_with("{\"name\":\"CI\""));
    let output = shell.keys(&["import"], line.unwrap());
    assert_eq!(output.stdout, b"1 keys imported\n");
    let manager = run("create Management --scope keys:manage", "");
    assert_eq!(manager["scopes"][0], "keys:manage");
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_that_cannot_be_printed_is_told_of() {
    let file = DatabaseFile::with_tables("cli_full");
    let keys = |arguments: &[&str], output: Stdio| {
        let mut keys = command("trucustom");
        keys.arg("keys").args(arguments).env("STORE", file.path());
        keys.stdout(output).stderr(Stdio::piped());
        let output = keys.spawn().unwrap().wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    };
    let create = ["create", "CI", "--scope", "read"];
    let full = std::fs::File::create("/dev/full").unwrap();
    let (status, errors) = keys(&create, full.into());
    assert_eq!(status, Some(1));
    let last = errors.lines().last().unwrap();
    assert!(last.starts_with("error: the secret of key_"), "{last}");
    assert!(last.ends_with("): rotate the key"), "{last}");

    // Whoever has seen enough of a list is told nothing more.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(keys(&["list"], writer.into()), (Some(0), String::new()));
}

#[test]
fn what_an_import_refuses_is_told_whoever_reads_the_rest() {
    let file = DatabaseFile::with_tables("cli_pipe");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut import = command("trucustom");
    import.args(["keys", "import"]).env("STORE", file.path());
    import
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped());
    let mut child = import.spawn().unwrap();
    // The command holds the end of the pipe that nobody reads.
    drop(import);
    let line = b"{\"name\":\"short\",\"sha256\":\"abc\",\"scopes\":[]}\n";
    child.stdin.take().unwrap().write_all(line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "line 1: expected a digest of 64 hexadecimal digits\nerror: not every key was imported\n"
    );
}

#[test]
fn what_cannot_be_done_is_a_clear_error() {
    let shell = Shell::new("cli_errors");
    let nobody = "key_00000000000000000000000000000000";
    let missing = format!("error: the account acct_trucustom has no key {nobody}");
    for command in ["show", "rotate", "revoke"] {
        shell.fails(&[command, nobody], "", &missing);
        shell.fails(&[command, "key_1"], "", "invalid value 'key_1'");
    }
    shell.fails(
        &["--store", "sqlite://a.db?mode=ro", "list"],
        "",
        "error: mode=ro is not supported in an sqlite URL; expected mode=rw or mode=rwc",
    );
    shell.fails(
        &["create", "", "--scope", "read"],
        "",
        "error: expected a name, found an empty text",
    );
    shell.fails(
        &["create", "CI", "--scope", "a b"],
        "",
        "expected printable ASCII",
    );
    shell.fails(
        &["create", "CI", "--scope", "read", "--expires-in-days", "0"],
        "",
        "0 is not in 1..=36500",
    );
    for store in ["memory:", "ftp://user:hunter2@a"] {
        let output = shell.keys(&["--store", store, "list"], "");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1));
        assert!(errors.starts_with("error: expected a "), "{errors}");
        assert!(!errors.contains("hunter2"));
    }
}
