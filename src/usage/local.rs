//! Which shard is the calling thread's.

use std::cell::RefCell;
use std::sync::Arc;

use super::shard::Shard;

thread_local! {
    /// The thread's shards, each with the number of the monitor that collects it.
    static SHARDS: RefCell<Vec<(u64, Arc<Shard>)>> = const { RefCell::new(Vec::new()) };
}

/// Works on the thread's shard for that monitor; `adopt` gives it one when it has none yet.
#[inline]
pub(super) fn with_shard(
    monitor: u64,
    adopt: impl Fn() -> Arc<Shard> + Copy,
    work: impl Fn(&Shard) + Copy,
) {
    let has_worked = SHARDS.try_with(|shards| {
        let shards = shards.borrow();
        let own = shards.iter().find(|(number, _)| *number == monitor);
        own.map(|(_, shard)| work(shard)).is_some()
    });
    match has_worked {
        Ok(true) => {}
        Ok(false) => work(&keep(monitor, adopt())),
        // The thread is ending, and has given its shard back.
        Err(_) => work(&adopt()),
    }
}

#[cold]
#[inline(never)]
fn keep(monitor: u64, shard: Arc<Shard>) -> Arc<Shard> {
    let kept = shard.clone();
    // A thread that ends meanwhile gives it back all the same.
    let _ = SHARDS.try_with(|shards| {
        let mut shards = shards.borrow_mut();
        // Those of monitors that are gone have no other holder.
        shards.retain(|(_, shard)| Arc::strong_count(shard) > 1);
        shards.push((monitor, kept));
    });
    shard
}
