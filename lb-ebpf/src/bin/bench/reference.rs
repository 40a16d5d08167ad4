//! The classic design of a layer-4 balancer, in its simplest honest form: what lb is compared with.
//!
//! A hash map finds the service, an LRU hash map the flow; a flow that is not there is given the backend in the slot of
//! the service's ring that its hash names, and is inserted. Counters are per CPU. IPv4 and TCP only, untagged, and no
//! packet proves anything: flows end when the LRU map forgets them, a backend is never asked whether it may still serve.

use aya_ebpf::{
    bindings::{BPF_NOEXIST, xdp_action},
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray},
};
use lb_common::{TCP, counters::PacketsBytes, flow::FlowKey, hash};
use lb_ebpf::{
    bpf::XdpPacket,
    checksum,
    header::{ethernet, ipv4, tcp},
    packet::{Header as _, Packet},
};

/// Services at most.
const SERVICES: u32 = 4096;
/// Ring slots of all services at most.
const SLOTS: u32 = 1 << 20;
/// Backends at most.
const BACKENDS: u32 = 16_384;
/// Source addresses of translated flows; a power of two.
const SOURCES: u32 = 8;
/// Flows, unless the stand asks for another number.
const FLOWS: u32 = 65_536;

/// Ways of forwarding: word 0 of a backend.
const NAT: u32 = 1;
const IPIP: u32 = 2;

/// Lowest port of translated flows, and how many there are.
const PORTS: (u32, u32) = (1024, 31_744);
/// Ports that are tried for a translated flow.
const TRIES: u32 = 16;

/// Words stand as in the frame. Key: VIP; port and protocol. Value: number; first slot and number of slots of its ring.
#[map(name = "REF_SERVICES")]
static SERVICE: HashMap<[u32; 2], [u32; 3]> = HashMap::with_max_entries(SERVICES, 0);
/// Numbers of backends.
#[map(name = "REF_RING")]
static RING: Array<u32> = Array::with_max_entries(SLOTS, 0);
/// Way of forwarding, the first 12 bytes of the frame, address, port, source address of the outer header, zero.
#[map(name = "REF_BACKENDS")]
static BACKEND: Array<[u32; 8]> = Array::with_max_entries(BACKENDS, 0);
/// What backends see as the client's address where it is translated.
#[map(name = "REF_SOURCES")]
static SOURCE: Array<u32> = Array::with_max_entries(SOURCES, 0);
/// By client, VIP, ports, protocol: number of the backend; translated: the source's number above its port.
#[map(name = "REF_FLOWS")]
static FLOW: LruHashMap<Key, [u32; 2]> = LruHashMap::with_max_entries(FLOWS, 0);
/// By backend, source, ports, protocol: client, VIP, ports, zero.
#[map(name = "REF_REPLIES")]
static REPLY: LruHashMap<Key, [u32; 4]> = LruHashMap::with_max_entries(FLOWS, 0);
#[map(name = "REF_COUNTERS")]
static COUNTER: PerCpuArray<PacketsBytes> = PerCpuArray::with_max_entries(SERVICES, 0);

/// A five-tuple.
type Key = [u32; 4];

/// The length of the three headers.
const HEADERS: usize = ethernet::LEN + ipv4::LEN + tcp::LEN;

/// What is read of a frame, as it stands there.
struct Seen {
    key: Key,
    /// Length of the IP packet.
    len: usize,
    ip_checksum: u16,
    tcp_checksum: u16,
}

/// Forwards a packet; none where it is not ours.
#[inline(always)]
pub fn forward(packet: &mut XdpPacket<'_>) -> Option<u32> {
    let seen = read(packet)?;
    let [_, vip, ports, protocol] = seen.key;
    let port = second(ports);
    // SAFETY: services are written before the first packet.
    let [number, base, slots] = *unsafe { SERVICE.get([vip, port | protocol << 16]) }?;
    // SAFETY: an entry that is given to another flow meanwhile is still memory of the map.
    let flow = match unsafe { FLOW.get(seen.key) } {
        Some(flow) => *flow,
        None => begin(&seen.key, base, slots)?,
    };
    let backend = BACKEND.get(flow[0])?;
    count(number, packet.len() as u64)?;
    match backend[0] {
        NAT => translate(packet, &seen, backend, flow[1])?,
        IPIP => encapsulate(packet, &seen, backend)?,
        _ => packet.store(0, &addresses(backend))?,
    }
    Some(xdp_action::XDP_TX)
}

/// Forgets the flow of a packet.
#[inline(always)]
pub fn forget(packet: &XdpPacket<'_>) -> Option<u32> {
    FLOW.remove(read(packet)?.key).ok()?;
    Some(xdp_action::XDP_TX)
}

#[inline(always)]
fn read(packet: &XdpPacket<'_>) -> Option<Seen> {
    let frame = packet.header::<HEADERS>(0)?;
    let is_plain = frame.u16::<12>() == ethernet::IPV4.to_be()
        && frame.u8::<14>() == 0x45
        && frame.u16::<20>() & 0x3fff_u16.to_be() == 0
        && frame.u8::<23>() == TCP;
    is_plain.then(|| Seen {
        key: [
            frame.u32::<26>(),
            frame.u32::<30>(),
            frame.u32::<34>(),
            u32::from(TCP),
        ],
        len: usize::from(u16::from_be(frame.u16::<16>())),
        ip_checksum: frame.u16::<24>(),
        tcp_checksum: frame.u16::<50>(),
    })
}

/// Gives a new flow its backend.
#[inline(always)]
fn begin(key: &Key, base: u32, slots: u32) -> Option<[u32; 2]> {
    let [client, vip, ports, protocol] = key.map(u64::from);
    let hash = hash::mix(client | vip << 32) ^ hash::mix(ports | protocol << 32).rotate_left(1);
    let hash = hash::mix(hash);
    let slot = base + (((hash >> 32) * u64::from(slots)) >> 32) as u32;
    let number = *RING.get(slot)?;
    let backend = BACKEND.get(number)?;
    let bound = if backend[0] == NAT {
        bind(key, backend, hash)?
    } else {
        0
    };
    let flow = [number, bound];
    FLOW.insert(key, flow, 0).ok()?;
    Some(flow)
}

/// Finds a source address and port that no flow to this backend has.
#[inline(always)]
fn bind(key: &Key, backend: &[u32; 8], hash: u64) -> Option<u32> {
    let mut hash = hash;
    let mut tried = 0;
    while tried < TRIES {
        let index = hash as u32 & (SOURCES - 1);
        let (low, many) = PORTS;
        let port = low + (((hash >> 32) * u64::from(many)) >> 32) as u32;
        let port = (port as u16).to_be();
        let seen_by_backend = [
            backend[4],
            *SOURCE.get(index)?,
            FlowKey::join_ne(backend[5] as u16, port),
            u32::from(TCP),
        ];
        let client = [key[0], key[1], key[2], 0];
        if REPLY
            .insert(seen_by_backend, client, u64::from(BPF_NOEXIST))
            .is_ok()
        {
            return Some(u32::from(port) | index << 16);
        }
        hash = hash::mix(hash);
        tried += 1;
    }
    None
}

#[inline(always)]
fn count(number: u32, bytes: u64) -> Option<()> {
    let counter = COUNTER.get_ptr_mut(number)?;
    // SAFETY: the element is this CPU's own, and XDP programs do not interrupt each other on a CPU.
    let counter = unsafe { &mut *counter };
    counter[0] += 1;
    counter[1] += bytes;
    Some(())
}

/// Gives the packet other ends and mends both checksums for them (RFC 1624).
#[inline(always)]
fn translate(
    packet: &mut XdpPacket<'_>,
    seen: &Seen,
    backend: &[u32; 8],
    bound: u32,
) -> Option<()> {
    let [client, vip, before, _] = seen.key;
    let source = *SOURCE.get(bound >> 16 & (SOURCES - 1))?;
    let destination = backend[4];
    let ports = FlowKey::join_ne(bound as u16, backend[5] as u16);
    let ends = checksum::add(checksum::remove(0, &[client, vip]), &[source, destination]);
    let all = checksum::add(checksum::remove(ends, &[before]), &[ports]);
    packet.store(0, &addresses(backend))?;
    packet.store_u16(24, checksum::update(seen.ip_checksum, ends))?;
    packet.store(26, &[source, destination, ports])?;
    packet.store_u16(50, checksum::update(seen.tcp_checksum, all))
}

/// Puts the packet into another one.
#[inline(always)]
fn encapsulate(packet: &mut XdpPacket<'_>, seen: &Seen, backend: &[u32; 8]) -> Option<()> {
    let outer = ipv4::composed(
        0,
        seen.len + ipv4::LEN,
        0,
        [64, ipv4::PROTOCOL],
        backend[6],
        backend[4],
    );
    packet.refront(ethernet::LEN, ethernet::LEN + ipv4::LEN)?;
    packet.store(0, &addresses(backend))?;
    packet.store_u16(12, ethernet::IPV4.to_be())?;
    packet.store(ethernet::LEN, &outer)
}

#[inline(always)]
const fn addresses(backend: &[u32; 8]) -> [u32; 3] {
    [backend[1], backend[2], backend[3]]
}

/// The second of two ports, the way it stands in memory.
#[inline(always)]
const fn second(ports: u32) -> u32 {
    let [_, _, c, d] = ports.to_ne_bytes();
    u16::from_ne_bytes([c, d]) as u32
}
