//! Routes from the kernel's answers.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn read(ip: IpAddr, attributes: Vec<RouteAttribute>) -> Result<Route, String> {
    let mut answer = RouteMessage::default();
    answer.header.kind = RouteType::Unicast;
    answer.attributes = attributes;
    Route::read(ip, &answer)
}

fn v4(text: &str) -> RouteAddress {
    RouteAddress::Inet(text.parse().unwrap())
}

#[test]
fn on_a_segment_the_backend_is_the_neighbour() {
    let backend = ip("10.0.0.9");
    let route = read(
        backend,
        vec![
            RouteAttribute::Oif(3),
            RouteAttribute::PrefSource(v4("10.0.0.1")),
        ],
    )
    .unwrap();
    assert_eq!(
        route,
        Route {
            ifindex: 3,
            via: None,
            from: Some(ip("10.0.0.1")),
            mtu: None,
        }
    );
    assert_eq!(route.neighbour(backend), backend);
}

#[test]
fn behind_a_router_the_router_is_the_neighbour() {
    let backend = ip("10.9.0.9");
    for (attribute, router) in [
        (RouteAttribute::Gateway(v4("10.0.0.254")), "10.0.0.254"),
        (
            RouteAttribute::Gateway(RouteAddress::Inet6("fe80::1".parse().unwrap())),
            "fe80::1",
        ),
        // An IPv4 route over an IPv6 router (RFC 8950).
        (
            RouteAttribute::Via(RouteVia::Inet6("fe80::2".parse().unwrap())),
            "fe80::2",
        ),
        (
            RouteAttribute::Via(RouteVia::Inet("10.0.0.253".parse().unwrap())),
            "10.0.0.253",
        ),
    ] {
        let route = read(backend, vec![RouteAttribute::Oif(3), attribute]).unwrap();
        assert_eq!(route.via, Some(ip(router)));
        assert_eq!(route.neighbour(backend), ip(router));
    }
}

#[test]
fn a_router_that_is_the_backend_is_none() {
    let attributes = vec![
        RouteAttribute::Oif(3),
        RouteAttribute::Gateway(v4("10.0.0.9")),
    ];
    assert_eq!(read(ip("10.0.0.9"), attributes).unwrap().via, None);
}

#[test]
fn the_mtu_is_the_lesser_of_route_and_interface() {
    for (metric, interface, mtu) in [
        (None, 1500, 1500),
        (None, 65536, 65535),
        (Some(1400), 1500, 1400),
        (Some(9000), 1500, 1500),
        (Some(70000), 80000, 65535),
        (Some(0), 1500, 1500),
    ] {
        let mut attributes = vec![RouteAttribute::Oif(3)];
        attributes.extend(metric.map(|mtu| {
            RouteAttribute::Metrics(vec![RouteMetric::Hoplimit(7), RouteMetric::Mtu(mtu)])
        }));
        let route = read(ip("10.0.0.9"), attributes).unwrap();
        assert_eq!(route.mtu(interface), mtu, "{metric:?} over {interface}");
    }
}

#[test]
fn an_own_address_is_no_backend() {
    let mut answer = RouteMessage::default();
    answer.header.kind = RouteType::Local;
    answer.attributes = vec![RouteAttribute::Oif(1)];
    assert_eq!(
        Route::read(ip("10.0.0.1"), &answer),
        Err("10.0.0.1 is this host's own address: a backend is another host".into())
    );
}

#[test]
fn a_route_without_interface_leads_nowhere() {
    assert_eq!(
        read(ip("10.0.0.1"), Vec::new()),
        Err("the route to 10.0.0.1 names no interface".into())
    );
}
