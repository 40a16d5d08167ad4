//! Where a packet would go and why, asked of the loaded program itself.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, anyhow};
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use lb_common::{Backend, Explained, Reason, note};
use serde::Deserialize;

use super::{
    Reader,
    model::{Decision, Explanation},
};
use crate::{
    dataplane::Dataplane as _,
    neighbour::{Hop, Hops, mac},
    observed::observe,
};

/// A five-tuple.
#[derive(Debug, Deserialize)]
pub struct Question {
    /// The client's address and port.
    pub src: String,
    /// The service's address and port.
    pub dst: String,
    /// `tcp` (default) or `udp`.
    #[serde(default)]
    pub protocol: Option<String>,
}

/// XDP actions (linux/bpf.h).
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// A first packet and one in mid-flow.
pub type Frames = [Vec<u8>; 2];

/// The frames to ask with.
///
/// # Errors
/// What is wrong with the question, for people.
pub fn frames(question: &Question) -> Result<Frames, String> {
    let src = socket(&question.src, "source")?;
    let dst = socket(&question.dst, "destination")?;
    let tcp = match question.protocol.as_deref() {
        None | Some("tcp") => true,
        Some("udp") => false,
        Some(other) => return Err(format!("protocol `{other}` is not understood: tcp or udp")),
    };
    let built = if tcp {
        let syn = |step: PacketBuilderStep<IpHeaders>| {
            written(step.tcp(src.port(), dst.port(), 1, 1024).syn(), |b, w| {
                b.write(w, &[])
            })
        };
        let ack = |step: PacketBuilderStep<IpHeaders>| {
            written(step.tcp(src.port(), dst.port(), 2, 1024).ack(1), |b, w| {
                b.write(w, &[])
            })
        };
        [syn(ip(src, dst)?), ack(ip(src, dst)?)]
    } else {
        let udp = |step: PacketBuilderStep<IpHeaders>| {
            written(step.udp(src.port(), dst.port()), |b, w| b.write(w, &[]))
        };
        [udp(ip(src, dst)?), udp(ip(src, dst)?)]
    };
    let [first, later] = built;
    Ok([first?, later?])
}

fn written<B, E: std::fmt::Display>(
    builder: B,
    write: impl FnOnce(B, &mut Vec<u8>) -> Result<(), E>,
) -> Result<Vec<u8>, String> {
    let mut frame = Vec::new();
    write(builder, &mut frame).map_err(|error| error.to_string())?;
    Ok(frame)
}

fn socket(text: &str, what: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{what} `{text}` is not an address and port: write 198.51.100.7:40000 or [2001:db8::7]:40000")
    })
}

fn ip(src: SocketAddr, dst: SocketAddr) -> Result<PacketBuilderStep<IpHeaders>, String> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    match (src.ip(), dst.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(link.ipv4(src.octets(), dst.octets(), 64)),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(link.ipv6(src.octets(), dst.octets(), 64)),
        _ => Err(format!("{src} and {dst} are of different families")),
    }
}

/// Asks the program about both frames.
///
/// # Errors
/// Where the program cannot be run.
pub fn explain(reader: &Reader, [first, later]: &Frames) -> Result<Explanation> {
    Ok(Explanation {
        first: decision(reader, first)?,
        later: decision(reader, later)?,
    })
}

fn decision(reader: &Reader, frame: &[u8]) -> Result<Decision> {
    let dry_run = reader.dataplane.dry_run(frame)?;
    let explained = dry_run.explained;
    let reason = Reason::from_number(explained.reason).ok_or_else(|| {
        anyhow!(
            "the program gave reason {}, which this build does not know",
            explained.reason
        )
    })?;
    let observed = observe(&*reader.dataplane);
    let service = observed.services.get(&explained.service);
    let backend = (explained.backend != Explained::NO_BACKEND)
        .then(|| {
            u16::try_from(explained.backend)
                .ok()
                .and_then(|number| observed.backends.get(&number))
        })
        .flatten();
    let snapshot = reader.snapshot.borrow().clone();
    let interface = backend.and_then(|(record, _)| interface(&snapshot.hops, record));
    Ok(Decision {
        // A dry run comes by no real interface, so it cannot tell XDP_TX from XDP_REDIRECT.
        action: match (dry_run.action, backend) {
            (XDP_PASS, _) => "pass",
            (XDP_DROP, _) => "drop",
            (_, Some(_)) => "forward",
            (_, None) => "reset",
        }
        .into(),
        reason: reason.label().into(),
        help: reason.help().into(),
        service: service.map(|service| note::text(&service.note.name).into()),
        backend: backend.map(|(_, note)| note::text(&note.name).into()),
        interface,
        next_hop: backend.map(|(record, _)| mac(record.next_hop())),
    })
}

/// Name of the interface that packets to this backend leave by: of a VLAN, the interface that tags them.
fn interface(hops: &Hops, record: &Backend) -> Option<String> {
    let leaves_by = |hop: &&Hop| hop.ifindex == record.ifindex && hop.tags == record.tags;
    let hop = hops.values().flatten().find(leaves_by)?;
    Some(hop.interface.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_interface_is_told_from_the_one_below() {
        let hop = |interface: &str, tags: [u16; 2]| Hop {
            ifindex: 2,
            interface: interface.into(),
            device: "eth0".into(),
            tags,
            source: [2, 0, 0, 0, 0, 1],
            mac: [2, 0, 0, 0, 0, 2],
            via: None,
            from: None,
            mtu: 1500,
        };
        let tags = [100_u16.to_be(), 0];
        let hops = Hops::from([
            ([10, 0, 0, 1].into(), Err("no route".into())),
            ([10, 0, 0, 2].into(), Ok(hop("eth0", [0; 2]))),
            ([10, 0, 0, 3].into(), Ok(hop("eth0.100", tags))),
        ]);
        let named = |ifindex, tags| {
            let record = Backend {
                ifindex,
                tags,
                ..Backend::default()
            };
            interface(&hops, &record)
        };
        assert_eq!(named(2, [0; 2]).as_deref(), Some("eth0"));
        assert_eq!(named(2, tags).as_deref(), Some("eth0.100"));
        assert_eq!(named(3, tags), None);
    }
}
