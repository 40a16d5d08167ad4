//! Does what a plan says, in its order.

use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use lb_common::{
    Cursor, Map, RingChunk, filter,
    listener::{MAX_BUCKETS, MAX_PATTERNS},
    memory::write,
    service::CHUNK,
};
use zerocopy::{Immutable, IntoBytes};

use super::plan::Action;
use crate::dataplane::Dataplane;

/// Applies every action, or stops at the first that fails: what was done until then is consistent by the plan's
/// order.
///
/// # Errors
/// Where the data path refuses.
pub fn apply(dataplane: &dyn Dataplane, plan: &[Action]) -> Result<()> {
    for action in plan {
        one(dataplane, action)?;
    }
    Ok(())
}

fn one(dataplane: &dyn Dataplane, action: &Action) -> Result<()> {
    let done = match action {
        Action::Backend(number, record, note) => {
            let number = u32::from(*number);
            write(dataplane.words(Map::BackendNotes), number, note)
                && write(dataplane.words(Map::Backends), number, record)
        }
        Action::BackendNote(number, note) => {
            write(dataplane.words(Map::BackendNotes), u32::from(*number), note)
        }
        Action::ForgetBackend(number) => {
            dataplane.forget_backend(*number)?;
            true
        }
        Action::Ring(base, slots) => write_ring(dataplane, *base, slots),
        Action::Rewind(number, side) => rewind(dataplane, *number, *side),
        Action::Service(number, record) => write(dataplane.words(Map::Services), *number, record),
        Action::ServiceNote(number, note) => {
            write(dataplane.words(Map::ServiceNotes), *number, note)
        }
        Action::ForgetService(number) => {
            dataplane.forget_service(*number)?;
            true
        }
        Action::Listeners(side, table) => {
            write_all(
                dataplane,
                Map::Listeners,
                side * MAX_BUCKETS,
                &table.buckets,
            ) && write_all(
                dataplane,
                Map::Patterns,
                side * MAX_PATTERNS,
                &table.patterns,
            ) && write_all(
                dataplane,
                Map::Filter,
                side * filter::WORDS,
                &table.filter(),
            )
        }
        Action::Bounds(base, bounds) => write_all(dataplane, Map::Bounds, *base, bounds),
        Action::Source(number, address) => {
            write(dataplane.words(Map::Sources), u32::from(*number), address)
        }
        Action::Link(number, link) => write(dataplane.words(Map::Links), *number, link),
        Action::Control(control) => write(dataplane.words(Map::Control), 0, control),
        Action::Grace => {
            dataplane.grace()?;
            true
        }
    };
    ensure!(
        done,
        "a plan names an entry that its map does not have: {action:?}"
    );
    Ok(())
}

fn write_all<T: IntoBytes + Immutable>(
    dataplane: &dyn Dataplane,
    map: Map,
    from: u32,
    values: &[T],
) -> bool {
    (from..)
        .zip(values)
        .all(|(index, value)| write(dataplane.words(map), index, value))
}

fn write_ring(dataplane: &dyn Dataplane, base: u32, slots: &[u16]) -> bool {
    (base / CHUNK..)
        .zip(slots.chunks(CHUNK as usize))
        .all(|(index, part)| {
            let mut chunk = RingChunk::default();
            chunk[..part.len()].copy_from_slice(part);
            write(dataplane.words(Map::Ring), index, &chunk)
        })
}

/// Stores one word: the other side's ticket is being taken by packets.
fn rewind(dataplane: &dyn Dataplane, number: u32, side: u32) -> bool {
    let word = number as usize * (size_of::<Cursor>() / 8) + side as usize;
    let ticket = dataplane.words(Map::Cursors).get(word);
    ticket
        .map(|ticket| ticket.store(0, Ordering::Release))
        .is_some()
}
