use super::*;

#[test]
fn the_loopback_device_has_features() {
    let features = features("lo").unwrap();
    assert!(features.iter().any(|(name, on)| name == "tx-tcp-segmentation" && *on));
    let tx = tx_features("lo").unwrap();
    assert!(tx.tso4, "{tx:?}");
}

#[test]
fn a_device_that_is_not_there_says_so() {
    assert!(features("no-such-device").is_err());
    assert!(set_feature("lo", "no-such-feature", true).is_err());
}
