//! From what is to what should be, as actions in an order in which no packet sees a half state: pure.
//!
//! Up: backends, then rings, then listeners. Then everything waits for the packets under way. Down: permissions are
//! withdrawn and numbers freed only after nothing points at them any more.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use lb_common::{
    Address, Backend, BackendNote, Bound, Control, Link, Listener, Ring, Service, ServiceNote,
    admission::MAX_BOUNDS, maps::MAX_RING_CHUNKS, service::CHUNK,
};

use super::target::{Target, TargetService};
use crate::{
    listeners::{self, Table},
    observed::{Observed, ObservedService},
};

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write a backend's record and note.
    Backend(u16, Backend, BackendNote),
    /// Write only who holds a backend's number.
    BackendNote(u16, BackendNote),
    /// Set a backend's counters to zero.
    ForgetBackend(u16),
    /// Write these slots from this slot on, which no packet reads.
    Ring(u32, Vec<u16>),
    /// Begin a service's ring of this side from its first slot.
    Rewind(u32, u32),
    /// Write a service's record; this is what puts a ring in force.
    Service(u32, Service),
    /// Write who holds a service's number.
    ServiceNote(u32, ServiceNote),
    /// Set a service's counters to zero.
    ForgetService(u32),
    /// Write the listener table of this side, which no packet reads.
    Listeners(u32, Table),
    /// Write these bounds from this one on, which no packet reads.
    Bounds(u32, Vec<Bound>),
    /// Write a source address.
    Source(u16, Address),
    /// Write a link.
    Link(u32, Link),
    /// Write the global state; this is what puts a listener table in force.
    Control(Control),
    /// Wait until no packet is under way that saw what was before.
    Grace,
}

/// Plans the way from `observed` to `target`.
///
/// # Errors
/// Where a table is too small.
pub fn plan(observed: &Observed, target: &Target) -> Result<Vec<Action>> {
    let mut plan = Vec::new();
    for (number, address) in &target.sources {
        if observed.sources.get(number) != Some(address) {
            plan.push(Action::Source(*number, *address));
        }
    }
    for (number, link) in (0..).zip(&target.links) {
        if observed.links.get(number as usize) != Some(link) {
            plan.push(Action::Link(number, *link));
        }
    }
    raise_backends(observed, target, &mut plan);
    let mut rings = Rings::new(observed);
    for (number, service) in &target.services {
        plan_service(
            *number,
            service,
            observed.services.get(number),
            &mut rings,
            &mut plan,
        )?;
    }
    plan_control(observed, target, &mut plan)?;
    let lower = lowering(observed, target);
    let flips = plan
        .iter()
        .any(|action| matches!(action, Action::Service(..) | Action::Control(_)));
    if flips || !lower.is_empty() {
        plan.push(Action::Grace);
    }
    plan.extend(lower);
    Ok(plan)
}

/// Writes backends with whatever they may have now or are to have: nothing is withdrawn yet.
fn raise_backends(observed: &Observed, target: &Target, plan: &mut Vec<Action>) {
    for (number, (record, note)) in &target.backends {
        match observed.backends.get(number) {
            Some((old, old_note)) => {
                let both = Backend {
                    flags: record.flags | old.flags,
                    ..*record
                };
                if both != *old {
                    plan.push(Action::Backend(*number, both, *note));
                } else if note != old_note {
                    plan.push(Action::BackendNote(*number, *note));
                }
            }
            None => {
                plan.push(Action::ForgetBackend(*number));
                plan.push(Action::Backend(*number, *record, *note));
            }
        }
    }
}

fn plan_service(
    number: u32,
    service: &TargetService,
    observed: Option<&ObservedService>,
    rings: &mut Rings,
    plan: &mut Vec<Action>,
) -> Result<()> {
    let former = observed.map(|old| old.record).unwrap_or_default();
    let mut record = Service {
        side: former.side,
        rings: former.rings,
        admission: former.admission,
        ..service.record
    };
    if observed.is_none() {
        plan.push(Action::ForgetService(number));
    }
    if observed.is_none_or(|old| old.note != service.note) {
        plan.push(Action::ServiceNote(number, service.note));
    }
    if observed.is_none_or(|old| old.slots != service.slots) {
        let side = 1 - (record.side & 1);
        let base = rings.allocate(service.slots.len())?;
        let len = u32::try_from(service.slots.len())?;
        record.rings[side as usize] = Ring { base, len };
        record.side = side;
        plan.push(Action::Ring(base, service.slots.clone()));
        plan.push(Action::Rewind(number, side));
    }
    if observed.map_or(&[][..], |old| &old.bounds) != service.bounds {
        let len = u32::try_from(service.bounds.len())?;
        let base = rings.allocate_bounds(len)?;
        record.admission = Ring { base, len };
        plan.push(Action::Bounds(base, service.bounds.clone()));
    }
    if observed.is_none_or(|old| old.record != record) {
        plan.push(Action::Service(number, record));
    }
    Ok(())
}

/// The one record that puts a listener table in force, and the few settings beside it.
fn plan_control(observed: &Observed, target: &Target, plan: &mut Vec<Action>) -> Result<()> {
    let mut control = Control {
        links: u8::try_from(target.links.len())?,
        nat_ports: target.nat_ports,
        reply_ports: target.reply_ports,
        ..observed.control
    };
    let sorted = |listeners: &[Listener]| {
        let mut sorted = listeners.to_vec();
        sorted.sort_by_key(|l| {
            let Listener {
                address,
                port,
                protocol,
                service,
                flags,
                low,
                ..
            } = *l;
            (address, protocol, port, l.prefix, low, service, flags)
        });
        sorted
    };
    let wanted = sorted(&target.listeners);
    if wanted != sorted(&observed.listeners) || observed.control.listener_seed == [0, 0] {
        let table = listeners::build(&wanted)?;
        let side = 1 - (observed.control.listener_side & 1);
        let place = side as usize;
        control.listener_mask[place] = u32::try_from(table.buckets.len() - 1)?;
        control.listener_seed[place] = table.seed;
        control.patterns[place] = u8::try_from(table.patterns.len())?;
        control.listener_side = side;
        plan.push(Action::Listeners(side, table));
    }
    if control != observed.control {
        plan.push(Action::Control(control));
    }
    Ok(())
}

/// What is withdrawn once no packet can be on its way to it.
fn lowering(observed: &Observed, target: &Target) -> Vec<Action> {
    let mut actions = Vec::new();
    for (number, old) in &observed.services {
        if !target.services.contains_key(number) {
            actions.push(Action::Service(
                *number,
                Service {
                    flags: 0,
                    ..old.record
                },
            ));
        }
    }
    for (number, (old, note)) in &observed.backends {
        match target.backends.get(number) {
            Some((record, note)) if old.flags & !record.flags != 0 => {
                actions.push(Action::Backend(*number, *record, *note));
            }
            Some(_) => {}
            None => {
                let free = Backend {
                    incarnation: old.incarnation,
                    ..Backend::default()
                };
                actions.push(Action::Backend(*number, free, *note));
            }
        }
    }
    actions
}

/// Room in the maps of rings and of bounds. Rings in force keep theirs; the other side's are free, because every plan that took one
/// out of force ended with a grace.
struct Rings {
    /// First chunk and number of chunks of each ring that must stay.
    held: BTreeMap<u32, u32>,
    /// The same of bounds.
    bounds: BTreeMap<u32, u32>,
}

impl Rings {
    fn new(observed: &Observed) -> Self {
        let held = observed
            .services
            .values()
            .map(|service| service.record.rings[(service.record.side & 1) as usize])
            .filter(|ring| ring.len > 0)
            .map(|ring| (ring.base / CHUNK, ring.len.div_ceil(CHUNK)))
            .collect();
        let bounds = observed
            .services
            .values()
            .map(|service| service.record.admission)
            .filter(|place| place.len > 0)
            .map(|place| (place.base, place.len))
            .collect();
        Self { held, bounds }
    }

    /// First slot of room for `slots` slots.
    fn allocate(&mut self, slots: usize) -> Result<u32> {
        let chunks = u32::try_from(slots)?.div_ceil(CHUNK);
        let from = room(&mut self.held, chunks, MAX_RING_CHUNKS)
            .context("the ring map is full: use fewer services, or weights with a common divisor (100 and 50 rather than 101 and 50)")?;
        Ok(from * CHUNK)
    }

    /// First bound of room for `len` bounds.
    fn allocate_bounds(&mut self, len: u32) -> Result<u32> {
        room(&mut self.bounds, len, MAX_BOUNDS)
            .context("the admission map is full: use fewer prefixes in `allow` and `deny`")
    }
}

/// Takes the first gap of `wanted` entries between those that are held.
fn room(held: &mut BTreeMap<u32, u32>, wanted: u32, most: u32) -> Option<u32> {
    if wanted == 0 {
        return Some(0);
    }
    let mut from = 0;
    for (base, length) in held.iter() {
        if base - from >= wanted {
            break;
        }
        from = base + length;
    }
    (from + wanted <= most).then(|| {
        held.insert(from, wanted);
        from
    })
}
