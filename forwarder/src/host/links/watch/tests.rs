use super::*;
use crate::host::netlink::Request;

fn notification(kind: u16, family: u8, ifindex: u32, linked: Option<u32>) -> Vec<u8> {
    let mut fixed = [0; 16];
    fixed[0] = family;
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let mut message = Request::new(kind, &fixed);
    if let Some(linked) = linked {
        message = message.attribute(libc::IFLA_LINK, &linked.to_ne_bytes());
    }
    message.encode(0)
}

#[test]
fn a_change_at_either_end_concerns_the_port() {
    for kind in [libc::RTM_NEWLINK, libc::RTM_DELLINK] {
        let mut changed = Changed::default();
        changed.absorb(&notification(kind, 0, 2, Some(7)));
        assert!(changed.concerns(7) && changed.concerns(2) && !changed.concerns(8));
        assert!(!changed.is_nothing());
    }
    let mut changed = Changed::default();
    changed.absorb(&notification(libc::RTM_NEWLINK, libc::AF_BRIDGE as u8, 7, None));
    changed.absorb(&notification(libc::RTM_NEWNEIGH, 0, 7, None));
    changed.absorb(&[0xff; 40]);
    assert!(changed.is_nothing());
    changed.absorb(&notification(libc::RTM_NEWADDR, libc::AF_INET as u8, 7, None));
    assert!(changed.concerns(7) && !changed.concerns(2));
}

#[test]
fn too_many_are_all() {
    let mut changed = Changed::default();
    for ifindex in 1..=TOLD_AT_MOST as u32 {
        changed.note(ifindex);
    }
    assert!(!changed.concerns(5000));
    changed.note(4000);
    changed.note(4001);
    assert_eq!(changed, Changed::all());
    assert!(changed.concerns(5000));
}
