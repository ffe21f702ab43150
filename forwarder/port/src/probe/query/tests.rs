use super::*;

#[test]
fn loopback_has_an_answer_and_no_device_has_none() {
    // Netlink answers without privileges.
    let lo = xdp_query(1).unwrap();
    assert_eq!(lo.prog_id == 0, !lo.attached());
    assert!(xdp_query(0x7fff_fff0).is_err());
}
