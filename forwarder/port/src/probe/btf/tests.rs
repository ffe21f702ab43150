use super::*;

#[test]
fn reads_the_running_kernel() {
    if !Path::new(VMLINUX).exists() {
        assert_eq!(KernelFacts::read(), Err(BtfError::Missing));
        eprintln!("SKIPPED: this kernel has no {VMLINUX}");
        return;
    }
    let skb = KernelFacts::read().unwrap().skb;
    // A bit-field of two bits lies in one byte.
    assert!(skb.usable() && skb.ip_summed_shift <= 6 && skb.head != skb.data, "{skb:?}");
}
