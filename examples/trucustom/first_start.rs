//! The first start: an account, and the key that manages it.

use std::error::Error;
use std::io::{self, Write as _};

use tower_api_key::integration::management::OwnerAuthoriser;
use tower_api_key::manage::{ManageError, ManageErrorKind};
use tower_api_key::store::{PageRequest, StoreError, StoreErrorKind};
use tower_api_key::{NewKey, Scope};

use crate::dashboard::Keys;
use crate::database::report;
use crate::serve::say;
use crate::support::Command;

/// Makes the account's management key where it has no key, and shows it with requests to paste.
pub(crate) async fn greet(keys: &Keys, account: &str, base: &str) -> Result<(), Box<dyn Error>> {
    let has_keys = match keys.list(account, &PageRequest::first(1)).await {
        Ok(page) => !page.keys().is_empty(),
        // The others work all the same.
        Err(error) if is_corrupt(&error) => {
            report(error.source().unwrap_or(&error));
            true
        }
        Err(error) => return Err(error.into()),
    };
    if has_keys {
        tell_of_keys(account);
        return Ok(());
    }
    let scopes = [
        Scope::READ,
        Scope::WRITE,
        Scope::DELETE,
        OwnerAuthoriser::SCOPE,
    ];
    let new = NewKey::new(account, "Management").with_scopes(scopes);
    // Two servers that start at once make one key.
    let new = new.with_max_keys_of_owner(1);
    let fresh = match keys.acting_as("first start").issue(new).await {
        Err(error) if error.kind() == ManageErrorKind::TooManyKeys => {
            tell_of_keys(account);
            return Ok(());
        }
        fresh => fresh?,
    };
    let told = tell_key(account, base, fresh.key.expose_secret());
    Ok(told.map_err(|error| {
        let id = fresh.record.id();
        format!(
            "the key {id} was made, but can't be printed ({error}): make another by `keys create`"
        )
    })?)
}

fn is_corrupt(error: &ManageError) -> bool {
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<StoreError>());
    source.is_some_and(|error| error.kind() == StoreErrorKind::Corrupt)
}

fn tell_of_keys(account: &str) {
    say(&format!(
        "The account {account} has keys; they were shown when they were made. One with the scope keys:manage \
         signs in;\n`keys create Management --scope keys:manage` makes another.\n"
    ));
}

fn tell_key(account: &str, base: &str, key: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "The management key of the account {account}, shown once:\n  {key}\n"
    )?;
    writeln!(output, "Sign in with it at {base}/dashboard, or paste:\n")?;
    for command in commands(base, key) {
        writeln!(output, "{command}")?;
    }
    Ok(())
}

fn commands(base: &str, key: &str) -> Vec<Command> {
    let products = format!("{base}/api/v1/products");
    let api = format!("{base}/api/v1");
    let json = "-H 'Content-Type: application/json'";
    let bearer = format!("-H 'Authorization: Bearer {key}'");
    let header = format!("-H 'X-API-Key: {key}'");
    let unauthorized = r#"{"error":"Unauthorized","message":"Invalid or missing API key."}"#;
    let one = |status, what, body, arguments| Command {
        status,
        what,
        body,
        arguments,
    };
    vec![
        one(
            201,
            "makes a key that may read, for 90 days, and shows it once",
            None,
            format!(
                "{api}/keys {bearer} {json} \
                 -d '{{\"name\":\"Reporting\",\"scopes\":[\"read\"],\"expires_in_days\":90}}'"
            ),
        ),
        one(200, "the keys", None, format!("{api}/keys {bearer}")),
        one(
            201,
            "creates a product",
            None,
            format!(
                "{products} {bearer} {json} -d '{{\"name\":\"Oak table\",\"price_cents\":89900}}'"
            ),
        ),
        one(
            200,
            "the products; the key in X-API-Key",
            None,
            format!("{products} {header}"),
        ),
        one(200, "who did what", None, format!("{api}/audit {bearer}")),
        one(401, "no key", Some(unauthorized), products.clone()),
        one(
            404,
            "no such product",
            None,
            format!("{products}/0 {bearer}"),
        ),
        one(
            422,
            "names every field that is wrong",
            None,
            format!("{api}/keys {bearer} {json} -d '{{\"name\":\"\",\"owner\":\"acct_9\"}}'"),
        ),
    ]
}
