use super::*;

#[test]
fn loopback_has_an_answer_and_no_device_has_none() {
    // Netlink answers without privileges.
    assert!(xdp_query(1).is_ok());
    assert!(xdp_query(0x7fff_fff0).is_err());
}
