//! Parameters of statements, kept out of logs.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// A parameter whose `Debug` output shows nothing.
///
/// At the level `debug`, tokio-postgres logs the parameters of every statement, and a digest in a
/// log would tell whose requests it records.
#[derive(Clone, Copy)]
pub(super) struct Hidden<'a>(pub(super) &'a (dyn ToSql + Sync));

impl ToSql for Hidden<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    /// The parameter inside decides, in [`to_sql`](Self::to_sql).
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_sent_and_not_shown() {
        let digest = &[0x5a_u8; 32][..];
        let hidden = Hidden(&digest);
        assert_eq!(format!("{hidden:?}"), "[redacted]");
        let mut sent = BytesMut::new();
        hidden.to_sql_checked(&Type::BYTEA, &mut sent).unwrap();
        assert_eq!(sent, digest);
        assert!(hidden.to_sql_checked(&Type::BOOL, &mut sent).is_err());
    }
}
