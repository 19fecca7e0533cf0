//! How keys and times are shown.

use jiff::Timestamp;
use tower_api_key::manage::{Advice, AdvicePolicy, advise};
use tower_api_key::record::{KeyRecord, KeyStatus, SecretVersion};
use tower_api_key::store::UsageBucket;
use tower_api_key::{Scope, ScopeSet};

use super::signed_in::{MANAGE, SignedIn};

/// What surrounds every page.
pub(super) struct Frame {
    /// Which entry of the sidebar is current; without a session there is no sidebar.
    pub(super) section: &'static str,
    pub(super) owner: String,
    pub(super) csrf: String,
}

impl Frame {
    pub(super) fn outside() -> Self {
        Self {
            section: "",
            owner: String::new(),
            csrf: String::new(),
        }
    }

    pub(super) fn within(signed_in: &SignedIn, section: &'static str) -> Self {
        Self {
            section,
            owner: signed_in.owner().to_owned(),
            csrf: signed_in.csrf.clone(),
        }
    }
}

/// A time, for people and for machines.
pub(super) struct Time {
    pub(super) text: String,
    pub(super) day: String,
    pub(super) exact: String,
}

impl Time {
    pub(super) fn of(time: Timestamp) -> Self {
        Self {
            text: time.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            day: time.strftime("%-d %b %Y").to_string(),
            exact: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

/// A key as lists and pages show it.
pub(super) struct ShownKey {
    pub(super) id: String,
    pub(super) prefix: String,
    /// Those of all secrets that have not expired, newest first.
    pub(super) valid_prefixes: Vec<String>,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) scopes: Vec<String>,
    pub(super) status: String,
    pub(super) created: Time,
    pub(super) expires: Option<Time>,
    pub(super) last_used: Option<Time>,
    pub(super) revision: u64,
    pub(super) is_disabled: bool,
    pub(super) is_revoked: bool,
    pub(super) advice: Vec<ShownAdvice>,
}

impl ShownKey {
    pub(super) fn new(record: &KeyRecord, usage: &[UsageBucket], now: Timestamp) -> Self {
        let advice = advise(record, usage, now, &AdvicePolicy::new());
        let secrets = record.secret_versions();
        let prefix = |secret: &SecretVersion| format!("tc_{}…", secret.prefix());
        let is_valid = |secret: &&SecretVersion| secret.retires_at().is_none_or(|at| now < at);
        Self {
            id: record.id().to_string(),
            prefix: secrets.first().map(prefix).unwrap_or_default(),
            valid_prefixes: secrets.iter().filter(is_valid).map(prefix).collect(),
            name: record.name().to_owned(),
            owner: record.owner().to_owned(),
            scopes: record.scopes().iter().map(ToString::to_string).collect(),
            status: record.status(now).to_string(),
            created: Time::of(record.created_at()),
            expires: record.expires_at().map(Time::of),
            last_used: record.last_used_at().map(Time::of),
            revision: record.revision(),
            is_disabled: record.is_disabled(),
            is_revoked: record.status(now) == KeyStatus::Revoked,
            advice: advice.iter().map(ShownAdvice::of).collect(),
        }
    }
}

/// Something to look at, as a badge and as a sentence.
pub(super) struct ShownAdvice {
    pub(super) badge: &'static str,
    pub(super) text: String,
}

impl ShownAdvice {
    fn of(advice: &Advice) -> Self {
        let at = |time: Timestamp| Time::of(time).text;
        let (badge, text) = match advice {
            Advice::NeverUsed { since } => (
                "Never used",
                format!(
                    "Never used since {}. If nobody needs it, revoke it.",
                    at(*since)
                ),
            ),
            Advice::Idle { since } => (
                "Idle",
                format!(
                    "Not used since {}. If nobody needs it any more, revoke it.",
                    at(*since)
                ),
            ),
            Advice::NoExpiration => (
                "No expiration",
                "It has no expiration date. Give it one.".to_owned(),
            ),
            Advice::UnusedScopes { scopes, .. } => (
                "Unused scopes",
                format!("No request used these scopes for a long time: {scopes}. Remove them."),
            ),
            Advice::ExpiresSoon { at: end } => (
                "Expires soon",
                format!(
                    "It expires on {}. Move the date, or make another key.",
                    at(*end)
                ),
            ),
            Advice::SupersededSecretInUse { retires_at, .. } => (
                "Old secret in use",
                format!(
                    "A client still uses a secret that a rotation replaced. It stops working on {}.",
                    at(*retires_at)
                ),
            ),
            Advice::UnusualTraffic(_) => (
                "Unusual traffic",
                "Far more requests than usual in the last whole hour.".to_owned(),
            ),
            Advice::UnusualRefusals(_) => (
                "Unusual refusals",
                "Far more requests than usual were refused for a scope in the last whole hour."
                    .to_owned(),
            ),
            other => ("Look at this", other.to_string()),
        };
        Self { badge, text }
    }
}

/// A scope as a check box.
pub(super) struct ScopeBox {
    pub(super) name: String,
    pub(super) permits: &'static str,
    pub(super) is_checked: bool,
    /// Whether the key that signed in may give it.
    pub(super) is_offered: bool,
}

/// The documented scopes, and what else the two keys have.
pub(super) fn scope_boxes(checked: &ScopeSet, held: &ScopeSet, kept: &ScopeSet) -> Vec<ScopeBox> {
    let known = [Scope::READ, Scope::WRITE, Scope::DELETE, MANAGE];
    let others = held.union(checked).union(kept);
    let others = others
        .iter()
        .filter(|scope| !known.contains(scope))
        .cloned();
    let all: Vec<_> = known.iter().cloned().chain(others).collect();
    let shown = all.into_iter().map(|scope| ScopeBox {
        permits: match scope.as_str() {
            "read" => "GET, HEAD",
            "write" => "POST, PUT, PATCH",
            "delete" => "DELETE",
            "keys:manage" => "this dashboard and the management API",
            _ => "what your own policy asks it for",
        },
        is_checked: checked.contains(&scope),
        is_offered: held.contains(&scope) || kept.contains(&scope),
        name: scope.to_string(),
    });
    shown.collect()
}
