//! How many of everything a file may have.

use std::net::Ipv4Addr;

use super::LEAST;
use crate::config::Config;

#[test]
fn services_are_bounded() {
    let service = |number: usize| {
        format!(
            "[[service]]\nname = \"s{number}\"\nlisten = [\"192.0.2.10:{}/tcp\"]\n\
             backend = [{{ name = \"b\", address = \"10.0.1.11\" }}]\n",
            number + 1
        )
    };
    let file = |services: usize| {
        let services: String = (0..services).map(service).collect();
        format!("[[interface]]\nname = \"eth0\"\n{services}")
    };
    assert!(Config::parse(&file(4095), "lb.toml").is_ok());
    let errors = Config::parse(&file(4096), "lb.toml").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "lb.toml:16383: service[s4095]: the file has 4096 services, 4095 are possible; split them over two balancers"
    );
}

#[test]
fn backends_are_bounded() {
    let backends = |count: usize| {
        let backend = |number| {
            format!("[[service.backend]]\nname = \"b{number}\"\naddress = \"10.0.1.11\"\n")
        };
        LEAST.to_owned() + &(1..count).map(backend).collect::<String>()
    };
    assert!(Config::parse(&backends(16_384), "lb.toml").is_ok());
    let errors = Config::parse(&backends(16_385), "lb.toml").unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("the file has 16385 backends, 16384 are possible"),
        "{errors}"
    );
}

#[test]
fn prefixes_of_clients_are_bounded() {
    let file = |count: u32| {
        let prefix = |number: u32| format!("\"{}\",", Ipv4Addr::from(0x0b00_0000 + number));
        let prefixes: String = (0..count).map(prefix).collect();
        LEAST.replace("# here", &format!("deny = [{prefixes}]"))
    };
    assert!(Config::parse(&file(14_336), "lb.toml").is_ok());
    let errors = Config::parse(&file(14_337), "lb.toml").unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("the file has 14337 prefixes in `allow` and `deny`, 14336 are possible"),
        "{errors}"
    );
}

#[test]
fn kinds_of_listeners_are_bounded() {
    // 12 prefix lengths, and four ranges each of two networks that share them.
    let lengths = (21..=32).map(|length| format!("\"64.0.0.0/{length}:1-9/tcp\","));
    let ranges = (1..=4).flat_map(|number| {
        ["64.0.0.0", "65.0.0.0"].map(|net| format!("\"{net}/24:{number}0-{number}9/tcp\","))
    });
    let all = lengths.chain(ranges).collect::<String>();
    let file = |more: &str| LEAST.replace("\"192.0.2.10:80/tcp\"", &format!("{all}{more}"));
    let single = "\"192.0.2.10:80/tcp\"";
    Config::parse(&file(single), "lb.toml").unwrap();
    let errors = Config::parse(&file("\"[2001:db8::/64]:80/tcp\""), "lb.toml").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "lb.toml:7: service[web].listen: [2001:db8::/64]:80/tcp is one more than the 16 prefix lengths and ranges that \
         are possible; use fewer prefix lengths, and fewer ranges on one network"
    );
}

#[test]
fn sources_are_bounded() {
    let file = |count: u32| {
        let service = |number: u32| {
            let source = Ipv4Addr::from(0x0b00_0000 + number);
            format!(
                "[[service]]\nname = \"s{number}\"\nlisten = [\"192.0.2.11:{}/tcp\"]\nforward = \"nat\"\n\
                 nat_source = [\"{source}\"]\nbackend = [{{ name = \"b\", address = \"10.0.1.11\" }}]\n",
                number + 1
            )
        };
        LEAST.to_owned() + &(0..count).map(service).collect::<String>()
    };
    assert!(Config::parse(&file(1024), "lb.toml").is_ok());
    let errors = Config::parse(&file(1025), "lb.toml").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "lb.toml:6162: service[s1024].nat_source: 11.0.4.0 is one more than the 1024 addresses that are possible; use \
         the same addresses for several services"
    );
}
