//! The keys that a product server starts with, and requests that show what each may do.

use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::key::ApiKey;
use tower_api_key::manage::ManageError;
use tower_api_key::{KeyManager, MemoryStore, NewKey, Scope};

use crate::support::Command;

/// One key of each kind.
pub(crate) struct Tour {
    all_scopes: ApiKey,
    read_only: ApiKey,
    expiring: ApiKey,
    expires_at: Timestamp,
    other_account: ApiKey,
    revoked: ApiKey,
}

impl Tour {
    /// The account whose products the keys are for.
    pub(crate) const OWNER: &str = "acct_42";

    /// Issues the keys.
    pub(crate) async fn prepare(keys: &KeyManager<MemoryStore>) -> Result<Self, ManageError> {
        let new = |name: &str| NewKey::new(Self::OWNER, name).with_scopes([Scope::READ]);
        let all = [Scope::READ, Scope::WRITE, Scope::DELETE];
        let expires_at = Timestamp::now() + Duration::from_secs(15 * 60);

        let all_scopes = keys
            .issue(new("Production server").with_scopes(all))
            .await?;
        let read_only = keys.issue(new("Reporting")).await?;
        let expiring = keys.issue(new("Trial").expires_at(expires_at)).await?;
        let other = NewKey::new("acct_7", "Production server").with_scopes([Scope::READ]);
        let other_account = keys.issue(other).await?;
        let revoked = keys.issue(new("Old laptop")).await?;
        keys.revoke(&revoked.record.id(), "the laptop was lost")
            .await?;

        Ok(Self {
            all_scopes: all_scopes.key,
            read_only: read_only.key,
            expiring: expiring.key,
            expires_at,
            other_account: other_account.key,
            revoked: revoked.key,
        })
    }

    /// Shows every key, once.
    pub(crate) fn print_keys(&self) {
        println!("Keys, shown once:");
        for (what, key) in [
            ("read, write and delete", &self.all_scopes),
            ("read only", &self.read_only),
            ("read only, expires soon", &self.expiring),
            ("read only, of another account", &self.other_account),
            ("read only, revoked", &self.revoked),
        ] {
            println!("  {what:<30} {}", key.expose_secret());
        }
        println!(
            "The key that expires soon is refused from {:.0} on.\n",
            self.expires_at
        );
    }

    /// Shows requests to paste. `options` go to curl, and product `spare` is there to be deleted.
    pub(crate) fn print_commands(&self, base: &str, options: &str, spare: u64) {
        let products = format!("{options}{base}/api/v1/products");
        let commands = [
            self.reading(&products),
            self.writing(&products, spare),
            self.refused(&products),
        ];
        for command in commands.iter().flatten() {
            println!("{command}");
        }
        let health = Command {
            status: 200,
            what: "the health check is public",
            body: Some("ok"),
            arguments: format!("{options}{base}/health"),
        };
        println!("{health}");
    }

    fn reading(&self, products: &str) -> Vec<Command> {
        let (all, read_only) = (bearer(&self.all_scopes), x_api_key(&self.read_only));
        vec![
            command(
                200,
                "the products; the key in Authorization",
                format!("{products} {all}"),
            ),
            command(
                200,
                "the products; the key in X-API-Key",
                format!("{products} {read_only}"),
            ),
            command(200, "one product", format!("{products}/1 {read_only}")),
            command(
                200,
                "a key that expires soon; from then on it gives 401",
                format!("{products} {}", bearer(&self.expiring)),
            ),
            Command {
                body: Some("[]"),
                ..command(
                    200,
                    "another account has no products yet",
                    format!("{products} {}", bearer(&self.other_account)),
                )
            },
            command(
                404,
                "an unknown product",
                format!("{products}/999999 {all}"),
            ),
        ]
    }

    fn writing(&self, products: &str, spare: u64) -> Vec<Command> {
        let (bearer, x_api_key) = (bearer(&self.all_scopes), x_api_key(&self.all_scopes));
        let json = "-H 'Content-Type: application/json'";
        let oak = r#"{"name":"Oak table","price_cents":89900}"#;
        let price = r#"{"price_cents":42000}"#;
        vec![
            command(
                201,
                "creates a product; Location says where it is",
                format!("-X POST {products} {bearer} {json} -d '{oak}'"),
            ),
            command(
                201,
                "creates another; the key in X-API-Key",
                format!("-X POST {products} {x_api_key} {json} -d '{oak}'"),
            ),
            command(
                200,
                "changes the price",
                format!("-X PATCH {products}/1 {bearer} {json} -d '{price}'"),
            ),
            command(
                200,
                "replaces the product",
                format!("-X PUT {products}/1 {bearer} {json} -d '{oak}'"),
            ),
            command(
                400,
                "not JSON",
                format!("-X POST {products} {bearer} {json} -d '{{'"),
            ),
            command(
                422,
                "JSON, but no product",
                format!("-X POST {products} {bearer} {json} -d '{{}}'"),
            ),
            command(
                204,
                "deletes a product; a second time gives 404",
                format!("-X DELETE {products}/{spare} {bearer}"),
            ),
        ]
    }

    fn refused(&self, products: &str) -> Vec<Command> {
        let read_only = &self.read_only;
        let both = format!("{} {}", bearer(read_only), x_api_key(&self.all_scopes));
        let refusal = |status, what, body, arguments| Command {
            body: Some(body),
            ..command(status, what, arguments)
        };
        vec![
            refusal(401, "no key", UNAUTHORIZED, products.to_owned()),
            refusal(
                401,
                "not a key",
                UNAUTHORIZED,
                format!("{products} -H 'Authorization: Bearer tc_guess'"),
            ),
            refusal(
                401,
                "a revoked key",
                UNAUTHORIZED,
                format!("{products} {}", x_api_key(&self.revoked)),
            ),
            refusal(
                403,
                "a key without write",
                NO_WRITE,
                format!("-X POST {products} {}", bearer(read_only)),
            ),
            refusal(
                403,
                "a key without delete",
                NO_DELETE,
                format!("-X DELETE {products}/1 {}", x_api_key(read_only)),
            ),
            refusal(
                400,
                "two different keys",
                TWO_KEYS,
                format!("{products} {both}"),
            ),
        ]
    }
}

fn command(status: u16, what: &'static str, arguments: String) -> Command {
    Command {
        status,
        what,
        body: None,
        arguments,
    }
}

fn bearer(key: &ApiKey) -> String {
    format!("-H 'Authorization: Bearer {}'", key.expose_secret())
}

fn x_api_key(key: &ApiKey) -> String {
    format!("-H 'X-API-Key: {}'", key.expose_secret())
}

const UNAUTHORIZED: &str = r#"{"error":"Unauthorized","message":"Invalid or missing API key."}"#;
const NO_WRITE: &str = r#"{"error":"Forbidden","message":"This action requires the 'write' scope, which this API key lacks."}"#;
const NO_DELETE: &str = r#"{"error":"Forbidden","message":"This action requires the 'delete' scope, which this API key lacks."}"#;
const TWO_KEYS: &str = r#"{"error":"Bad Request","message":"Expected exactly one API key in exactly one header line."}"#;
