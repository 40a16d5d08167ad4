//! Whose flow an ICMP error is about.

use lb_common::{Control, Reason, backend::NO_SOURCE, flow::FlowKey, hash};

use super::{Choice, flow_table, schedule};
use crate::tables::Tables;

/// The backend of the flow with this key. Nothing is noted of the flow: anybody can send an error about it.
#[inline(always)]
pub fn backend<T: Tables>(
    tables: &T,
    control: &Control,
    service: u32,
    key: &FlowKey,
) -> Option<Choice> {
    let hash = hash::flow(key, control.flow_seed);
    if let Some(hit) = flow_table::find_forward(tables, control, hash, key) {
        return flow_table::is_served(tables, hit.tag).then(|| Choice {
            number: hit.tag.backend(),
            reason: Reason::IcmpError,
            source: hit.flow.source,
            port: hit.flow.port,
            flow: hit.place.index(),
        });
    }
    let number = service;
    let service = tables.service(number)?;
    if !service.is_consistent() {
        return None;
    }
    let number = u16::try_from(schedule::consistent(
        tables,
        control,
        number,
        &service,
        hash,
        &key.client,
    ))
    .ok()?;
    let backend = tables.backend(number)?;
    (!backend.is_translated()).then_some(Choice {
        number,
        reason: Reason::IcmpError,
        source: NO_SOURCE,
        port: 0,
        flow: lb_common::Flow::NO_TWIN,
    })
}
