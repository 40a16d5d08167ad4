//! ICMP: errors about flows go to the end that must learn of them; echo requests to VIPs are answered.

use lb_common::{Control, Handover, ICMP, ICMPV6, Reason, Service, Stage, flow::FlowKey};

use super::{Trail, road::known_to_nobody, written};
use crate::{
    answer::echo,
    lookup::{self, Destination},
    packet::Packet,
    parse::{
        self, Parsed, Part, Version,
        icmp::{About, Subject},
    },
    select::{reply, subject},
    tables::Tables,
    verdict::{Outcome, Turn},
};

/// Takes an ICMP message.
#[inline(always)]
pub fn icmp<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    trail: &mut Trail,
) -> Result<Outcome, Turn> {
    let ip = parse::internet(packet)?;
    let right = match ip.version {
        Version::V4 => ICMP,
        Version::V6 => ICMPV6,
    };
    if ip.protocol != right || ip.part != Part::Whole {
        return Err(Turn::pass(Reason::NotTcpUdp));
    }
    let mut parsed = Parsed {
        version: ip.version,
        l3: ip.l3,
        l4: ip.l4,
        len: ip.len,
        key: FlowKey {
            client: ip.source,
            vip: ip.destination,
            ports: 0,
            protocol: u32::from(ip.protocol),
        },
        flags: 0,
        sequence: 0,
        part: Part::Whole,
        id: 0,
    };
    known_to_nobody(tables, &mut parsed);
    trail.note(&parsed);
    let control = tables.control().ok_or(Turn::drop(Reason::Inconsistent))?;
    let len = (parsed.l3 + parsed.len).wrapping_sub(parsed.l4);
    let about = parse::icmp::parse(packet, parsed.version, parsed.l4, len).map_err(Turn::drop)?;
    match about {
        About::Echo => answer_echo(packet, tables, &control, trail, &parsed),
        About::Error(subject) => error(tables, &control, trail, &parsed, &subject),
        About::Other => Err(Turn::pass(Reason::NotTcpUdp)),
    }
}

#[inline(always)]
fn answer_echo<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    control: &Control,
    trail: &mut Trail,
    parsed: &Parsed,
) -> Result<Outcome, Turn> {
    let found = lookup::vip(tables, control, parsed.key.vip)
        .filter(|found| !found.closing)
        .ok_or(Turn::pass(Reason::NoService))?;
    trail.service = found.number;
    let service = tables
        .service(found.number)
        .ok_or(Turn::drop(Reason::Inconsistent))?;
    if service.flags & Service::ECHO == 0 {
        return Err(Turn::pass(Reason::NotTcpUdp));
    }
    echo::echo(packet, parsed.version, parsed.l3, parsed.l4)
        .ok_or(Turn::drop(Reason::Truncated))?;
    Err(Turn::send_back(Reason::Echo))
}

/// An error about a packet that was sent in the name of a VIP goes to the backend that sent it; one about a packet that
/// we sent to a backend goes to the client.
#[inline(always)]
fn error<T: Tables>(
    tables: &T,
    control: &Control,
    trail: &mut Trail,
    parsed: &Parsed,
    subject: &Subject,
) -> Result<Outcome, Turn> {
    // Seen from the other end: the one that the quoted packet went to comes first.
    let key = FlowKey {
        client: subject.destination,
        vip: subject.source,
        ports: subject.ports.rotate_left(16),
        protocol: u32::from(subject.quote.protocol),
    };
    let destination = Destination {
        address: key.vip,
        port: key.vip_port_ne(),
        protocol: subject.quote.protocol,
    };
    let mut handover = Handover {
        reason: Reason::IcmpError as u32,
        id: subject.quote.inner as u32 | (subject.quote.transport as u32) << 16,
        key,
        ..written(parsed)
    };
    if let Some(found) = lookup::lookup(tables, control, &destination) {
        trail.service = found.number;
        let choice = subject::backend(tables, control, found.number, &key)
            .ok_or(Turn::pass(Reason::NoService))?;
        handover.task = Handover::TO_BACKEND;
        handover.service = found.number;
        handover.backend = choice.number;
        handover.source = choice.source;
        handover.port = choice.port;
    } else {
        if !lookup::may_be_reply(control, destination.port) {
            return Err(Turn::pass(Reason::NotTcpUdp));
        }
        let hit = reply::peek(tables, control, &key).ok_or(Turn::pass(Reason::NotTcpUdp))?;
        handover.task = Handover::TO_CLIENT;
        handover.service = u32::from(hit.flow.service);
        handover.flow = hit.place.index();
    }
    tables.hand_over(&handover);
    Err(Turn::on(Stage::Notify))
}
