use super::*;

#[test]
fn sockets_stand_by_slot_and_queue() {
    assert_eq!(socket_index(0, 0).unwrap(), 0);
    assert_eq!(socket_index(1023, 15).unwrap(), 16_383);
    assert!(socket_index(1024, 0).is_err());
    assert!(socket_index(0, 16).is_err());
}

#[test]
fn an_ipv4_lock_is_a_mapped_one() {
    let key = ip_key(3, "192.0.2.1".parse().unwrap());
    assert_eq!(key[..2], 3_u16.to_ne_bytes());
    assert_eq!(key[4..], *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01");
}

#[test]
fn reads_the_running_kernel() {
    if !Path::new(VMLINUX).exists() {
        assert!(matches!(kernel_facts(), Err(LoadError::NoBtf)));
        eprintln!("SKIPPED: this kernel has no {VMLINUX}");
        return;
    }
    let skb = kernel_facts().unwrap().skb;
    // A bit-field of two bits lies in one byte.
    assert!(skb.usable() && skb.ip_summed_shift <= 6, "{skb:?}");
}
