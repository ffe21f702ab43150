use super::*;

#[test]
fn only_the_root_qdisc_of_weir_is_weirs() {
    let qdisc = |handle: u32, parent: u32, kind: &[u8; 8]| {
        let mut payload = header(7).to_vec();
        payload[8..12].copy_from_slice(&handle.to_ne_bytes());
        payload[12..16].copy_from_slice(&parent.to_ne_bytes());
        payload.extend_from_slice(&[12, 0, libc::TCA_KIND as u8, 0]);
        payload.extend_from_slice(kind);
        payload
    };
    let ours = qdisc(HANDLE, TC_H_ROOT, b"pfifo\0\0\0");
    assert!(is_ours(&ours, 7));
    assert!(!is_ours(&ours, 8));
    assert!(!is_ours(&ours[..15], 7));
    assert!(!is_ours(&qdisc(0x1_0000, TC_H_ROOT, b"pfifo\0\0\0"), 7));
    assert!(!is_ours(&qdisc(HANDLE, 1, b"pfifo\0\0\0"), 7));
    assert!(!is_ours(&qdisc(HANDLE, TC_H_ROOT, b"htb\0\0\0\0\0"), 7));
}
