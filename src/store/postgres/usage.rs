//! Notes uses of keys.

use std::collections::BTreeMap;

use super::database::Database;
use super::sql::Query;
use super::timestamptz::Timestamptz;
use crate::record::id::KeyId;
use crate::store::error::StoreError;
use crate::store::usage::KeyUse;

/// How many uses one statement notes.
const MOST_USES: usize = 1_000;

impl Database {
    /// Notes uses; each thousand has the deadline of a call.
    pub(super) async fn note(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        let mut latest = BTreeMap::new();
        for one in uses {
            let used_at = latest
                .entry((one.key(), one.secret_version()))
                .or_insert(one.last_used_at());
            *used_at = one.last_used_at().max(*used_at);
        }
        let latest: Vec<_> = latest.into_iter().collect();
        for batch in latest.chunks(MOST_USES) {
            self.within(self.note_batch(batch)).await?;
        }
        Ok(())
    }

    async fn note_batch(
        &self,
        batch: &[((KeyId, u32), jiff::Timestamp)],
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = batch
            .iter()
            .map(|((id, _), _)| id.as_bytes().to_vec())
            .collect();
        let numbers: Vec<_> = batch
            .iter()
            .map(|((_, number), _)| i64::from(*number))
            .collect();
        let times: Vec<_> = batch
            .iter()
            .map(|(_, used_at)| Timestamptz(*used_at))
            .collect();
        let noted = self.write(Query::Use, &[&ids, &numbers, &times]).await;
        let noted = noted.map_err(|fault| fault.into_store_error(self.address()));
        noted.map(drop)
    }
}
