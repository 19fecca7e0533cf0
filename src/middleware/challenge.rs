//! The `WWW-Authenticate` header (RFC 9110, section 11.6.1; RFC 6750, section 3).

use http::HeaderValue;

use super::config_error::{ConfigError, ConfigErrorKind};
use crate::denial::{Denial, DenialClass};

/// The challenges of one realm, made when the layer is built.
#[derive(Debug)]
pub(crate) struct Challenges {
    realm: Box<str>,
    missing: HeaderValue,
    invalid_request: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
}

impl Challenges {
    /// The longest realm, in octets.
    const MAX_REALM: usize = 256;

    pub(super) fn new(realm: &str) -> Result<Self, ConfigError> {
        let printable = realm.bytes().all(|octet| matches!(octet, 0x20..=0x7e));
        if realm.trim().is_empty() || realm.len() > Self::MAX_REALM || !printable {
            return Err(invalid_realm());
        }
        // A quoted-string could escape them, but clients are known to get that wrong.
        if realm.contains(['"', '\\']) {
            return Err(invalid_realm());
        }
        let challenge = |attributes: &str| {
            HeaderValue::try_from(format!("Bearer realm=\"{realm}\"{attributes}"))
                .map_err(|_| invalid_realm())
        };
        Ok(Self {
            realm: realm.into(),
            missing: challenge("")?,
            invalid_request: challenge(r#", error="invalid_request""#)?,
            invalid_token: challenge(r#", error="invalid_token""#)?,
            insufficient_scope: challenge(r#", error="insufficient_scope""#)?,
        })
    }

    /// The challenge that goes with a refusal; `None` when another key would not help.
    ///
    /// `error` is left out when no key was sent, or not as Bearer (RFC 6750, section 3.1).
    pub(super) fn of(&self, denial: &Denial) -> Option<HeaderValue> {
        match denial.class() {
            DenialClass::NoKey => Some(self.missing.clone()),
            DenialClass::Unclear => Some(self.invalid_request.clone()),
            DenialClass::BadKey => Some(self.invalid_token.clone()),
            DenialClass::LacksScope => Some(self.scope_challenge(denial)),
            DenialClass::NotPermitted => Some(self.insufficient_scope.clone()),
            DenialClass::Fault => None,
        }
    }

    fn scope_challenge(&self, denial: &Denial) -> HeaderValue {
        let (realm, scopes) = (&self.realm, denial.missing_scopes());
        let value =
            format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{scopes}\"");
        // A scope name has no octet that a quoted-string could not hold.
        HeaderValue::try_from(value).unwrap_or_else(|_| self.insufficient_scope.clone())
    }
}

/// The realm `api`.
impl Default for Challenges {
    fn default() -> Self {
        // Static values: to clone them touches no counter.
        Self {
            realm: "api".into(),
            missing: HeaderValue::from_static(r#"Bearer realm="api""#),
            invalid_request: HeaderValue::from_static(
                r#"Bearer realm="api", error="invalid_request""#,
            ),
            invalid_token: HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#),
            insufficient_scope: HeaderValue::from_static(
                r#"Bearer realm="api", error="insufficient_scope""#,
            ),
        }
    }
}

fn invalid_realm() -> ConfigError {
    ConfigError::new(
        ConfigErrorKind::Realm,
        format!(
            "expected a realm of 1 to {} octets of printable ASCII without '\"' and '\\'",
            Challenges::MAX_REALM
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_its_realm_would_make() {
        let (made, default) = (Challenges::new("api").unwrap(), Challenges::default());
        assert_eq!(format!("{made:?}"), format!("{default:?}"));
    }
}
