//! The reference forwards as it should: what lb is compared with does the whole work.

use aya::{TestRun as _, TestRunOptions};
use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use lb_tests::frames::{Segment, tcp};

use super::*;
use crate::layout::Layout;

/// Actions of linux/bpf.h.
const PASS: u32 = 2;
const TX: u32 = 3;

fn reference() -> Reference {
    let config = Layout::Ways.config().unwrap();
    Reference::new(&config, 1024).expect("run this as root: `cargo xtask test`")
}

fn run(reference: &Reference, program: &str, frame: &[u8]) -> (u32, Vec<u8>) {
    let mut out = vec![0; 256];
    let program = stand::xdp(&reference.ebpf, program).unwrap();
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ..TestRunOptions::default()
    };
    let result = program.test_run(options).unwrap();
    out.truncate(result.data_size_out as usize);
    (result.return_value, out)
}

fn forward(reference: &Reference, frame: &[u8]) -> (u32, Vec<u8>) {
    run(reference, "lb_bench_reference", frame)
}

fn frame(client: &str, vip: &str) -> Vec<u8> {
    let segment = Segment::new("A").with(b"hello");
    tcp(client.parse().unwrap(), vip.parse().unwrap(), &segment)
}

/// The backends' MAC addresses end as their addresses do.
fn is_to_a_backend(frame: &[u8], of: std::ops::Range<u8>) -> bool {
    frame[..5] == [0x02, 0, 0, 0, 0xbe] && of.contains(&frame[5])
}

/// IPv4 and TCP headers whose checksums are right.
fn sound(packet: &[u8]) -> (etherparse::Ipv4Header, etherparse::TcpHeader) {
    let headers = PacketHeaders::from_ip_slice(packet).unwrap();
    let (Some(NetHeaders::Ipv4(ip, _)), Some(TransportHeader::Tcp(segment))) =
        (headers.net, headers.transport)
    else {
        panic!("no TCP in IPv4: {packet:02x?}")
    };
    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
    let payload = headers.payload.slice();
    let sum = segment.calc_checksum_ipv4(&ip, payload).unwrap();
    assert_eq!(segment.checksum, sum);
    (ip, segment)
}

#[test]
fn direct_return_changes_the_mac_addresses_alone() {
    let reference = reference();
    let before = frame("10.0.0.1:4000", "192.0.2.10:80");
    let (action, after) = forward(&reference, &before);
    assert_eq!(action, TX);
    assert!(is_to_a_backend(&after, 11..14), "{after:02x?}");
    assert_eq!(after[12..], before[12..]);
    assert_eq!(forward(&reference, &before), (action, after));
    assert_eq!(reference.counted().unwrap(), 2);
}

#[test]
fn a_tunnel_carries_the_packet_as_it_came() {
    let reference = reference();
    let before = frame("10.0.0.1:4000", "192.0.2.40:80");
    let (action, after) = forward(&reference, &before);
    assert_eq!(action, TX);
    assert!(is_to_a_backend(&after, 11..14), "{after:02x?}");
    let (outer, _) = etherparse::Ipv4Header::from_slice(&after[14..]).unwrap();
    assert_eq!(outer.header_checksum, outer.calc_header_checksum());
    assert_eq!(usize::from(outer.total_len), after.len() - 14);
    assert_eq!(outer.protocol, etherparse::IpNumber::IPV4);
    assert_eq!(outer.source, [10, 0, 1, 1]);
    assert_eq!(outer.destination[3], after[5]);
    assert_eq!(after[34..], before[14..]);
}

#[test]
fn a_translated_flow_keeps_its_ends_and_has_them_for_itself() {
    let reference = reference();
    let mut ends = std::collections::BTreeSet::new();
    for port in 4000..4100 {
        let before = frame(&format!("10.0.0.1:{port}"), "192.0.2.30:80");
        let (action, after) = forward(&reference, &before);
        assert_eq!(action, TX);
        let (ip, segment) = sound(&after[14..]);
        assert_eq!(ip.destination[3], after[5]);
        assert_eq!(segment.destination_port, 8080);
        assert_eq!(ip.source[..3], [10, 0, 1]);
        assert!((1..=8).contains(&ip.source[3]));
        assert!((1024..32_768).contains(&segment.source_port));
        assert!(ends.insert((ip.destination, ip.source, segment.source_port)));
        assert_eq!(forward(&reference, &before), (action, after));
    }
}

#[test]
fn what_is_not_ours_passes_untouched() {
    let reference = reference();
    let other = frame("10.0.0.1:4000", "192.0.2.99:80");
    let mut udp = frame("10.0.0.1:4000", "192.0.2.10:80");
    udp[23] = lb_common::UDP;
    for before in [other, udp] {
        assert_eq!(forward(&reference, &before), (PASS, before));
    }
    assert_eq!(reference.counted().unwrap(), 0);
}

#[test]
fn a_forgotten_flow_is_no_more() {
    let mut reference = reference();
    let flow = frame("10.0.0.1:4000", "192.0.2.10:80");
    assert_eq!(forward(&reference, &flow).0, TX);
    assert_eq!(run(&reference, "lb_bench_forget", &flow).0, TX);
    assert_eq!(run(&reference, "lb_bench_forget", &flow).0, PASS);
    let flows: HashMap<_, [u32; 4], [u32; 2]> = stand::take(&mut reference.ebpf, "REF_FLOWS")
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(flows.keys().count(), 0);
}
