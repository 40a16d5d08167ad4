//! What a driver can do for XDP, as the kernel's `netdev` family of generic netlink says it (include/uapi/linux/netdev.h,
//! since Linux 6.3).

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use netlink_packet_generic::{
    GenlFamily, GenlHeader, GenlMessage,
    constants::{CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_ID_CTRL},
};
use rtnetlink::{
    packet_core::{
        DecodeError, DefaultNla, Emitable, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla as _,
        NlasIterator, Parseable as _, ParseableParametrized,
    },
    proto::{ConnectionHandle, new_connection},
    sys::{SocketAddr, protocols::NETLINK_GENERIC},
};

/// A set of `NETDEV_XDP_ACT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// The driver runs programs.
    pub const BASIC: u64 = 1;
    /// What it receives can be sent by another interface.
    pub const REDIRECT: u64 = 2;
    /// It sends what another interface received.
    pub const NDO_XMIT: u64 = 4;
    /// It receives frames in several pieces.
    pub const RX_SG: u64 = 32;
    /// It sends frames in several pieces that another interface received.
    pub const NDO_XMIT_SG: u64 = 64;

    /// Whether all of these are in the set.
    pub const fn has(self, wanted: u64) -> bool {
        self.0 & wanted == wanted
    }
}

const FAMILY: &[u8] = b"netdev\0";
const DEV_GET: u8 = 1;
const DEV_IFINDEX: u16 = 1;
const DEV_XDP_FEATURES: u16 = 3;

/// Asks for an interface's features.
///
/// # Errors
/// Where the kernel does not say: it is older than 6.3, or the interface has gone.
pub(super) async fn features(ifindex: u32) -> Result<Features> {
    let (connection, handle, _) = new_connection(NETLINK_GENERIC).context("cannot open netlink")?;
    let driver = tokio::spawn(connection);
    let features = ask(&handle, ifindex).await;
    driver.abort();
    features
}

async fn ask(handle: &Handle, ifindex: u32) -> Result<Features> {
    let family = request(
        handle,
        Request {
            family: GENL_ID_CTRL,
            command: CTRL_CMD_GETFAMILY,
            attributes: vec![DefaultNla::new(CTRL_ATTR_FAMILY_NAME, FAMILY.to_vec())],
        },
    )
    .await
    .context("the kernel has no netlink family netdev")?;
    let family = u16::from_ne_bytes(family.value(CTRL_ATTR_FAMILY_ID)?);
    let device = request(
        handle,
        Request {
            family,
            command: DEV_GET,
            attributes: vec![DefaultNla::new(DEV_IFINDEX, ifindex.to_ne_bytes().to_vec())],
        },
    )
    .await?;
    Ok(Features(u64::from_ne_bytes(
        device.value(DEV_XDP_FEATURES)?,
    )))
}

type Handle = ConnectionHandle<GenlMessage<Request>>;

async fn request(handle: &Handle, request: Request) -> Result<Request> {
    let mut message = NetlinkMessage::from(GenlMessage::from_payload(request));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut answers = handle.request(message, SocketAddr::new(0, 0))?;
    while let Some(answer) = answers.next().await {
        match answer.payload {
            NetlinkPayload::InnerMessage(answer) => return Ok(answer.payload),
            NetlinkPayload::Error(error) => return Err(error.to_io().into()),
            _ => {}
        }
    }
    bail!("netlink does not answer")
}

/// A request of generic netlink, or its answer: attributes without more than their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    family: u16,
    command: u8,
    attributes: Vec<DefaultNla>,
}

impl Request {
    fn value<const N: usize>(&self, kind: u16) -> Result<[u8; N]> {
        let found = self.attributes.iter().find(|nla| nla.kind() == kind);
        let found = found.filter(|nla| nla.value_len() == N);
        let mut value = [0; N];
        found
            .with_context(|| format!("netlink's answer has no attribute {kind} of {N} bytes"))?
            .emit_value(&mut value);
        Ok(value)
    }
}

impl GenlFamily for Request {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn family_id(&self) -> u16 {
        self.family
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Request {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Request {
    fn parse_with_param(bytes: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(bytes)
            .map(|nla| nla.and_then(|nla| DefaultNla::parse(&nla)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            family: 0,
            command: header.cmd,
            attributes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_their_attributes() {
        // NETDEV_CMD_DEV_GET's answer of Linux 6.18 for a veth, after the generic header: ifindex 7, features 0x67.
        let mut bytes = vec![8, 0, 1, 0];
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend([12, 0, 3, 0]);
        bytes.extend(0x67_u64.to_ne_bytes());
        let header = GenlHeader {
            cmd: DEV_GET,
            version: 1,
        };
        let answer = Request::parse_with_param(&bytes, header).unwrap();
        let value = answer.value(DEV_XDP_FEATURES).unwrap();
        assert_eq!(u64::from_ne_bytes(value), 0x67);
        assert_eq!(u32::from_ne_bytes(answer.value(DEV_IFINDEX).unwrap()), 7);
        assert!(answer.value::<4>(DEV_XDP_FEATURES).is_err());
        assert!(answer.value::<8>(9).is_err());
        let mut sent = vec![0; answer.buffer_len()];
        answer.emit(&mut sent);
        assert_eq!(sent, bytes);
    }
}
