//! The bodies of requests, as the OpenAPI document describes them; `input` reads them.

#![expect(dead_code, reason = "only the schemas are used")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A key to be made.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What the owner calls the key: 1 to 256 octets that show something, without control characters.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// What the key may do: at most 64 scopes, in the grammar of RFC 6749, section 3.3.
    #[schema(required = false, nullable = false, max_items = 64, value_type = Vec<ScopeName>)]
    scopes: Vec<String>,
    /// From when on the key is refused, which lies ahead; null or missing means as late as may be.
    #[schema(required = false, format = DateTime)]
    expires_at: Option<String>,
    /// In place of `expires_at`: how many days the key works.
    #[schema(required = false, nullable = false, minimum = 1, maximum = 36_500)]
    expires_in_days: u32,
    /// What the owner notes down: at most 16 names of 1 to 64 octets, with values of at most 256.
    #[schema(required = false, nullable = false, value_type = Noted)]
    metadata: BTreeMap<String, String>,
}

/// What to change of a key; what is missing stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchKey {
    /// What the owner calls the key: 1 to 256 octets that show something, without control characters.
    #[schema(required = false, nullable = false, min_length = 1, max_length = 256)]
    name: String,
    /// What the key may do, in place of what it could: at most 64 scopes.
    #[schema(required = false, nullable = false, max_items = 64, value_type = Vec<ScopeName>)]
    scopes: Vec<String>,
    /// From when on the key is refused, which lies ahead; null means never.
    #[schema(required = false, format = DateTime)]
    expires_at: Option<String>,
    /// What the owner notes down, in place of all there was.
    #[schema(required = false, nullable = false, value_type = Noted)]
    metadata: BTreeMap<String, String>,
    /// Whether the key is refused until it is enabled.
    #[schema(required = false, nullable = false)]
    disabled: bool,
}

/// How to rotate a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// How many seconds previous secrets stay valid, where they do not expire earlier. Defaults to
    /// 86,400, a day; with 0, they expire at once.
    #[schema(
        required = false,
        nullable = false,
        minimum = 0,
        maximum = 2_592_000,
        default = 86_400
    )]
    grace_seconds: u32,
}

/// How to revoke a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeKey {
    /// Why: at most 1,024 octets without control characters.
    #[schema(required = false, nullable = false, max_length = 1024)]
    reason: String,
}

/// The name of one permission (RFC 6749, section 3.3).
#[derive(ToSchema)]
#[schema(as = ScopeName, min_length = 1, max_length = 128, pattern = r"^[!#-\[\]-~]+$")]
pub(super) struct ScopeName(String);

/// Names and values.
#[derive(ToSchema)]
#[schema(as = Noted)]
pub(super) struct Noted(BTreeMap<String, String>);
