use super::*;

fn with(capabilities: &str) -> Privileges {
    parse(&format!("Name:\tweir\nCapEff:\t{capabilities}\n"), false).unwrap()
}

#[test]
fn names_what_is_missing() {
    assert_eq!(with("000001ffffffffff").missing(), []);
    assert_eq!(with("000001fffeffffff").missing(), []);
    let missing = with("0000000000000000").missing();
    assert_eq!(missing.len(), 6);
    let message = PrivilegeError { root: false, missing }.to_string();
    assert!(message.starts_with("not root, and lacking CAP_NET_ADMIN ("), "{message}");
    assert!(message.ends_with("run weir as root (sudo)"), "{message}");
}

#[test]
fn sys_admin_stands_in_for_bpf() {
    let old_style = with("0000000000207000");
    assert_eq!(old_style.missing(), []);
    let new_style = with("000000c000007000");
    assert_eq!(new_style.missing(), [SYS_ADMIN]);
}
