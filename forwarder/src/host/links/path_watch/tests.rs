use super::*;

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
        let mut stale = StalePaths::default();
        stale.absorb(&notification(kind, 0, 2, Some(7)));
        assert!(stale.concerns(7) && stale.concerns(2) && !stale.concerns(8));
        assert!(!stale.is_nothing());
    }
    let mut stale = StalePaths::default();
    stale.absorb(&notification(libc::RTM_NEWLINK, libc::AF_BRIDGE as u8, 7, None));
    stale.absorb(&notification(libc::RTM_NEWADDR, 0, 7, None));
    stale.absorb(&[0xff; 40]);
    assert!(stale.is_nothing());
}

#[test]
fn too_many_are_all() {
    let mut stale = StalePaths::default();
    for ifindex in 1..=TOLD_AT_MOST as u32 {
        stale.note(ifindex);
    }
    assert!(!stale.concerns(5000));
    stale.note(4000);
    stale.note(4001);
    assert_eq!(stale, StalePaths::all());
    assert!(stale.concerns(5000));
}
