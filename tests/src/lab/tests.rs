//! The lab tried by itself, with the kernel in the balancer's place. All need root, and fail without.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use super::*;

#[test]
fn answers_come_back_directly_in_one_segment() {
    direct_return("lb-test-one", Layout::one_arm(2));
}

#[test]
fn answers_come_back_directly_over_the_second_arm() {
    direct_return("lb-test-two", Layout::two_arm(2));
}

/// Kernel routes stand in for the balancer: what the client sends passes it, what the backend answers does not.
fn direct_return(prefix: &str, layout: Layout) {
    let _turn = exclusive().unwrap();
    let layout = Layout {
        ip_forward: true,
        ..layout
    };
    let lab = Lab::with_layout(prefix, layout).unwrap();
    let _nginx = Nginx::start(&lab, "be2", "web-2", 1 << 20).unwrap();
    let own = lab.addresses("be2").unwrap();
    for (vip, own) in [
        (layout::WEB_V4.to_string(), IpAddr::from(own.v4)),
        (layout::WEB_V6.to_string(), IpAddr::from(own.v6)),
    ] {
        assert_eq!(get(&lab, &own.to_string(), "/"), "web-2\n", "own address");
        let route = ["route", "add", &vip, "via", &own.to_string()];
        tool::run(&mut lab.command("lb", "ip", route)).unwrap();
        assert_eq!(get(&lab, &vip, "/"), "web-2\n", "service address");
        assert_eq!(get(&lab, &vip, "/big").len(), 1 << 20);
    }
    lab.destroy().unwrap();
    assert!(!Path::new("/run").join(prefix).exists());
}

#[test]
fn a_pulled_cable_is_as_before_when_it_is_back() {
    let _turn = exclusive().unwrap();
    for (prefix, layout) in [
        ("lb-test-cable1", Layout::one_arm(1)),
        ("lb-test-cable2", Layout::two_arm(1)),
    ] {
        let lab = Lab::with_layout(prefix, layout).unwrap();
        let _nginx = Nginx::start(&lab, "be1", "web-1", 0).unwrap();
        let be1 = lab.addresses("be1").unwrap();
        let addresses = [IpAddr::from(be1.v4), IpAddr::from(be1.v6)];
        let reaches = |address: IpAddr| {
            lab.in_namespace("lb", || {
                let address = SocketAddr::new(address, 80);
                TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()
            })
            .unwrap()
        };
        assert!(addresses.into_iter().all(reaches));
        lab.link("be1").down().unwrap();
        assert!(!addresses.into_iter().any(reaches));
        lab.link("be1").up().unwrap();
        for address in addresses {
            wait_until(Duration::from_secs(5), "the cable", || reaches(address)).unwrap();
        }
    }
}

#[test]
fn what_a_killed_process_left_behind_is_removed() {
    let _turn = exclusive().unwrap();
    let prefix = "lb-test-left";
    let lab = Lab::new(prefix).unwrap();
    let mut sleep = lab.spawn("be1", "sleep", ["1000"]).unwrap();
    // It enters the namespace on its own, some time after it was started.
    let be1 = lab.namespace("be1");
    let is_inside = || !be1.processes().is_empty();
    wait_until(Duration::from_secs(5), "a process inside", is_inside).unwrap();
    assert!(sleep.is_running());
    // What the next lab does first; this one's owner has had no say in it.
    leftovers::remove(prefix).unwrap();
    assert!(!sleep.is_running());
    assert!(!be1.path().exists());
    assert!(!lab.run_dir().exists());
}

fn get(lab: &Lab, host: &str, path: &str) -> String {
    let address = host.parse().map(|ip| SocketAddr::new(ip, 80)).unwrap();
    let exchange = || -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        Ok(body.to_owned())
    };
    lab.in_namespace("client", exchange).unwrap().unwrap()
}
