use super::super::testing::{link, member, snapshot};
use super::*;

fn host() -> Snapshot {
    let mut eth0 = link(2, "eth0", LinkKind::Physical);
    eth0.is_default_route = true;
    eth0.addresses.push(("192.0.2.1".parse().unwrap(), 24));
    let mut nic1 = link(4, "nic1", LinkKind::Physical);
    nic1.addresses.push(("198.51.100.7".parse().unwrap(), 24));
    snapshot([
        link(1, "lo", LinkKind::Loopback),
        eth0,
        link(3, "br0", LinkKind::Bridge),
        nic1,
        member(link(5, "v1", LinkKind::Veth), 3),
    ])
}

fn refused(name: &str) -> String {
    check_port(&host(), name, false).unwrap_err().to_string()
}

#[test]
fn says_what_would_be_valid() {
    assert_eq!(refused("v9"), "there is no interface `v9`; it could be: nic1, v1");
    assert!(refused("lo").contains("the loopback interface"));
    assert!(refused("br0").contains("use --bridge"));
    assert_eq!(
        check_bridge(&host(), "v1").unwrap_err().to_string(),
        "`v1` is not a bridge but veth; the bridges are: br0"
    );
    assert_eq!(check_bridge(&host(), "br0").unwrap().ifindex, 3);
}

#[test]
fn the_way_to_the_host_is_taken_by_force_only() {
    assert!(refused("eth0").contains("--force"));
    assert!(check_port(&host(), "v1", false).is_ok());
}

#[test]
fn an_address_of_the_host_is_to_be_moved_whatever_is_forced() {
    for (name, force) in [("nic1", false), ("nic1", true), ("eth0", true)] {
        let refused = check_port(&host(), name, force).unwrap_err().to_string();
        assert!(refused.contains(&format!("/24 dev {name}`")), "{refused}");
        assert!(refused.contains("/24 dev weir0`"), "{refused}");
    }
}
