use super::super::super::links::testing::{link, member, snapshot};
use super::*;

fn host() -> Snapshot {
    let mut eth0 = link(2, "eth0", LinkKind::Physical);
    eth0.is_default_route = true;
    let mut nic1 = link(4, "nic1", LinkKind::Physical);
    nic1.addresses.push(("198.51.100.7".parse().unwrap(), 24));
    let mut bonded = member(link(7, "nic2", LinkKind::Physical), 8);
    bonded.master_kind = Some("bond".to_owned());
    snapshot([
        link(1, "lo", LinkKind::Loopback),
        eth0,
        link(3, "br0", LinkKind::Bridge),
        nic1,
        member(link(5, "v1", LinkKind::Veth), 3),
        link(6, "v2", LinkKind::Veth),
        bonded,
        link(8, "bond0", LinkKind::Other("bond".to_owned())),
        link(9, "weir0", LinkKind::Bridge),
        member(link(10, "v3", LinkKind::Veth), 9),
    ])
}

fn checked(ports: &[&str], force: bool) -> Result<Vec<String>, String> {
    let ports: Vec<String> = ports.iter().map(|name| (*name).to_owned()).collect();
    let host = host();
    let links = check(&host, &ports, force, Some(9)).map_err(|error| error.to_string())?;
    Ok(links.iter().map(|link| link.name.clone()).collect())
}

fn refused(port: &str) -> String {
    checked(&["v2", port], false).unwrap_err()
}

#[test]
fn what_cannot_be_a_member_is_refused_with_what_to_do() {
    assert!(refused("v9").contains("no interface `v9`"));
    assert!(refused("lo").contains("`lo` is the loopback interface"));
    assert!(refused("v1").contains("--bridge br0") && refused("v1").contains("v1 nomaster"));
    assert!(refused("nic2").contains("member of `bond0`"));
    assert!(refused("eth0").contains("--force"));
    let moved = refused("nic1");
    assert!(moved.contains("`ip addr del 198.51.100.7/24 dev nic1`"), "{moved}");
    assert!(moved.contains("`ip addr add 198.51.100.7/24 dev weir0`"), "{moved}");
    assert!(checked(&[], false).unwrap_err().contains("at least one port"));
}

#[test]
fn free_interfaces_and_its_own_members_are_taken() {
    assert_eq!(checked(&["v2", "v3"], false).unwrap(), ["v2", "v3"]);
    assert_eq!(checked(&["eth0"], true).unwrap(), ["eth0"]);
}
