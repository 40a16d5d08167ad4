//! What there is to know of an interface before and after it has an XDP program: its driver, what that cannot do, how the
//! program runs.

use std::fs;

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use rtnetlink::packet_route::link::{
    LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};

use super::features::{Features, features};
use crate::{config::XdpMode, dataplane::frames::PAGE_MTU};

/// An interface as XDP sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Name of its driver, or of its kind: `ixgbe`, `veth`, `bridge`; `unknown` where the kernel does not say.
    pub driver: String,
    /// Longest IP packet it takes, in bytes.
    pub mtu: u32,
    /// How an XDP program runs on it: `native`, `generic`, ... or `none`.
    pub mode: String,
    /// What its driver can do; none where the kernel does not say.
    pub features: Option<Features>,
}

impl Nic {
    /// Asks the kernel.
    ///
    /// # Errors
    /// Where netlink does not answer, or there is no such interface any more.
    pub async fn look(ifindex: u32) -> Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection().context("cannot open netlink")?;
        let driver = tokio::spawn(connection);
        let mut links = handle.link().get().match_index(ifindex).execute();
        let link = links.try_next().await;
        driver.abort();
        let link = link?.context("the interface has gone")?;
        let features = features(ifindex).await;
        Ok(Self {
            driver: driver_of(&link),
            mtu: mtu(&link),
            mode: mode(&link).into(),
            features: features.ok(),
        })
    }

    /// Its MTU, if a program of which `wanted` is asked may come to run in the driver. After the kernel has made an skb
    /// of a frame, it is in one piece.
    pub fn native_mtu(&self, wanted: XdpMode) -> Option<u32> {
        let cannot = self
            .features
            .is_some_and(|features| !features.has(Features::BASIC));
        (wanted != XdpMode::Generic && !cannot).then_some(self.mtu)
    }

    /// What it cannot do, a sentence each for people.
    pub fn lacks(&self) -> Vec<String> {
        let Some(features) = self.features else {
            return vec!["what its driver can do is unknown: kernels before 6.3 do not say".into()];
        };
        if !features.has(Features::BASIC) {
            return vec![
                "no XDP in the driver: packets take the generic mode, several times slower".into(),
            ];
        }
        let mut lacks = Vec::new();
        if !features.has(Features::REDIRECT) {
            lacks.push(
                "what it receives cannot leave by another interface (no redirect)".to_owned(),
            );
        }
        if !features.has(Features::NDO_XMIT) {
            lacks.push("cannot send what another interface received (no ndo_xmit)".to_owned());
        } else if !features.has(Features::NDO_XMIT_SG) {
            lacks.push(
                "cannot send frames above one page that another interface received (no ndo_xmit_sg)"
                    .to_owned(),
            );
        }
        if !features.has(Features::RX_SG) {
            lacks.push(if self.mtu > PAGE_MTU {
                format!(
                    "takes no frames above one page (no rx_sg): its MTU of {} is too large for native mode; {PAGE_MTU} is not",
                    self.mtu
                )
            } else {
                format!("takes no frames above one page (no rx_sg): an MTU above {PAGE_MTU} will be refused")
            });
        }
        lacks
    }
}

fn mtu(link: &LinkMessage) -> u32 {
    let mtu = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Mtu(mtu) => Some(*mtu),
            _ => None,
        });
    mtu.unwrap_or(0)
}

fn mode(link: &LinkMessage) -> &'static str {
    let mode = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Xdp(parts) => parts.iter().find_map(|part| match part {
                LinkXdp::Attached(XdpAttached::Driver) => Some("native"),
                LinkXdp::Attached(XdpAttached::SocketBuffer) => Some("generic"),
                LinkXdp::Attached(XdpAttached::Hardware) => Some("hardware"),
                LinkXdp::Attached(XdpAttached::Multiple) => Some("multiple"),
                _ => None,
            }),
            _ => None,
        });
    mode.unwrap_or("none")
}

/// The kind of an interface made of software, or the driver of the hardware below it. The latter is named in sysfs only,
/// by a path that does not depend on the network namespace.
fn driver_of(link: &LinkMessage) -> String {
    if link.header.link_layer_type == LinkLayerType::Loopback {
        return "loopback".into();
    }
    let (mut kind, mut bus, mut device) = (None, None, None);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::LinkInfo(parts) => {
                kind = parts.iter().find_map(|part| match part {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::ParentDevBusName(name) => bus = Some(name),
            LinkAttribute::ParentDevName(name) => device = Some(name),
            _ => {}
        }
    }
    let of_hardware = || {
        let path = format!("/sys/bus/{}/devices/{}/driver", bus?, device?);
        let driver = fs::read_link(path).ok()?;
        Some(driver.file_name()?.to_str()?.to_owned())
    };
    kind.or_else(of_hardware)
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = Features::BASIC
        | Features::REDIRECT
        | Features::NDO_XMIT
        | Features::RX_SG
        | Features::NDO_XMIT_SG;

    fn lacks(features: Option<u64>, mtu: u32) -> Vec<String> {
        let nic = Nic {
            driver: "foo".into(),
            mtu,
            mode: "native".into(),
            features: features.map(Features),
        };
        nic.lacks()
    }

    #[test]
    fn only_where_a_program_runs_in_the_driver_the_mtu_counts() {
        for (features, wanted, mtu) in [
            (None, XdpMode::Auto, Some(9000)),
            (Some(ALL), XdpMode::Native, Some(9000)),
            (Some(ALL), XdpMode::Generic, None),
            (Some(0), XdpMode::Auto, None),
        ] {
            let nic = Nic {
                driver: "foo".into(),
                mtu: 9000,
                mode: "none".into(),
                features: features.map(Features),
            };
            assert_eq!(nic.native_mtu(wanted), mtu, "{features:?} {wanted:?}");
        }
    }

    #[test]
    fn every_lack_is_one_sentence() {
        assert!(lacks(Some(ALL), 9000).is_empty());
        for (features, mtu, said) in [
            (None, 1500, "unknown"),
            (Some(0), 1500, "no XDP in the driver"),
            (Some(ALL & !Features::REDIRECT), 1500, "(no redirect)"),
            (Some(ALL & !Features::NDO_XMIT), 1500, "(no ndo_xmit)"),
            (Some(ALL & !Features::NDO_XMIT_SG), 1500, "(no ndo_xmit_sg)"),
            (
                Some(ALL & !Features::RX_SG),
                1500,
                "an MTU above 3498 will be refused",
            ),
            (
                Some(ALL & !Features::RX_SG),
                9000,
                "its MTU of 9000 is too large",
            ),
        ] {
            let lacks = lacks(features, mtu);
            assert_eq!(lacks.len(), 1, "{lacks:?}");
            assert!(lacks[0].contains(said), "{lacks:?}");
        }
        // What follows from the greater lack is not told again.
        let no_xmit = Features::NDO_XMIT | Features::NDO_XMIT_SG;
        assert_eq!(lacks(Some(ALL & !no_xmit), 1500).len(), 1);
        assert_eq!(lacks(Some(Features::BASIC), 1500).len(), 3);
    }
}
