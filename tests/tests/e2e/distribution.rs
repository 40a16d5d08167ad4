//! New connections go to the backends by weight: exactly, in the order of smooth weighted round robin.

use std::{collections::BTreeMap, net::SocketAddr, thread};

use lb_tests::lab::{
    Layout, Scene,
    client::curl,
    layout,
    scene::{Service, WEB, web},
};

#[test]
fn connections_follow_the_weights_over_xdp_tx() {
    follow_the_weights("native", Layout::one_arm(3));
}

#[test]
fn connections_follow_the_weights_over_xdp_redirect() {
    follow_the_weights("native", Layout::two_arm(3));
}

#[test]
fn connections_follow_the_weights_in_generic_mode() {
    follow_the_weights("generic", Layout::one_arm(3));
}

#[test]
fn connections_follow_the_weights_in_generic_mode_to_other_interfaces() {
    follow_the_weights("generic", Layout::two_arm(3));
}

fn follow_the_weights(xdp: &'static str, layout: Layout) {
    let services = [web()
        .backend(1, "weight = 100")
        .backend(2, "weight = 50")
        .backend(3, "weight = 0")];
    let scene = Scene::start_with(xdp, layout, &services).unwrap();
    assert_eq!(modes(&scene), [xdp]);
    for address in WEB {
        assert_order(&scene, address, "1 2 1", 30);
    }
    for (weights, order) in [
        ([30, 10, 0], "1 1 2 1"),
        ([5, 1, 1], "1 1 2 1 3 1 1"),
        ([1, 1, 1], "1 2 3"),
        ([0, 0, 256], "3"),
    ] {
        set(&scene, weights);
        for address in WEB {
            assert_order(&scene, address, order, 28);
        }
    }
    set(&scene, [100, 100, 1]);
    for address in WEB {
        let answers = curl(&scene.lab, address, 201).unwrap();
        assert_eq!(
            count(&answers),
            [("web-1", 100), ("web-2", 100), ("web-3", 1)].into()
        );
        // Smooth: the two heavy ones take turns but for the one place that is the light one's.
        let repeats = answers.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(repeats <= 1, "{repeats} repeats in {answers:?}");
    }
}

#[test]
fn both_families_take_turns_in_one_order() {
    let services = [web().backend(1, "weight = 2").backend(2, "weight = 1")];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let mut answers = Vec::new();
    for turn in 0..12 {
        answers.extend(curl(&scene.lab, WEB[turn % 2], 1).unwrap());
    }
    assert_is_rotation(&answers, "1 2 1");
}

#[test]
fn connections_that_come_at_once_are_counted_exactly() {
    let services = [web().backend(1, "weight = 2").backend(2, "weight = 1")];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    // As many clients as can keep every processor busy with packets of its own.
    let answers: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let scene = &scene;
                scope.spawn(move || curl(&scene.lab, WEB[client % 2], 100).unwrap())
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    assert_eq!(count(&answers), [("web-1", 400), ("web-2", 200)].into());
}

#[test]
fn services_share_backends_and_nothing_else() {
    let shop = Service::new("shop", &["192.0.2.20:80/tcp", "[2001:db8::20]:80/tcp"]);
    let services = [
        web().backend(1, "weight = 2").backend(2, "weight = 1"),
        shop.backend(1, "weight = 1").backend(2, "weight = 3"),
    ];
    let scene = Scene::start(Layout::one_arm(2), &services).unwrap();
    let shop = SocketAddr::new(layout::DB_V4.into(), 80);
    let (mut of_web, mut of_shop) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        of_web.extend(curl(&scene.lab, WEB[0], 1).unwrap());
        of_shop.extend(curl(&scene.lab, shop, 1).unwrap());
    }
    assert_is_rotation(&of_web, "1 2 1");
    assert_is_rotation(&of_shop, "2 1 2 2");
    let new_flows = |service: &str| {
        let backends = scene.service(service).unwrap().backends;
        backends
            .iter()
            .map(|backend| backend.new_flows)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (new_flows("web"), new_flows("shop")),
        (vec![8, 4], vec![3, 9])
    );
    scene.agent.lb_ok(["drain", "shop/shop-1"]).unwrap();
    assert_order(&scene, shop, "2", 4);
    assert_order(&scene, WEB[0], "1 2 1", 6);
}

/// Sets the weights of the three backends by the command line.
fn set(scene: &Scene, weights: [u16; 3]) {
    for (number, weight) in (1..).zip(weights) {
        let backend = format!("web/web-{number}");
        scene
            .agent
            .lb_ok(["weight", &backend, &weight.to_string()])
            .unwrap();
    }
}

fn modes(scene: &Scene) -> Vec<String> {
    let interfaces = scene.agent.status().unwrap().interfaces;
    interfaces
        .into_iter()
        .map(|interface| interface.mode)
        .collect()
}

/// `count` connections, one after the other, are answered in the order `order`, wherever in it they begin.
fn assert_order(scene: &Scene, address: SocketAddr, order: &str, count: usize) {
    let answers = curl(&scene.lab, address, count).unwrap();
    assert_is_rotation(&answers, order);
}

fn assert_is_rotation(answers: &[String], order: &str) {
    let order: Vec<_> = order
        .split(' ')
        .map(|number| format!("web-{number}"))
        .collect();
    let fits = |start: usize| {
        let expected = order.iter().cycle().skip(start).take(answers.len());
        answers.iter().eq(expected)
    };
    assert!(
        (0..order.len()).any(fits),
        "{answers:?} is not {order:?} repeated"
    );
}

fn count(answers: &[String]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.as_str()).or_default() += 1;
    }
    counts
}
