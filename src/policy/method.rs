//! The default policy, which goes by the method.

use http::Method;
use http::header::HeaderValue;

use super::head::RequestHead;
use super::method_override::is_override;
use super::requirement::Requirement;
use super::scope_policy::ScopePolicy;
use crate::scope::set::{Common, ScopeSet};

/// Asks for a scope by the request's method; the default policy.
///
/// | method | scope |
/// | --- | --- |
/// | GET, HEAD, OPTIONS | `read` |
/// | POST, PUT, PATCH | `write` |
/// | DELETE | `delete` |
/// | any other | not permitted |
///
/// Methods are compared with their case (RFC 9110, section 9.1): `get` is another method.
///
/// Some frameworks let a header replace the method after this layer has looked at it. So a request
/// with `X-HTTP-Method-Override`, `X-HTTP-Method` or `X-Method-Override` needs the scopes of every
/// method that it names, of either case, and is not permitted if one of them is not.
#[derive(Clone, Debug, Default)]
pub struct MethodPolicy {
    /// What the user set, in front of the table above.
    own: Vec<(Method, ScopeSet)>,
}

impl MethodPolicy {
    /// The table above.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the scopes for a method, which may be one that the table does not permit.
    ///
    /// ```
    /// use http::Method;
    /// use tower_api_key::policy::MethodPolicy;
    /// use tower_api_key::scope::Scope;
    ///
    /// let policy = MethodPolicy::new().with_method(Method::QUERY, [Scope::READ]);
    /// ```
    #[must_use]
    pub fn with_method(mut self, method: Method, scopes: impl Into<ScopeSet>) -> Self {
        self.own.retain(|(other, _)| *other != method);
        self.own.push((method, scopes.into()));
        self
    }

    #[inline]
    pub(crate) fn of(&self, method: &Method) -> Requirement {
        if let Some((_, scopes)) = self.own.iter().find(|(own, _)| own == method) {
            return Requirement::Scopes(scopes.clone());
        }
        let scope = match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Common::Read,
            Method::POST | Method::PUT | Method::PATCH => Common::Write,
            Method::DELETE => Common::Delete,
            _ => return Requirement::NotPermitted,
        };
        Requirement::Scopes(ScopeSet::common(scope))
    }

    fn of_overrides(&self, head: &RequestHead<'_>) -> Requirement {
        let overrides = head.lines().filter(|(name, _)| is_override(name));
        let requirements = overrides.map(|(_, value)| {
            // A hidden value cannot be understood, so neither can the request.
            let value = value.map(HeaderValue::as_bytes).unwrap_or_default();
            let named = value.trim_ascii().to_ascii_uppercase();
            match Method::from_bytes(&named) {
                Ok(method) => self.of(&method),
                Err(_) => Requirement::NotPermitted,
            }
        });
        requirements
            .reduce(Requirement::and)
            .unwrap_or(Requirement::NotPermitted)
    }
}

impl ScopePolicy for MethodPolicy {
    fn requirement(&self, head: &RequestHead<'_>) -> Requirement {
        let requirement = self.of(head.method());
        if head.any_name(is_override) {
            requirement.and(self.of_overrides(head))
        } else {
            requirement
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Uri, Version};

    use super::*;
    use crate::scope::name::Scope;

    fn requirement(method: &Method, overrides: &[(&'static str, &str)]) -> Requirement {
        let headers: HeaderMap = overrides
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        let uri = Uri::from_static("/items");
        let head = RequestHead::new(method, &uri, Version::HTTP_11, &headers, &[]);
        MethodPolicy::new().requirement(&head)
    }

    #[test]
    fn each_method_has_its_scope_or_none() {
        for (method, scope) in [
            ("GET", Some(Scope::READ)),
            ("HEAD", Some(Scope::READ)),
            ("OPTIONS", Some(Scope::READ)),
            ("POST", Some(Scope::WRITE)),
            ("PUT", Some(Scope::WRITE)),
            ("PATCH", Some(Scope::WRITE)),
            ("DELETE", Some(Scope::DELETE)),
            ("QUERY", None),
            ("TRACE", None),
            ("CONNECT", None),
            ("get", None),
            ("GETX", None),
        ] {
            let expected = scope.map_or(Requirement::NotPermitted, Requirement::from);
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(requirement(&method, &[]), expected, "{method}");
        }
    }

    #[test]
    fn an_override_adds_what_its_method_needs() {
        for name in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
        ] {
            for (value, expected) in [
                ("DELETE", Requirement::from([Scope::WRITE, Scope::DELETE])),
                (" delete ", Requirement::from([Scope::WRITE, Scope::DELETE])),
                ("POST", Requirement::from(Scope::WRITE)),
                ("FROB", Requirement::NotPermitted),
                ("DELETE, GET", Requirement::NotPermitted),
                ("", Requirement::NotPermitted),
            ] {
                assert_eq!(
                    requirement(&Method::POST, &[(name, value)]),
                    expected,
                    "{value:?}"
                );
            }
        }
        assert_eq!(
            requirement(
                &Method::GET,
                &[("x-http-method", "PUT"), ("x-method-override", "DELETE")]
            ),
            Requirement::from([Scope::READ, Scope::WRITE, Scope::DELETE])
        );
    }
}
