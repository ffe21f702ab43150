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
        let mut heard = Heard::default();
        heard.absorb(&notification(kind, 0, 2, Some(7)));
        assert!(heard.concerns(7) && heard.concerns(2) && !heard.concerns(8));
        assert!(!heard.is_nothing());
    }
    let mut heard = Heard::default();
    heard.absorb(&notification(libc::RTM_NEWLINK, libc::AF_BRIDGE as u8, 7, None));
    heard.absorb(&notification(libc::RTM_NEWADDR, 0, 7, None));
    heard.absorb(&[0xff; 40]);
    assert!(heard.is_nothing());
}

#[test]
fn too_many_are_all() {
    let mut heard = Heard::default();
    for ifindex in 1..=TOLD_AT_MOST as u32 {
        heard.note(ifindex);
    }
    assert!(!heard.concerns(5000));
    heard.note(4000);
    heard.note(4001);
    assert_eq!(heard, Heard::all());
    assert!(heard.concerns(5000));
}
