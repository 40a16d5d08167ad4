//! Figures as tables and as JSON.

use anyhow::Result;
use serde::Serialize;

use crate::{clients::Clients, figure::Figure, live::Live};

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Live frames.
    pub live: Vec<Live>,
    /// Real clients.
    pub clients: Vec<Clients>,
}

impl Report {
    /// Prints all of it.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        if !self.live.is_empty() {
            self.print_live();
        }
        if !self.clients.is_empty() {
            self.print_clients();
        }
        println!("\nMedians of the rounds, and in parentheses the least and the greatest.");
        Ok(())
    }

    fn print_live(&self) {
        println!(
            "{:<40} {:>24} {:>9} {:>8} {:>11} {:>12}",
            "live frames of 64 bytes, one CPU",
            "packets/s, thousands",
            "ns/packet",
            "of null",
            "x nftables",
            "x forwarding"
        );
        for live in &self.live {
            println!(
                "{:<40} {:>24} {:>9.0} {:>8.3} {:>11.2} {:>12.2}",
                live.case,
                spread(live.packets_per_second, 1e3),
                live.ns_per_packet.median,
                live.to_null.median,
                live.to_nftables.median,
                live.to_forwarding.median,
            );
        }
    }

    fn print_clients(&self) {
        println!(
            "\n{:<36} {:>24} {:>20} {:>9} {:>9} {:>10} {:>10}",
            "real clients",
            "requests/s, thousands",
            "p99, ms",
            "direct x",
            "NAT x",
            "direct p99",
            "NAT p99"
        );
        for clients in &self.clients {
            println!(
                "{:<36} {:>24} {:>20} {:>9.2} {:>9.2} {:>10.2} {:>10.2}",
                format!("{}, {}", clients.forwarder, clients.mode.name()),
                spread(clients.requests_per_second, 1e3),
                spread(clients.p99_us, 1e3),
                clients.direct_to_this.median,
                clients.nat_to_this.median,
                clients.direct_p99_to_this.median,
                clients.nat_p99_to_this.median,
            );
        }
        println!("direct x, NAT x: lb's requests/s over this forwarder's; p99 likewise");
    }
}

fn spread(figure: Figure, unit: f64) -> String {
    let Figure {
        median,
        least,
        greatest,
    } = figure;
    format!(
        "{:.1} ({:.1} to {:.1})",
        median / unit,
        least / unit,
        greatest / unit
    )
}
