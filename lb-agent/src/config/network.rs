//! Networks as they are written: an address, or a prefix such as `192.0.2.0/28`.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is not a network.
pub(super) enum NetworkError {
    /// Its address cannot be read.
    Address,
    /// Its prefix length is none, or longer than its address.
    Length {
        /// Bits of its address.
        most: u8,
    },
    /// It has bits beyond its prefix.
    HostBits {
        /// The network without them.
        network: IpNet,
        /// The address as it was written.
        address: IpAddr,
    },
}

/// Reads an address as the network of its own, or a prefix.
pub(super) fn read(text: &str) -> Result<IpNet, NetworkError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
    let Some(length) = length else {
        return Ok(IpNet::from(address));
    };
    let wrong = NetworkError::Length {
        most: IpNet::from(address).max_prefix_len(),
    };
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    let Some(length) = length.parse().ok().filter(|_| digits) else {
        return Err(wrong);
    };
    let net = IpNet::new(address, length).map_err(|_| wrong)?;
    if net.trunc() == net {
        Ok(net)
    } else {
        let network = net.trunc();
        Err(NetworkError::HostBits { network, address })
    }
}

/// A network as it is written: an address alone without its prefix length.
pub(super) fn show(net: IpNet) -> String {
    match single(net) {
        Some(address) => address.to_string(),
        None => net.to_string(),
    }
}

/// The address of a network that has only one.
pub(super) fn single(net: IpNet) -> Option<IpAddr> {
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}
