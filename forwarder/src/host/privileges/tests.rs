use super::*;

fn missing_with(capabilities: &str) -> Vec<Capability> {
    missing(&format!("Name:\tweir\nCapEff:\t{capabilities}\n")).unwrap()
}

#[test]
fn names_what_is_missing() {
    assert_eq!(missing_with("000001ffffffffff"), []);
    assert_eq!(missing_with("000001fffeffffff"), []);
    let missing = missing_with("0000000000000000");
    assert_eq!(missing.len(), 6);
    let message = PrivilegeError { root: false, missing }.to_string();
    assert!(message.starts_with("not root, and lacking CAP_NET_ADMIN ("), "{message}");
    assert!(message.ends_with("run weir as root (sudo)"), "{message}");
}

#[test]
fn sys_admin_stands_in_for_bpf() {
    let old_style = missing_with("0000000000207000");
    assert_eq!(old_style, []);
    let new_style = missing_with("000000c000007000");
    assert_eq!(new_style, [SYS_ADMIN]);
}
