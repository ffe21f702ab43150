use super::*;

#[test]
fn addresses_follow_from_number_and_network() {
    assert_eq!(address(Family::V4, 2, 7).to_string(), "10.2.0.7");
    assert_eq!(address(Family::V6, 2, 200).to_string(), "fd02::c8");
    assert_eq!(mac_text(mac(3, 200)), "02:00:00:00:03:c8");
}
