//! Which addresses a webhook may go to.
//!
//! **Invariant:** what is not known to be a public host is not public. IPv6 is an allow-list
//! (`2000::/3` less its special blocks), which refuses every form that carries an IPv4 address
//! inside, since such an address can mean a private host behind a translator.
//!
//! Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A host on the public internet.
    Public,
    /// This machine or the operator's own network: only where the operator allows it.
    Private,
    /// Link-local (cloud metadata services live there), multicast, reserved, documentation,
    /// translated and tunnelled forms: never.
    Special,
}

/// Where `address` leads.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

const fn v4(text: [u8; 4], prefix: u32, reach: Reach) -> (u32, u32, Reach) {
    (u32::from_be_bytes(text), prefix, reach)
}

const IPV4: &[(u32, u32, Reach)] = &[
    v4([0, 0, 0, 0], 8, Reach::Special),      // this network, RFC 791
    v4([10, 0, 0, 0], 8, Reach::Private),     // RFC 1918
    v4([100, 64, 0, 0], 10, Reach::Private),  // carrier-grade NAT, RFC 6598
    v4([127, 0, 0, 0], 8, Reach::Private),    // loopback, RFC 1122
    v4([169, 254, 0, 0], 16, Reach::Special), // link-local, RFC 3927
    v4([172, 16, 0, 0], 12, Reach::Private),  // RFC 1918
    v4([192, 0, 0, 0], 24, Reach::Special),   // IETF protocols, RFC 6890
    v4([192, 0, 2, 0], 24, Reach::Special),   // documentation, RFC 5737
    v4([192, 88, 99, 0], 24, Reach::Special), // 6to4 relay anycast, RFC 7526
    v4([192, 168, 0, 0], 16, Reach::Private), // RFC 1918
    v4([198, 18, 0, 0], 15, Reach::Special),  // benchmarking, RFC 2544
    v4([198, 51, 100, 0], 24, Reach::Special), // documentation, RFC 5737
    v4([203, 0, 113, 0], 24, Reach::Special), // documentation, RFC 5737
    v4([224, 0, 0, 0], 4, Reach::Special),    // multicast, RFC 5771
    v4([240, 0, 0, 0], 4, Reach::Special),    // reserved and broadcast, RFC 1112
];

const fn v6(segments: [u16; 4], prefix: u32) -> (u128, u32) {
    let [a, b, c, d] = segments;
    (Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits(), prefix)
}

/// Blocks inside `2000::/3` that are no public hosts.
const IPV6_SPECIAL: &[(u128, u32)] = &[
    v6([0x2001, 0, 0, 0], 23), // IETF protocols: Teredo, benchmarking, ORCHID, RFC 2928
    v6([0x2001, 0x0db8, 0, 0], 32), // documentation, RFC 3849
    v6([0x2002, 0, 0, 0], 16), // 6to4, RFC 3056
    v6([0x3fff, 0, 0, 0], 20), // documentation, RFC 9637
];

const GLOBAL_UNICAST: (u128, u32) = v6([0x2000, 0, 0, 0], 3);
const UNIQUE_LOCAL: (u128, u32) = v6([0xfc00, 0, 0, 0], 7);

fn reach_v4(address: Ipv4Addr) -> Reach {
    let bits = address.to_bits();
    IPV4.iter()
        .find(|(network, prefix, _)| (bits ^ network) >> (32 - prefix) == 0)
        .map_or(Reach::Public, |(_, _, reach)| *reach)
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let bits = address.to_bits();
    let within = |(network, prefix): (u128, u32)| (bits ^ network) >> (128 - prefix) == 0;
    if address == Ipv6Addr::LOCALHOST || within(UNIQUE_LOCAL) {
        Reach::Private
    } else if within(GLOBAL_UNICAST) && !IPV6_SPECIAL.iter().any(|block| within(*block)) {
        Reach::Public
    } else {
        Reach::Special
    }
}

#[cfg(test)]
mod tests {
    use super::Reach::{Private, Public, Special};
    use super::*;

    fn check(rows: &[(&str, Reach)]) {
        for (text, expected) in rows {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(reach(address), *expected, "{text}");
        }
    }

    #[test]
    fn both_sides_of_every_ipv4_block() {
        check(&[
            ("0.0.0.0", Special),
            ("0.255.255.255", Special),
            ("1.0.0.0", Public),
            ("9.255.255.255", Public),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("11.0.0.0", Public),
            ("100.63.255.255", Public),
            ("100.64.0.0", Private),
            ("100.127.255.255", Private),
            ("100.128.0.0", Public),
            ("126.255.255.255", Public),
            ("127.0.0.0", Private),
            ("127.255.255.255", Private),
            ("128.0.0.0", Public),
            ("169.253.255.255", Public),
            ("169.254.0.0", Special),
            ("169.254.169.254", Special),
            ("169.254.255.255", Special),
            ("169.255.0.0", Public),
            ("172.15.255.255", Public),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("191.255.255.255", Public),
            ("192.0.0.0", Special),
            ("192.0.0.255", Special),
            ("192.0.1.255", Public),
            ("192.0.2.0", Special),
            ("192.0.2.255", Special),
            ("192.0.3.0", Public),
            ("192.88.98.255", Public),
            ("192.88.99.0", Special),
            ("192.88.99.255", Special),
            ("192.88.100.0", Public),
            ("192.167.255.255", Public),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("192.169.0.0", Public),
            ("198.17.255.255", Public),
            ("198.18.0.0", Special),
            ("198.19.255.255", Special),
            ("198.20.0.0", Public),
            ("198.51.99.255", Public),
            ("198.51.100.0", Special),
            ("198.51.100.255", Special),
            ("198.51.101.0", Public),
            ("203.0.112.255", Public),
            ("203.0.113.0", Special),
            ("203.0.113.255", Special),
            ("203.0.114.0", Public),
            ("223.255.255.255", Public),
            ("224.0.0.0", Special),
            ("239.255.255.255", Special),
            ("240.0.0.0", Special),
            ("255.255.255.255", Special),
        ]);
    }

    #[test]
    fn both_sides_of_every_ipv6_block() {
        check(&[
            ("::", Special),
            ("::1", Private),
            ("::2", Special),
            ("::7f00:1", Special),         // IPv4-compatible 127.0.0.1
            ("::808:808", Special),        // IPv4-compatible 8.8.8.8
            ("::ffff:127.0.0.1", Special), // IPv4-mapped
            ("::ffff:8.8.8.8", Special),
            ("::ffff:0:8.8.8.8", Special), // IPv4-translated, RFC 2765
            ("64:ff9b::8.8.8.8", Special), // NAT64
            ("64:ff9b::a00:1", Special),
            ("64:ff9b:1::1", Special), // local NAT64
            ("100::", Special),        // discard
            ("100::ffff:ffff:ffff:ffff", Special),
            ("1fff:ffff::", Special),
            ("2000::", Public),
            ("2000:ffff::", Public),
            ("2001::", Special), // Teredo
            ("2001:0:ffff::", Special),
            ("2001:2::1", Special),  // benchmarking
            ("2001:20::1", Special), // ORCHIDv2
            ("2001:1ff:ffff::", Special),
            ("2001:200::", Public),
            ("2001:db7:ffff::", Public),
            ("2001:db8::", Special),
            ("2001:db8:ffff::", Special),
            ("2001:db9::", Public),
            ("2001:ffff::", Public),
            ("2002::", Special), // 6to4
            ("2002:7f00:1::", Special),
            ("2002:ffff::", Special),
            ("2003::", Public),
            ("2606:4700::1111", Public),
            ("3ffe:ffff::", Public),
            ("3fff::", Special),
            ("3fff:fff:ffff::", Special),
            ("3fff:1000::", Public),
            ("3fff:ffff::", Public),
            ("4000::", Special),
            ("5f00::", Special), // segment routing
            ("fbff::", Special),
            ("fc00::", Private),
            ("fdff:ffff::", Private),
            ("fe00::", Special),
            ("fe80::1", Special), // link-local
            ("fec0::1", Special), // site-local, deprecated
            ("ff02::1", Special), // multicast
        ]);
    }
}
