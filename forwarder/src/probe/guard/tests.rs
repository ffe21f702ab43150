use super::*;
use crate::host::links::testing::{link, snapshot};

fn machine() -> Snapshot {
    let mut lo = link(1, "lo", LinkKind::Loopback);
    lo.addresses = vec![("127.0.0.1".parse().unwrap(), 8)];
    let mut eth0 = link(2, "eth0", LinkKind::Physical);
    eth0.addresses = vec![("192.168.7.5".parse().unwrap(), 24)];
    eth0.is_default_route = true;
    let mut v1 = link(3, "v1", LinkKind::Veth);
    v1.addresses = vec![("10.0.0.1".parse().unwrap(), 24), ("fd00::1".parse().unwrap(), 64)];
    snapshot([lo, eth0, v1])
}

#[test]
fn only_what_cannot_reach_others_may_be_flooded() {
    for (target, why) in [
        ("127.0.0.1", None),
        ("::1", None),
        ("10.0.0.9", None),
        ("fd00::9", None),
        ("192.168.7.5", None),
        ("fe80::1", None),
        ("192.168.7.9", Some("is behind the interface of the default route")),
        ("10.0.1.9", Some("is not on a network of this machine")),
        ("8.8.8.8", Some("is not on a network of this machine")),
        ("2001:db8::1", Some("is not on a network of this machine")),
        ("224.0.0.1", Some("is a group's address")),
    ] {
        assert_eq!(why_not(target.parse().unwrap(), &machine()), why, "{target}");
    }
}

#[test]
fn modest_is_by_datagrams_and_by_bits() {
    let order = Order::to("8.8.8.8:9".parse().unwrap());
    let with = |rate: &str, size: &str| Order {
        rate: rate.parse().unwrap(),
        sizes: size.parse().unwrap(),
        ..order.clone()
    };
    assert!(is_modest(&order));
    assert!(is_modest(&with("10kpps", "64")));
    assert!(!is_modest(&with("10.001kpps", "64")));
    assert!(!is_modest(&with("10kpps", "1400")));
    assert!(is_modest(&with("100Mbit", "1400")));
    assert!(!is_modest(&with("100Mbit", "64")));
    assert!(!is_modest(&with("max", "64")));
}
