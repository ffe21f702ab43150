use super::*;

fn missing_with(capabilities: u64) -> CapabilitySet {
    missing(CapabilitySet::from_bits_retain(capabilities))
}

#[test]
fn names_what_is_missing() {
    assert_eq!(missing_with(0x1ff_ffff_ffff), CapabilitySet::empty());
    assert_eq!(missing_with(0x1ff_feff_ffff), CapabilitySet::empty());
    let missing = missing_with(0);
    assert_eq!(missing.iter().count(), 6);
    let message = PrivilegeError { root: false, missing }.to_string();
    assert!(message.starts_with("not root, and lacking CAP_NET_ADMIN ("), "{message}");
    assert!(message.ends_with("run weir as root (sudo)"), "{message}");
}

#[test]
fn sys_admin_stands_in_for_bpf() {
    assert_eq!(missing_with(0x20_7000), CapabilitySet::empty());
    assert_eq!(missing_with(0xc0_0000_7000), CapabilitySet::SYS_ADMIN);
}
