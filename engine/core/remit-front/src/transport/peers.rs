//! What a connection is called, and its host, by which strangers are counted.
//!
//! Law: `address_of` in `limits/by_address.py` makes of a peer's text that of its host.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The address as grpcio writes it.
pub fn peer_text(peer: SocketAddr) -> String {
    match peer {
        SocketAddr::V4(address) => format!("ipv4:{address}"),
        SocketAddr::V6(address) => format!("ipv6:%5B{}%5D:{}", address.ip(), address.port()),
    }
}

/// The address alone, or of IPv6 the network of one subscriber, which has more addresses than there are numbers for
/// connections.
pub fn host_text(peer: SocketAddr) -> String {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => format!("ipv4:{address}"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("ipv6:{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_host_or_of_one_subscriber_have_its_name() {
        for (address, peer, host) in [
            ("10.0.0.1:50051", "ipv4:10.0.0.1:50051", "ipv4:10.0.0.1"),
            ("[2001:db8::1:2]:50051", "ipv6:%5B2001:db8::1:2%5D:50051", "ipv6:2001:db8::/64"),
            ("[2001:db8:0:1::7]:50051", "ipv6:%5B2001:db8:0:1::7%5D:50051", "ipv6:2001:db8:0:1::/64"),
            ("[::ffff:10.0.0.1]:50051", "ipv6:%5B::ffff:10.0.0.1%5D:50051", "ipv4:10.0.0.1"),
            ("[::1]:7", "ipv6:%5B::1%5D:7", "ipv6:::/64"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!((&*peer_text(address), &*host_text(address)), (peer, host));
        }
    }
}
