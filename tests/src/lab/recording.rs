//! Every packet of an interface, and what a protocol analyser finds wrong with them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{Lab, Process, wait_until};

/// tcpdump writing to a file; it ends with the value.
#[derive(Debug)]
pub struct Recording {
    process: Process,
    file: PathBuf,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// TCP segments and UDP datagrams, also those inside of tunnels.
    pub packets: usize,
    /// Those that are malformed, as tshark shows them.
    pub faults: Vec<String>,
}

/// Bad checksums, and what tshark itself warns of: lengths that do not fit, headers cut short. UDP over IPv6 must have a
/// checksum, unless it is a tunnel (RFC 6935, RFC 6936): generic UDP encapsulation has port 6080.
const FAULTY: &str = "_ws.expert.severity >= 6291456 || tcp.checksum.status == 0 || \
    ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0 || \
    icmpv6.checksum.status == 0 || (ipv6 && udp.checksum == 0 && !(udp.dstport == 6080))";

/// tcpdump has a packet at the latest after this time.
const SETTLE: Duration = Duration::from_millis(200);

impl Recording {
    /// Records all of `device` of `node`, once it listens.
    ///
    /// # Errors
    /// tcpdump is missing or does not listen within ten seconds.
    pub fn start(lab: &Lab, node: &str, device: &str) -> Result<Self> {
        let base = lab.run_dir().join(format!("record-{node}-{device}"));
        let (file, log) = (base.with_extension("pcap"), base.with_extension("log"));
        let mut command = lab.command(
            node,
            "tcpdump",
            ["-n", "-U", "--immediate-mode", "-i", device],
        );
        // It would write as another user, who may not.
        command.args(["-Z", "root", "-w"]).arg(&file);
        let mut process = Process::start(command, &log)?;
        // The log goes on where one of the same name has ended.
        let before = process.log().matches(LISTENS).count();
        wait_until(Duration::from_secs(10), "tcpdump to listen", || {
            process.log().matches(LISTENS).count() > before || !process.is_running()
        })?;
        ensure!(
            process.is_running(),
            "tcpdump ended at once (Debian: apt-get install tcpdump): {}",
            process.log().trim()
        );
        Ok(Self { process, file })
    }

    /// Ends it and has it judged.
    ///
    /// # Errors
    /// tcpdump does not end, or tshark cannot read what it wrote.
    pub fn end(mut self) -> Result<Recorded> {
        thread::sleep(SETTLE);
        self.process.signal(Signal::INT)?;
        self.process.wait(Duration::from_secs(5))?;
        judge(&self.file)
    }
}

const LISTENS: &str = "listening on";

/// Has tshark read the capture file at `path`.
///
/// # Errors
/// tshark is missing or refuses the file.
pub fn judge(path: &Path) -> Result<Recorded> {
    Ok(Recorded {
        packets: tshark(path, "tcp || udp")?.len(),
        faults: tshark(path, FAULTY)?,
    })
}

fn tshark(path: &Path, filter: &str) -> Result<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(path);
    for preference in [
        "ip.check_checksum",
        "tcp.check_checksum",
        "udp.check_checksum",
        // It would not look at the port.
        "udp.ignore_ipv6_zero_checksum",
    ] {
        command.args(["-o", &format!("{preference}:TRUE")]);
    }
    let output = command
        .args(["-Y", filter])
        .output()
        .context("starting tshark: is it installed? (Debian: apt-get install tshark)")?;
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    /// A capture file with one frame (the format of libpcap, Ethernet).
    fn capture(frame: &[u8]) -> tempfile::NamedTempFile {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1, 0, 0] {
            bytes.extend(word.to_ne_bytes());
        }
        let length = u32::try_from(frame.len()).unwrap().to_ne_bytes();
        bytes.extend([length, length].concat());
        bytes.extend(frame);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn faults(frame: &[u8]) -> usize {
        let recorded = judge(capture(frame).path()).unwrap();
        assert_eq!(recorded.packets, 1);
        recorded.faults.len()
    }

    #[test]
    fn every_wrong_checksum_and_length_is_found() {
        let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let v4 = || ethernet().ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
        let v6 = || ethernet().ipv6([0x20; 16], [0x21; 16], 64);
        let (mut tcp, mut udp, mut tcp6) = (Vec::new(), Vec::new(), Vec::new());
        v4().tcp(40_000, 80, 1, 1000)
            .write(&mut tcp, b"payload")
            .unwrap();
        v4().udp(40_000, 9999).write(&mut udp, b"payload").unwrap();
        v6().tcp(40_000, 80, 1, 1000)
            .write(&mut tcp6, b"payload")
            .unwrap();
        // The time to live of IPv4's header, and the last byte of each payload.
        for (frame, places) in [
            (tcp.clone(), vec![22, tcp.len() - 1]),
            (udp.clone(), vec![22, udp.len() - 1]),
            (tcp6.clone(), vec![tcp6.len() - 1]),
        ] {
            assert_eq!(faults(&frame), 0, "{:?}", judge(capture(&frame).path()));
            for place in places {
                let mut wrong = frame.clone();
                wrong[place] ^= 1;
                assert_eq!(faults(&wrong), 1, "byte {place}");
            }
        }
        // No checksum at all, in a tunnel and elsewhere.
        for (port, wrong) in [(6080, 0), (9999, 1)] {
            let mut none = Vec::new();
            let udp6 = v6().udp(40_000, port);
            udp6.write(&mut none, b"payload").unwrap();
            none[60..62].fill(0);
            assert_eq!(faults(&none), wrong, "port {port}");
        }
        // A UDP length that is beyond the packet's.
        let mut long = udp;
        long[39] += 9;
        assert_eq!(faults(&long), 1);
    }
}
