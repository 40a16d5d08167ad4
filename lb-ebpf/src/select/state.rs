//! TCP's states as a balancer sees them, and how long each is remembered.

use lb_common::{Flow, Service, UDP};

use crate::header::tcp;

/// Ticks of silence after which a flow is over.
#[inline(always)]
pub const fn limit(flow: &Flow, service: &Service) -> u32 {
    if flow.kind == Flow::AFFINITY {
        return service.affinity;
    }
    if flow.key.protocol == UDP as u32 {
        return service.udp_idle;
    }
    match flow.state {
        Flow::OPENING => service.tcp_opening,
        Flow::OPEN => service.tcp_idle,
        Flow::CLOSED => service.tcp_closed,
        _ => service.tcp_closing,
    }
}

/// The state after a segment with these flags that follows the flow, in the direction of the entry's kind.
///
/// Where only the client is seen, its FIN ends the flow; where both sides are, it takes both (RFC 9293 section 3.6).
/// The first segment of the client that is no SYN acknowledges the backend's, so the flow is open.
#[inline(always)]
pub const fn next(flow: &Flow, flags: u8) -> u8 {
    if flow.key.protocol == UDP as u32 || flow.state == Flow::CLOSED {
        return flow.state;
    }
    if flags & tcp::RST != 0 {
        return Flow::CLOSED;
    }
    let is_reply = flow.kind == Flow::REPLY;
    if flags & tcp::FIN != 0 {
        let (own, other) = if is_reply {
            (Flow::BACKEND_CLOSED, Flow::CLIENT_CLOSED)
        } else {
            (Flow::CLIENT_CLOSED, Flow::BACKEND_CLOSED)
        };
        let is_over = flow.twin == Flow::NO_TWIN || flow.state == other;
        return if is_over { Flow::CLOSED } else { own };
    }
    if flow.state == Flow::OPENING && flags & tcp::SYN == 0 && !is_reply {
        return Flow::OPEN;
    }
    flow.state
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::TCP;

    const STATES: [(&str, u8); 5] = [
        ("opening", Flow::OPENING),
        ("open", Flow::OPEN),
        ("closed", Flow::CLOSED),
        ("client-closed", Flow::CLIENT_CLOSED),
        ("backend-closed", Flow::BACKEND_CLOSED),
    ];
    const FLAGS: [(&str, u8); 5] = [
        ("SYN", tcp::SYN),
        ("SYN+ACK", tcp::SYN | tcp::ACK),
        ("ACK", tcp::ACK),
        ("FIN", tcp::FIN | tcp::ACK),
        ("RST", tcp::RST),
    ];

    fn name(state: u8) -> &'static str {
        STATES
            .iter()
            .find(|(_, s)| *s == state)
            .map_or("?", |s| s.0)
    }

    #[test]
    fn the_whole_table_of_transitions() {
        let mut table = String::new();
        for (who, kind, twin) in [
            ("client, direct return", Flow::FORWARD, Flow::NO_TWIN),
            ("client, translated", Flow::FORWARD, 1),
            ("backend, translated", Flow::REPLY, 1),
        ] {
            table += &format!("{who}\n");
            for (from, state) in STATES {
                let mut flow = Flow {
                    state,
                    kind,
                    twin,
                    ..Flow::default()
                };
                flow.key.protocol = u32::from(TCP);
                let to = FLAGS.map(|(flag, flags)| format!("{flag} {}", name(next(&flow, flags))));
                table += &format!("  {from}: {}\n", to.join(", "));
            }
        }
        let expected = "\
client, direct return
  opening: SYN opening, SYN+ACK opening, ACK open, FIN closed, RST closed
  open: SYN open, SYN+ACK open, ACK open, FIN closed, RST closed
  closed: SYN closed, SYN+ACK closed, ACK closed, FIN closed, RST closed
  client-closed: SYN client-closed, SYN+ACK client-closed, ACK client-closed, FIN closed, RST closed
  backend-closed: SYN backend-closed, SYN+ACK backend-closed, ACK backend-closed, FIN closed, RST closed
client, translated
  opening: SYN opening, SYN+ACK opening, ACK open, FIN client-closed, RST closed
  open: SYN open, SYN+ACK open, ACK open, FIN client-closed, RST closed
  closed: SYN closed, SYN+ACK closed, ACK closed, FIN closed, RST closed
  client-closed: SYN client-closed, SYN+ACK client-closed, ACK client-closed, FIN client-closed, RST closed
  backend-closed: SYN backend-closed, SYN+ACK backend-closed, ACK backend-closed, FIN closed, RST closed
backend, translated
  opening: SYN opening, SYN+ACK opening, ACK opening, FIN backend-closed, RST closed
  open: SYN open, SYN+ACK open, ACK open, FIN backend-closed, RST closed
  closed: SYN closed, SYN+ACK closed, ACK closed, FIN closed, RST closed
  client-closed: SYN client-closed, SYN+ACK client-closed, ACK client-closed, FIN closed, RST closed
  backend-closed: SYN backend-closed, SYN+ACK backend-closed, ACK backend-closed, FIN backend-closed, RST closed
";
        assert_eq!(table, expected);
    }
}
