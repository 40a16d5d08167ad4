//! How an XDP program runs on an interface.

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use rtnetlink::packet_route::link::{LinkAttribute, LinkXdp, XdpAttached};

/// How an XDP program runs on an interface: `native`, `generic`, ... or `none`.
///
/// # Errors
/// Where netlink does not answer.
pub async fn xdp_mode(ifindex: u32) -> Result<String> {
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot open netlink")?;
    let driver = tokio::spawn(connection);
    let mut links = handle.link().get().match_index(ifindex).execute();
    let link = links.try_next().await;
    driver.abort();
    let link = link?.context("the interface has gone")?;
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
    Ok(mode.unwrap_or("none").into())
}
