//! The flow of a backend's answer.

use lb_common::{Control, Flow, Service, flow::FlowKey, hash};

use super::{Hit, flow_table, touch};
use crate::tables::Tables;

/// Looks for the flow, and notes that it was seen.
///
/// What a backend that may no longer serve still has to say goes to its client all the same: often it is the end of
/// the connection.
#[inline(always)]
pub fn reply<T: Tables>(tables: &T, control: &Control, key: &FlowKey, flags: u8) -> Option<Hit> {
    let hash = hash::flow(key, control.flow_seed);
    let hit = flow_table::find_reply(tables, control, hash, key)?;
    let service = service(tables, &hit.flow)?;
    touch(tables, control, &service, &hit, flags, tables.now());
    Some(hit)
}

/// Looks for the flow of a backend's packet without a trace.
#[inline(always)]
pub fn peek<T: Tables>(tables: &T, control: &Control, key: &FlowKey) -> Option<Hit> {
    let hash = hash::flow(key, control.flow_seed);
    flow_table::find_reply(tables, control, hash, key)
}

/// The service of a flow.
#[inline(always)]
pub fn service<T: Tables>(tables: &T, flow: &Flow) -> Option<Service> {
    tables.service(u32::from(flow.service))
}
