//! Whether a server is a primary.

use std::fmt;

use ::redis::{Cmd, Value};

use super::error::Failure;

/// Asks a server for its role, changing nothing.
///
/// `ROLE` is `@dangerous`, and `PING` is answered by a replica too. Every user may send `HELLO`, on a
/// connection that is subscribed as well; Redis 6.0 wants the version with it.
pub(super) fn question() -> Cmd {
    let mut hello = ::redis::cmd("HELLO");
    hello.arg("3");
    hello
}

/// Fails unless the answer to the [`question`] is that of a primary.
pub(super) fn check(answer: Value, address: &dyn fmt::Display) -> Result<(), Failure> {
    let facts = match answer {
        Value::Map(facts) => facts,
        Value::ServerError(error) => return Err(Failure::of_call(error.into(), address)),
        _ => Vec::new(),
    };
    match facts.iter().find(|(name, _)| is(name, "role")) {
        Some((_, role)) if is(role, "master") => Ok(()),
        Some(_) => Err(Failure::no_primary("a replica", address)),
        None => Err(Failure::no_primary("no role", address)),
    }
}

fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(found) => found == text,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::error::StoreError;

    #[test]
    fn only_a_primary_is_one() {
        let found = |answer: &str| {
            let value = ::redis::parse_redis_value(answer.as_bytes()).unwrap();
            let failure = check(value, &"h:1").map_err(StoreError::from);
            failure.map_err(|error| error.to_string())
        };
        let start = "%2\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n";
        assert_eq!(found(&format!("{start}$6\r\nmaster\r\n")), Ok(()));
        assert_eq!(
            found(&format!("{start}$7\r\nreplica\r\n")).unwrap_err(),
            "expected a primary, redis at h:1, found a replica"
        );
        // As Sentinel answers, and as nothing does.
        for answer in ["%1\r\n$5\r\nproto\r\n:3\r\n", "+PONG\r\n", "_\r\n"] {
            assert_eq!(
                found(answer).unwrap_err(),
                "expected a primary, redis at h:1, found no role"
            );
        }
        found("-NOAUTH HELLO must be called\r\n").unwrap_err();
    }
}
