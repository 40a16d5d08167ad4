//! Large files through the translation, in both directions.

use std::{env, time::Instant};

use lb_tests::lab::{
    Scene,
    client::{Download, fetch_hash, file_hash},
    scene::{WEB, tell},
};

use super::{both, layouts};
use crate::wire::upload;

/// Megabytes of a download.
const MEGABYTES: u64 = 200;

/// That many, unless `LB_TRANSFER_MB` names another number.
pub fn megabytes(usually: u64) -> u64 {
    env::var("LB_TRANSFER_MB").map_or(usually, |text| text.parse().unwrap())
}

#[test]
fn a_large_file_arrives_as_it_was_sent() {
    let megabytes = megabytes(MEGABYTES);
    for layout in layouts() {
        let mut scene = Scene::start(layout, &both()).unwrap();
        // The first flow of each service goes to backend 1.
        let big = scene.web(1).unwrap().big();
        Download::prepare(&big, megabytes << 20).unwrap();
        let sent = file_hash(&big).unwrap();
        for address in WEB {
            let begun = Instant::now();
            let hash = fetch_hash(&scene.lab, &format!("http://{address}/big")).unwrap();
            assert_eq!(hash, sent, "from {address}");
            let rate = megabytes as f64 / begun.elapsed().as_secs_f64();
            tell(format!(
                "{:?}, {address}: {megabytes} MB at {rate:.0} MB/s",
                scene.lab.layout().topology
            ));
        }
    }
}

#[test]
fn an_upload_arrives_byte_for_byte() {
    let nat = both().map(|service| service.without("probe").to_port(9000));
    for layout in layouts() {
        let scene = Scene::start(layout, &nat).unwrap();
        for address in WEB {
            // The first flow of each service.
            let own = scene.lab.addresses("be1").unwrap();
            let at = if address.is_ipv6() {
                (own.v6, 9000).into()
            } else {
                (own.v4, 9000).into()
            };
            upload(&scene, "be1", at, address);
        }
    }
}
