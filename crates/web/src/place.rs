//! What can be told of an address without asking anybody: whether it is this machine, and whether it is private.
//!
//! Only literal addresses and the names of this machine count. A name that resolves to a private address is not looked up
//! here: inside a cluster that is what honest servers have, and the answer could be another one a moment later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Returns an address as a message may show it: without user, password, query and fragment, escaped, at most 300 characters.
#[must_use]
pub fn show(url: &Url) -> String {
    const MAX_SHOWN: usize = 300;
    let mut plain = url.clone();
    // These fail only for addresses without a host, which have no user either.
    let _ = plain.set_username("");
    let _ = plain.set_password(None);
    plain.set_query(None);
    plain.set_fragment(None);
    words::one_line(plain.as_str(), MAX_SHOWN)
}

/// Whether an address is one of this machine, where no proxy of the environment can be meant.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Whether an address is written so that it can only mean a private place: a literal address that is not public, a name of
/// this machine, or one under which clouds give out their machines' credentials. A server out there that points to one is up to no good.
#[must_use]
pub fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name) || is_metadata(name),
        Some(Host::Ipv4(address)) => is_private_address(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private_address(IpAddr::V6(address)),
        None => true,
    }
}

/// Whether an address is written so that it can only be one of a private network: of RFC 1918, of RFC 6598 (tailnets have those),
/// unique local, or a name that no public server has. Not this machine, and not where clouds give out credentials.
#[must_use]
pub fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_inside_name(name) && !is_localhost(name) && !is_metadata(name),
        Some(Host::Ipv4(address)) => is_inside_v4(address),
        Some(Host::Ipv6(address)) => match address.to_canonical() {
            IpAddr::V4(v4) => is_inside_v4(v4),
            IpAddr::V6(v6) => v6.is_unique_local() && v6 != METADATA_V6,
        },
        None => false,
    }
}

/// Whether an address is written so that it can only be this machine, or something on the very link that it is on: loopback,
/// link-local, and what clouds give out to their machines. Private networks are none of these.
#[must_use]
pub fn is_at_hand(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name) || is_metadata(name),
        Some(Host::Ipv4(address)) => is_address_at_hand(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_address_at_hand(IpAddr::V6(address)),
        None => true,
    }
}

/// The same of what a name leads to.
#[must_use]
pub fn is_address_at_hand(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_v4_at_hand(v4),
        IpAddr::V6(v6) => {
            let embedded = embedded(v6).is_some_and(is_v4_at_hand);
            // Whatever is beside Amazon's metadata: the agent of EKS, the time, names.
            let is_amazon_s = v6.segments()[..2] == METADATA_V6.segments()[..2];
            embedded || is_amazon_s || v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local()
        }
    }
}

fn is_v4_at_hand(v4: Ipv4Addr) -> bool {
    v4.octets()[0] == 0 || v4.is_loopback() || v4.is_link_local() || v4 == METADATA_V4
}

/// Where Amazon's and Alibaba's machines ask for their credentials.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

fn is_inside_v4(v4: Ipv4Addr) -> bool {
    let is_shared = matches!(v4.octets(), [100, 64..=127, _, _]);
    (v4.is_private() || is_shared) && v4 != METADATA_V4
}

/// Names without a dot, those of clusters, and the top-level domains that RFC 6762 (appendix G) and RFC 8375 know from private
/// networks.
fn is_inside_name(name: &str) -> bool {
    const DOMAINS: [&str; 9] = ["local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "svc"];
    let name = name.trim_end_matches('.');
    let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    !name.contains('.') || DOMAINS.into_iter().any(is_below)
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// The names by which machines in clouds ask for what they are, and for their credentials.
fn is_metadata(name: &str) -> bool {
    const NAMES: [&str; 5] =
        ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];
    NAMES.contains(&name.trim_end_matches('.'))
}

fn is_private_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

/// What is not public of IANA's registry of special addresses: this network (0/8), private ones, those between a carrier and
/// its customers (RFC 6598), assignments of protocols (192.0.0/24), tests of devices (198.18/15), groups and what is reserved.
fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [first, second, third, _] = v4.octets();
    let is_special = match first {
        0 | 224.. => true,
        100 => (64..128).contains(&second),
        192 => second == 0 && third == 0,
        198 => matches!(second, 18 | 19),
        _ => false,
    };
    is_special || v4.is_loopback() || v4.is_private() || v4.is_link_local()
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let local = v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local();
    let is_site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    local || is_site_local || v6.is_multicast() || embeds_private(v6)
}

/// Whether a private IPv4 address may stand inside. The other end of RFC 6052's prefixes is never public for us.
fn embeds_private(v6: Ipv6Addr) -> bool {
    matches!(v6.segments(), [0x64, 0xff9b, ..]) || embedded(v6).is_some_and(is_private_v4)
}

/// The IPv4 address that stands inside: translated (RFC 6052), as the old form of `::10.0.0.1`, or by 6to4.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match v6.segments() {
        [0x64, 0xff9b, .., high, low] | [0, 0, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn private_places() {
        let private = [
            "http://169.254.169.254/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://10.0.0.1/",
            "https://0.0.0.0/",
            "https://localhost/",
            "https://x.localhost./",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://100.64.0.1/",
            "https://[64:ff9b::a00:1]/",
            "https://[64:ff9b:1::a00:1]/",
            "https://[::10.0.0.1]/",
            "https://[2002:a00:1::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
            "https://0.1.2.3/",
            "https://192.0.0.8/",
            "https://198.19.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://metadata.google.internal/",
            "https://METADATA.google.internal./",
            "https://instance-data/",
        ];
        for address in private {
            assert!(is_private(&Url::parse(address).unwrap()), "{address}");
        }
        for address in [
            "https://8.8.8.8/",
            "https://auth.docker.io/",
            "https://[2606:4700::1]/",
            "https://100.128.0.1/",
            "https://192.0.1.1/",
            "https://198.20.0.1/",
            "https://[2002:808:808::1]/",
            "https://metadata.example.com/",
        ] {
            assert!(!is_private(&Url::parse(address).unwrap()), "{address}");
        }
    }

    #[test]
    fn at_hand() {
        let at_hand = |address: &str| is_at_hand(&Url::parse(address).unwrap());
        for address in [
            "http://localhost:9090/",
            "http://127.0.0.1/",
            "http://0.0.0.0/",
            "http://2130706433/",
            "http://169.254.169.254/latest/",
            "http://169.254.170.23/v1/credentials",
            "http://100.100.100.200/",
            "http://[::1]/",
            "http://[::]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fd00:ec2::23]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:7f00:1::]/",
            "http://metadata.google.internal/",
        ] {
            assert!(at_hand(address), "{address}");
        }
        for address in [
            "http://10.0.0.1/",
            "http://192.168.1.1/",
            "http://[fd12::1]/",
            "http://events.shop.svc/",
            "https://hooks.slack.com/",
            "http://[64:ff9b::808:808]/",
        ] {
            assert!(!at_hand(address), "{address}");
        }
    }

    #[test]
    fn private_networks() {
        let inside = |address: &str| is_inside(&Url::parse(address).unwrap());
        for address in [
            "https://10.0.0.1/",
            "https://192.168.1.1:8443/",
            "https://100.64.0.1/",
            "https://[fd12::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://registry:5000/",
            "https://harbor.lan/",
            "https://Registry.tools.svc.cluster.local./",
            "https://nas.home.arpa/",
        ] {
            assert!(inside(address), "{address}");
        }
        for address in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://a.localhost/",
            "https://169.254.169.254/",
            "https://100.100.100.200/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://metadata/",
            "https://metadata.google.internal/",
            "https://8.8.8.8/",
            "https://ghcr.io/",
            "https://a.example/x.local",
            "https://lan.example/",
        ] {
            assert!(!inside(address), "{address}");
        }
    }

    #[test]
    fn this_machine() {
        for address in [
            "http://localhost:1/",
            "http://a.localhost/",
            "http://127.9.9.9/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(is_loopback(&Url::parse(address).unwrap()), "{address}");
        }
        for address in
            ["http://10.0.0.1/", "http://localhost.example.com/", "http://127.0.0.1.example.com/", "file:///x"]
        {
            assert!(!is_loopback(&Url::parse(address).unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_lose_their_secrets() {
        let url = Url::parse("https://user:hunter2@r.example.com:8443/v2/a/tags/list?token=abc#frag").unwrap();
        assert_eq!(show(&url), "https://r.example.com:8443/v2/a/tags/list");
    }
}
